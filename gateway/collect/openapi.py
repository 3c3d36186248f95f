"""The OpenAPI 3.1 description of `/collect/v1`, whose examples are run as they stand by a test."""

from collections.abc import Mapping
from typing import Any

from gateway.collect import asked
from gateway.collect.answers import CODES

_REFERENCE = {
    "type": "string",
    "pattern": "^[!-~]{1,64}$",
    "description": "The bank's own reference of the payment, unique for ever, and the one its statement tells.",
}
_CUSTOMER = {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9/_.-]{2,31}$"}
_AMOUNT = {"type": "integer", "minimum": 1, "maximum": 10**15 - 1, "description": "Whole đồng."}
_TEXT = {"type": "string"}

_SCHEMAS: Mapping[str, Any] = {
    "Inquiry": {
        "type": "object",
        "required": ["customer_code"],
        "additionalProperties": False,
        "properties": {"customer_code": _CUSTOMER},
    },
    "Pay": {
        "type": "object",
        "required": ["reference", "amount", "paid_at"],
        "additionalProperties": False,
        "oneOf": [{"required": ["payment_code"]}, {"required": ["bill_number"]}],
        "properties": {
            "reference": _REFERENCE,
            "payment_code": _CUSTOMER,
            "bill_number": _CUSTOMER,
            "amount": _AMOUNT,
            "paid_at": {**_TEXT, "description": "2026-11-18T09:15:00+07:00; at most three days ago."},
            "channel": {"enum": list(asked.CHANNELS)},
        },
    },
    "Reverse": {
        "type": "object",
        "required": ["reference", "reason"],
        "additionalProperties": False,
        "properties": {"reference": _REFERENCE, "reason": {"enum": list(asked.REASONS)}},
    },
    "Status": {
        "type": "object",
        "required": ["reference"],
        "additionalProperties": False,
        "properties": {"reference": _REFERENCE},
    },
    "Owed": {
        "type": "object",
        "required": ["code", "customer", "bills"],
        "properties": {
            "code": {"enum": ["ok", "nothing_due"]},
            "message": _TEXT,
            "customer": {
                "type": "object",
                "required": ["code", "name", "office"],
                "properties": {
                    "code": _CUSTOMER,
                    "name": {**_TEXT, "description": "Masked: the first letter of each word; may be empty."},
                    "office": _TEXT,
                },
            },
            "bills": {
                "type": "array",
                "maxItems": 100,
                "items": {
                    "type": "object",
                    "required": ["number", "payment_code", "period", "kwh", "amount", "due_on"],
                    "properties": {
                        "number": _TEXT,
                        "payment_code": _TEXT,
                        "period": _TEXT,
                        "kwh": {"type": "integer"},
                        "amount": {**_AMOUNT, "description": "What is still owed, in whole đồng: pay exactly this."},
                        "due_on": {"type": "string", "format": "date"},
                    },
                },
            },
        },
    },
    "Paid": {
        "type": "object",
        "required": ["code", "state", "reference", "bill", "amount", "paid_at"],
        "properties": {
            "code": {"const": "ok"},
            "state": {"const": "paid"},
            "reference": _TEXT,
            "bill": {
                "type": "object",
                "required": ["number", "payment_code"],
                "properties": {"number": _TEXT, "payment_code": _TEXT},
            },
            "amount": _AMOUNT,
            "paid_at": {"type": "string", "format": "date-time"},
        },
    },
    "Reversed": {
        "type": "object",
        "required": ["code", "state", "reference", "reason"],
        "properties": {
            "code": {"const": "ok"},
            "state": {"const": "reversed"},
            "reference": _TEXT,
            "reason": {"enum": list(asked.REASONS)},
        },
    },
    "Unknown": {
        "type": "object",
        "required": ["code", "state", "reference"],
        "properties": {"code": {"const": "ok"}, "state": {"const": "unknown"}, "reference": _TEXT},
    },
    "Refusal": {
        "type": "object",
        "required": ["code", "message", "where", "expected", "got"],
        "properties": {
            "code": {"enum": [code for code, said in CODES.items() if said.status >= 400]},
            "message": {**_TEXT, "description": "For a person, in the language of Accept-Language: vi or en."},
            "where": {**_TEXT, "description": "The field that is meant, or empty."},
            "expected": _TEXT,
            "got": _TEXT,
        },
    },
}

_ANYWHERE = ("unreadable", "unproven", "too_large", "busy")
VERBS: Mapping[str, Any] = {
    "inquiry": {
        "summary": "What a customer owes, oldest bill first",
        "asks": "Inquiry",
        "answers": ["Owed"],
        "codes": ("unknown_customer", "too_many"),
        "example": {"customer_code": "PA00000000001"},
    },
    "pay": {
        "summary": "Pay one bill with exactly what is owed; the same reference again is answered word for word",
        "asks": "Pay",
        "answers": ["Paid"],
        "codes": (
            "unknown_bill", "already_paid", "bill_withdrawn", "conflict", "reversed", "not_settled", "wrong_amount",
        ),
        "example": {
            "reference": "SM2611180000481",
            "payment_code": "PA0000000000111126",
            "amount": 100000,
            "paid_at": "2026-11-18T08:59:00+07:00",
            "channel": "counter",
        },
    },
    "reverse": {
        "summary": "Take back a payment of today that no statement has shown",
        "asks": "Reverse",
        "answers": ["Reversed"],
        "codes": ("unknown_payment", "conflict", "confirmed", "too_late"),
        "example": {"reference": "SM2611180000481", "reason": "teller_error"},
    },
    "status": {
        "summary": "Where a reference stands: unknown, paid or reversed",
        "asks": "Status",
        "answers": ["Paid", "Reversed", "Unknown"],
        "codes": (),
        "example": {"reference": "SM2611180000481"},
    },
}  # fmt: skip


def document() -> dict[str, Any]:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "doisoat: bills collected on behalf",
            "version": "1",
            "description": "Requests and answers are JSON in UTF-8, signed both ways in three headers, over "
            "`id.timestamp.POST path.body` and `id.timestamp.status.body`. See docs/banks/collect.md.",
        },
        "paths": {f"/collect/v1/{{bank}}/{verb}": {"post": _operation(verb)} for verb in VERBS},
        "components": {"schemas": dict(_SCHEMAS), "parameters": _PARAMETERS, "headers": _HEADERS},
    }


_SIGNED = {
    "collect-id": "1 to 64 visible ASCII characters without a full stop; an answer repeats its request's.",
    "collect-timestamp": "Unix seconds of signing, at most 5 minutes off.",
    "collect-signature": "v1,<base64 of HMAC-SHA256>; several, parted by spaces, while a key is being replaced.",
}
_PARAMETERS: Mapping[str, Any] = {
    "bank": {"name": "bank", "in": "path", "required": True, "schema": _TEXT},
    **{
        name: {"name": name, "in": "header", "required": True, "schema": _TEXT, "description": what}
        for name, what in _SIGNED.items()
    },
}
_HEADERS = {name: {"description": what, "required": True, "schema": _TEXT} for name, what in _SIGNED.items()}


def _operation(verb: str) -> dict[str, Any]:
    declared = VERBS[verb]
    bodies = [_schema(name) for name in declared["answers"]]
    good = bodies[0] if len(bodies) == 1 else {"oneOf": bodies}
    codes: dict[int, list[str]] = {}
    for code in (*_ANYWHERE, *declared["codes"]):
        codes.setdefault(CODES[code].status, []).append(code)
    refusals = {str(status): _answer(", ".join(found), _schema("Refusal")) for status, found in sorted(codes.items())}
    content = {"application/json": {"schema": _schema(declared["asks"]), "example": declared["example"]}}
    return {
        "operationId": verb,
        "summary": declared["summary"],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _answer(declared["summary"], good), **refusals},
    }


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    return {"description": description, "headers": headers, "content": {"application/json": {"schema": schema}}}
