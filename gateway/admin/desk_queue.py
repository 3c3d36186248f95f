"""The desk's queue: which cases it shows, in which order, and which one comes after another.

What narrows and orders it stands in the address and travels with every case opened from it. A place in it is a case's
number: its key is read anew, so that a page holds its place while cases come and go (keyset paging).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import current_app, request, url_for
from flask_login import current_user
from sqlalchemy import ColumnElement, Select, case, not_, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from gateway.admin import office_scope, question_words, searches, words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import SIZE, Asked, Filter, Page, counted
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import ageing, remarks
from reconciliation.bills import Bill
from reconciliation.mismatches import CARE, Mismatch
from reconciliation.payments import Payment

COUNTED = 10_000
"""Cases are counted further than other rows: how many wait is what people work by."""
UNSETTLED, EVERY = "unsettled", "every"
"""States a queue can be of beside those of a case: what waits for people, and all that there ever was."""
_IN_DONG = case((Mismatch.currency == "VND", Mismatch.minor), else_=0)
MINE, NOBODYS = "mine", "nobody"
_OWNERS = {role: words.ROLES[role] for role in sorted({care.owner for care in CARE.values()})}
_STATES = {UNSETTLED: _("not settled"), **words.QUESTION_STATES, EVERY: _("all, settled ones too")}
_DUE = {"overdue": _("overdue")}
_AMOUNTS: Mapping[str, Any] = {
    "0-99999": _("below 100,000"),
    "100000-999999": _("100,000 to a million"),
    "1000000-9999999": _("one to ten millions"),
    "10000000-": _("ten millions and more"),
}
_ORDERS = {"amount": _("largest amount first"), "deadline": _("nearest deadline first")}
_BY_KEY: Mapping[str, tuple[InstrumentedAttribute[Any], bool]] = {
    "": (Mismatch.opened_at, False), "amount": (Mismatch.minor, True), "deadline": (Mismatch.due_at, False),
}  # fmt: skip
"""Order → what it goes by among unsettled cases, and whether the largest comes first."""


def asked() -> Asked:
    """Return what the request's address asks of the queue."""
    people = remarks.caseworkers(db())
    return Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("state", _("State"), _STATES, default=UNSETTLED),
        Filter("age", _("Age"), words.AGES),
        Filter("amount", _("Amount"), _AMOUNTS),
        Filter("owner", _("In the hands of"), _OWNERS),
        Filter("who", _("Case of"), {MINE: _("mine"), NOBODYS: _("nobody's"), **people}),
        Filter("due", _("Deadline"), _DUE),
        Filter("code", _("Code"), {code: f"{code} {question_words.names(code)}" for code in question_words.MISMATCHES}),
        Filter("sort", _("Order"), _ORDERS, unasked=_("oldest first")),
    )


def odd(held: Asked) -> list[str]:
    """Return what the request's address asks that the queue does not know, beside what its addresses carry."""
    return held.odd("queue", "done", "undone")


def carried() -> dict[str, str]:
    """Return what an address must carry so that a case stays in the queue it was opened from; nothing outside one."""
    if not request.args.get("queue"):
        return {}
    held = asked()
    return {"queue": "1", **{name: value for name, value in {"q": held.search, **held.values}.items() if value}}


def wanted(held: Asked, now: datetime) -> Select[Any]:
    """Return the query of the queue's cases, each with its bill's number and its payment's references."""
    columns: tuple[Any, ...] = (Mismatch, Bill.number, Payment.source_reference, Payment.bank_reference)
    found: Select[Any] = (
        select(*columns)
        .outerjoin(Bill, Bill.id == Mismatch.bill_id)
        .outerjoin(Payment, Payment.id == Mismatch.payment_id)
        .where(*_narrowed(held, now))
    )
    if held.search:
        found = found.where(searches.among(Mismatch.id, searches.mismatches(held)))
    return office_scope.within(found, Mismatch)


def page(held: Asked, now: datetime) -> Page:
    """Return one page of the queue at the place asked for; nothing for an address that the queue does not know."""
    if problems := odd(held):
        return Page([], 0, held, COUNTED, problems=problems)
    query, backwards = wanted(held, now), held.before is not None
    place = held.before if backwards else held.after
    rows = list(db().execute(_from(query, held, place, backwards=backwards).limit(SIZE + 1)).all())
    more = len(rows) > SIZE
    rows = rows[:SIZE]
    if backwards:
        rows.reverse()
    total, minor = counted(db(), query, Mismatch.id, _IN_DONG, most=COUNTED)
    return Page(
        rows, total, held, COUNTED, minor,
        previous=held.link(before=rows[0][0].id) if rows and (more if backwards else place is not None) else None,
        next=held.link(after=rows[-1][0].id) if rows and (backwards or more) else None,
    )  # fmt: skip


def spans(held: Asked, now: datetime) -> Sequence[ageing.Aged]:
    """Return how old the queue's cases are, whatever age it is asked for: of its unsettled ones, if there are any."""
    if held["state"] == "resolved":
        return ()
    state = UNSETTLED if held["state"] == EVERY else held["state"]
    return ageing.aged(
        db(), among=wanted(replace(held, values={**held.values, "age": "", "state": state}), now), now=now
    )


def beside(mismatch_id: int, now: datetime) -> tuple[int | None, int | None]:
    """Return the cases before and after one in its queue; it may have left the queue itself."""
    held = asked()
    query = wanted(held, now).with_only_columns(Mismatch.id)
    before, after = (
        db().scalar(_from(query, held, mismatch_id, backwards=backwards).limit(1)) for backwards in (True, False)
    )
    return before, after


def address(mismatch_id: int | None, done: int | None = None, undone: int | None = None) -> str:
    """Return the address of a case within its queue, or of the queue.

    `done` is the case that was just seen to, `undone` the one of which something was just taken back.
    """
    said = {"done": done, "undone": undone}
    kept: dict[str, Any] = {**carried(), **{name: number for name, number in said.items() if number}}
    if mismatch_id is None:
        kept.pop("queue", None)
        return url_for("admin.mismatches.listing", **kept)
    return url_for("admin.mismatches.page", mismatch_id=mismatch_id, **kept)


def after(mismatch_id: int, *, decided: bool = False) -> str:
    """Return where a person goes from a case: on to the next one once it waits for them no more, else back to it.

    Who `decided` what somebody else proposed is told so wherever they go.
    """
    now = current_app.extensions["doisoat"].clock()
    seen = db().get(Mismatch, mismatch_id, populate_existing=True)
    if not carried() or seen is None or (seen.state == "open" and not seen.rests(now)):
        return address(mismatch_id, done=mismatch_id if decided else None)
    return address(beside(mismatch_id, now)[1], done=mismatch_id)


def _narrowed(held: Asked, now: datetime) -> Sequence[ColumnElement[bool]]:
    rests = Mismatch.resting(now)
    unsettled = Mismatch.state != "resolved"
    narrowed: list[ColumnElement[bool]] = []
    if held["bank"]:
        narrowed.append(Mismatch.source == held["bank"])
    if held["state"] == UNSETTLED:
        narrowed += [unsettled, not_(rests)]
    elif held["state"] == words.RESTING:
        narrowed += [unsettled, rests]
    elif held["state"] != EVERY:
        narrowed.append(Mismatch.state == held["state"])
    if held["sort"] and held["state"] != "resolved":
        narrowed.append(unsettled)  # what is settled has no amount and no deadline to be sorted by any more
    if held["age"]:
        since, until = ageing.bounds(held["age"], now)
        narrowed.append(Mismatch.opened_at < until)
        narrowed += [Mismatch.opened_at >= since] if since is not None else []
    if held["amount"]:
        least, _dash, most = held["amount"].partition("-")
        narrowed.append(Mismatch.minor >= int(least))
        narrowed += [Mismatch.minor <= int(most)] if most else []
    if held["owner"]:
        narrowed.append(Mismatch.owner == held["owner"])
    if held["who"]:
        named = {MINE: current_user.username, NOBODYS: ""}.get(held["who"], held["who"])
        narrowed += [Mismatch.assignee == named, unsettled]
    if held["due"]:
        narrowed += [unsettled, not_(rests), Mismatch.due_at <= now]
    if held["code"]:
        narrowed.append(Mismatch.code == held["code"])
    return narrowed


def _from(query: Select[Any], held: Asked, place: int | None, *, backwards: bool) -> Select[Any]:
    """Return the query in the queue's order, or against it, from beyond a case's place on."""
    if not held["sort"] and held["state"] in (EVERY, "resolved"):
        key, largest_first = Mismatch.id, False  # among all there ever were only the number is indexed
    else:
        key, largest_first = _BY_KEY[held["sort"] if held["state"] != "resolved" else ""]
    falling = largest_first != backwards
    ordered = [key.desc().nulls_first(), Mismatch.id.desc()] if falling else [key.asc().nulls_last(), Mismatch.id.asc()]
    query = query.order_by(*ordered)
    if place is None:
        return query
    at = db().scalar(select(key).where(Mismatch.id == place))
    if at is None:  # cases without a deadline stand behind all others
        beyond = Mismatch.id < place if falling else Mismatch.id > place
        return query.where(or_(key.is_not(None), beyond)) if falling else query.where(key.is_(None), beyond)
    here = tuple_(key, Mismatch.id)
    if falling:
        return query.where(here < tuple_(at, place))
    later = here > tuple_(at, place)
    return query.where(or_(later, key.is_(None)) if held["sort"] == "deadline" else later)
