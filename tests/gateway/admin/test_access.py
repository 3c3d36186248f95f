"""Who sees which page, and what every answer tells the browser."""

from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from flask import Blueprint, Flask

from gateway import admin, request_session
from gateway.admin import access
from gateway.security import CONTENT_SECURITY_POLICY


def _pages(app):
    return {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.startswith("admin.")}


def test_every_page_has_a_rule_and_every_rule_a_page(app):
    assert _pages(app) == set(access.RULES) | access.OPEN_TO_VISITORS


def test_a_page_without_a_rule_is_refused_to_everyone(engine, clock, page_settings, monkeypatch, staff, visitor):
    forgotten = Blueprint("forgotten", __name__)
    forgotten.get("/forgotten")(lambda: "secret")
    monkeypatch.setattr(admin, "PAGES", (*admin.PAGES, SimpleNamespace(blueprint=forgotten)))
    app = Flask("pages", static_folder=None)
    app.extensions["doisoat"] = SimpleNamespace(settings=page_settings, clock=clock, engine=engine)
    app.secret_key = "a key for tests only"
    request_session.install(app)
    admin.register(app)
    for role in staff:
        visitor.client = app.test_client()
        visitor.sign_in(role)
        answer = visitor.get("/admin/forgotten")
        assert answer.status_code == 403
        assert "secret" not in answer.text


@pytest.mark.parametrize("role", ["care", "office_manager"])
def test_customer_care_and_offices_see_bills_mandates_and_messages_and_nothing_else(as_role, books, session, role):
    bill, payment = books.settled()
    session.commit()
    person = as_role(role)
    assert person.get("/admin/").location == "/admin/bills/"
    page = person.page(f"/admin/bills/{bill.id}")
    assert [link.text.strip() for link in page.select("nav.menu a")] == ["Hóa đơn", "Ủy quyền trích nợ", "Tin nhắn"]
    assert not page.select(f"a[href='/admin/payments/{payment.id}']")
    for path in (
        "payments/",
        f"payments/{payment.id}",
        "deliveries/",
        "deliveries/1",
        "mismatches/",
        "mismatches/1",
        "marks/",
        "debits/",
    ):
        assert person.get(f"/admin/{path}").status_code == 403


def test_finance_roles_open_every_page(as_role):
    for role in sorted(access.FINANCE):
        person = as_role(role)
        for path in (
            "",
            "payments/",
            "bills/",
            "mandates/",
            "deliveries/",
            "mismatches/",
            "marks/",
            "debits/",
            "expected/",
            "calendar/",
            "reports/",
        ):
            assert person.get(f"/admin/{path}").status_code == 200, (role, path)


def test_a_visitor_is_sent_to_sign_in_and_learns_nothing_of_what_exists(visitor):
    for path in ("/admin/", "/admin/bills/1", "/admin/no/such/page"):
        assert visitor.get(path).location.startswith("/admin/sign-in?next=")


def test_what_does_not_exist_is_said_in_words(accountant):
    for path in ("bills/1", "payments/1", "deliveries/1", "mismatches/1", "no/such/page", "bills/99999999999999999999"):
        answer = accountant.get(f"/admin/{path}")
        assert answer.status_code == 404, path
        assert "Không có trang này" in answer.text


def test_pages_carry_a_strict_policy_and_stay_out_of_caches(accountant):
    answer = accountant.get("/admin/")
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer.headers
    assert "Strict-Transport-Security" in accountant.get("/admin/", base_url="https://x.example").headers


def test_no_page_carries_inline_script_or_style(accountant, books, session):
    bill, payment = books.settled()
    question = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id)
    session.commit()
    for path in (
        "",
        f"bills/{bill.id}",
        f"payments/{payment.id}",
        f"mismatches/{question.id}",
        "deliveries/",
        "bills/",
    ):
        page = accountant.page(f"/admin/{path}")
        assert not page.select("style, [style], script:not([src])")
        assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]


def test_the_first_load_is_light_and_comes_from_here(app, visitor):
    page = visitor.page("/admin/sign-in")
    names = {tag.get("href") or tag.get("src") for tag in page.select("link, script, img")}
    sizes = 0
    for name in names:
        assert name.startswith("/assets/")
        answer = visitor.get(name, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in answer.headers["Cache-Control"]
        sizes += len(answer.data)
    assert sizes < 120_000
    assert visitor.get("/assets/old/base.css").headers["Cache-Control"] == "no-cache"
    assert visitor.get("/assets/old/none.css").status_code == 404


def test_without_a_key_the_pages_refuse_to_be_registered():
    with pytest.raises(RuntimeError, match="secret_key"):
        admin.register(Flask("pages"))


def test_a_form_of_a_session_that_is_over_shows_what_was_typed_and_no_secret(accountant, clock):
    fields = {"csrf_token": accountant.token("/admin/bills/"), "why": " Khách <b>gọi</b> đến", "bill2": "HD000007",
              "password": "rat bi mat", "code": "123456", "account": "190026112233", "why2": ""}  # fmt: skip
    clock.pass_by(minutes=31)

    def answered(**headers):
        answer = accountant.client.post("/admin/mismatches/7/settle", data=fields, headers=headers)
        assert answer.status_code == 400
        page = BeautifulSoup(answer.text, "html.parser")
        return answer.text, [(row.dt.text, row.dd.text) for row in page.select("dl.facts div")]

    text, typed = answered()
    assert typed == [("Lý do", "Khách <b>gọi</b> đến"), ("Hóa đơn", "HD000007")]
    assert not any(secret in text for secret in ("rat bi mat", "123456", "190026112233", fields["csrf_token"]))
    assert answered(**{"Sec-Fetch-Site": "cross-site"})[1] == []


def test_every_page_of_the_menu_has_a_letter_of_its_own():
    assert set(access.LETTERS) == {endpoint for endpoint, _icon, _name in access.MENU}
    assert len(set(access.LETTERS.values())) == len(access.LETTERS)
