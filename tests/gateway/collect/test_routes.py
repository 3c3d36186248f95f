"""The counter over HTTP: who may call, what each call does and says, and that an answer is repeated word for word."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from limits import RateLimitItemPerMinute
from werkzeug.test import Client

from banks import collect_signing
from gateway import callback_reading, statement_reading
from gateway.collect import routes
from gateway.database import transaction
from gateway.origin import Origin
from gateway.setting_tables import SettingsError
from gateway.web import create_app
from reconciliation import inbox
from tests.gateway.collect.conftest import KEYS, Teller, a_payment
from tests.gateway.samples import a_bill, a_debit_bill, a_statement, an_event, code_of

pytestmark = pytest.mark.usefixtures("sound")


# ── what each call does ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_customer_pays_at_the_counter_from_the_question_to_the_promise(teller, issue, rows):
    issue(a_bill(customer_name="Nguyễn Văn Ánh"))
    assert teller.ask("inquiry", {"customer_code": "PA00000000001"}) == (
        200,
        {
            "code": "ok",
            "customer": {"code": "PA00000000001", "name": "N··· V·· Á··", "office": "Điện lực Hồ Sen"},
            "bills": [
                {
                    "number": "HD2611-0000001", "payment_code": code_of(1), "period": "11/2026", "kwh": 50,
                    "amount": 100_000, "due_on": "2026-11-25",
                }
            ],
        },
    )  # fmt: skip
    assert teller.ask("status", {"reference": "R1"}) == (200, {"code": "ok", "state": "unknown", "reference": "R1"})
    paid = {
        "code": "ok", "state": "paid", "reference": "R1",
        "bill": {"number": "HD2611-0000001", "payment_code": code_of(1)}, "amount": 100_000,
        "paid_at": "2026-11-18T08:59:00+07:00",
    }  # fmt: skip
    assert teller.pay() == (200, paid)
    assert teller.ask("status", {"reference": "R1"}) == (200, paid)
    [(event, state, body)] = rows("SELECT event, state, body FROM messages")
    assert (event, state) == ("payment_recorded", "queued")
    assert "100.000" in body
    status, told = teller.ask("inquiry", {"customer_code": "PA00000000001"})
    assert (status, told["code"], told["bills"]) == (200, "nothing_due", [])
    assert teller.pay("R2") == (
        409,
        {
            "code": "already_paid", "message": "The bill is paid already.", "where": "",
            "expected": "a bill that is owed", "got": "one that is paid",
        },
    )  # fmt: skip


def test_a_bill_may_be_named_by_its_number(teller, issue):
    issue(a_bill())
    status, told = teller.pay(payment_code=None, bill_number="HD2611-0000001", channel="atm")
    assert (status, told["bill"]["payment_code"]) == (200, code_of(1))


def test_a_payment_is_taken_back_and_the_bill_is_owed_again(teller, issue, rows):
    issue(a_bill())
    teller.pay()
    reversed_ = {"code": "ok", "state": "reversed", "reference": "R1", "reason": "teller_error"}
    assert teller.ask("reverse", {"reference": "R1", "reason": "teller_error"}) == (200, reversed_)
    assert teller.ask("status", {"reference": "R1"}) == (200, reversed_)
    assert teller.pay()[1]["code"] == "reversed"
    assert rows("SELECT state FROM bills") == ["open"]
    assert rows("SELECT state FROM messages") == ["withdrawn"]
    assert teller.pay("R2")[0] == 200


def test_the_debtor_of_a_debit_is_warned_anew_when_the_payment_is_taken_back(teller, issue, rows):
    issue(a_debit_bill())
    teller.pay()
    assert rows("SELECT event, state FROM messages ORDER BY id") == [
        ("before_debit", "withdrawn"), ("payment_recorded", "queued"),
    ]  # fmt: skip
    teller.ask("reverse", {"reference": "R1", "reason": "other"})
    assert rows("SELECT event, state, body IS NOT NULL FROM messages ORDER BY id") == [
        ("before_debit", "withdrawn", True), ("payment_recorded", "withdrawn", True), ("before_debit", "queued", True),
    ]  # fmt: skip


def test_tomorrow_is_too_late(teller, issue, later, wiring):
    issue(a_bill())
    teller.pay()
    later(wiring.clock().replace(hour=17))
    status, told = teller.ask("reverse", {"reference": "R1", "reason": "other"})
    assert (status, told["code"], told["expected"], told["got"]) == (
        409, "too_late", "a payment of 2026-11-19", "2026-11-18",
    )  # fmt: skip


def test_the_sender_of_messages_is_rung_for(teller, issue, wiring):
    issue(a_bill())
    wiring.valkey.flushall()
    teller.pay()
    assert wiring.valkey.exists("doisoat:rung:messages")


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_repeated_word_for_word_whatever_the_spacing_and_the_language(teller, issue, rows):
    issue(a_bill())
    first = teller.call("pay", json.dumps(a_payment()).encode())
    again = teller.call("pay", json.dumps(a_payment(), indent=3, sort_keys=True).encode(), language="vi")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert rows("SELECT count(*) FROM deliveries") == [1]


def test_what_was_taken_is_kept_byte_for_byte(teller, issue, wiring, one):
    issue(a_bill())
    body = json.dumps(a_payment(), indent=2).encode()
    answer = teller.call("pay", body)
    delivery = one("SELECT id FROM deliveries")
    with transaction(wiring.engine) as session:
        kept = session.get_one(inbox.Delivery, delivery)
        raw = callback_reading.raw_request(wiring, kept)
        assert (kept.state, kept.event_id, kept.answer_status) == ("read", "collect/pay/R1", 200)
        assert kept.answer_body == answer.data
        assert inbox.changed_bytes(session, wiring.sealer) == 0
    assert raw.body == body
    assert raw.headers["collect-signature"].startswith("v1,")


def test_a_conflict_is_kept_for_a_person_once(teller, issue, rows):
    issue(a_bill(), a_bill(2))
    teller.pay()
    for _ in range(2):
        status, told = teller.pay(number=2)
        assert (status, told["code"]) == (409, "conflict")
    assert rows("SELECT state FROM deliveries ORDER BY id") == ["read", "conflicting"]
    assert rows("SELECT code, state FROM mismatches") == [("M16", "open")]
    assert rows("SELECT state FROM bills ORDER BY id") == ["paid", "open"]


def test_two_banks_and_eight_tills_paying_one_bill_at_once_end_in_one_payment(wiring, issue, rows):
    issue(a_bill())
    application, heard = create_app(wiring), []
    gate = threading.Barrier(8)

    def one(number: int) -> None:
        bank = "standard" if number % 2 else "vnpay"
        gate.wait()
        heard.append(Teller(Client(application), wiring, bank).pay(f"R{number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((status, told["code"]) for status, told in heard) == [(200, "ok")] + [(409, "already_paid")] * 7
    assert rows("SELECT minor, matched_minor FROM payments") == [(100_000, 100_000)]


@pytest.mark.parametrize("order", ["callback first", "callback kept first, read last", "call first"])
def test_a_callback_and_a_call_tell_of_one_payment(teller, issue, wiring, web, rows, order):
    issue(a_bill())
    event = an_event(wiring, "R1")

    def call_back() -> None:
        assert web.post("/webhooks/standard", data=event.body, headers=dict(event.headers)).status_code == 200

    if order == "call first":
        assert teller.pay()[0] == 200
        call_back()
        _read_callbacks(wiring)
    else:
        call_back()
        if order == "callback first":
            _read_callbacks(wiring)
        assert teller.pay()[0] == 200
        _read_callbacks(wiring)
    assert rows("SELECT source_reference, matched_minor FROM payments") == [("R1", 100_000)]
    assert rows("SELECT state FROM deliveries ORDER BY id") == ["read", "read"]
    assert rows("SELECT count(*) FROM messages") == [1]
    assert rows("SELECT code FROM mismatches") == []


@pytest.mark.parametrize("first", ["statement", "call"])
def test_a_statement_and_a_call_tell_of_one_payment(teller, issue, wiring, tmp_path, rows, first):
    issue(a_bill())
    if first == "call":
        teller.pay("SK1-1")
    _read_statement(wiring, tmp_path, a_statement((1, 100_000)))
    if first == "statement":
        assert teller.pay("SK1-1")[0] == 200
    assert rows("SELECT source_reference, state, matched_minor FROM payments") == [("SK1-1", "confirmed", 100_000)]
    assert teller.ask("reverse", {"reference": "SK1-1", "reason": "other"})[1]["code"] == "confirmed"


def test_a_statement_that_shows_what_was_taken_back_is_a_question_for_people(teller, issue, wiring, tmp_path, rows):
    issue(a_bill())
    teller.pay("SK1-1")
    teller.ask("reverse", {"reference": "SK1-1", "reason": "customer_request"})
    _read_statement(wiring, tmp_path, a_statement((1, 100_000)))
    assert rows("SELECT code, minor, state FROM mismatches") == [("M09", 100_000, "open")]
    assert rows("SELECT state FROM bills") == ["open"]
    assert teller.ask("status", {"reference": "SK1-1"})[1]["state"] == "reversed"


def test_a_bank_that_only_collects_owes_a_call_for_each_line(wiring, settings, issue, tmp_path, one):
    banks = settings.banks | {"standard": replace(settings.banks["standard"], callbacks=False)}
    collecting = replace(wiring, settings=replace(settings, banks=banks))
    issue(a_bill())
    _read_statement(collecting, tmp_path, a_statement((1, 100_000)))
    collecting.engine.dispose()
    assert one("SELECT matched_minor, due_at IS NOT NULL FROM payments") == (100_000, True)


# ── who may call ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["inquiry", "pay", "reverse", "status"])
@pytest.mark.parametrize(
    "changed",
    [
        {"key": KEYS["vnpay"]}, {"collect_signature": ""}, {"collect_signature": "v1,AAAA"}, {"collect_id": "another"},
        {"collect_id": "a.b"}, {"collect_timestamp": "1"}, {"collect_timestamp": "soon"},
    ],
)  # fmt: skip
def test_an_unproven_call_is_kept_as_a_refusal_and_answered_signed(teller, issue, rows, nothing_booked, verb, changed):
    issue(a_bill())
    status, told = teller.ask(verb, a_payment(), **changed)
    assert (status, told["code"], told["got"]) == (401, "unproven", "")
    assert rows("SELECT source, outcome FROM refusals") == [("standard", "unproven")]
    assert rows("SELECT id FROM deliveries") == []
    assert nothing_booked()


def test_a_call_signed_for_another_road_is_not_proven(teller, issue, web, wiring, nothing_booked):
    issue(a_bill())
    body, at = json.dumps(a_payment()).encode(), int(wiring.clock().timestamp())
    headers = collect_signing.sign(
        body, "POST /collect/v1/standard/status", [KEYS["standard"]], call_id="c", timestamp=at
    )
    assert web.post("/collect/v1/standard/pay", data=body, headers=headers).status_code == 401
    assert nothing_booked()


@pytest.mark.parametrize(("ago", "status"), [(298, 200), (301, 401), (-303, 401)])
def test_a_call_is_good_for_five_minutes(teller, issue, web, wiring, ago, status):
    issue(a_bill())
    body, at = json.dumps(a_payment()).encode(), int(wiring.clock().timestamp()) - ago
    headers = collect_signing.sign(body, "POST /collect/v1/standard/pay", [KEYS["standard"]], call_id="c", timestamp=at)
    assert web.post("/collect/v1/standard/pay", data=body, headers=headers).status_code == status


def test_while_a_key_is_replaced_both_are_good_and_a_retired_one_is_not(wiring, issue, monkeypatch):
    newer = "sandbox-collect-secret-of-standard-2"
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_COLLECT_SECRET", f"{newer},{KEYS['standard']}")
    teller = Teller(Client(create_app(wiring)), wiring)
    for key in (newer, KEYS["standard"]):
        answer = teller.call("status", b'{"reference":"R1"}', key=key)
        assert answer.status_code == 200
        assert len(answer.headers["collect-signature"].split(" ")) == 2
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_COLLECT_SECRET", KEYS["standard"])
    assert Teller(Client(create_app(wiring)), wiring).call("status", b"{}", key=newer).status_code == 401


@pytest.mark.parametrize("secret", ["", "too short", "a" * 32 + "," + "b" * 32 + "," + "c" * 32])
def test_without_a_usable_key_nothing_starts(wiring, monkeypatch, secret):
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_COLLECT_SECRET", secret)
    with pytest.raises(SettingsError, match="standard_collect_secret"):
        create_app(wiring)


def test_only_a_bank_that_collects_is_known(web, wiring, settings, teller):
    only = replace(settings, banks={"vnpay": settings.banks["vnpay"]})
    other = Client(create_app(replace(wiring, settings=only)))
    for path in ("/collect/v1/standard/pay", "/collect/v1/nobody/pay"):
        answer = other.post(path, data=b"{}")
        assert (answer.status_code, answer.data) == (404, b"no bank collects here\n")
    assert web.get("/collect/v1/standard/pay").status_code == 405
    assert web.post("/collect/v1/standard/refund").status_code == 404


def test_one_bank_sees_nothing_of_another_one_s(teller, other_teller, issue):
    issue(a_bill())
    teller.pay()
    assert other_teller.ask("status", {"reference": "R1"})[1]["state"] == "unknown"
    assert other_teller.ask("reverse", {"reference": "R1", "reason": "other"})[1]["code"] == "unknown_payment"


def test_an_address_that_is_not_the_bank_s_is_refused(wiring, settings, issue, nothing_booked):
    origin = Origin(allow_from=(ip_network("203.0.113.0/24"),))
    banks = settings.banks | {"standard": replace(settings.banks["standard"], origin=origin)}
    elsewhere = replace(wiring, settings=replace(settings, banks=banks))
    issue(a_bill())
    assert Teller(Client(create_app(elsewhere)), wiring).pay()[0] == 401
    elsewhere.engine.dispose()
    assert nothing_booked()


# ── pace, size, languages, want of a database ────────────────────────────────────────────────────────────────────────


def test_inquiries_have_a_pace_per_bank(teller, other_teller, issue, monkeypatch):
    monkeypatch.setattr(routes, "INQUIRIES", RateLimitItemPerMinute(2))
    issue(a_bill())
    question = {"customer_code": "PA00000000001"}
    assert [teller.ask("inquiry", question)[0] for _ in range(3)] == [200, 200, 429]
    assert other_teller.ask("inquiry", question)[0] == 200
    assert teller.pay()[0] == 200, "a payment never waits"


def test_a_call_beyond_16_kib_is_refused_unread(teller, nothing_booked):
    assert teller.ask("pay", body=b"{" + b" " * 16_383)[1]["code"] == "unreadable"
    status, told = teller.ask("pay", body=b"{" + b" " * 16_384)
    assert (status, told["code"], told["expected"]) == (413, "too_large", "at most 16384 bytes")
    assert nothing_booked()


@pytest.mark.parametrize(
    ("language", "message"),
    [("vi", "Không có hóa đơn này."), ("en-GB, vi;q=0.5", "There is no such bill."), ("", "Không có hóa đơn này."),
     ("fr", "Không có hóa đơn này."), ("\\x00;q=x", "Không có hóa đơn này.")],
)  # fmt: skip
def test_a_refusal_speaks_the_caller_s_language(teller, language, message):
    answer = teller.call("pay", json.dumps(a_payment()).encode(), language=language)
    assert (answer.status_code, json.loads(answer.data)["message"]) == (404, message)


@pytest.mark.parametrize("verb", ["inquiry", "pay", "reverse", "status"])
def test_without_the_database_the_bank_is_asked_to_call_again(cut_off, caplog, verb):
    content = {
        "inquiry": {"customer_code": "PA00000000001"}, "pay": a_payment(), "status": {"reference": "R1"},
        "reverse": {"reference": "R1", "reason": "other"},
    }[verb]  # fmt: skip
    status, told = Teller(Client(create_app(cut_off)), cut_off).ask(verb, content)
    assert (status, told["code"]) == (503, "busy")
    assert "PA0000" not in caplog.text


def test_calls_are_counted(teller, web):
    teller.ask("status", {"reference": "R1"})
    assert (
        b'doisoat_collect_calls_total{bank="standard",status="200",verb="status"}'
        in web.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).data
    )


def _read_callbacks(wiring) -> None:
    callback_reading.read(wiring, callback_reading.claim(wiring, limit=100, lease=timedelta(minutes=1)))


def _read_statement(wiring, tmp_path, content: bytes) -> None:
    path = tmp_path / "statement.xml"
    path.write_bytes(content)
    with transaction(wiring.engine) as session:
        kept = inbox.keep_file(
            session, source="standard", name=path.name, path=path, sealer=wiring.sealer, now=wiring.clock()
        )
    assert statement_reading.read(wiring, kept) == "read"
