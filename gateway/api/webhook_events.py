"""/api/v1/webhook-events: what other systems were told or should have been; and how each kind of event looks."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from gateway import bell
from gateway.api import kinds, paging, shapes
from gateway.api.operations import Asked, Done, operation
from gateway.api.problems import Problem
from reconciliation import webhook_sending
from reconciliation.webhook_endpoints import PING, TYPES
from reconciliation.webhook_events import REASONS, Event

_UID = kinds.text("evt_[0-9a-f]{32}", "the id of an event", "The id of an event, as in the header webhook-id.")
_PAYMENT = shapes.of(
    id=shapes.ID, bank=shapes.TEXT, reference=shapes.TEXT, amount=shapes.AMOUNT, currency=shapes.CURRENCY,
    business_date=shapes.DAY,
)  # fmt: skip
_BILL = shapes.of(number=shapes.TEXT, version=shapes.ID, customer=shapes.TEXT, amount=shapes.AMOUNT)
_MATCH = {
    "payment": _PAYMENT,
    "amount": {**shapes.AMOUNT, "description": "How much of the payment is meant, in minor units of `currency`."},
    "currency": shapes.CURRENCY,
    "bills": shapes.some(_BILL),
    "reason": {
        "enum": [*REASONS, None],
        "description": "Why it no longer settles them, never in a person's words; null for a match.",
    },
}
_PAYMENT_EXAMPLE = {
    "id": 31, "bank": "standard", "reference": "FT26322000481", "amount": 100000, "currency": "VND",
    "business_date": "2026-11-18",
}  # fmt: skip
_MATCH_EXAMPLE = {
    "payment": _PAYMENT_EXAMPLE, "amount": 100000, "currency": "VND",
    "bills": [{"number": "HD2611-0000001", "version": 1, "customer": "PA00000000001", "amount": 100000}],
    "reason": None,
}  # fmt: skip
_DAY = shapes.of(
    bank=shapes.TEXT, day=shapes.DAY, version=shapes.ID, entries=shapes.COUNT, booked=shapes.AMOUNT,
    digest=shapes.TEXT, balanced_by=shapes.TEXT, signed_by=shapes.TEXT, signed_at=shapes.MOMENT,
)  # fmt: skip
_DAY_EXAMPLE = {
    "bank": "standard", "day": "2026-11-17", "version": 1, "entries": 412, "booked": 312450000,
    "digest": "5f1c…", "balanced_by": "lan", "signed_by": "chi", "signed_at": "2026-11-18T03:00:00Z",
}  # fmt: skip
EVENTS: Mapping[str, tuple[str, shapes.Schema, Mapping[str, Any]]] = {
    "payment.matched": ("A payment settles bills, or more of them.", shapes.of(**_MATCH), _MATCH_EXAMPLE),
    "payment.reversed": (
        "What a payment settled is owed again: it was returned, denied, or matched wrongly.",
        shapes.of(**_MATCH),
        {**_MATCH_EXAMPLE, "reason": "returned"},
    ),
    "day.closed": ("A bank's day was signed by a second person.", _DAY, _DAY_EXAMPLE),
    "day.reopened": (
        "A signed day was reopened by a third person: this version of it counts no more, `timestamp` says since when.",
        _DAY,
        _DAY_EXAMPLE,
    ),
    PING: ("A person tries the road to an endpoint.", shapes.of(endpoint=shapes.ID), {"endpoint": 1}),
}  # fmt: skip
"""Type → what it tells, the schema of its data, and an example."""
_FIELDS = {
    "id": shapes.TEXT, "type": shapes.one_of(list(EVENTS)), "at": shapes.MOMENT,
    "body": {"type": "object", "description": "What is sent, as an object; see the webhooks below."},
}  # fmt: skip
_EVENT = shapes.of(**_FIELDS)


def body_of(kind: str, data: shapes.Schema) -> shapes.Schema:
    """Return the schema of what is sent for one type of event."""
    return shapes.of(type={"const": kind}, timestamp=shapes.MOMENT, data=data)


_EXAMPLE = {
    "id": "evt_0123456789abcdef0123456789abcdef", "type": "payment.matched", "at": "2026-11-18T02:00:01Z",
    "body": {"type": "payment.matched", "timestamp": "2026-11-18T02:00:01Z", "data": _MATCH_EXAMPLE},
}  # fmt: skip


@operation(
    "GET", "/webhook-events", "webhooks", name="listWebhookEvents", answer=paging.page_of(_EVENT),
    example={"items": [_EXAMPLE], "next": None},
    query={
        "type": kinds.choice(TYPES),
        "since": kinds.day("Of this day or later."),
        "until": kinds.day("Of this day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List the events that endpoints hear of, the newest first: for a system that was away for longer."""
    wanted = select(Event.id).where(Event.type != PING, *paging.moments(asked, Event.at))
    if asked["type"]:
        wanted = wanted.where(Event.type == asked["type"])
    return paging.page(asked, wanted, select(Event), Event.id, lambda row: _written(row[0]))


@operation(
    "GET", "/webhook-events/{id}", "webhooks", name="getWebhookEvent", answer=_EVENT, example=_EXAMPLE,
    inside={"id": _UID}, problems=(404,),
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return an event by its id."""
    return Done(_written(_found(asked)))


@operation(
    "POST", "/webhook-events/{id}/replay", "webhooks", name="replayWebhookEvent", inside={"id": _UID}, status=202,
    answer=shapes.of(sendings=shapes.COUNT), example={"sendings": 1}, problems=(404,),
)  # fmt: skip
def replay(asked: Asked) -> Done:
    """Have an event sent once more to every endpoint that hears of it, under the same id and in the same bytes."""
    found = _found(asked)
    made = webhook_sending.replay(asked.session, found.uid, by=asked.caller.actor, now=asked.now)
    return Done({"sendings": len(made)}, status=202, then=lambda: bell.ring(asked.wiring.valkey, "webhooks"))


def _found(asked: Asked) -> Event:
    found: Event | None = asked.session.scalar(select(Event).where(Event.uid == asked["id"]))
    if found is None:
        raise Problem(404, "no such event", ["id: expected that of an event that was told"])
    return found


def _written(event: Event) -> dict[str, object]:
    return {"id": event.uid, "type": event.type, "at": shapes.moment(event.at), "body": json.loads(event.body)}
