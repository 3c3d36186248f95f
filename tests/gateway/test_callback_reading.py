"""Reading kept callbacks: a batch is one transaction, a bad one is set aside alone, reading twice changes nothing."""

import json
from datetime import timedelta
from itertools import count

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from banks.errors import Unreadable
from gateway import callback_reading, jobs, mandate_desk, webhooks
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import inbox, mandate_openings, payments
from reconciliation.business_days import local_day
from reconciliation.inbox import Delivery
from reconciliation.mandate_openings import Consent
from tests.gateway.samples import a_bill, a_debit_bill, an_event, an_ipn, code_of

BOOKS = """
    SELECT 'delivery' || id, xmin::text FROM deliveries UNION ALL SELECT 'payment' || id, xmin::text FROM payments
    UNION ALL SELECT 'allocation' || id, xmin::text FROM allocations
    UNION ALL SELECT 'message' || id, xmin::text FROM messages UNION ALL SELECT 'entry' || id, xmin::text FROM entries
    UNION ALL SELECT 'bill' || id, xmin::text FROM bills ORDER BY 1
"""


@pytest.fixture
def send(web, wiring):
    """Send `standard` events about the first bill and claim whatever waits; return the claimed ids."""

    def do(*references, **changes):
        for reference in references:
            signed = an_event(wiring, reference, **changes)
            web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
        return claim(wiring)

    return do


def claim(wiring):
    return callback_reading.claim(wiring, limit=200, lease=jobs.LEASE)


@pytest.fixture
def states(rows):
    return lambda: rows("SELECT state FROM deliveries ORDER BY id")


def test_a_batch_becomes_payments_matches_entries_and_written_promises_at_once(
    wiring, send, issue, rows, states, sound
):
    issue(a_bill(1))
    callback_reading.read(wiring, send("FT1", "FT2", amount=50_000))
    assert states() == ["read", "read"]
    assert rows("SELECT source_reference, minor, matched_minor FROM payments ORDER BY id") == [
        ("FT1", 50_000, 50_000), ("FT2", 50_000, 50_000)
    ]  # fmt: skip
    assert rows("SELECT state FROM bills") == ["paid"]
    assert rows("SELECT body IS NOT NULL FROM messages") == [True, True]
    assert len(set(rows("SELECT xmin::text FROM payments UNION ALL SELECT xmin::text FROM deliveries"))) == 1


def test_reading_twice_changes_no_row(wiring, send, issue, rows):
    issue(a_bill(1))
    ids = send("FT1")
    callback_reading.read(wiring, ids)
    before = rows(BOOKS)
    callback_reading.read(wiring, ids)
    callback_reading.read(wiring, [*ids, 999_999])
    assert rows(BOOKS) == before


@pytest.mark.parametrize("state", ["set_aside", "conflicting", "unreadable"])
def test_what_waits_for_a_person_is_not_read_though_it_was_claimed(wiring, send, issue, change, rows, states, state):
    issue(a_bill(1))
    ids = send("FT1")
    change("UPDATE deliveries SET state = :state", state=state)
    callback_reading.read(wiring, ids)
    assert states() == [state]
    assert rows("SELECT id FROM payments") == []


def test_an_attempt_that_moved_no_money_is_read_and_leaves_nothing(wiring, web, rows, states):
    web.get("/webhooks/vnpay?" + an_ipn(wiring, code_of(1), 5, vnp_ResponseCode="24", vnp_TransactionStatus="02"))
    callback_reading.read(wiring, claim(wiring))
    assert states() == ["read"]
    assert rows("SELECT id FROM payments") == []


def test_a_claim_is_committed_holds_for_its_lease_and_counts(wiring, send, later, one):
    ids = send("FT1")
    assert claim(wiring) == []
    later(wiring.clock() + jobs.LEASE + timedelta(seconds=1))
    assert claim(wiring) == ids
    assert one("SELECT attempts FROM deliveries") == 2


def kept(wiring, one, change, event_id, *, body=b"", state="received", source="standard", sealer=None):
    """Put a delivery into the inbox as an older version of us may have kept it."""
    sealer = sealer or wiring.sealer
    head = json.dumps({"method": "POST", "query": "", "headers": {}}).encode()
    change(
        "INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, answer_status, answer_body,"
        " received_at, state)"
        " VALUES (:source, 'callback', :event, :digest, :size, :head, :body, 200, '', :now, :state)",
        source=source, event=event_id, digest=event_id.encode(), size=len(body), now=wiring.clock(), state=state,
        head=sealer.seal(head, "deliveries.head"), body=sealer.seal(body, "deliveries.body"),
    )  # fmt: skip
    return one("SELECT id FROM deliveries WHERE event_id = :event", event=event_id)


def test_one_that_can_not_be_read_any_more_is_set_aside_alone_with_the_place(
    wiring, send, issue, one, change, states, rows, sound
):
    issue(a_bill(1))
    kept(wiring, one, change, "evt_bad", body=b'{"type": "payment.received", "data": 7}')
    callback_reading.read(wiring, send("FT1"))
    assert states() == ["unreadable", "read"]
    assert one("SELECT reason FROM deliveries WHERE state = 'unreadable'") == "data: expected an object, got a number"
    assert rows("SELECT state FROM bills") == ["paid"]


def test_one_whose_key_is_gone_is_tried_a_few_times_and_takes_nobody_with_it(
    wiring, send, issue, one, change, states, rows, later, sealer, caplog
):
    issue(a_bill(1))
    kept(wiring, one, change, "evt_bad", sealer=sealer)
    callback_reading.read(wiring, send("FT1"))
    assert states() == ["received", "read"]
    assert "a batch of 2 callbacks failed (KeyError); reading them one by one" in caplog.text
    for _ in range(inbox.MAX_ATTEMPTS - 1):
        assert states() == ["received", "read"]
        later(wiring.clock() + jobs.LEASE * 2)
        callback_reading.read(wiring, claim(wiring))
    assert states() == ["set_aside", "read"]
    assert one("SELECT reason FROM deliveries WHERE state = 'set_aside'") == "reading failed 5 times: KeyError"
    later(wiring.clock() + jobs.LEASE * 2)
    assert claim(wiring) == []


def test_a_bank_that_is_no_longer_declared_leaves_its_callbacks_to_a_person(wiring, one, change, states, later):
    kept(wiring, one, change, "evt_1", source="gone")
    for _ in range(inbox.MAX_ATTEMPTS):
        callback_reading.read(wiring, claim(wiring))
        later(wiring.clock() + jobs.LEASE * 2)
    assert states() == ["set_aside"]


def test_a_batch_that_has_to_give_way_is_tried_again_whole(wiring, send, issue, monkeypatch, rows, states, sound):
    issue(a_bill(1))
    real, gave_way = payments.report, []

    def give_way_twice(*words, **named):
        found = real(*words, **named)
        if len(gave_way) < 2:
            gave_way.append(1)
            raise OperationalError("", {}, DeadlockDetected())
        return found

    monkeypatch.setattr(payments, "report", give_way_twice)
    callback_reading.read(wiring, send("FT1", "FT2", amount=50_000))
    assert len(gave_way) == 2
    assert states() == ["read", "read"]
    assert len(rows("SELECT id FROM payments")) == 2


def test_what_fails_late_leaves_nothing_of_itself(wiring, send, issue, monkeypatch, rows, states, sound):
    issue(a_bill(1))
    ids = send("FT1")

    def fail(*_, **__):
        raise RuntimeError("the disk is full of 0912345678")

    monkeypatch.setattr(callback_reading.composing, "compose_promises", fail)
    callback_reading.read(wiring, ids)
    assert states() == ["received"]
    assert rows("SELECT id FROM payments UNION ALL SELECT id FROM messages UNION ALL SELECT id FROM allocations") == []
    monkeypatch.undo()
    callback_reading.read(wiring, ids)
    assert states() == ["read"]


def test_failures_are_logged_by_kind_without_what_they_say(wiring, send, monkeypatch, caplog):
    ids = send("FT1", narrative="NGUYEN VAN AN 0912345678")

    def fail(*_, **__):
        raise RuntimeError("NGUYEN VAN AN 0912345678")

    monkeypatch.setattr(payments, "report", fail)
    callback_reading.read(wiring, ids)
    assert "failed (RuntimeError), attempt 1" in caplog.text
    assert "NGUYEN" not in caplog.text


def test_a_kept_callback_reads_as_it_came_over_the_wire(wiring, web, engine):
    signed = an_event(wiring, narrative="Tiền điện")
    web.post("/webhooks/standard?a=%C3%AA", data=signed.body, headers=dict(signed.headers))
    query = an_ipn(wiring, code_of(1), 7)
    web.get(f"/webhooks/vnpay?{query}")
    with Session(engine) as session:
        post, get = session.query(Delivery).order_by(Delivery.id).all()
        posted, got = callback_reading.raw_request(wiring, post), callback_reading.raw_request(wiring, get)
    assert (posted.method, posted.query, posted.body) == ("POST", b"a=%C3%AA", signed.body)
    assert posted.headers["webhook-signature"] == signed.headers["webhook-signature"]
    assert (got.method, got.query, got.body) == ("GET", query.encode(), b"")
    proof = wiring.callers["vnpay"].profile.prove(got, wiring.callers["vnpay"].secrets, wiring.clock())
    assert proof.event_id == get.event_id
    assert json.loads(webhooks.head_of(posted))["headers"] == dict(posted.headers)


def test_a_delivery_kept_without_its_bytes_is_no_callback(wiring):
    with pytest.raises(Unreadable, match="kept with its head and body"):
        callback_reading.raw_request(wiring, Delivery(source="standard", kind="callback"))


def test_a_callback_after_the_notice_takes_the_notice_back(wiring, send, issue, rows, sound):
    issue(a_debit_bill(1))
    callback_reading.read(wiring, send("FT1"))
    assert rows("SELECT event, state FROM messages ORDER BY id") == [
        ("before_debit", "withdrawn"), ("payment_recorded", "queued")
    ]  # fmt: skip


def test_nothing_claimed_is_nothing_read(wiring, rows):
    callback_reading.read(Wiring(wiring.settings, wiring.database_url, wiring.valkey_url), [])
    assert rows("SELECT id FROM payments") == []


@pytest.fixture
def submitted(wiring, issue, rows):
    """A mandate UQ-1 that waits for its bank's word."""
    issue(a_bill(1))
    today = local_day(wiring.clock())
    terms = mandate_desk.terms(
        wiring.sealer, account="190026110001", holder="Lê Văn An", cap=1_500_000, valid_from=today, valid_to=None
    )
    with transaction(wiring.engine) as session:
        mandate_openings.submit(
            session, rows("SELECT id FROM customers")[0], terms, Consent("TN-2026-11/vi", "web"), bank="standard",
            reference="UQ-1", by="customer", now=wiring.clock(),
        )  # fmt: skip


@pytest.fixture
def answer(web, wiring, submitted):
    """Send `standard` events about mandates, by their kind, and read them in one batch."""
    events = count(1)

    def do(*kinds, reference="UQ-1"):
        for kind in kinds:
            body = {"type": f"mandate.{kind}", "data": {"reference": reference, "reason": "MD07"}}
            signed = an_event(wiring, event=f"evt_{next(events)}", top=body)
            got = web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
            assert got.json == {"status": "accepted"}
        callback_reading.read(wiring, claim(wiring))

    return do


@pytest.mark.parametrize(("kind", "state"), [("confirmed", "active"), ("refused", "refused"), ("ended", "ended")])
def test_what_a_bank_decides_of_a_mandate_is_carried_out_once(answer, rows, states, sound, kind, state):
    answer(kind)
    assert (states(), rows("SELECT state FROM mandates")) == (["read"], [state])
    said = "SELECT regexp_replace(why, '[0-9]+:', 'N:') FROM transitions WHERE kind = 'mandate' AND to_state = :state"
    assert rows(said, state=state) == ["the bank answered in callback N: MD07"]
    answer(kind)  # told anew, under another id
    assert (states(), rows(said, state=state)) == (["read"] * 2, ["the bank answered in callback N: MD07"])


@pytest.mark.parametrize("kinds", [("confirmed", "ended"), ("ended", "confirmed")])
def test_a_mandate_that_its_bank_has_ended_is_ended_whichever_word_comes_first(answer, rows, states, kinds):
    answer(*kinds)
    assert (states(), rows("SELECT state FROM mandates")) == (["read", "read"], ["ended"])


def test_a_word_on_a_mandate_that_contradicts_what_we_know_is_asked_of_a_person(answer, rows, sound):
    answer("confirmed", "refused")
    assert rows("SELECT state FROM mandates") == ["active"]
    assert rows("SELECT reason <> '' FROM deliveries ORDER BY id") == [False, True]
    assert rows("SELECT subject, facts->'reasons'->>0 FROM mismatches WHERE code = 'M17'") == [
        (
            "mandate_answer:standard:UQ-1",
            "expected a mandate that waits for its bank, got refused for UQ-1, which is active",
        )
    ]


def test_a_word_on_a_mandate_nobody_knows_is_asked_of_a_person(answer, rows):
    answer("ended", reference="UQ-9")
    assert rows("SELECT subject FROM mismatches WHERE code = 'M17'") == ["mandate_answer:standard:UQ-9"]
    assert rows("SELECT state FROM mandates") == ["submitted"]
