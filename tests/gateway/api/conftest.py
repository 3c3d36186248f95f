"""A client of the API that bears a token of its own and holds every answer to its description."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.routing import Map, Rule
from werkzeug.test import Client, TestResponse

from gateway import api
from gateway.api import operations
from gateway.api.operations import OPERATIONS
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import api_tokens

PREFIX = "/api/v1"
DOCUMENT = api.description()
_ROADS = Map([Rule(one.rule, endpoint=one.path, methods=[one.method]) for one in OPERATIONS]).bind("")
FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def _moment(value: object) -> bool:
    return not isinstance(value, str) or (value.endswith("Z") and datetime.fromisoformat(value).tzinfo == UTC)


def faults(schema: Any, value: object) -> list[str]:
    """Return where `value` does not fit a schema of the description."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole, format_checker=FORMATS).iter_errors(value)]


def assert_described(method: str, path: str, answer: TestResponse) -> None:
    """Fail unless an answer is one that its operation's description knows."""
    template, _ = _ROADS.match(path.partition("?")[0], method=method)
    told = DOCUMENT["paths"][template][method.lower()]["responses"]
    assert str(answer.status_code) in told, (method, path, answer.status_code, answer.data)
    content = told[str(answer.status_code)]["content"]
    kind = answer.content_type.partition(";")[0]
    assert kind in content, (method, path, kind)
    if kind.endswith("json"):
        assert faults(content[kind]["schema"], json.loads(answer.data)) == [], (method, path, answer.data)


class Caller:
    """One of the utility's systems, with its token; every answer is held to the description."""

    def __init__(self, web: Client, token: str) -> None:
        self.web, self.token = web, token

    def __call__(self, method: str, path: str, *, headers: Any = None, **more: Any) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        answer = self.web.open(PREFIX + path, method=method, headers=sent, **more)
        assert_described(method, PREFIX + path, answer)
        return answer

    def get(self, path: str, **more: Any) -> TestResponse:
        return self("GET", path, **more)

    def post(self, path: str, content: object, *, key: str = "", **more: Any) -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return self("POST", path, json=content, headers=headers, **more)


@pytest.fixture
def token_of(wiring: Wiring) -> Callable[..., str]:
    """Make a token with these scopes."""
    made = iter(range(1, 100))

    def do(*scopes: str, lasts: timedelta | None = None, name: str = "") -> str:
        with transaction(wiring.engine) as session:
            called = name or f"client {next(made)}"
            return api_tokens.make(session, called, scopes, lasts=lasts, by="test", now=wiring.clock())[1]

    return do


@pytest.fixture
def caller(web: Client, token_of: Callable[..., str]) -> Callable[..., Caller]:
    """Return a caller with these scopes; with every one when none is named."""
    return lambda *scopes, **more: Caller(web, token_of(*(scopes or api_tokens.SCOPES), **more))


@pytest.fixture
def ask(caller: Callable[..., Caller]) -> Caller:
    """A caller that may do everything."""
    return caller()


@pytest.fixture(autouse=True)
def _all_are_known() -> None:
    assert operations.OPERATIONS
