"""Trying a statement file: what is recognised in it, with its balances and first lines; nothing is kept.

Both benches use it, the command line's and the page's, so that they can't disagree about a file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from banks.errors import Unreadable
from banks.openpgp import OpenPgpKeys
from banks.records import (
    DebitOutcome,
    FileEvent,
    MandateAnswer,
    RecallOpened,
    RecallOutcome,
    ReportOpened,
    StatementClosed,
    StatementLine,
    StatementOpened,
)
from banks.statements import Format
from gateway.bank_settings import BankSettings
from gateway.openpgp_keys import openpgp_keys
from gateway.own_formats import own_formats
from gateway.settings import Settings

_OTHERS = {
    ReportOpened: "reports",
    DebitOutcome: "outcomes",
    RecallOpened: "recalls",
    RecallOutcome: "recall_outcomes",
    MandateAnswer: "mandate_answers",
}


@dataclass(frozen=True, slots=True)
class TriedFile:
    """What a readable file holds: head and foot of each statement, its first lines, how many things of other kinds.

    `others` counts "reports", "outcomes", "recalls", "recall_outcomes" and "mandate_answers".
    """

    statements: list[tuple[StatementOpened, StatementClosed]]
    lines: Sequence[StatementLine]
    others: Mapping[str, int]


def reading_of(settings: Settings, bank: BankSettings | None) -> tuple[OpenPgpKeys, list[Format]]:
    """Return the keys and formats that files of a bank are read with, or nobody's; raise SettingsError."""
    if bank is None:
        return openpgp_keys(settings), []
    return openpgp_keys(settings, f"{bank.name}_"), own_formats(settings, bank)


def try_file(events: Iterable[FileEvent], *, first: int = 0, most: int | None = None) -> TriedFile:
    """Read a file once, keeping the head and the foot of each statement and the `first` lines of them all.

    Raise Unreadable with its place, also for a file of more than `most` events.
    """
    heads: list[StatementOpened] = []
    feet: list[StatementClosed] = []
    lines: list[StatementLine] = []
    others: Counter[str] = Counter()
    for number, event in enumerate(events, 1):
        if most is not None and number > most:
            raise Unreadable(f"expected at most {most} lines in a sample, got more")
        if isinstance(event, StatementLine):
            if len(lines) < first:
                lines.append(event)
        elif isinstance(event, StatementOpened):
            heads.append(event)
        elif isinstance(event, StatementClosed):
            feet.append(event)
        elif type(event) in _OTHERS:
            others[_OTHERS[type(event)]] += 1
    return TriedFile(list(zip(heads, feet, strict=True)), lines, others)
