"""What proves a person beside the password: passkeys and recovery codes, and the log of every try to sign in."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, one_of

PASSWORD, TOTP, PASSKEY, RECOVERY = FACTORS = ("password", "totp", "passkey", "recovery")
OUTCOMES = ("signed_in", "half", "wrong", "expired", "locked", "inactive", "unknown")
"""How a try ends; `half` is a right password that waits for its second factor."""


class Passkey(Base):
    """A key pair on a person's device or in their keyring; we hold the public half."""

    __tablename__ = "passkeys"
    __table_args__ = (UniqueConstraint("credential_id"), Index(None, "staff_id"))

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    credential_id: Mapped[bytes]
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    """How often the device says it has signed; one that falls back was copied."""
    name: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """One code for the day the device is lost; it stands as a keyed hash and opens once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("staff_id", "code_hash"),)

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    code_hash: Mapped[bytes]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignIn(Base):
    """One try to sign in; who is None where the name is nobody's, for it may be a password in the wrong field."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        Index(None, "staff_id", "id"),
        CheckConstraint("(staff_id IS NULL) = (outcome = 'unknown')", name="known"),
        one_of("outcome", list(OUTCOMES)),
        one_of("factor", list(FACTORS)),
    )

    id: Mapped[Id]
    at: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    address: Mapped[Label]
    agent: Mapped[Label]
    outcome: Mapped[str]
    factor: Mapped[str]
