"""Closing: a bank's day is balanced by one person, signed by another, and from then on takes no further entries.

What may stand open past a signed day are questions whose money is in the books: they are listed, carried forward and
aged. What must be answered first are questions that leave the day itself unknown: a statement that is missing or held,
a delivery nobody could read, an answer that waits for its second person. A signed day is reopened by a third person,
for a reason, as a new version; the signed one stays as it was.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, business_days, closes, day_figures, month_figures, payments, tie_out, unexplained
from reconciliation.closes import DAY, MONTH, Close
from reconciliation.day_figures import Unanswered
from reconciliation.lifecycle import CLOSE, move


class NotClosed(ValueError):
    """A close that can't go on; says what was expected and what arrived.

    `reason` names the kind of obstacle for a page's own words, `facts` are its figures.
    """

    def __init__(self, reason: str, said: str, **facts: object) -> None:
        self.reason, self.facts = reason, facts
        super().__init__(said)


_FREE_TRIES = 100
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(close_key(:bank))"
_UNREAD = """
    SELECT count(*) FROM deliveries WHERE source = :bank AND state = 'received' AND received_at < :until
"""
_STATEMENT_IS_DUE = """
    SELECT NOT EXISTS (SELECT 1 FROM statements WHERE bank = :bank AND kind = 'statement' AND state = 'accepted'
                       AND coalesce(closing_on, to_on) = :day)
       AND NOT EXISTS (SELECT 1 FROM mismatches WHERE subject = :subject AND state = 'resolved')
"""
# Of every day of a month, signed or not, what `tie_out` calls blocking or proposed.
_MONTH_QUESTIONS = f"""
    SELECT count(*) AS open, min(q.day) AS day, coalesce(string_agg(DISTINCT q.code, ', ' ORDER BY q.code), '') AS codes
    FROM (
        SELECT m.code, {tie_out.DAY_ASKED} AS day {tie_out.QUESTIONS} AND (m.state = 'proposed' OR {tie_out.BLOCKING})
    ) q WHERE q.day BETWEEN :first AND :last
"""  # noqa: S608 - constants
_MAKE = """
    INSERT INTO closes (bank, period, day, version, created_at)
    SELECT :bank, :period, :day, 1 + coalesce(max(version), 0), :now FROM closes
    WHERE bank = :bank AND period = :period AND day = :day RETURNING id
"""
_KEEP_ITEMS = f"""
    INSERT INTO close_items (close_id, kind, subject, payment_id, line_id, mismatch_id, reference, currency, told_minor,
        booked_minor, shown_minor, minor, verdict, code)
    SELECT :close, i.* FROM ({tie_out.ITEMS}) i ORDER BY kind, verdict, code, subject
"""  # noqa: S608 - put together from constants; values travel as parameters


def obstacles(
    session: Session,
    bank: str,
    day: date,
    *,
    tells: bool,
    owed: Collection[date],
    unanswered: Unanswered | None = None,
    now: datetime,
) -> list[NotClosed]:
    """Return everything that keeps a day from being balanced and signed, as it is now.

    `tells` says whether the bank calls back, `owed` for which days it owes a statement, this one and those since its
    first signed one. `unanswered` is given by who has read the day's tie-out already.
    """
    asked = day_figures.values(bank, day, tells=tells)
    found = []
    if day >= business_days.local_day(now):
        found.append(NotClosed("not_over", f"expected a day that is over, got {day}"))
    if day not in owed and not _has_begun(session, bank, day):
        found.append(NotClosed("not_begun", f"expected a day since the bank's first entry or statement, got {day}"))
    if _month_is_signed(session, bank, day):
        found.append(NotClosed("month", f"expected the month {day:%Y-%m} to be reopened first, it is signed"))
    since = closes.first_signed(session, bank)
    before = day - timedelta(days=1)
    earlier = closes.unsigned(session, bank, since, before, owed=owed) if since is not None and since < day else []
    if earlier:
        first = earlier[-1]
        found.append(NotClosed("earlier", f"expected {first} to be signed first, got {day}", day=first))
    if unread := session.scalar(text(_UNREAD), asked):
        found.append(NotClosed("unread", f"expected every delivery to be read, got {unread} unread", count=unread))
    subject = f"file:{bank}:{day.isoformat()}"
    if day in owed and session.scalar(text(_STATEMENT_IS_DUE), {**asked, "subject": subject}):
        found.append(NotClosed("no_statement", f"expected the bank's statement of {day}, got none (M13)"))
    blocking = unanswered or day_figures.unanswered(session, bank, day, tells=tells)
    minor = blocking.lines_minor + sum(unexplained.payments_by_bank(session, day, bank=bank).values())
    if minor or blocking.differing:
        said = f"expected everything explained, got {minor} đ unexplained and {blocking.differing} differences"
        found.append(NotClosed("unexplained", said, minor=minor, count=blocking.differing))
    if blocking.open:
        said = f"expected the questions answered that leave the day unknown, got {blocking.open} open: {blocking.codes}"
        found.append(NotClosed("questions", said, count=blocking.open, codes=blocking.codes))
    return found


def balance(
    session: Session, bank: str, day: date, *, by: str, tells: bool, owed: Collection[date], now: datetime
) -> Close:
    """Keep a day's figures and everything behind them as `by` balanced it; raises NotClosed, having changed nothing."""
    _alone(session, bank)
    _refuse(obstacles(session, bank, day, tells=tells, owed=owed, now=now))
    made = _begin(session, bank, DAY, day, now)
    session.execute(text(_KEEP_ITEMS), {**day_figures.values(bank, day, tells=tells), "close": made.id})
    return _keep(session, made, day_figures.of_day(session, bank, day, tells=tells), by=by, now=now)


def balance_month(
    session: Session, bank: str, month: date, *, by: str, owed: Collection[date] = (), now: datetime
) -> Close:
    """Keep a month's figures, the sum of its signed days; raises NotClosed as `balance` does.

    `owed` are the days of the month for which the bank owes a statement.
    """
    _alone(session, bank)
    first = month.replace(day=1)
    _refuse(month_obstacles(session, bank, first, owed=owed, now=now))
    return _keep(session, _begin(session, bank, MONTH, first, now), month_figures.of_month(session, bank, first),
                 by=by, now=now)  # fmt: skip


def sign(
    session: Session, close_id: int, *, by: str, tells: bool = True, owed: Collection[date], now: datetime
) -> Close:
    """Sign what somebody else has balanced, if it is still what the books say; raises NotClosed otherwise.

    `owed` are the days for which the bank owes a statement, as who balances gives them; `tells` is asked of a day.
    """
    made = _locked(session, close_id, "balanced")
    if made.maker == by:
        raise NotClosed("own", "expected another person to sign than the one who balanced")
    if made.period == MONTH:
        _refuse(month_obstacles(session, made.bank, made.day, owed=owed, now=now))
        figures = month_figures.of_month(session, made.bank, made.day)
    else:
        _refuse(obstacles(session, made.bank, made.day, tells=tells, owed=owed, now=now))
        figures = day_figures.of_day(session, made.bank, made.day, tells=tells)
    if day_figures.digest(figures) != made.digest:
        raise NotClosed("moved", "expected the books as they were balanced, got others: balance them again")
    _move(session, made, "signed", by=by, why="signed", noting="checker = :by, signed_at = :now", now=now)
    return made


def withdraw(session: Session, close_id: int, *, by: str, why: str, now: datetime) -> Close:
    """Take a balance back that was not signed, or turn it down: the day is balanced anew as another version."""
    made = _locked(session, close_id, "balanced")
    _move(session, made, "withdrawn", by=by, why=why, now=now)
    return made


def reopen(session: Session, close_id: int, *, by: str, why: str, now: datetime) -> Close:
    """Open a signed period again, as a third person and for a reason; return its new version, which is open.

    Raises NotClosed for those who signed it, and for a day of a month that is signed.
    """
    made = _locked(session, close_id, "signed")
    if by in (made.maker, made.checker):
        raise NotClosed("signer", "expected a third person to reopen than the two who signed")
    if not why.strip():
        raise NotClosed("why", "expected a reason to reopen, got none")
    if made.period == DAY and _month_is_signed(session, made.bank, made.day):
        raise NotClosed("month", f"expected the month {made.day:%Y-%m} to be reopened first, it is signed")
    noting = "reopened_by = :by, reopened_at = :now, reopened_why = :why"
    _move(session, made, "reopened", by=by, why=why, noting=noting, now=now)
    return _begin(session, made.bank, made.period, made.day, now)


def month_obstacles(
    session: Session, bank: str, first: date, *, owed: Collection[date] = (), now: datetime
) -> list[NotClosed]:
    """Return everything that keeps the month from being balanced and signed, as it is now.

    A day counts on which something was booked, that somebody began to close, or for which the bank owes a statement
    (`owed`): a statement that never came leaves the month unknown, whatever was booked.
    """
    last = month_figures.last_day(first)
    if last >= business_days.local_day(now):
        return [NotClosed("not_over", f"expected a month that is over, got {first:%Y-%m}")]
    found, asked = [], {"bank": bank, "first": first, "last": last, "until": business_days.end_of(last)}
    questions = session.execute(text(_MONTH_QUESTIONS), asked).one()
    if questions.open:
        said = f"expected the questions of {first:%Y-%m} answered that leave a day unknown, got {questions.open} open:"
        facts = {"count": questions.open, "codes": questions.codes, "day": questions.day}
        found.append(NotClosed("month_questions", f"{said} {questions.codes}, {questions.day} first", **facts))
    elif not any(first <= day <= last for day in owed) and not _has_begun(session, bank, last):
        said = f"expected a month since the bank's first entry or statement, got {first:%Y-%m}"
        found.append(NotClosed("not_begun", said))
    if unsigned := closes.unsigned(session, bank, first, last, owed=owed):
        said = f"expected every day of {first:%Y-%m} to be signed, {len(unsigned)} are not, {unsigned[-1]} first"
        found.append(NotClosed("days", said, count=len(unsigned), day=unsigned[-1]))
    if unread := session.scalar(text(_UNREAD), asked):
        found.append(NotClosed("unread", f"expected every delivery to be read, got {unread} unread", count=unread))
    return found


def _has_begun(session: Session, bank: str, day: date) -> bool:
    first = closes.first_day(session, bank, day)
    return first is not None and first <= day


def _month_is_signed(session: Session, bank: str, day: date) -> bool:
    month = closes.live(session, bank, MONTH, day.replace(day=1))
    return month is not None and month.state == "signed"


def _refuse(found: list[NotClosed]) -> None:
    if found:
        raise found[0]


def _alone(session: Session, bank: str) -> None:
    """Wait until nobody books anything of this bank, and keep it so for this transaction.

    Callbacks and statements wait at the source's own lock. Others may hold rows that those wait for who already book
    for this bank, so nobody is made to queue here: it is tried until it succeeds.
    """
    payments.lock_sources(session, {bank})
    for _ in range(_FREE_TRIES):
        if session.scalar(text(_TRY_LOCK), {"bank": bank}):
            return
        session.execute(text("SELECT pg_sleep(0.05)"))
    raise NotClosed("busy", "expected a moment without entries for this bank within 5 seconds, got none")


def _locked(session: Session, close_id: int, state: str) -> Close:
    made = session.get(Close, close_id)
    if made is None:
        raise NotClosed("state", f"expected the number of a close, got {close_id}")
    _alone(session, made.bank)
    session.refresh(made, with_for_update=True)
    if made.state != state:
        raise NotClosed("state", f"expected a close that is {state}, got one that is {made.state}")
    return made


def _begin(session: Session, bank: str, period: str, day: date, now: datetime) -> Close:
    """Return the open version of a period, a new one where there is none; the caller is alone with the bank."""
    found = closes.live(session, bank, period, day)
    if found is None:
        number = session.scalar(text(_MAKE), {"bank": bank, "period": period, "day": day, "now": now})
        return session.get_one(Close, number)
    if found.state != "open":
        raise NotClosed("state", f"expected a period that is open, got one that is {found.state}")
    return found


def _keep(session: Session, made: Close, figures: Mapping[str, Any], *, by: str, now: datetime) -> Close:
    made.figures, made.digest, made.maker, made.made_at = dict(figures), day_figures.digest(figures), by, now
    session.flush()
    _move(session, made, "balanced", by=by, why="balanced", now=now)
    return made


def _move(session: Session, made: Close, to: str, *, by: str, why: str, now: datetime, noting: str = "") -> None:
    move(session, CLOSE, [made.id], to, by=by, why=why, now=now, noting=noting)
    session.refresh(made)
    facts = {"bank": made.bank, "period": made.period, "day": made.day.isoformat(), "version": made.version,
             "digest": made.digest, "why": why}  # fmt: skip
    audit.append(session, actor=by, action=f"close_{to}", subject=f"close:{made.id}", facts=facts, now=now)
