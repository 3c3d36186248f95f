"""How long a payment waits for its line: as long as its source, by its agreement, may take to settle it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from reconciliation import statement_deadlines
from tests.reconciliation.books import CODE, DAY, Books, a_bill, a_line, a_notice
from tests.reconciliation.test_deadlines import pass_at
from tests.reconciliation.test_settling_lumps import undo

T_2 = datetime(2026, 11, 20, 17, tzinfo=UTC)
A_WEEK = datetime(2026, 11, 26, 17, tzinfo=UTC)
"""The end of the business day after 25 November, a week after the payment."""


@pytest.mark.parametrize("agreed_first", [True, False])
def test_a_payment_that_is_settled_weekly_waits_that_long(sound_books: Books, agreed_first: bool) -> None:
    if agreed_first:
        sound_books.agree(within_days=7)
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("W1", 100_000, CODE), source="wallet")
    if not agreed_first:
        sound_books.agree(within_days=7)
    for moment, asked in ((T_2, 0), (A_WEEK - timedelta(seconds=1), 0), (A_WEEK, 1)):
        assert pass_at(sound_books, moment) == asked, moment
    assert sound_books.open_questions() == {("M01", "W1")}


def test_a_payment_whose_settlement_is_taken_back_waits_for_another_one_as_long(sound_books: Books) -> None:
    sound_books.agree(within_days=7)
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("W1", 100_000, CODE), source="wallet")
    on = DAY + timedelta(days=1)
    sound_books.read(a_line(98_900, "L1", "QUYET TOAN VI", booked_on=on), on=on)
    assert sound_books.rows("SELECT state, due_at FROM payments") == [("confirmed", None)]
    undo(sound_books, "S1")
    assert sound_books.rows("SELECT state, due_at FROM payments") == [("reported", A_WEEK)]


@pytest.mark.parametrize(
    ("agreed", "since", "due"),
    [
        (None, None, T_2),
        ({"within_days": 0, "after_days": 0}, None, T_2),
        ({}, None, datetime(2026, 11, 23, 17, tzinfo=UTC)),  # what is booked on Saturday stands on Monday's statement
        ({"within_days": 6, "cut_off": time(22)}, DAY + timedelta(days=1), A_WEEK),  # from ten at night: a day later
        ({"within_days": 7}, DAY + timedelta(days=9), datetime(2026, 12, 1, 17, tzinfo=UTC)),
    ],
)
def test_the_later_of_both(
    sound_books: Books, agreed: dict[str, Any] | None, since: date | None, due: datetime
) -> None:
    if agreed is not None:
        sound_books.agree(**agreed)
    until = sound_books.run(statement_deadlines.read)
    assert until.of("wallet", DAY, since) == due
    assert until.of("standard", DAY) == T_2
