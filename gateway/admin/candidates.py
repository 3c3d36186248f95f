"""Candidates: what a question's money may be for, each with what speaks for it, what against, and how strongly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gateway.admin.evidence import SUGGESTIONS
from gateway.languages import gettext, money
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import misread
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.payments import Payment

STRONG, FAIR, WEAK = _("strong"), _("fair"), _("weak")
SCORES = {"sum": STRONG, "named": STRONG, "payer": FAIR, "amount": FAIR, "named_other": WEAK, "owed": WEAK}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One suggestion: its bills with their parts, its rule and score in words, and what speaks for and against it."""

    bills: Sequence[Mapping[str, Any]]
    rule: str
    score: str
    agrees: Sequence[str]
    against: Sequence[str]


def weighed(ranked: Sequence[Mapping[str, Any]], payment: Payment) -> list[Candidate]:
    """Return the suggestions with their evidence in words, in the order they are ranked."""
    numbers = {part["bill"] for one in ranked for part in one["bills"]}
    wanted = select(Bill, Customer.code).join(Customer, Customer.id == Bill.customer_id).where(
        Bill.number.in_(numbers), Bill.live
    )  # fmt: skip
    bills = {bill.number: (bill, code) for bill, code in db().execute(wanted)}
    quoted = {one.lstrip(misread.MARK) for one in payment.quoted}
    known = set(db().scalars(select(Customer.code).where(Customer.code.in_(quoted)).order_by(Customer.code)))
    scores = [SCORES.get(one["rule"], WEAK) for one in ranked]
    found = []
    for one, score in zip(ranked, scores, strict=True):
        agrees, against = _amounts(one["bills"], bills, payment)
        for part in one["bills"]:
            bill, code = bills[part["bill"]]
            if quoted & {bill.number, bill.payment_code}:
                agrees.append(gettext("Bill %(number)s is quoted.", number=bill.number))
            elif code in quoted:
                agrees.append(gettext("Customer code %(code)s is quoted.", code=code))
            else:
                against.append(gettext("Neither bill %(number)s nor its customer is quoted.", number=bill.number))
            if bill.issued_on > payment.business_date:
                against.append(gettext("Bill %(number)s was issued after the payment.", number=bill.number))
        owners = {bills[part["bill"]][1] for part in one["bills"]}
        for code in sorted(known - owners):
            against.append(gettext("Customer code %(code)s is quoted, and it is somebody else's.", code=code))
        if one["rule"] == "payer":
            agrees.append(gettext("The payer's account has paid for this customer before."))
        if scores.count(score) > 1 and score is not WEAK:
            against.append(gettext("Another suggestion fits as well."))
        rule = str(SUGGESTIONS.get(one["rule"], one["rule"]))
        found.append(Candidate(one["bills"], rule, str(score), agrees, against))
    return found


def _amounts(
    parts: Sequence[Mapping[str, Any]], bills: Mapping[str, tuple[Bill, str]], payment: Payment
) -> tuple[list[str], list[str]]:
    left = payment.minor - payment.matched_minor
    rest = left - sum(part["minor"] for part in parts)
    lacks = sum(bills[part["bill"]][0].minor - bills[part["bill"]][0].paid_minor - part["minor"] for part in parts)
    if rest > 0:
        return [], [gettext("%(amount)s of the payment would be left over.", amount=money(rest))]
    if lacks > 0:
        return [], [gettext("The bill would still lack %(amount)s.", amount=money(lacks))]
    return [gettext("The amount agrees to the đồng.")], []
