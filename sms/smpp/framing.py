"""Framing: bytes as they arrive become whole PDUs, however the network cut them up or glued them together."""

import struct

HEADER = struct.Struct(">LLLL")
"""command_length, command_id, command_status, sequence_number."""
MOST = 65_536
"""A receipt is some hundred octets; a longer PDU means that we have lost our place in the stream."""


class OutOfStep(ValueError):
    """A length that no PDU has: what follows can't be told apart any more."""


class Frames:
    """Keeps what has arrived of a PDU until the rest does: a pause within one loses nothing."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add what has arrived and return the PDUs that are whole now; raise OutOfStep for an impossible length."""
        self._begun += data
        whole, at = [], 0
        while len(self._begun) - at >= 4:
            length = int.from_bytes(self._begun[at : at + 4])
            if not HEADER.size <= length <= MOST:
                raise OutOfStep(f"expected a PDU of {HEADER.size} to {MOST} octets, got a length of {length}")
            if len(self._begun) - at < length:
                break
            whole.append(bytes(self._begun[at : at + length]))
            at += length
        del self._begun[:at]
        return whole
