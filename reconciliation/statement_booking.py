"""Booking what one file brought: its accepted statements, and those that were held only until it came."""

from datetime import datetime

from sqlalchemy.orm import Session

from reconciliation import pairing, sequence_gaps
from reconciliation.statement_loading import Loaded, released
from reconciliation.statements import Statement


def book(session: Session, loaded: Loaded, *, callbacks: bool, now: datetime) -> None:
    """Pair, book and match every statement that `loaded` accepted; then ask about numbers that a bank left out.

    `callbacks` tells whether this bank calls back at all.
    """
    accounts: set[tuple[str, bytes]] = set()
    for accepted in loaded.accepted:
        statement = session.get_one(Statement, accepted)
        pairing.accept(session, statement, callbacks=callbacks, now=now)
        accounts.add((statement.bank, statement.account_hash))
        # A statement that came too early may follow on from this one, and another on from that.
        while following := released(session, bank=statement.bank, account=statement.account_hash, now=now):
            for one in following:
                pairing.accept(session, one, callbacks=callbacks, now=now)
    for bank, account in sorted(accounts):
        sequence_gaps.look(session, bank=bank, account=account, now=now)
