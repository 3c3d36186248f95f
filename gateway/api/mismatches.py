"""/api/v1/mismatches: the questions for people, each with what is known of it, and the remarks that people add."""

from typing import Any

from sqlalchemy import Row, Select, select

from gateway.api import kinds, paging, shapes
from gateway.api.operations import Asked, Body, Done, operation
from gateway.api.problems import Problem
from reconciliation import case_sides, remarks
from reconciliation.bills import Bill
from reconciliation.lifecycle import MISMATCH
from reconciliation.mismatches import CARE, CODES, Mismatch
from reconciliation.remarks import MOST_WORDS, NotRemarked, Remark
from reconciliation.sealing import mask_numbers

_MAX_BYTES = 16 * 1024
_OWNERS = sorted({care.owner for care in CARE.values()})
_WORDS = {"type": "string", "minLength": 1, "maxLength": MOST_WORDS, "pattern": "^[^\\u0000]+$"}
_FIELDS = {
    "id": shapes.ID, "code": shapes.one_of(list(CODES)), "subject": shapes.TEXT, "bank": shapes.MAYBE_TEXT,
    "state": shapes.one_of(MISMATCH.states), "amount": shapes.AMOUNT, "currency": shapes.CURRENCY,
    "owner": shapes.MAYBE_TEXT, "payment_id": shapes.MAYBE_ID, "bill": shapes.MAYBE_TEXT,
    "opened_at": shapes.MOMENT, "due_at": shapes.MAYBE_MOMENT, "rests_until": shapes.MAYBE_MOMENT,
    "resolved_at": shapes.MAYBE_MOMENT, "resolved_by": shapes.MAYBE_TEXT, "resolution": shapes.MAYBE_TEXT,
}  # fmt: skip
_REMARK = shapes.of(
    id=shapes.ID, kind=shapes.one_of(remarks.KINDS), text=shapes.TEXT, until=shapes.MAYBE_DAY,
    withdraws=shapes.MAYBE_ID, by=shapes.TEXT, at=shapes.MOMENT,
)  # fmt: skip
MISMATCH_SCHEMA = shapes.of(**_FIELDS)
_WHOLE = shapes.of(**_FIELDS, expected=shapes.MAYBE_AMOUNT, arrived=shapes.MAYBE_AMOUNT, remarks=shapes.some(_REMARK))
_EXAMPLE = {
    "id": 7, "code": "M03", "subject": "payment:31/amount", "bank": "standard", "state": "open", "amount": 20000,
    "currency": "VND", "owner": "accountant", "payment_id": 31, "bill": None, "opened_at": "2026-11-18T02:00:00Z",
    "due_at": "2026-11-23T17:00:00Z", "rests_until": None, "resolved_at": None, "resolved_by": None,
    "resolution": None,
}  # fmt: skip
_REMARK_EXAMPLE = {
    "id": 3, "kind": "comment", "text": "The branch looks into it", "until": None, "withdraws": None,
    "by": "api:helpdesk", "at": "2026-11-18T03:00:00Z",
}  # fmt: skip


@operation(
    "GET", "/mismatches", "mismatches:read", name="listMismatches", answer=paging.page_of(MISMATCH_SCHEMA),
    example={"items": [_EXAMPLE], "next": None},
    query={
        "state": kinds.choice(MISMATCH.states),
        "code": kinds.choice(CODES),
        "bank": kinds.BANK,
        "owner": kinds.choice(_OWNERS, "The role in whose hands it is."),
        "since": kinds.day("Asked on this day or later."),
        "until": kinds.day("Asked on this day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List mismatches, the newest first."""
    wanted = select(Mismatch.id).where(*paging.moments(asked, Mismatch.opened_at))
    columns = {"state": Mismatch.state, "code": Mismatch.code, "bank": Mismatch.source, "owner": Mismatch.owner}
    for name, column in columns.items():
        if asked[name]:
            wanted = wanted.where(column == asked[name])
    return paging.page(asked, wanted, _wanted(), Mismatch.id, _written)


@operation(
    "GET", "/mismatches/{id}", "mismatches:read", name="getMismatch", answer=_WHOLE, inside={"id": kinds.ID},
    example={**_EXAMPLE, "expected": 100000, "arrived": 120000, "remarks": [_REMARK_EXAMPLE]}, problems=(404,),
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return a mismatch with what was expected and what arrived, where these are amounts, and its remarks."""
    found = asked.session.execute(_wanted().where(Mismatch.id == asked["id"])).first()
    if found is None:
        raise _nothing()
    said = asked.session.scalars(select(Remark).where(Remark.mismatch_id == asked["id"]).order_by(Remark.id))
    sides = case_sides.of(asked.session, [found[0]])[found[0].id]
    amounts = {"expected": sides.expected, "arrived": sides.arrived}
    return Done({**_written(found), **amounts, "remarks": [_remark(remark) for remark in said]})


@operation(
    "POST", "/mismatches/{id}/remarks", "mismatches:write", name="addRemark", key="required", status=201,
    inside={"id": kinds.ID}, answer=_REMARK, example=_REMARK_EXAMPLE, problems=(404, 422),
    body=Body(
        shapes.of(text=_WORDS), lambda: _MAX_BYTES,
        {"text": "The branch looks into it"},
    ),
)  # fmt: skip
def remark(asked: Asked) -> Done:
    """Add a comment to a mismatch, settled or not; the Idempotency-Key keeps it from being said twice."""
    said = asked.content.get("text")
    if not isinstance(said, str) or set(asked.content) != {"text"} or not 0 < len(said) <= MOST_WORDS:
        raise Problem(400, "not readable", [f"text: expected 1 to {MOST_WORDS} characters and nothing else"])
    try:
        made = remarks.comment(asked.session, asked["id"], said, by=asked.caller.actor, now=asked.now)
    except NotRemarked as error:
        if error.reason == "no_question":
            raise _nothing() from None
        raise Problem(422, "remark refused", [f"text: {error}"]) from None
    return Done(_remark(made), status=201)


def _nothing() -> Problem:
    return Problem(404, "no such mismatch", ["id: expected the number of a mismatch"])


def _wanted() -> Select[*tuple[Any, ...]]:
    return select(Mismatch, Bill.number).outerjoin(Bill, Bill.id == Mismatch.bill_id)


def _written(row: Row[*tuple[Any, ...]]) -> dict[str, object]:
    asked, bill = row[0], row[1]
    return {
        "id": asked.id, "code": asked.code, "subject": asked.subject, "bank": asked.source or None,
        "state": asked.state, "amount": asked.minor, "currency": asked.currency, "owner": asked.owner or None,
        "payment_id": asked.payment_id, "bill": bill, "opened_at": shapes.moment(asked.opened_at),
        "due_at": shapes.moment(asked.due_at), "rests_until": shapes.moment(asked.rests_until),
        "resolved_at": shapes.moment(asked.resolved_at), "resolved_by": asked.resolved_by or None,
        "resolution": mask_numbers(asked.resolution) or None,
    }  # fmt: skip


def _remark(said: Remark) -> dict[str, object]:
    return {
        "id": said.id, "kind": said.kind, "text": mask_numbers(said.text), "until": shapes.day(said.until),
        "withdraws": said.withdraws, "by": said.by, "at": shapes.moment(said.at),
    }  # fmt: skip
