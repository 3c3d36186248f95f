"""Reading statements: a kept file becomes lines, and accepted lines become payments, matches and entries."""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from sqlalchemy.orm import Session

from banks import statements
from banks.errors import Misconfigured, Unreadable
from banks.records import DebitOutcome, FileEvent, ReportOpened
from gateway import composing
from gateway.database import insist, transaction
from gateway.openpgp_keys import openpgp_keys
from gateway.own_formats import own_formats
from gateway.wiring import Wiring
from reconciliation import inbox, statement_booking, statement_loading
from reconciliation.inbox import Delivery

log = logging.getLogger(__name__)


def claim(wiring: Wiring, *, lease: timedelta) -> int | None:
    """Take the next waiting file; None when there is none."""
    with transaction(wiring.engine) as session:
        taken = inbox.claim(session, "statement", limit=1, lease=lease, now=wiring.clock())
        return taken[0] if taken else None


def read(wiring: Wiring, delivery_id: int) -> str:
    """Read one kept file and return the state it is left in; an unreadable one changes nothing but its own state."""
    try:
        return insist(lambda: _read_whole(wiring, delivery_id))
    except Unreadable as error:
        return _leave(wiring, delivery_id, "unreadable", str(error))
    except Exception as error:
        # A fault of ours, not of the file: the lease runs out and it is tried again, a few times.
        known = isinstance(error, Misconfigured)  # says what to mend, and holds neither a secret nor personal data
        said = f"{type(error).__name__}: {error}" if known else type(error).__name__
        log.error("statement delivery %d could not be read: %s", delivery_id, said, exc_info=not known)
        with transaction(wiring.engine) as session:
            attempts = session.get_one(Delivery, delivery_id).attempts
        if attempts < inbox.MAX_ATTEMPTS:
            return "received"
        return _leave(wiring, delivery_id, "set_aside", f"reading failed {attempts} times: {said}")


def _read_whole(wiring: Wiring, delivery_id: int) -> str:
    # The bytes come over a connection of their own: the other one is busy copying lines while they are read.
    with transaction(wiring.engine) as kept, transaction(wiring.engine) as session:
        return _read(session, inbox.KeptFile(kept, delivery_id, wiring.sealer), wiring, delivery_id)


def _read(session: Session, file: inbox.KeptFile, wiring: Wiring, delivery_id: int) -> str:
    now = wiring.clock()
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state != "received":
        return delivery.state
    bank = wiring.settings.banks.get(delivery.source)
    keys = openpgp_keys(wiring.settings, f"{delivery.source}_")
    events = statements.read(file, keys, own_formats(wiring.settings, bank))
    first = next(events, None)
    if isinstance(first, ReportOpened):
        inbox.finish(session, [delivery_id], "set_aside", reason=_word_on(first, events), now=now)
        return "set_aside"
    loaded = statement_loading.load(
        session, chain(() if first is None else (first,), events), bank=delivery.source,
        delivery_id=delivery_id, sealer=wiring.sealer, now=now, accounts=bank.accounts if bank is not None else (),
    )  # fmt: skip
    callbacks = bank is not None and (bank.callbacks or bank.collects)
    statement_booking.book(session, loaded, callbacks=callbacks, now=now)
    composing.compose_promises(session, wiring.settings)
    inbox.finish(session, [delivery_id], "read", reason="; ".join(loaded.reasons), now=now)
    return "read"


def _word_on(report: ReportOpened, events: Iterator[FileEvent]) -> str:
    """Say what a report on debits tells; it is kept for a person while no debit is sent from here."""
    told: Counter[str] = Counter()
    for event in events:
        if isinstance(event, DebitOutcome):
            told[f"{event.level} {event.verdict.value}"] += 1
    outcomes = ", ".join(f"{what} {count}" for what, count in sorted(told.items())) or "no outcome"
    return f"a report on debit file {report.original_message_id}, which is none of ours: {outcomes}"


def _leave(wiring: Wiring, delivery_id: int, state: str, reason: str) -> str:
    with transaction(wiring.engine) as session:
        inbox.finish(session, [delivery_id], state, reason=reason, now=wiring.clock())
    log.warning("statement delivery %d is %s: %s", delivery_id, state, reason)
    return state
