from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from reconciliation import ageing
from reconciliation.ageing import Aged, aged, bounds
from reconciliation.mismatches import Mismatch
from tests.reconciliation.books import Books

NOW = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)  # half past midnight of the 19th in Vietnam


@pytest.mark.parametrize(
    ("span", "since", "until"),
    [("0-1", 17, 19), ("2-3", 15, 17), ("4-7", 11, 15), ("8-", None, 11)],
)
def test_spans_begin_and_end_at_midnight_in_vietnam(span: str, since: int | None, until: int) -> None:
    midnight = datetime(2026, 11, 1, 17, tzinfo=UTC) - timedelta(days=1)
    found = bounds(span, NOW)
    assert found == (None if since is None else midnight + timedelta(days=since), midnight + timedelta(days=until))


def test_the_spans_follow_on_without_a_gap() -> None:
    limits = [bounds(span, NOW) for span in ageing.SPANS]
    assert [older[1] for older in limits[1:]] == [younger[0] for younger in limits[:-1]]


@pytest.mark.usefixtures("any_state")
def test_each_open_question_stands_in_one_span_with_its_money(books: Books) -> None:
    opened = [NOW + timedelta(hours=1), NOW, NOW - timedelta(hours=25), NOW - timedelta(days=2),
              NOW - timedelta(days=7, minutes=31), NOW - timedelta(days=400)]  # fmt: skip
    for place, moment in enumerate(opened):
        books.run(
            lambda session, place=place, moment=moment: session.execute(
                text(
                    "INSERT INTO mismatches (code, subject, source, minor, opened_at, state)"
                    " VALUES ('M12', :subject, :source, :minor, :at, 'open')"
                ),
                {"subject": f"s{place}", "source": "ab"[place % 2], "minor": 10**place, "at": moment},
            )
        )
    books.run(
        lambda session: session.execute(
            text(
                "INSERT INTO mismatches (code, subject, minor, currency, opened_at, state) VALUES"
                " ('M12', 'usd', 5, 'USD', :at, 'proposed'), ('M12', 'done', 7, 'VND', :at, 'resolved')"
            ),
            {"at": NOW},
        )
    )
    found = books.run(lambda session: aged(session, now=NOW))
    assert found == [Aged("0-1", 3, 11), Aged("2-3", 2, 1100), Aged("4-7", 0, 0), Aged("8-", 2, 110_000)]
    of_a = select(Mismatch).where(Mismatch.source == "a")
    assert [one.questions for one in books.run(lambda session: aged(session, among=of_a, now=NOW))] == [1, 1, 0, 1]
