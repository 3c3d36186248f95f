"""The description and the routes are one: each is in the other, and every example fits its schema."""

import re

import pytest
from jsonschema import Draft202012Validator

from gateway.api import problems, webhook_events
from gateway.api.operations import OPERATIONS
from gateway.web import create_machines
from reconciliation.api_tokens import SCOPES
from reconciliation.webhook_endpoints import TYPES
from tests.gateway.api.conftest import DOCUMENT, faults


def test_it_is_served_to_whoever_asks(web):
    answer = web.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_route_is_described_and_every_description_has_its_route(wiring):
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in create_machines(wiring).url_map.iter_rules()
        if rule.rule.startswith(problems.PATH)
        for method in rule.methods - {"HEAD"}
    }
    described = {
        (problems.PATH + path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert served == described | {("/api/v1/openapi.json", "GET")}


def test_every_scope_opens_something_and_every_operation_names_one():
    assert {one.scope for one in OPERATIONS} == set(SCOPES)


def test_names_are_unique_and_each_operation_says_what_it_does():
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)
    assert all(one.summary.endswith((".", ";")) for one in OPERATIONS), [one.summary for one in OPERATIONS]


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_examples_fit_their_schemas(one):
    Draft202012Validator.check_schema(one.answer)
    assert one.example is not None
    assert faults(one.answer, one.example) == []
    if one.body is not None:
        Draft202012Validator.check_schema(one.body.schema)
        assert faults(one.body.schema, one.body.example) == []


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_parameters_in_the_address_are_those_declared(one):
    assert re.findall(r"{(\w+)}", one.path) == list(one.inside)
    for kind in [*one.inside.values(), *one.query.values()]:
        Draft202012Validator.check_schema(kind.schema)


def test_the_example_of_bills_is_taken_as_it_stands(ask):
    [issue] = [one for one in OPERATIONS if one.name == "issueBills"]
    assert ask.post("/bills", issue.body.example).json == issue.example


@pytest.mark.parametrize("kind", list(webhook_events.EVENTS))
def test_events_are_described_with_an_example_that_fits(kind):
    content = DOCUMENT["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
    Draft202012Validator.check_schema(content["schema"])
    assert faults(content["schema"], content["example"]) == []
    assert set(DOCUMENT["webhooks"]) == {*TYPES, "ping"}
