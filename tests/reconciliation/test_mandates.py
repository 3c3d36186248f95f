"""Mandates on real books: they move as their lifecycle says, one a customer is in force, what was agreed stays."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from reconciliation import mandate_imports, mandates
from reconciliation.lifecycle import MANDATE, move
from reconciliation.mandate_imports import MandateIn
from reconciliation.mandates import ACTS, NotMoved
from tests.reconciliation.books import CUSTOMER, OTHER_CUSTOMER, Books, a_bill

ACCOUNT = "190026112233"


def a_mandate(number: int = 1, **more: Any) -> MandateIn:
    """A mandate as the shell hands it over."""
    values: dict[str, Any] = {
        "number": number, "place": f"line {number + 1}", "bank": "standard", "reference": f"UQ{number}",
        "customer_code": CUSTOMER, "account_sealed": b"sealed", "account_hash": b"h" * 16, "account_tail": "2233",
        "cap_minor": 5_000_000, "valid_from": date(2026, 11, 1), "valid_to": None, "consent_text": "UQ-2026-1",
        "consent_at": datetime.fromisoformat("2026-11-01T09:00+07:00"), "consent_channel": "counter",
        "assisted_by": "", "state": "active",
    }  # fmt: skip
    return MandateIn(**{**values, **more})


def take(books: Books, *rows: MandateIn) -> mandate_imports.Taken:
    """Import rows of which nothing is wrong."""

    def act(session: Session) -> mandate_imports.Taken:
        assert mandate_imports.stage(session, rows, now=books.now) == []
        return mandate_imports.take_in(session, name="mandates.csv", by="chau", now=books.now)

    taken: mandate_imports.Taken = books.run(act)
    return taken


def carry_out(books: Books, name: str, mandate: int | None = None) -> str:
    at = mandate or books.one("SELECT max(id) FROM mandates")
    done: str = books.run(
        lambda session: mandates.carry_out(session, at, name, by="chau", why="the bank wrote", now=books.now)
    )
    return done


@pytest.fixture
def held(books: Books) -> Iterator[Books]:
    """Two customers; the books hold when the test is done."""
    books.issue(a_bill(), a_bill("HD0002", code="OTHERCODE0001", customer_code=OTHER_CUSTOMER))
    yield books
    assert books.broken() == []


def states(books: Books) -> list[str]:
    return [row[0] for row in books.rows("SELECT state FROM mandates ORDER BY id")]


def test_a_mandate_is_confirmed_paused_resumed_and_ended_each_with_who_and_why(held: Books) -> None:
    take(held, a_mandate(state="submitted"))
    for name, state in (("confirm", "active"), ("pause", "paused"), ("resume", "active"), ("end", "ended")):
        assert carry_out(held, name) == state
    assert held.rows("SELECT from_state, to_state, by, why FROM transitions WHERE kind = 'mandate' ORDER BY id") == [
        ("draft", "submitted", "chau", "imported from mandates.csv"),
        ("submitted", "active", "chau", "the bank wrote"),
        ("active", "paused", "chau", "the bank wrote"),
        ("paused", "active", "chau", "the bank wrote"),
        ("active", "ended", "chau", "the bank wrote"),
    ]
    assert [row[0] for row in held.rows("SELECT action FROM audit ORDER BY id")] == [
        "mandates_imported", "mandate_confirmed", "mandate_paused", "mandate_resumed", "mandate_ended",
    ]  # fmt: skip
    assert "UQ1" in held.one("SELECT facts::text FROM audit WHERE action = 'mandate_ended'")


@pytest.mark.parametrize(
    ("state", "name", "said"),
    [
        ("submitted", "pause", "expected a mandate that is active, got one that is submitted"),
        ("submitted", "resume", "expected a mandate that is paused, got one that is submitted"),
        ("active", "confirm", "expected a mandate that is submitted, got one that is active"),
        ("active", "refuse", "expected a mandate that is submitted, got one that is active"),
        ("paused", "pause", "expected a mandate that is active, got one that is paused"),
    ],
)
def test_what_does_not_follow_is_refused_in_words(held: Books, state: str, name: str, said: str) -> None:
    take(held, a_mandate(state=state))
    with pytest.raises(NotMoved, match=said):
        carry_out(held, name)
    assert states(held) == [state]
    with pytest.raises(NotMoved, match="expected the number of a mandate, got 999999"):
        carry_out(held, "end", 999_999)


def test_a_second_mandate_is_confirmed_only_once_the_first_has_ended(held: Books) -> None:
    take(held, a_mandate(1), a_mandate(2, state="submitted"))
    with pytest.raises(NotMoved, match=r"another mandate in force, got one with mandate \d+ \(UQ1 of standard\)"):
        carry_out(held, "confirm")
    first = held.one("SELECT min(id) FROM mandates")
    carry_out(held, "pause", first)
    with pytest.raises(NotMoved, match="another mandate in force"):
        carry_out(held, "confirm")
    carry_out(held, "end", first)
    assert carry_out(held, "confirm") == "active"


def test_the_database_holds_one_mandate_in_force_a_customer(held: Books) -> None:
    take(held, a_mandate(1), a_mandate(2, state="submitted"))
    second = held.one("SELECT max(id) FROM mandates")
    with pytest.raises(IntegrityError, match="uq_mandates_in_force"):
        held.run(lambda session: move(session, MANDATE, [second], "active", by="x", why="y", now=held.now))


def test_a_mandate_expires_when_its_last_day_has_passed_in_vietnam(held: Books) -> None:
    take(held, a_mandate(1, valid_to=date(2026, 11, 18)), a_mandate(2, customer_code=OTHER_CUSTOMER, state="paused"))
    last_second = datetime.fromisoformat("2026-11-18T23:59:59+07:00")

    def expired(now: datetime) -> int:
        found: int = held.run(lambda session: mandates.expire(session, now=now))
        return found

    assert (expired(last_second), states(held)) == (0, ["active", "paused"])
    assert (expired(last_second + timedelta(seconds=1)), states(held)) == (1, ["expired", "paused"])
    assert expired(last_second + timedelta(days=1)) == 0
    assert held.rows("SELECT to_state, by, why FROM transitions WHERE kind = 'mandate' AND to_state = 'expired'") == [
        ("expired", "schedule", "its last day has passed")
    ]


def test_what_has_run_out_is_not_resumed_though_nobody_let_it_expire_yet(held: Books) -> None:
    take(held, a_mandate(1, valid_to=date(2026, 11, 18), state="paused"))
    held.now += timedelta(days=1)
    with pytest.raises(NotMoved, match="still valid, got one whose last day was 2026-11-18"):
        carry_out(held, "resume")
    assert carry_out(held, "end") == "ended"


TAMPERED = [
    "UPDATE mandate_versions SET cap_minor = cap_minor * 2",
    "DELETE FROM mandate_versions",
    "DELETE FROM mandates",
    "UPDATE mandates SET version = 2",
    "UPDATE mandates SET valid_to = now()",
    "UPDATE mandates SET customer_id = customer_id",
    "UPDATE mandates SET reference = 'UQ9'",
    "UPDATE mandates SET state = 'refused'",
    "UPDATE mandates SET state = 'draft', moves = moves + 1",
    "INSERT INTO mandates (bank, reference, customer_id, created_at, state) SELECT 'b', 'r', id, now(), 'active'"
    " FROM customers LIMIT 1",
    "INSERT INTO mandates (bank, reference, customer_id, created_at, version) SELECT 'b', 'r', id, now(), 1"
    " FROM customers LIMIT 1",
]
AGREED = """
    INSERT INTO mandate_versions (mandate_id, version, account_sealed, account_hash, cap_minor, valid_from,
        consent_text, consent_at, consent_channel, made_by, made_at)
    SELECT id, {}, 'x', 'x', 1, now(), 'UQ', now(), 'web', 'x', now() FROM mandates WHERE state = '{}'
"""


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_was_agreed_is_not_changed_by_the_application(held: Books, statement: str) -> None:
    take(held, a_mandate())
    with pytest.raises(DBAPIError):
        held.run(lambda session: session.execute(text(statement)))


@pytest.mark.parametrize("statement", [one for one in TAMPERED if "SET version" not in one and "valid_to" not in one])
def test_nor_by_the_owner_of_the_tables(held: Books, statement: str) -> None:
    take(held, a_mandate())
    with pytest.raises(DBAPIError):
        held.awake_owner(statement)


@pytest.mark.parametrize(("version", "state"), [(1, "active"), (3, "active"), (2, "ended")])
def test_a_version_follows_the_newest_of_a_mandate_that_is_not_over(held: Books, version: int, state: str) -> None:
    take(held, a_mandate(1), a_mandate(2, customer_code=OTHER_CUSTOMER))
    carry_out(held, "end")
    with pytest.raises(IntegrityError):
        held.run(lambda session: session.execute(text(AGREED.format(version, state))))
    held.run(lambda session: session.execute(text(AGREED.format(2, "active"))))
    assert held.rows("SELECT version FROM mandates ORDER BY id") == [(2,), (1,)]


# ── random walks: code and database agree ────────────────────────────────────────────────────────────────────────────


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(MANDATE.states), min_size=1, max_size=8))
def test_code_and_database_allow_the_same_walks(books: Books, steps: list[str]) -> None:
    if not books.rows("SELECT 1 FROM customers"):
        books.issue(a_bill())
    books.run(lambda session: session.execute(text("SELECT 1")))
    reference = f"W{books.one('SELECT count(*) FROM mandates')}"
    made = books.run(
        lambda session: session.scalar(
            text("INSERT INTO mandates (bank, reference, customer_id, created_at)"
                 " SELECT 'standard', :reference, id, :now FROM customers RETURNING id"),
            {"reference": reference, "now": books.now},
        )
    )  # fmt: skip
    books.run(lambda session: session.execute(text(AGREED.format(1, "draft") + f" AND id = {made}")))
    state = MANDATE.start
    for to in steps:
        allowed = to in MANDATE.moves.get(state, frozenset())
        try:
            books.run(lambda session, to=to: session.execute(
                text("UPDATE mandates SET state = :to WHERE id = :id"), {"to": to, "id": made}))  # fmt: skip
            taken = True
            # Back again past the guards, so that code may try the same move.
            books.as_owner(f"UPDATE mandates SET state = '{state}' WHERE id = {made}")
        except IntegrityError:
            taken = False
        assert taken == (allowed or to == state)
        moved = []
        if any(to in after for after in MANDATE.moves.values()):
            moved = books.run(lambda session, to=to: move(session, MANDATE, [made], to, by="x", why="y", now=books.now))
        assert moved == ([made] if allowed else [])
        state = to if allowed else state
    assert books.one("SELECT state FROM mandates WHERE id = :id", id=made) == state
    if state in ("active", "paused"):
        books.run(lambda session: move(session, MANDATE, [made], "ended", by="x", why="y", now=books.now))
    assert books.broken() == []


def test_every_act_of_a_person_is_a_move_of_the_lifecycle() -> None:
    assert all(source in MANDATE.before(act.to) for act in ACTS.values() for source in act.sources)


def test_broken_mandates_are_found(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", code="OTHERCODE0001", customer_code=OTHER_CUSTOMER))
    take(books, a_mandate(1), a_mandate(2, customer_code=OTHER_CUSTOMER))
    assert books.broken() == []
    books.as_owner(
        "DROP INDEX uq_mandates_in_force", "UPDATE mandates SET customer_id = (SELECT min(id) FROM customers)"
    )
    assert "customers with several mandates in force 1" in books.broken()[0]
    books.as_owner(
        "UPDATE mandates SET customer_id = (SELECT max(id) FROM customers) WHERE reference = 'UQ2'",
        "CREATE UNIQUE INDEX uq_mandates_in_force ON mandates (customer_id) WHERE state IN ('active', 'paused')",
        "UPDATE mandates SET version = 2 WHERE reference = 'UQ1'",
    )
    assert "mandates of another version than their newest 1" in books.broken()[0]
    books.as_owner("UPDATE mandates SET version = 1, valid_to = now()")
    assert "mandates of another version than their newest 2" in books.broken()[0]
    books.as_owner("UPDATE mandates SET valid_to = NULL, state = 'paused' WHERE reference = 'UQ1'")
    assert "moves of mandates without history 1" in books.broken()[0]
