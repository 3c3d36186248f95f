"""Several carriers at once: shares, an ill one that heals, a pace that is kept, and no second SMS whatever happens."""

from collections import Counter
from dataclasses import replace
from datetime import time, timedelta

import pytest
from sqlalchemy import text

from gateway import claiming, messaging
from gateway.carrier_settings import CarrierSettings
from gateway.database import transaction
from gateway.wiring import Carrier
from reconciliation import carriers
from reconciliation.carriers import Words
from reconciliation.db import AdvisoryLock
from reconciliation.sending_hours import Times
from sms.transport import Refused
from sms.transports.esms import EsmsTransport
from sms.transports.memory import MemoryTransport, Outcome
from sms.transports.speedsms import SpeedSmsTransport
from tests.gateway.samples import a_debit_bill, use_carriers
from tests.sms.transports.servers import provider


@pytest.fixture
def two(wiring):
    made = MemoryTransport("esms"), MemoryTransport("speedsms", dedupes=False)
    use_carriers(wiring, *made)
    return made


@pytest.fixture
def issue_many(issue):
    return lambda many, start=1: issue(*(a_debit_bill(number) for number in range(start, start + many)))


@pytest.fixture
def pass_by(wiring, later):
    return lambda **time: later(wiring.clock() + timedelta(**time))


def keys(*carriers):
    return [message.request_id for carrier in carriers for message in carrier.taken]


def test_each_message_goes_to_one_carrier_and_each_carrier_has_its_share(wiring, two, issue_many, rows):
    issue_many(40)
    assert messaging.send_due(wiring) == 40
    assert len(set(keys(*two))) == len(keys(*two)) == 40
    assert min(len(carrier.taken) for carrier in two) >= 8
    assert rows("SELECT DISTINCT carrier = provider FROM messages") == [True]


def test_an_ill_carrier_gets_nothing_new_until_a_few_went_well(wiring, two, issue_many, pass_by, rows, caplog):
    sick, well = two
    sick.usual = Outcome.REFUSE
    issue_many(80)
    messaging.send_due(wiring)
    assert "the carrier esms is ill and gets no new messages: in trouble with" in caplog.text
    pass_by(seconds=31)
    messaging.send_due(wiring)
    assert (sick.taken, len(well.taken)) == ([], 80), "what it refused went to the other"
    asked = sick.attempts
    issue_many(20, start=101)
    pass_by(seconds=31)
    messaging.send_due(wiring)
    assert sick.attempts - asked <= 3, "tried with a few"
    sick.usual = Outcome.ACCEPT
    pass_by(minutes=10)
    issue_many(5, start=201)
    messaging.send_due(wiring)
    assert len(sick.taken) >= 3
    assert rows("SELECT ill_since FROM sms_carriers WHERE name = 'esms'") == [None]
    assert "the carrier esms is well again" in caplog.text
    assert len(set(keys(*two))) == len(keys(*two))


def test_a_carrier_without_balance_is_ill_at_its_first_word_and_says_so(wiring, two, issue_many, rows, monkeypatch):
    poor, _rich = two

    def refuse(message):
        raise Refused("the balance is used up", permanent=False, code="103", halts=True)

    monkeypatch.setattr(poor, "send", refuse)
    issue_many(10)
    messaging.send_due(wiring)
    assert rows("SELECT needs_person, ill_why FROM sms_carriers WHERE ill_since IS NOT NULL") == [
        (True, "the balance is used up (103)")]  # fmt: skip


def test_an_ill_carrier_is_tried_with_no_code_while_another_is_well(wiring, two, issue_many, change, later, rows):
    with transaction(wiring.engine) as session:
        carriers.heard(session, "esms", Words(troubled=20), now=wiring.clock(), at=wiring.clock())
    issue_many(2)
    change("UPDATE messages SET event = 'mandate_code', bill_id = NULL")
    later(wiring.clock() + timedelta(minutes=2))
    messaging.send_due(wiring)
    assert rows("SELECT DISTINCT carrier FROM messages WHERE event = 'mandate_code'") == ["speedsms"]


def test_an_unsure_message_never_goes_to_another_carrier(wiring, two, issue_many, pass_by, rows):
    forgetful = two[1]
    two[0].usual = Outcome.REFUSE
    forgetful.usual = Outcome.LOSE_ANSWER
    issue_many(12)
    for _ in range(4):
        messaging.send_due(wiring)
        pass_by(minutes=2)
    unsure = rows("SELECT CAST(request_id AS text) FROM messages WHERE state = 'unsure'")
    assert sorted(unsure) == sorted(keys(forgetful))
    assert forgetful.attempts == len(forgetful.taken), "nor to the same one again, which would send it twice"
    two[0].usual = Outcome.ACCEPT
    pass_by(hours=1)
    messaging.send_due(wiring)
    assert set(keys(two[0])).isdisjoint(keys(forgetful))


def test_what_one_carrier_will_never_take_another_may(wiring, two, issue_many, rows):
    two[0].usual = Outcome.REFUSE_FOR_GOOD
    issue_many(12)
    messaging.send_due(wiring)
    messaging.send_due(wiring)
    assert (rows("SELECT DISTINCT state FROM messages"), len(two[1].taken)) == (["sent"], 12)


def test_what_no_carrier_will_take_fails(wiring, two, issue_many, rows):
    for carrier in two:
        carrier.usual = Outcome.REFUSE_FOR_GOOD
    issue_many(4)
    for _ in range(3):
        messaging.send_due(wiring)
    assert rows("SELECT DISTINCT state FROM messages") == ["failed"]
    assert two[0].attempts + two[1].attempts == 8


def test_a_carrier_s_pace_is_kept_and_what_is_beyond_it_waits(wiring, issue_many):
    carrier = MemoryTransport("speedsms")
    use_carriers(wiring, carrier, per_second=2)
    issue_many(9)
    assert messaging.send_due(wiring) <= 4, "a second's worth, and what the time it takes allows"
    assert len(carrier.taken) >= 2


def test_a_carrier_that_asks_for_time_is_left_alone(wiring, issue_many, monkeypatch, pass_by):
    carrier = MemoryTransport("speedsms")
    use_carriers(wiring, carrier)

    def refuse(message):
        carrier.attempts += 1
        raise Refused("too many", permanent=False, code="429", wait=timedelta(seconds=60))

    monkeypatch.setattr(carrier, "send", refuse)
    issue_many(2)
    messaging.send_due(wiring)
    pass_by(seconds=31)
    messaging.send_due(wiring)
    assert carrier.attempts == 2


def test_a_carrier_without_a_share_takes_nothing_new(wiring, issue_many):
    resting, working = MemoryTransport("esms"), MemoryTransport("speedsms")
    wiring.__dict__["carriers"] = {
        "esms": Carrier(CarrierSettings("esms", "esms", weight=0), resting),
        "speedsms": Carrier(CarrierSettings("speedsms", "speedsms"), working),
    }
    issue_many(10)
    messaging.send_due(wiring)
    assert (len(resting.taken), len(working.taken)) == (0, 10)


@pytest.mark.parametrize("lives", [True, False])
def test_a_carrier_over_a_link_gets_its_share_while_its_daemon_lives(wiring, issue_many, rows, lives):
    ours = MemoryTransport("esms")
    wiring.__dict__["carriers"] = {
        "esms": Carrier(CarrierSettings("esms", "esms"), ours),
        "bind": Carrier(CarrierSettings("bind", "smpp"), None),
    }
    issue_many(30)
    with wiring.engine.connect() as daemon:
        if lives:
            lock = text("SELECT pg_advisory_xact_lock(hashtextextended('bind', :seed))")
            daemon.execute(lock, {"seed": int(AdvisoryLock.CARRIERS)})
        messaging.send_due(wiring)
    waiting = rows("SELECT count(*) FROM messages WHERE carrier = 'bind' AND state = 'queued'")
    assert waiting == [30 - len(ours.taken)]
    assert (4 <= len(ours.taken) <= 26) if lives else (len(ours.taken) == 30)


def test_a_code_leaves_at_night_though_each_carrier_has_a_long_queue(
    wiring, two, issue_many, change, rows, monkeypatch
):
    issue_many(20)
    change("UPDATE messages SET carrier = CASE WHEN id % 2 = 0 THEN 'esms' ELSE 'speedsms' END")
    asked_for = "(SELECT max(id) FROM messages)"
    change(f"UPDATE messages SET event = 'mandate_code', bill_id = NULL, carrier = NULL WHERE id = {asked_for}")
    night = replace(Times(), quiet_from=time(0), quiet_until=time(23, 59))
    monkeypatch.setattr(type(wiring), "times", night)
    monkeypatch.setattr(claiming, "_MOST", 5)
    assert messaging.send_due(wiring) == 1
    assert rows("SELECT event FROM messages WHERE state = 'sent'") == ["mandate_code"]


def test_a_code_is_tried_by_an_ill_carrier_where_none_is_well(wiring, two, issue_many, change, rows, pass_by):
    issue_many(1)
    change("UPDATE messages SET event = 'mandate_code', bill_id = NULL")
    with transaction(wiring.engine) as session:
        for name in ("esms", "speedsms"):
            carriers.call_ill(session, name, "no link", now=wiring.clock())
    assert messaging.send_due(wiring) == 1


def test_what_one_refuses_for_good_is_not_left_to_a_carrier_without_a_share(wiring, issue_many, rows):
    refusing, draining = MemoryTransport("esms"), MemoryTransport("speedsms")
    refusing.usual = Outcome.REFUSE_FOR_GOOD
    wiring.__dict__["carriers"] = {
        "esms": Carrier(CarrierSettings("esms", "esms"), refusing),
        "speedsms": Carrier(CarrierSettings("speedsms", "speedsms", weight=0), draining),
    }
    issue_many(1)
    messaging.send_due(wiring)
    assert rows("SELECT state FROM messages") == ["failed"]


def test_time_outs_after_acceptance_make_no_second_sms_over_real_http(wiring, issue_many, pass_by, rows):
    """200 messages by two providers, each accepting a part of them and falling silent."""
    asked, taken = Counter(), Counter()

    def esms(one):
        key = one.content["RequestId"]
        asked[key] += 1
        if asked[key] > 1:
            return 200, {"CodeResult": "124", "ErrorMessage": "Request exist 1", "SendStatus": "5"}
        taken[one.content["Phone"]] += 1
        return None if int(key[:8], 16) % 4 == 0 else (200, {"CodeResult": "100", "SMSID": f"e{key}"})

    def speedsms(one):
        [number] = one.content["to"]
        taken["0" + number.removeprefix("84")] += 1
        silent = int(number[-1]) % 4 == 0
        return None if silent else (200, {"status": "success", "code": "00", "data": {"tranId": int(number)}})

    with provider(esms) as first, provider(speedsms) as second:
        ways = (
            EsmsTransport("k", "s", url=first.url, read_seconds=0.2),
            SpeedSmsTransport("t", url=second.url, read_seconds=0.2),
        )
        use_carriers(wiring, *ways)
        issue_many(200)
        for _ in range(3):
            messaging.send_due(wiring)
            pass_by(seconds=31)
        for way in ways:
            way.close()
    assert (len(taken), set(taken.values())) == (200, {1})
    assert max(asked.values()) == 2
    left = rows("SELECT DISTINCT carrier FROM messages WHERE state = 'unsure'")
    assert left == ["speedsms"], "a receipt or a person will tell of these"
    assert rows("SELECT count(*) FROM messages WHERE state NOT IN ('sent', 'unsure')") == [0]
