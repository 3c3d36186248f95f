"""Messaging: what each word of the carrier leaves behind, and that one bad message costs no other its word."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from gateway import messaging
from gateway.database import transaction
from reconciliation import sending
from sms.transport import Accepted
from sms.transports.memory import MemoryTransport, Outcome
from tests.gateway.samples import a_bill, a_debit_bill, use_carriers


@pytest.fixture
def carrier(wiring):
    made = MemoryTransport("http", dedupes=False)
    use_carriers(wiring, made)
    return made


@pytest.fixture
def states(rows):
    return lambda: rows("SELECT state FROM messages ORDER BY id")


@pytest.fixture
def pass_by(wiring, later):
    return lambda **time: later(wiring.clock() + timedelta(**time))


def test_what_the_carrier_accepts_is_sent_with_its_reference(wiring, carrier, issue, rows):
    issue(a_debit_bill(1), a_bill(2), a_debit_bill(3, phone="", consent="1"), a_debit_bill(4, consent="0"))
    assert messaging.send_due(wiring) == 1
    [taken] = carrier.taken
    assert (taken.to, taken.brand) == ("+84912340001", "DIENLUC")
    assert rows("SELECT state, provider, provider_ref, CAST(request_id AS text), body FROM messages") == [
        ("sent", "http", "http-1", taken.request_id, taken.text)
    ]
    assert messaging.send_due(wiring) == 0
    assert carrier.attempts == 1


def test_what_the_carrier_said_outlasts_a_database_that_goes_away_as_it_is_recorded(
    wiring, carrier, issue, states, one, monkeypatch
):
    issue(*map(a_debit_bill, range(1, 5)))
    carrier.plan(Outcome.ACCEPT, Outcome.REFUSE, Outcome.REFUSE_FOR_GOOD, Outcome.LOSE_ANSWER)
    recording, heard = messaging._record_together, []

    def record_and_lose_the_answer(*given):
        recorded = recording(*given)
        heard.append(recorded)
        if len(heard) == 1:
            raise OperationalError("COMMIT", {}, Exception("the server closed the connection"))
        return recorded

    monkeypatch.setattr(messaging, "_record_together", record_and_lose_the_answer)
    assert messaging.send_due(wiring) == 1
    assert (heard, carrier.attempts) == ([1, 1], 4)
    assert sorted(states()) == ["failed", "queued", "sent", "unsure"]
    assert one("SELECT count(*) FROM transitions WHERE kind = 'message' AND from_state = 'sending'") == 4


def test_words_on_a_database_that_stays_away_are_given_up(wiring, carrier, issue, states, monkeypatch):
    def away(*_given):
        raise OperationalError("BEGIN", {}, Exception("no such server"))

    monkeypatch.setattr(messaging, "_AWAY", 0.3)
    monkeypatch.setattr(messaging, "_record_together", away)
    issue(a_debit_bill())
    with pytest.raises(OperationalError):
        messaging.send_due(wiring)
    assert states() == ["sending"], "unsure when its lease is over"


def test_a_clean_refusal_waits_and_is_tried_again(wiring, carrier, issue, states, pass_by, one):
    issue(a_debit_bill())
    carrier.plan(Outcome.REFUSE)
    assert messaging.send_due(wiring) == 0
    assert states() == ["queued"]
    assert one("SELECT reason FROM messages") == "refused (busy): refused as planned"
    assert messaging.send_due(wiring) == 0
    assert carrier.attempts == 1, "not at once"
    pass_by(seconds=31)
    assert messaging.send_due(wiring) == 1
    assert states() == ["sent"]


def test_a_refusal_for_good_fails_with_its_reason(wiring, carrier, issue, states, pass_by, one):
    issue(a_debit_bill())
    carrier.plan(Outcome.REFUSE_FOR_GOOD)
    messaging.send_due(wiring)
    assert states() == ["failed"]
    assert "refused for good as planned" in one("SELECT reason FROM messages")
    pass_by(hours=2)
    messaging.send_due(wiring)
    assert carrier.attempts == 1


@pytest.mark.parametrize("outcome", [Outcome.LOSE_ANSWER, Outcome.LOSE_REQUEST])
def test_what_is_unsure_is_never_sent_again_to_a_carrier_that_would_send_it_twice(
    wiring, carrier, issue, states, pass_by, outcome
):
    issue(a_debit_bill())
    carrier.plan(outcome)
    messaging.send_due(wiring)
    for _ in range(3):
        assert states() == ["unsure"]
        pass_by(hours=1)
        messaging.send_due(wiring)
    assert carrier.attempts == 1


def test_a_carrier_that_knows_our_key_again_is_asked_again_and_sends_once(wiring, carrier, issue, states, pass_by):
    carrier.dedupes = True
    issue(a_debit_bill())
    carrier.plan(Outcome.LOSE_ANSWER)
    messaging.send_due(wiring)
    assert states() == ["unsure"]
    pass_by(seconds=31)
    assert messaging.send_due(wiring) == 1
    assert states() == ["sent"]
    assert (carrier.attempts, len(carrier.taken)) == (2, 1)


@pytest.mark.parametrize(("dedupes", "state", "attempts"), [(False, "unsure", 0), (True, "sent", 1)])
def test_a_claim_whose_sender_died_becomes_unsure(
    wiring, carrier, issue, states, pass_by, caplog, dedupes, state, attempts
):
    carrier.dedupes = dedupes
    issue(a_debit_bill())
    with transaction(wiring.engine) as session:
        assert (
            len(
                sending.claim(
                    session, carrier="http", of_all=True, limit=10, lease=messaging._LEASE, now=wiring.clock()
                )
            )
            == 1
        )
    messaging.send_due(wiring)
    assert (states(), carrier.attempts) == (["sending"], 0), "its sender may still be at it"
    pass_by(seconds=121)
    messaging.send_due(wiring)
    assert (states(), carrier.attempts) == ([state], attempts)
    assert "1 messages were being sent when their sender ended; they are unsure" in caplog.text


def test_without_a_carrier_nothing_is_even_claimed(wiring, issue, rows):
    issue(a_debit_bill())
    assert wiring.carriers == {}
    assert messaging.send_due(wiring) == 0
    assert rows("SELECT state, attempts, lease_until FROM messages") == [("queued", 0, None)]


def test_the_claim_is_committed_before_a_byte_leaves(wiring, carrier, issue, rows):
    seen = []
    real = carrier.send

    def look_first(message):
        seen.extend(rows("SELECT state FROM messages WHERE CAST(request_id AS text) = :id", id=message.request_id))
        return real(message)

    carrier.send = look_first
    issue(a_debit_bill(1), a_debit_bill(2))
    assert messaging.send_due(wiring) == 2
    assert seen == ["sending", "sending"]


def test_more_than_one_batch_is_drained_and_two_senders_never_share_a_message(wiring, carrier, issue, monkeypatch):
    monkeypatch.setattr(messaging, "_BATCH", 7)
    issue(*(a_debit_bill(number) for number in range(1, 41)))
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(messaging.send_due, [wiring, wiring])) == 40
    assert len({taken.request_id for taken in carrier.taken}) == carrier.attempts == 40


# ── one bad message among good ones ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three(issue):
    issue(*(a_debit_bill(number) for number in (1, 2, 3)))


def test_a_customer_whose_number_was_taken_back_is_told_nothing(wiring, carrier, three, change, states, one):
    change("UPDATE customers SET msisdn_sealed = NULL, msisdn_hash = NULL WHERE code = 'PA00000000002'")
    assert messaging.send_due(wiring) == 2
    assert states() == ["sent", "withdrawn", "sent"]
    assert one("SELECT why FROM transitions WHERE to_state = 'withdrawn'") == "the customer is not to be told by SMS"


def test_a_customer_who_said_no_after_the_promise_is_told_nothing(wiring, carrier, three, change, states):
    change("UPDATE customers SET consent = false WHERE code = 'PA00000000002'")
    assert messaging.send_due(wiring) == 2
    assert states() == ["sent", "withdrawn", "sent"]


def test_an_unsure_one_whose_number_was_taken_back_stays_unsure(wiring, carrier, issue, change, states, pass_by):
    carrier.dedupes = True
    issue(a_debit_bill())
    carrier.plan(Outcome.LOSE_ANSWER)
    messaging.send_due(wiring)
    change("UPDATE customers SET msisdn_sealed = NULL, msisdn_hash = NULL")
    pass_by(seconds=31)
    assert messaging.send_due(wiring) == 0
    assert states() == ["unsure"]


def test_a_number_that_can_not_be_opened_waits_for_its_key(wiring, carrier, three, change, states, caplog):
    change("UPDATE customers SET msisdn_sealed = 'sealed by nobody' WHERE code = 'PA00000000002'")
    assert messaging.send_due(wiring) == 2
    assert states() == ["sent", "queued", "sent"]
    assert "can't be opened: KeyError" in caplog.text


def test_a_fault_in_handing_one_over_leaves_it_unsure_and_the_others_sent(wiring, carrier, three, states, caplog):
    real = carrier.send

    def fail_once(message):
        if message.to.endswith("2"):
            raise RuntimeError(f"can't send to {message.to}")
        return real(message)

    carrier.send = fail_once
    assert messaging.send_due(wiring) == 2
    assert states() == ["sent", "unsure", "sent"]
    assert "failed: RuntimeError" in caplog.text
    assert "912340002" not in caplog.text


def test_a_reference_the_carrier_gave_before_leaves_only_that_message_unsure(wiring, carrier, three, rows, issue):
    real = carrier.send
    carrier.send = lambda message: replace(real(message), provider_ref="R1" if message.to[-1] in "12" else "R3")
    assert messaging.send_due(wiring) == 2
    assert sorted(rows("SELECT state, provider_ref FROM messages"), key=str) == [
        ("sent", "R1"), ("sent", "R3"), ("unsure", None)
    ]  # fmt: skip
    carrier.send = lambda _message: Accepted("R3")
    issue(a_debit_bill(9))
    assert messaging.send_due(wiring) == 0
    assert rows("SELECT state FROM messages ORDER BY id DESC LIMIT 1") == ["unsure"]


def test_no_number_and_no_text_stands_in_the_log(wiring, carrier, three, caplog, rows):
    caplog.set_level("DEBUG")
    carrier.plan(Outcome.REFUSE, Outcome.LOSE_ANSWER, Outcome.REFUSE_FOR_GOOD)
    messaging.send_due(wiring)
    assert "91234" not in caplog.text
    assert rows("SELECT body FROM messages")[0] not in caplog.text


def test_what_a_slow_carrier_does_not_get_to_within_the_lease_waits_and_is_not_unsure(
    wiring, carrier, three, states, monkeypatch
):
    monkeypatch.setattr(messaging, "_IN_TIME", -1)
    assert messaging.send_due(wiring) == 0
    assert (states(), carrier.attempts) == (["queued"] * 3, 0)


def test_nothing_leaves_to_a_test_number_and_it_counts_as_accepted(wiring, carrier, issue, rows):
    tests = replace(wiring.settings.sms, test_numbers=frozenset({"+84912340001"}))
    wiring.__dict__["settings"] = replace(wiring.settings, sms=tests)
    issue(a_debit_bill(1), a_debit_bill(2))
    messaging.send_due(wiring)
    assert len(carrier.taken) == 1
    assert rows("SELECT state, provider_ref LIKE 'test-%' FROM messages ORDER BY id") == [
        ("sent", True),
        ("sent", False),
    ]
