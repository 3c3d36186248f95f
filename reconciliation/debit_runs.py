"""Debit runs: one person chooses a bank's debits of a day, another approves them, and nothing leaves before."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, debit_asking, debit_choice, debit_rules
from reconciliation.business_days import local_day
from reconciliation.db import AdvisoryLock
from reconciliation.debit_choice import Wanted
from reconciliation.debits import DebitRun
from reconciliation.lifecycle import DEBIT, DEBIT_RUN, move


class RunRefused(ValueError):
    """A run that can't be made or moved; says what was expected and what arrived."""


class NothingDue(RunRefused):
    """A bank and day of which no bill is to be debited."""


_RUN = """
    INSERT INTO debit_runs (bank, charge_on, debits, total_minor, maker, made_at)
    SELECT :bank, :day, count(*), coalesce(sum(minor), 0), :by, :now FROM judged WHERE reason IS NULL RETURNING id
"""
# The oldest first: where a bank takes no more in a file, the newest wait for the next one.
_CHOOSE = """
    INSERT INTO debits (run_id, bill_id, bill_number, mandate_id, mandate_version, attempt, bank, charge_on, minor,
        end_to_end_id, sequence, notice_id, printed_id, created_at)
    SELECT :run, bill_id, number, mandate_id, version, attempt, :bank, :day, minor, end_to_end_id, sequence, notice_id,
        printed_id, :now
    FROM judged WHERE reason IS NULL ORDER BY due_on, issued_on, bill_id
"""
_LEAVE_OUT = """
    INSERT INTO debit_exclusions (run_id, bill_id, reason, minor)
    SELECT :run, bill_id, reason, minor FROM judged WHERE reason IS NOT NULL ORDER BY bill_id
"""
_OPEN = "SELECT id FROM debit_runs WHERE bank = :bank AND charge_on = :day AND state = 'proposed'"
_PLANNED = "SELECT id FROM debits WHERE run_id = :run AND state = 'planned' ORDER BY id FOR UPDATE"


def propose(session: Session, wanted: Wanted, *, by: str, now: datetime) -> DebitRun:
    """Choose the debits of a bank and day as they stand now.

    Raises RunRefused when another run waits for approval, NothingDue when no bill has that bank and day.
    """
    if wanted.day < local_day(now):
        raise RunRefused(f"expected {local_day(now)} or a later day, got {wanted.day}; put its bills off to one")
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.DEBITS})
    values = {"bank": wanted.bank, "day": wanted.day, "by": by, "now": now}
    known = session.scalar(text(_OPEN), values)
    if known is not None:
        raise RunRefused(f"expected no other run of {wanted.bank} for {wanted.day}, got run {known}, not approved yet")
    debit_choice.judge(session, wanted, debit_rules.rules(session))
    if not session.scalar(text("SELECT EXISTS (SELECT 1 FROM judged)")):
        raise NothingDue(f"expected bills that {wanted.bank} is to debit on {wanted.day}, got none")
    run_id = session.scalar(text(_RUN), values)
    session.execute(text(_CHOOSE), {**values, "run": run_id})
    session.execute(text(_LEAVE_OUT), {"run": run_id})
    run = session.get_one(DebitRun, run_id)
    _note(session, run, "debits_proposed", by=by, why="", now=now)
    return run


def approve(session: Session, run_id: int, *, by: str, why: str, now: datetime) -> DebitRun:
    """Let a run leave that somebody else has made; raises RunRefused.

    Bills that a mandate keeps out become questions (M17): nothing is debited, and their customers are told. So a run
    that leaves every bill out is approved as well.
    """
    run = _proposed(session, run_id)
    if run.maker == by:
        raise RunRefused("expected another person to approve than the one who made the run")
    _decide(session, run, "approved", by=by, why=why, now=now)
    debit_asking.ask_of_kept_out(session, run, debit_asking.LEFT_OUT, now=now)
    return run


def refuse(session: Session, run_id: int, *, by: str, why: str, now: datetime) -> DebitRun:
    """Turn a run down, or take one's own back; its bills are free for another one."""
    run = _proposed(session, run_id)
    drop(session, run.id, by=by, why=why, now=now)
    _decide(session, run, "withdrawn" if run.maker == by else "refused", by=by, why=why, now=now)
    return run


def stop(session: Session, run_id: int, *, by: str, why: str, now: datetime) -> DebitRun:
    """Take an approved run back, of which nothing has left; raises RunRefused."""
    run = session.get(DebitRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or run.state != "approved":
        raise RunRefused(f"expected a run that is approved and not sent, got {_said(run, run_id)}")
    drop(session, run.id, by=by, why=why, now=now)
    move(session, DEBIT_RUN, [run.id], "withdrawn", by=by, why=why, now=now)
    session.refresh(run)
    _note(session, run, "debits_withdrawn", by=by, why=why, now=now)
    return run


def drop(session: Session, run_id: int, *, by: str, why: str, now: datetime) -> Sequence[int]:
    """Drop what a run has planned."""
    return move(session, DEBIT, session.scalars(text(_PLANNED), {"run": run_id}), "dropped", by=by, why=why, now=now)


def _proposed(session: Session, run_id: int) -> DebitRun:
    run = session.get(DebitRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or run.state != "proposed":
        raise RunRefused(f"expected a run that waits for approval, got {_said(run, run_id)}")
    return run


def _said(run: DebitRun | None, run_id: int) -> str:
    return f"run {run_id}, which is not there" if run is None else f"run {run_id}, which is {run.state}"


def _decide(session: Session, run: DebitRun, state: str, *, by: str, why: str, now: datetime) -> None:
    run.checker, run.checked_at, run.checked_why = by, now, why
    session.flush()
    move(session, DEBIT_RUN, [run.id], state, by=by, why=why, now=now)
    session.refresh(run)
    _note(session, run, f"debits_{state}", by=by, why=why, now=now)


def _note(session: Session, run: DebitRun, action: str, *, by: str, why: str, now: datetime) -> None:
    facts = {
        "bank": run.bank, "charge_on": str(run.charge_on), "debits": run.debits, "minor": run.total_minor, "why": why,
    }  # fmt: skip
    audit.append(session, actor=by, action=action, subject=f"debit_run:{run.id}", facts=facts, now=now)
