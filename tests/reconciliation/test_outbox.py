from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from reconciliation import sending
from tests.reconciliation.books import (
    CODE,
    CUSTOMER,
    OTHER_CODE,
    OTHER_CUSTOMER,
    Books,
    a_bill,
    a_line,
    a_notice,
    at,
)

DEBIT = {"charge_on": date(2026, 11, 24), "bank": "standard"}
OTHERS = a_bill("HD0009", code=OTHER_CODE, customer_code=OTHER_CUSTOMER)


def said(books: Books) -> list[tuple[object, ...]]:
    """Event, version, state, whom, and how much, of every promise."""
    return books.rows(
        "SELECT m.event, m.version, m.state, c.code, (m.facts ->> 'amount')::bigint FROM messages m"
        " JOIN customers c ON c.id = m.customer_id ORDER BY m.event, m.event_key, m.version"
    )


def send_all(books: Books) -> int:
    books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x' WHERE body IS NULL")))
    taken = books.run(
        lambda session: sending.claim(
            session, carrier="http", of_all=True, limit=9, lease=timedelta(seconds=9), now=books.now
        ),
    )
    books.run(
        lambda session: sending.sent(session, [(one.id, f"R{one.id}") for one in taken], provider="http", now=books.now)
    )
    return len(taken)


def test_a_match_undone_before_its_word_has_left_is_not_confirmed(sound_books: Books) -> None:
    sound_books.issue(a_bill(), OTHERS)
    sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.read(a_line(100_000, "B1", f"sua: {OTHER_CODE}"), opening=0)
    assert sound_books.matched() == {"T1": 0}
    assert said(sound_books) == [("payment_recorded", 1, "withdrawn", CUSTOMER, 100_000)]
    assert send_all(sound_books) == 0


def test_the_right_payer_is_told_when_a_match_that_was_undone_is_made_elsewhere(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(code="", customer_code=CUSTOMER, bank_reference="B1"))
    sound_books.read(a_line(100_000, "B1", "HD0002"), opening=0)
    sound_books.issue(a_bill("HD0002", 70_000, CUSTOMER + "11226"))
    assert sound_books.matched() == {"T1": 70_000}
    assert said(sound_books) == [("payment_recorded", 1, "queued", CUSTOMER, 70_000)]


def test_one_taken_back_is_promised_again_under_the_next_version(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("guess", code="", customer_code=CUSTOMER))
    sound_books.hear(a_notice("proof"))
    assert said(sound_books)[:1] == [("payment_recorded", 1, "withdrawn", CUSTOMER, 100_000)]
    sound_books.issue(a_bill(version=2, minor=200_000))
    assert sound_books.matched() == {"guess": 100_000, "proof": 100_000}
    assert said(sound_books)[:2] == [
        ("payment_recorded", 1, "withdrawn", CUSTOMER, 100_000),
        ("payment_recorded", 2, "queued", CUSTOMER, 100_000),
    ]
    assert send_all(sound_books) == 2


def test_what_was_told_is_not_told_again_however_the_match_moves(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    assert send_all(sound_books) == 1
    sound_books.issue(a_bill(version=2, minor=80_000))
    assert said(sound_books) == [("payment_recorded", 1, "sent", CUSTOMER, 100_000)]


def test_a_word_that_waits_says_what_the_payment_settles_in_the_end(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("late", paid_at=at(5)))
    before = sound_books.one("SELECT request_id FROM messages")
    sound_books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x'")))
    sound_books.hear(a_notice("early", 60_000))
    assert sorted(row[4] for row in said(sound_books)) == [40_000, 60_000]  # type: ignore[type-var]
    assert sound_books.rows("SELECT DISTINCT body FROM messages") == [(None,)]
    assert sound_books.one("SELECT count(*) FROM messages WHERE request_id = :id", id=before) == 0


def test_a_word_that_still_holds_keeps_its_text(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    ids = sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x'")))
    sound_books.read(a_line(100_000, "B1", f"tt {CODE} GD123456"), opening=0)
    assert len(ids) == 1
    assert sound_books.rows("SELECT version, body FROM messages") == [(1, "x")]


REOPENED: dict[str, tuple[Callable[[Books], object], list[tuple[int, str]]]] = {
    "in time": (lambda books: None, [(1, "withdrawn"), (2, "queued")]),
    "on the day of the debit": (
        lambda books: setattr(books, "now", at(0) + timedelta(days=6)), [(1, "withdrawn")],
    ),
    "when the customer wants no word any more": (
        lambda books: books.run(lambda session: session.execute(text("UPDATE customers SET consent = false"))),
        [(1, "withdrawn")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REOPENED)
def test_a_bill_that_is_owed_again_is_announced_again_if_its_notice_never_left(sound_books: Books, case: str) -> None:
    meanwhile, expected = REOPENED[case]
    sound_books.issue(a_bill(**DEBIT), OTHERS)
    sound_books.hear(a_notice(bank_reference="B1"))
    meanwhile(sound_books)
    sound_books.read(a_line(100_000, "B1", f"sua: {OTHER_CODE}"), opening=0)
    assert sound_books.paid() == ("open", 0)
    found = sound_books.rows("SELECT version, state FROM messages WHERE event = 'before_debit' ORDER BY version")
    assert found == expected


def test_a_new_version_of_a_bill_announced_twice_is_announced_under_a_version_of_its_own(sound_books: Books) -> None:
    sound_books.issue(a_bill(**DEBIT), OTHERS)
    sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.read(a_line(100_000, "B1", f"sua: {OTHER_CODE}"), opening=0)
    sound_books.issue(a_bill(version=2, minor=80_000, **DEBIT))
    assert sound_books.rows("SELECT version, state FROM messages WHERE event = 'before_debit' ORDER BY version") == [
        (1, "withdrawn"),
        (2, "withdrawn"),
        (3, "queued"),
    ]


def test_a_bill_announced_before_it_was_paid_is_not_announced_again(sound_books: Books) -> None:
    sound_books.issue(a_bill(**DEBIT), OTHERS)
    assert send_all(sound_books) == 1
    sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.read(a_line(100_000, "B1", f"sua: {OTHER_CODE}"), opening=0)
    assert sound_books.rows("SELECT version, state FROM messages WHERE event = 'before_debit'") == [(1, "sent")]
