"""Staff: people who may sign in, their role and language, and their sessions."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, one_of
from reconciliation.roles import ROLES


class Staff(Base):
    """One person; the password stands as an argon2id hash."""

    __tablename__ = "staff"
    __table_args__ = (
        UniqueConstraint("username"),
        one_of("role", list(ROLES)),
        one_of("language", ["vi", "en"]),
        CheckConstraint("(totp_sealed IS NULL) = (totp_since IS NULL)", name="totp"),
    )

    id: Mapped[Id]
    username: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    office: Mapped[Label]
    """The power office whose customers are all they see; empty for whoever sees every office."""
    language: Mapped[str] = mapped_column(server_default="vi")
    password_hash: Mapped[str]
    must_change_password: Mapped[bool] = mapped_column(server_default="false")
    """Whether the password is one that somebody else has seen: it opens nothing but the page to change it."""
    password_until: Mapped[datetime | None]
    """When such a password opens nothing any more; None for one of the person's own."""
    totp_sealed: Mapped[bytes | None]
    totp_since: Mapped[datetime | None]
    totp_step: Mapped[int] = mapped_column(server_default="0")
    """The half-minute since 1970 whose code was used last: no code up to it opens again."""
    active: Mapped[bool] = mapped_column(server_default="true")
    failed_attempts: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


class WebSession(Base):
    """A browser's session, found by the hash of its cookie: a stolen dump holds no usable cookie."""

    __tablename__ = "web_sessions"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "expires_at"), Index(None, "staff_id"))

    id: Mapped[Id]
    token_hash: Mapped[bytes]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    facts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    address: Mapped[Label]
    agent: Mapped[Label]
    """From where and with what somebody signed in; empty before they did."""
    expires_at: Mapped[datetime]
