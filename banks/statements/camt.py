"""ISO 20022 camt.052, .053 and .054, any version: one pass over the file, one entry at a time in memory.

camt.053 says what was booked; .052 (intraday report) and .054 (debit/credit notification) only tell early.
"""

from collections.abc import Iterator

from banks import xml
from banks.records import Readable, StatementEvent
from banks.statements import camt_head, camt_splice
from banks.statements.camt_head import MESSAGES
from banks.statements.camt_walk import EXPECTED

__all__ = ["EXPECTED", "read", "recognise"]


def recognise(head: bytes) -> bool:
    """Tell whether a camt message starts within `head`; raise Unreadable for XML that is broken or has a DOCTYPE."""
    return xml.looks_like_xml(head) and any(_is_ours(*xml.split(tag)) for tag in xml.started(head))


def read(stream: Readable) -> Iterator[StatementEvent]:
    """Read every statement, report or notification of `stream`; see `banks.records.StatementReader`.

    Raise Unreadable with a place such as "Stmt 1, Ntry 3, Amt, line 212".
    """
    return camt_splice.read(stream)


def _is_ours(namespace: str, name: str) -> bool:
    return name in MESSAGES or (name == "Document" and camt_head.family(namespace) != "")
