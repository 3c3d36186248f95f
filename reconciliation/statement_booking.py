"""Booking statements: those that a file brought, those that were held until it came, and one that a person accepts."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, continuity, large_statements, mismatches, pairing, sequence_gaps, settling_lumps
from reconciliation.lifecycle import STATEMENT, move
from reconciliation.payments import lock_sources
from reconciliation.statement_loading import Loaded, accepted_twin, released
from reconciliation.statements import Statement


class NotAccepted(ValueError):
    """A held statement can't be accepted by a person; says what was expected and what stands in the way."""


def book(session: Session, loaded: Loaded, *, callbacks: bool, now: datetime) -> None:
    """Pair, book and match every statement that `loaded` accepted; then ask about numbers that a bank left out.

    `callbacks` tells whether this bank calls back at all. Large ones are only begun: the reader of files books them by
    the piece.
    """
    accepted = [session.get_one(Statement, number) for number in loaded.accepted]
    lines = sum(one.lines for one in accepted)
    for statement in accepted:
        _book(session, statement, lines, callbacks, now)
        # A statement that came too early may follow on from this one, and another on from that.
        while following := released(session, bank=statement.bank, account=statement.account_hash, now=now):
            for one in following:
                _book(session, one, one.lines, callbacks, now)
    for bank, account in sorted({(one.bank, one.account_hash) for one in accepted}):
        sequence_gaps.look(session, bank=bank, account=account, now=now)


def _book(session: Session, statement: Statement, lines: int, callbacks: bool, now: datetime) -> None:
    """Book one accepted statement, or begin it when it is one of so many `lines` that it goes by the piece."""
    if lines > large_statements.LARGE and statement.kind == "statement" and statement.lines:
        large_statements.begin(session, statement, now=now)
    else:
        pairing.accept(session, statement, callbacks=callbacks, now=now)


def accept_overlap(
    session: Session, statement: Statement, *, by: str, why: str, callbacks: bool, now: datetime
) -> None:
    """Book a statement that is held only because its lines seem to have been shown before: a person says they are new.

    Its balances must agree and follow on; raises NotAccepted when anything else speaks against it.
    """
    if not by.strip() or not why.strip():
        raise NotAccepted("expected who accepts the statement and why, got neither or one of them")
    lock_sources(session, settling_lumps.locked_with(session, statement.bank))
    session.refresh(statement, with_for_update=True)
    if statement.state != "quarantined":
        raise NotAccepted(f"expected a statement that is held, got one that is {statement.state}")
    if not statement.reason.startswith(continuity.OVERLAPS) or statement.difference_minor:
        raise NotAccepted(f"expected one held for lines shown before and nothing else, got: {statement.reason}")
    if accepted_twin(session, statement) is not None:
        raise NotAccepted("expected an id that no other statement bears, got one that was accepted with other lines")
    broken = continuity.gap(session, statement)
    if broken:
        raise NotAccepted(broken)
    move(session, STATEMENT, [statement.id], "accepted", by=by, why=why, now=now)
    asked = session.scalars(
        text("SELECT id FROM mismatches WHERE statement_id = :id AND code = 'M15' AND state <> 'resolved'"),
        {"id": statement.id},
    ).all()
    mismatches.resolve(session, asked, by=by, resolution=why, now=now)
    facts = {"why": why, "statement": statement.statement_id, "held": statement.reason}
    audit.append(
        session, actor=by, action="overlap_accepted", subject=f"statement:{statement.id}", facts=facts, now=now
    )
    book(session, Loaded(accepted=[statement.id]), callbacks=callbacks, now=now)
