"""PDUs: smpplib's classes write and read them; optional parameters are read here, because smpplib trusts their lengths.

As it stands in 2.2.4, smpplib takes one octet off each optional text (whether or not it ends in a NUL), reads a number
by the length it expects instead of the one given, and gives up a PDU for one parameter it does not know.
"""

import struct
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from smpplib import command_codes, exceptions, smpp

from sms.smpp.framing import HEADER

RECEIPTED_MESSAGE_ID = 0x001E
NETWORK_ERROR_CODE = 0x0423
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427
_WITH_BODIES = frozenset(("submit_sm_resp", "deliver_sm"))
"""The rest is understood by its header."""
_TROUBLES = (struct.error, KeyError, ValueError, TypeError, IndexError, AttributeError, exceptions.UnknownCommandError)


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
    made = _empty(command)
    made.sequence, made.status = sequence, status
    for name, value in fields.items():
        setattr(made, name, value)
    octets: bytes = made.generate()
    return octets


def _empty(command: str) -> Any:
    """Return a PDU of smpplib's without values; of its optional parameters none is looked at."""
    return copy(_pattern(command))


@cache
def _pattern(command: str) -> Any:
    # To make one costs smpplib as much as all the rest.
    made = smpp.make_pdu(command, sequence=1, status=0)
    made.params_order = tuple(name for name in made.params_order if not made.field_is_optional(name))
    return made


def header_of(raw: bytes) -> Pdu:
    """Read a PDU's header alone."""
    _, code, status, sequence = HEADER.unpack_from(raw)
    try:
        command = str(command_codes.get_command_name(code))
    except exceptions.UnknownCommandError:
        command = ""
    return Pdu(command, status, sequence, raw)


def read(raw: bytes) -> Pdu:
    """Read a whole PDU; raise MalformedPdu for a body that is none."""
    head = header_of(raw)
    if head.command not in _WITH_BODIES or len(raw) == HEADER.size:
        return head
    tlvs: dict[int, bytes] = {}
    found = _empty(head.command)
    found.parse_optional_params = lambda data: tlvs.update(_optional(data))
    # An id without its closing NUL is still an id.
    ends = b"" if b"\0" in raw[HEADER.size :] else b"\0"
    try:
        found.parse(raw + ends)
        if head.command == "submit_sm_resp":
            return Pdu(head.command, head.status, head.sequence, raw, message_id=_text(found.message_id))
        return Pdu(
            head.command, head.status, head.sequence, raw, source=_text(found.source_addr),
            destination=_text(found.destination_addr), esm_class=found.esm_class or 0,
            data_coding=found.data_coding or 0, octets=found.short_message or tlvs.get(MESSAGE_PAYLOAD, b""), tlvs=tlvs,
        )  # fmt: skip
    except _TROUBLES as error:
        raise MalformedPdu(f"{head.command} of {len(raw)} octets: {type(error).__name__}") from error


def _optional(data: bytes) -> dict[int, bytes]:
    """Read optional parameters as far as they go: a length beyond the end takes what there is."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        tag, length = struct.unpack_from(">HH", data, at)
        found.setdefault(tag, data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode("latin-1")
