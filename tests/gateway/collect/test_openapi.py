"""The description is what happens: each road and code in it exists, each example runs as it stands, answers fit it."""

import re

import pytest

from gateway.collect import openapi
from gateway.collect.answers import CODES
from gateway.web import create_machines
from tests.gateway.samples import a_bill

SCHEMAS = openapi.document()["components"]["schemas"]


def faults(schema, value, place="$"):
    """Return where `value` does not fit `schema`, in the few words of JSON Schema that the description uses."""
    if "$ref" in schema:
        return faults(SCHEMAS[schema["$ref"].rpartition("/")[2]], value, place)
    if "oneOf" in schema and "type" not in schema:
        fitting = [one for one in schema["oneOf"] if not faults(one, value, place)]
        return [] if len(fitting) == 1 else [f"{place}: fits {len(fitting)} of oneOf"]
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{place}: not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: none of the enum")
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return [f"{place}: no {schema['type']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{place}: not of the pattern")
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        found.append(f"{place}: beyond its bounds")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{place}.{name}: missing" for name in schema.get("required", []) if name not in value]
        found += [f"{place}.{name}: not described" for name in value if name not in known]
        found += [
            fault for name in value if name in known for fault in faults(known[name], value[name], f"{place}.{name}")
        ]
    if isinstance(value, list):
        found += [fault for at, one in enumerate(value) for fault in faults(schema["items"], one, f"{place}[{at}]")]
    return found


def operation(verb):
    return openapi.document()["paths"][f"/collect/v1/{{bank}}/{verb}"]["post"]


def answer_schema(verb, status):
    return operation(verb)["responses"][str(status)]["content"]["application/json"]["schema"]


def test_the_description_is_served_as_it_is(web):
    answer = web.get("/collect/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == openapi.document()
    assert answer.json["openapi"] == "3.1.0"


def test_every_road_is_described_and_no_other(wiring):
    rules = [rule for rule in create_machines(wiring).url_map.iter_rules() if rule.rule.startswith("/collect/")]
    served = {(rule.rule.replace("<", "{").replace(">", "}"), method) for rule in rules for method in rule.methods}
    described = {(path, method.upper()) for path, methods in openapi.document()["paths"].items() for method in methods}
    assert {(path, method) for path, method in served if method == "POST"} == described


def test_every_code_is_described_under_its_status_and_nothing_else_is():
    described = {}
    for path in openapi.document()["paths"].values():
        for status, answer in path["post"]["responses"].items():
            if status != "200":
                for code in answer["description"].split(", "):
                    described[code] = int(status)
    assert described == {code: said.status for code, said in CODES.items() if said.status != 200}
    assert set(SCHEMAS["Refusal"]["properties"]["code"]["enum"]) == set(described)


def test_every_reference_leads_somewhere():
    text = str(openapi.document())
    parts = openapi.document()["components"]
    for group, name in re.findall(r"#/components/(\w+)/([\w-]+)", text):
        assert name in parts[group]


@pytest.mark.usefixtures("sound")
def test_the_examples_run_as_they_stand_and_every_answer_fits(teller, issue):
    issue(a_bill())
    for verb in ("status", "inquiry", "pay", "pay", "status", "inquiry", "reverse", "status"):
        example = operation(verb)["requestBody"]["content"]["application/json"]["example"]
        assert faults(SCHEMAS[openapi.VERBS[verb]["asks"]], example) == []
        status, told = teller.ask(verb, example)
        assert (status, faults(answer_schema(verb, status), told)) == (200, [])


@pytest.mark.parametrize("verb", list(openapi.VERBS))
def test_a_refusal_fits_too(teller, verb):
    for content, changed in [({}, {}), ({"reference": "R1"}, {}), ({}, {"collect_signature": "v1,AAAA"})]:
        status, told = teller.ask(verb, content, **changed)
        assert faults(answer_schema(verb, status), told) == []
        assert CODES[told["code"]].status == status if told["code"] != "ok" else verb == "status"


def test_the_checker_finds_what_does_not_fit():
    paid = {"code": "ok", "state": "unknown", "reference": "R1"}
    assert faults(SCHEMAS["Unknown"], paid) == []
    assert faults(SCHEMAS["Unknown"], paid | {"more": 1}) == ["$.more: not described"]
    assert faults(SCHEMAS["Unknown"], {"code": "ok", "state": "paid"}) == [
        "$.reference: missing",
        "$.state: not 'unknown'",
    ]
    assert faults(SCHEMAS["Status"], {"reference": "a b"}) == ["$.reference: not of the pattern"]
