"""Reading statements: a kept file becomes lines, and accepted lines become payments, matches and entries."""

import logging
from datetime import timedelta
from functools import partial
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from banks import statements
from banks.errors import Misconfigured, Unreadable
from banks.records import MandateAnswersOpened, RecallOpened, ReportOpened
from gateway import composing, debit_reading, mandate_answering
from gateway.database import insist, transaction
from gateway.openpgp_keys import openpgp_keys
from gateway.own_formats import own_formats
from gateway.wiring import Wiring
from reconciliation import inbox, large_statements, statement_booking, statement_loading
from reconciliation.inbox import Delivery
from reconciliation.large_statements import Marks
from reconciliation.statements import Statement

log = logging.getLogger(__name__)

_PAIRED_WITHIN = timedelta(minutes=2)
_MOST_TOLD = 20
_BETWEEN_PIECES = timedelta(seconds=10)
"""How long a large statement whose reader was killed waits for another one: while it is paired, and between pieces."""


def claim(wiring: Wiring, *, lease: timedelta) -> int | None:
    """Take the next waiting file; None when there is none."""
    with transaction(wiring.engine) as session:
        taken = inbox.claim(session, "statement", limit=1, lease=lease, now=wiring.clock())
        return taken[0] if taken else None


def read(wiring: Wiring, delivery_id: int) -> str:
    """Read one kept file and return the state it is left in; an unreadable one changes nothing but its own state."""
    try:
        state = insist(lambda: _read_whole(wiring, delivery_id))
        return state if state != "received" else _book_pieces(wiring, delivery_id)
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
    if delivery.state != "received" or large_statements.was_loaded(session, delivery_id):
        return delivery.state
    bank = wiring.settings.banks.get(delivery.source)
    keys = openpgp_keys(wiring.settings, f"{delivery.source}_")
    events = statements.read(file, keys, own_formats(wiring.settings, bank))
    first = next(events, None)
    if isinstance(first, ReportOpened | RecallOpened):
        return debit_reading.take(session, delivery, first, events, now=now)
    if isinstance(first, MandateAnswersOpened):
        answered = mandate_answering.carry_out(
            session, wiring, events, bank=delivery.source, name=delivery.name or f"delivery {delivery_id}", by="reader"
        )
        inbox.finish(session, [delivery_id], "read", reason="; ".join(answered.problems[:_MOST_TOLD]), now=now)
        return "read"
    loaded = statement_loading.load(
        session, chain(() if first is None else (first,), events), bank=delivery.source,
        delivery_id=delivery_id, sealer=wiring.sealer, now=now, accounts=bank.accounts if bank is not None else (),
    )  # fmt: skip
    statement_booking.book(session, loaded, callbacks=_calls_back(wiring, delivery.source), now=now)
    composing.compose_promises(session, wiring.settings)
    if loaded.accepted and large_statements.next_in_work(session, delivery.source, delivery_id) is not None:
        delivery.lease_until = now + _PAIRED_WITHIN
        return "received"
    inbox.finish(session, [delivery_id], "read", reason="; ".join(loaded.reasons), now=now)
    return "read"


def _calls_back(wiring: Wiring, bank: str) -> bool:
    known = wiring.settings.banks.get(bank)
    return known is not None and (known.callbacks or known.collects)


def book_what_is_left(wiring: Wiring) -> int:
    """Book large statements that nobody is reading: held until another one came, or until a person accepted them."""
    with transaction(wiring.engine) as session:
        banks = large_statements.waiting_banks(session)
    return sum(_book_statements(wiring, bank, None) for bank in banks)


def _book_pieces(wiring: Wiring, delivery_id: int) -> str:
    """Book the large statements of a loaded file to the last piece; the delivery is read when nothing is left."""
    with transaction(wiring.engine) as session:
        bank = session.get_one(Delivery, delivery_id).source
    _book_statements(wiring, bank, delivery_id)
    with transaction(wiring.engine) as session:
        held = select(Statement.reason).where(Statement.delivery_id == delivery_id, Statement.state == "quarantined")
        reasons = session.scalars(held.order_by(Statement.id)).all()
        inbox.finish(session, [delivery_id], "read", reason="; ".join(reasons), now=wiring.clock())
        return session.get_one(Delivery, delivery_id).state


def _book_statements(wiring: Wiring, bank: str, delivery_id: int | None) -> int:
    """Go on with the large statements of a bank until none is left; return how many were finished."""
    finished = 0
    while (number := _next(wiring, bank, delivery_id)) is not None:
        marks = insist(partial(_pair, wiring, bank, number))
        while marks is not None:
            marks = insist(partial(_book_piece, wiring, number, marks, delivery_id))
        finished += 1
    return finished


def _next(wiring: Wiring, bank: str, delivery_id: int | None) -> int | None:
    with transaction(wiring.engine) as session:
        return large_statements.next_in_work(session, bank, delivery_id)


def _pair(wiring: Wiring, bank: str, number: int) -> Marks | None:
    with transaction(wiring.engine) as session:
        marks = large_statements.mark(session, bank)
    with transaction(wiring.engine.execution_options(isolation_level="REPEATABLE READ")) as session:
        large_statements.pair_whole(session, number)
    return marks


def _book_piece(wiring: Wiring, number: int, marks: Marks, delivery_id: int | None) -> Marks | None:
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        statement = session.get_one(Statement, number)
        callbacks = _calls_back(wiring, statement.bank)
        left = large_statements.book_piece(session, number, marks, callbacks=callbacks, now=now)
        composing.compose_promises(session, wiring.settings)
        if delivery_id is not None:  # its row stays locked to the end of the piece: nobody else takes it meanwhile
            inbox.hold(session, delivery_id, until=now + _BETWEEN_PIECES)
        done = large_statements.progress(statement, now)
    log.info(
        "statement %d: %d of %d lines booked, %.0f a second", number, statement.booked_lines, statement.lines,
        done.per_second,
    )  # fmt: skip
    with transaction(wiring.engine) as session:
        large_statements.refresh_after(session, statement.booked_lines)
    return left


def _leave(wiring: Wiring, delivery_id: int, state: str, reason: str) -> str:
    with transaction(wiring.engine) as session:
        inbox.finish(session, [delivery_id], state, reason=reason, now=wiring.clock())
    log.warning("statement delivery %d is %s: %s", delivery_id, state, reason)
    return state
