"""The machine's own words: why something can't be read, is not proven or was not sent, in the reader's language.

They are written in English where they arise, for logs and the command line. A page says what they mean in the reader's
words and keeps what is technical; what nobody has words for stands in quotation marks, as the machine's own.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway import languages
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _

_PARTS: Mapping[str, Any] = {
    "nothing": _("nothing"),
    "none": _("none"),
    "more": _("more"),
    "something else": _("something else"),
    "an empty file": _("an empty file"),
    "text of another kind": _("text of another kind"),
    "a text": _("a text"),
    "a whole number": _("a whole number"),
    "an object": _("an object"),
    "a JSON object": _("a JSON object"),
    "a whole zip file": _("a whole zip file"),
    "a whole gzip file": _("a whole gzip file"),
    "a locked one": _("a locked one"),
    "a zip without a password": _("a zip without a password"),
    "a workbook without a password": _("a workbook without a password"),
    "whole Unix seconds": _("whole Unix seconds"),
    "Unix seconds in digits": _("Unix seconds in digits"),
    "'Name: value'": _("a line “Name: value”"),
}
"""What is often expected, and what often comes instead."""
_SHAPES: Mapping[str, Any] = {
    r"the header (?P<name>[\w-]{1,60})": _("the header %(name)s"),
    r"(?P<name>[\w.-]{1,60}) in the body": _("%(name)s in the body"),
    r"(?P<name>[\w.-]{1,60}) in the query": _("%(name)s in the query"),
    r"a signature in (?P<name>[\w .-]{1,60})": _("a signature in %(name)s"),
    r"at most (?P<most>[0-9]+) bytes": _("at most %(most)s bytes"),
    r"at most (?P<most>[0-9]+) characters": _("at most %(most)s characters"),
    r"at most (?P<most>[0-9]+) lines in a sample": _("at most %(most)s lines in a sample"),
    r"1 to (?P<most>[0-9]+) visible ASCII characters(?: without a full stop)?": _(
        "1 to %(most)s visible ASCII characters"
    ),
}
_WHOLE: Mapping[str, Any] = {
    r"the (?P<what>token|key) in (?P<where>[\w-]{1,60}) is not ours": _("what stands in %(where)s is not ours"),
    r"(?P<what>[\w. -]{1,60}?) is not the (?P<how>[\w-]{1,30}(?: P-256)?) of .+": _(
        "%(what)s is not the %(how)s of the text by our key"
    ),
    r"not JSON: .+": _("it is not JSON"),
    r"header (?P<number>[0-9]+): (?P<name>.{1,60}) is given twice": _("header %(number)s: %(name)s is given twice"),
}
_EXPECTED = re.compile(r"expected (?P<expected>.+?)(?:, got:? (?P<got>.+)|, (?P<but>it .+))?", re.DOTALL)
_UNSENT: Mapping[str, Any] = {
    "gaierror": _("the name of its host can't be found"),
    "TimeoutError": _("it took too long"),
    "ConnectTimeout": _("it took too long"),
    "ReadTimeout": _("it took too long"),
    "too slow": _("it took too long"),
    "ConnectError": _("there is no connection to it"),
    "ConnectionRefusedError": _("its host refuses the connection"),
    "ConnectionResetError": _("the connection broke off"),
    "ReadError": _("the connection broke off"),
    "RemoteProtocolError": _("the connection broke off"),
    "SSLError": _("its certificate can't be checked"),
    "SSLCertVerificationError": _("its certificate can't be checked"),
}
"""Why nothing came back from another system."""


def said(text: str) -> str:
    """Return why something can't be read or is not proven; in English as it was written."""
    return known(text) or (_quoted(text) if text else "")


def known(text: str) -> str:
    """Return what is said in words that we have, "" for anything else; in English as it was written."""
    if not text or languages.language() == "en":
        return text
    if whole := _first(_WHOLE, text):
        return whole
    # The place stands before the reason, and may hold a colon itself.
    for begins in (0, *(found.end() for found in re.finditer(": ", text))):
        place, reason = text[:begins], text[begins:]
        if whole := _first(_WHOLE, reason):
            return f"{_place(place)}{whole}"
        if found := _EXPECTED.fullmatch(reason):
            return _place(place) + _told(found)
    return ""


def sent(text: str) -> str:
    """Return what came of a call to another system: our own words on it, or the start of its answer as it is."""
    if text == "its key can't be opened":
        return gettext("not sent: its key can't be opened")
    begun, _colon, rest = text.partition(": ")
    if begun == "no answer":
        return gettext("no answer: %(why)s", why=_UNSENT.get(rest, _quoted(rest)))
    if begun == "not sent" and rest:
        return gettext("not sent: %(why)s", why=said(rest))
    return text


def _told(found: re.Match[str]) -> str:
    expected, got = _part(found["expected"]), found["got"] or found["but"]
    if not got:
        return gettext("expected %(expected)s", expected=expected)
    return gettext("expected %(expected)s, got %(got)s", expected=expected, got=_part(got))


def _part(words: str) -> str:
    if words in _PARTS:
        return str(_PARTS[words])
    return _first(_SHAPES, words) or (words if re.fullmatch(r"[A-Z0-9-]{2,12}|-?[0-9]+", words) else _quoted(words))


_PLACES: Mapping[str, Callable[[re.Match[str]], str]] = {
    r"line ([0-9]+)": lambda found: gettext("line %(number)s", number=found[1]),
    r"byte ([0-9]+)": lambda found: gettext("byte %(number)s", number=found[1]),
    r"header ([0-9]+)": lambda found: gettext("header %(number)s", number=found[1]),
    r"column ([0-9]+)": lambda found: gettext("column %(number)s", number=found[1]),
}


def _place(place: str) -> str:
    """Return the words before a reason, "line 12, column 3: ", with their colon."""
    named = [_named(one) for one in place.removesuffix(": ").split(", ")] if place else []
    return f"{', '.join(named)}: " if named else ""


def _named(place: str) -> str:
    for shape, ours in _PLACES.items():
        if found := re.fullmatch(shape, place, re.ASCII):
            return ours(found)
    return place


def _first(shapes: Mapping[str, Any], text: str) -> str:
    for shape, ours in shapes.items():
        if found := re.fullmatch(shape, text, re.DOTALL):
            return str(ours) % found.groupdict()
    return ""


def _quoted(words: str) -> str:
    return gettext("“%(words)s”", words=words)
