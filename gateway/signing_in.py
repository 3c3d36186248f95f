"""Signing in, step by step: the password, then a second factor where there is one, and the log of every try.

Whoever fails learns nothing: an unknown name, a wrong password and a locked name take the same time and get the same
answer. Five wrong tries lock a name for a minute, every further one for twice as long, an hour at most; passwords,
codes and passkeys are counted together, and only a whole sign-in wipes the count.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import staff_desk
from reconciliation import audit
from reconciliation.factors import PASSWORD, SignIn
from reconciliation.staff import Staff

MAX_TRIES = 5
FIRST_LOCK = timedelta(minutes=1)
LONGEST_LOCK = timedelta(hours=1)
HALF_LASTS = timedelta(minutes=5)
"""How long a right password waits for its second factor."""
WHY = {
    "wrong": "wrong {factor}",
    "locked": "locked",
    "inactive": "no longer active",
    "expired": "expired {factor}",
    "unknown": "unknown name",
}
"""What came of a try → why it was refused, as the audit keeps it."""
_AGENT = 200


@dataclass(frozen=True, slots=True)
class Source:
    """From where and with what somebody signs in, as far as a request tells."""

    address: str
    agent: str = ""


def check_password(session: Session, *, username: str, password: str, source: Source, now: datetime) -> Staff | None:
    """Return the person whose name and password these are, or None; a failure is noted and counted.

    Nobody is signed in yet: `admit` does that, after the second factor where there is one. The caller commits.
    """
    wanted = select(Staff).where(Staff.username == username.strip().lower()).with_for_update()
    # Whoever is signed in has been read before: what is counted is what stands under the lock.
    person = session.scalar(wanted.execution_options(populate_existing=True))
    proven = staff_desk.proves(person, password)
    if person is None:
        # What was typed as a name may be a password in the wrong field: it is not kept.
        _log(session, None, "unknown", factor=PASSWORD, source=source, now=now)
        facts = {"from": source.address, "why": WHY["unknown"]}
        _audit(session, "visitor", "sign_in_refused", "staff:unknown", facts=facts, now=now)
        return None
    if not may_try(session, person, factor=PASSWORD, source=source, now=now):
        return None
    if not proven:
        refuse(session, person, factor=PASSWORD, source=source, now=now)
        return None
    staff_desk.renew_hash(person, password)
    return person


def may_try(session: Session, person: Staff, *, factor: str, source: Source, now: datetime) -> bool:
    """Tell whether a person may try a factor now: a locked one and one who has left may not, which is noted."""
    if person.locked_until is not None and now < person.locked_until:
        _refused(session, person, "locked", factor=factor, source=source, now=now)
        return False
    if not person.active:
        _count_failure(person, now)
        _refused(session, person, "inactive", factor=factor, source=source, now=now)
        return False
    return True


def refuse(session: Session, person: Staff, *, factor: str, source: Source, now: datetime) -> None:
    """Note and count that a person did not prove a factor. The caller commits."""
    _count_failure(person, now)
    _refused(session, person, "wrong", factor=factor, source=source, now=now)


def is_expired(session: Session, person: Staff, *, source: Source, now: datetime) -> bool:
    """Tell whether the right password was for once and has outlived its days, which is noted. The caller commits."""
    if person.password_until is None or now < person.password_until:
        return False
    _refused(session, person, "expired", factor=PASSWORD, source=source, now=now)
    return True


def mark_of(person: Staff) -> str:
    """Return what tells a person's present password from any other, without telling it."""
    return hashlib.sha256(person.password_hash.encode()).hexdigest()


def note_half(session: Session, person: Staff, *, source: Source, now: datetime) -> None:
    """Note that the password was right and the second factor is asked for. The caller commits."""
    _log(session, person, "half", factor=PASSWORD, source=source, now=now)


def admit(session: Session, person: Staff, *, factor: str, source: Source, now: datetime) -> None:
    """Note that a person has signed in, `factor` being the last thing they proved. The caller commits."""
    person.failed_attempts, person.locked_until, person.last_sign_in_at = 0, None, now
    _log(session, person, "signed_in", factor=factor, source=source, now=now)
    facts = {"from": source.address} | ({"factor": factor} if factor != PASSWORD else {})
    _audit(session, person.username, "sign_in", f"staff:{person.id}", facts=facts, now=now)


def sign_out(session: Session, person_id: int, username: str, *, remote: str, now: datetime) -> None:
    """Write to the audit that a person left. The caller commits."""
    _audit(session, username, "sign_out", f"staff:{person_id}", facts={"from": remote}, now=now)


def _refused(session: Session, person: Staff, outcome: str, *, factor: str, source: Source, now: datetime) -> None:
    _log(session, person, outcome, factor=factor, source=source, now=now)
    facts: dict[str, object] = {"from": source.address, "why": WHY[outcome].format(factor=factor)}
    if outcome != "locked":
        facts["tries"] = person.failed_attempts
    _audit(session, person.username, "sign_in_refused", f"staff:{person.id}", facts=facts, now=now)


def _log(session: Session, person: Staff | None, outcome: str, *, factor: str, source: Source, now: datetime) -> None:
    session.add(
        SignIn(
            at=now, staff_id=person.id if person else None, address=source.address, agent=source.agent[:_AGENT],
            outcome=outcome, factor=factor,
        )
    )  # fmt: skip
    session.flush()


def _count_failure(person: Staff, now: datetime) -> None:
    person.failed_attempts += 1
    beyond = person.failed_attempts - MAX_TRIES
    if beyond >= 0:
        person.locked_until = now + min(FIRST_LOCK * 2 ** min(beyond, 10), LONGEST_LOCK)


def _audit(
    session: Session, actor: str, action: str, subject: str, *, facts: Mapping[str, object], now: datetime
) -> None:
    session.flush()
    audit.append(session, actor=actor, action=action, subject=subject, facts=facts, now=now)
