"""Sightings: since when each secret's key is known, by its fingerprint alone; a key is never kept here."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base


class SecretSighting(Base):
    """One key of the secret `name`, and when a process of ours first held it."""

    __tablename__ = "secret_sightings"

    name: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    """Eight hex digits, which tell keys apart and open nothing."""
    first_seen_at: Mapped[datetime]


def note(session: Session, live: Mapping[str, Iterable[str]], *, now: datetime) -> int:
    """Note the fingerprints of the keys that are `live` by secret; return how many were never seen before."""
    rows = [
        {"name": name, "fingerprint": one, "first_seen_at": now}
        for name, found in sorted(live.items())
        for one in sorted(set(found))
    ]
    if not rows:
        return 0
    adding = insert(SecretSighting).values(rows).on_conflict_do_nothing().returning(SecretSighting.name)
    return len(session.scalars(adding).all())


def of_secrets(session: Session, names: Iterable[str]) -> dict[str, list[SecretSighting]]:
    """Return what was ever seen of the secrets `names`, each the newest first; nothing of one that was never seen."""
    rows = session.scalars(
        select(SecretSighting)
        .where(SecretSighting.name.in_(list(names)))
        .order_by(SecretSighting.name, SecretSighting.first_seen_at.desc(), SecretSighting.fingerprint)
    )
    found: dict[str, list[SecretSighting]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found
