"""The staff desk: people are taken on, and prove who they are with a name and a password (argon2id).

Whoever fails learns nothing: an unknown name, a wrong password and a locked desk take the same time and get the same
answer. Five wrong tries lock a name for a minute, every further one for twice as long, an hour at most.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation import audit
from reconciliation.staff import ROLES, Staff

MAX_TRIES = 5
FIRST_LOCK = timedelta(minutes=1)
LONGEST_LOCK = timedelta(hours=1)
MIN_PASSWORD, MAX_PASSWORD = 12, 256
"""Length is what protects; the upper bound keeps a hostile request from buying hashing time."""
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)


class StaffRefused(ValueError):
    """A person can't be taken on like this; says what was expected and what arrived."""


@dataclass(frozen=True, slots=True)
class SandboxPerson:
    """Someone who may sign in to a sandbox, whose password stands on the sign-in page."""

    username: str
    name: str
    role: str


SANDBOX_PASSWORD = "sandbox-doi-soat"  # noqa: S105 - shown on the sandbox's own sign-in page
SANDBOX_STAFF = (
    SandboxPerson("ketoan", "Nguyễn Thị Thu Hà", "accountant"),
    SandboxPerson("ketoantruong", "Trần Quốc Bình", "chief_accountant"),
    SandboxPerson("nganhang", "Lê Minh Châu", "liaison"),
    SandboxPerson("kiemtoan", "Phạm Đức Long", "auditor"),
    SandboxPerson("cskh", "Vũ Ngọc Mai", "care"),
    SandboxPerson("quantri", "Đỗ Thanh Sơn", "administrator"),
)


def create_person(
    session: Session,
    *,
    username: str,
    name: str,
    role: str,
    password: str,
    by: str,
    now: datetime,
    language: str = "vi",
    office: str = "",
) -> Staff:
    """Take on a person; raises StaffRefused for a bad name, role or password. The caller commits."""
    if not _USERNAME.fullmatch(username):
        raise StaffRefused(f"expected a user name of 2 to 32 small letters, digits and ._-, got {username[:40]!r}")
    if role not in ROLES:
        raise StaffRefused(f"expected a role of {', '.join(ROLES)}, got {role[:40]!r}")
    if not name.strip():
        raise StaffRefused("expected the person's name, got none")
    _check_length(password)
    if session.scalar(select(Staff.id).where(Staff.username == username)) is not None:
        raise StaffRefused(f"expected a new user name, got {username!r}, which someone has")
    person = Staff(
        username=username, name=name.strip(), role=role, office=office, language=language,
        password_hash=hasher().hash(password), created_at=now,
    )  # fmt: skip
    session.add(person)
    session.flush()
    facts = {"username": username, "role": role}
    audit.append(session, actor=by, action="staff_created", subject=f"staff:{person.id}", facts=facts, now=now)
    return person


def set_password(session: Session, person: Staff, password: str, *, by: str, now: datetime) -> None:
    """Give a person a new password and a clean slate of tries. The caller commits."""
    _check_length(password)
    person.password_hash = hasher().hash(password)
    person.failed_attempts, person.locked_until = 0, None
    audit.append(session, actor=by, action="password_set", subject=f"staff:{person.id}", facts={}, now=now)


def sign_in(session: Session, *, username: str, password: str, remote: str, now: datetime) -> Staff | None:
    """Return the person these credentials prove, or None; both are written to the audit. The caller commits."""
    person = session.scalar(select(Staff).where(Staff.username == username.strip().lower()).with_for_update())
    known = person is not None and person.active
    # One hash is checked whatever we know already: how long we take must not tell a name from no name.
    proven = _verify(person.password_hash if person is not None and known else _nobody(), password)
    if person is None:
        # What was typed as a name may be a password in the wrong field: it is not kept.
        _note(
            session,
            "visitor",
            "sign_in_refused",
            subject="staff:unknown",
            facts={"from": remote, "why": "unknown name"},
            now=now,
        )
        return None
    subject = f"staff:{person.id}"
    if person.locked_until is not None and now < person.locked_until:
        _note(
            session,
            person.username,
            "sign_in_refused",
            subject=subject,
            facts={"from": remote, "why": "locked"},
            now=now,
        )
        return None
    if not known or not proven:
        why = "wrong password" if known else "no longer active"
        _count_failure(person, now)
        facts = {"from": remote, "why": why, "tries": person.failed_attempts}
        _note(session, person.username, "sign_in_refused", subject=subject, facts=facts, now=now)
        return None
    if hasher().check_needs_rehash(person.password_hash):
        person.password_hash = hasher().hash(password)
    person.failed_attempts, person.locked_until, person.last_sign_in_at = 0, None, now
    _note(session, person.username, "sign_in", subject=subject, facts={"from": remote}, now=now)
    return person


def sign_out(session: Session, person_id: int, username: str, *, remote: str, now: datetime) -> None:
    """Write to the audit that a person left. The caller commits."""
    _note(session, username, "sign_out", subject=f"staff:{person_id}", facts={"from": remote}, now=now)


@lru_cache(maxsize=1)
def hasher() -> PasswordHasher:
    """Return the one hasher: argon2id with the library's recommended costs (RFC 9106, low-memory profile)."""
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    return hasher().hash("nobody has this password")


def _verify(password_hash: str, password: str) -> bool:
    try:
        hasher().verify(password_hash, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return len(password) <= MAX_PASSWORD


def _count_failure(person: Staff, now: datetime) -> None:
    person.failed_attempts += 1
    beyond = person.failed_attempts - MAX_TRIES
    if beyond >= 0:
        person.locked_until = now + min(FIRST_LOCK * 2 ** min(beyond, 10), LONGEST_LOCK)


def _check_length(password: str) -> None:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise StaffRefused(f"expected a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters, got {len(password)}")


def _note(session: Session, actor: str, action: str, *, subject: str, facts: dict[str, object], now: datetime) -> None:
    session.flush()
    audit.append(session, actor=actor, action=action, subject=subject, facts=facts, now=now)
