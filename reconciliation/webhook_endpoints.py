"""Webhook endpoints: where other systems hear of what happens here, of which events, and by which keys they know us."""

import base64
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, CheckConstraint, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, Id, Label, one_of
from reconciliation.sealing import Sealer

TYPES = ("payment.matched", "payment.reversed", "day.closed", "day.reopened")
"""What an endpoint may hear of."""
PING = "ping"
"""The event that tries a road: it is sent to one endpoint on a person's word."""
STATES = ["live", "ailing", "disabled"]
OLD_KEY_LIVES = timedelta(hours=24)
"""How long the key before signs as well, once it has been replaced."""
PATIENCE = 10
"""Failures in a row after which an endpoint rests between tries, so that it holds up nobody's events."""
REST = timedelta(minutes=1)
_PURPOSE = "webhook_endpoints.secret"


class NotAdded(ValueError):
    """An endpoint that can't be; says what was expected and what arrived."""


class Endpoint(Base):
    """One address and the events it hears of; `secret` stands sealed, `old_secret` signs as well until `old_until`.

    One that is ailing has had an event that it never took; it gets new ones all the same, and is live with the first
    it takes.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        one_of("state", STATES),
        CheckConstraint("url <> '' AND made_by <> ''", name="named"),
        CheckConstraint("cardinality(events) > 0", name="hears_something"),
        CheckConstraint("(old_secret IS NULL) = (old_until IS NULL)", name="old_secret_ends"),
    )

    id: Mapped[Id]
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[bytes]
    old_secret: Mapped[bytes | None]
    old_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default="live")
    why: Mapped[Label]
    """Why it is ailing or disabled."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Since the last success, in a row."""
    rests_until: Mapped[datetime | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


def add(
    session: Session, url: str, events: Iterable[str], *, sealer: Sealer, by: str, now: datetime
) -> tuple[Endpoint, str]:
    """Add an endpoint and return it with its key, which is told this once; raises NotAdded.

    It hears of what happens from now on.
    """
    wanted = set(events)
    if not wanted or not wanted <= set(TYPES):
        got = ", ".join(sorted(wanted - set(TYPES))) or "none"
        raise NotAdded(f"expected events among {', '.join(TYPES)}, got {got[:80]}")
    key = _new_key()
    made = Endpoint(
        url=url, events=[one for one in TYPES if one in wanted], secret=sealer.seal(key.encode(), _PURPOSE), made_by=by,
        made_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _note(session, made, "added", by=by, now=now, url=url, events=made.events)
    return made, key


def rotate(session: Session, endpoint: Endpoint, *, sealer: Sealer, by: str, now: datetime) -> str:
    """Give an endpoint a new key and return it, which is told this once; the one before signs as well for a day."""
    key = _new_key()
    endpoint.old_secret, endpoint.old_until = endpoint.secret, now + OLD_KEY_LIVES
    endpoint.secret = sealer.seal(key.encode(), _PURPOSE)
    session.flush()
    _note(session, endpoint, "rotated", by=by, now=now)
    return key


def disable(session: Session, endpoint: Endpoint, *, why: str, by: str, now: datetime) -> None:
    """Send an endpoint nothing any more; what waits for it stays."""
    if endpoint.state != "disabled":
        endpoint.state, endpoint.why = "disabled", why
        session.flush()
        _note(session, endpoint, "disabled", by=by, now=now, why=why)


def enable(session: Session, endpoint: Endpoint, *, by: str, now: datetime) -> None:
    """Send an endpoint what waits for it, and what happens from now on."""
    if endpoint.state == "disabled":
        endpoint.state, endpoint.why, endpoint.failures, endpoint.rests_until = "live", "", 0, None
        session.flush()
        _note(session, endpoint, "enabled", by=by, now=now)


def keys(endpoint: Endpoint, sealer: Sealer, *, now: datetime) -> list[str]:
    """Return the keys that sign for an endpoint at `now`, newest first."""
    sealed = [endpoint.secret]
    if endpoint.old_secret is not None and endpoint.old_until is not None and now < endpoint.old_until:
        sealed.append(endpoint.old_secret)
    return [sealer.open(one, _PURPOSE).decode() for one in sealed]


def every(session: Session) -> Sequence[Endpoint]:
    """Return every endpoint there is or was, the newest first."""
    return session.scalars(select(Endpoint).order_by(Endpoint.id.desc())).all()


def locked(session: Session, endpoint_id: int) -> Endpoint | None:
    """Return an endpoint to be changed until the transaction ends."""
    return session.get(Endpoint, endpoint_id, with_for_update=True, populate_existing=True)


def _new_key() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _note(session: Session, endpoint: Endpoint, what: str, *, by: str, now: datetime, **facts: object) -> None:
    subject = f"webhook_endpoint:{endpoint.id}"
    audit.append(session, actor=by, action=f"webhook_endpoint.{what}", subject=subject, facts=facts, now=now)
