"""The words of closes: their states, why the three sides differ, and what keeps a day from being closed."""

from collections.abc import Mapping
from typing import Any

from gateway.languages import lazy_gettext as _

STATES: Mapping[str, Any] = {
    "open": _("not closed yet"),
    "balanced": _("balanced"),
    "signed": _("signed"),
    "withdrawn": _("taken back"),
    "reopened": _("reopened"),
}
TONES: Mapping[str, str] = {"balanced": "warn", "signed": "good"}

VERDICTS: Mapping[str, Any] = {
    "awaited": _("waits for its statement line"),
    "untold": _("shown by the statement, told by no callback"),
    "other_day": _("told on one day, booked by the bank on another"),
    "other_amount": _("told with another amount"),
    "taken_back": _("taken back by the bank"),
    "outgoing": _("money going out"),
    "settlement": _("one line for many payments"),
    "fee": _("fee kept from what a line brings"),
    "late": _("booked after its own day had been signed"),
    "undone": _("its import was undone"),
    "never_tells": _("this bank does not call back"),
    "unexplained": _("unexplained"),
    "carried": _("carried forward"),
    "blocking": _("to be answered first"),
    "proposed": _("waits for approval"),
}
"""Why a row differs, and how a question stands."""

NOT_CLOSED: Mapping[str, Any] = {
    "not_over": _("The period is not over yet."),
    "earlier": _("%(day)s is to be signed first."),
    "days": _("Not every day of the month is signed; missing: %(count)s, the first of them %(day)s."),
    "month_questions": _(
        "Questions that leave days of the month unknown: %(count)s (%(codes)s), the first of them of %(day)s."
    ),
    "unread": _("Deliveries of this bank that have not been read yet: %(count)s."),
    "not_begun": _("This is before the bank's first entry or statement: there is nothing to close."),
    "no_statement": _("The bank's statement of this day has not come (M13)."),
    "unexplained": _("Unexplained differences: %(count)s, and %(minor)s."),
    "questions": _(
        "Questions that leave the day unknown: %(count)s (%(codes)s). A statement, a delivery or an answer waits."
    ),
    "moved": _("The books have moved since it was balanced: take it back and balance it again."),
    "own": _("Another person signs than the one who balanced."),
    "signer": _("A third person reopens than the two who signed."),
    "why": _("Say why: it is kept with your name."),
    "month": _("The month is signed: reopen it first."),
    "state": _("Somebody has gone on with it meanwhile: look at it again."),
    "busy": _("Entries for this bank are being booked: try again in a moment."),
}
"""Why a close can't go on, for the person who asked."""
