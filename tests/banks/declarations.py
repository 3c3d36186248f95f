"""A small declared bank to bend: its table, its keys, and callbacks signed without any of the code under test."""

import copy
import json
from datetime import UTC, datetime

from banks.declared_parsing import declaration_from
from banks.records import RawRequest

NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
KEY = "PUBLIC-SANDBOX-KEY-0001"
SAID = {"id": "E1", "ref": "FT26322000481", "sum": "844960", "code": "PC0701091234511126", "note": "tiền điện"}
_TABLE = {
    "fields": "json",
    "event_id": ["id"],
    "signature": {
        "algorithm": "hmac-sha256",
        "encoding": "hex",
        "key": "hash_key",
        "covers": ["id", "ref", "sum", "code"],
        "separator": "|",
        "stands_in": "sign",
    },
    "notice": {"source_reference": "ref", "amount": "sum", "amount_is": "text", "payment_code": "code"},
    "answers": {
        "accepted": {"body": {"code": "00"}},
        "unproven": {"body": {"code": "97"}},
        "unreadable": {"body": {"code": "99", "why": "${detail}"}},
        "busy": {"status": 503, "body": {"code": "98"}},
    },
}


def table(changes=None):
    """The bank's table with `changes` by dotted path; ... takes a key out."""
    made = copy.deepcopy(_TABLE)
    for path, value in (changes or {}).items():
        *way, last = path.split("/")
        inner = made
        for name in way:
            inner = inner.setdefault(name, {})
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    return made


def declared(changes=None):
    return declaration_from("saomai", table(changes))


def post(body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return RawRequest("POST", b"", headers or {}, raw, NOW)


def get(query):
    return RawRequest("GET", query, {}, b"", NOW)


def signed(profile, request, secrets=None):
    """The request as `profile` itself signs it."""
    made = profile.sign(request, secrets or {"hash_key": [KEY]}, NOW)
    return RawRequest(made.method, made.query, dict(made.headers), made.body, NOW)
