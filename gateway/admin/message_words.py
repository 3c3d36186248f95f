"""The words for messages: who moved one and why, and what one that is queued waits for."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gateway.admin import carrier_words
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.wiring import Wiring
from reconciliation import sending_times
from reconciliation.outbox import Message

ACTORS: Mapping[str, Any] = {"sending": _("SMS sender"), "carrier": _("its carrier")}
REASONS: Mapping[str, Any] = {
    "accepted": _("accepted"),
    "its sender ended before the answer": _("its sender ended before the answer"),
    "too late to tell the customer anything new": _("too late to tell the customer anything new"),
    "the bill is no longer owed as announced": _("the bill is no longer owed as announced"),
    "the customer is not to be told by SMS": _("the customer is not to be told by SMS"),
    "sent again": _("sent again"),
}
WAITS: Mapping[str, Any] = {
    "again": _("No carrier has taken it yet; it is tried again from %(time)s."),
    "daily": _("Its customer has had as many messages as one day allows; it leaves from %(time)s."),
    "quiet": _("At night and on holidays no message leaves; it leaves from %(time)s."),
    "near": _("Its debit is not near yet; it leaves from %(time)s."),
    "turn": _("It leaves in its turn, as soon as a carrier takes it."),
}
_CODE = re.compile(r"[A-Z0-9:._-]{1,20}(?: [A-Z0-9:._-]{1,20})?", re.ASCII)


def said(text: str) -> str | None:
    """Return why a message moved in the reader's language, or None when that is none of these reasons."""
    if text in REASONS:
        return str(REASONS[text])
    cause, _colon, rest = text.partition(": ")
    if of_carrier := carrier_words.word(text):
        return of_carrier
    if cause in REASONS and rest:
        return f"{REASONS[cause]}: {rest}"
    return gettext("code %(code)s", code=text) if _CODE.fullmatch(text) else None


def waits(session: Session, wiring: Wiring, message: Message) -> tuple[Any, datetime | None] | None:
    """Return what a queued message waits for, and until when where that is known; None for any other."""
    if message.state != "queued":
        return None
    now = wiring.clock()
    if message.not_before is not None and message.not_before > now:
        return WAITS["again" if message.attempts else "daily"], message.not_before
    may = sending_times.leaving(session, wiring.times, now=now)
    why, until = sending_times.held(may, message.event, message.not_after)
    return WAITS[why or "turn"], until
