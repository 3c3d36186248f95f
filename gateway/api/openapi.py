"""The OpenAPI 3.1 description of /api/v1, made from the same declarations as its routes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.api import callers, problems, replaying
from gateway.api.kinds import Kind
from gateway.api.operations import Operation, Schema
from gateway.api.problems import PATH
from reconciliation.api_tokens import SCOPES

_EVERYWHERE = {
    400: "What was asked is not of the described form.",
    401: "No token, or none that opens anything.",
    403: "The token has not the scope.",
    429: f"More than {callers.PACE.amount} requests a minute; Retry-After says in how many seconds to come again.",
    500: "The request failed through no fault of the caller.",
    503: "The database does not answer; the same request is to be sent again.",
}
_SOME = {
    404: "There is nothing of this name or number.",
    409: "Another request under the same Idempotency-Key is at work.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request is of the described form, and can't be done.",
}


def document(operations: Sequence[Operation], webhooks: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "doisoat",
            "version": "1",
            "description": "Bills in; payments, mismatches, closes and messages out. Amounts are whole numbers of the "
            "currency's minor unit, moments RFC 3339 in UTC, days ISO 8601 in Vietnam. Of persons the last digits "
            "alone are told.",
        },
        "servers": [{"url": PATH}],
        "security": [{"token": []}],
        "paths": paths,
        "webhooks": dict(webhooks or {}),
        "components": {
            "schemas": {"Problem": problems.SCHEMA},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"A token with the scope an operation names: {', '.join(SCOPES)}.",
                }
            },
        },
    }


_SIGNED = {
    "webhook-id": "The event's id, the same however often it comes: pass over one you know, and answer 2xx.",
    "webhook-timestamp": "Unix seconds of this try; refuse one that is more than five minutes off.",
    "webhook-signature": "v1,<base64 of HMAC-SHA256 over id.timestamp.body>; several, parted by spaces, while a key is "
    "being replaced.",
}


def webhooks(
    events: Mapping[str, tuple[str, Schema, Mapping[str, Any]]], body_of: Callable[[str, Schema], Schema]
) -> dict[str, Any]:
    """Return the events that endpoints are sent, each as an operation of the receiver."""
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": what}
        for name, what in _SIGNED.items()
    ]
    return {
        kind: {
            "post": {
                "operationId": f"on {kind}",
                "summary": about,
                "security": [],
                "parameters": headers,
                "requestBody": {
                    "required": True,
                    "content": _content(
                        body_of(kind, data), {"type": kind, "timestamp": "2026-11-18T03:00:00Z", "data": dict(example)}
                    ),
                },
                "responses": {
                    "2XX": {"description": "The event is taken."},
                    "410": {"description": "Send nothing any more: the endpoint is disabled."},
                    "default": {"description": "The event comes again: ten tries over 75 hours."},
                },
            }
        }
        for kind, (about, data, example) in events.items()
    }


def _operation(one: Operation) -> dict[str, Any]:
    told = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Scope: `{one.scope}`.",
        "security": [{"token": [one.scope]}],
        "parameters": _parameters(one),
        "responses": {str(status): answer for status, answer in sorted(_responses(one).items())},
    }
    if one.body is not None:
        told["requestBody"] = {"required": True, "content": _content(one.body.schema, one.body.example)}
    return told


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found = [_parameter(name, "path", kind) for name, kind in one.inside.items()]
    found += [_parameter(name, "query", kind) for name, kind in one.query.items()]
    if one.key:
        found.append({
            "name": "Idempotency-Key", "in": "header", "required": one.key == "required",
            "schema": {"type": "string", "pattern": f"^({replaying.PATTERN})$"},
            "description": "The same request again under the same key is answered as at first, for 7 days.",
        })  # fmt: skip
    return found


def _parameter(name: str, place: str, kind: Kind) -> dict[str, Any]:
    told = {"name": name, "in": place, "required": place == "path", "schema": dict(kind.schema)}
    return {**told, **({"description": kind.about} if kind.about else {})}


def _responses(one: Operation) -> dict[int, dict[str, Any]]:
    refusals = dict(_EVERYWHERE)
    some = {*one.problems, *((409, 422) if one.key else ()), *((413, 415) if one.body is not None else ())}
    if {"since", "until"} <= one.query.keys():
        some.add(422)
    refusals |= {status: _SOME[status] for status in some}
    problem = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[int, dict[str, Any]] = {
        status: {"description": why, "content": problem} for status, why in refusals.items()
    }
    found[429]["headers"] = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "required": True}}
    good: dict[str, Any] = {"description": one.summary, "content": _content(one.answer, one.example, one.media_type)}
    if one.key:
        replayed = {"schema": {"const": "true"}, "description": "On an answer that was given before."}
        good["headers"] = {replaying.REPLAYED: replayed}
    return {**found, one.status: good}


def _content(schema: Schema, example: object, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": schema, **({"example": example} if example is not None else {})}}
