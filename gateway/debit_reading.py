"""Reading what banks say of debits: reports (pain.002) and answers to recalls (camt.029), out of a kept file."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from sqlalchemy.orm import Session

from banks.records import DebitOutcome, FileEvent, RecallOpened, RecallOutcome, ReportOpened
from reconciliation import debit_reports, inbox, mismatches
from reconciliation.inbox import Delivery


def take(
    session: Session,
    delivery: Delivery,
    first: ReportOpened | RecallOpened,
    events: Iterator[FileEvent],
    *,
    now: datetime,
) -> str:
    """Note what a file says, which `first` opens, and return the state it is left in.

    Ids that are none of ours become a question, and the rest counts; a file on nothing of ours is kept for a person.
    """
    if not debit_reports.is_ours(session, delivery.source, first):
        inbox.finish(session, [delivery.id], "set_aside", reason=_word_on(first, events), now=now)
        return "set_aside"
    told = chain((first,), events)
    taken = debit_reports.take_in(session, told, bank=delivery.source, delivery_id=delivery.id, now=now)
    said = ""
    if taken.unknown_count:
        said = f"of {taken.debits} debits; {taken.unknown_count} ids are none of ours: {', '.join(taken.unknown)}"
        mismatches.ask_one(
            session, code="M16", subject=f"report:{delivery.id}", source=delivery.source, delivery_id=delivery.id,
            facts={"unknown": taken.unknown_count, "debits": list(taken.unknown)}, now=now,
        )  # fmt: skip
    inbox.finish(session, [delivery.id], "read", reason=said, now=now)
    return "read"


def _word_on(first: ReportOpened | RecallOpened, events: Iterator[FileEvent]) -> str:
    told: Counter[str] = Counter()
    for event in events:
        if isinstance(event, DebitOutcome | RecallOutcome):
            told[f"{event.level} {event.verdict.value}"] += 1
    outcomes = ", ".join(f"{what} {count}" for what, count in sorted(told.items())) or "no outcome"
    if isinstance(first, RecallOpened):
        return f"an answer to recall {first.request_id or 'of no id'}, which is none of ours: {outcomes}"
    return f"a report on debit file {first.original_message_id}, which is none of ours: {outcomes}"
