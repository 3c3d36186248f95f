"""Marks: every change of what a bill has been paid gets its number, once and in order, and no bill is orphaned."""

import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import issuing, marks, matching
from reconciliation.marks import Batch
from tests.reconciliation.books import CODE, CUSTOMER, Books, a_bill, a_notice, at


def number(books: Books) -> int:
    made: int = books.run(lambda session: marks.number(session, now=books.now))
    return made


def told(books: Books) -> list[tuple[object, ...]]:
    return books.rows(
        "SELECT m.number, b.number || '/' || b.version, change_minor, m.paid_minor"
        " FROM marks m JOIN bills b ON b.id = m.bill_id ORDER BY m.number"
    )


def test_a_part_the_rest_and_what_is_taken_back_are_marks_in_order(sound_books: Books) -> None:
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("T1", 60_000))
    books.hear(a_notice("T2", 40_000, paid_at=at(2)))
    assert number(books) == 2
    books.issue(a_bill(version=2, minor=90_000))
    assert number(books) == 2
    assert told(books) == [
        (1, "HD0001/1", 60_000, 60_000),
        (2, "HD0001/1", 40_000, 100_000),
        (3, "HD0001/1", -100_000, 0),
        (4, "HD0001/2", 90_000, 90_000),
    ]
    assert number(books) == 0


def test_what_one_transaction_takes_back_and_gives_again_is_no_change(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("T2", paid_at=at(2)))
    sound_books.hear(a_notice("T1", paid_at=at(1)))  # paid first, heard last: it takes the other's place
    assert sound_books.one("SELECT count(*) FROM allocations") == 2
    assert number(sound_books) == 1
    assert told(sound_books) == [(1, "HD0001/1", 100_000, 100_000)]


def test_one_that_commits_late_is_not_passed_over(sound_books: Books) -> None:
    """Its number comes after those of changes that began later and committed first."""
    books = sound_books
    books.issue(a_bill(), a_bill("HD0002", code=CODE[:-5] + "21126"))
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with Session(books.engine) as session, session.begin():
            session.execute(
                text(
                    "INSERT INTO payments (source, source_reference, minor, currency, business_date, origin,"
                    " created_at) VALUES ('standard', 'T1', 100000, 'VND', current_date, 'callback', now())"
                )
            )
            session.execute(
                text(
                    "INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at) SELECT p.id, b.id,"
                    " 100000, 'test', '', 'test', now() FROM payments p, bills b WHERE b.number = 'HD0001'"
                )
            )
            began.set()
            go_on.wait(20)

    worker = threading.Thread(target=slow)
    worker.start()
    assert began.wait(20)
    books.hear(a_notice("T2", code=CODE[:-5] + "21126"))
    assert number(books) == 1
    go_on.set()
    worker.join()
    assert number(books) == 1
    assert [row[1] for row in told(books)] == ["HD0002/1", "HD0001/1"]
    # Booked past matching, and without its entry: only what the marks say is proven here.
    assert not [one for one in books.broken() if "mark" in one]
    books.clear()


def test_batches_hold_all_marks_once_and_are_acknowledged_in_order(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = sound_books
    monkeypatch.setattr(marks, "AT_ONCE", 2)
    codes = [f"{CUSTOMER}{n}1126" for n in range(1, 6)]
    books.issue(*[a_bill(f"HD{n}", code=code) for n, code in enumerate(codes)])
    books.hear(*[a_notice(f"T{n}", code=code) for n, code in enumerate(codes)])
    assert number(books) == 5
    assert books.rows("SELECT id, first, last, marks, marked_minor, unmarked_minor FROM mark_batches ORDER BY id") == [
        (1, 1, 2, 2, 200_000, 0),
        (2, 3, 4, 2, 200_000, 0),
        (3, 5, 5, 1, 100_000, 0),
    ]

    def acknowledge(upto: int) -> list[int]:
        done: list[int] = books.run(
            lambda session: marks.acknowledge(session, upto, by="billing", how="HTTP 200", now=books.now)
        )
        return done

    assert books.run(marks.acknowledged) == 0
    assert acknowledge(3) == [1]
    assert acknowledge(3) == []
    assert books.run(marks.acknowledged) == 2
    assert books.run(lambda session: marks.since(session, 3)) == [2, 3]
    assert acknowledge(5) == [2, 3]
    assert books.run(marks.acknowledged) == 5
    assert books.rows("SELECT by, why FROM transitions WHERE kind = 'mark_batch'") == [("billing", "HTTP 200")] * 3
    with pytest.raises(marks.Unknown, match="0 to 5, got 6"):
        acknowledge(6)


def test_only_the_first_that_waits_is_claimed_and_only_when_it_may_go(sound_books: Books) -> None:
    books = sound_books
    for n in (1, 2):
        books.issue(a_bill(f"HD{n}", code=f"{CUSTOMER}{n}1126"))
        books.hear(a_notice(f"T{n}", code=f"{CUSTOMER}{n}1126"))
        number(books)
    lease = timedelta(seconds=60)

    def claim(seconds: int) -> int | None:
        now = books.now + timedelta(seconds=seconds)

        def act(session: Session) -> int | None:
            due = marks.is_due(session, now=now)
            batch: Batch | None = marks.claim(session, lease=lease, now=now)
            assert due == (batch is not None)
            return batch and batch.id

        found: int | None = books.run(act)
        return found

    assert claim(0) == 1
    assert claim(59) is None
    assert claim(60) == 1, "whoever held it has died"
    again = books.now + timedelta(seconds=200)
    books.run(lambda session: marks.failed(session, 1, said="HTTP 503", again_at=again))
    assert claim(199) is None
    assert claim(200) == 1
    books.run(lambda session: marks.acknowledge(session, 1, by="billing", how="HTTP 200", now=books.now))
    assert claim(201) == 2
    assert books.rows("SELECT attempts, said FROM mark_batches ORDER BY id") == [(3, "HTTP 200"), (1, "")]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("UPDATE marks SET paid_minor = 1 WHERE number = 2", "last mark says another amount 1"),
        ("DELETE FROM marks WHERE number = 1", "marks that do not follow on 1"),
        ("DELETE FROM marks_waiting", "last mark says another amount 1"),
        ("UPDATE mark_batches SET marked_minor = 5", "do not follow on or add up 1"),
    ],
)
def test_what_is_lost_or_changed_behind_the_gateways_back_shows(books: Books, broken: str, said: str) -> None:
    books.issue(a_bill(), a_bill("HD0002", code=CODE[:-5] + "21126"))
    books.hear(a_notice("T1"), a_notice("T2", code=CODE[:-5] + "21126"))
    number(books)
    books.issue(a_bill("HD0003", code=CODE[:-5] + "31126"))
    books.hear(a_notice("T3", 30_000, code=CODE[:-5] + "31126"))
    assert books.broken() == []
    books.as_owner(broken)
    assert said in " ".join(books.broken())


def test_the_application_can_neither_take_back_nor_change_what_was_told(books: Books) -> None:
    books.issue(a_bill())
    books.hear(a_notice())
    number(books)
    for statement in (
        "DELETE FROM marks",
        "UPDATE marks SET change_minor = 1",
        "INSERT INTO marks VALUES (2, 1, 1, 1, now())",
        "DELETE FROM marks_waiting",
        "INSERT INTO marks_waiting (bill_id, change_minor, transaction, at) VALUES (1, 1, 1, now())",
        "UPDATE mark_batches SET last = 9",
        "DELETE FROM mark_batches",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            books.run(lambda session, statement=statement: session.execute(text(statement)))
    books.run(lambda session: session.execute(text("UPDATE mark_batches SET digest = 'a'")))
    with pytest.raises(DBAPIError, match="sent again as it was sent"):
        books.run(lambda session: session.execute(text("UPDATE mark_batches SET digest = 'b'")))
    for statement in ("DELETE FROM mark_batches", "UPDATE marks SET change_minor = 1"):
        with pytest.raises(DBAPIError, match="only ever added to"):
            books.awake_owner(statement)


ACTS = st.lists(st.sampled_from(["pay", "part", "late", "rebill", "number"]), min_size=1, max_size=6)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_the_last_mark_of_each_bill_says_its_true_state_whatever_happened(books: Books, acts: list[str]) -> None:
    books.clear()
    books.issue(a_bill())
    version = 1
    for turn, act in enumerate(acts, 1):
        match act:
            case "pay":
                books.hear(a_notice(f"T{turn}", paid_at=at(3, turn)))
            case "part":
                books.hear(a_notice(f"T{turn}", 30_000, paid_at=at(3, turn)))
            case "late":
                books.hear(a_notice(f"T{turn}", 20_000, paid_at=at(1, turn)))
            case "rebill":
                version += 1
                books.issue(a_bill(version=version, minor=100_000 - 10_000 * turn))
            case "number":
                number(books)
    assert books.broken() == []
    number(books)
    assert books.broken() == []
    assert books.one("SELECT count(*) FROM marks_waiting") == 0
    last = books.rows("SELECT DISTINCT ON (bill_id) bill_id, paid_minor FROM marks ORDER BY bill_id, number DESC")
    true = books.rows("SELECT id, paid_minor FROM bills")
    assert {bill: minor for bill, minor in last if minor} == {bill: minor for bill, minor in true if minor}
    assert {bill for bill, _ in last} <= {bill for bill, _ in true}


def test_bills_withdrawn_are_unmarked(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    number(sound_books)
    [bill] = sound_books.rows("SELECT id FROM bills")

    def withdraw(session: Session) -> None:
        freed = issuing.withdraw(session, bill, to="cancelled", by="billing", why="test", now=sound_books.now)
        matching.match(session, freed, now=sound_books.now)

    sound_books.run(withdraw)
    number(sound_books)
    assert told(sound_books)[-1] == (2, "HD0001/1", -100_000, 0)
