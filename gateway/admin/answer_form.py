"""The form of an answer, read: why, which matches go, which bills are settled, and where else the money goes."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from flask import abort, request
from sqlalchemy import or_, select

from gateway.admin.answers import PLACES, ROWS
from gateway.admin.settling_words import PLACES as PLACE_WORDS
from gateway.languages import gettext
from gateway.request_session import db
from gateway.written_days import a_day, a_moment
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.placements import ACCOUNTS, CREDIT, DIFFERENCE, Place

MOST_WORDS = 500
MOST_DIGITS = 15
_AMOUNT = re.compile(r"[0-9]{1,3}(?:[ .,\u00a0][0-9]{3})*|[0-9]{1,15}", re.ASCII)


class Unreadable(ValueError):
    """A field of the form that can't be read; says so in the person's language."""


def why() -> str:
    """Return the reason, which every answer has."""
    said = " ".join(request.form.get("why", "").replace("\0", "").split())[:MOST_WORDS]
    if not said:
        raise Unreadable(gettext("Say why: it is kept with your name."))
    return said


def day(name: str) -> date:
    """Return the day that was chosen under `name`."""
    written = _typed(name)
    if not written:
        raise Unreadable(gettext("Choose a day."))
    found = a_day(written)
    if found is None:
        raise Unreadable(
            gettext("Expected a day as 2026-11-18, in the years 1900 to 2999; got “%(got)s”.", got=written)
        )
    return found


def moment(name: str) -> datetime | None:
    """Return the moment that was chosen under `name`, Vietnam's; None where nothing was."""
    written = _typed(name)
    found = a_moment(written)
    if written and found is None:
        raise Unreadable(
            gettext("Expected a moment as 2026-11-18T09:15, in the years 1900 to 2999; got “%(got)s”.", got=written)
        )
    return found


def chosen(name: str) -> list[int]:
    """Return the rows that were ticked under `name`."""
    ticked = request.form.getlist(name)
    if not all(one.isascii() and one.isdigit() and len(one) <= 18 for one in ticked):
        abort(400)  # no form of ours sends it
    return [int(one) for one in ticked]


def shares() -> dict[int, int]:
    """Return bill id → đồng, as the form's rows name a bill (by number or payment code) and its part."""
    found: dict[int, int] = {}
    for row in range(1, ROWS + 1):
        number, written = (_typed(f"{name}{row}") for name in ("bill", "amount"))
        if not number and not written:
            continue
        if not number:
            raise Unreadable(gettext("Name the bill that %(amount)s is for.", amount=written))
        bill = _bill(number)
        if not written:
            raise Unreadable(gettext("Write how much of it bill %(number)s gets.", number=bill.number))
        amount = _amount(written)
        if not amount:
            raise Unreadable(
                gettext(
                    "Write the part of bill %(number)s in whole đồng, more than 0; got “%(amount)s”.",
                    number=bill.number, amount=written,
                )
            )  # fmt: skip
        if bill.id in found:
            raise Unreadable(gettext("Bill %(number)s stands in two rows.", number=bill.number))
        found[bill.id] = amount
    return found


def places() -> list[Place]:
    """Return where else money goes: rows of what it becomes, how much, and whose or on which account or bill."""
    found = []
    for row in range(1, PLACES + 1):
        kind, written, whose, account = (_typed(f"{name}{row}") for name in ("place", "sum", "whose", "account"))
        if not kind:
            if written:
                raise Unreadable(gettext("Say what becomes of %(amount)s.", amount=written))
            continue
        if kind not in (*ACCOUNTS, DIFFERENCE):
            abort(400)
        if not written:
            raise Unreadable(gettext("Write how much goes there: %(place)s.", place=PLACE_WORDS[kind]))
        minor = _amount(written)
        if not minor:
            raise Unreadable(
                gettext("Write every amount in whole đồng, more than 0; got “%(amount)s”.", amount=written)
            )
        found.append(
            Place(
                kind, minor, account if kind == DIFFERENCE else "",
                bill_id=_bill(whose).id if kind == DIFFERENCE and whose else None,
                customer_id=_customer(whose) if kind == CREDIT else None,
            )
        )  # fmt: skip
    return found


def remaining(settling: Mapping[str, Any]) -> int | None:
    """Return what the answer as it was typed would leave of the payment, in đồng; None when it can't be read."""
    try:
        given = sum(shares().values()) + sum(one.minor for one in places() if one.bill_id is None)
    except Unreadable:
        return None
    left: int = settling["left"]
    undone, lifted = set(chosen("undo")), set(chosen("lift"))
    back = sum(one.minor for one, _bill in settling.get("held", ()) if one.id in undone)
    back += sum(one.minor for one, _number in settling.get("placed", ()) if one.id in lifted and one.payment_id)
    return left + int(back) - given


def _typed(name: str) -> str:
    return request.form.get(name, "").replace("\0", "").strip()[:40]


def _amount(written: str) -> int:
    """Return an amount as `amount_of` does; raises Unreadable for one that is larger than any that is booked."""
    digits = re.sub(r"[ .,\u00a0]", "", written.removesuffix("₫").removesuffix("đ").strip())
    if digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) > MOST_DIGITS:
        raise Unreadable(
            gettext(
                "“%(amount)s” is too large: an amount has at most %(most)s digits.", amount=written, most=MOST_DIGITS
            )
        )
    return amount_of(written)


def amount_of(written: str) -> int:
    """Return an amount in đồng as people write it ("1.500.000 ₫"); 0 for what is none."""
    found = _AMOUNT.fullmatch(written.removesuffix("₫").removesuffix("đ").strip())
    return int(re.sub(r"\D", "", found[0])) if found else 0


def _bill(number: str) -> Bill:
    named = or_(Bill.number.in_([number, number.upper()]), Bill.payment_code == number.upper())
    bill: Bill | None = db().scalar(select(Bill).where(named).order_by(Bill.version.desc(), Bill.id.desc()).limit(1))
    if bill is None:
        raise Unreadable(gettext("No bill has the number or payment code %(number)s.", number=number))
    return bill


def _customer(code: str) -> int:
    if not code:
        raise Unreadable(gettext("Name the customer whose credit it is, by their code."))
    found: int | None = db().scalar(select(Customer.id).where(Customer.code == code.upper()))
    if found is None:
        raise Unreadable(gettext("No customer has the code “%(code)s”.", code=code))
    return found
