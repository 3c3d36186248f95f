"""What minutes say of one close: its figures as they were balanced, who signed them when, and the rows behind them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.settings import Settings
from reconciliation.closes import Close, CloseItem
from reconciliation.staff import Staff

FIGURES = "close.json"
"""The name under which a document carries what it says, for programs to read."""


@dataclass(frozen=True, slots=True)
class Contents:
    """One version of a close as its minutes tell it; `said` is what they carry, `people` username → name."""

    close_id: int
    said: Mapping[str, Any]
    utility: str
    bank: str
    people: Mapping[str, str]

    @property
    def name(self) -> str:
        """A file's name without its ending."""
        return f"bien-ban-doi-soat-{self.said['bank']}-{period(self.said)}-v{self.said['version']}"

    @property
    def settled_at(self) -> datetime:
        """When the last of the two signed, or the one who balanced."""
        return datetime.fromisoformat(self.said["signed_at"] or self.said["made_at"])


def period(said: Mapping[str, Any]) -> str:
    """Return the day or month that minutes are of, as addresses write it."""
    return str(said["day"]) if said["period"] == "day" else str(said["day"])[:7]


def of(session: Session, made: Close, settings: Settings) -> Contents:
    """Return what the minutes of a close say that has been balanced."""
    names = [made.maker, made.checker]
    people = {one.username: one.name for one in session.scalars(select(Staff).where(Staff.username.in_(names)))}
    bank = settings.banks.get(made.bank)
    return Contents(made.id, said_of(made), settings.utility, bank.title if bank else made.bank, people)


def said_of(made: Close) -> dict[str, Any]:
    """Return what minutes carry of a close: the same for the same version, however often they are made.

    That a version was reopened later is not told: the document is about what was signed.
    """
    return {
        "bank": made.bank, "period": made.period, "day": made.day.isoformat(), "version": made.version,
        "signed": bool(made.checker), "maker": made.maker, "made_at": _moment(made.made_at), "checker": made.checker,
        "signed_at": _moment(made.signed_at), "figures": made.figures, "digest": made.digest,
    }  # fmt: skip


def written(said: Mapping[str, Any]) -> str:
    """Return what minutes carry in its one spelling."""
    return json.dumps(said, sort_keys=True, ensure_ascii=False, indent=1)


def items(session: Session, close_id: int, *, limit: int | None = None) -> Iterator[CloseItem]:
    """Yield the rows behind a close in their order, differences first, without holding them all."""
    wanted = select(CloseItem).where(CloseItem.close_id == close_id).order_by(CloseItem.id).limit(limit)
    yield from session.scalars(wanted.execution_options(yield_per=1000))


def _moment(value: datetime | None) -> str:
    return value.astimezone(UTC).isoformat() if value else ""
