"""The schedule: what rings when, run by one leader at a time; a sweep rings for whatever waits unheard."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gateway import balances, bank_keys, bell, checkpoints, composing, debit_outcomes, messaging
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import (
    audit,
    business_days,
    counted_months,
    deadlines,
    debit_figures,
    debit_work,
    inbox,
    large_statements,
    mandate_codes,
    mandates,
    marks,
    overdue,
    webhook_events,
    webhook_sending,
)  # fmt: skip
from reconciliation.db import AdvisoryLock
from reconciliation.deadlines import ExpectedFile

log = logging.getLogger(__name__)

_LOOK_BACK = timedelta(days=14)
"""How far back late files are asked about; what is older has been asked about already."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Something done every `seconds`; `beside` has it done beside the others, since it waits for someone's answer."""

    name: str
    seconds: float
    do: Callable[[Wiring], object]
    beside: bool = False


def sweep(wiring: Wiring) -> None:
    """Ring for whatever waits: after a crash, after an emptied Valkey, after a bell nobody heard."""
    with transaction(wiring.engine) as session:
        for kind in ("callback", "statement"):
            if inbox.waiting(session, kind):
                bell.ring(wiring.valkey, kind + "s")
        if large_statements.waiting_banks(session):
            bell.ring(wiring.valkey, "statements")
        if messaging.is_due(wiring, session):
            bell.ring(wiring.valkey, "messages")
        if debit_work.is_waiting(session, debit_outcomes.leads(wiring), now=wiring.clock()):
            bell.ring(wiring.valkey, "debits")
        told = wiring.settings.billing_url is not None and marks.is_due(session, now=wiring.clock())
        if told or marks.are_waiting(session):
            bell.ring(wiring.valkey, "billing")
        if webhook_events.are_noted(session) or webhook_sending.is_due(session, now=wiring.clock()):
            bell.ring(wiring.valkey, "webhooks")


def watch_deadlines(wiring: Wiring) -> int:
    """Turn what is overdue into questions; return how many were asked."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        asked = deadlines.pass_deadlines(session, now=now)
        return asked + deadlines.missing_files(session, expected_files(session, wiring), now=now)


def expire_mandates(wiring: Wiring) -> int:
    """Let mandates whose last day has passed expire, and codes that are over be forgotten; return how many mandates."""
    with transaction(wiring.engine) as session:
        mandate_codes.forget(session, now=wiring.clock())
        return mandates.expire(session, now=wiring.clock())


def remind_overdue(wiring: Wiring) -> int:
    """Promise reminders of overdue bills, where they are wished for; return how many."""
    days, reminded = wiring.times.overdue_days, 0
    if days is None:
        return 0
    while True:
        with transaction(wiring.engine) as session:
            found = len(overdue.remind(session, days=days, now=wiring.clock()))
            composing.compose_promises(session, wiring.settings)
        if not found:
            return reminded
        reminded += found


def count_months(wiring: Wiring) -> None:
    """Count what is owed and the figures of the months anew, each in its own transaction."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        counted_months.count_owed(session)
        debit_figures.count_missed(session, now=now)
    with transaction(wiring.engine) as session:
        months = counted_months.to_count(session, today=business_days.local_day(now))
    for month in months:
        with transaction(wiring.engine) as session:
            counted_months.count(session, month, now=now)


def clear_webhooks(wiring: Wiring) -> int:
    """Clear away old events that every endpoint has taken, some at a time; return how many."""
    gone, place = 0, webhook_events.FIRST
    while True:
        with transaction(wiring.engine) as session:
            cleared, further = webhook_events.clear_told(session, place, now=wiring.clock())
        gone += cleared
        if further is None:
            return gone
        place = further


def expected_files(session: Session, wiring: Wiring, *, earliest: date | None = None) -> list[ExpectedFile]:
    """Return which bank owes a statement since when: from the day its settings name, else from its first one on.

    Not before `earliest`, which is two weeks ago unless it is given.
    """
    rows = session.execute(
        text(
            "SELECT bank, min(coalesce(closing_on, to_on)) AS first FROM statements"
            " WHERE kind = 'statement' AND state = 'accepted' GROUP BY bank"
        )
    ).all()
    earliest = earliest or business_days.local_day(wiring.clock()) - _LOOK_BACK
    came = {row.bank: row.first for row in rows if row.first is not None}
    expected = []
    for bank in wiring.settings.banks.values():
        first = bank.statement_since or (came.get(bank.name) if bank.sftp is not None else None)
        if first is not None:
            expected.append(ExpectedFile(bank.name, max(first, earliest), bank.statement_by, bank.statement_days))
    return expected


def sign_audit(wiring: Wiring) -> None:
    """Sign the audit chain as it stands and keep a copy of the checkpoint outside the database."""
    with transaction(wiring.engine) as session:
        made = audit.checkpoint(session, wiring.audit_key, wiring.clock())
        if made is None:
            return
    checkpoints.note(wiring.settings.home, made)


def duties(wiring: Wiring) -> list[Duty]:
    """Return what the leader does; a sandbox looks for files more often than anyone should at a bank's server."""
    return [
        Duty("sweep", 1, sweep),
        Duty("files", 2 if wiring.settings.sandbox else 300, lambda parts: bell.ring(parts.valkey, "files")),
        Duty("deadlines", 2 if wiring.settings.sandbox else 60, watch_deadlines),
        Duty("mandates", 2 if wiring.settings.sandbox else 60, expire_mandates),
        Duty("overdue", 5 if wiring.settings.sandbox else 1800, remind_overdue),
        Duty("months", 5 if wiring.settings.sandbox else 600, count_months, beside=True),
        Duty("audit", 3600, sign_audit),
        Duty("webhooks", 3600, clear_webhooks, beside=True),
        Duty("secrets", 600, bank_keys.note_sightings),
        Duty("balances", 5 if wiring.settings.sandbox else 600, balances.ask, beside=True),
    ]


def run(wiring: Wiring, stop: threading.Event) -> None:
    """Be the leader, or wait to become it, until `stop` is set."""
    while not stop.is_set():
        try:
            with wiring.engine.connect() as connection:
                if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": AdvisoryLock.SCHEDULE}):
                    connection.commit()
                    log.info("leading the schedule")
                    _lead(wiring, stop, connection)
        except OperationalError as error:
            log.warning("the database is not to be had (%s); trying again", type(error.orig).__name__)
        stop.wait(1)


def _lead(wiring: Wiring, stop: threading.Event, lock: Connection) -> None:
    planned = {duty.name: 0.0 for duty in duties(wiring)}
    beside: dict[str, threading.Thread] = {}
    while not stop.is_set():
        lock.execute(text("SELECT 1"))  # the lock lives as long as its connection: a broken one ends the lead here
        lock.commit()
        for duty in duties(wiring):
            if time.monotonic() < planned[duty.name]:
                continue
            if not duty.beside:
                planned[duty.name] = time.monotonic() + duty.seconds
                _do(duty, wiring)
            elif duty.name not in beside or not beside[duty.name].is_alive():
                planned[duty.name] = time.monotonic() + duty.seconds
                # One that still waits when the process ends is cut off, like a process that is killed.
                beside[duty.name] = threading.Thread(
                    target=_do_beside, args=(duty, wiring), name=duty.name, daemon=True
                )
                beside[duty.name].start()
        stop.wait(0.2)


def _do(duty: Duty, wiring: Wiring) -> None:
    try:
        duty.do(wiring)
    except OperationalError:
        raise
    except Exception:
        log.exception("%s failed; it will be tried again", duty.name)


def _do_beside(duty: Duty, wiring: Wiring) -> None:
    try:
        _do(duty, wiring)
    except OperationalError as error:
        log.warning("%s failed, the database is not to be had (%s)", duty.name, type(error.orig).__name__)
