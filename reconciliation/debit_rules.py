"""Debit rules: how long before a debit the customer is told, when it is tried again, and what is held for a person.

The owner of the tables alone writes them, because the database's own guards go by them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base

HOLD, PRINTED = "hold", "printed"


class RuleRefused(ValueError):
    """A rule that can't be; says what was expected and what arrived."""


class DebitRule(Base):
    """One rule by its name; its value is written as people write it."""

    __tablename__ = "debit_rules"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds now; `paydays` are days of the month, of which one behind a month's end is its last day.

    `notice_hours` lie between the carrier's word on the notice and the debit. A bill is abnormal above
    `abnormal_times` of its customer's average usage. After too small a balance a debit is tried again up to `retries`
    times within `retry_days` of the first one. A bank has `answer_hours` for a word on what it got.
    """

    notice_hours: int
    abnormal_times: int
    retries: int
    retry_days: int
    paydays: tuple[int, ...]
    answer_hours: int
    unreachable: str

    @property
    def lead(self) -> timedelta:
        """How long before a debit its notice must have been accepted."""
        return timedelta(hours=self.notice_hours)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if value.isascii() and value.isdigit() and low <= int(value) <= high:
            return int(value)
        raise ValueError(f"a whole number from {low} to {high}")

    return read


def _days(value: str) -> tuple[int, ...]:
    days = value.split()
    if days and all(day.isascii() and day.isdigit() and 1 <= int(day) <= 31 for day in days):
        return tuple(sorted({int(day) for day in days}))
    raise ValueError("days of the month, 1 to 31, with spaces between")


def _policy(value: str) -> str:
    if value in (HOLD, PRINTED):
        return value
    raise ValueError(f"{HOLD} or {PRINTED}")


KINDS: Mapping[str, Callable[[str], object]] = {
    "notice_hours": _whole(1, 720),
    "abnormal_times": _whole(2, 100),
    "retries": _whole(0, 10),
    "retry_days": _whole(1, 60),
    "paydays": _days,
    "answer_hours": _whole(1, 240),
    "unreachable": _policy,
}


def rules(session: Session) -> Rules:
    """Return what holds now."""
    rows = session.execute(text("SELECT name, value FROM debit_rules")).all()
    return Rules(**{row.name: KINDS[row.name](row.value) for row in rows})  # type: ignore[arg-type] # each of its kind


def choose(session: Session, name: str, value: str, *, by: str, now: datetime) -> None:
    """Let a rule hold from now on; raises RuleRefused. Only the owner of the tables can."""
    if name not in KINDS:
        raise RuleRefused(f"expected one of {', '.join(sorted(KINDS))}, got {name[:40]!r}")
    try:
        KINDS[name](value)
    except ValueError as expected:
        raise RuleRefused(f"{name}: expected {expected}, got {value[:40]!r}") from None
    before = session.scalar(text("SELECT value FROM debit_rules WHERE name = :name"), {"name": name})
    session.merge(DebitRule(name=name, value=value))
    facts = {"rule": name, "before": before, "after": value}
    audit.append(session, actor=by, action="debit_rule_set", subject=name, facts=facts, now=now)
