"""The story of an import that a person takes back: undone, read anew from the kept bytes, corrected by another file."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.sandbox.bills import SandboxBill
from gateway import composing, jobs
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import import_undo, inbox
from reconciliation.import_undo import NotUndone, Undone
from tests.stories.test_statement_road import DAY, statement

Issue = Callable[[int], list[SandboxBill]]


@pytest.fixture
def bring(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """Keep a file as the bank's, read it, and return its delivery."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)

    def brought(content: bytes) -> int:
        path = wiring.settings.home / "day.xml"
        path.write_bytes(content)
        with transaction(wiring.engine) as session:
            kept = inbox.keep_file(
                session, source="standard", name="day.xml", path=path, sealer=wiring.sealer, now=wiring.clock()
            )
        assert kept is not None
        assert jobs.read_statements() == 1
        return kept

    return brought


@pytest.fixture
def undo(wiring: Wiring) -> Callable[..., Undone]:
    """Undo the import of a delivery, as the page does."""

    def undone(delivery: int, **options: bool) -> Undone:
        with transaction(wiring.engine) as session:
            chosen = import_undo.chosen(session, f"delivery:{delivery}")
            done = import_undo.undo(session, chosen, by="ketoan", why="a wrong file", now=wiring.clock(), **options)
            composing.compose_promises(session, wiring.settings)
            return done

    return undone


@pytest.fixture
def read_anew(wiring: Wiring) -> Callable[[int], None]:
    """Read the kept bytes of a delivery once more."""

    def again(delivery: int) -> None:
        with transaction(wiring.engine) as session:
            import_undo.read_anew(session, delivery, by="ketoan", why="once more", now=wiring.clock())
        assert jobs.read_statements() == 1

    return again


def books(wiring: Wiring) -> list[Any]:
    """What stands in the books, by names that don't change from one reading to the next."""
    with Session(wiring.engine) as session:
        return [
            session.execute(text(query)).all()
            for query in (
                "SELECT account, sum(minor) FROM postings GROUP BY 1 HAVING sum(minor) <> 0 ORDER BY 1",
                "SELECT number, state, paid_minor FROM bills ORDER BY 1",
                "SELECT bank_reference, minor, matched_minor, confirmed_minor, state FROM payments"
                " WHERE state <> 'denied' ORDER BY 1",
                "SELECT statement_id, state, lines FROM statements WHERE state <> 'withdrawn' ORDER BY 1",
                "SELECT code, count(*) FROM mismatches WHERE state <> 'resolved' GROUP BY 1 ORDER BY 1",
                "SELECT bill_id, event, body, state FROM messages WHERE state <> 'withdrawn' ORDER BY 1, 2",
            )
        ]


def test_the_books_are_the_same_before_and_after_and_after_reading_it_anew(
    wiring: Wiring, issue: Issue, bring: Callable[[bytes], int], undo: Callable[..., Undone],
    read_anew: Callable[[int], None], all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bills = issue(12)
    before = books(wiring)
    paid = [(bill, bill.amount) for bill in bills[:9]]
    delivery = bring(statement(*paid, (bills[9], bills[9].amount - 1_000), (bills[0], 5_000)))
    first = books(wiring)
    all_hold()

    for _ in range(2):
        done = undo(delivery)
        assert (done.lines, done.denied, done.reported, done.matches) == (11, 11, 0, 10)
        assert books(wiring) == before
        all_hold()
        read_anew(delivery)
        assert books(wiring) == first
        all_hold()


def test_a_corrected_file_is_taken_instead_of_the_first_by_a_person(
    wiring: Wiring, issue: Issue, bring: Callable[[bytes], int], undo: Callable[..., Undone],
    read_anew: Callable[[int], None], all_hold: Callable[[], None], count: Callable[..., int],
) -> None:  # fmt: skip
    bill, other, *_ = issue(20)
    first = bring(statement((bill, bill.amount)))
    corrected = bring(statement((bill, bill.amount), (other, other.amount)))
    assert count("SELECT count(*) FROM statements WHERE state = 'quarantined'") == 1
    with pytest.raises(NotUndone, match="accepted statements"), transaction(wiring.engine) as session:
        import_undo.read_anew(session, first, by="ketoan", why="too soon", now=wiring.clock())

    undo(first)
    read_anew(corrected)

    assert count("SELECT count(*) FROM payments WHERE state = 'confirmed'") == 2
    assert count("SELECT count(*) FROM bills WHERE state = 'paid'") == 2
    assert count("SELECT count(*) FROM mismatches WHERE state <> 'resolved'") == 0
    all_hold()


def test_days_that_followed_on_are_undone_and_read_anew_in_any_order(
    wiring: Wiring, issue: Issue, bring: Callable[[bytes], int], undo: Callable[..., Undone],
    read_anew: Callable[[int], None], all_hold: Callable[[], None],
) -> None:  # fmt: skip
    one, two, *_ = issue(20)
    monday = bring(statement((one, one.amount), ref="SK16", day=date(2026, 11, 16)))
    tuesday = bring(statement((two, two.amount), ref="SK17", day=DAY, opening=one.amount))
    first = books(wiring)
    with pytest.raises(NotUndone, match="SK17"):
        undo(monday)
    assert books(wiring) == first
    done = undo(monday, with_following=True)
    assert done.deliveries == [monday, tuesday]
    all_hold()
    read_anew(tuesday)
    read_anew(monday)
    assert books(wiring) == first
    all_hold()


def test_a_statement_that_repeats_lines_of_another_is_held_and_booked_once(
    issue: Issue, bring: Callable[[bytes], int], all_hold: Callable[[], None], count: Callable[..., int]
) -> None:
    one, two, *_ = issue(20)
    bring(statement((one, one.amount), ref="SK1"))
    cumulated = statement((one, one.amount), (two, two.amount), ref="SK1").replace(b"<Id>SK1<", b"<Id>SK1B<")
    bring(cumulated)
    assert (
        count("SELECT count(*) FROM statements WHERE state = 'quarantined' AND reason LIKE '%got 1 of statement SK1'")
        == 1
    )
    assert count("SELECT count(*) FROM payments") == 1
    all_hold()
