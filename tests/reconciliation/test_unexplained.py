"""What counts as unexplained, and that all of it is caught."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from reconciliation import day_figures, unexplained
from reconciliation.inbox import Delivery
from reconciliation.invariants import unexplained_vnd
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import Line, Statement

pytestmark = pytest.mark.usefixtures("any_state")
DAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)


def _payment(session, reference, minor=1000, **columns):
    made = Payment(
        source="saomai", source_reference=reference, minor=minor, currency="VND", business_date=DAY,
        origin="callback", reported_at=NOW, created_at=NOW, **columns,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _line(session, minor, payment=None, *, accepted="accepted", **columns):
    delivery = Delivery(
        source="saomai", kind="statement", digest=str(columns).encode() + b"%d" % minor, size=1, received_at=NOW
    )
    session.add(delivery)
    session.flush()
    statement = Statement(
        delivery_id=delivery.id, bank="saomai", account_hash=b"h", kind="statement", format="camt",
        statement_id=f"S{delivery.id}", currency="VND", closing_on=DAY, state=accepted, created_at=NOW,
    )  # fmt: skip
    session.add(statement)
    session.flush()
    values = {"entry": 1, "transaction": 1, "direction": "in", "counts": True, "currency": "VND", "reversal": False}
    made = Line(statement_id=statement.id, minor=minor, payment_id=payment.id if payment else None, **values | columns)
    session.add(made)
    session.flush()
    return made


def _ask(session, code, **columns):
    session.add(Mismatch(code=code, subject=f"x:{code}:{columns}", source="saomai", opened_at=NOW, **columns))
    session.flush()


def _of_a_close(session, day):
    """Return what a close says of the day's lines, which it takes out of its own reading of them."""
    return day_figures.unanswered(session, "saomai", day, tells=True).lines_minor


def test_an_empty_house_has_nothing_to_explain(session):
    assert unexplained.total(session) == 0
    assert unexplained.lines(session, DAY, most=10) == []


def test_money_without_a_bill_is_unexplained_until_someone_is_asked(session):
    payment = _payment(session, "FT1")
    assert unexplained.total(session) == unexplained.total(session, DAY) == 1000
    assert unexplained.total(session, DAY + timedelta(days=1)) == 0
    _ask(session, "M12", payment_id=payment.id)
    assert unexplained.total(session) == 0


def test_a_settled_question_does_not_explain_money_that_still_lies_about(session):
    payment = _payment(session, "FT1")
    _ask(session, "M12", payment_id=payment.id, state="resolved")
    assert unexplained.total(session) == 1000


def test_money_that_went_back_is_not_asked_for_again(session):
    _payment(session, "FT1", state="denied")
    _payment(session, "FT2", state="returned")
    assert unexplained.total(session) == 0


@pytest.mark.parametrize("minor", [500, -500])
def test_a_line_without_payment_question_or_rejection_is_unexplained(session, minor):
    line = _line(session, minor)
    assert unexplained.total(session, DAY) == 500
    assert unexplained.total(session, DAY, bank="saomai") == 500
    assert unexplained.total(session, DAY, bank="vidien") == 0
    assert [one["id"] for one in unexplained.lines(session, DAY, "saomai", most=10)] == [line.id]
    assert _of_a_close(session, DAY) == 500
    assert unexplained.lines(session, DAY, "vidien", most=10) == []
    _ask(session, "M09", line_id=line.id)
    assert unexplained.total(session) == _of_a_close(session, DAY) == 0


def test_a_line_counts_on_the_day_it_bears_and_else_on_its_statements(session):
    _line(session, 500, booked_on=DAY - timedelta(days=1))
    _line(session, 300)
    for day, minor in ((DAY - timedelta(days=1), 500), (DAY, 300)):
        assert unexplained.total(session, day) == _of_a_close(session, day) == minor
    assert unexplained.total(session) == 800


def test_the_first_lines_tell_what_all_of_them_come_to(session):
    for minor in (500, 300, -200):
        _line(session, minor)
    (first,) = unexplained.lines(session, DAY, most=1)
    assert (first["unexplained_minor"], first["of_all"]) == (500, 1000)
    assert unexplained.total(session, DAY) == 1000


def test_rejected_lines_notices_and_quarantined_statements_are_not_money(session):
    _line(session, 500, state="rejected")
    _line(session, 600, counts=False)
    _line(session, 700, accepted="quarantined")
    assert unexplained.total(session) == _of_a_close(session, DAY) == 0


@pytest.mark.parametrize("day", [DAY, DAY + timedelta(days=1)])
def test_a_line_over_another_amount_than_its_payment_is_unexplained_by_the_difference(session, day):
    payment = _payment(session, "FT1", minor=1000)
    _line(session, 400, _payment(session, "FT2", minor=400, state="denied"), state="matched", booked_on=day)
    line = _line(session, 700, payment, state="matched", booked_on=day)
    _ask(session, "M12", payment_id=payment.id)
    assert unexplained.total(session) == 0
    session.execute(update(Mismatch).values(state="resolved"))
    assert unexplained.total(session) == 1000 + 300
    assert unexplained.lines_by_bank(session, day) == unexplained.lines_by_bank(session, day, bank="saomai")
    assert unexplained.lines_by_bank(session, day) == {"saomai": 300}
    assert _of_a_close(session, day) == 300
    _ask(session, "M03", line_id=line.id)
    assert unexplained.total(session) == 1000


def test_where_the_overview_sees_nothing_unexplained_neither_does_verify(session):
    payment = _payment(session, "FT1")
    _line(session, 1000, payment, state="matched")
    assert bool(unexplained.total(session)) == bool(unexplained_vnd(session)) is True
    _ask(session, "M12", payment_id=payment.id)
    assert unexplained.total(session) == unexplained_vnd(session) == 0
