"""Mandates in bulk: new ones, known ones, other terms; whatever contradicts what is known is named by its place."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from reconciliation import mandate_imports
from reconciliation.mandate_imports import Problem, Taken
from tests.reconciliation.books import CUSTOMER, OTHER_CUSTOMER, Books
from tests.reconciliation.test_mandates import a_mandate, carry_out, held, states, take

__all__ = ["held"]
LATER = datetime.fromisoformat("2026-11-10T09:00+07:00")


def problems(books: Books, *rows: Any) -> list[Problem]:
    def act(session: Session) -> list[Problem]:
        found = mandate_imports.stage(session, rows, now=books.now)
        session.rollback()
        return found

    found: list[Problem] = books.run(act)
    return found


def test_mandates_come_in_with_the_states_they_have_with_the_bank_and_a_second_time_change_nothing(held: Books) -> None:
    rows = (a_mandate(1), a_mandate(2, customer_code=OTHER_CUSTOMER, state="paused"), a_mandate(3, state="submitted"))
    assert take(held, *rows) == Taken(3, 0, 0)
    assert states(held) == ["active", "paused", "submitted"]
    assert (
        held.rows("SELECT version, account_tail, cap_minor, made_by FROM mandate_versions ORDER BY id")
        == [(1, "2233", 5_000_000, "chau")] * 3
    )
    before = held.rows("SELECT * FROM mandates ORDER BY id")
    assert take(held, *rows) == Taken(0, 0, 3)
    assert held.rows("SELECT * FROM mandates ORDER BY id") == before
    assert held.one("SELECT count(*) FROM transitions WHERE kind = 'mandate'") == 3 + 2 + 1
    assert held.one("SELECT facts::text FROM audit ORDER BY id DESC LIMIT 1") == (
        '{"new": 0, "file": "mandates.csv", "changed": 0, "unchanged": 3}'
    )


def test_what_a_person_did_stays_when_the_file_comes_again(held: Books) -> None:
    take(held, a_mandate())
    carry_out(held, "pause")
    assert take(held, a_mandate()) == Taken(0, 0, 1)
    assert states(held) == ["paused"]


def test_other_terms_with_a_later_consent_are_a_new_version_and_the_old_one_stays(held: Books) -> None:
    take(held, a_mandate())
    changed = a_mandate(cap_minor=7_000_000, valid_to=date(2027, 12, 31), consent_at=LATER)
    assert take(held, changed) == Taken(0, 1, 0)
    assert held.rows("SELECT version, cap_minor FROM mandate_versions ORDER BY version") == [
        (1, 5_000_000), (2, 7_000_000),
    ]  # fmt: skip
    assert held.rows("SELECT version, valid_to, state FROM mandates") == [(2, date(2027, 12, 31), "active")]
    assert take(held, changed) == Taken(0, 0, 1)
    assert take(held, a_mandate()) == Taken(0, 0, 1), "an old file again changes nothing"


def test_other_terms_without_a_later_consent_are_refused(held: Books) -> None:
    take(held, a_mandate())
    [found] = problems(held, a_mandate(cap_minor=6_000_000))
    assert found.says == (
        "line 2, consent_at: expected a consent after 2026-11-01 09:00:00 for other terms of UQ1 of standard,"
        " got 2026-11-01 09:00:00"
    )


def test_a_mandate_that_is_over_takes_no_other_terms(held: Books) -> None:
    take(held, a_mandate())
    carry_out(held, "end")
    assert problems(held, a_mandate()) == []
    [found] = problems(held, a_mandate(cap_minor=6_000_000, consent_at=LATER))
    assert "expected a mandate that is not over, or its terms as they were" in found.says
    assert "which is ended" in found.says
    assert take(held, a_mandate(2)) == Taken(1, 0, 0), "but its customer may give another one"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([a_mandate(customer_code="PA99999999999")],
         ["line 2, customer_code: expected a customer we know, got PA99999999999"]),
        ([a_mandate(1, reference="X"), a_mandate(2, reference="X")],
         ["line 2, reference: expected a mandate once in a file, got X of standard in line 3 too",
          "line 3, reference: expected a mandate once in a file, got X of standard in line 2 too"]),
        ([a_mandate(1), a_mandate(2)],
         [f"line 2, customer_code: expected one mandate in force a customer, got {CUSTOMER} in line 3 too",
          f"line 3, customer_code: expected one mandate in force a customer, got {CUSTOMER} in line 2 too"]),
        ([a_mandate(valid_to=date(2026, 11, 17))],
         ["line 2, valid_to: expected a day from 2026-11-18 on, got 2026-11-17"]),
    ],
)  # fmt: skip
def test_rows_that_contradict_are_named(held: Books, rows: list[Any], said: list[str]) -> None:
    assert [one.says for one in problems(held, *rows)] == said
    assert states(held) == []


def test_rows_that_contradict_what_is_known_are_named(held: Books) -> None:
    take(held, a_mandate(1))
    assert [one.says for one in problems(held, a_mandate(1, customer_code=OTHER_CUSTOMER), a_mandate(2))] == [
        f"line 2, customer_code: expected {CUSTOMER}, whose mandate UQ1 of standard is, got {OTHER_CUSTOMER}",
        f"line 3, customer_code: expected a customer without another mandate in force, got {CUSTOMER},"
        " who has UQ1 of standard",
    ]
    assert problems(held, a_mandate(2, state="submitted")) == []


def test_what_has_run_out_since_it_came_is_known_still(held: Books) -> None:
    row = a_mandate(valid_to=date(2026, 11, 18))
    take(held, row)
    held.now += timedelta(days=9)
    assert take(held, row) == Taken(0, 0, 1)


def test_rows_with_problems_are_left_out_and_the_others_taken(held: Books) -> None:
    def act(session: Session) -> Taken:
        rows = [a_mandate(1), a_mandate(2, customer_code="PA99999999999")]
        mandate_imports.leave_out(session, mandate_imports.stage(session, rows, now=held.now))
        return mandate_imports.take_in(session, name="m.csv", by="chau", now=held.now)

    assert held.run(act) == Taken(1, 0, 0)
    assert held.rows("SELECT reference FROM mandates") == [("UQ1",)]
