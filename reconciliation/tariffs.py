"""Tariffs: what a bank may charge by its contract, per item, by percentage or in tiers, with VAT, from a day on.

All in whole đồng. A percentage is in hundredths of a percent (basis points) and rounds half up to the đồng, and so does
the VAT on each fee. The database computes it, so that a page, a statement and a report can't differ.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, Id, Label, Minor, one_of


class NotDeclared(ValueError):
    """A tariff that can't be; says what was expected and what arrived."""


class Tariff(Base):
    """What a bank charges for one payment of a channel ("" is every channel without a tariff of its own).

    The fee is `flat_minor` and `basis_points` of the amount, or those of the highest tier that the amount (or the
    number of the payment within its month) is over; never less than `least_minor`, nor more than `most_minor`.
    """

    __tablename__ = "tariffs"
    __table_args__ = (
        Index("uq_tariffs_from", "bank", "channel", "valid_from", unique=True),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="begins_before_it_ends"),
        CheckConstraint(
            "flat_minor >= 0 AND basis_points BETWEEN 0 AND 10000 AND least_minor >= 0"
            " AND coalesce(most_minor, least_minor) >= least_minor AND vat_basis_points BETWEEN 0 AND 10000",
            name="within_reason",
        ),
        # How many payments a month will have is not known yet when the first of them is netted.
        CheckConstraint("charged = 'apart' OR tiers_by <> 'count'", name="netted_alone"),
        one_of("charged", ["netted", "apart"]),
        one_of("tiers_by", ["", "amount", "count"]),
        one_of("period", ["day", "day_before", "month", "month_before"]),
    )

    id: Mapped[Id]
    bank: Mapped[str]
    channel: Mapped[Label]
    charged: Mapped[str]
    """"netted": a line brings the payment less its fee; "apart": a line of its own takes the fees of a period."""
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    flat_minor: Mapped[Minor] = mapped_column(server_default="0")
    basis_points: Mapped[int] = mapped_column(server_default="0")
    least_minor: Mapped[Minor] = mapped_column(server_default="0")
    most_minor: Mapped[int | None]
    vat_basis_points: Mapped[int] = mapped_column(server_default="0")
    tiers_by: Mapped[Label]
    tiers: Mapped[list[dict[str, int]]] = mapped_column(JSONB, server_default="[]")
    """{"over": amount or number, "flat": đồng, "basis_points": …}, lowest first."""
    words: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """What the bank writes on a line that takes fees apart, any of them, in capitals or not."""
    period: Mapped[str] = mapped_column(server_default="day")
    """Which payments such a line is for: of its own day or month, or of the one before."""
    declared_by: Mapped[str]
    declared_at: Mapped[datetime]


OF_PAYMENT = """
    JOIN LATERAL (
        SELECT r.*, r AS tariff FROM tariffs r WHERE r.bank = p.source AND r.channel IN ('', p.channel)
            AND p.business_date BETWEEN r.valid_from AND coalesce(r.valid_to, 'infinity')
        ORDER BY r.channel DESC LIMIT 1
    ) t ON p.currency = 'VND'
"""
"""Joins payments `p` with the tariff `t` that holds for each."""
FEE = "tariff_fee(t.tariff, p.minor, 1)"
"""The fee of a payment `p` by a tariff `t` without tiers by count, before VAT; `VAT` is what goes on top."""
VAT = f"tariff_vat(t.tariff, {FEE})"

_KINDS: Mapping[str, type] = {
    "bank": str, "channel": str, "charged": str, "valid_from": date, "valid_to": date, "flat": int, "basis_points": int,
    "least": int, "most": int, "vat_basis_points": int, "tiers_by": str, "tiers": list, "words": list, "period": str,
}  # fmt: skip
_NAMES = {"flat": "flat_minor", "least": "least_minor", "most": "most_minor"}
_CHOICES = {
    "charged": ("netted", "apart"),
    "tiers_by": ("", "amount", "count"),
    "period": ("day", "day_before", "month", "month_before"),
}
_TIER = {"over", "flat", "basis_points"}


def read(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Check one declared tariff (a table of a TOML file) and return its columns; raises NotDeclared."""
    unknown = sorted(entry.keys() - _KINDS.keys())
    if unknown:
        raise NotDeclared(f"expected {', '.join(_KINDS)}, got {', '.join(unknown)}")
    for name in ("bank", "charged", "valid_from"):
        if name not in entry:
            raise NotDeclared(f"expected {name}, got none")
    for name, value in entry.items():
        if type(value) is not _KINDS[name]:
            raise NotDeclared(f"{name}: expected {_KINDS[name].__name__}, got {type(value).__name__}")
        if type(value) is int and value < 0:
            raise NotDeclared(f"{name}: expected a whole number from 0, got {value}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise NotDeclared(f"{name}: expected one of {', '.join(filter(None, _CHOICES[name]))}, got {value!r}")
    _check(entry)
    tiers = entry.get("tiers", [])
    ordered = sorted(tiers, key=lambda tier: int(tier["over"]))
    return {_NAMES.get(name, name): value for name, value in {**entry, "tiers": ordered}.items()}


def _check(entry: Mapping[str, Any]) -> None:
    """Hold the parts of a tariff against each other."""
    tiers = entry.get("tiers", [])
    for tier in tiers:
        if not isinstance(tier, dict) or "over" not in tier or tier.keys() - _TIER or not all(
            type(one) is int and one >= 0 for one in tier.values()
        ):  # fmt: skip
            raise NotDeclared(f"tiers: expected over, flat and basis_points as whole numbers from 0, got {tier!r}")
    if bool(tiers) != bool(entry.get("tiers_by")):
        raise NotDeclared("expected tiers and tiers_by, or neither, got one of them")
    if entry.get("tiers_by") == "count" and entry["charged"] == "netted":
        raise NotDeclared("expected tiers by amount where fees are netted, got tiers by count")
    if entry["charged"] == "apart" and not entry.get("words"):
        raise NotDeclared("expected words by which a line that takes fees is known, got none")
    if not all(isinstance(word, str) and word.strip() for word in entry.get("words", [])):
        raise NotDeclared("words: expected texts, got something else or an empty one")


def declare(session: Session, entries: Sequence[Mapping[str, Any]], *, by: str, now: datetime) -> list[Tariff]:
    """Take in tariffs, the owner of the tables alone may; one that follows another ends it the day before.

    Raises NotDeclared, having changed nothing that commits, when one begins no later than the one it would follow.
    """
    made = []
    for columns in [read(entry) for entry in entries]:
        tariff = Tariff(**columns, declared_by=by, declared_at=now)
        before = session.execute(
            text(
                "SELECT id, valid_from FROM tariffs WHERE bank = :bank AND channel = :channel"
                " AND coalesce(valid_to, 'infinity') >= :day ORDER BY valid_from DESC"
            ),
            {"bank": tariff.bank, "channel": tariff.channel or "", "day": tariff.valid_from},
        ).all()
        if before and before[0].valid_from >= tariff.valid_from:
            raise NotDeclared(
                f"{tariff.bank}: expected a tariff that begins after {before[0].valid_from}, got {tariff.valid_from}"
            )
        if before:
            session.get_one(Tariff, before[0].id).valid_to = tariff.valid_from - timedelta(days=1)
        session.add(tariff)
        session.flush()
        facts = {name: str(value) for name, value in columns.items()}
        audit.append(session, actor=by, action="tariff_declared", subject=f"tariff:{tariff.id}", facts=facts, now=now)
        made.append(tariff)
    return made
