"""The words for what the tables write as codes: states, mismatches, roles, and who did something."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.admin import debit_words, mandate_words, message_words
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from reconciliation.lifecycle import Transition

BILL_STATES = {
    "open": _("open"),
    "part_paid": _("part paid"),
    "paid": _("paid"),
    "cancelled": _("cancelled"),
    "replaced": _("replaced"),
}
PAYMENT_STATES = {
    "reported": _("reported"),
    "confirmed": _("confirmed"),
    "denied": _("denied"),
    "returned": _("returned"),
}
DELIVERY_STATES = {
    "received": _("waiting"),
    "read": _("read"),
    "unreadable": _("unreadable"),
    "conflicting": _("conflicting"),
    "set_aside": _("set aside"),
}
AGES = {
    "0-1": _("0–1 days"),
    "2-3": _("2–3 days"),
    "4-7": _("4–7 days"),
    "8-": _("more than 7 days"),
}
SETTLEMENT_STATES = {
    "proposed": _("waits for approval"),
    "applied": _("carried out"),
    "refused": _("refused"),
    "withdrawn": _("taken back"),
}
MISMATCH_STATES = {"open": _("open question"), "proposed": _("answer proposed"), "resolved": _("settled")}
RESTING = "resting"
QUESTION_STATES = {**MISMATCH_STATES, RESTING: _("expected until a day")}
"""How a question stands: its state, or that it rests."""
STATEMENT_STATES = {
    "loading": _("loading"),
    "accepted": _("accepted"),
    "quarantined": _("in quarantine"),
    "resent": _("sent again"),
    "withdrawn": _("withdrawn"),
}
LINE_STATES = {
    "pending": _("waiting"),
    "matched": _("matched"),
    "mismatch": _("in question"),
    "rejected": _("set aside"),
}
MESSAGE_STATES = {
    "queued": _("waiting"),
    "sending": _("being sent"),
    "sent": _("sent"),
    "delivered": _("delivered"),
    "undelivered": _("not delivered"),
    "unsure": _("unsure"),
    "expired": _("expired"),
    "withdrawn": _("withdrawn"),
    "failed": _("failed"),
}
STATES: Mapping[str, Mapping[str, Any]] = {
    "bill": BILL_STATES,
    "payment": PAYMENT_STATES,
    "delivery": DELIVERY_STATES,
    "mismatch": QUESTION_STATES,
    "settlement": SETTLEMENT_STATES,
    "statement": STATEMENT_STATES,
    "line": LINE_STATES,
    "message": MESSAGE_STATES,
    "webhook": {"waiting": _("waiting"), "delivered": _("taken"), "failed": _("not taken")},
    "mandate": mandate_words.STATES,
    **debit_words.STATES,
}

TONES: Mapping[str, str] = {
    **dict.fromkeys(["paid", "confirmed", "read", "resolved", "accepted", "matched", "delivered", "sent"], "good"),
    **dict.fromkeys(["applied", "active"], "good"),
    **dict.fromkeys(["part_paid", "proposed", "unsure", "mismatch", "undelivered", "conflicting", "paused"], "warn"),
    **dict.fromkeys(["denied", "returned", "unreadable", "quarantined", "failed", "refused"], "bad"),
    **dict.fromkeys(
        ["cancelled", "replaced", "rejected", "resent", "withdrawn", "expired", "ended", "set_aside", RESTING], "faded"
    ),
    **debit_words.TONES,
}
"""The colour of a state; those not named are plain. The word always stands beside the colour."""

KINDS = {"callback": _("callback"), "statement": _("statement file")}
ORIGINS = {"callback": _("callback"), "statement": _("statement"), "notice": _("bank notice")}
CHANNELS = {
    "auto_debit": _("auto-debit"),
    "transfer": _("transfer"),
    "wallet": _("wallet"),
    "counter": _("counter"),
    "atm": _("ATM"),
    "app": _("bank's app"),
    "web": _("web"),
    "qr": _("QR code"),
    "agent": _("agent"),
}
"""How customers pay; a channel that a bank has declared by another name is shown as it is."""
EVENTS = {
    "before_debit": _("SMS before the debit"),
    "mandate_code": _("SMS with a code for a mandate"),
    "bill_held": _("SMS that a bill is looked at"),
    "debit_failed": _("SMS that nothing is debited"),
    "overdue": _("SMS that a bill is overdue"),
    "payment_recorded": _("SMS after the payment"),
    "payment_returned": _("SMS that corrects it: the money went back"),
}
ROLES = {
    "accountant": _("Accountant"),
    "chief_accountant": _("Chief accountant"),
    "liaison": _("Bank liaison"),
    "auditor": _("Auditor"),
    "care": _("Customer care"),
    "office_manager": _("Office manager"),
    "administrator": _("Administrator"),
}
VIEWS = {
    "received": _("heard by callback"),
    "confirmed": _("confirmed by statement"),
    "counts": _("neither returned nor taken back"),
    "matched": _("matched to bills"),
    "placed": _("kept as credit, refund or in suspense"),
    "open": _("with money left over"),
    "unexplained": _("unexplained"),
}

ACTORS = {
    "matching": _("matching"),
    "pairing": _("pairing"),
    "billing": _("billing"),
    "statement": _("statement"),
    "reader": _("reader"),
    "deadlines": _("deadlines"),
    "collecting": _("file fetching"),
    "outbox": _("SMS outbox"),
    "sender": _("SMS sender"),
    "returns": _("returns"),
    "fees": _("fees"),
    "lump sums": _("lump sums"),
    "customer": _("the customer"),
    **debit_words.ACTORS,
    **message_words.ACTORS,
}
"""The parts of the house that act by themselves; what a person did stands with the name they sign in with."""

REASONS = {
    **mandate_words.REASONS,
    "matched": _("matched"),
    "balanced": _("balanced"),
    "signed": _("signed"),
    "the bill is paid": _("the bill is paid"),
    "the bill is replaced": _("the bill is replaced"),
    "the bill is cancelled": _("the bill is cancelled"),
    "a newer version was issued": _("a newer version was issued"),
    "asked anew under another code": _("asked anew under another code"),
    "the file came": _("the file came"),
    "the deadline moved": _("the deadline moved"),
    "the day is no business day": _("the day is no business day"),
    "the link works again": _("the link works again"),
    "the statement of this number came": _("the statement of this number came"),
    "the import was undone": _("the import was undone"),
    "the same bytes as a file kept before; not read again": _("the same bytes as a file kept before; not read again"),
    "the statement line came": _("the statement line came"),
    "booked from the statement line; no callback came": _("booked from the statement line; no callback came"),
    "booked by the bank on a later day; it cleared itself": _("booked by the bank on a later day; it cleared itself"),
    "a notice: the statement will decide": _("a notice: the statement will decide"),
    "a notice over another amount": _("a notice over another amount"),
    "the transaction was told with another amount": _("the transaction was told with another amount"),
    "the customer's bills now say otherwise": _("the customer's bills now say otherwise"),
    "the match was undone": _("the match was undone"),
    "the bank took it back: customer_request": _("the bank took it back: the customer asked for it"),
    "the bank took it back: teller_error": _("the bank took it back: a mistake at the till"),
    "the bank took it back: duplicate": _("the bank took it back: collected twice"),
    "the bank took it back: wrong_bill": _("the bank took it back: the wrong bill"),
    "the bank took it back: timeout": _("the bank took it back: no answer came in time"),
    "the bank took it back: other": _("the bank took it back: another reason"),
    "the reference is known with other content": _("the reference is known with other content"),
    "money going out": _("money going out"),
    "no money moved": _("no money moved"),
    "the bank took it back after its statement had shown it": _(
        "the bank took it back after its statement had shown it"
    ),
    "a fee": _("a fee"),
    "the bank's own words call it a fee": _("the bank's own words call it a fee"),
    "what was taken is what the tariff lets expect": _("what was taken is what the tariff lets expect"),
    "asked anew with other figures": _("asked anew with other figures"),
    "said by a person": _("said by a person"),
    "told by the billing system": _("told by the billing system"),
    "the payment was returned": _("the payment was returned"),
    "the money came back": _("the money came back"),
    "later facts say otherwise": _("later facts say otherwise"),
    "the money came once more, or was never taken back": _("the money came once more, or was never taken back"),
    "the money of a payment known before, come once more": _("the money of a payment known before, come once more"),
    "a settlement of many payments": _("a settlement of many payments"),
    "the settlement line came": _("the settlement line came"),
    "it is one day's settlement": _("it is one day's settlement"),
    "its settlement was taken back": _("its settlement was taken back"),
    "weighed anew": _("weighed anew"),
    "taken back": _("taken back"),
    "later facts settled it": _("later facts settled it"),
    "the bank answered again": _("the bank answered again"),
    "the bank's word came": _("the bank's word came"),
    "re-sent; nothing was booked again": _("sent again; nothing was booked again"),
    "it was read after all": _("it was read after all"),
    "the bill is settled": _("the bill is settled"),
    "approved": _("approved"),
    "within the limit": _("within the limit"),
    "a person has moved the mandate": _("a person has moved the mandate"),
    "a payment that comes first was heard later": _("a payment that comes first was heard later"),
    "later evidence names another bill or customer": _("later evidence names another bill or customer"),
    "a line of its own shows a payment of it": _("a line of its own shows a payment of it"),
    "a payment of it was told with another amount": _("a payment of it was told with another amount"),
}
"""Reasons that the rules write in English; one that is not here is shown as it was written."""


_NUMBERED = {
    "statement": _("statement no. %(number)s"),
    "settlement": _("answer no. %(number)s"),
    "settlement choice": _("answer no. %(number)s"),
    "settled by line": _("settled by line no. %(number)s"),
    "it pays out refund": _("it pays out refund %(number)s"),
}
"""What stands before a number, or the number of a refund (HT…)."""
_LEADING = {
    "acknowledged": _("closed by words"),
    **{name: REASONS[name] for name in ("the import was undone", "its settlement was taken back")},
    **{name: SETTLEMENT_STATES[name] for name in ("refused", "withdrawn")},
}
"""What stands before a colon and another reason, or a person's own words."""


def why(text: str, kind: str = "") -> str:
    """Return a reason in the reader's language, or as it was written; `kind` is what it moved, where that matters."""
    if kind == "message" and (told := message_words.said(text)):
        return told
    cause, _colon, said = text.partition(": ")
    head, _space, number = cause.rpartition(" ")
    if head in _NUMBERED and number.removeprefix("HT").isdigit():
        named = str(_NUMBERED[head]) % {"number": number}
        return f"{named}: {why(said)}" if said else named
    if cause in _LEADING and said:
        return f"{_LEADING[cause]}: {why(said)}"
    return str(REASONS[text]) if text in REASONS else mandate_words.said(text) or debit_words.said(text) or text


def is_an_answers(moved: Transition) -> bool:
    """Tell whether a person's answer made a move that was noted as the matching's: none of its rules did it."""
    return moved.by == "matching" and re.match("settlement [0-9]+:", moved.why) is not None


def payment_name(source_reference: str, bank_reference: str) -> str:
    """Return what people call a payment: the bank's reference, or the statement line that alone shows it."""
    head, _colon, number = source_reference.partition(":")
    if head == "line" and number.isdigit():
        return bank_reference or gettext("line no. %(number)s", number=number)
    return source_reference
