"""The words for mandates: their states, what people do with them, what is in the way, and how consent was given."""

from gateway.languages import gettext
from gateway.languages import lazy_gettext as _

STATES = {
    "draft": _("draft"),
    "submitted": _("with the bank"),
    "active": _("in force"),
    "paused": _("paused"),
    "ended": _("ended"),
    "refused": _("refused"),
    "expired": _("expired"),
}
ACTS = {
    "confirm": _("The bank has taken it on"),
    "refuse": _("The bank has refused it"),
    "pause": _("Pause it"),
    "resume": _("Use it again"),
    "end": _("End it for good"),
}
NOT_MOVED = {
    "state": _("This can't be done with the mandate as it is now; somebody else may have been quicker."),
    "days": _("Its last day has passed, or lies before its first."),
    "other": _("The customer has another mandate; end that first."),
    "same": _("Nothing is changed: write another account, cap or validity."),
}
CHANNELS = {
    "app": _("bank's app"),
    "bank": _("at the bank"),
    "counter": _("at the counter"),
    "paper": _("on paper"),
    "phone": _("by phone"),
    "web": _("customer portal"),
}
REASONS = {
    "opened by web": _("opened in the customer portal"),
    "opened by counter": _("opened at the counter"),
    "the customer asked in the portal": _("the customer asked in the portal"),
    "the customer asked at the counter": _("the customer asked at the counter"),
    "its last day has passed": _("its last day has passed"),
    "the bank answered again": _("the bank answered again"),
    "a person has moved the mandate": _("a person has moved the mandate"),
}
"""What moves of mandates, and of questions about them, give as their reason."""


def said(text: str) -> str:
    """Return in the reader's language that a mandate came from a file; "" for every other reason."""
    head, imported, file = text.partition("imported from ")
    return gettext("imported from %(file)s", file=file) if imported and not head else ""
