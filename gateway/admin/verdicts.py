"""What was found about the money that a question asks about, in the reader's words."""

from collections.abc import Mapping
from typing import Any

from gateway.languages import lazy_gettext as _

VERDICTS = {
    "match": _("the bill is known, the amount is not what it owes"),
    "paid_before": _("the bill is known and owes nothing any more"),
    "several_bills": _("several bills fit"),
    "several_customers": _("several customers are named"),
    "contradiction": _("the bill belongs to another customer than the one named"),
    "cancelled": _("the bill is no longer owed"),
    "raised": _("a person doubts what it settles"),
    "barred": _("a person said that this payment is not for the bill it names"),
    "other_amount": _("the customer is known, no open bill has this amount"),
    "unknown": _("no bill and no customer that is known is named"),
    "foreign_currency": _("the currency is not đồng"),
    "outgoing": _("money left the account"),
    "returned": _("money that came went back"),
    "fee_differs": _("the fees taken for a period are not what the tariff lets expect"),
    "return_of_several": _("money went back; several payments may be the one it returns"),
    "return_differs": _("money went back; the payment it refers to has another amount"),
    "return_contradicts": _("money went back; its reference is of one payment and its code of another's bill"),
    "statement_differs": _("the statement shows another amount than the callback"),
    "notice_differs": _("the bank's notice tells another amount"),
    "reversal": _("money that came back settles no bill by itself"),
    "denied": _("the bank took this payment back, and its statement shows it all the same"),
    "taken_back_before": _("settled from the statement; the bank took back a payment like it before"),
}

FACTS: Mapping[str, tuple[str, str, Any]] = {
    "owed": ("expected", "money", _("Owed on the bill")),
    "expected": ("expected", "money", _("Told by the callback")),
    "bill": ("expected", "text", _("Bill")),
    "candidates": ("expected", "text", _("Bills or customers that fit")),
    "expected_by": ("expected", "deadline", _("Expected by")),
    "day": ("expected", "day", _("Business day")),
    "number": ("expected", "text", _("Number that is missing")),
    "after": ("arrived", "day", _("Statement before it, of")),
    "before": ("arrived", "day", _("Statement after it, of")),
    "reported_on": ("expected", "day", _("Told for the day")),
    "first": ("expected", "text", _("First sent as statement")),
    "first_sha256": ("expected", "text", _("SHA-256 at first")),
    "paid": ("arrived", "money", _("Paid")),
    "matched": ("arrived", "money", _("Matched when this was asked")),
    "arrived": ("arrived", "money", _("On the statement")),
    "booked_on": ("arrived", "day", _("Booked on")),
    "fee_expected": ("expected", "money", _("Fee by the tariff, with VAT")),
    "fee_taken": ("arrived", "money", _("Fee taken, with VAT")),
    "quoted": ("arrived", "text", _("Codes quoted")),
    "reference": ("arrived", "text", _("Reference")),
    "verdict": ("arrived", "verdict", _("Finding")),
    "reason": ("arrived", "text", _("Reason given")),
    "reasons": ("arrived", "text", _("What does not agree")),
    "statement": ("arrived", "text", _("Statement")),
    "lines": ("arrived", "text", _("Lines")),
    "file": ("arrived", "text", _("File")),
    "sha256": ("arrived", "text", _("SHA-256")),
}
"""A mismatch's fact → its side (what was expected, what arrived), how it is written, and its name."""
