"""API tokens: which of the utility's own systems may ask what, each proven by a random token known by its digest."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, UniqueConstraint, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, Id, Label

PREFIX = "dst_"
"""How every token begins, so that one that leaked into a file or a log is found there."""
SCOPES = (
    "bills:read", "bills:write", "payments:read", "mismatches:read", "mismatches:write", "closes:read",
    "messages:read", "marks", "webhooks",
)  # fmt: skip
"""What a token may be allowed, in the order people are shown."""
LONGEST_NAME = 60
LONGEST_LIFE = timedelta(days=3660)
_TOUCH = timedelta(minutes=1)
"""How old the last noted use may be before a new one is noted: a busy client costs one write a minute."""


class NotMade(ValueError):
    """A token that can't be; says what was expected and what arrived. `reason` is for a page's own words."""

    def __init__(self, reason: str, said: str) -> None:
        self.reason = reason
        super().__init__(said)


class ApiToken(Base):
    """One token: `digest` is the SHA-256 of what its holder presents; a stolen dump holds no usable token."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index("uq_api_tokens_live_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
        CheckConstraint("name <> '' AND made_by <> ''", name="named"),
        CheckConstraint("cardinality(scopes) > 0", name="allows_something"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by = '')", name="revoked_by_somebody"),
    )

    id: Mapped[Id]
    name: Mapped[str]
    digest: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[Label]
    last_used_at: Mapped[datetime | None]

    def is_live(self, now: datetime) -> bool:
        """Tell whether it opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def make(
    session: Session, name: str, scopes: Iterable[str], *, lasts: timedelta | None = None, by: str, now: datetime
) -> tuple[ApiToken, str]:
    """Make a token and return it with what its holder presents, which is told this once; raises NotMade.

    A name is that of one live token; `lasts` None is for ever.
    """
    called, wanted = " ".join(name.split()), set(scopes)
    if not called or len(called) > LONGEST_NAME or not called.isprintable():
        raise NotMade("name", f"expected a name of 1 to {LONGEST_NAME} characters, got {called[:LONGEST_NAME]!r}")
    if not wanted or not wanted <= set(SCOPES):
        got = ", ".join(sorted(wanted - set(SCOPES))) or "none"
        raise NotMade("scopes", f"expected scopes among {', '.join(SCOPES)}, got {got[:80]}")
    if lasts is not None and not timedelta() < lasts <= LONGEST_LIFE:
        raise NotMade("lasts", f"expected 1 to {LONGEST_LIFE.days} days, got {lasts.days}")
    token = PREFIX + secrets.token_urlsafe(32)
    made = ApiToken(
        name=called, digest=digest_of(token), scopes=[one for one in SCOPES if one in wanted], made_by=by, made_at=now,
        expires_at=None if lasts is None else now + lasts,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        raise NotMade("taken", f"expected a name that no live token has, got {called!r}") from None
    facts = {
        "name": called, "scopes": made.scopes, "expires_at": made.expires_at.isoformat() if made.expires_at else None,
    }  # fmt: skip
    audit.append(session, actor=by, action="api_token.made", subject=f"api_token:{made.id}", facts=facts, now=now)
    return made, token


def revoke(session: Session, token_id: int, *, by: str, now: datetime) -> bool:
    """Revoke a token for good; return whether it was not revoked before."""
    found = session.get(ApiToken, token_id, with_for_update=True, populate_existing=True)
    if found is None or found.revoked_at is not None:
        return False
    found.revoked_at, found.revoked_by = now, by
    session.flush()
    facts = {"name": found.name}
    audit.append(session, actor=by, action="api_token.revoked", subject=f"api_token:{found.id}", facts=facts, now=now)
    return True


def find(session: Session, presented: str, *, now: datetime) -> ApiToken | None:
    """Return the live token that `presented` is, and note its use, once a minute at most; the caller commits."""
    found: ApiToken | None = session.scalar(select(ApiToken).where(ApiToken.digest == digest_of(presented)))
    if found is None or not found.is_live(now):
        return None
    if found.last_used_at is None or now - found.last_used_at >= _TOUCH:
        found.last_used_at = now
        session.flush()
    return found


def every(session: Session) -> Sequence[ApiToken]:
    """Return every token there is or was, the newest first."""
    return session.scalars(select(ApiToken).order_by(ApiToken.id.desc())).all()


def live_named(session: Session, name: str) -> ApiToken | None:
    """Return the token of a name that is not revoked."""
    found: ApiToken | None = session.scalar(
        select(ApiToken).where(ApiToken.name == name, ApiToken.revoked_at.is_(None))
    )
    return found


def digest_of(presented: str) -> bytes:
    """Return what the table knows a token by."""
    return hashlib.sha256(presented.encode("utf-8", "backslashreplace")).digest()
