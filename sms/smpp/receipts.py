"""Receipts within deliver_sm, as carriers write them: a text, optional parameters, or both; in part, or oddly.

SMPP 3.4 suggests "id:… sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DELIVRD err:000 text:…" and
leaves the rest to the carrier, which may name a message in hexadecimal in its answer and in decimal in its receipt.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sms import numbers
from sms.smpp.pdus import MESSAGE_STATE, NETWORK_ERROR_CODE, RECEIPTED_MESSAGE_ID, Pdu

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_KIND = 0x3C
_RECEIPT, _ON_THE_WAY = 0x04, 0x20
"""esm_class, bits 5 to 2: a receipt, or word of a message still on its way."""
_FIELD = re.compile(r"\b(id|sub|dlvrd|done[ _]?date|stat(?:us)?|err)\s*[:=]\s*([^\s,;]+)", re.IGNORECASE)
_TEXT = re.compile(r"\btext\s*[:=].*", re.IGNORECASE | re.DOTALL)
_DECIMAL = re.compile("[0-9]{1,20}", re.ASCII)
_HEXADECIMAL = re.compile("[0-9a-f]{1,16}", re.ASCII)
_PLAIN_NUMBER = re.compile("84[35789][0-9]{8}", re.ASCII)
"""As we submitted it: whether anybody has that number was asked then."""
_LONGEST_ID = 64


class Said(StrEnum):
    """What a receipt says became of a part."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNDER_WAY = "under_way"
    """It was taken; what becomes of it is not known yet, or never will be."""


_BY_NUMBER = {2: Said.DELIVERED, 3: Said.UNDELIVERED, 4: Said.UNDELIVERED, 5: Said.UNDELIVERED, 8: Said.UNDELIVERED}
_BY_WORD = {
    "deli": Said.DELIVERED, "expi": Said.UNDELIVERED, "dele": Said.UNDELIVERED, "unde": Said.UNDELIVERED,
    "reje": Said.UNDELIVERED, "fail": Said.UNDELIVERED,
}  # fmt: skip
"""By the first four letters: DELIVRD and DELIVERED, REJECTD and REJECTED."""


@dataclass(frozen=True, slots=True)
class Told:
    """One receipt; `ref` and `number` are "" and `at` None where it does not tell. `number` is E.164, `at` UTC."""

    ref: str
    said: Said
    code: str
    at: datetime | None
    number: str = field(repr=False)


def read(pdu: Pdu) -> Told | None:
    """Return what a deliver_sm tells of a message of ours; None when it is no receipt but somebody's message to us."""
    wide = pdu.data_coding == 0x08 and b"\0" in pdu.octets  # some say UCS-2 and write plain letters
    text = _TEXT.sub("", pdu.octets.decode("utf-16-be" if wide else "latin-1", "replace"))
    fields = {name.lower()[:4]: value for name, value in reversed(_FIELD.findall(text))}
    tagged = RECEIPTED_MESSAGE_ID in pdu.tlvs or MESSAGE_STATE in pdu.tlvs
    if pdu.esm_class & _KIND not in (_RECEIPT, _ON_THE_WAY) and not tagged and not {"id", "stat"} <= fields.keys():
        return None
    ref = pdu.tlvs.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("latin-1").strip() or fields.get("id", "")
    if len(ref) > _LONGEST_ID or not ref.isprintable():
        ref = ""
    return Told(ref, _said(pdu, fields), _code(pdu, fields), _moment(fields.get("done", "")), _number(pdu))


def key(ref: str) -> str:
    """Return the form in which two spellings of one id are the same: "00A1" and "a1"; zeros alone name nothing."""
    return ref.strip().lower().lstrip("0")


def other_keys(ref: str) -> list[str]:
    """Return the keys of `ref` read as hexadecimal and written in decimal, and the other way round."""
    plain = key(ref)
    keys = []
    if _DECIMAL.fullmatch(plain):
        keys.append(f"{int(plain):x}")
    if _HEXADECIMAL.fullmatch(plain):
        keys.append(str(int(plain, 16)))
    return [one for one in keys if one != plain]


def _said(pdu: Pdu, fields: dict[str, str]) -> Said:
    state = pdu.tlvs.get(MESSAGE_STATE)
    if state:
        return _BY_NUMBER.get(int.from_bytes(state), Said.UNDER_WAY)
    if "stat" in fields:
        return _BY_WORD.get(fields["stat"][:4].lower(), Said.UNDER_WAY)
    return Said.DELIVERED if re.fullmatch("0*[1-9][0-9]*", fields.get("dlvr", ""), re.ASCII) else Said.UNDER_WAY


def _code(pdu: Pdu, fields: dict[str, str]) -> str:
    error = pdu.tlvs.get(NETWORK_ERROR_CODE, b"")
    own = f"{error[0]}:{int.from_bytes(error[1:3])}" if len(error) == 3 else ""
    words = [fields.get("stat", ""), fields.get("err", "") or own]
    return "".join(sign for sign in " ".join(filter(None, words)) if sign.isascii() and sign.isprintable())[:40]


def _moment(written: str) -> datetime | None:
    """Read a carrier's local time; None for what is no date (zeros, a day that never was, words)."""
    if len(written) not in (10, 12, 14) or not written.isascii() or not written.isdigit():
        return None
    whole = written if len(written) == 14 else f"20{written}".ljust(14, "0")
    try:
        month, day, hour, minute, second = (int(whole[at : at + 2]) for at in range(4, 14, 2))
        return datetime(int(whole[:4]), month, day, hour, minute, second, tzinfo=_LOCAL).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(pdu: Pdu) -> str:
    """Return the customer's number: the receipt's sender, or where a carrier leaves ours in place, its addressee."""
    for written in (pdu.source, pdu.destination):
        if _PLAIN_NUMBER.fullmatch(written):
            return f"+{written}"
        try:
            return numbers.to_e164(written)
        except numbers.Unreachable:
            continue
    return ""
