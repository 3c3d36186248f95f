"""Mandates on the pages: found by filters, shown masked with versions and moves, and moved by whoever may."""

import pytest

from gateway import mandate_desk
from reconciliation import mandate_openings, mismatches
from reconciliation.business_days import local_day
from reconciliation.customers import Customer
from reconciliation.mandate_openings import Consent
from tests.gateway.admin.conftest import NOW

ACCOUNT = "190026112233"


@pytest.fixture
def opened(session, sealer):
    """A mandate of each of two customers, waiting for its bank."""

    def one(number, bank):
        customer = Customer(code=f"PA{number:011}", office="Điện lực Hồ Sen", created_at=NOW, updated_at=NOW)
        session.add(customer)
        session.flush()
        today = local_day(NOW)
        terms = mandate_desk.terms(
            sealer, account=ACCOUNT, holder="Lê Văn An", cap=1_500_000, valid_from=today, valid_to=None
        )
        return mandate_openings.submit(
            session, customer.id, terms, Consent("TN-2026-11/vi", "web"), bank=bank, reference=f"UQ-{number}",
            by="customer", now=NOW,
        )  # fmt: skip

    made = one(1, "saomai"), one(2, "vidien")
    session.commit()
    return made


@pytest.fixture
def do(as_role):
    """Do something with a mandate in a role."""

    def post(role, mandate, act, **fields):
        person = as_role(role)
        return person.post(f"/admin/mandates/{mandate}/{act}", token_from="/admin/mandates/", **fields)

    return post


def test_mandates_are_found_and_shown_masked(as_role, opened):
    person = as_role("office_manager")
    for query, found in (("", 2), ("?bank=saomai", 1), ("?state=active", 0), ("?q=uq-2", 1), ("?q=PA00000000001", 1)):
        assert len(person.page(f"/admin/mandates/{query}").select("tbody tr")) == found, query
    page = person.page(f"/admin/mandates/{opened[0]}")
    assert "···2233" in page.text
    assert "cổng khách hàng" in page.text
    assert "khách hàng: mở trên cổng khách hàng" in page.select_one(".moves").text
    assert ACCOUNT not in str(page)
    assert not page.select("main form"), "whoever only looks is offered nothing to do"
    assert person.get("/admin/mandates/99").status_code == 404


def test_the_bank_s_and_the_customer_s_word_are_noted_with_a_reason(as_role, do, opened, session):
    one = opened[0]
    offered = as_role("care").page(f"/admin/mandates/{one}").select("button[formaction]")
    assert [button["formaction"] for button in offered] == [f"/admin/mandates/{one}/end"]
    assert do("liaison", one, "confirm").status_code == 400
    assert do("liaison", one, "confirm", why="the bank wrote").status_code == 303
    assert do("care", one, "pause", why="the customer moves").status_code == 303
    again = do("care", one, "pause", why="again")
    assert again.status_code == 409
    assert "ở trạng thái hiện tại" in again.text
    moves = as_role("care").page(f"/admin/mandates/{one}").select_one(".moves").text
    for words in ("the bank wrote", "liaison", "the customer moves", "tạm dừng"):
        assert words in moves


def test_roles_are_those_of_the_commands(do, opened):
    for role, act, status in (
        ("care", "confirm", 403), ("accountant", "end", 403), ("auditor", "renew", 403), ("care", "for-bank", 403),
        ("liaison", "for-bank", 200), ("chief_accountant", "refuse", 303),
    ):  # fmt: skip
        assert do(role, opened[0], act, why="a reason").status_code == status, (role, act)


def test_other_terms_are_a_version_with_a_consent_of_its_own(do, opened, session, rows, as_role):
    one, fields = opened[0], {"cap": "2.000.000", "channel": "phone", "agrees": "TN-2026-11"}
    for wrong in (
        {"cap": ""},
        {"agrees": ""},
        {"valid_to": "2026-11-19"},
        {"valid_to": "9999-12-31"},
        {"account": "12"},
    ):
        assert do("care", one, "renew", **fields | wrong).status_code == 400, wrong
    assert do("care", one, "renew", **fields | {"channel": "web"}).status_code == 400
    assert do("care", one, "renew", **fields).status_code == 303
    same = do("care", one, "renew", **fields)
    assert (same.status_code, "Chưa đổi gì" in same.text) == (409, True)
    assert do("care", one, "renew", **fields, account="0071000123456", holder="Lê An").status_code == 303
    assert rows(
        "SELECT version, account_tail, cap_minor, consent_channel, assisted_by, made_by FROM mandate_versions"
        " WHERE mandate_id = :one ORDER BY version", one=one,
    ) == [
        (1, "2233", 1_500_000, "web", "", "customer"), (2, "2233", 2_000_000, "phone", "care", "care"),
        (3, "3456", 2_000_000, "phone", "care", "care"),
    ]  # fmt: skip
    paper = as_role("auditor").get(f"/admin/mandates/{one}/2.pdf")
    assert paper.data.startswith(b"%PDF-")
    assert "UQ-1-v2.pdf" in paper.headers["Content-Disposition"]
    assert as_role("auditor").get(f"/admin/mandates/{one}/9.pdf").status_code == 404


@pytest.mark.parametrize(("reference", "known"), [("UQ-1", True), ("UQ-9", False)])
def test_a_question_about_a_bank_s_word_is_the_liaison_s_and_leads_to_the_mandate(
    as_role, opened, session, reference, known
):
    asked = mismatches.ask_one(
        session, code="M17", subject=f"mandate_answer:saomai:{reference}", source="saomai",
        facts={"reasons": ["expected a mandate that waits, got another"]}, now=NOW,
    )  # fmt: skip
    session.commit()
    page = as_role("liaison").page(f"/admin/mismatches/{asked}")
    assert "Thông báo của ngân hàng về ủy quyền" in page.select_one("h1").text
    assert "Hỏi ngân hàng, rồi chuyển trạng thái" in page.text
    assert "Đầu mối ngân hàng" in page.text
    assert [one["href"] for one in page.select("main a.button")] == [f"/admin/mandates/{opened[0]}"] * known
