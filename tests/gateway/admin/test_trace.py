"""The trace: whatever somebody has in hand leads to where its whole story stands."""

from urllib.parse import quote

import pytest
from sqlalchemy import text

from reconciliation import webhook_endpoints, webhook_events
from tests.gateway.admin.conftest import NOW


def names(page):
    return {
        " ".join(section.h2.text.split()): [link.text.strip() for link in section.select("a[data-row]")]
        for section in page.select("main section")
    }


@pytest.fixture
def settled(books, session):
    """A bill with its payment and statement line, and another customer's bill nobody searches for."""
    bill, payment = books.settled()
    books.settled(55_000)
    session.commit()
    return bill, payment


def test_a_bill_leads_to_its_payment_by_each_of_its_names(accountant, settled, session, sealer):
    bill, payment = settled
    session.execute(
        text("UPDATE customers SET msisdn_hash = :h WHERE id = :id"),
        {"h": sealer.blind("+84912345678", "msisdn"), "id": bill.customer_id},
    )
    code = session.scalar(text("SELECT code FROM customers WHERE id = :id"), {"id": bill.customer_id})
    session.commit()
    of_bill = {"Hóa đơn": [bill.number], "Thanh toán": [payment.source_reference]}
    for name in (bill.number, bill.number.lower(), bill.payment_code, str(bill.end_to_end_id)):
        assert names(accountant.page(f"/admin/trace/?q={name}")) == of_bill, name
    for name in (code, "0912 345 678"):
        assert names(accountant.page(f"/admin/trace/?q={name}")) == {"Khách hàng": [code], **of_bill}, name


def test_one_thing_alone_is_shown_at_once(accountant, settled):
    _, payment = settled
    answer = accountant.get(f"/admin/trace/?q={payment.source_reference}")
    assert (answer.status_code, answer.location) == (303, f"/admin/payments/{payment.id}")


def test_a_file_and_a_bank_reference_lead_to_payment_and_delivery(accountant, books, session):
    payment, statement = books.payment(), books.statement()
    books.line(statement, payment, 844_960, bank_reference="SK-991")
    session.commit()
    found = names(accountant.page("/admin/trace/?q=sk-991"))
    assert found == {"Thanh toán": [payment.source_reference], "Bản tin đến": ["saomai-20261118.xml"]}
    answer = accountant.get("/admin/trace/?q=saomai-20261118.xml")
    assert answer.location == f"/admin/deliveries/{statement.delivery_id}"


def test_a_payment_that_a_line_alone_shows_has_the_name_of_its_page(accountant, books, session):
    for line, bank_reference in (("line:7", "FTX1"), ("line:8", "")):
        books.payment(12_345, origin="statement", source_reference=line, bank_reference=bank_reference)
    session.commit()
    assert names(accountant.page("/admin/trace/?q=12.345")) == {"Thanh toán": ["dòng số 8", "FTX1"]}


def test_a_case_is_found_by_its_number(accountant, as_role, books, session):
    case = books.mismatch("M03", "payment:1")
    books.mismatch("M03", "payment:2")
    session.commit()
    answer = accountant.get(f"/admin/trace/?q=%23{case.id}")
    assert (answer.status_code, answer.location) == (303, f"/admin/mismatches/{case.id}")
    for other in (f"%23{case.id + 9}", str(case.id), "%23x"):
        assert not names(accountant.page(f"/admin/trace/?q={other}")), other
    assert as_role("care").get(f"/admin/trace/?q=%23{case.id}").status_code == 200, "who may open no case"


def test_an_amount_finds_what_is_over_just_as_much(accountant, settled):
    bill, payment = settled
    found = names(accountant.page("/admin/trace/?q=844.960"))
    assert found == {"Hóa đơn": [bill.number], "Thanh toán": [payment.source_reference]}
    assert not names(accountant.page("/admin/trace/?q=844.961"))


def test_who_may_not_see_payments_finds_bills_alone(as_role, settled):
    bill, _payment = settled
    assert as_role("care").get(f"/admin/trace/?q={bill.number}").location == f"/admin/bills/{bill.id}"


def test_customer_care_is_told_of_the_bill_that_a_payment_settles(as_role, settled):
    bill, payment = settled
    page = as_role("care").page(f"/admin/trace/?q={payment.source_reference}")
    assert names(page) == {"Thanh toán": [bill.number]}
    assert page.select_one(f"a[href='/admin/bills/{bill.id}']")
    assert not page.select("a[href^='/admin/payments/']")


def test_customer_care_is_told_that_a_payment_came_and_settles_nothing_yet(as_role, books, session):
    lone, kept = books.payment(90_000), books.payment(80_000, state="confirmed", confirmed_minor=80_000)
    books.mismatch("M12", f"payment:{kept.id}", payment_id=kept.id, minor=80_000)
    session.commit()
    place = {"why": "chưa rõ của ai", "place1": "held", "sum1": "80000"}
    asked = session.scalar(text("SELECT id FROM mismatches"))
    assert as_role("accountant").send(f"/admin/mismatches/{asked}/settle", **place).status_code == 303
    care = as_role("care")
    for one, said in ((lone, "chưa gạch nợ hóa đơn nào"), (kept, "không gạch nợ hóa đơn nào")):
        page = care.page(f"/admin/trace/?q={one.source_reference}")
        assert said in page.text
        assert "Hãy hỏi kế toán" in page.text
        assert not page.select(".empty")
    assert care.page("/admin/trace/?q=FT404").select(".empty")


def test_a_statement_is_found_by_its_own_number(accountant, books, session):
    statement = books.statement()
    session.commit()
    for name in (statement.statement_id, statement.statement_id.lower()):
        assert accountant.get(f"/admin/trace/?q={name}").location == f"/admin/deliveries/{statement.delivery_id}"


def test_nothing_found_and_nothing_asked_are_told_apart(accountant):
    assert "Không có gì mang" in accountant.page("/admin/trace/?q=PA9").select_one(".empty").text
    assert not accountant.page("/admin/trace/").select(".empty, main section")


def test_more_than_are_shown_lead_to_the_list(accountant, books, session):
    first = books.bill()
    for _ in range(21):
        books.bill(customer_id=first.customer_id)
    session.commit()
    code = session.scalar(text("SELECT code FROM customers WHERE id = :id"), {"id": first.customer_id})
    page = accountant.page(f"/admin/trace/?q={code}")
    assert len(names(page)["Hóa đơn"]) == 20
    [more] = [link["href"] for link in page.select("main section > p a")]
    assert len(accountant.page(more).select("main tbody tr")) == 22


def test_a_case_is_found_as_pages_name_it(accountant, books, session):
    case = books.mismatch("M03", "payment:1", minor=1_000)
    session.commit()
    for name in (f"#{case.id}", f"M03 #{case.id}", f"m03#{case.id}"):
        assert accountant.get(f"/admin/trace/?q={quote(name)}").location == f"/admin/mismatches/{case.id}", name
    for name in (f"M04 #{case.id}", f"M03 {case.id}", "#"):
        assert names(accountant.page(f"/admin/trace/?q={quote(name)}")) == {}, name


def test_a_webhooks_event_leads_to_the_log_of_who_was_sent_it(as_role, session, sealer):
    ids = []
    for url in ("https://hooks.example.vn/a", "https://hooks.example.vn/b"):
        endpoint, _key = webhook_endpoints.add(session, url, ["day.closed"], sealer=sealer, by="test", now=NOW)
        webhook_events.ping(session, endpoint, now=NOW)
        ids.append(endpoint.id)
    session.commit()
    uid = session.scalar(text("SELECT uid FROM webhook_events ORDER BY id"))
    visitor = as_role("administrator")
    answer = visitor.get(f"/admin/trace/?q={uid}")
    assert (answer.status_code, answer.location) == (303, f"/admin/webhooks/{ids[0]}?q={uid}")
    assert len(visitor.page(answer.location).select("main tbody tr")) == 1
    assert names(as_role("accountant").page(f"/admin/trace/?q={uid}")) == {}
    session.execute(
        text("INSERT INTO webhook_sendings (event_id, endpoint_id, next_at) SELECT id, :to, :now FROM webhook_events"
             " WHERE uid = :uid"), {"to": ids[1], "now": NOW, "uid": uid},
    )  # fmt: skip
    session.commit()
    page = visitor.page(f"/admin/trace/?q={uid}")
    assert names(page) == {"Webhook": ["https://hooks.example.vn/a", "https://hooks.example.vn/b"]}
    assert "đang chờ" in page.select_one("main tbody").text
