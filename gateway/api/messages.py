"""/api/v1/messages: what customers are told by SMS and how each went; never the text, which may hold a code."""

from typing import Any

from sqlalchemy import Row, Select, select

from gateway.api import customers, kinds, paging, shapes
from gateway.api.operations import Asked, Done, operation
from gateway.api.problems import Problem
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.lifecycle import MESSAGE
from reconciliation.outbox import EVENTS, Message
from reconciliation.sealing import mask_numbers

MESSAGE_SCHEMA = shapes.of(
    id=shapes.ID, event=shapes.one_of(EVENTS), version=shapes.ID, state=shapes.one_of(MESSAGE.states),
    reason=shapes.MAYBE_TEXT, customer=shapes.of(code=shapes.TEXT, phone_tail=shapes.TAIL), bill=shapes.MAYBE_TEXT,
    payment_id=shapes.MAYBE_ID, template=shapes.MAYBE_TEXT, parts=shapes.COUNT, carrier=shapes.MAYBE_TEXT,
    attempts=shapes.COUNT, created_at=shapes.MOMENT, not_after=shapes.MOMENT, sent_at=shapes.MAYBE_MOMENT,
    delivered_at=shapes.MAYBE_MOMENT,
)  # fmt: skip
_EXAMPLE = {
    "id": 12, "event": "payment_recorded", "version": 1, "state": "delivered", "reason": None,
    "customer": {"code": "PA00000000001", "phone_tail": "001"}, "bill": None, "payment_id": 31,
    "template": "payment_recorded.vi", "parts": 1, "carrier": "esms", "attempts": 1,
    "created_at": "2026-11-18T02:00:01Z", "not_after": "2026-11-21T02:00:01Z", "sent_at": "2026-11-18T02:00:05Z",
    "delivered_at": "2026-11-18T02:00:09Z",
}  # fmt: skip


@operation(
    "GET", "/messages", "messages:read", name="listMessages", answer=paging.page_of(MESSAGE_SCHEMA),
    example={"items": [_EXAMPLE], "next": None},
    query={
        "state": kinds.choice(MESSAGE.states),
        "event": kinds.choice(EVENTS),
        "customer": kinds.CODE,
        "bill": kinds.CODE,
        "since": kinds.day("Promised on this day or later."),
        "until": kinds.day("Promised on this day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List messages, the newest first."""
    wanted = select(Message.id).where(*paging.moments(asked, Message.created_at))
    if asked["state"]:
        wanted = wanted.where(Message.state == asked["state"])
    if asked["event"]:
        wanted = wanted.where(Message.event == asked["event"])
    if asked["customer"]:
        wanted = wanted.where(Message.customer_id == customers.of_code(asked["customer"]))
    if asked["bill"]:
        wanted = wanted.where(Message.bill_id.in_(select(Bill.id).where(Bill.number == asked["bill"])))
    return paging.page(asked, wanted, _wanted(), Message.id, _written)


@operation(
    "GET", "/messages/{id}", "messages:read", name="getMessage", answer=MESSAGE_SCHEMA, example=_EXAMPLE,
    inside={"id": kinds.ID}, problems=(404,),
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return a message."""
    found = asked.session.execute(_wanted().where(Message.id == asked["id"])).first()
    if found is None:
        raise Problem(404, "no such message", ["id: expected the number of a message"])
    return Done(_written(found))


def _wanted() -> Select[*tuple[Any, ...]]:
    return (
        select(Message, Customer, Bill.number)
        .join(Customer, Customer.id == Message.customer_id)
        .outerjoin(Bill, Bill.id == Message.bill_id)
    )


def _written(row: Row[*tuple[Any, ...]]) -> dict[str, object]:
    message, customer, bill = row[0], row[1], row[2]
    return {
        "id": message.id, "event": message.event, "version": message.version, "state": message.state,
        "reason": mask_numbers(message.reason) or None,
        "customer": {"code": customer.code, "phone_tail": customer.msisdn_tail}, "bill": bill,
        "payment_id": message.payment_id, "template": message.template or None, "parts": message.parts,
        "carrier": message.carrier, "attempts": message.attempts, "created_at": shapes.moment(message.created_at),
        "not_after": shapes.moment(message.not_after), "sent_at": shapes.moment(message.sent_at),
        "delivered_at": shapes.moment(message.delivered_at),
    }  # fmt: skip
