"""A customer's mandate in the portal: opened once with consent, sealed and masked, ended, helped with at a counter."""

import pytest

from gateway.database import transaction
from gateway.web_sessions import _hash
from reconciliation.staff import Staff, WebSession
from tests.gateway.portal.browsing import TERMS, said

ACCOUNT, HOLDER = "190026112233", "NGUYỄN THỊ LAN"


def test_a_mandate_is_submitted_with_what_was_agreed_and_how(proven, wiring, one, rows):
    form = proven.page("/mandate/")
    assert form.select_one("[name=cap]")["value"] == "500.000", "three times 100,000, rounded up to half a million"
    assert len(form.select(".consent li")) == 8
    assert "TN-2026-11" in form.select_one(".consent").text
    assert proven.post("/mandate/", **TERMS).status_code == 303
    bank, state, version, sealed, hashed, holder, *agreed = one(
        """SELECT bank, state, m.version, account_sealed, account_hash, holder_sealed, account_tail, cap_minor,
            CAST(valid_from AS text), v.valid_to, consent_text, consent_channel, assisted_by, made_by,
            to_char(consent_at, 'HH24:MI') FROM mandates m JOIN mandate_versions v ON v.mandate_id = m.id"""
    )
    assert (bank, state, version) == ("standard", "submitted", 1)
    assert agreed == ["2233", 1_500_000, "2026-11-18", None, "TN-2026-11/vi", "web", "", "customer",
                      "02:00"]  # fmt: skip
    assert wiring.sealer.open(sealed, "mandate_versions.account").decode() == ACCOUNT
    assert hashed == wiring.sealer.blind(ACCOUNT, "account")
    assert wiring.sealer.open(holder, "mandate_versions.holder").decode() == HOLDER
    assert rows("SELECT from_state, to_state, by FROM transitions WHERE kind = 'mandate'") == [
        ("draft", "submitted", "customer")
    ]
    told = one("SELECT facts::text FROM audit WHERE action = 'mandate_opened' AND actor = 'customer'")
    assert ACCOUNT not in told
    assert "LAN" not in told
    page = proven.page("/mandate/")
    assert "···2233" in page.text
    assert ACCOUNT not in page.text
    assert not page.select("[name=account]"), "one mandate at a time"
    assert proven.client.get("/mandate/paper.pdf").data.startswith(b"%PDF-")


def test_a_form_sent_twice_makes_one_mandate_and_so_does_another_proof(proven, open_browser, code_sent, pass_by, rows):
    proven.post("/mandate/", **TERMS)
    assert proven.post("/mandate/", **TERMS).status_code == 303
    pass_by(minutes=1)
    other = open_browser()
    other.ask()
    other.enter(code_sent())
    again = other.post("/mandate/", **TERMS)
    assert (again.status_code, said(again)) == (409, "Đã có ủy quyền: xem bên dưới.")
    assert rows("SELECT count(*) FROM mandates") == [1]


UNREADABLE = [
    ({"bank": "nobank"}, "ngân hàng"),
    ({"account": "123"}, "7 đến 24"),
    ({"holder": "<b>Lan</b>"}, "chủ tài khoản"),
    ({"holder": ""}, "chủ tài khoản"),
    ({"cap": "1,5 triệu"}, "hạn mức"),
    ({"cap": "0"}, "hạn mức"),
    ({"valid_to": "2026-11-18"}, "sau hôm nay"),
    ({"valid_to": "mai"}, "sau hôm nay"),
    ({"agrees": ""}, "đồng ý"),
    ({"agrees": "TN-2025-01/vi"}, "đồng ý"),
]


def test_what_can_not_be_read_is_said_and_nothing_is_opened(proven, rows):
    for changed, words in UNREADABLE:
        answer = proven.post("/mandate/", **TERMS | changed)
        assert (answer.status_code, words in said(answer)) == (400, True), changed
    assert rows("SELECT id FROM mandates") == []


def test_a_customer_ends_the_mandate_and_may_open_another_one_after_another_code(
    proven, code_sent, pass_by, rows, sound
):
    proven.post("/mandate/", **TERMS)
    assert proven.post("/mandate/end").status_code == 303
    page = proven.page("/mandate/")
    assert "đã chấm dứt" in page.text
    assert not page.select("[name=account]")
    proven.post("/mandate/", **TERMS)
    assert rows("SELECT count(*) FROM mandates") == [1], "a code opens one mandate"
    pass_by(minutes=1)
    proven.ask()
    proven.enter(code_sent())
    proven.post("/mandate/", **TERMS | {"valid_to": "2027-12-31"})
    assert rows("SELECT state, CAST(valid_to AS text) FROM mandates ORDER BY id") == [
        ("ended", None), ("submitted", "2027-12-31"),
    ]  # fmt: skip
    assert rows("SELECT by, why FROM transitions WHERE to_state = 'ended'") == [
        ("customer", "the customer asked in the portal")
    ]
    assert proven.post("/mandate/leave").location == "/"
    assert proven.client.get("/mandate/").location == "/"


@pytest.mark.parametrize(("name", "channel", "by"), [("mai", "counter", "mai"), ("ha", "web", "customer")])
def test_customer_care_helps_at_the_counter(proven, staff, wiring, one, name, channel, by):
    cookie = proven.client.get_cookie("doisoat")
    with transaction(wiring.engine) as session:
        number = session.query(Staff.id).filter_by(username=name).scalar()
        kept = session.query(WebSession).filter_by(token_hash=_hash(cookie.value)).one()
        kept.facts = {**kept.facts, "_user_id": str(number)}
    assert ("tại quầy" in proven.page("/mandate/").text) is (name == "mai")
    proven.post("/mandate/", **TERMS)
    agreed = one("SELECT consent_channel, assisted_by, made_by FROM mandate_versions")
    assert agreed == (channel, by if name == "mai" else "", by)


def test_pages_carry_no_script_and_the_strict_policy(proven):
    for path in ("/", "/mandate/code", "/mandate/"):
        page = proven.page(path)
        assert not page.select("script, style, [style], [onclick]")
        assert page.html["lang"] == "vi"
    assert "default-src 'none'" in proven.client.get("/").headers["Content-Security-Policy"]
