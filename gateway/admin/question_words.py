"""The words for questions: what each kind of mismatch is called, what it means, and how it is usually settled."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.languages import lazy_gettext as _
from reconciliation import overview
from reconciliation.unmatched import RAISED


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of mismatch: its name, what it means, and how it is usually settled."""

    name: Any
    meaning: Any
    usually: Any


MISMATCHES: Mapping[str, Question] = {
    "M01": Question(
        _("Callback without a statement line"),
        _("The bank told us of a payment, but its statement does not show the money."),
        _("Wait until the second business day, then ask the bank. If the money never came, unmark the bill."),
    ),
    "M02": Question(
        _("Statement line without a callback"),
        _("The statement shows money that no callback told us of."),
        _("Take the payment from the statement line, mark the bill paid and send the SMS."),
    ),
    "M03": Question(
        _("Amount differs"),
        _("What arrived is not what was owed."),
        _("Too little: leave the bill part paid or return the money. Too much: credit the customer."),
    ),
    "M04": Question(
        _("Paid twice through two channels"),
        _("The same bill was paid through two banks or wallets."),
        _("Keep the first payment; refund the second or carry it forward to the next bill."),
    ),
    "M05": Question(
        _("Wrong customer code"),
        _("The payment names a customer and a bill that do not belong together."),
        _("Two people transfer it with evidence, and the bill that was paid by mistake is reopened."),
    ),
    "M06": Question(
        _("Bill already paid"),
        _("The bill was settled before this payment came."),
        _("Refund the payment or carry it forward to the next bill."),
    ),
    "M07": Question(
        _("Bill cancelled or re-billed"),
        _("The payment settles a bill that is no longer owed."),
        _("Move it to the bill that took its place and settle the difference."),
    ),
    "M08": Question(
        _("Cut-over item"),
        _("Paid on one day, booked by the bank on the next."),
        _("Clears itself on the next business day, by the bank's date."),
    ),
    "M09": Question(
        _("Reversed after the SMS"),
        _("The bank took the money back after the customer was told."),
        _("Reopen the bill, send one correcting SMS and follow the calendar of retries."),
    ),
    "M10": Question(
        _("Fee netted"),
        _("The bank kept its fee and booked the rest."),
        _("Gross is net plus fee: book the fee."),
    ),
    "M11": Question(
        _("Lump sum for many payments"),
        _("One line on the statement stands for many payments."),
        _("Match the settlement's total first, then its items."),
    ),
    "M12": Question(
        _("Unidentified deposit"),
        _("Nothing in the payment says which bill it is for."),
        _("Keep it in suspense while its age is watched; assign it when the payer is found, else return it."),
    ),
    "M13": Question(
        _("File missing"),
        _("The bank's statement did not come by its deadline."),
        _("Ask the bank. A file without lines is a valid answer; so is its word that it sends none, once noted."),
    ),
    "M14": Question(
        _("File or line sent again"),
        _("The bank sent what it had sent before."),
        _("Nothing is booked twice; the balances are checked again."),
    ),
    "M15": Question(
        _("Balance breaks"),
        _("The statement does not continue the one before it, or its lines do not add up to its closing balance."),
        _("The statement stays in quarantine until the bank corrects it or explains the gap."),
    ),
    "M16": Question(
        _("Outcome unknown"),
        _("A request to the bank timed out, or what the bank sent could not be taken as it stands."),
        _("Ask the bank for its status. A debit is never tried again blindly."),
    ),
    "M17": Question(
        _("Mandate missing, expired or exceeded"),
        _("There is no valid mandate for this debit, or it is above the cap."),
        _("Refuse the debit and tell the customer."),
    ),
}
_MANDATE_ANSWER = Question(
    _("A bank's word on a mandate"),
    _("What a bank says of a mandate contradicts what we know of it, or names none that we know."),
    _("Ask the bank, then move the mandate on its page. The question closes as the mandate moves, or as the bank's next"
      " word fits."),
)  # fmt: skip
_DECIDE_AGAIN = _("Say anew which bills it settles or where else its money goes, or leave all as it is.")
_DOUBTED = Question(
    _("Settlement in doubt"), _("A person doubts what this payment settles: decide again."), _DECIDE_AGAIN
)
_TAKEN_BACK = Question(
    _("Answer taken back"), _("Somebody took an answer about this payment back, or asked to: decide again."),
    _DECIDE_AGAIN,
)  # fmt: skip


_OTHERS: Mapping[str, Mapping[str, Question]] = {
    "M05": {overview.DOUBTED: _DOUBTED, overview.UNDONE: _TAKEN_BACK},
    "M17": {overview.OF_MANDATE: _MANDATE_ANSWER},
}
"""A code → what else it may ask than what it is called for."""


def names(code: str, kinds: Collection[str] = overview.KINDS) -> str:
    """Return the names of all that questions of these kinds under one code ask."""
    asked = {overview.OF_CODE: MISMATCHES[code], **_OTHERS.get(code, {})}
    return " / ".join(str(one.name) for kind, one in asked.items() if kind in kinds)


def question(code: str, subject: str, verdict: str = "", *, undone: bool = False) -> Question:
    """Return the words for one question; what M17 asks of a bank's word is not what it asks of a bill.

    `verdict` is the finding among its facts: what a person raised names no code, right or wrong. `undone` says that
    taking an answer back raised it.
    """
    if verdict == RAISED:
        return _TAKEN_BACK if undone else _DOUBTED
    return _MANDATE_ANSWER if mandate_of(subject) else MISMATCHES[code]


def mandate_of(subject: str) -> str:
    """Return the reference of the mandate that a question's subject names, "" for other subjects."""
    kind, _bank, reference = [*subject.split(":", 2), "", ""][:3]
    return reference if kind == "mandate_answer" else ""
