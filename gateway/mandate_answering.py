"""A bank's answers on our orders for mandates: read from a file or a call of its own, and carried out."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from banks import statements
from banks.collections.mandate_answers import EXPECTED
from banks.errors import Unreadable
from banks.records import FileEvent, MandateAnswer, MandateAnswersOpened
from gateway.openpgp_keys import openpgp_keys
from gateway.own_formats import MANDATE_ANSWERS
from gateway.wiring import Wiring
from reconciliation import mandate_answers
from reconciliation.mandate_answers import Answered, BankAnswer


def take_answers(session: Session, wiring: Wiring, path: Path, bank: str, *, by: str) -> Answered:
    """Carry out a bank's answers in the caller's transaction; raises Unreadable for another kind of file."""
    with path.open("rb") as opened:
        events = statements.read(opened, openpgp_keys(wiring.settings, f"{bank}_"), [MANDATE_ANSWERS])
        first = next(events, None)
        if not isinstance(first, MandateAnswersOpened):
            raise Unreadable(f"expected {EXPECTED}, got another kind of file")
        return carry_out(session, wiring, events, bank=bank, name=path.name, by=by)


def carry_out(
    session: Session, wiring: Wiring, events: Iterator[FileEvent], *, bank: str, name: str, by: str
) -> Answered:
    """Carry out the answers among `events`, which are those of one file and of nothing else."""
    answers = (
        BankAnswer(number, one.place, one.reference, one.answer, one.reason, one.fault)
        for number, one in enumerate(_answers_alone(events))
    )
    return mandate_answers.take(session, answers, bank=bank, name=name, by=by, now=wiring.clock())


def _answers_alone(events: Iterator[FileEvent]) -> Iterator[MandateAnswer]:
    for one in events:
        if isinstance(one, MandateAnswer):
            yield one
        elif not isinstance(one, MandateAnswersOpened):
            raise Unreadable(f"expected {EXPECTED} alone, got another kind of file beside them")
