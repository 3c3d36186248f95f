"""The day's figures by bank and channel, and open mismatches by code and age."""

from datetime import UTC, date, datetime, timedelta

import pytest

from reconciliation import overview
from reconciliation.inbox import Delivery
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


def test_an_empty_house_has_nothing_to_explain(session):
    assert overview.latest_day(session) is None
    assert overview.of_day(session, DAY, {}, now=NOW) == overview.Day([], [])
    assert overview.open_by_code(session, NOW) == []


def test_a_bank_that_owes_a_file_has_a_row_before_anything_comes(session):
    (row,) = overview.of_day(session, DAY, {"saomai": 1}, now=NOW).banks
    assert (row.files_expected, row.files, row.quarantined, row.received) == (1, 0, 0, 0)
    _line(session, 700, accepted="quarantined")
    (row,) = overview.of_day(session, DAY, {"saomai": 1}, now=NOW).banks
    assert (row.files, row.quarantined) == (0, 1)


def test_ages_fall_into_the_four_buckets_and_settled_ones_into_none(session):
    for days in (0, 1, 2, 3, 5, 7, 8, 30):
        opened = NOW - timedelta(days=days)
        session.add(Mismatch(code="M01", subject=f"p:{days}", minor=10, opened_at=opened))
    rests = NOW + timedelta(days=1)
    session.add(Mismatch(code="M01", subject="p:rests", minor=10, opened_at=NOW, rests_until=rests))
    session.add(Mismatch(code="M01", subject="p:settled", minor=10, opened_at=NOW, state="resolved"))
    session.flush()
    (found,) = overview.open_by_code(session, NOW)
    assert (found.count, found.minor, found.ages) == (8, 80, (2, 2, 2, 2))
    assert found.oldest == NOW - timedelta(days=30)


def test_ages_go_by_the_days_of_the_calendar_in_vietnam(session):
    for number, hours in enumerate((1, 10, 26, 33, 34)):  # 34 hours ago it was the evening of the day before yesterday
        session.add(Mismatch(code="M01", subject=f"p:{number}", minor=10, opened_at=NOW - timedelta(hours=hours)))
    session.flush()
    (found,) = overview.open_by_code(session, NOW)
    assert found.ages == (4, 1, 0, 0)
