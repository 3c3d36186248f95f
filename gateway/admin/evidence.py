"""Evidence: why a payment was matched to a bill, and what was found in its text, in the reader's words."""

from collections.abc import Iterable

from gateway.languages import lazy_gettext as _
from reconciliation import misread

RULES = {
    "end_to_end_id": _("The bank repeats the end-to-end id %(quoted)s of our debit."),
    "payment_code": _("The payment code %(quoted)s is quoted."),
    "bill_number": _("The bill number %(quoted)s is quoted."),
    "customer_amount": _(
        "The customer code %(quoted)s is quoted, and this is that customer's only open bill over exactly this amount."
    ),
    "customer_all": _("The customer code %(quoted)s is quoted, and the amount is all that customer owes."),
    "customer_oldest": _(
        "The customer code %(quoted)s is quoted, and the amount is what that customer's oldest bills come to."
    ),
    "customer_subset": _(
        "The customer code %(quoted)s is quoted, and no other choice among that customer's bills adds up to the amount."
    ),
    "customer_part": _("The customer code %(quoted)s is quoted; that customer's oldest bills are paid first."),
    "named_sum": _("%(quoted)s are quoted, and the amount is the sum of what they name."),
    "person": _("A person matched it."),
}
"""Why a payment was matched to a bill, in words; `quoted` is the code that proved it."""

SUGGESTIONS = {
    "sum": _("these add up to the amount"),
    "named": _("named, and it lacks exactly this amount"),
    "payer": _("this account has paid for this customer only, and the bill lacks exactly this amount"),
    "amount": _("of the customer named, and it lacks exactly this amount"),
    "named_other": _("named, and it lacks another amount"),
    "owed": _("of the customer named"),
}
"""Why a bill is suggested to the person who decides."""


def rule(name: str, quoted: str) -> str:
    """Return the sentence of a rule with the code that proved it."""
    return str(RULES[name]) % {"quoted": quoted.replace("←", " ← ")}


def codes(quoted: Iterable[str]) -> list[str]:
    """Return the codes found in a payment's text, each once; one that was misread with what was written."""
    plain = [one for one in quoted if not one.startswith(misread.MARK) or "←" in one]
    return [one.lstrip(misread.MARK).replace("←", " ← ") for one in plain]
