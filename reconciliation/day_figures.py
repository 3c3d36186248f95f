"""A bank's day in figures: totals by channel, the three sides, why they differ, and what stays open past the day."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, tie_out, unexplained

# A payment counts on the day its money was first booked; what a correction changes of it is part of the gross.
_CHANNELS = f"""
    SELECT coalesce(c.channel, p.channel, '') AS channel, s.currency, count(*) FILTER (WHERE is_new) AS count,
        coalesce(sum(s.gross), 0)\\:\\:bigint AS gross, -coalesce(sum(s.back), 0)\\:\\:bigint AS reversed,
        coalesce(sum(coalesce(c.open_minor, p.open_minor)) FILTER (WHERE is_new), 0)\\:\\:bigint AS unmatched
    FROM sides s LEFT JOIN came c ON c.id = s.payment_id
    LEFT JOIN LATERAL (
        SELECT channel, {tie_out.OPEN_MINOR} AS open_minor FROM payments
        WHERE id = s.payment_id AND c.id IS NULL OFFSET 0
    ) p ON true WHERE coalesce(s.gross, s.back) IS NOT NULL GROUP BY 1, 2
"""  # noqa: S608 - put together from constants, here and below

# What banks keep for themselves, with its VAT, on the day it is booked, whatever account of fees it stands in. What is
# kept from many payments by one line is booked in one sum, and its parts tell whose channels it is of.
_IS_FEE = r"({0} LIKE 'expense\:%fee%' OR {0} = 'input-vat')"
_FEES = rf"""
    SELECT coalesce(p.channel, '') AS channel, d.currency, sum(d.fee)\:\:bigint AS fee
    FROM (
        SELECT key, currency,
            minor * (CAST({_IS_FEE.format("debit")} AS int) - CAST({_IS_FEE.format("credit")} AS int)) AS fee
        FROM day_entries WHERE today AND key NOT LIKE 'lump\:%'
    ) d
    LEFT JOIN statement_lines l ON l.id = CAST(substring(d.key FROM 'line:(\d+)') AS bigint)
    LEFT JOIN fees f ON f.id = CAST(substring(d.key FROM 'fee:(\d+)') AS bigint)
    LEFT JOIN payments p
        ON p.id = coalesce(CAST(substring(d.key FROM 'payment:(\d+)') AS bigint), l.payment_id, f.payment_id)
    WHERE d.fee <> 0 GROUP BY 1, 2
    UNION ALL
    SELECT p.channel, 'VND', sum(CASE WHEN e.key LIKE '%/undone' THEN -1 ELSE 1 END
        * CASE WHEN e.key LIKE '%/fee%' THEN a.fee_minor ELSE a.vat_minor END)\:\:bigint
    FROM (SELECT key FROM day_entries WHERE today AND key LIKE 'lump\:%' AND key ~ '^lump:\d+/\d+/(fee|vat)') e
    JOIN line_parts a ON a.lump_id = CAST(substring(e.key FROM '^lump:(\d+)') AS bigint)
        AND a.time = CAST(substring(e.key FROM '^lump:\d+/(\d+)') AS bigint)
    JOIN payments p ON p.id = a.payment_id GROUP BY 1
"""  # noqa: S608 - constants

_MOVEMENTS = """
    SELECT side.account, currency, sum(side.debit)\\:\\:bigint AS debit, sum(side.credit)\\:\\:bigint AS credit
    FROM (SELECT debit, credit, currency, sum(minor) AS minor FROM day_entries WHERE today GROUP BY 1, 2, 3) e
    CROSS JOIN LATERAL (VALUES (e.debit, e.minor, 0), (e.credit, 0, e.minor)) AS side (account, debit, credit)
    GROUP BY 1, 2
"""

_STATEMENTS = """
    SELECT statement_id AS id, account_tail AS account, currency, opening_minor AS opening, closing_minor AS closing,
        credit_minor AS credit, debit_minor AS debit, lines
    FROM statements s WHERE bank = :bank AND kind = 'statement' AND state = 'accepted'
      AND coalesce(closing_on, to_on) = :day ORDER BY account_tail, statement_id, page, id
"""

ITEM_ROW = """concat_ws('|', kind, subject, coalesce(payment_id, 0), coalesce(line_id, 0), coalesce(mismatch_id, 0),
    reference, currency, told_minor, booked_minor, shown_minor, minor, verdict, code)"""
DIGEST_OF_ROWS = r"encode(sha256(convert_to(coalesce(string_agg(row, E'\n' ORDER BY row), ''), 'UTF8')), 'hex')"

# Everything that is told of a day, from one reading of its tie-out.
_SUMS = f"""
    WITH {tie_out.TIED_OUT}, sums AS (
        SELECT currency, sum(told)\\:\\:bigint AS told, sum(booked)\\:\\:bigint AS booked,
            sum(shown)\\:\\:bigint AS shown, count(*) FILTER (WHERE told <> 0) AS told_count,
            count(*) FILTER (WHERE booked <> 0) AS booked_count, count(*) FILTER (WHERE shown <> 0) AS shown_count,
            coalesce(sum(shown) FILTER (WHERE shown < 0), 0)\\:\\:bigint AS leaving
        FROM sides GROUP BY currency
    ), reasons AS (
        SELECT verdict, code, currency, count(*) AS count, sum(told_minor)\\:\\:bigint AS told,
            sum(booked_minor)\\:\\:bigint AS booked, sum(shown_minor)\\:\\:bigint AS shown
        FROM differences GROUP BY 1, 2, 3
    ), asked AS (
        SELECT verdict, code, currency, count(*) AS count, sum(minor)\\:\\:bigint AS minor
        FROM questions GROUP BY 1, 2, 3
    ), channels AS ({_CHANNELS}), fees_kept AS ({_FEES}), movements AS ({_MOVEMENTS})
"""  # noqa: S608 - constants
_AS_JSON = """
    coalesce((SELECT jsonb_agg(r) FROM channels r), '[]') AS channels,
    coalesce((SELECT jsonb_agg(r) FROM fees_kept r), '[]') AS fees,
    coalesce((SELECT jsonb_agg(r ORDER BY account, currency) FROM movements r), '[]') AS movements,
    coalesce((SELECT jsonb_agg(r ORDER BY currency) FROM sums r), '[]') AS sides,
    coalesce((SELECT jsonb_agg(r ORDER BY verdict, code, currency) FROM reasons r), '[]') AS reasons,
    coalesce((SELECT jsonb_agg(r ORDER BY code, verdict, currency) FROM asked r), '[]') AS questions
"""
_TIE_OUT = f"""
    {_SUMS} SELECT {_AS_JSON},
        (SELECT {DIGEST_OF_ROWS} FROM (SELECT {ITEM_ROW} AS row FROM ({tie_out.ROWS}) i) rows) AS items
"""  # noqa: S608 - constants
# Lines that nobody can explain, as `unexplained.lines_by_bank` finds them, out of those that have been read already.
_UNEXPLAINED = f"""
    SELECT coalesce(sum(unexplained_minor), 0)\\:\\:bigint FROM (
        SELECT l.id, l.payment_id,
            abs(l.minor + coalesce(l.fee, 0) - coalesce(c.minor, p.minor, 0)) AS unexplained_minor
        FROM lines_shown l LEFT JOIN came c ON c.id = l.payment_id
        LEFT JOIN LATERAL (SELECT minor FROM payments WHERE id = l.payment_id AND c.id IS NULL OFFSET 0) p ON true
        WHERE l.stands AND l.currency = 'VND'
          AND (l.payment_id IS NULL OR l.minor + coalesce(l.fee, 0) <> coalesce(c.minor, p.minor)) OFFSET 0
    ) l WHERE {unexplained.UNASKED}
"""  # noqa: S608 - constants
_KEEPS_OPEN = f"""
    SELECT ({_UNEXPLAINED}) AS lines_minor,
        (SELECT count(*) FROM differences WHERE verdict = 'unexplained') AS differing, count(*) AS open,
        coalesce(string_agg(DISTINCT code, ', ' ORDER BY code), '') AS codes
    FROM questions WHERE verdict IN ('blocking', 'proposed')
"""  # noqa: S608 - constants
_UNANSWERED = f"WITH {tie_out.TIED_OUT} {_KEEPS_OPEN}"
# A question that stands beside a listed difference is not listed a second time.
_LOOK = f"""
    {_SUMS}, listed AS MATERIALIZED (
        SELECT * FROM differences WHERE {tie_out.LISTED} ORDER BY verdict, code, subject LIMIT :most
    ), carried AS (
        SELECT * FROM questions WHERE mismatch_id NOT IN (SELECT mismatch_id FROM listed WHERE mismatch_id IS NOT NULL)
        ORDER BY verdict, code, subject LIMIT :most
    )
    SELECT {_AS_JSON}, (SELECT to_jsonb(k) FROM ({_KEEPS_OPEN}) k) AS unanswered,
        coalesce((SELECT jsonb_agg(r ORDER BY verdict, code, subject) FROM listed r), '[]') AS listed,
        coalesce((SELECT jsonb_agg(r ORDER BY verdict, code, subject) FROM carried r), '[]') AS carried
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What leaves a day unknown: differences that no reason fits, open questions, and the codes of those."""

    lines_minor: int
    """đồng of lines that nobody can explain."""
    differing: int
    open: int
    codes: str


@dataclass(frozen=True, slots=True)
class Look:
    """An open day as it is now: figures, what is unanswered, the first differences and the first other questions."""

    figures: dict[str, Any]
    unanswered: Unanswered
    differences: Sequence[tie_out.Row]
    questions: Sequence[tie_out.Row]


def values(bank: str, day: date, *, tells: bool) -> dict[str, object]:
    """Return what every query of a day asks for; `tells` says whether this bank calls back at all."""
    return {
        "bank": bank, "day": day, "tells": tells, "since": business_days.end_of(day - timedelta(days=1)),
        "until": business_days.end_of(day),
    }  # fmt: skip


def of_day(session: Session, bank: str, day: date, *, tells: bool) -> dict[str, Any]:
    """Return a day's figures as they are now, in names and whole minor units, ready to be kept as JSON.

    "items" is the digest of every difference and open question behind them.
    """
    return _figures(session, values(bank, day, tells=tells), _TIE_OUT)


def look(session: Session, bank: str, day: date, *, tells: bool, most: int) -> Look:
    """Return an open day from one reading of its tie-out, with at most `most` rows of each kind."""
    found = _figures(session, {**values(bank, day, tells=tells), "most": most}, _LOOK)
    listed, carried = ([tie_out.Row(**row) for row in found.pop(name)] for name in ("listed", "carried"))
    return Look(figures=found, unanswered=Unanswered(**found.pop("unanswered")), differences=listed, questions=carried)


def unanswered(session: Session, bank: str, day: date, *, tells: bool) -> Unanswered:
    """Return what leaves a day unknown."""
    return Unanswered(**session.execute(text(_UNANSWERED), values(bank, day, tells=tells)).mappings().one())


def _figures(session: Session, asked: dict[str, object], tied_out: str) -> dict[str, Any]:
    def rows(query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in session.execute(text(query), asked).mappings()]

    told = rows(tied_out)[0]
    channels = _with_fees(told.pop("channels"), told.pop("fees"))
    return {
        "bank": asked["bank"],
        "period": "day",
        "day": str(asked["day"]),
        **told,
        "channels": channels,
        "statements": rows(_STATEMENTS),
    }


def digest(figures: Mapping[str, Any]) -> str:
    """Return the SHA-256 of figures in one spelling, in hexadecimal."""
    written = json.dumps(figures, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def _with_fees(channels: list[dict[str, Any]], fees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per channel and currency: count, gross, fee, net, reversed and unmatched."""
    found = {(row["channel"], row["currency"]): {**row, "fee": 0} for row in channels}
    for row in fees:
        key = (row["channel"], row["currency"])
        none = {"count": 0, "gross": 0, "reversed": 0, "unmatched": 0, "fee": 0}
        found.setdefault(key, {"channel": key[0], "currency": key[1], **none})["fee"] += row["fee"]
    for row in found.values():
        row["net"] = row["gross"] - row["reversed"] - row["fee"]
    return [found[key] for key in sorted(found)]
