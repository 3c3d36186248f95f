"""What a carrier means by the status it answers with: slower, not now, never, or that we are not who we say."""

from smpplib import consts

from sms.transport import Refused

OK = 0x00
SLOWER = frozenset((0x14, 0x58))
"""Queue full, throttled: nothing was taken, and the same message is taken later."""
WRONG_ACCOUNT = frozenset((0x0D, 0x0E, 0x0F, 0x53))
"""Bind failed, wrong password, unknown system_id, wrong system_type: only a person can mend it."""
UNKNOWN_COMMAND = 0x03
TRY_AGAIN = 0x64
"""ESME_RX_T_APPN: we could not keep what the carrier told; it is to tell it again."""
_AT_FAULT_IS_THE_MESSAGE = frozenset((0x01, 0x0B, 0x65, 0x66))
"""Its length, its number, refused for good, rejected. All else is our account's, our pace's or the carrier's own."""


def name(status: int) -> str:
    """Return what SMPP calls `status`, with its number."""
    words = consts.DESCRIPTIONS.get(status, "a status of the carrier's own")
    return f"{words.partition(' (')[0]} (0x{status:02X})"


def refusal(status: int) -> Refused:
    """Return the clean refusal that a submit was answered with: nothing was taken."""
    return Refused(name(status), permanent=status in _AT_FAULT_IS_THE_MESSAGE, code=f"0x{status:02X}")
