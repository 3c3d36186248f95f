"""Who is it: right and wrong are answered alike, five wrong tries lock a code, and a code works once."""

import pytest

from gateway import messaging, schedule
from gateway.portal import proof
from tests.gateway.portal.browsing import CODE, PHONE, said

WRONG = [(CODE, "0912 340 002"), ("PA00000000009", PHONE)]


def test_the_right_code_proves_the_customer_and_is_forgotten(proven, carrier, one):
    assert CODE in proven.page("/mandate/").text
    assert carrier.taken[-1].to == "+84912340001"
    body, facts, event = one("SELECT body, facts, event FROM messages WHERE event = 'mandate_code'")
    assert (facts, event) == ({}, "mandate_code")
    assert "······" in body
    assert "19006769" in body
    assert CODE in body


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_pair_is_answered_as_the_right_one_and_nobody_is_told(
    open_browser, wiring, carrier, code_sent, pass_by, rows, wrong
):
    seen = []
    for code, phone in ((CODE, PHONE), wrong):
        browser = open_browser()
        pass_by(minutes=1)
        asked = browser.ask(code, phone)
        page = browser.page("/mandate/code")
        for field in page.select("[name=csrf_token]"):
            field["value"] = ""
        answers = [browser.enter(str(guess)) for guess in (111111, 111112, 111113, 111114, 111115, 111116)]
        seen.append((asked.status_code, asked.location, str(page), [(one.status_code, said(one)) for one in answers]))
        pass_by(minutes=15)
    assert seen[0] == seen[1]
    assert seen[0][3][4] == seen[0][3][5]
    messaging.send_due(wiring)
    assert carrier.attempts == 0, "both codes are older than they may be, and the wrong one was never written"
    assert rows("SELECT count(*) FROM messages WHERE event = 'mandate_code'") == [1]


def test_five_wrong_tries_lock_a_code_even_for_the_right_digits(browser, code_sent, pass_by, one):
    browser.ask()
    right = code_sent()
    wrong = "000000" if right != "000000" else "000001"
    for left in (4, 3, 2, 1):
        assert f"Còn {left} lần" in said(browser.enter(wrong))
    assert "bị khóa sau năm lần sai" in said(browser.enter(wrong))
    assert browser.enter(right).status_code == 401
    assert one("SELECT tries, used_at FROM mandate_codes") == (5, None)
    pass_by(minutes=14)
    assert browser.ask().status_code == 429, "a locked code keeps its customer waiting"
    pass_by(minutes=2)
    assert browser.ask().status_code == 303
    assert browser.enter(code_sent()).location == "/mandate/"


def test_a_code_is_over_after_five_minutes_and_after_its_use(browser, open_browser, code_sent, pass_by, rows):
    browser.ask()
    late = code_sent()
    pass_by(minutes=5)
    assert browser.enter(late).status_code == 401
    browser.ask()
    used = code_sent()
    assert browser.enter(used).status_code == 303
    assert browser.enter(used).status_code == 401
    pass_by(minutes=31)
    assert browser.client.get("/mandate/").location == "/", "a proof does not last"


def test_a_code_is_of_the_browser_that_asked(browser, open_browser, code_sent):
    browser.ask()
    code, other = code_sent(), open_browser()
    assert other.enter(code).location == "/"
    other.ask("PA00000000002", PHONE)
    assert other.enter(code).status_code == 401


def test_so_many_codes_an_hour_for_one_customer_whoever_asks(open_browser, pass_by, one):
    for minute, phone in enumerate((PHONE, "0912 340 002", "0912 340 003", PHONE)):
        assert open_browser().ask(CODE, phone).status_code == 303
        assert f"09:{2 * minute + 1:02}:00" in said(open_browser().ask())
        pass_by(minutes=2)
    assert open_browser().ask().status_code == 303
    pass_by(minutes=2)
    assert "10:00:00" in said(open_browser().ask()), "an hour after the first"
    assert open_browser().ask("PA00000000002", "0912 340 002").status_code == 303
    pass_by(minutes=51)
    assert open_browser().ask().status_code == 303
    assert one("SELECT count(*) FROM mandate_codes") == 7


def test_an_address_that_asks_too_often_waits(browser, monkeypatch):
    monkeypatch.setattr(proof, "PER_ADDRESS", type(proof.PER_ADDRESS)(2, 10))
    answers = [browser.ask(f"PA0000000010{number}").status_code for number in range(3)]
    assert answers == [303, 303, 429]
    assert proof._network("2001:db8:1:2:3::4") == proof._network("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"


def test_what_is_no_code_or_no_mobile_number_is_said_and_not_kept(browser, rows):
    for code, phone, words in (
        ("PA 0000.1", PHONE, "mã khách hàng"), ("", PHONE, "mã khách hàng"), (CODE, "024 3333 4444", "di động"),
    ):  # fmt: skip
        answer = browser.ask(code, phone)
        assert (answer.status_code, words in said(answer)) == (400, True), (code, phone)
    assert rows("SELECT id FROM mandate_codes") == []


def test_a_form_from_elsewhere_and_a_proof_that_is_none_are_refused(browser):
    assert browser.client.post("/mandate/code", data={"customer_code": CODE, "phone": PHONE}).status_code == 400
    for path in ("/mandate/", "/mandate/end"):
        assert browser.post(path).location == "/"
    assert browser.client.get("/mandate/code").location == "/"
    assert browser.client.get("/mandate/nowhere").status_code == 404


def test_pages_speak_english_to_whoever_asks_and_so_does_the_sms(browser, carrier, code_sent):
    assert browser.post("/mandate/language", language="en", back="/admin/").location == "/"
    assert "Send me a code by SMS" in browser.page("/").text
    browser.ask()
    code_sent()
    assert "is your code" in carrier.taken[-1].text


def test_a_code_nobody_knows_the_fate_of_is_forgotten_once_it_is_over(browser, wiring, change, one, pass_by):
    browser.ask()
    change("UPDATE messages SET state = 'sending' WHERE event = 'mandate_code'")
    change("UPDATE messages SET state = 'unsure' WHERE event = 'mandate_code'")
    schedule.expire_mandates(wiring)
    body = "SELECT body ~ '\\m[0-9]{6}\\M' FROM messages WHERE event = 'mandate_code'"
    assert one(body) is True
    pass_by(minutes=5)
    schedule.expire_mandates(wiring)
    assert one(body) is False
    pass_by(days=31)
    schedule.expire_mandates(wiring)
    assert one("SELECT count(*) FROM mandate_codes") == 0


def test_a_code_goes_before_a_thousand_notices_and_to_whoever_said_no_to_them(wiring, browser, carrier, change, rows):
    change("UPDATE customers SET consent = false")
    change("""INSERT INTO messages (event_key, version, event, customer_id, facts, body, not_after, created_at)
        SELECT 'x' || n, 1, 'before_debit', (SELECT max(id) FROM customers), '{}', 'notice', now(), now()
        FROM generate_series(1, 3) n""")
    change("UPDATE messages SET not_after = :late", late=wiring.clock().replace(year=2027))
    browser.ask()
    messaging.send_due(wiring)
    assert rows("SELECT event, state FROM messages GROUP BY 1, 2 ORDER BY 1") == [
        ("before_debit", "withdrawn"), ("mandate_code", "sent"),
    ]  # fmt: skip
