"""Lump sums: lines that settle many payments at once, and what each brings of which payment."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Row, SmallInteger, Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, business_days
from reconciliation.db import Base, Id, Label, Minor


class Agreement(Base):
    """How a source settles: to which bank, in which words, which payments make a day, and how long after it.

    It counts for the payments of the days from `since` on, until the source's next version does or one that `ends` it.
    """

    __tablename__ = "lump_agreements"
    __table_args__ = (
        Index("uq_lump_agreements_source", "source", "since", unique=True),
        Index(None, "bank"),
        CheckConstraint(
            "cardinality(words) > 0 AND after_days >= 0 AND within_days BETWEEN after_days AND 31",
            name="within_reason",
        ),
    )

    id: Mapped[Id]
    source: Mapped[str]
    bank: Mapped[str]
    words: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """What the narrative of such a line holds, any of them, in capitals or not."""
    cut_off: Mapped[time | None]
    """Payments made from this local time on belong to the next day; without one, days end at midnight."""
    after_days: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    within_days: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    """A line settles a day that lies at least and at most so many days before it."""
    since: Mapped[date] = mapped_column(server_default="2000-01-01")
    ends: Mapped[bool] = mapped_column(server_default="false")
    declared_by: Mapped[str]
    declared_at: Mapped[datetime]


class LumpSum(Base):
    """A line that settles a day of a source; `day` is the one it was found to be, None while nobody knows."""

    __tablename__ = "lump_sums"
    __table_args__ = (
        Index("uq_lump_sums_line", "line_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index(None, "source", "booked_on"),
    )

    id: Mapped[Id]
    agreement_id: Mapped[int] = mapped_column(ForeignKey("lump_agreements.id"))
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    source: Mapped[str]
    minor: Mapped[Minor]
    booked_on: Mapped[date]
    day: Mapped[date | None]
    pinned: Mapped[bool] = mapped_column(server_default="false")
    """A person said what it settles: it is weighed no more."""
    times: Mapped[int] = mapped_column(server_default="0")
    """How often it was taken apart: tells the entries of one time from another's."""
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_why: Mapped[Label]


class LinePart(Base):
    """What a line brings of one payment: `minor` arrived, and with fee and VAT it is the payment."""

    __tablename__ = "line_parts"
    __table_args__ = (
        Index("uq_line_parts_payment", "payment_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index(None, "lump_id"),
        CheckConstraint("fee_minor >= 0 AND vat_minor >= 0 AND minor + fee_minor + vat_minor > 0", name="positive"),
    )

    id: Mapped[Id]
    lump_id: Mapped[int] = mapped_column(ForeignKey("lump_sums.id"))
    time: Mapped[int]
    """Of which time that the lump was taken apart it is, as the entries of that time are."""
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    minor: Mapped[Minor]
    fee_minor: Mapped[Minor]
    vat_minor: Mapped[Minor]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


_PAID_ON = r"coalesce((p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')\:\:date, p.business_date)"
TERM = f"a.source = p.source AND {_PAID_ON} >= a.since AND {_PAID_ON} < a.until"
"""Whether `a`, a version of lump_terms from `since` to the day before `until`, counts for payment `p`."""

DAY = rf"""(
    {_PAID_ON} + CASE WHEN (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')\:\:time >= a.cut_off THEN 1 ELSE 0 END)
"""
"""The day a payment `p` is settled with, by the cut-off of its version `a`."""

REACHES = """EXISTS (
    SELECT 1 FROM lump_terms t WHERE t.source = {lump}.source AND {day} >= t.since AND {day} < t.until
        AND {lump}.booked_on - {day} BETWEEN t.after_days AND t.within_days)
"""
"""Whether a lump may be of a day, by the version that counts for it."""

BEARS = """EXISTS (
    SELECT 1 FROM unnest({version}.words) AS word WHERE position(lower(word) IN lower({line}.narrative)) > 0)
"""
IN_FORCE = "{day} >= {version}.since AND {day} - {version}.within_days < {version}.until"
"""Whether lines booked on a day are known by a version's words: until its last day may be settled no more."""

DENIED = """coalesce((
    SELECT c.kind FROM lump_choices c WHERE c.lump_id = {lump} AND c.day = {day} AND c.state = 'applied'
    ORDER BY c.id DESC LIMIT 1), '') = 'not_day'
"""
"""Whether the last word of people on a lump and a day is that it is not that day's."""

RELEASED = """coalesce((
    SELECT c.kind FROM lump_choices c
    WHERE c.lump_id = {lump}.id AND c.kind IN ('no_settlement', 'settlement_again') AND c.state = 'applied'
    ORDER BY c.id DESC LIMIT 1), '') = 'no_settlement'
"""
"""Whether the last word of people on a line is that it is no settlement."""

APART = {
    "lump sums that are not their parts": """SELECT count(*) FROM lump_sums s
        LEFT JOIN (SELECT lump_id, sum(minor) AS minor FROM line_parts WHERE undone_at IS NULL GROUP BY 1) p
            ON p.lump_id = s.id
        WHERE coalesce(p.minor, 0) <> CASE WHEN s.day IS NULL OR s.undone_at IS NOT NULL THEN 0 ELSE s.minor END""",
    "parts that are not their payments": """SELECT count(*) FROM line_parts a JOIN payments p ON p.id = a.payment_id
        WHERE a.undone_at IS NULL AND a.minor + a.fee_minor + a.vat_minor <> p.minor""",
    "parts of another settlement": """SELECT count(*) FROM line_parts a JOIN lump_sums s ON s.id = a.lump_id
        JOIN payments p ON p.id = a.payment_id
        WHERE a.undone_at IS NULL AND (a.line_id <> s.line_id OR p.source <> s.source OR p.currency <> 'VND')""",
    "lump sums that are not their lines": """SELECT count(*) FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id
        JOIN statements t ON t.id = l.statement_id WHERE s.undone_at IS NULL
        AND (l.minor <> s.minor OR l.payment_id IS NOT NULL OR NOT l.counts OR t.state <> 'accepted')""",
    "lump sums that nobody is asked about": """SELECT count(*) FROM lump_sums s
        WHERE s.undone_at IS NULL AND s.day IS NULL AND NOT EXISTS (SELECT 1 FROM mismatches m
            WHERE m.code = 'M11' AND m.subject = 'line:' || s.line_id AND m.state <> 'resolved')""",
    "lump sums of a day out of reach": f"""SELECT count(*) FROM lump_sums s
        WHERE s.undone_at IS NULL AND NOT s.pinned AND s.day IS NOT NULL
          AND NOT {REACHES.format(lump="s", day="s.day")}""",  # noqa: S608 - put together from constants
    "parts of another day": f"""SELECT count(*) FROM line_parts b JOIN lump_sums s ON s.id = b.lump_id AND NOT s.pinned
        JOIN payments p ON p.id = b.payment_id LEFT JOIN lump_terms a ON {TERM}
        WHERE b.undone_at IS NULL AND (a.id IS NULL OR s.day <> {DAY})""",  # noqa: S608 - put together from constants
    "lump sums pinned by nobody's word": """SELECT count(*) FROM lump_sums s WHERE s.pinned AND NOT EXISTS (
        SELECT 1 FROM lump_choices c WHERE c.lump_id = s.id AND c.state = 'applied' AND c.kind = 'settles'
            AND c.payments = ARRAY(SELECT a.payment_id FROM line_parts a
                WHERE a.lump_id = s.id AND a.undone_at IS NULL ORDER BY 1))""",
    "lump sums that people called none": f"""SELECT count(*) FROM lump_sums s
        WHERE s.undone_at IS NULL AND {RELEASED.format(lump="s")}""",  # noqa: S608 - put together from constants
    "lump sums of a day that a person denied": f"""SELECT count(*) FROM lump_sums s
        WHERE s.undone_at IS NULL AND NOT s.pinned AND s.day IS NOT NULL
          AND {DENIED.format(lump="s.id", day="s.day")}""",  # noqa: S608 - put together from constants
}
"""What `doisoat verify` counts, and must find nothing of."""

LENT = """
    EXISTS (SELECT 1 FROM line_parts a JOIN lump_sums s ON s.id = a.lump_id
            WHERE a.payment_id = payments.id AND a.undone_at IS NULL AND NOT s.pinned)
"""
"""A payment that only what was weighed gives to a settlement: a line of its own still takes it."""
IS_ANY_LENT = "SELECT EXISTS (SELECT 1 FROM lump_sums WHERE source = :bank AND day IS NOT NULL)"

OF_PAYMENT = """coalesce((SELECT sum(a.minor + a.fee_minor + a.vat_minor) FROM line_parts a
    WHERE a.payment_id = p.id AND a.undone_at IS NULL), 0)"""
"""What settlements have shown of a payment `p`."""
BALANCES = r"""
    UNION ALL SELECT 'expense:bank-fees', 'VND', sum(fee_minor) FROM line_parts WHERE undone_at IS NULL
    UNION ALL SELECT 'input-vat', 'VND', sum(vat_minor) FROM line_parts WHERE undone_at IS NULL
    UNION ALL SELECT 'settled\:' || source, 'VND', -sum(minor) FROM lump_sums
        WHERE undone_at IS NULL AND day IS NULL GROUP BY 1
"""
"""What settlements must have left in the ledger."""
_KINDS: Mapping[str, type] = {
    "source": str, "bank": str, "words": list, "cut_off": time, "after_days": int, "within_days": int,
    "since": date,
}  # fmt: skip


_BEFORE = rf"""
    SELECT s.id, s.bank, s.statement_id, count(*) AS lines, sum(l.minor)\:\:bigint AS minor
    FROM lump_terms a JOIN statements s ON s.bank = a.bank AND s.state = 'accepted' AND s.kind = 'statement'
    JOIN statement_lines l ON l.statement_id = s.id AND l.counts AND l.minor > 0 AND NOT l.reversal
        AND l.currency = 'VND' AND l.payment_id IN (SELECT id FROM payments WHERE source_reference = 'line:' || l.id)
        AND {BEARS.format(version="a", line="l")}
    WHERE a.source = ANY(:sources) AND coalesce(l.booked_on, s.closing_on, s.to_on) >= :since
      AND {IN_FORCE.format(version="a", day="coalesce(l.booked_on, s.closing_on, s.to_on)")}
    GROUP BY s.id ORDER BY s.id
"""  # noqa: S608 - put together from constants
# Of words that hold each other, a line that bears the longer ones bears both: whose it is, nobody could tell.
_ALIKE = """
    SELECT a.source, theirs, ours
    FROM lump_terms a, unnest(a.words) AS theirs, unnest(CAST(:words AS text[])) AS ours
    WHERE a.bank = :bank AND a.source <> :source AND a.until + a.within_days > :since
      AND (position(lower(ours) IN lower(theirs)) > 0 OR position(lower(theirs) IN lower(ours)) > 0)
    ORDER BY a.id, theirs, ours
"""


_LAST_LINE = "SELECT max(booked_on) FROM lump_sums WHERE source = :source AND undone_at IS NULL"


class NotAgreed(ValueError):
    """An agreement that can't be; says what was expected and what arrived."""


def read_before(session: Session, sources: Sequence[str], *, since: date) -> Sequence[Row[Any]]:
    """Return the statements that came before what these sources agreed: id, bank, statement_id, lines and minor.

    Their lines bear the words agreed and stand as payments of their own; read anew, they are settlements.
    """
    return session.execute(text(_BEFORE), {"sources": list(sources), "since": since}).all()


def declare(session: Session, entries: Sequence[Mapping[str, Any]], *, by: str, now: datetime) -> int:
    """Take in how sources settle (tables of a TOML file), the owner of the tables alone may; return how many.

    Raises NotAgreed. A source that has an agreement gets its next version, for days that are still to come: what was
    settled by the one before stays, and so does what will be of its days.
    """
    for entry in entries:
        wrong = [name for name, value in entry.items() if type(value) is not _KINDS.get(name)]
        if wrong or not {"source", "bank", "words"} <= entry.keys():
            said = ", ".join(f"{name} ({kind.__name__})" for name, kind in _KINDS.items())
            raise NotAgreed(f"expected source, bank and words of {said}, got {', '.join(wrong or entry)}")
        words = entry["words"]
        if not words or not all(isinstance(word, str) and word.strip() for word in words):
            raise NotAgreed("words: expected texts that the line of a settlement holds, got none or an empty one")
        least, most = entry.get("after_days", 1), entry.get("within_days", 3)
        if not 0 <= least <= most <= 31:
            raise NotAgreed(f"expected after_days from 0, no more than within_days, at most 31, got {least} and {most}")
        if (before := _newest(session, entry["source"])) is not None:
            if "since" not in entry:
                raise NotAgreed(
                    f"expected a source without an agreement, or since which day this one counts, got {entry['source']}"
                )
            _hold_new(session, before, entry["since"], now=now)
        known = {"bank": entry["bank"], "words": words, "source": entry["source"]}
        if alike := session.execute(text(_ALIKE), {**known, "since": entry.get("since", date.min)}).first():
            raise NotAgreed(
                f"{entry['source']}: expected words that no line of {alike.source} at {entry['bank']} is known by"
                f" ({alike.theirs!r}), got {alike.ours!r}"
            )
        facts = {name: str(value) for name, value in entry.items()}
        _add(session, Agreement(**entry, declared_by=by, declared_at=now), "agreement_declared", facts, now=now)
    return len(entries)


def end(session: Session, source: str, since: date, *, why: str, by: str, now: datetime) -> None:
    """Let the payments of a source's days from `since` on be settled one by one; the owner of the tables alone may.

    Raises NotAgreed for a source without an agreement, or a day that is not to come.
    """
    before = _newest(session, source)
    if before is None or before.ends:
        raise NotAgreed(f"expected a source with an agreement, got {source}")
    if not why.strip():
        raise NotAgreed("expected a reason, got none")
    _hold_new(session, before, since, now=now)
    made = Agreement(
        source=source, bank=before.bank, words=before.words, cut_off=before.cut_off, after_days=before.after_days,
        within_days=before.within_days, since=since, ends=True, declared_by=by, declared_at=now,
    )  # fmt: skip
    _add(session, made, "agreement_ended", {"source": source, "since": since.isoformat(), "why": why}, now=now)


def _newest(session: Session, source: str) -> Agreement | None:
    versions = select(Agreement).where(Agreement.source == source).order_by(Agreement.since.desc()).limit(1)
    return session.scalars(versions).one_or_none()


def _hold_new(session: Session, before: Agreement, since: date, *, now: datetime) -> None:
    """Refuse a version that would change what came already: it counts from a day to come, after any line's."""
    last = session.scalar(text(_LAST_LINE), {"source": before.source})
    latest = max(before.since, business_days.local_day(now), *([last] if last else []))
    if since <= latest:
        raise NotAgreed(f"{before.source}: expected a day after {latest}, from which it counts, got {since}")


def _add(session: Session, made: Agreement, action: str, facts: Mapping[str, str], *, now: datetime) -> None:
    session.add(made)
    session.flush()
    about = f"agreement:{made.id}"
    audit.append(session, actor=made.declared_by, action=action, subject=about, facts=facts, now=now)
