"""Carriers' words: reasons that we or SMPP write, in the reader's language; all else in quotation marks, as theirs."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.languages import gettext
from gateway.languages import lazy_gettext as _

CAUSES: Mapping[str, Any] = {
    "refused": _("refused"),
    "refused for good": _("refused for good"),
    "unsure whether it was sent": _("unsure whether it was sent"),
}
"""How a carrier's word begins."""
REASONS: Mapping[str, Any] = {
    "accepted": _("accepted"),
    "the sender is stopping": _("the sender is stopping"),
    "its turn did not come": _("its turn did not come"),
    "not connected yet": _("not connected yet"),
    "the carrier was too slow for it to have its turn": _("the carrier was too slow for it to have its turn"),
    "the customer has no number any more": _("the customer has no number any more"),
    "the number can't be opened": _("the number can't be opened"),
    "the carrier's reference is another message's too": _("the carrier's reference is another message's too"),
    "they rejected it when it came first": _("they rejected it when it came first"),
    "without a reason": _("without a reason"),
    "the ApiKey or SecretKey is not theirs": _("the ApiKey or SecretKey is not theirs"),
    "the account has no price list": _("the account has no price list"),
    "the balance is used up": _("the balance is used up"),
    "the brand name is not registered": _("the brand name is not registered"),
    "the brand name is not registered with this network": _("the brand name is not registered with this network"),
    "our address is not on their list": _("our address is not on their list"),
    "our address is locked": _("our address is locked"),
    "the account is blocked": _("the account is blocked"),
    "the account may not use their API": _("the account may not use their API"),
    "the number is not one of theirs": _("the number is not one of theirs"),
    "the request is not as they want it": _("the request is not as they want it"),
    "the text follows no registered template": _("the text follows no registered template"),
    "they can't send these signs": _("they can't send these signs"),
    "the text is too long for them": _("the text is too long for them"),
    "the carrier closed the connection": _("the carrier closed the connection"),
    "the carrier has unbound": _("the carrier has unbound"),
    "the link has ended": _("the link has ended"),
    "unbound": _("unbound"),
    "Message Length is invalid": _("the length of the message is invalid"),
    "System Error": _("system error"),
    "Invalid Source Address": _("invalid sender"),
    "Invalid Destination Address": _("invalid number"),
    "Message Queue is full": _("their queue is full"),
    "Throttling error": _("more messages than they allow"),
    "Bind Failed": _("the bind failed"),
    "Invalid Password": _("wrong password"),
    "Invalid System ID": _("unknown system_id"),
    "a status of the carrier's own": _("a status of the carrier's own"),
}
"""Reasons that stand fixed in our code or in SMPP."""
_FIGURED: Mapping[str, Any] = {
    r"no answer within (?P<seconds>[0-9.]+) s": _("no answer within %(seconds)s s"),
    r"no answer to (?P<command>[a-z_]+)": _("no answer to %(command)s"),
    r"the carrier answered (?P<status>[0-9]+) without a reason": _("the carrier answered %(status)s without a reason"),
    r"the carrier answered (?P<status>[0-9]+)": _("the carrier answered %(status)s"),
    r"(?P<place>[A-Za-z0-9_.-]+): expected an amount.*": _("%(place)s: no amount that can be read"),
    r"(?P<place>[A-Za-z0-9_.-]+): expected .*, got another.*": _("%(place)s: another answer than expected"),
    r"expected a JSON object, got .*": _("its answer is no JSON object"),
    r"in trouble with (?P<some>[0-9]+) of (?P<all>[0-9]+) messages": _("in trouble with %(some)s of %(all)s messages"),
    r"slow: (?P<time>[0-9]+) ms a message over (?P<all>[0-9]+)": _("slow: %(time)s ms a message over %(all)s"),
}
_LEADING: Mapping[str, Any] = {
    "asking failed": _("asking failed"),
    "no connection": _("no connection"),
    "no full answer": _("no full answer"),
    "sending failed": _("sending failed"),
    "receiving failed": _("receiving failed"),
    "the link ended before the answer": _("the link ended before the answer"),
    "the carrier refuses the bind": _("the carrier refuses the bind"),
    "the carrier does not understand the bind": _("the carrier does not understand the bind"),
}
"""What stands before a colon and another reason."""
_CODED = re.compile(r"(refused|refused for good) \(([^)]{1,40})\)")
_AND_THEIRS = re.compile(r"(.+) \((.+)\)")
_CODE = re.compile(r"0x[0-9A-F]{2,8}|[0-9]{1,6}", re.ASCII)


def said(text: str) -> str:
    """Return a carrier's word, or why it is ill, in the reader's language."""
    return word(text) or reason(text)


def word(text: str) -> str | None:
    """Return a word that begins as our words on refusals and doubts do; None for any other."""
    cause, _colon, rest = text.partition(": ")
    coded = _CODED.fullmatch(cause)
    if not rest or (cause not in CAUSES and not coded):
        return None
    begun = f"{CAUSES[coded[1]]} ({coded[2]})" if coded else CAUSES[cause]
    return f"{begun}: {reason(rest)}"


def reason(text: str) -> str:
    """Return a known reason in the reader's language, and any other in quotation marks."""
    if text in REASONS:
        return str(REASONS[text])
    for shape, ours in _FIGURED.items():
        if found := re.fullmatch(shape, text, re.ASCII):
            return str(ours) % found.groupdict()
    if (both := _AND_THEIRS.fullmatch(text)) and both[1] in REASONS:
        theirs = both[2] if _CODE.fullmatch(both[2]) else _quoted(both[2])
        return f"{REASONS[both[1]]} ({theirs})"
    leading, _colon, rest = text.partition(": ")
    if leading in _LEADING and rest:
        return f"{_LEADING[leading]}: {reason(rest)}"
    return _quoted(text)


def _quoted(words: str) -> str:
    return gettext("“%(words)s”", words=words) if words else ""
