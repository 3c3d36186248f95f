"""Money that went to no bill: each payment's page says where it stands, and the customer's pages what is kept."""

import pytest
from sqlalchemy import text

from tests.gateway.admin.test_casework import undo


def words(page):
    return " ".join(page.text.replace("\u00a0", " ").split())


@pytest.fixture
def twice(books, session):
    """Return (case's page, payment's page, bill) of confirmed money for a bill that was paid before."""
    bill, _first = books.settled(100_000)
    payment = books.payment(100_000, state="confirmed", confirmed_minor=100_000)
    asked = books.mismatch("M06", f"payment:{payment.id}", payment_id=payment.id, bill_id=bill.id, minor=100_000)
    session.commit()
    return f"/admin/mismatches/{asked.id}", f"/admin/payments/{payment.id}", bill


def credit(person, path, session):
    owner = session.execute(text("SELECT code FROM customers ORDER BY id LIMIT 1")).scalar_one()
    fields = {"why": "chuyển kỳ sau", "place1": "credit", "sum1": "100000", "whose1": owner}
    assert person.post(f"{path}/settle", token_from=path, **fields).status_code == 303
    return owner


def test_a_payment_that_became_credit_says_so_with_its_entry(as_role, twice, session):
    case, payment, _bill = twice
    person = as_role("accountant")
    owner = credit(person, case, session)
    page = person.page(payment)
    said = words(page)
    assert f"Chuyển 100.000 ₫ → ghi có cho khách hàng {owner}" in said
    assert "accountant: chuyển kỳ sau" in said
    assert "tiền ghi có của khách hàng" in said, "the entry is among the others"
    assert page.select_one(f"ol.story a[href='{case}']"), "from there the answer is one step away"
    assert "Phần còn lại đang ở đâu" in said


def test_what_is_kept_stands_on_the_bills_and_on_the_customers_page(as_role, twice, session):
    case, _payment, bill = twice
    person = as_role("accountant")
    pages = (f"/admin/bills/{bill.id}", f"/admin/sms-wishes/{bill.customer_id}")
    for path in pages:
        assert "Đang ghi có" not in words(person.page(path))
    credit(person, case, session)
    for path in pages:
        assert "Đang ghi có 100.000 ₫" in words(person.page(path))
        assert person.page(path).select_one("a[href^='/admin/payments/']")
    assert "Đang ghi có 100.000 ₫" in words(as_role("care").page(pages[0]))


def test_what_was_taken_back_is_told_and_counts_no_more(as_role, twice, session):
    case, payment, bill = twice
    person = as_role("accountant")
    credit(person, case, session)
    undo(person, case)
    said = words(person.page(payment))
    assert "Rút lại 100.000 ₫ → ghi có cho khách hàng" in said
    assert "Phần còn lại đang ở đâu" not in said
    assert "Đang ghi có" not in words(person.page(f"/admin/bills/{bill.id}"))


def test_a_refund_says_what_its_transfer_quotes(as_role, twice, session):
    case, payment, _bill = twice
    person = as_role("accountant")
    fields = {"why": "khách đòi", "place1": "refund", "sum1": "100000"}
    assert person.post(f"{case}/settle", token_from=case, **fields).status_code == 303
    said = words(person.page(payment))
    assert "hoàn tiền cho người trả" in said
    reference = session.execute(text("SELECT 'HT' || lpad(id::text, 8, '0') FROM placements")).scalar_one()
    assert f"lệnh chuyển ghi {reference}" in said
    assert "chưa chi" in said
