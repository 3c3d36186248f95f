"""What customers read: an event, a language and its facts become one text, or a refusal when a fact is missing or odd.

Texts with a hole in them (`*KY#`), floats (`772.0kWh`) and texts cut before the amount have all reached customers of
power companies. So each fact has a kind that is checked, and a text is never cut: a longer one takes two parts.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib import resources
from string import Formatter

from sms.encoding import Encoding, choose, measure, strip_diacritics


class TemplateError(ValueError):
    """A text that can't be composed; nothing was made that could be sent."""


class UnknownTemplate(TemplateError):
    """No text for this event in this language."""


class Misdeclared(TemplateError):
    """A text of the catalog does not fit what its event declares: the catalog must be mended."""


class MissingField(TemplateError):
    """A fact the text needs was not given, or is empty."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"{field}: expected a value, got nothing")


class OddField(TemplateError):
    """A fact that would make a wrong or misleading text; the message describes the value and does not repeat it."""

    def __init__(self, field: str, expected: str, got: str) -> None:
        self.field = field
        self.expected = expected
        super().__init__(f"{field}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True)
class Template:
    """One text of the catalog; `version` rises whenever `text` changes."""

    name: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A text ready to be frozen and sent, with the name and version of the template it was made from."""

    template: str
    version: int
    text: str
    encoding: Encoding
    parts: int


LANGUAGES = ("vi", "en")
MAX_TEXT = 60
"""No brand, bank, code or reference is longer; a longer value is another field's, or a whole sentence."""
MAX_AMOUNT = 10**12
"""No household or factory is billed a thousand billion đồng; a larger amount is a misread one."""
MAX_KWH = 10**9

_HOLES = frozenset("{}*#<>[]$%^~|\\")
_HOLE_WORDS = frozenset(("none", "null", "nan", "nil", "undefined", "n/a"))
_LINK = re.compile(
    r"://|www\.|[a-z0-9-]\.(?:com|vn|net|org|info|biz|io|me|ly|gl|gd|cc|co|top|xyz|link|app|site|online|shop|club|asia"
    r"|page|dev|vip|pro|win|live|tk)(?![a-z0-9])",
    re.ASCII,
)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)
_SIX_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)
_HOTLINE = re.compile(r"\+?[0-9](?:[ .]?[0-9]){2,14}", re.ASCII)


def compose(event: str, language: str, facts: Mapping[str, object], *, diacritics: bool = False) -> Composed:
    """Make the text of `event` in `language` ("vi" or "en") from `facts`; facts the text does not use are left alone.

    Amounts are ints of đồng, kWh an int, dates `datetime.date` (or ISO text) in Vietnam, everything else text. Without
    `diacritics` the text is GSM-7.
    Raises UnknownTemplate, MissingField or OddField.
    """
    template = find(event, language)
    values = {field: _written(field, kind, facts, language) for field, kind in EVENTS[event].items()}
    if not diacritics:
        values = {field: strip_diacritics(value) for field, value in values.items()}
        for field, value in values.items():
            if choose(value) is not Encoding.GSM7:
                raise OddField(field, "signs GSM-7 has, once diacritics are off", "others, which would triple the cost")
    text = (template.text if diacritics else _plain(template.text)).format_map(values)
    measured = measure(text)
    return Composed(template.name, template.version, text, measured.encoding, measured.parts)


@lru_cache(maxsize=64)
def _plain(text: str) -> str:
    return strip_diacritics(text)


def find(event: str, language: str) -> Template:
    """Return the current text of `event` in `language`; raise UnknownTemplate naming the known ones."""
    if language not in LANGUAGES:
        raise UnknownTemplate(f"expected a language of {', '.join(LANGUAGES)}, got {language[:20]!r}")
    if event not in EVENTS:
        raise UnknownTemplate(f"expected an event of {', '.join(EVENTS)}, got {event[:40]!r}")
    return catalog(language)[event]


@lru_cache(maxsize=len(LANGUAGES))
def catalog(language: str) -> dict[str, Template]:
    """Read the texts of `language`, event → Template; raise Misdeclared when one does not fit its event's facts."""
    content = tomllib.loads(resources.files("sms.catalog").joinpath(f"{language}.toml").read_text("utf-8"))
    if content.keys() != EVENTS.keys():
        raise Misdeclared(f"{language}: expected texts for {', '.join(EVENTS)}, got {', '.join(content)}")
    return {event: declared(f"{event}.{language}", event, entry) for event, entry in content.items()}


def declared(name: str, event: str, entry: Mapping[str, object]) -> Template:
    """Check one `entry` of a catalog file ({"version": int, "text": str}) against its event's facts."""
    version, text = entry.get("version"), entry.get("text")
    if type(version) is not int or version < 1 or not isinstance(text, str):
        raise Misdeclared(f"{name}: expected a version from 1 and a text")
    holes = [
        (hole, form or "", conversion) for _, hole, form, conversion in Formatter().parse(text) if hole is not None
    ]
    if sorted(holes) != sorted((field, "", None) for field in EVENTS[event]):
        expected = " ".join(f"{{{field}}}" for field in EVENTS[event])
        raise Misdeclared(f"{name}: expected each of {expected} once and plainly")
    if _LINK.search(text.lower()):
        raise Misdeclared(f"{name}: expected a text without a link")
    return Template(name, version, text)


def _written(field: str, kind: Callable[[str, object, str], str], facts: Mapping[str, object], language: str) -> str:
    value = facts.get(field)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise MissingField(field)
    return kind(field, value, language)


def _whole(field: str, value: object, least: int, most: int) -> int:
    if type(value) is not int:  # a bool is an int to Python, and a float is how "772.0" gets into a text
        raise OddField(field, "a whole number", type(value).__name__)
    if not least <= value < most:
        raise OddField(field, f"a number from {least} to below {most}", "one below" if value < least else "one above")
    return value


def _amount(field: str, value: object, language: str) -> str:
    grouped = f"{_whole(field, value, 1, MAX_AMOUNT):,}"
    return f"VND {grouped}" if language == "en" else f"{grouped.replace(',', '.')} đ"


def _minutes(field: str, value: object, _language: str) -> str:
    return str(_whole(field, value, 1, 60))


def _kwh(field: str, value: object, _language: str) -> str:
    return str(_whole(field, value, 0, MAX_KWH))


def _day(field: str, value: object, _language: str) -> str:
    if isinstance(value, str):  # facts that were frozen as JSON have their dates as text
        try:
            value = date.fromisoformat(value) if _ISO_DAY.fullmatch(value) else value
        except ValueError as error:
            raise OddField(field, "a day of the calendar", "none") from error
    # A datetime is refused: its day depends on the time zone, and the one meant is Vietnam's.
    if not isinstance(value, date) or isinstance(value, datetime):
        raise OddField(field, "a date, or its text as 2026-06-25", type(value).__name__)
    if not 2000 <= value.year < 2100:
        raise OddField(field, "a date of this century", f"the year {value.year}")
    return f"{value:%d/%m/%Y}"


def _text(field: str, value: object, _language: str) -> str:
    if not isinstance(value, str):
        raise OddField(field, "a text", type(value).__name__)
    text = unicodedata.normalize("NFC", value.strip())
    if len(text) > MAX_TEXT:
        raise OddField(field, f"at most {MAX_TEXT} signs", f"{len(text)}")
    if not (text.isascii() and text.isprintable() and _HOLES.isdisjoint(text)):
        _check_signs(field, text)
    if text.casefold() in _HOLE_WORDS:
        raise OddField(field, "a value", f"the word {text!r}")
    # NFKC, because a link written with full-width letters or dots is one for a phone all the same.
    if _LINK.search(unicodedata.normalize("NFKC", text).lower()):
        raise OddField(field, "no link", "one")
    return text


def _check_signs(field: str, text: str) -> None:
    for place, sign in enumerate(text, 1):
        category = unicodedata.category(sign)
        if category[0] == "C" or category in ("Zl", "Zp"):
            raise OddField(field, "visible signs", f"U+{ord(sign):04X} at sign {place}")
        if sign in _HOLES:
            raise OddField(field, "a value", f"what looks like an unfilled hole ({sign!r} at sign {place})")


def _shaped(shape: re.Pattern[str], expected: str) -> Callable[[str, object, str], str]:
    """Make a kind of text that must match `shape` as a whole."""

    def written(field: str, value: object, language: str) -> str:
        text = _text(field, value, language)
        if not shape.fullmatch(text):
            raise OddField(field, expected, f"a text of {len(text)} signs of another form")
        return text

    return written


_code = _shaped(_CODE, "6 to 20 capital letters and digits")
_six_digits = _shaped(_SIX_DIGITS, "six digits")
_hotline = _shaped(_HOTLINE, "a telephone number")

EVENTS: Mapping[str, Mapping[str, Callable[[str, object, str], str]]] = {
    "before_debit": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "kwh": _kwh,
        "amount": _amount,
        "bank": _text,
        "debit_on": _day,
        "hotline": _hotline,
    },
    "before_retry": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "amount": _amount,
        "bank": _text,
        "tried_on": _day,
        "debit_on": _day,
        "hotline": _hotline,
    },
    "bill_held": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "kwh": _kwh,
        "amount": _amount,
        "hotline": _hotline,
    },
    "debit_failed": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "amount": _amount,
        "bank": _text,
        "due_on": _day,
        "hotline": _hotline,
    },
    "payment_recorded": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "amount": _amount,
        "paid_on": _day,
        "reference": _text,
        "hotline": _hotline,
    },
    "payment_returned": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "amount": _amount,
        "returned_on": _day,
        "reference": _text,
        "hotline": _hotline,
    },
    "overdue": {
        "brand": _text,
        "customer_code": _code,
        "period": _text,
        "amount": _amount,
        "due_on": _day,
        "hotline": _hotline,
    },
    "mandate_code": {
        "brand": _text,
        "code": _six_digits,
        "customer_code": _code,
        "minutes": _minutes,
        "hotline": _hotline,
    },
}
"""Event → the facts its text needs, each with the kind that checks and writes it.

A notice of another try is an event of its own here alone: it says what became of the one before.
"""
