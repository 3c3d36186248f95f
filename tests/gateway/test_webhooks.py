"""Callbacks at the door, judged in process: what is refused, what is kept and how, and what each sender hears."""

import base64
import hashlib
import hmac
import io
import json
import logging
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from banks.profile import find
from banks.records import RawRequest
from gateway import jobs, webhooks
from gateway.bank_settings import BankSettings
from gateway.web import create_app, create_machines
from gateway.wiring import Wiring
from tests.gateway.samples import a_bill, an_event, an_ipn, code_of

SECRET = "c2FuZGJveC1rZXktZm9yLXRlc3RzLW9ubHktMDE="
HASH_SECRET = "SANDBOXHASHSECRETFORTESTSONLY0001"


def post(web, signed, **more):
    return web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers), **more)


def ipn(web, query):
    answer = web.get(f"/webhooks/vnpay?{query}")
    assert answer.status_code == 200
    return json.loads(answer.data)["RspCode"]


def said(answer):
    return answer.status_code, answer.content_type, answer.data


def forged(signed):
    return replace(signed, body=signed.body.replace(b"transfer", b"wallet"))


@pytest.fixture
def elsewhere(cut_off):
    """The same gateway with a database that is not there."""
    return Client(create_app(cut_off))


@pytest.fixture
def endpoint(wiring):
    """The road as Flask's endpoint, which the web goes past."""
    return create_machines(wiring).test_client()


# ── at the door ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_banks_that_call_back_have_an_address(settings, wiring, rows):
    banks = {**settings.banks, "files": BankSettings("files", "Ngân hàng Tệp", "standard", callbacks=False)}
    web = Client(create_app(Wiring(replace(settings, banks=banks), wiring.database_url, wiring.valkey_url)))
    for name in ("nobody", "files", "STANDARD", "..%2Fstandard"):
        answer = web.post(f"/webhooks/{name}", data=b"{}")
        assert answer.status_code == 404
        assert name.encode() not in answer.data
    assert rows("SELECT id FROM refusals UNION ALL SELECT id FROM deliveries") == []


def test_another_method_is_refused_and_the_right_one_named(web, wiring, rows):
    signed, query = an_event(wiring), an_ipn(wiring, code_of(1), 100_000)
    for answer in (
        web.get("/webhooks/standard", headers=dict(signed.headers)),
        web.head("/webhooks/standard", headers=dict(signed.headers)),
    ):
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    for answer in (web.post(f"/webhooks/vnpay?{query}"), web.head(f"/webhooks/vnpay?{query}")):
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert web.put("/webhooks/standard", data=signed.body).status_code == 405
    assert rows("SELECT id FROM refusals UNION ALL SELECT id FROM deliveries") == []


def test_flasks_endpoint_and_the_road_past_it_are_one(web, endpoint, wiring):
    signed = an_event(wiring)
    first, again = post(web, signed), post(endpoint, signed)
    assert said(again) == said(first)
    assert said(endpoint.post("/webhooks/nobody")) == said(web.post("/webhooks/nobody"))
    assert said(endpoint.get("/webhooks/standard")) == said(web.get("/webhooks/standard"))


def test_a_failure_of_ours_asks_the_sender_to_send_again_and_its_log_repeats_nothing(web, wiring, monkeypatch, caplog):
    def fail(*_given):
        raise ValueError("PA0000000000111126")

    monkeypatch.setattr(webhooks, "_arrival", fail)
    answer = post(web, an_event(wiring))
    assert said(answer) == (500, "text/plain; charset=utf-8", b"not kept; please send it again\n")
    assert "a call for standard failed: ValueError" in caplog.text
    assert "PA0000000000111126" not in caplog.text


def test_the_cap_counts_every_byte_and_what_exceeds_it_is_not_kept(web, wiring, rows):
    cap = find("standard").max_bytes
    largest = an_event(wiring, narrative="x", top={"filler": ""})
    room = cap - len(largest.body)
    assert post(web, an_event(wiring, narrative="x", top={"filler": "y" * room})).status_code == 200
    answer = post(web, an_event(wiring, "FT2", narrative="x", top={"filler": "y" * (room + 1)}))
    assert (answer.status_code, answer.json) == (413, {"error": "too_large", "detail": f"expected at most {cap} bytes"})
    assert rows("SELECT size FROM deliveries") == [cap]

    cap = find("vnpay").max_bytes
    assert ipn(web, "x" * cap) == "97"
    assert ipn(web, "x" * (cap + 1)) == "99"
    assert rows("SELECT source FROM refusals") == ["vnpay"]


def test_a_call_is_taken_as_it_came_over_the_wire(now):
    environ = {
        "REQUEST_METHOD": "POST", "QUERY_STRING": "a=%C3%AA&b=ê".encode().decode("latin-1"), "CONTENT_TYPE": "text/x",
        "HTTP_WEBHOOK_ID": "evt_1", "REMOTE_ADDR": "10.0.0.9", "wsgi.input": io.BytesIO(b'{"a":  1}\r\n'),
    }  # fmt: skip
    raw = webhooks.raw_request(environ, 64, now)
    assert raw == RawRequest(
        "POST", "a=%C3%AA&b=ê".encode(), {"webhook-id": "evt_1", "content-type": "text/x"}, b'{"a":  1}\r\n', now,
        "10.0.0.9",
    )  # fmt: skip


# ── not proven ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_proves_nothing_is_told_so_in_the_senders_form_and_kept_for_a_person(web, wiring, one, rows):
    signed = forged(an_event(wiring))
    answer = post(web, signed, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    assert (answer.status_code, answer.content_type) == (401, "application/json")
    assert answer.json == {
        "error": "unproven", "detail": "No signature fits webhook-id, webhook-timestamp and the body.",
    }  # fmt: skip
    source, outcome, reason, remote, head, body = one(
        "SELECT source, outcome, reason, remote, head, body FROM refusals"
    )
    assert (source, outcome, remote) == ("standard", "unproven", "203.0.113.9")
    assert "webhook-signature" in reason
    assert signed.body not in bytes(body)
    assert wiring.sealer.open(body, "refusals.body") == signed.body
    kept = json.loads(wiring.sealer.open(head, "refusals.head"))
    assert kept["headers"]["webhook-signature"] == signed.headers["webhook-signature"]
    assert rows("SELECT id FROM deliveries") == []


def test_a_key_that_is_not_ours_proves_nothing(web, wiring, rows):
    signed = an_event(wiring)
    covered = f"{signed.headers['webhook-id']}.{signed.headers['webhook-timestamp']}.".encode() + signed.body
    other = base64.b64encode(hmac.digest(b"another key", covered, hashlib.sha256)).decode()
    assert post(web, replace(signed, headers={**signed.headers, "webhook-signature": f"v1,{other}"})).status_code == 401
    assert rows("SELECT id FROM deliveries") == []


def test_a_flood_of_unproven_calls_is_answered_in_full_and_kept_in_part(web, wiring, rows):
    signed = forged(an_event(wiring))
    answers = {said(post(web, signed, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})) for _ in range(35)}
    assert len(answers) == 1, "what is kept does not show in the answer"
    post(web, signed, environ_overrides={"REMOTE_ADDR": "203.0.113.10"})
    assert rows("SELECT remote, count(*) FROM refusals GROUP BY 1 ORDER BY 2") == [
        ("203.0.113.10", 1), ("203.0.113.9", 30)
    ]  # fmt: skip
    assert post(web, an_event(wiring)).status_code == 200, "whoever proves who they are is not held up by the flood"


# ── proven, and kept whatever it says ────────────────────────────────────────────────────────────────────────────────


def test_a_proven_call_is_kept_sealed_with_the_answer_it_got(web, wiring, one):
    signed = an_event(wiring, narrative="NGUYEN VAN AN tra tien dien")
    answer = post(web, signed)
    kept = one(
        "SELECT source, kind, event_id, state, size, head, body, answer_status, answer_type, answer_body, received_at"
        " FROM deliveries"
    )
    assert kept[:5] == ("standard", "callback", "evt_FT1", "received", len(signed.body))
    head, body = bytes(kept[5]), bytes(kept[6])
    assert b"NGUYEN" not in body
    assert b"webhook" not in head
    assert wiring.sealer.open(body, "deliveries.body") == signed.body
    assert json.loads(wiring.sealer.open(head, "deliveries.head"))["headers"]["webhook-id"] == "evt_FT1"
    assert said(answer) == (kept[7], kept[8], bytes(kept[9])) == (200, "application/json", b'{"status": "accepted"}')
    assert abs((kept[10] - wiring.clock()).total_seconds()) < 60


@pytest.mark.parametrize(("ago", "status"), [(298, 200), (302, 202), (86_400, 202), (-298, 200), (-310, 202)])
def test_an_event_signed_too_long_ago_or_ahead_is_set_aside(web, wiring, one, ago, status):
    answer = post(web, an_event(wiring, ago=ago))
    assert answer.status_code == status
    state, reason = one("SELECT state, reason FROM deliveries")
    assert state == ("received" if status == 200 else "set_aside")
    if status == 202:
        assert answer.json == {"status": "set_aside", "detail": reason}
        assert "expected at most 300 s" in reason


def test_a_proven_call_that_can_not_be_read_is_kept_with_the_place(web, wiring, one):
    answer = post(web, an_event(wiring, amount=12.5))
    assert (answer.status_code, answer.json["error"]) == (422, "unreadable")
    state, reason, body = one("SELECT state, reason, body FROM deliveries")
    assert (state, reason) == ("unreadable", answer.json["detail"])
    assert reason.startswith("data.amount: expected a whole number")
    assert b"12.5" in wiring.sealer.open(body, "deliveries.body")

    query = an_ipn(wiring, code_of(1), 100_000, vnp_PayDate="yesterday")
    assert ipn(web, query) == "99"
    assert one("SELECT state FROM deliveries WHERE source = 'vnpay'") == "unreadable"


@pytest.mark.parametrize("change", [{}, {"ago": 3600}, {"amount": -1}], ids=["accepted", "stale", "unreadable"])
def test_a_repetition_hears_the_same_word_for_word_from_any_process(wiring, embedded, settings, one, change):
    webs = [Client(create_app(wiring)), Client(create_app(Wiring(settings, wiring.database_url, embedded.valkey_url)))]
    signed = an_event(wiring, **change)
    assert len({said(post(web, signed)) for web in webs * 3}) == 1
    assert one("SELECT count(*) FROM deliveries") == 1


def test_an_event_set_aside_for_its_age_is_taken_when_it_comes_again_in_good_time(web, wiring, one, rows):
    late, fresh = an_event(wiring, ago=3600), an_event(wiring)
    assert post(web, late).status_code == 202
    assert rows("SELECT code, state FROM mismatches") == [("M16", "open")]
    assert said(post(web, fresh)) == (200, "application/json", b'{"status": "accepted"}')
    assert one("SELECT state FROM deliveries") == "received"
    assert one("SELECT why FROM transitions WHERE kind = 'delivery'") == "sent again, freshly signed"
    assert post(web, late).status_code == 202, "what it was told first stands in the inbox, and is repeated"
    assert one("SELECT state FROM deliveries") == "received"


@pytest.mark.parametrize("change", [{"ago": 3600}, {"amount": 12.5}], ids=["stale", "unreadable"])
def test_what_nobody_will_read_is_a_question_at_once(web, wiring, rows, change):
    for _ in range(2):
        post(web, an_event(wiring, **change))
    [(code, subject, state, facts)] = rows("SELECT code, subject, state, facts FROM mismatches")
    assert (code, state) == ("M16", "open")
    assert subject.startswith("delivery:")
    assert facts["reasons"]
    post(web, an_event(wiring, amount=1, event="evt_FT1"))
    assert rows("SELECT count(*) FROM mismatches") == [2]


@pytest.mark.parametrize(
    ("paid_at", "status"),
    [
        ("2026-11-19T08:00:00+07:00", 200),
        ("2026-11-20T08:00:00+07:00", 422),
        ("2024-11-19T08:00:00+07:00", 200),
        ("2023-01-01T08:00:00+07:00", 422),
        ("9999-12-31T23:59:59+07:00", 422),
    ],
)
def test_a_payment_out_of_its_time_is_not_read(web, wiring, paid_at, status):
    assert post(web, an_event(wiring, paid_at=paid_at)).status_code == status


def test_a_retry_that_is_signed_anew_is_the_same_event(web, wiring, one):
    first, again = an_event(wiring, ago=250), an_event(wiring)
    assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    assert said(post(web, first)) == said(post(web, again))
    assert one("SELECT count(*) FROM deliveries") == 1


def test_other_content_under_a_known_id_is_quarantined_beside_the_first(web, wiring, rows):
    first, other = an_event(wiring), an_event(wiring, amount=1, event="evt_FT1")
    assert post(web, first).status_code == 200
    for _ in range(2):
        answer = post(web, other)
        assert (answer.status_code, answer.json["error"]) == (409, "conflict")
    assert said(post(web, first)) == (200, "application/json", b'{"status": "accepted"}')
    [whole, held] = rows("SELECT id, state, event_id, conflicts_with, body FROM deliveries ORDER BY id")
    assert (whole[1:4], held[1:4]) == (("received", "evt_FT1", None), ("conflicting", None, whole[0]))
    assert wiring.sealer.open(held[4], "deliveries.body") == other.body


@pytest.mark.parametrize("change", [{"ago": 3600}, {"currency": "ĐỒNG"}], ids=["stale", "unreadable"])
def test_a_conflict_is_told_as_one_even_when_the_call_has_another_fault(web, wiring, one, change):
    post(web, an_event(wiring))
    answer = post(web, an_event(wiring, amount=1, **change))
    assert answer.status_code == 409
    assert answer.json["detail"] == "This webhook-id arrived before with another body; a person will look at both."
    assert one("SELECT count(*) FROM deliveries WHERE state = 'conflicting'") == 1


def test_two_banks_may_use_the_same_event_id(wiring, settings, monkeypatch, rows):
    monkeypatch.setenv("DOISOAT_SECRET_OTHER_WEBHOOK_SECRET", "whsec_" + SECRET)
    banks = {**settings.banks, "other": BankSettings("other", "Ngân hàng Khác", "standard", callbacks=True)}
    web = Client(create_app(Wiring(replace(settings, banks=banks), wiring.database_url, wiring.valkey_url)))
    signed = an_event(wiring)
    for name in ("standard", "other"):
        assert web.post(f"/webhooks/{name}", data=signed.body, headers=dict(signed.headers)).status_code == 200
    assert sorted(rows("SELECT source FROM deliveries")) == ["other", "standard"]


# ── answers that depend on the bill ──────────────────────────────────────────────────────────────────────────────────


def test_the_wallet_hears_about_the_bill_as_it_stands(web, wiring, issue, change):
    issue(a_bill(1), a_bill(2), a_bill(3), a_bill(4))
    assert ipn(web, an_ipn(wiring, code_of(1), 100_000, "1001")) == "00"
    assert ipn(web, an_ipn(wiring, code_of(1) + "-2", 100_000, "1002")) == "00", "a second attempt is the same bill's"
    assert ipn(web, an_ipn(wiring, code_of(1), 99_999, "1003")) == "04"
    assert ipn(web, an_ipn(wiring, code_of(9), 100_000, "1004")) == "01"

    issue(a_bill(2, version="2", charge="40000", amount="50000"))
    assert ipn(web, an_ipn(wiring, code_of(2), 50_000, "1005")) == "00", "a corrected bill asks for its new amount"
    assert ipn(web, an_ipn(wiring, code_of(2), 100_000, "1006")) == "04"
    issue(a_bill(3, version="2", payment_code="PA000000000039999X"))
    assert ipn(web, an_ipn(wiring, code_of(3), 100_000, "1007")) == "01", "nobody owes under a superseded code"
    change("UPDATE bills SET state = 'cancelled' WHERE payment_code = :code", code=code_of(4))
    assert ipn(web, an_ipn(wiring, code_of(4), 100_000, "1008")) == "01"


def test_the_wallet_hears_that_a_bill_is_paid_or_what_is_left_of_it(web, wiring, issue, monkeypatch):
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    issue(a_bill(1), a_bill(2))
    whole = an_ipn(wiring, code_of(1), 100_000, "1001")
    assert ipn(web, whole) == "00"
    assert ipn(web, an_ipn(wiring, code_of(2), 40_000, "1002")) == "04", "the money has moved and is taken as a part"
    jobs.read_callbacks()
    assert ipn(web, an_ipn(wiring, code_of(1), 100_000, "1003")) == "02"
    assert ipn(web, an_ipn(wiring, code_of(2), 100_000, "1004")) == "04"
    assert ipn(web, an_ipn(wiring, code_of(2), 60_000, "1005")) == "00"
    assert ipn(web, whole) == "00", "a repetition hears what the first call heard"


def test_an_attempt_that_moved_no_money_is_not_held_against_the_bill(web, wiring):
    cancelled = an_ipn(wiring, code_of(9), 5, vnp_ResponseCode="24", vnp_TransactionStatus="02")
    assert ipn(web, cancelled) == "00"


# ── when it can't be kept ────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_database_each_sender_is_asked_in_its_own_form_to_send_again(elsewhere, wiring):
    answer = post(elsewhere, an_event(wiring))
    assert (answer.status_code, answer.json["error"]) == (503, "busy")
    assert ipn(elsewhere, an_ipn(wiring, code_of(1), 100_000)) == "99"


def test_without_a_database_the_unproven_hear_the_usual(elsewhere, web, wiring):
    signed = forged(an_event(wiring))
    assert said(post(elsewhere, signed)) == said(post(web, signed))


# ── what never leaves ────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_answer_and_no_log_repeats_a_call_or_a_secret(web, elsewhere, wiring, caplog, one):
    caplog.set_level(logging.DEBUG)
    marks = {"narrative": "ZQNARRATIVE", "payer_account": "ZQACCOUNT", "zqkey": "ZQVALUE"}
    top = {"zqtop": "ZQTOP"}
    signed = an_event(wiring, **marks, top=top)
    misnamed = replace(signed, headers={**signed.headers, "webhook-id": "ZQ EVENT"})
    calls = [
        (web, signed),
        (web, an_event(wiring, "FT1", amount=7, **marks, top=top)),
        (web, an_event(wiring, "FT2", ago=9_999, **marks, top=top)),
        (web, an_event(wiring, "FT3", **{**marks, "amount": True}, top=top)),
        (web, an_event(wiring, "FT4", **{**marks, "narrative": "ZQ" * 40_000})),
        (web, forged(signed)),
        (web, misnamed),
        (web, replace(signed, headers={})),
        (elsewhere, signed),
    ]
    statuses = []
    for client, call in calls:
        headers = {**call.headers, "X-Zq-Header": "ZQHEADER", "Cookie": "session=ZQCOOKIE"}
        answer = client.post("/webhooks/standard?zqquery=ZQQUERY", data=call.body, headers=headers)
        statuses.append(answer.status_code)
        assert b"zq" not in answer.data.lower()
        assert "zq" not in str(answer.headers).lower()
        assert "Set-Cookie" not in answer.headers
    assert statuses == [200, 409, 202, 422, 413, 401, 401, 401, 503]
    for query in (an_ipn(wiring, "ZQCODE", 1, vnp_OrderInfo="ZQORDER"), "vnp_TxnRef=ZQ&vnp_SecureHash=zq"):
        assert b"zq" not in web.get(f"/webhooks/vnpay?{query}").data.lower()
    assert one("SELECT count(*) FROM refusals") == 4
    assert "a call for standard is not proven by its signature; " in caplog.text
    assert "a call for standard is not proven by its origin, token or form; " in caplog.text
    for secret in ("zq", SECRET, HASH_SECRET, signed.headers["webhook-signature"]):
        assert secret.lower() not in caplog.text.lower()


_HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300), query=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=200),
    headers=st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), _HEADER),
)  # fmt: skip
def test_whatever_comes_without_a_proof_is_refused_and_never_breaks_us(web, body, query, headers):
    environ = {"QUERY_STRING": query, "REMOTE_ADDR": "203.0.113.9"}
    assert web.post("/webhooks/standard", data=body, headers=headers, environ_overrides=environ).status_code == 401
    answer = web.get("/webhooks/vnpay", headers=headers, environ_overrides=environ)
    assert (answer.status_code, answer.json["RspCode"]) == (200, "97")


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    event=st.uuids(),
    data=st.dictionaries(
        st.sampled_from(["amount", "currency", "paid_at", "payment_code", "narrative", "transaction_id", "other"]),
        st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers(), max_size=2)),
    ),
)
def test_whatever_a_proven_sender_says_is_kept_and_answered(web, wiring, event, data):
    answer = post(web, an_event(wiring, "FT1", event=str(event), **data))
    assert answer.status_code in (200, 409, 422)


def test_every_answer_is_counted_by_bank_and_status(web, wiring):
    def counted(status):
        return webhooks.CALLBACKS.labels("standard", status)._value.get()

    before = {status: counted(status) for status in (200, 401)}
    post(web, an_event(wiring))
    post(web, forged(an_event(wiring)))
    assert {status: counted(status) - before[status] for status in before} == {200: 1, 401: 1}
    assert (
        b'doisoat_callbacks_total{bank="standard",status="200"}'
        in web.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).data
    )
