"""Second factors of a person: one-time codes of an app (RFC 6238), recovery codes, and which roles must have one."""

import base64
import hmac
import io
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import pyotp
import segno
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from gateway.settings import Settings
from reconciliation import audit
from reconciliation.factors import Passkey, RecoveryCode
from reconciliation.sealing import Sealer
from reconciliation.staff import Staff

SEALED = "staff.totp"
"""What a secret for one-time codes is sealed for."""
STEP = 30
WINDOW = 1
"""Codes of so many half-minutes before and after are taken as well: clocks differ, and people type."""
CODES = 10
FRESH = timedelta(minutes=10)
"""How long after proving oneself factors may be changed."""
MUST_HAVE_ONE = frozenset({"chief_accountant", "administrator"})
"""Roles that must have a second factor where the settings name none; in a sandbox nobody must."""
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_LENGTH = 12


def roles_that_must(settings: Settings) -> frozenset[str]:
    """Return the roles that can do nothing before they have set up a second factor."""
    if settings.second_factor_roles is not None:
        return settings.second_factor_roles
    return frozenset() if settings.sandbox else MUST_HAVE_ONE


def has_one(session: Session, person: Staff) -> bool:
    """Tell whether a person has a second factor; recovery codes alone are none."""
    return person.totp_sealed is not None or bool(session.scalar(select(exists().where(Passkey.staff_id == person.id))))


def new_secret() -> str:
    """Return a new secret for one-time codes, as people type it: 160 bits in base32."""
    return pyotp.random_base32()


def address_of(secret: str, *, username: str, issuer: str) -> str:
    """Return the address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def picture_of(address: str) -> str:
    """Return the QR code of an address as the source of an image."""
    drawn = io.BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", scale=4, border=4, light="#fff", dark="#000")
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


def step_of(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """Return the half-minute whose code this is, or None: not one up to `after`, for each opens once."""
    typed, present = "".join(code.split()), int(now.timestamp()) // STEP
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode()) and step > after:
            found = step
    return found


def use_code(session: Session, sealer: Sealer, person: Staff, code: str, now: datetime) -> bool:
    """Tell whether a one-time code is the person's and new; it is used up with that. The caller commits."""
    if person.totp_sealed is None:
        return False
    step = step_of(sealer.open(person.totp_sealed, SEALED).decode(), code, after=person.totp_step, now=now)
    if step is None:
        return False
    # The condition once more in the database: of two requests with one code, one finds it used.
    used = update(Staff).where(Staff.id == person.id, Staff.totp_step < step).values(totp_step=step)
    return bool(session.execute(used.returning(Staff.id)).all())


def begin_codes(session: Session, sealer: Sealer, person: Staff, secret: str, *, step: int, now: datetime) -> None:
    """Take a person's secret for one-time codes, which the code of `step` has confirmed. The caller commits."""
    person.totp_sealed, person.totp_since, person.totp_step = sealer.seal(secret.encode(), SEALED), now, step
    note(session, person, "totp_set", by=person.username, now=now)


def end_codes(session: Session, person: Staff, *, by: str, now: datetime) -> None:
    """Forget a person's secret for one-time codes. The caller commits."""
    person.totp_sealed, person.totp_since = None, None
    note(session, person, "totp_removed", by=by, now=now)
    _drop_codes_of_nothing(session, person)


def new_recovery_codes(session: Session, sealer: Sealer, person: Staff, now: datetime) -> Sequence[str]:
    """Make ten recovery codes, which void the ones before; return them, to be shown once. The caller commits."""
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == person.id))
    session.add_all(
        [RecoveryCode(staff_id=person.id, code_hash=_hash(sealer, person, one), made_at=now) for one in codes]
    )
    note(session, person, "recovery_codes_made", by=person.username, now=now)
    return [f"{one[:4]}-{one[4:8]}-{one[8:]}" for one in codes]


def use_recovery_code(session: Session, sealer: Sealer, person: Staff, code: str, now: datetime) -> bool:
    """Tell whether a recovery code is the person's and unused; it is used up with that. The caller commits."""
    plain = "".join(one for one in code.upper() if one in _LETTERS)
    used = (
        update(RecoveryCode)
        .where(
            RecoveryCode.staff_id == person.id,
            RecoveryCode.code_hash == _hash(sealer, person, plain),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return bool(session.execute(used.returning(RecoveryCode.id)).all())


def codes_left(session: Session, person_id: int) -> int:
    """Return how many recovery codes of a person are unused."""
    left = select(func.count()).where(RecoveryCode.staff_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(left) or 0


def remove_passkey(session: Session, person: Staff, passkey_id: int, *, by: str, now: datetime) -> bool:
    """Forget one passkey of a person; False where they have none of this number. The caller commits."""
    mine = delete(Passkey).where(Passkey.id == passkey_id, Passkey.staff_id == person.id).returning(Passkey.name)
    name = session.scalar(mine)
    if name is None:
        return False
    note(session, person, "passkey_removed", by=by, now=now, name=name)
    _drop_codes_of_nothing(session, person)
    return True


def reset(session: Session, person: Staff, *, by: str, now: datetime) -> None:
    """Forget every second factor of a person who has lost theirs. The caller commits."""
    person.totp_sealed, person.totp_since = None, None
    session.execute(delete(Passkey).where(Passkey.staff_id == person.id))
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == person.id))
    note(session, person, "factors_reset", by=by, now=now)


def note(session: Session, person: Staff, action: str, *, by: str, now: datetime, **facts: object) -> None:
    """Write to the audit what became of a person's factors."""
    session.flush()
    audit.append(session, actor=by, action=action, subject=f"staff:{person.id}", facts=facts, now=now)


def _drop_codes_of_nothing(session: Session, person: Staff) -> None:
    # Recovery codes stand in for a factor: without one they would only be ten more ways in.
    if not has_one(session, person):
        session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == person.id))


def _hash(sealer: Sealer, person: Staff, code: str) -> bytes:
    # Sixty bits of chance under a key that no dump holds: a slow hash would add nothing but time.
    return sealer.blind(f"{person.id}\0{code}", "recovery_code")
