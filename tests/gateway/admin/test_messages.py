"""The pages about messages: found by phone and bill, resolved and sent again by those who may, previewed."""

from datetime import timedelta
from html import unescape
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import text

from gateway import bell
from gateway.admin import words
from reconciliation.customers import Customer
from reconciliation.message_parts import MessagePart
from reconciliation.outbox import TEST_REFERENCE, Message
from reconciliation.sending_hours import Times
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def told(books, session, sealer):
    """Two customers, each told of a bill; the first one's phone is 0912 345 678, her message is unsure."""
    bills = books.bill(), books.bill()
    hashed = sealer.blind("+84912345678", "msisdn")
    session.execute(
        text("UPDATE customers SET msisdn_sealed = 'x', msisdn_hash = :h, msisdn_tail = '678' WHERE id = :id"),
        {"h": hashed, "id": bills[0].customer_id},
    )
    made = [
        books.message(
            bill,
            "before_debit",
            state=state,
            carrier="esms",
            asked_at=NOW,
            not_after=NOW.replace(day=25),
            facts={"debit_on": bill.charge_on.isoformat()},
        )
        for bill, state in zip(bills, ("unsure", "delivered"), strict=True)
    ]
    session.commit()
    return bills, made


def found(visitor, search, **more):
    page = visitor.page(f"/admin/messages/?q={search}" + "".join(f"&{name}={value}" for name, value in more.items()))
    return [int(link["href"].rsplit("/", 1)[1]) for link in page.select("a[data-row]")]


@pytest.mark.parametrize("phone", ["0912345678", "%2B84 912 345 678", "84912345678"])
def test_a_phone_number_finds_its_messages_however_it_is_written(as_role, told, phone):
    assert found(as_role("care"), phone) == [told[1][0].id]


def test_bill_customer_key_and_state_find_a_message(as_role, session, told):
    (_, bill), (unsure, delivered) = told
    visitor = as_role("care")
    customer = session.get_one(Customer, bill.customer_id)
    for search in (bill.number, bill.payment_code, customer.code, str(delivered.request_id)):
        assert found(visitor, search) == [delivered.id]
    assert found(visitor, "") == [delivered.id, unsure.id]
    assert found(visitor, "", state="unsure") == [unsure.id]
    assert found(visitor, "0999999999") == []


def test_the_desk_takes_a_person_s_word_and_then_sends_again(as_role, app, session, told, monkeypatch):
    _, (unsure, _) = told
    rung = []
    monkeypatch.setattr(bell, "ring", lambda _valkey, queue: rung.append(queue))
    app.extensions["doisoat"].valkey = None
    visitor, path = as_role("care"), f"/admin/messages/{unsure.id}"
    page = visitor.page(path)
    assert "···678" in page.text
    assert "912345" not in page.text
    assert page.select("button[name=arrived]")
    assert visitor.send(f"{path}/again", why="x").status_code == 409
    answer = visitor.send(f"{path}/resolve", arrived="no", why=" ")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert visitor.send(f"{path}/resolve", arrived="maybe", why="x").status_code == 400
    assert visitor.send(f"{path}/resolve", arrived="no", why="the carrier never had it").status_code == 303
    assert visitor.send(f"{path}/resolve", arrived="yes", why="x").status_code == 409
    page = visitor.page(path)
    assert "the carrier never had it" in page.select_one(".moves").text
    assert page.select("form[action$=again]")
    answer = visitor.send(f"{path}/again", why="ticket 1207")
    assert (answer.status_code, rung) == (303, ["messages"])
    made = session.get_one(Message, int(answer.location.rsplit("/", 1)[1]))
    assert (made.version, made.resent_of) == (2, unsure.id)
    assert visitor.send("/admin/messages/999999/resolve", arrived="no", why="x").status_code == 404


@pytest.mark.parametrize("role", ["auditor", "office_manager", "administrator"])
def test_others_may_look_and_say_nothing(as_role, told, role):
    visitor, path = as_role(role), f"/admin/messages/{told[1][0].id}"
    assert not visitor.page(path).select("button[name=arrived]")
    assert visitor.send(f"{path}/resolve", arrived="no", why="x").status_code == 403
    assert visitor.send(f"{path}/again", why="x").status_code == 403


def test_a_form_without_its_token_is_refused(as_role, told):
    visitor = as_role("care")
    assert visitor.client.post(f"/admin/messages/{told[1][0].id}/resolve", data={"arrived": "no"}).status_code == 400


def test_a_text_is_shown_with_its_parts_and_cost(as_role, page_settings):
    visitor = as_role("care")
    plain = visitor.page("/admin/texts/?event=before_debit&text=vi").select_one("dl.facts").text
    assert "GSM-7" in plain
    assert "350" in plain
    kept = visitor.page("/admin/texts/?event=before_debit&text=vi&diacritics=1").select_one("dl.facts").text
    assert "UCS-2" in kept
    assert "1,050" in kept or "1.050" in kept, "three parts"


def test_a_text_that_would_not_be_sent_says_why(as_role):
    visitor = as_role("care")
    for given, said in (
        ("amount=772.0", "amount: expected a whole number, got '772.0'"),
        ("debit_on=25/11/2026", "debit_on: expected a date, or its text as 2026-06-25, got '25/11/2026'"),
        ("kwh=1000000000", "kwh: expected a number from 0 to below 1000000000, got '1000000000'"),
        (f"bank={'x' * 61}", f"bank: expected at most 60 signs, got '{'x' * 40}'… (61 signs)"),
    ):
        answer = visitor.get(f"/admin/texts/?event=before_debit&{given}")
        assert answer.status_code == 400
        assert said in unescape(answer.text)


def test_a_notice_of_another_day_than_its_bill_has_now_is_not_sent_again(as_role, session, told):
    _, (_, delivered) = told
    session.execute(text("""UPDATE messages SET facts = '{"debit_on": "2026-10-30"}'"""))
    session.commit()
    answer = as_role("care").send(f"/admin/messages/{delivered.id}/again", why="they asked")
    assert answer.status_code == 409


NIGHT = NOW.replace(hour=15)
"""Ten in the evening in Vietnam."""


@pytest.mark.parametrize(
    ("columns", "now", "times", "says"),
    [
        ({}, NOW, {}, "Tin sẽ gửi theo lượt"),
        ({}, NIGHT, {}, "Ban đêm và ngày lễ không gửi tin"),
        ({"not_before": NIGHT}, NOW, {}, "đã nhận đủ số tin của một ngày"),
        ({"not_before": NIGHT, "attempts": 1}, NOW, {}, "Chưa nhà cung cấp nào nhận"),
        ({"event": "before_debit"}, NOW, {"notice_days": 3}, "Chưa đến gần ngày trích nợ; tin này gửi từ"),
    ],
)
def test_what_a_queued_message_waits_for_is_said(as_role, app, clock, session, told, columns, now, times, says):
    message = told[1][1]
    usual = {"state": "queued", "event": "payment_recorded", "not_after": NOW.replace(day=29)}
    for name, value in (usual | columns).items():
        setattr(message, name, value)
    session.commit()
    clock.now, app.extensions["doisoat"].times = now, Times(**times)
    shown = as_role("care").page(f"/admin/messages/{message.id}").select_one("main").text
    assert says in shown
    assert "%(" not in shown


def test_the_desk_says_when_a_carrier_is_asked_again_by_itself(as_role, app, told):
    page = f"/admin/messages/{told[1][0].id}"
    said = "hệ thống tự hỏi lại kết quả"
    assert said not in as_role("care").page(page).text
    knowing = SimpleNamespace(transport=SimpleNamespace(dedupes=True, remembers=timedelta(hours=23)))
    app.extensions["doisoat"].carriers = {"esms": knowing}
    assert said in as_role("care").page(page).text


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("accepted", "đã nhận"),
        ("refused for good (104): unregistered brand", "bị từ chối hẳn (104): “unregistered brand”"),
        ("unsure whether it was sent: no answer within 15 s", "chưa rõ đã gửi hay chưa: không trả lời trong 15 giây"),
        ("DELIVRD 000", "mã DELIVRD 000"),
    ],
)
def test_the_way_of_a_message_is_told_in_the_reader_s_language(as_role, session, told, why, said):
    message = told[1][0]
    message.reason = why
    session.commit()
    assert said in as_role("care").page(f"/admin/messages/{message.id}").text


def test_what_a_person_wrote_stays_as_it_is():
    assert words.why("DELIVRD 000") == "DELIVRD 000"


def test_a_message_to_a_test_number_says_so_by_smpp_too(as_role, session, told):
    said, visitor = "không có tin nào được gửi đi", as_role("care")
    _, (other, message) = told
    session.add(MessagePart(
        message_id=message.id, ordinal=1, provider="smpp", provider_ref=f"{TEST_REFERENCE}{message.request_id}-1",
        ref_key="test-1", state="accepted", answered_at=NOW,
    ))  # fmt: skip
    session.commit()
    assert said in visitor.page(f"/admin/messages/{message.id}").text
    assert said not in visitor.page(f"/admin/messages/{other.id}").text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            "state=lost",
            "Trạng thái (state): cần queued, sending, unsure, sent, delivered, undelivered, expired, withdrawn, failed",
        ),
        ("carrier=mobi", "Nhà cung cấp (carrier): cần esms, fast, nhận được “mobi”"),
        (
            "day=18/11/2026",
            "(day): cần một ngày từ 1900-01-01 đến 2999-12-31, ví dụ 2026-11-18, nhận được “18/11/2026”",
        ),
        (
            "phone=0912345678",
            "cần một trong các trường after, before, carrier, day, event, q, state, nhận được “phone”",
        ),
        ("after=x", "Vị trí trong danh sách (after): cần một số nguyên, nhận được “x”"),
    ],
)
def test_what_the_search_does_not_know_is_said_and_nothing_else_is_lost(as_role, told, asked, said):
    answer = as_role("care").get(f"/admin/messages/?q=PA00000000001&event=before_debit&{asked}")
    page = BeautifulSoup(answer.text, "html.parser")
    assert answer.status_code == 400
    assert said.partition(", sending")[0] in page.select_one("[role=alert]").text
    assert not page.select("a[data-row]")
    assert page.select_one("input[name=q]")["value"] == "PA00000000001"
    assert page.select_one("select[name=event] option[selected]")["value"] == "before_debit"
    assert found(as_role("care"), "", state="", day="") == [one.id for one in reversed(told[1])]
