"""Personal data stands masked; whoever may see it in full says why, and that is kept, the value never."""

import pytest
from sqlalchemy import select

from gateway.admin import personal_data
from gateway.admin.masking import masked
from reconciliation.audit import AuditEntry
from reconciliation.customers import Customer
from reconciliation.mandates import HOLDER_SEALED, SEALED, Mandate, MandateVersion
from reconciliation.roles import ROLES
from tests.gateway.admin.conftest import DAY, NOW

PHONE, ACCOUNT, HOLDER = "+84912345678", "19012345678901", "NGUYEN THI HOA"
WROTE = "NGUYEN THI HOA tra tien dien PA00000000001"
CALLED = f'{{"amount": 844960, "payer": "{HOLDER}", "account": "{ACCOUNT}"}}'
WHY = "Khách hàng gọi lên hỏi"


@pytest.fixture
def places(books, session, sealer):
    """Addresses that unmask, each with what it is and the value in full."""
    bill, payment = books.settled()
    payment.narrative = WROTE
    customer = session.get_one(Customer, bill.customer_id)
    customer.msisdn_sealed = sealer.seal(PHONE.encode(), "customers.msisdn")
    message = books.message(bill, "payment_recorded")
    question = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id)
    delivery = books.delivery(body=sealer.seal(CALLED.encode(), "deliveries.body"))
    mandate = Mandate(bank="saomai", reference="UQ1", customer_id=customer.id, state="draft", created_at=NOW)
    session.add(mandate)
    session.flush()
    session.add(
        MandateVersion(
            mandate_id=mandate.id, version=1, account_sealed=sealer.seal(ACCOUNT.encode(), SEALED), account_hash=b"h",
            account_tail="8901", holder_sealed=sealer.seal(HOLDER.encode(), HOLDER_SEALED), cap_minor=5_000_000,
            valid_from=DAY, consent_text="TN-2026-11/vi", consent_at=NOW, consent_channel="counter", made_by="care",
            made_at=NOW,
        )
    )  # fmt: skip
    session.commit()
    return {
        f"/admin/bills/{bill.id}": ("phone", PHONE, f"customer:{customer.code}"),
        f"/admin/messages/{message.id}": ("phone", PHONE, f"customer:{customer.code}"),
        f"/admin/sms-wishes/{customer.id}": ("phone", PHONE, f"customer:{customer.code}"),
        f"/admin/mandates/{mandate.id}": ("account", ACCOUNT, f"mandate:{mandate.id}"),
        f"/admin/payments/{payment.id}": ("narrative", WROTE, f"payment:{payment.id}"),
        f"/admin/mismatches/{question.id}": ("narrative", WROTE, f"mismatch:{question.id}"),
        f"/admin/deliveries/{delivery.id}/contents": ("contents", HOLDER, f"delivery:{delivery.id}"),
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_in_full_what_the_table_says_and_only_for_a_reason(as_role, places, session, role):
    person = as_role(role)
    for page, (what, value, subject) in places.items():
        answer = person.get(page)
        if answer.status_code == 403:
            continue
        assert value not in answer.text, page
        may = role in personal_data.MAY[what]
        assert ('name="unmask_why"' in answer.text) == may, (role, page)
        assert ("Lý do cần xem (ít nhất 10 ký tự)" in answer.text) == may, (role, page)
        full = person.send(f"{page}/unmask", unmask_why=WHY)
        if not may:
            assert full.status_code == 403
            continue
        assert (full.status_code, value in full.text) == (200, True), (role, page)
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (entry.actor, entry.action, entry.subject) == (role, "unmasked", subject)
        assert (entry.facts["why"], entry.facts["page"]) == (WHY, f"{page}/unmask")
        assert value not in str(entry.facts)
        assert value not in person.get(page).text  # the next look is masked again


def test_without_a_reason_nothing_is_shown_and_nothing_kept(as_role, places, session):
    person = as_role("chief_accountant")
    for page, (_what, value, _subject) in places.items():
        for why in ("", "   ", "vì cần "):
            answer = person.send(f"{page}/unmask", unmask_why=why)
            assert (answer.status_code, value in answer.text) == (400, False), page
            assert "ít nhất 10 ký tự" in answer.text
    assert session.scalars(select(AuditEntry.id).where(AuditEntry.action == "unmasked")).all() == []


def test_holders_are_shown_with_their_accounts(as_role, places):
    person = as_role("liaison")
    page = next(one for one in places if "mandates" in one)
    assert HOLDER not in person.get(page).text
    assert HOLDER in person.send(f"{page}/unmask", unmask_why=WHY).text


def test_where_there_is_nothing_to_show_it_says_so(as_role, books, session):
    bill = books.bill()
    session.commit()
    assert as_role("care").send(f"/admin/bills/{bill.id}/unmask", unmask_why=WHY).status_code == 409
    assert session.scalars(select(AuditEntry.id).where(AuditEntry.action == "unmasked")).all() == []


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("NGUYEN VAN AN chuyen tien PE0100012345 thang 11", "N··· V·· A· chuyen tien PE0100012345 thang 11"),
        ("Đỗ Thị Bích thanh toán tiền điện HD2611-0042", "Đ· T·· B··· thanh toán tiền điện HD2611-0042"),
        ("HO THU HANG NAM thanh toan hoa don", "H· T·· H··· N·· thanh toan hoa don"),  # names that are words too
        ("TRAN NAM thang 11 sdt 0912345678", "T··· N·· thang 11 sdt ···678"),
        ("", ""),
    ],
)
def test_names_in_what_payers_write_are_shortened_and_codes_stay(written, shown):
    assert masked(written) == shown
