"""The pages about messages: found by phone and bill, resolved and sent again by those who may, previewed."""

import pytest
from sqlalchemy import text

from gateway import bell
from reconciliation.customers import Customer
from reconciliation.outbox import Message
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
    answer = as_role("care").get("/admin/texts/?event=before_debit&amount=772.0")
    assert answer.status_code == 400
    assert "amount: expected a whole number, got str" in answer.text


def test_a_notice_of_another_day_than_its_bill_has_now_is_not_sent_again(as_role, session, told):
    _, (_, delivered) = told
    session.execute(text("""UPDATE messages SET facts = '{"debit_on": "2026-10-30"}'"""))
    session.commit()
    answer = as_role("care").send(f"/admin/messages/{delivered.id}/again", why="they asked")
    assert answer.status_code == 409
