"""Asking for balances: beside everything, one alarm a turn, and a carrier that is slow or broken harms no other."""

import logging
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from banks.money import dong
from gateway import balances, clock, schedule
from gateway.carrier_settings import CarrierSettings
from gateway.schedule import Duty
from gateway.wiring import Carrier, Wiring
from reconciliation import carriers
from reconciliation.carriers import Words
from sms.balances import NotTold
from sms.sandbox import SmsSandbox
from sms.transports.declared import Declaration, Meanings
from sms.transports.http import HttpTransport
from sms.transports.memory import MemoryTransport
from sms.transports.speedsms import SpeedSmsTransport
from tests.gateway.samples import use_carriers
from tests.sms.transports.servers import provider

KEPT = "SELECT name, balance_minor, untold_why FROM sms_balances ORDER BY name"


@pytest.fixture
def carrier(wiring):
    made = MemoryTransport("esms")
    use_carriers(wiring, made, balance_alarm=dong(500_000))
    return made


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO)

    def words():
        found = [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "gateway.balances"]
        caplog.clear()
        return found

    return words


def test_low_is_an_error_once_and_well_again_a_warning_once(wiring, carrier, said):
    heard = []
    for left in (500_000, 499_999, 400_000, 3, 500_000, 600_000):
        carrier.left = left
        balances.ask(wiring)
        heard.append(said())
    assert heard == [
        [],
        [("ERROR", "the balance of the carrier esms is low: 499999 VND, less than 500000 VND")],
        [],
        [],
        [("WARNING", "the balance of the carrier esms is well again: 500000 VND")],
        [],
    ]


def test_an_alarm_of_nothing_is_never_said(wiring, said, rows):
    made = MemoryTransport("esms")
    made.left = -5
    use_carriers(wiring, made, balance_alarm=dong(0))
    balances.ask(wiring)
    assert said() == []
    assert rows(KEPT) == [("esms", -5, "")]


def test_what_is_not_told_for_an_hour_is_said_once_and_stays_what_it_was(wiring, carrier, said, rows, later):
    balances.ask(wiring)
    carrier.left = NotTold("the carrier answered 500")
    began, heard = wiring.clock(), []
    for place in range(1, 9):
        later(began + place * timedelta(minutes=10))
        balances.ask(wiring)
        heard += said()
    reason = "the balance is not told: the carrier answered 500"
    assert heard == [("WARNING", f"the carrier esms has not told its balance for over an hour: {reason}")]
    assert rows(KEPT) == [("esms", 10_000_000, "the carrier answered 500")]


def test_a_slow_a_broken_and_a_surprising_carrier_harm_no_other(wiring, rows, said, monkeypatch):
    def surprise():
        raise RuntimeError("https://carrier.example/?key=s3cret")

    odd, good = MemoryTransport("odd"), MemoryTransport("good")
    odd.balance = surprise
    with provider(lambda _: None) as silent, provider(lambda _: (200, b"<html>")) as broken:
        slow = HttpTransport(silent.url, "s3cret", name="slow", read_seconds=1.0)
        torn = SpeedSmsTransport("s3cret", url=broken.url, name="torn")
        with slow, torn:
            use_carriers(wiring, slow, torn, odd, good)
            asking = threading.Thread(target=balances.ask, args=(wiring,))
            asking.start()
            deadline = time.monotonic() + 5
            while len(rows(KEPT)) < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert [row[0] for row in rows(KEPT)] == ["good", "odd", "torn"], "none waits for the slow one"
            assert asking.is_alive()
            asking.join(10)
    assert rows(KEPT) == [
        ("good", 10_000_000, ""),
        ("odd", None, "asking failed: RuntimeError"),
        ("slow", None, "no full answer: ReadTimeout"),
        ("torn", None, "expected a JSON object, got 6 other bytes"),
    ]
    assert said() == []


def test_nobody_is_asked_within_a_transaction(wiring, carrier):
    steps = []
    for step in ("begin", "commit", "rollback"):
        event.listen(wiring.engine, step, lambda _, step=step: steps.append(step))
    tell = carrier.balance
    carrier.balance = lambda: steps.append("asked") or tell()
    balances.ask(wiring)
    assert steps == ["asked", "begin", "commit"]


def test_only_those_that_tell_are_asked(wiring, rows):
    tells, mute = MemoryTransport("tells"), MemoryTransport("mute")
    mute.balance = tells.plan
    wiring.__dict__["carriers"] = {
        "tells": Carrier(CarrierSettings("tells", "esms"), tells),
        "mute": Carrier(CarrierSettings("mute", "declared", declaration=a_declaration()), mute),
        "link": Carrier(CarrierSettings("link", "smpp"), None),
    }
    balances.ask(wiring)
    assert [row[0] for row in rows(KEPT)] == ["tells"]


def a_declaration():
    answer = Meanings(accepted=frozenset({"200"}))
    return Declaration("https://sms.example/", body={"to": "{to}", "text": "{text}"}, answer=answer)


def test_a_limited_carrier_is_asked_within_its_pace(wiring, session, one):
    made = MemoryTransport("fast")
    use_carriers(wiring, made, per_second=1)
    balances.ask(wiring)
    with Session(wiring.engine) as looked:
        assert dict(carriers.known(looked)) == {}, "one that takes no messages yet has no pace to keep"
    at = clock.real()
    carriers.heard(session, "fast", Words(accepted=1, last="accepted"), now=at, at=at)
    session.commit()
    balances.ask(wiring)
    assert one("SELECT paced_until FROM sms_carriers") > at


def test_without_a_database_the_leader_is_told_in_a_line(cut_off, said):
    use_carriers(cut_off, MemoryTransport("esms"))
    balances.ask(cut_off)
    assert said() == [("WARNING", "the balance of the carrier esms can't be noted: OperationalError")]


def test_the_practice_carrier_runs_low_and_is_topped_up(wiring, said, one):
    with SmsSandbox(clock=wiring.clock) as sandbox, HttpTransport(sandbox.url, "sandbox", name="http") as made:
        use_carriers(wiring, made)
        sandbox.balance = 499_999
        balances.ask(wiring)
        assert [level for level, _ in said()] == ["ERROR"]
        sandbox.balance = 5_000_000
        balances.ask(wiring)
        assert [level for level, _ in said()] == ["WARNING"]
    assert one("SELECT balance_minor FROM sms_balances") == 5_000_000


# ── the duty ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lead(wiring, monkeypatch):
    """Lead the schedule with the duties given, until the test ends."""
    stop, threads = threading.Event(), []

    def begin(*duties):
        monkeypatch.setattr(schedule, "duties", lambda _: list(duties))
        threads.append(threading.Thread(target=schedule.run, args=(wiring, stop)))
        threads[0].start()
        return stop

    yield begin
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def until(true):
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_balances_are_asked_every_ten_minutes_and_in_a_sandbox_every_few_seconds(wiring):
    for sandbox, seconds in ((True, 5), (False, 600)):
        made = Wiring(replace(wiring.settings, sandbox=sandbox), wiring.database_url, wiring.valkey_url)
        [duty] = [duty for duty in schedule.duties(made) if duty.name == "balances"]
        assert (duty.seconds, duty.do, duty.beside) == (seconds, balances.ask, True)


def test_a_duty_beside_holds_up_no_other_and_is_never_done_twice_at_once(lead):
    done, answered = [], threading.Event()

    def wait(_):
        done.append("asked")
        answered.wait(10)

    lead(Duty("waits", 0, wait, beside=True), Duty("works", 0, lambda _: done.append("works")))
    until(lambda: done.count("works") >= 4)
    assert done.count("asked") == 1
    answered.set()
    until(lambda: done.count("asked") >= 3)


def test_a_lead_ends_though_a_duty_beside_still_waits(lead):
    asked, answered = threading.Event(), threading.Event()
    began = []

    def wait(_):
        asked.set()
        answered.wait(10)

    stop = lead(Duty("waits", 0, wait, beside=True))
    assert asked.wait(10)
    began.append(time.monotonic())
    stop.set()
    until(lambda: not any(thread.name.endswith("(run)") for thread in threading.enumerate()))
    assert time.monotonic() - began[0] < 5
    answered.set()


def test_a_duty_beside_that_fails_is_tried_again(lead, caplog):
    done = []

    def fail(_):
        done.append(1)
        if len(done) == 1:
            raise ValueError("a duty went wrong")
        raise OperationalError("SELECT 1", {}, TimeoutError())

    lead(Duty("fails", 0, fail, beside=True))
    until(lambda: len(done) >= 3)
    assert "fails failed; it will be tried again" in caplog.text
    assert "fails failed, the database is not to be had (TimeoutError)" in caplog.text
