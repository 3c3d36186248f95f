"""The page of what messages cost: a month at a time, by office, with the price of a part where one is set."""

import pytest

from reconciliation import counted_months
from reconciliation.customers import Customer
from reconciliation.outbox import Message
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def left(session, staff):
    """Two messages of one office and one of another, of three parts each, which have left."""
    for number, office in enumerate(("Hồ Sen", "Hồ Sen", "Đồng Nai"), 1):
        customer = Customer(code=f"PA{number:011}", office=office, created_at=NOW, updated_at=NOW)
        session.add(customer)
        session.flush()
        session.add(
            Message(
                event_key=f"bill:{number}", version=1, event="debit_failed", customer_id=customer.id, facts={},
                body="x", parts=3, not_after=NOW, created_at=NOW, sent_at=NOW, state="sent",
            )
        )  # fmt: skip
    counted_months.count(session, counted_months.first_of(NOW.date()), now=NOW)
    session.commit()


@pytest.mark.usefixtures("left")
def test_a_month_is_shown_by_office_with_its_sum(as_role):
    page = as_role("accountant").page(f"/admin/messages/costs/?month={NOW:%Y-%m}")
    said = [" ".join(row.text.split()) for row in page.select("tbody tr")]
    assert said == ["Đồng Nai 1 3 1.050 ₫", "Hồ Sen 2 6 2.100 ₫", "Tất cả điện lực 3 9 3.150 ₫"]
    assert page.select(".path a")[0]["href"] == "/admin/messages/"


def test_a_month_without_messages_and_one_mistyped_say_so(as_role, session):
    accountant = as_role("accountant")
    for query, status in (("?month=soon", 400), ("", 200)):
        answer = accountant.get(f"/admin/messages/costs/{query}")
        assert (answer.status_code, "Tháng này chưa được tính." in answer.text) == (status, True)
    counted_months.count(session, counted_months.first_of(NOW.date()), now=NOW)
    session.commit()
    assert "Tháng này chưa gửi tin nào." in accountant.page(f"/admin/messages/costs/?month={NOW:%Y-%m}").text


def test_who_may_not_see_costs_is_kept_out(as_role):
    assert as_role("care").get("/admin/messages/costs/").status_code == 403
