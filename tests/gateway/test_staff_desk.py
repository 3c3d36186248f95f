"""The staff desk: argon2id, one hash whatever is known, and everything in the audit."""

from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from sqlalchemy import select
from sqlalchemy.orm import Session

from banks.sandbox.bills import make_bills
from gateway import staff_desk
from gateway.signing_in import Source, admit, check_password
from gateway.staff_desk import StaffRefused, create_person, set_password
from gateway.web_sessions import end_sessions
from reconciliation.audit import AuditEntry
from reconciliation.roles import OF_ONE_OFFICE, ROLES
from reconciliation.staff import Staff, WebSession

NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
PASSWORD = "mat khau cua toi"


@pytest.fixture
def person(session):
    return create_person(
        session, username="thuha", name="Nguyễn Thị Thu Hà", role="accountant", password=PASSWORD, by="admin", now=NOW
    )


def _try(session, username="thuha", password=PASSWORD):
    source = Source("10.0.0.9")
    found = check_password(session, username=username, password=password, source=source, now=NOW)
    if found is not None:
        admit(session, found, factor="password", source=source, now=NOW)
    return found


def test_passwords_stand_as_argon2id_with_the_recommended_costs(person):
    parameters = extract_parameters(person.password_hash)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost) >= (65536, 3)
    assert PASSWORD not in person.password_hash


def test_an_old_hash_is_renewed_when_its_owner_signs_in(session, person):
    person.password_hash = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    assert _try(session) is person
    assert not staff_desk.hasher().check_needs_rehash(person.password_hash)
    assert _try(session) is person


def test_tries_of_several_sessions_are_counted_together_though_the_person_was_read_before(engine, session, person):
    session.commit()
    assert person.failed_attempts == 0
    with Session(engine) as other:
        assert _try(other, password="wrong of somebody") is None
        other.commit()
    assert _try(session, password="wrong of this one") is None
    session.commit()
    assert session.scalar(select(Staff.failed_attempts).where(Staff.id == person.id)) == 2


@pytest.mark.parametrize("case", ["right", "wrong", "unknown", "locked", "inactive", "too long"])
def test_exactly_one_hash_is_checked_whatever_is_known(session, person, monkeypatch, case):
    checked = []
    real = staff_desk.hasher()

    class Counting:
        check_needs_rehash = real.check_needs_rehash
        hash = real.hash

        def verify(self, *given):
            checked.append(len(given[1]))
            return real.verify(*given)

    monkeypatch.setattr(staff_desk, "hasher", Counting)
    if case == "locked":
        person.locked_until = NOW.replace(hour=3)
    if case == "inactive":
        person.active = False
    password = {"right": PASSWORD, "too long": PASSWORD * 100}.get(case, "wrong")
    found = _try(session, "nobody" if case == "unknown" else "thuha", password)
    assert (found is person) == (case == "right")
    assert len(checked) == 1
    assert checked[0] <= staff_desk.MAX_PASSWORD


def test_names_are_found_however_they_are_typed(session, person):
    assert _try(session, " ThuHa ") is person


def test_a_new_password_unlocks_and_ends_old_sessions(session, person):
    person.failed_attempts, person.locked_until = 9, NOW.replace(hour=3)
    session.add(WebSession(token_hash=b"t", staff_id=person.id, created_at=NOW, seen_at=NOW, expires_at=NOW))
    set_password(session, person, "mot mat khau khac", by="admin", now=NOW)
    assert end_sessions(session, person.id) == 1
    assert _try(session, password="mot mat khau khac") is person
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["staff_created", "password_set", "sign_in"]


def test_what_can_not_be_is_refused_in_words(session, person):
    given = {"username": "binh", "name": "Trần Bình", "role": "auditor", "password": PASSWORD}
    for wrong, said in [
        ({"username": "Thu Ha"}, "user name"),
        ({"username": "thuha"}, "someone has"),
        ({"role": "boss"}, "role"),
        ({"name": " "}, "name"),
        ({"password": "short"}, "12 to 256 characters, got 5"),
    ]:
        with pytest.raises(StaffRefused, match=said):
            create_person(session, **given | wrong, by="admin", now=NOW)


def test_the_sandbox_has_somebody_of_each_role_of_offices_that_get_bills() -> None:
    people = staff_desk.SANDBOX_STAFF
    assert sorted(one.role for one in people) == sorted(ROLES)
    bills = make_bills(200, 7, NOW.date(), NOW.date(), NOW.date())
    assert {one.office for one in people if one.office} < {bill.office for bill in bills}
    assert all(bool(one.office) == (one.role in OF_ONE_OFFICE) for one in people)
