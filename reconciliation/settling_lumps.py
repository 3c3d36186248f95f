"""Lump sums: one line that settles many payments at once, taken apart into what it brings of each.

A bank or intermediary pays what its callbacks told of a day, less its fees, by one line. The line is known by the
payer's own words; it is the settlement of a day when what that day's payments come to, less the tariff's fees, is
exactly its amount, and of no other day. All lines and days of a source are weighed together, so that what came first
does not matter. What a person said a line settles, or which day it is not of, stays until a person takes it back.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import ledger, lump_days, mismatches
from reconciliation.lifecycle import LUMP_CHOICE, move
from reconciliation.lump_days import OF_DAY, DaySum, scope
from reconciliation.lump_parts import BY, put_together, take_apart
from reconciliation.lump_sums import BEARS, DAY, DENIED, IN_FORCE, REACHES, TERM

_SOURCES = "SELECT DISTINCT source FROM lump_agreements WHERE bank = ANY(:banks)"
_IS_AGREED = "SELECT EXISTS (SELECT 1 FROM lump_agreements WHERE bank = ANY(:banks))"
SETTLES = "a settlement of many payments"
"""Why a line is set aside from being paired."""
_SET_ASIDE = f"""
    UPDATE statement_lines l SET state = CASE WHEN l.counts THEN 'mismatch' ELSE 'rejected' END,
        reason = CASE WHEN l.counts THEN '{SETTLES}' ELSE 'a notice: the statement will decide' END
    FROM lump_terms a, statements s
    WHERE a.bank = :bank AND {BEARS.format(version="a", line="l")} AND l.statement_id = :statement
      AND s.id = l.statement_id AND NOT EXISTS (SELECT 1 FROM lump_sums u WHERE u.line_id = l.id)
      AND l.state = 'pending' AND l.minor > 0 AND l.currency = 'VND' AND NOT l.reversal
      AND coalesce({IN_FORCE.format(version="a", day="coalesce(l.booked_on, s.closing_on, s.to_on)")}, true)
"""  # noqa: S608 - put together from constants, here and below
_TOLD = f"""
    SELECT DISTINCT r.n FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r (n bigint, source text, currency text, narrative text, business_date date)
    JOIN lump_terms a ON a.bank = r.source AND {BEARS.format(version="a", line="r")}
        AND {IN_FORCE.format(version="a", day="r.business_date")}
    WHERE r.currency = 'VND'
"""  # noqa: S608
_KNOWN = f"""
    SELECT DISTINCT ON (l.id) l.id, l.minor, coalesce(l.booked_on, CAST(:day AS date)) AS booked_on,
        a.id AS agreement_id, a.source
    FROM statement_lines l JOIN lump_terms a ON a.bank = :bank AND {BEARS.format(version="a", line="l")}
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.state = 'mismatch'
      AND l.reason = '{SETTLES}'
    ORDER BY l.id, {IN_FORCE.format(version="a", day="coalesce(l.booked_on, CAST(:day AS date))")} DESC, a.since DESC
"""  # noqa: S608
_RECOGNISE = f"""
    INSERT INTO lump_sums (agreement_id, line_id, source, minor, booked_on, at)
    SELECT agreement_id, id, source, minor, booked_on, :now FROM ({_KNOWN}) known ORDER BY id RETURNING id, source
"""  # noqa: S608
_ARRIVED = r"""
    SELECT 'line:' || l.id AS key, CAST(:bank AS text) AS bank, s.booked_on AS business_date,
        'settlement by ' || s.source AS memo, 'bank:' || CAST(:bank AS text) || '\:confirmed' AS debit,
        'settled\:' || s.source AS credit, s.minor, 'VND' AS currency, CAST(:now AS timestamptz) AS at
    FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id WHERE s.id = ANY(:ids)
"""
_LUMPS = f"""
    SELECT s.id, s.line_id, s.minor, s.day, array_agg(d.day) FILTER (WHERE NOT d.denied) AS days,
        array_agg(d.day) FILTER (WHERE d.denied) AS denied
    FROM lump_sums s LEFT JOIN LATERAL (
        SELECT day, {DENIED.format(lump="s.id", day="near.day")} AS denied
        FROM (SELECT s.booked_on - n AS day FROM generate_series(31, 0, -1) AS n) near
        WHERE {REACHES.format(lump="s", day="near.day")}
    ) d ON true
    WHERE s.source = :source AND s.undone_at IS NULL AND NOT s.pinned AND (s.booked_on >= :since OR s.day IS NULL)
    GROUP BY s.id ORDER BY s.booked_on, s.id
"""  # noqa: S608
_LENT = """
    SELECT DISTINCT a.lump_id FROM statement_lines l JOIN line_parts a ON a.payment_id = l.payment_id
    JOIN lump_sums s ON s.id = a.lump_id AND NOT s.pinned
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.minor > 0
      AND a.undone_at IS NULL ORDER BY 1
"""
_GONE = """
    UPDATE lump_sums SET undone_at = :now, undone_why = :why
    WHERE undone_at IS NULL AND line_id IN (SELECT id FROM statement_lines WHERE statement_id = ANY(:statements))
    RETURNING id, source
"""
# A question that a proposal waits on stays until that is decided.
_OPEN = """
    SELECT id FROM mismatches WHERE code = 'M11' AND subject = ANY(:subjects) AND state <> 'resolved'
        AND NOT EXISTS (SELECT 1 FROM lump_choices c JOIN lump_sums s ON s.id = c.lump_id
                        WHERE s.line_id = mismatches.line_id AND s.undone_at IS NULL AND c.state = 'proposed')
"""
_ASK = """
    SELECT 'M11', 'line:' || l.id, CAST(:source AS text), l.minor, l.currency, l.id, l.statement_id,
        CAST(:facts AS jsonb)
    FROM statement_lines l WHERE l.id = :line
"""
_IS_ANY = "SELECT EXISTS (SELECT 1 FROM lump_sums WHERE source = :source AND undone_at IS NULL)"
_REACHED = f"""
    SELECT DISTINCT p.source FROM payments p JOIN lump_terms a ON {TERM}
    WHERE p.id = ANY(:ids) AND (EXISTS (
        SELECT 1 FROM lump_sums s WHERE s.source = p.source AND s.undone_at IS NULL AND NOT s.pinned
            AND s.booked_on BETWEEN {DAY} AND {DAY} + 31 AND {REACHES.format(lump="s", day=DAY)})
    OR EXISTS (SELECT 1 FROM line_parts b WHERE b.payment_id = p.id AND b.undone_at IS NULL))
"""  # noqa: S608
# Which payments a line is of that is one day's for certain by now, and anything about a line that is gone, is answered.
_IDLE = """
    SELECT id FROM lump_choices WHERE state = 'proposed' AND lump_id = ANY(:lumps) AND kind LIKE :kind
"""
_SHOWN = """
    SELECT l.payment_id FROM statement_lines l
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.payment_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Lump:
    """A line to be explained: so much, for one of these days."""

    id: int
    minor: int
    days: frozenset[date]


def assign(lumps: Sequence[Lump], sums: Mapping[date, int]) -> dict[int, date]:
    """Return lump → its day, for those that are one day's for certain; pure, and whatever their order.

    A lump that one day alone fits has that day, unless another lump has no other day either; a day that is taken is no
    other lump's.
    """
    fits = {one.id: {day for day, net in sums.items() if net == one.minor and day in one.days} for one in lumps}
    found: dict[int, date] = {}
    while True:
        wanted: dict[date, list[int]] = {}
        for number, days in fits.items():
            if len(days) == 1:
                wanted.setdefault(next(iter(days)), []).append(number)
        certain = {numbers[0]: day for day, numbers in wanted.items() if len(numbers) == 1}
        if not certain:
            return found
        found |= certain
        fits = {number: days - set(certain.values()) for number, days in fits.items() if number not in found}


def locked_with(session: Session, *banks: str) -> set[str]:
    """Return the sources whose payments a statement of these banks may prove: they are locked together."""
    return {*banks, *session.scalars(text(_SOURCES), {"banks": list(banks)})}


def give_way(session: Session, values: Mapping[str, object], *, now: datetime) -> None:
    """Put together the settlements that lines to be booked take payments from: a line of its own proves more."""
    lent = session.scalars(text(_LENT), values).all()
    put_together(session, lent, why="a line of its own shows a payment of it", now=now)


def set_aside(session: Session, statement_id: int, bank: str) -> None:
    """Keep the pending lines that are settlements by their words from being paired with one payment."""
    if session.scalar(text(_IS_AGREED), {"banks": [bank]}):
        session.execute(text(_SET_ASIDE), {"statement": statement_id, "bank": bank})


def told(session: Session, rows: Sequence[Mapping[str, object]]) -> set[object]:
    """Return `n` of the rows that are settlements by their words; each has n, source, currency and narrative.

    What a bank's callback says of the line that settles many payments is no payment: its statement will decide.
    """
    if not session.scalar(text(_IS_AGREED), {"banks": sorted({str(row["source"]) for row in rows})}):
        return set()
    return set(session.scalars(text(_TOLD), {"rows": json.dumps(rows)}))


def recognise(session: Session, values: Mapping[str, object]) -> set[str]:
    """Book the lines that were set aside as arrived, to be explained; say whose settlements they are."""
    if not session.scalar(text(_IS_AGREED), {"banks": [values["bank"]]}):
        return set()
    made = session.execute(text(_RECOGNISE), values).all()
    if made:
        ledger.post(session, _ARRIVED, {**values, "ids": [row.id for row in made]})
    return {row.source for row in made}


def judge_statement(session: Session, values: Mapping[str, Any], settled: set[str], *, now: datetime) -> None:
    """Weigh the settlements just recognised, and those whose payments the lines of a statement now show one by one."""
    if session.scalar(text(_IS_ANY), {"source": values["bank"]}):
        settled = settled | reached(session, session.scalars(text(_SHOWN), values).all())
    judge_sources(session, settled, now=now)


def hear(session: Session, payment_ids: Sequence[int], *, now: datetime) -> None:
    """Weigh anew the settlements that payments told, corrected or taken back may belong to."""
    for source in sorted(reached(session, payment_ids)):
        judge(session, source, changed=payment_ids, now=now)


def reached(session: Session, payment_ids: Sequence[int]) -> set[str]:
    """Return the sources of those of these payments whose day some settlement may be of."""
    return set(session.scalars(text(_REACHED), {"ids": list(payment_ids)})) if payment_ids else set()


def judge_sources(session: Session, sources: Iterable[str], *, now: datetime) -> None:
    """Weigh the settlements of each source; the caller holds the locks of their payments."""
    for source in sorted(sources):
        judge(session, source, now=now)


def judge_fees(session: Session, sources: Iterable[str], *, now: datetime) -> None:
    """Weigh the settlements of each source, whose tariff may be another one now; as `judge_sources`."""
    for source in sorted(sources):
        judge(session, source, changed=None, now=now)


def judge(session: Session, source: str, *, changed: Sequence[int] | None = (), now: datetime) -> None:
    """Weigh the settlements of a source against its days, and take apart those that are one day's for certain.

    `changed` are payments of which something else may be known by now than when they were weighed; None: any may be.
    """
    these = scope(session, source, now)
    if changed is None or changed:
        put_together(session, lump_days.stale(session, these, changed), why="weighed anew", now=now)
    rows = session.execute(text(_LUMPS), these).all()
    if not rows:
        return
    days = lump_days.sums(session, these)
    lumps = [Lump(row.id, row.minor, frozenset(row.days or ())) for row in rows]
    found = assign(lumps, {day: row.net for day, row in days.items()})
    moved = [
        row for row in rows
        if row.day != found.get(row.id)
        or (row.day is not None and (row.day not in days or days[row.day] != DaySum(row.minor, (row.id,))))
    ]  # fmt: skip
    put_together(session, [row.id for row in moved if row.day is not None], why="weighed anew", now=now)
    for row in moved:
        if row.id in found:
            values = {**these, "lump": row.id, "line": row.line_id, "day": found[row.id], "pinned": False}
            take_apart(session, values, OF_DAY, now=now)
    certain = [row.id for row in moved if row.id in found]
    _drop_proposals(session, certain, "settles", why="it is one day's settlement", now=now)
    answered = [f"line:{row.line_id}" for row in moved if row.id in found]
    asked = session.scalars(text(_OPEN), {"subjects": answered}).all()
    mismatches.resolve(session, asked, by=BY, resolution="it is one day's settlement", now=now)
    for lump, row in zip(lumps, rows, strict=True):
        if row.id not in found:
            _ask(session, these, lump, row, days)


def undo(session: Session, statement_ids: Sequence[int], *, why: str, now: datetime) -> set[str]:
    """Take back the settlements on these statements, whose import is being undone; return the sources to weigh anew."""
    gone = session.execute(text(_GONE), {"statements": list(statement_ids), "why": why, "now": now}).all()
    put_together(session, [row.id for row in gone], why=why, now=now)
    _drop_proposals(session, [row.id for row in gone], "%", why=why, now=now)
    return {row.source for row in gone}


def _drop_proposals(session: Session, lumps: Sequence[int], kind: str, *, why: str, now: datetime) -> None:
    waiting = session.scalars(text(_IDLE), {"lumps": list(lumps), "kind": kind}).all()
    move(session, LUMP_CHOICE, waiting, "withdrawn", by=BY, why=why, now=now)


def pin(session: Session, lump: Row[Any], these: Sequence[Row[Any]], *, now: datetime) -> None:
    """Book a settlement as what a person said it is of: these free payments, whatever their days."""
    values = {
        **scope(session, lump.source, now), "lump": lump.id, "line": lump.line_id, "pinned": True,
        "day": max(row.day for row in these), "ids": [row.id for row in these],
    }  # fmt: skip
    take_apart(session, values, "p.id = ANY(:ids)", now=now)


def _ask(
    session: Session, these: Mapping[str, Any], lump: Lump, row: Row[Any], days: Mapping[date, DaySum]
) -> None:  # fmt: skip
    """Ask about a settlement that is no day's for certain: the days that fit, or the nearest and what it lacks."""
    facts: dict[str, object] = {"verdict": "no_day_settles", "arrived": lump.minor, "settles": these["source"]}
    if lump.days:
        facts |= {"days_from": min(lump.days).isoformat(), "days_until": max(lump.days).isoformat()}
    if row.denied:
        facts["days_denied"] = [day.isoformat() for day in row.denied]
    within = sorted(lump.days & days.keys())
    fitting = [day for day in within if days[day].net == lump.minor]
    if fitting:
        facts["verdict"] = "several_days_settle" if len(fitting) > 1 else "another_settles_the_day"
        facts["days_that_fit"] = [day.isoformat() for day in fitting]
    elif within:
        nearest = min(reversed(within), key=lambda day: abs(days[day].net - lump.minor))
        net, made = days[nearest].net, lump_days.made_of(session, these, nearest, days[nearest].lumps)
        facts |= {
            "nearest_day": nearest.isoformat(), "items": made.payments, "gross": made.gross, "fee_expected": made.fee,
            "net": net, "difference": lump.minor - net,
        }  # fmt: skip
    raise_question(session, these["source"], row.line_id, facts, now=these["now"])


def raise_question(session: Session, source: str, line: int, facts: Mapping[str, object], *, now: datetime) -> None:
    """Ask about a settlement line, or say what is known of it anew where that is asked already."""
    columns = "code, subject, source, minor, currency, line_id, statement_id, facts"
    values = {"source": source, "line": line, "facts": json.dumps(facts), "now": now}
    mismatches.ask(session, columns, _ASK, values, renewing=["facts"])
