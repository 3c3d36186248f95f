"""Sending times: when an SMS may leave: not at night, not on a holiday, not too many a day to one customer.

A one-time code leaves at once whatever the hour. What would be too late by the next opening leaves before it, where
deadlines win.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import bank_days, debit_rules
from reconciliation.business_days import LOCAL, Calendar, local_day
from reconciliation.db import AdvisoryLock
from reconciliation.outbox import TOLD
from reconciliation.sending_hours import Times

CODE = "mandate_code"
"""The one event that no hour holds back: whoever asked for it waits at a screen."""
_EVER = timedelta(days=36_500)
_LOOKS = 60
"""A holiday of a month, each of its days looked at, and the night behind it."""

_IN_TIME = "m.not_after - CASE WHEN m.event = 'before_debit' THEN CAST(:lead AS interval) ELSE interval '0' END"
"""Until when a message m must leave to be of use: a notice, so that its debit may follow."""


class Kind(StrEnum):
    """What leaves by a rule of its own; in the order in which it goes to a carrier that has room for little."""

    CODE = "code"
    OTHER = "other"
    NOTICE = "notice"


MAY_LEAVE = {
    Kind.CODE: f"m.event = '{CODE}'",
    Kind.OTHER: f"m.event NOT IN ('{CODE}', 'before_debit')"
    " AND m.not_after > :others_after AND m.not_after <= :others_until",
    Kind.NOTICE: "m.event = 'before_debit' AND m.not_after > :notices_after AND m.not_after <= :notices_until",
}
"""Which messages m of a kind may leave now, asked with `Leaving.values`.

A span of deadlines each, which an index answers: a night's or a week's queue is not looked through to find nothing.
"""

_LEFT_TODAY = f"""
    SELECT customer_id, count(*) AS messages FROM messages
    WHERE customer_id = ANY(:customers) AND event <> '{CODE}' AND state IN {TOLD}
      AND coalesce(sent_at, asked_at) >= :since
    GROUP BY 1
"""  # noqa: S608 - put together from constants, here and below

_PUT_OFF = f"""
    UPDATE messages m SET not_before = :opens, carrier = NULL
    WHERE m.id = ANY(:ids) AND NOT (:deadlines_win AND {_IN_TIME} <= :opens) RETURNING m.id
"""  # noqa: S608


def opens_at(times: Times, calendar: Calendar, now: datetime) -> datetime:
    """Return the first moment from `now` on at which ordinary messages may leave."""
    here = now.astimezone(LOCAL)
    for _ in range(_LOOKS):
        if times.holidays_rest and calendar.is_holiday(here.date()):
            here = datetime.combine(here.date() + timedelta(days=1), time(), LOCAL)
        elif _is_quiet(times, here.time()):
            day = here.date() + timedelta(days=here.time() >= times.quiet_until)
            here = datetime.combine(day, times.quiet_until, LOCAL)
        else:
            break
    return here.astimezone(UTC)


def _is_quiet(times: Times, at: time) -> bool:
    if times.quiet_from <= times.quiet_until:
        return times.quiet_from <= at < times.quiet_until
    return at >= times.quiet_from or at < times.quiet_until


@dataclass(frozen=True, slots=True)
class Leaving:
    """Which messages may leave at one moment, by until when they must have: each span's end is in it, its begin not."""

    times: Times
    now: datetime
    opens: datetime
    lead: timedelta
    """How long before the end of its use a notice must leave, so that its debit may follow."""
    near: timedelta
    """How long before the end of its use a notice leaves at the earliest."""
    notices: tuple[datetime, datetime]
    others: tuple[datetime, datetime]

    @property
    def values(self) -> dict[str, object]:
        """What MAY_LEAVE is asked with."""
        return {
            "now": self.now,
            "notices_after": self.notices[0], "notices_until": self.notices[1],
            "others_after": self.others[0], "others_until": self.others[1],
        }  # fmt: skip


def leaving(session: Session, times: Times, *, now: datetime) -> Leaving:
    """Return what may leave now; no notice is held so long that its debit could not follow."""
    lead = debit_rules.rules(session).lead + times.ahead
    opens = opens_at(times, bank_days.calendar(session), now)
    near = _EVER if times.notice_days is None else max(timedelta(days=times.notice_days), lead + timedelta(days=1))
    if opens <= now:
        notices, others = (now, now + near), (now, now + _EVER)
    elif times.deadlines_win:
        notices, others = (now + lead, min(opens + lead, now + near)), (now, opens)
    else:
        notices = others = (now, now)
    return Leaving(times, now, opens, lead, near, notices, others)


def held(may: Leaving, event: str, not_after: datetime) -> tuple[str, datetime | None]:
    """Return why a message may not leave now ("quiet" or "near") and until when; ("", None) for one that may."""
    after, until = may.notices if event == "before_debit" else may.others
    if event == CODE or after < not_after <= until:
        return "", None
    if event == "before_debit" and (far := not_after - may.near) > may.opens:
        return "near", far
    return "quiet", may.opens


def put_off(session: Session, may: Leaving, due: Sequence[tuple[int, int, str]]) -> set[int]:
    """Leave to the next day what is too much for one customer today, and return those messages.

    Claims count one after another: two carriers that claim at once for one customer would not see each other's.

    `due` are message, customer and event each, the first to leave first. What would come too late tomorrow is not put
    off, where deadlines win.
    """
    over = _over_the_cap(session, may, due) if may.times.daily and due else []
    if not over:
        return set()
    tomorrow = datetime.combine(local_day(may.now) + timedelta(days=1), time(), LOCAL)
    values = {
        "ids": over,
        "opens": opens_at(may.times, bank_days.calendar(session), tomorrow),
        "deadlines_win": may.times.deadlines_win,
        "lead": may.lead,
    }
    return set(session.scalars(text(_PUT_OFF), values))


def _over_the_cap(session: Session, may: Leaving, due: Sequence[tuple[int, int, str]]) -> Sequence[int]:
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(AdvisoryLock.DAILY_MESSAGES)})
    since = datetime.combine(local_day(may.now), time(), LOCAL)
    asked = {"customers": sorted({customer for _, customer, _ in due}), "since": since}
    left = {row.customer_id: int(row.messages) for row in session.execute(text(_LEFT_TODAY), asked)}
    over = []
    for message, customer, event in due:
        if event == CODE:
            continue
        left[customer] = left.get(customer, 0) + 1
        if left[customer] > may.times.daily:
            over.append(message)
    return over
