"""PDUs: smpplib's classes write them; what a carrier sends is read here, because smpplib trusts its lengths.

As it stands in 2.2.4, smpplib takes one octet off each optional text (whether or not it ends in a NUL), reads a number
by the length it expects instead of the one given, and gives up a PDU for one parameter it does not know. Its fields
are found one by one by name, too, which at a thousand messages a second is most of what a bind does.
"""

import struct
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from smpplib import command_codes, exceptions, smpp

from sms.smpp.framing import HEADER

_LENGTH, _STATUS_AND_SEQUENCE = struct.Struct(">L"), struct.Struct(">LL")
_NUMBER = "\x7f"
"""Stands for a number, which has no such sign in it, nor has any other field."""
RECEIPTED_MESSAGE_ID = 0x001E
NETWORK_ERROR_CODE = 0x0423
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427
_BEFORE_MESSAGE = struct.Struct("5B")
"""registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length."""


class MalformedPdu(ValueError):
    """A PDU whose body is none; its header could be read."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU as it arrived; what its command does not carry stays empty. `command` is "" for one nobody knows."""

    command: str
    status: int
    sequence: int
    raw: bytes = field(repr=False)  # it carries a number
    message_id: str = ""
    source: str = field(default="", repr=False)
    destination: str = ""
    esm_class: int = 0
    data_coding: int = 0
    octets: bytes = field(default=b"", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    is_malformed: bool = False
    """Whether its header alone could be read."""

    @property
    def is_request(self) -> bool:
        """Whether the carrier waits for our answer."""
        return not self.raw[4] & 0x80


def build(command: str, sequence: int, /, *, status: int = 0, **fields: Any) -> bytes:
    """Return the octets of a PDU; `fields` by their names in SMPP 3.4."""
    octets = bytearray(_generated(command, tuple(fields.items())))
    _STATUS_AND_SEQUENCE.pack_into(octets, 8, status, sequence)
    return bytes(octets)


def submit(sequence: int, number: str, octets: bytes, **fields: Any) -> bytes:
    """Return a submit_sm of `octets` to `number`; what is the same for many is written once."""
    before, behind = _around_number(tuple(fields.items()))
    length = len(before) + len(number) + len(behind) + 1 + len(octets)
    written = bytearray(b"".join((before, number.encode("ascii"), behind, bytes((len(octets),)), octets)))
    _LENGTH.pack_into(written, 0, length)
    _STATUS_AND_SEQUENCE.pack_into(written, 8, 0, sequence)
    return bytes(written)


@lru_cache(maxsize=64)
def _around_number(fields: tuple[tuple[str, Any], ...]) -> tuple[bytes, bytes]:
    """Return what stands in a submit_sm before the number, and from behind it up to the length of the message."""
    written = _generated("submit_sm", (*fields, ("destination_addr", _NUMBER), ("short_message", None)))
    before, _, behind = written.partition(_NUMBER.encode())
    return before, behind[:-1]


@lru_cache(maxsize=64)
def _generated(command: str, fields: tuple[tuple[str, Any], ...]) -> bytes:
    made = copy(_pattern(command))
    made.sequence, made.status = 0, 0
    for name, value in fields:
        setattr(made, name, value)
    octets: bytes = made.generate()
    return octets


@cache
def _pattern(command: str) -> Any:
    """Return a PDU of smpplib's without values; of its optional parameters none is looked at."""
    made = smpp.make_pdu(command, sequence=1, status=0)
    made.params_order = tuple(name for name in made.params_order if not made.field_is_optional(name))
    return made


def header_of(raw: bytes) -> Pdu:
    """Read a PDU's header alone."""
    _, code, status, sequence = HEADER.unpack_from(raw)
    return Pdu(_command(code), status, sequence, raw)


@lru_cache(maxsize=64)
def _command(code: int) -> str:
    try:
        return str(command_codes.get_command_name(code))
    except exceptions.UnknownCommandError:
        return ""


def read(raw: bytes) -> Pdu:
    """Read a whole PDU; raise MalformedPdu for a body that is none."""
    _, code, status, sequence = HEADER.unpack_from(raw)
    command = _command(code)
    reading = _READING.get(command)
    if reading is None or len(raw) == HEADER.size:
        return Pdu(command, status, sequence, raw)
    try:
        return reading(status, sequence, raw)
    except (IndexError, ValueError, struct.error) as error:
        raise MalformedPdu(f"{command} of {len(raw)} octets: {type(error).__name__}") from error


def _submit_sm_resp(status: int, sequence: int, raw: bytes) -> Pdu:
    written = raw[HEADER.size :].partition(b"\0")[0]  # an id without its closing NUL is still an id
    return Pdu("submit_sm_resp", status, sequence, raw, message_id=written.decode("latin-1"))


def _deliver_sm(status: int, sequence: int, raw: bytes) -> Pdu:
    _, at = _text(raw, HEADER.size)  # service_type
    source, at = _text(raw, at + 2)  # behind its type and plan, like the next
    destination, at = _text(raw, at + 2)
    esm_class = raw[at]
    _, at = _text(raw, at + 3)  # schedule_delivery_time, behind protocol_id and priority_flag
    _, at = _text(raw, at)  # validity_period
    _, _, data_coding, _, length = _BEFORE_MESSAGE.unpack_from(raw, at)
    at += _BEFORE_MESSAGE.size
    tlvs = _optional(raw[at + length :])
    return Pdu(
        "deliver_sm", status, sequence, raw, source=source, destination=destination, esm_class=esm_class,
        data_coding=data_coding, octets=raw[at : at + length] or tlvs.get(MESSAGE_PAYLOAD, b""), tlvs=tlvs,
    )  # fmt: skip


_READING = {"submit_sm_resp": _submit_sm_resp, "deliver_sm": _deliver_sm}
"""The rest is understood by its header."""


def _optional(data: bytes) -> dict[int, bytes]:
    """Read optional parameters as far as they go: a length beyond the end takes what there is."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        tag, length = struct.unpack_from(">HH", data, at)
        found.setdefault(tag, data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _text(raw: bytes, start: int) -> tuple[str, int]:
    """Return the text that begins at `start` and ends with a NUL, and where the next field begins."""
    end = raw.index(b"\0", start)
    return raw[start:end].decode("latin-1"), end + 1
