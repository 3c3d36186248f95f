"""The staff desk: people are taken on and let go, change their role or office, and get passwords (argon2id)."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from reconciliation import audit
from reconciliation.customers import Customer
from reconciliation.roles import ADMINISTRATOR, OF_ONE_OFFICE, ROLES
from reconciliation.staff import Staff

MIN_PASSWORD, MAX_PASSWORD = 12, 256
"""Length is what protects; the upper bound keeps a hostile request from buying hashing time."""
MAX_OFFICE = 100
ONE_TIME_LASTS = timedelta(days=7)
"""How long a password that somebody else has seen waits for its owner."""
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)


class StaffRefused(ValueError):
    """A person can't be taken on or changed like this; says what was expected and what arrived.

    `reason` names the kind of obstacle for a page's own words.
    """

    def __init__(self, said: str, reason: str) -> None:
        self.reason = reason
        super().__init__(said)


@dataclass(frozen=True, slots=True)
class SandboxPerson:
    """Someone who may sign in to a sandbox, whose password stands on the sign-in page."""

    username: str
    name: str
    role: str
    office: str = ""


SANDBOX_PASSWORD = "sandbox-doi-soat"  # noqa: S105 - shown on the sandbox's own sign-in page
SANDBOX_STAFF = (
    SandboxPerson("ketoan", "Nguyễn Thị Thu Hà", "accountant"),
    SandboxPerson("ketoantruong", "Trần Quốc Bình", "chief_accountant"),
    SandboxPerson("nganhang", "Lê Minh Châu", "liaison"),
    SandboxPerson("kiemtoan", "Phạm Đức Long", "auditor"),
    SandboxPerson("cskh", "Vũ Ngọc Mai", "care"),
    SandboxPerson("dienluc", "Bùi Quang Vinh", "office_manager", "Điện lực Hồ Sen"),
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
    must_change: bool = False,
) -> Staff:
    """Take on a person; raises StaffRefused for a bad name, role or password. The caller commits."""
    if not _USERNAME.fullmatch(username):
        raise StaffRefused(
            f"expected a user name of 2 to 32 small letters, digits and ._-, got {username[:40]!r}", "username"
        )
    if role not in ROLES:
        raise StaffRefused(f"expected a role of {', '.join(ROLES)}, got {role[:40]!r}", "role")
    if not name.strip():
        raise StaffRefused("expected the person's name, got none", "name")
    _check_has_office(role, office)
    _check_office(session, checked_office(office))
    _check_length(password)
    if session.scalar(select(Staff.id).where(Staff.username == username)) is not None:
        raise StaffRefused(f"expected a new user name, got {username!r}, which someone has", "taken")
    person = Staff(
        username=username, name=name.strip(), role=role, office=checked_office(office), language=language,
        password_hash=hasher().hash(password), created_at=now, must_change_password=must_change,
        password_until=now + ONE_TIME_LASTS if must_change else None,
    )  # fmt: skip
    session.add(person)
    session.flush()
    facts = {"username": username, "role": role} | ({"office": person.office} if person.office else {})
    audit.append(session, actor=by, action="staff_created", subject=f"staff:{person.id}", facts=facts, now=now)
    return person


def set_password(session: Session, person: Staff, password: str, *, by: str, now: datetime) -> None:
    """Give a person a new password and a clean slate of tries. The caller commits."""
    _check_length(password)
    person.password_hash = hasher().hash(password)
    person.failed_attempts, person.locked_until, person.must_change_password = 0, None, False
    person.password_until = None
    audit.append(session, actor=by, action="password_set", subject=f"staff:{person.id}", facts={}, now=now)


def change_person(
    session: Session, person_id: int, *, role: str, office: str, active: bool, by: str, now: datetime
) -> Staff:
    """Give a person another role or office, let them go, or take them back; the caller commits.

    Raises StaffRefused for nobody, for oneself, and for the last administrator who is active.
    """
    # All active administrators are locked in one order, so that two of them can't let each other go at once.
    wanted = select(Staff).where((Staff.role == ADMINISTRATOR) & Staff.active | (Staff.id == person_id))
    found = {one.id: one for one in session.scalars(wanted.order_by(Staff.id).with_for_update()).all()}
    person = found.get(person_id)
    if person is None:
        raise StaffRefused("expected a person who is known, got none", "nobody")
    if role not in ROLES:
        raise StaffRefused(f"expected a role of {', '.join(ROLES)}, got {role[:40]!r}", "role")
    if person.username == by:
        raise StaffRefused("expected somebody else: nobody changes their own role, office or leave", "oneself")
    if active:
        _check_has_office(role, office)
    if checked_office(office) != person.office:
        _check_office(session, checked_office(office))
    others = [
        one for one in found.values()
        if one.id != person_id and one.role == ADMINISTRATOR and one.active and not one.office
    ]  # fmt: skip
    if person.role == ADMINISTRATOR and person.active and not others and not (role == ADMINISTRATOR and active):
        raise StaffRefused("expected another active administrator first, got the last one", "last")
    before = {"role": person.role, "office": person.office, "active": person.active}
    after = {"role": role, "office": checked_office(office), "active": active}
    if before != after:
        person.role, person.office, person.active = role, checked_office(office), active
        facts = {"before": before, "after": after}
        _note(session, by, "staff_changed", subject=f"staff:{person.id}", facts=facts, now=now)
    return person


def one_time_password(session: Session, person: Staff, *, by: str, now: datetime) -> str:
    """Give a person a password that opens only the page to change it; return it, to be handed over once."""
    made = made_password()
    set_password(session, person, made, by=by, now=now)
    person.must_change_password, person.password_until = True, now + ONE_TIME_LASTS
    return made


def made_password() -> str:
    """Return a new password of 80 bits of chance, as people read it to each other."""
    return "-".join(secrets.token_hex(2) for _ in range(5))


def checked_office(office: str) -> str:
    """Return an office's name in one spelling; raise StaffRefused for one of more than 100 signs."""
    name = " ".join(office.split())
    if len(name) > MAX_OFFICE:
        raise StaffRefused(f"expected an office of at most {MAX_OFFICE} characters, got {len(name)}", "office")
    return name


def _check_has_office(role: str, office: str) -> None:
    if role in OF_ONE_OFFICE and not checked_office(office):
        raise StaffRefused(f"expected the office of a person with the role {role}, got none", "no_office")
    if role == ADMINISTRATOR and checked_office(office):
        raise StaffRefused("expected no office of an administrator, who looks after the people of all", "all_offices")


def _check_office(session: Session, office: str) -> None:
    """Raise StaffRefused for an office that no customer is of; while no customer has one, any may be named."""
    if not office or session.scalar(select(exists().where(Customer.office == office))):
        return
    if session.scalar(select(exists().where(Customer.office > ""))):
        raise StaffRefused(f"expected an office that customers are of, got {office!r}", "unknown_office")


def renew_hash(person: Staff, password: str) -> None:
    """Hash a password anew, which was just proven, where the costs have risen since."""
    if hasher().check_needs_rehash(person.password_hash):
        person.password_hash = hasher().hash(password)


@lru_cache(maxsize=1)
def hasher() -> PasswordHasher:
    """Return the one hasher: argon2id with the library's recommended costs (RFC 9106, low-memory profile)."""
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    return hasher().hash("nobody has this password")


def proves(person: Staff | None, password: str) -> bool:
    """Tell whether the password is this person's; one hash is checked for nobody too, so that it takes as long."""
    password_hash = person.password_hash if person is not None and person.active else _nobody()
    try:
        hasher().verify(password_hash, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return len(password) <= MAX_PASSWORD


def _check_length(password: str) -> None:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        said = f"expected a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters, got {len(password)}"
        raise StaffRefused(said, "password")


def _note(
    session: Session, actor: str, action: str, *, subject: str, facts: Mapping[str, object], now: datetime
) -> None:
    session.flush()
    audit.append(session, actor=actor, action=action, subject=subject, facts=facts, now=now)
