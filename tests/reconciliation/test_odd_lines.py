"""Which lines the database lists as odd, as they are decided on, and that nobody else lists or strikes any."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation.inbox import Delivery
from reconciliation.odd_lines import MISSED
from reconciliation.payments import Payment
from reconciliation.statements import Line, Statement
from tests.reconciliation.books import CODE, a_bill, a_line, a_notice

DAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)


@pytest.fixture
def statement(session: Session) -> Statement:
    return _statement(session)


def _statement(session):
    delivery = Delivery(source="saomai", kind="statement", digest=b"d", size=1, received_at=NOW)
    session.add(delivery)
    session.flush()
    made = Statement(
        delivery_id=delivery.id, bank="saomai", account_hash=b"h", kind="statement", format="camt", statement_id="S1",
        currency="VND", closing_on=DAY, created_at=NOW,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _line(session, statement, minor=1000, entry=1, **columns):
    values = {"transaction": 1, "direction": "in", "counts": True, "currency": "VND", "reversal": False}
    made = Line(statement_id=statement.id, entry=entry, minor=minor, **values | columns)
    session.add(made)
    session.flush()
    return made


def _payment(session, minor=1000):
    made = Payment(
        source="saomai", source_reference=f"T{minor}", minor=minor, currency="VND", business_date=DAY,
        origin="callback", reported_at=NOW, created_at=NOW,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _listed(session):
    return [tuple(row) for row in session.execute(text("SELECT line_id, day FROM odd_lines ORDER BY 1"))]


def _decide(session, line, state, payment=None):
    line.state, line.payment_id = state, payment and payment.id
    session.flush()


def test_a_line_that_waits_is_not_listed_nor_one_over_what_its_payment_is(session, statement):
    line = _line(session, statement)
    assert _listed(session) == []
    _decide(session, line, "matched", _payment(session))
    assert _listed(session) == []


@pytest.mark.parametrize("minor", [None, 999, 1001])
def test_a_line_decided_on_without_a_payment_of_its_amount_is_listed_by_its_day(session, statement, minor):
    line = _line(session, statement)
    _decide(session, line, "mismatch", minor and _payment(session, minor))
    assert _listed(session) == [(line.id, DAY)]


def test_a_line_is_listed_by_the_day_it_bears_once_and_for_good(session, statement):
    line = _line(session, statement, booked_on=date(2026, 11, 17))
    _decide(session, line, "mismatch")
    _decide(session, line, "matched", _payment(session))
    _decide(session, line, "mismatch")
    assert _listed(session) == [(line.id, date(2026, 11, 17))]


def test_lines_that_stand_for_nothing_are_not_listed(session, statement):
    _decide(session, _line(session, statement, counts=False), "mismatch")
    _decide(session, _line(session, statement, minor=0, entry=2), "rejected")
    assert _listed(session) == []


@pytest.mark.parametrize("told", [True, False])
def test_a_line_less_the_banks_fee_is_listed_though_it_was_its_payment_that_grew(sound_books, told):
    sound_books.tariff("standard")
    sound_books.issue(a_bill())
    if told:
        sound_books.hear(a_notice())
    sound_books.read(a_line(100_000 - 1_100, narrative=CODE), a_line(100_000, "B2"))
    odd = "SELECT minor, day FROM odd_lines JOIN statement_lines ON id = line_id"
    assert sound_books.rows(odd) == [(98_900, DAY)]


@pytest.mark.usefixtures("any_state")
def test_a_line_may_come_decided_on(session, statement):
    line = _line(session, statement, state="mismatch")
    assert _listed(session) == [(line.id, DAY)]


@pytest.mark.usefixtures("any_state")
def test_no_line_comes_with_a_payment_that_is_not_there(session, statement):
    with pytest.raises(DBAPIError, match="a line proves a payment that is there"):
        _line(session, statement, payment_id=4711)


def test_no_line_is_given_a_payment_that_is_not_there(session, statement):
    line = _line(session, statement)
    line.state, line.payment_id = "matched", 4711
    with pytest.raises(DBAPIError, match="a line proves a payment that is there"):
        session.flush()


@pytest.mark.parametrize(
    "change", ["INSERT INTO odd_lines VALUES (1, now())", "DELETE FROM odd_lines", "UPDATE odd_lines SET day = NULL"]
)
def test_the_application_may_only_read_the_list(session, change):
    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text(change))


def test_a_line_missing_from_the_list_or_listed_by_another_day_is_seen(books):
    (missed,) = MISSED.values()
    books.read(a_line(0))
    books.run(lambda session: _decide(session, _line(session, _statement(session)), "mismatch"))
    assert books.one(missed) == 0
    for tampering in ("UPDATE odd_lines SET day = day + 1", "DELETE FROM odd_lines"):
        books.as_owner(tampering)
        assert books.one(missed) == 1
