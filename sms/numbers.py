"""Vietnamese mobile numbers: any way people write them → E.164 ("+84912345678"), the old eleven digits renumbered.

The 2018 plan moved the prefixes 012x, 016x, 018x and 019x to ten digits; a customer file may still carry the old ones,
which the numbering library calls invalid, so they are mapped before it is asked.
"""

import re

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

_SEPARATORS = re.compile(r"[\s.\-()‐‑–]+")
_WRITTEN = re.compile(r"(?:\+84|0084|84|0)0?([1-9][0-9]{7,9})", re.ASCII)
_MOVED = {
    "MobiFone": "120→70 121→79 122→77 126→76 128→78",
    "VinaPhone": "123→83 124→84 125→85 127→81 129→82",
    "Viettel": "162→32 163→33 164→34 165→35 166→36 167→37 168→38 169→39",
    "Vietnamobile": "186→56 188→58",
    "Gmobile": "199→59",
}
_RENUMBERED = {move[:3]: move[4:] for moves in _MOVED.values() for move in moves.split()}
_OLD_LENGTH = 10  # 162 1234567: eleven digits with the leading 0
_NEW_LENGTH = 9
_SHOWN = 3
_STARS = 9


class Unreachable(ValueError):
    """A number no SMS can be sent to; the message shows its last three digits only."""

    def __init__(self, written: str, why: str) -> None:
        self.why = why
        super().__init__(f"expected a Vietnamese mobile number (0…, 84…, +84… or 0084…), got {mask(written)}: {why}")


def to_e164(written: str) -> str:
    """Return `written` as "+84" and nine digits; raise Unreachable for anything but a Vietnamese mobile number."""
    match = _WRITTEN.fullmatch(_SEPARATORS.sub("", written))
    if match is None:
        raise Unreachable(written, "not in one of these forms")
    national = match[1]
    if len(national) == _OLD_LENGTH:
        national = _RENUMBERED.get(national[:3], national[:3]) + national[3:]
    number = PhoneNumber(country_code=84, national_number=int(national))
    if not phonenumbers.is_valid_number_for_region(number, "VN"):
        raise Unreachable(written, f"not in the numbering plan (expected {_NEW_LENGTH} digits after +84)")
    if phonenumbers.number_type(number) != PhoneNumberType.MOBILE:
        raise Unreachable(written, "a landline or service number, not a mobile one")
    if national.startswith("1"):
        raise Unreachable(written, "a machine-to-machine number, read by nobody")
    return f"+84{national}"


def carrier_hint(number: str) -> str:
    """Name the carrier the prefix of an E.164 `number` was given to, "" when unknown.

    Only a hint: a number may have been ported, and its new carrier can't be told from the digits.
    """
    from phonenumbers import carrier

    return carrier.name_for_number(phonenumbers.parse(number, None), "en")


def mask(number: str) -> str:
    """Return `number` fit for a log or a page: stars and its last three signs ("*********678")."""
    hidden = len(number) - _SHOWN
    return "*" * min(hidden, _STARS) + number[-_SHOWN:] if hidden > 0 else "*" * len(number)
