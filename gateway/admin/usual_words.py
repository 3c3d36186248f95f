"""The words of usual answers: what one will book, in a sentence, and why it is the usual one."""

from sqlalchemy import select

from gateway.admin.settling_words import PLACES
from gateway.languages import day, gettext, money
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import approval_limits, usual_answers
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.payments import Allocation
from reconciliation.placements import CREDIT, Placement
from reconciliation.usual_answers import Usual

BUTTONS = {
    usual_answers.SETTLE: _("Book it"),
    usual_answers.DENY: _("The money never came: unmark the bill"),
    usual_answers.PAY_OUT: _("This line pays out the refund"),
    usual_answers.DAY: _("Settle this day with the line"),
    usual_answers.NOTE: _("Close the case"),
    usual_answers.TRACE: _("Note a trace request to the bank"),
    usual_answers.REST: _("Let it rest"),
}
BECAUSE = {
    "sum": _("These bills add up to the amount."),
    "named": _("The bill is named and lacks exactly this amount."),
    "payer": _("This account has paid for this customer only, and the bill lacks exactly this amount."),
    "amount": _("The customer is named and their bill lacks exactly this amount."),
    "named_other": _("The bill is named; the amount is another one."),
    "owed": _("The customer is named and owes this bill."),
    "doubted": _("A person doubts what it settles."),
    "part_paid": _("All of the payment is in its bill; the rest stays owed."),
    "not_arrived": _("Nothing fits, and no statement has shown the money yet."),
    "carried_forward": _("The customer owes nothing else: it waits for their next bill."),
    "nobodys": _("Nobody's bill fits: its age is watched until the payer is found."),
    "booked_already": _("The books say what the statement says; nothing is left to book."),
    "sends_none": _("The bank has answered; if it sends no file for the day, the day is closed without one."),
    "kept_out": _("The debit was refused and the customer told; the bill stays owed."),
    "ask_for_line": _("The callback has come, the statement does not show the money."),
    "ask_the_bank": _("Only the bank can say."),
    "never_came": _("The bank was asked, and the statement still does not show it."),
    "only_day": _("This is the only day whose payments come to the amount."),
    "only_refund": _("This is the only refund owed over the amount."),
}
"""Why an answer is the usual one: what is kept as its reason unless the person writes another."""


def because(answer: Usual) -> str:
    """Return why it is the usual answer."""
    return str(BECAUSE[answer.because])


def sentence(answer: Usual) -> str:
    """Return what an answer will book or note, in one sentence."""
    if answer.kind == usual_answers.SETTLE:
        said = "; ".join([*_undone(answer), *_shares(answer), *_placed(answer)]) + "."
        alone = answer.minor <= approval_limits.limit(db())
        return said if alone else f"{said} {gettext('Another person must approve it.')}"
    amount, until = money(answer.minor), day(answer.day)
    if answer.kind == usual_answers.PAY_OUT and answer.placement_id is not None:
        reference = db().get_one(Placement, answer.placement_id).reference
        return gettext("Books %(amount)s as paid out for refund %(reference)s.", amount=amount, reference=reference)
    return str(_SENTENCES[answer.kind]) % {"amount": amount, "day": until}


_SENTENCES = {
    usual_answers.DENY: _("Takes %(amount)s back from what it settled: its bills are owed again."),
    usual_answers.NOTE: _("Books nothing: closes the case with your reason."),
    usual_answers.TRACE: _("Books nothing: the case rests until the bank must have answered, in three business days."),
    usual_answers.DAY: _("Settles the payments of %(day)s with this line of %(amount)s."),
    usual_answers.REST: _("Books nothing: the case rests until the end of %(day)s."),
}


def _shares(answer: Usual) -> list[str]:
    if not answer.shares:
        return []
    wanted = select(Bill).where(Bill.id.in_(answer.shares)).order_by(Bill.issued_on, Bill.id)
    return [
        gettext("Books %(amount)s to bill %(number)s", amount=money(answer.shares[one.id]), number=one.number)
        for one in db().scalars(wanted)
    ]


def _undone(answer: Usual) -> list[str]:
    if not answer.undoes:
        return []
    wanted = select(Allocation.minor, Bill.number).join(Bill, Bill.id == Allocation.bill_id)
    return [
        gettext("Undoes the match of %(amount)s with bill %(number)s", amount=money(row.minor), number=row.number)
        for row in db().execute(wanted.where(Allocation.id.in_(answer.undoes)).order_by(Allocation.id))
    ]


def _placed(answer: Usual) -> list[str]:
    owners = {one.customer_id for one in answer.places if one.kind == CREDIT}
    named = select(Customer).where(Customer.id.in_(owners)).order_by(Customer.id)
    codes = {one.id: one.code for one in db().scalars(named)} if owners else {}
    return [
        gettext(
            "Credits %(amount)s to customer %(code)s", amount=money(one.minor), code=codes.get(one.customer_id or 0)
        )
        if one.kind == CREDIT
        else gettext("Books %(amount)s: %(place)s", amount=money(one.minor), place=PLACES[one.kind])
        for one in answer.places
    ]
