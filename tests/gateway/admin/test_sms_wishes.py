"""The pages of customers' wishes: found by code or phone, changed by those who may, for a reason that is kept."""

import pytest
from sqlalchemy import select, text

from reconciliation import audit, sms_wishes
from reconciliation.audit import AuditEntry
from reconciliation.customers import Customer
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def customers(books, session, sealer):
    """Three customers; the first two share the phone 0912 345 678."""
    made = [books.bill().customer_id for _ in range(3)]
    hashed = sealer.blind("+84912345678", "msisdn")
    for number in made[:2]:
        session.execute(text("UPDATE customers SET msisdn_sealed = 'x', msisdn_hash = :h WHERE id = :id"),
                        {"h": hashed, "id": number})  # fmt: skip
    session.commit()
    return [session.get_one(Customer, number) for number in made]


def path_of(customer):
    return f"/admin/sms-wishes/{customer.id}"


def entries(session):
    return session.execute(
        select(AuditEntry.actor, AuditEntry.subject, AuditEntry.facts)
        .where(AuditEntry.action == "sms_wishes")
        .order_by(AuditEntry.id)
    ).all()


def test_a_customer_is_found_by_code_and_by_phone_which_is_shown_masked(as_role, session, customers):
    care = as_role("care")
    first, second, third = customers
    assert care.get(f"/admin/sms-wishes/?q={third.code.lower()}").location == path_of(third)
    page = care.page("/admin/sms-wishes/?q=0912 345 678")
    assert {link["href"] for link in page.select("a[data-row]")} == {path_of(first), path_of(second)}
    assert "···678" in page.text
    assert "345678" not in page.select_one("tbody").text
    session.execute(text("UPDATE customers SET msisdn_hash = NULL WHERE id = :id"), {"id": second.id})
    session.commit()
    assert care.get("/admin/sms-wishes/?q=84912345678").location == path_of(first)
    assert not care.page("/admin/sms-wishes/").select("a[data-row], .empty")
    assert "Không có khách hàng nào" in care.page("/admin/sms-wishes/?q=PA9").text
    assert care.get("/admin/sms-wishes/999999").status_code == 404


@pytest.mark.parametrize("role", ["care", "administrator"])
def test_those_who_may_change_a_wish_with_a_reason_and_the_page_tells_who_did(as_role, session, customers, role):
    visitor, path, customer = as_role(role), path_of(customers[0]), customers[0]
    for button in ({"refuse": "payment_recorded"}, {"signs": "with"}):
        assert visitor.post(path, token_from=path, why=" gọi  tổng đài ", **button).location == path
    session.refresh(customer)
    assert (customer.refused, customer.diacritics) == (["payment_recorded"], True)
    assert entries(session) == [
        (role, f"customer:{customer.code}", {"refused": ["payment_recorded"], "diacritics": on, "why": "gọi tổng đài"})
        for on in (False, True)
    ]
    page = visitor.page(path)
    assert [button["value"] for button in page.select("button[name=allow]")] == ["payment_recorded"]
    newest, _ = page.select("ol.moves li")
    assert role in newest.text
    assert "gọi tổng đài" in newest.text
    assert newest.select_one("time")
    assert visitor.post(path, token_from=path, why="lại", allow="payment_recorded").status_code == 303
    session.refresh(customer)
    assert customer.refused == []
    assert audit.faults(session, None) == []


def test_what_the_command_noted_stands_there_too(as_role, session, customers):
    sms_wishes.refuse(session, customers[0].code, "overdue", by="mai", why="qua điện thoại", now=NOW)
    session.commit()
    told = as_role("auditor").page(path_of(customers[0])).select_one("ol.moves").text
    assert "mai: qua điện thoại" in told


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"refuse": "overdue", "why": "  "}, 400),
        ({"refuse": "mandate_code", "why": "x"}, 400),
        ({"why": "x"}, 400),
        ({"signs": "some", "why": "x"}, 400),
        ({"allow": "overdue", "why": "x"}, 409),
    ],
)
def test_what_can_not_be_noted_changes_nothing(as_role, session, customers, fields, status):
    answer = as_role("care").post(path_of(customers[0]), **fields)
    assert answer.status_code == status
    assert entries(session) == []
    assert ('role="alert"' in answer.text) is (status == 409 or fields["why"] == "  ")


@pytest.mark.parametrize("role", ["accountant", "chief_accountant", "liaison", "auditor", "office_manager"])
def test_others_read_and_do_not_touch(as_role, session, customers, role):
    visitor, path = as_role(role), path_of(customers[0])
    assert not visitor.page(path).select("main form:not([action$='/unmask'])")
    assert visitor.post(path, refuse="overdue", why="x").status_code == 403
    assert entries(session) == []


def test_a_form_without_its_token_is_refused(as_role, session, customers):
    answer = as_role("care").client.post(path_of(customers[0]), data={"refuse": "overdue", "why": "x"})
    assert answer.status_code == 400
    assert entries(session) == []


def test_messages_lead_to_wishes_and_a_customer_who_does_not_agree_is_told_so(as_role, books, session, customers):
    care = as_role("care")
    bill = books.bill()
    message = books.message(bill, "before_debit")
    session.execute(text("UPDATE customers SET consent = false WHERE id = :id"), {"id": bill.customer_id})
    session.commit()
    assert care.page("/admin/messages/").select("a[href='/admin/sms-wishes/']")
    [link] = care.page(f"/admin/messages/{message.id}").select("a[href^='/admin/sms-wishes/']")
    assert link["href"] == f"/admin/sms-wishes/{bill.customer_id}"
    assert "không đồng ý nhận SMS" in care.page(link["href"]).text
