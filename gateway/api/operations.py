"""Operations: what the API does, each declared once beside its view; routes and the description are made from it."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, request
from sqlalchemy.orm import Session

from banks import strict_json
from banks.errors import Unreadable
from banks.strict_json import ExactNumber
from gateway.api import callers, replaying
from gateway.api.callers import Caller
from gateway.api.kinds import Kind
from gateway.api.problems import PATH, Problem
from gateway.database import insist
from gateway.request_session import db
from gateway.wiring import Wiring

Schema = Mapping[str, Any]
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brings: a JSON object of a schema, of at most so many bytes; `example` is one."""

    schema: Schema
    limit: Callable[[], int]
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a view gets it: who asks, the parameters as they were read, and the body as an object."""

    wiring: Wiring
    caller: Caller
    session: Session
    now: datetime
    values: Mapping[str, Any]
    content: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Done:
    """What a view answers; `then` is done once everything is committed."""

    content: Mapping[str, Any]
    status: int = 200
    then: Callable[[], object] = bool


View = Callable[[Asked], Done | Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its address as the description writes it, who may, what it takes, and what it answers."""

    name: str
    method: str
    path: str
    scope: str
    summary: str
    view: View
    answer: Schema
    status: int = 200
    inside: Mapping[str, Kind] = field(default_factory=dict)
    """The parameters in the address, by name."""
    query: Mapping[str, Kind] = field(default_factory=dict)
    body: Body | None = None
    key: str = ""
    """Whether an Idempotency-Key is "required", "optional" or, "", unknown."""
    media_type: str = "application/json"
    example: object = None
    problems: Sequence[int] = ()
    """What it may refuse beside what everything may: see `openapi`."""

    @property
    def rule(self) -> str:
        """The address as the router writes it."""
        return PATH + re.sub(r"{(\w+)}", lambda found: f"<{self._converter(found[1])}{found[1]}>", self.path)

    def _converter(self, name: str) -> str:
        return "path:" if self.inside[name].slashes else ""


OPERATIONS: list[Operation] = []
"""Every operation there is, in the order in which the modules were loaded."""


def operation(method: str, path: str, scope: str, **declared: Any) -> Callable[[View], View]:
    """Declare the view below as an operation; its docstring is the summary, its name the operation's."""

    def note(view: View) -> View:
        summary = (view.__doc__ or "").strip().splitlines()[0]
        name = declared.pop("name", view.__name__)
        OPERATIONS.append(Operation(name, method, path, scope, summary, view, **declared))
        return view

    return note


def install(app: Flask, operations: Sequence[Operation]) -> None:
    """Put the operations into `app`."""
    for one in operations:
        app.add_url_rule(
            one.rule, f"api.{one.name}", partial(_serve, one), methods=[one.method], provide_automatic_options=False,
            merge_slashes=False,
        )  # fmt: skip


def _serve(one: Operation, **inside: str) -> Response:
    wiring: Wiring = current_app.extensions["doisoat"]
    caller = callers.allowed(wiring, one.scope)
    values = {**_inside(one, inside), **_query(one)}
    key = replaying.key_of(request.headers.get("Idempotency-Key"), one.key)
    raw = _raw(one.body) if one.body is not None else b""
    content = _content(raw, one.body) if one.body is not None else {}
    asked = Asked(wiring, caller, db(), wiring.clock(), values, content)
    if one.method == "GET":
        return _response(one.view(asked))
    digest = hashlib.sha256(f"{one.method} {request.full_path}\n".encode() + raw).digest()

    def work() -> tuple[Response, Callable[[], object]]:
        db().rollback()
        if key and (before := replaying.before(asked.session, caller, key, digest)):
            return before, bool
        try:
            done = one.view(asked)
        except Problem as problem:
            if key:
                replaying.keep_refusal(asked.session, caller, key, digest, problem.response(), now=asked.now)
            raise
        answer = _response(done)
        if key:
            replaying.keep(asked.session, caller, key, digest, answer, now=asked.now)
        asked.session.commit()
        return answer, done.then if isinstance(done, Done) else bool

    answer, then = insist(work)
    then()
    return answer


def _response(done: Done | Response) -> Response:
    if isinstance(done, Response):
        answer = done
    else:
        written = json.dumps(done.content, ensure_ascii=False, separators=(",", ":"))
        answer = Response(written, done.status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _inside(one: Operation, inside: Mapping[str, str]) -> dict[str, Any]:
    read = {}
    for name, kind in one.inside.items():
        try:
            read[name] = kind.read(inside[name])
        except ValueError:
            raise Problem(404, "nothing here", [f"{name}: expected {kind.expected}"]) from None
    return read


def _query(one: Operation) -> dict[str, Any]:
    known, read, wrong = ", ".join(one.query) or "none", {}, []
    for name, written in request.args.items(multi=True):
        kind = one.query.get(name)
        if kind is None:
            wrong.append(f"{name[:40]}: expected one of the parameters {known}")
        elif name in read:
            wrong.append(f"{name}: expected it once")
        else:
            try:
                read[name] = kind.read(written)
            except ValueError:
                wrong.append(f"{name}: expected {kind.expected}, got {written[:40]!r}")
    if wrong:
        raise Problem(400, "parameters not readable", wrong)
    since, until = read.get("since"), read.get("until")
    if since is not None and until is not None and until < since:
        raise Problem(422, "no such days", [f"until: expected no day before since = {since}, got {until}"])
    return read


def _raw(body: Body) -> bytes:
    if request.mimetype not in ("", "application/json"):
        raise Problem(415, "another kind of content", [f"expected application/json, got {request.mimetype[:60]}"])
    most, told = body.limit(), request.content_length or 0
    # A body that does not tell its length is known to be too large only once it is read.
    read = request.stream.read(most + 1) if told <= most else b""
    if max(told, len(read)) > most:
        raise Problem(413, "too large", [f"expected at most {most} bytes"])
    return read


def _content(raw: bytes, body: Body) -> Mapping[str, Any]:
    try:
        read: Mapping[str, Any] = _plain(strict_json.read_object(raw, max_bytes=body.limit(), exact_numbers=True), "")
    except Unreadable as error:
        raise Problem(400, "not readable", [str(error)]) from None
    return read


def _plain(value: Any, place: str) -> Any:
    """Return what was read with numbers such as 5.0 as whole ones, which they are to JSON Schema."""
    if isinstance(value, dict):
        return {name: _plain(inner, f"{place}.{name}" if place else name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, f"{place}[{at}]") for at, inner in enumerate(value)]
    if not isinstance(value, ExactNumber):
        return value
    exact = Decimal(value)
    if not exact.is_finite() or exact.adjusted() >= _DIGITS or exact != exact.to_integral_value():
        raise Unreadable(f"expected a whole number of at most {_DIGITS} digits, got {value[:40]}", place)
    return int(exact)
