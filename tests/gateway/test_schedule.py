"""The schedule: the sweep rings for what waits and nothing else, deadlines become questions, one leader at a time."""

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from datetime import time as clock_time

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import jobs, schedule
from gateway.bank_settings import SftpSettings
from gateway.schedule import Duty
from gateway.wiring import Wiring
from reconciliation import audit, inbox
from reconciliation.db import AdvisoryLock
from sms.transports.memory import MemoryTransport
from tests.gateway.samples import a_bill, a_debit_bill, a_statement, an_event, use_carriers


@pytest.fixture
def swept(wiring):
    """Sweep with no bell rung before, and return which queues were rung."""

    def sweep():
        wiring.valkey.flushall()
        schedule.sweep(wiring)
        return {key.decode().rpartition(":")[2] for key in wiring.valkey.keys("doisoat:rung:*")}

    return sweep


@pytest.fixture
def carrier(wiring):
    made = MemoryTransport("http")
    use_carriers(wiring, made)
    return made


@pytest.fixture
def deliver(change, wiring):
    def keep(kind="callback", state="received"):
        change(
            "INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, answer_status, answer_body,"
            " received_at, state) VALUES ('standard', :kind, 'evt', 'digest', 0, '', '', 200, '', :now, :state)",
            kind=kind, state=state, now=wiring.clock(),
        )  # fmt: skip

    return keep


# ── the sweep ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_rung_for_when_nothing_waits(swept, carrier):
    assert swept() == set()


@pytest.mark.parametrize("kind", ["callback", "statement"])
def test_a_delivery_is_rung_for_until_it_is_read(swept, deliver, change, kind):
    deliver(kind)
    assert swept() == {f"{kind}s"}
    assert swept() == {f"{kind}s"}, "again and again: an unheard bell loses nothing"
    change("UPDATE deliveries SET state = 'read'")
    assert swept() == set()


@pytest.mark.usefixtures("any_state")
@pytest.mark.parametrize("state", ["read", "unreadable", "conflicting", "set_aside"])
def test_a_delivery_that_is_settled_is_left_alone(swept, deliver, state):
    deliver(state=state)
    assert swept() == set()


@pytest.mark.usefixtures("any_state")
@pytest.mark.parametrize(
    ("columns", "due"),
    [
        ("state = 'queued'", True),
        ("state = 'queued', not_before = now_() + interval '1 minute'", False),
        ("state = 'queued', not_before = now_()", True),
        ("state = 'queued', not_before = now_() + interval '1 minute', not_after = now_()", True),
        ("state = 'sending', lease_until = now_() + interval '1 minute'", False),
        ("state = 'sending', lease_until = now_() - interval '1 second'", True),
        ("state = 'unsure', lease_until = now_() + interval '1 minute'", False),
        ("state = 'unsure', lease_until = now_() - interval '1 second'", True),
        ("state = 'unsure', attempts = 5", False),
        ("state = 'unsure', not_after = now_()", False),
        ("state = 'sent'", False),
        ("state = 'failed'", False),
        ("state = 'expired'", False),
    ],
)
def test_a_message_is_rung_for_when_a_sender_would_find_something_to_do(
    swept, issue, carrier, wiring, change, columns, due
):
    issue(a_debit_bill())
    change("UPDATE messages SET carrier = 'http'")
    change(f"UPDATE messages SET {columns.replace('now_()', 'CAST(:now AS timestamptz)')}", now=wiring.clock())
    assert swept() == ({"messages"} if due else set())


@pytest.mark.usefixtures("any_state")
def test_an_unsure_message_waits_for_a_person_where_the_carrier_does_not_know_it_again(swept, issue, carrier, change):
    issue(a_debit_bill())
    change("UPDATE messages SET state = 'unsure', carrier = 'http'")
    assert swept() == {"messages"}
    carrier.dedupes = False
    assert swept() == set()


def test_where_no_carrier_is_set_no_sender_is_woken(swept, issue, wiring):
    issue(a_debit_bill())
    assert wiring.carriers == {}
    assert swept() == set()


def test_a_carrier_without_its_secret_keeps_no_callback_waiting(settings, wiring, deliver, monkeypatch):
    monkeypatch.delenv("DOISOAT_SECRET_SMS_TOKEN")
    sms = replace(settings.sms, url="https://carrier.example")
    house = Wiring(replace(settings, sms=sms), wiring.database_url, wiring.valkey_url)
    house.valkey.flushall()
    deliver()
    with pytest.raises(Exception, match="secret sms_token"):
        schedule.sweep(house)
    assert house.valkey.exists("doisoat:rung:callbacks")
    house.valkey.close()


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def house(wiring, settings, monkeypatch):
    """The gateway with a bank that owes a statement by eight of the next business day; its jobs run on it."""
    sftp = SftpSettings("127.0.0.1", "doisoat", "ssh-ed25519 AAAA")
    banks = {
        **settings.banks,
        "standard": replace(settings.banks["standard"], sftp=sftp, statement_by=clock_time(8, 0)),
    }
    made = Wiring(replace(settings, banks=banks), wiring.database_url, wiring.valkey_url, pooled=2)
    monkeypatch.setattr(jobs, "wiring", lambda: made)
    yield made
    made.engine.dispose()
    made.valkey.close()


@pytest.fixture
def read_file(house):
    def keep_and_read(content):
        path = house.settings.home / "file.xml"
        path.write_bytes(content)
        with Session(house.engine) as session:
            inbox.keep_file(
                session, source="standard", name="file.xml", path=path, sealer=house.sealer, now=house.clock()
            )
            session.commit()
        assert jobs.read_statements() == 1

    return keep_and_read


def questions(rows):
    return rows("SELECT code, state FROM mismatches ORDER BY code")


def test_a_callback_that_no_statement_proves_becomes_m01(house, web, issue, later, rows, sound):
    issue(a_bill(1))
    signed = an_event(house)
    web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
    jobs.read_callbacks()
    later(datetime(2026, 11, 20, 16, 59, tzinfo=UTC))
    assert schedule.watch_deadlines(house) == 0
    later(datetime(2026, 11, 20, 17, 0, 1, tzinfo=UTC))
    assert schedule.watch_deadlines(house) == 1
    assert questions(rows) == [("M01", "open")]
    assert schedule.watch_deadlines(house) == 0


def test_a_line_that_no_callback_told_of_becomes_m02(house, issue, later, read_file, rows, sound):
    issue(a_bill(1))
    read_file(a_statement((1, 100_000), on=date(2026, 11, 18)))
    later(datetime(2026, 11, 19, 16, 59, tzinfo=UTC))
    schedule.watch_deadlines(house)
    assert ("M02", "resolved") not in questions(rows)
    later(datetime(2026, 11, 19, 17, 0, 1, tzinfo=UTC))
    schedule.watch_deadlines(house)
    assert ("M02", "resolved") in questions(rows)


def test_a_statement_that_does_not_come_becomes_m13_from_the_first_one_on(house, later, read_file, rows):
    later(datetime(2026, 11, 19, 2, tzinfo=UTC))
    assert schedule.watch_deadlines(house) == 0, "of a bank that never sent one, none is missed"
    read_file(a_statement())
    assert schedule.watch_deadlines(house) == 1
    assert rows("SELECT code, source, subject FROM mismatches") == [("M13", "standard", "file:standard:2026-11-18")]
    later(datetime(2026, 11, 20, 0, 59, tzinfo=UTC))
    assert schedule.watch_deadlines(house) == 0
    later(datetime(2026, 11, 20, 1, 0, 1, tzinfo=UTC))
    assert schedule.watch_deadlines(house) == 1
    assert len(rows("SELECT id FROM mismatches WHERE code = 'M13' AND state = 'open'")) == 2


def test_after_a_long_silence_only_the_last_fortnight_is_asked_about(house, later, read_file):
    read_file(a_statement())
    later(datetime(2027, 3, 31, 2, tzinfo=UTC))
    assert 1 <= schedule.watch_deadlines(house) <= 14


def test_a_bank_without_a_server_owes_no_file(wiring, later, house, read_file):
    read_file(a_statement())
    later(datetime(2026, 11, 25, 2, tzinfo=UTC))
    assert schedule.watch_deadlines(wiring) == 0


# ── the audit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_chain_is_signed_once_per_length_with_a_copy_outside(wiring, session, rows, now):
    kept = wiring.settings.home / "audit-checkpoints.log"
    schedule.sign_audit(wiring)
    assert not kept.exists()
    for subject in ("staff:1", "staff:2"):
        audit.append(session, actor="lan", action="looked", subject=subject, facts={}, now=now)
        session.commit()
        schedule.sign_audit(wiring)
        schedule.sign_audit(wiring)
    lines = [line.split() for line in kept.read_text().splitlines()]
    assert [(int(last), bytes.fromhex(digest)) for _, last, digest, _ in lines] == rows(
        "SELECT last_id, hash FROM audit_checkpoints ORDER BY id"
    )
    assert [last for _, last, _, _ in lines] == ["1", "2"]


# ── the leader ───────────────────────────────────────────────────────────────────────────────────────────────────────


_HOLDERS = (
    "SELECT {} FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND classid = CAST(%s AS oid) AND objid = CAST(%s AS oid) AND datname = current_database()"
)
_LOCK = [AdvisoryLock.SCHEDULE >> 32, AdvisoryLock.SCHEDULE & 0xFFFFFFFF]


class Beats:
    """Several beats in threads, each with connections of its own; `done` tells which of them did a duty, in order."""

    def __init__(self, wirings):
        self.done = []
        self.wirings = wirings
        self.stops = {name: threading.Event() for name in wirings}
        self.threads = {
            name: threading.Thread(target=schedule.run, args=(made, self.stops[name]), daemon=True)
            for name, made in wirings.items()
        }

    def start(self, *names):
        for name in names:
            self.threads[name].start()

    def stop(self, name):
        self.stops[name].set()
        self.threads[name].join(10)
        assert not self.threads[name].is_alive()

    def await_next(self, seconds=10):
        """Return who does the next duty."""
        seen, deadline = len(self.done), time.monotonic() + seconds
        while len(self.done) == seen:
            assert time.monotonic() < deadline, "nobody leads"
            time.sleep(0.01)
        return self.done[-1]


@pytest.fixture
def beats(wiring, settings, monkeypatch):
    wirings = {name: Wiring(settings, wiring.database_url, wiring.valkey_url) for name in ("one", "two")}
    made = Beats(wirings)
    names = {id(each): name for name, each in wirings.items()}
    monkeypatch.setattr(
        schedule, "duties", lambda parts: [Duty("note", 0, lambda parts: made.done.append(names[id(parts)]))]
    )
    yield made
    for name, thread in made.threads.items():
        if thread.is_alive():
            made.stop(name)


def test_one_of_two_leads_and_the_other_takes_over_when_it_ends(beats):
    beats.start("one")
    assert beats.await_next() == "one"
    beats.start("two")
    time.sleep(0.5)
    assert set(beats.done) == {"one"}
    beats.stop("one")
    assert beats.await_next() == "two"


def test_a_lead_ends_with_the_connection_that_holds_it_and_another_takes_over(beats, cut_off, as_superuser, caplog):
    beats.start("one")
    assert beats.await_next() == "one"
    beats.start("two")
    beats.wirings["one"].__dict__["engine"] = cut_off.engine  # what it opens next fails; the lead has its connection
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        ended = connection.execute(_HOLDERS.format("pg_terminate_backend(pid, 5000)"), _LOCK).fetchall()
    assert ended == [(True,)]
    assert beats.await_next() in {"one", "two"}
    deadline = time.monotonic() + 10
    while beats.await_next() != "two":
        assert time.monotonic() < deadline
    assert set(beats.done[beats.done.index("two") :]) == {"two"}
    assert "the database is not to be had" in caplog.text


def test_without_a_database_a_beat_waits_for_it(cut_off, caplog):
    stop = threading.Event()
    thread = threading.Thread(target=schedule.run, args=(cut_off, stop))
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert "the database is not to be had (OperationalError); trying again" in caplog.text


def test_a_duty_that_fails_is_tried_again_and_keeps_none_of_the_others_away(wiring, monkeypatch, caplog):
    done, stop = [], threading.Event()

    def fail(_parts):
        done.append("fails")
        raise ValueError("a duty went wrong")

    def work(_parts):
        done.append("works")
        if done.count("works") == 2:
            stop.set()

    monkeypatch.setattr(schedule, "duties", lambda _: [Duty("fails", 0, fail), Duty("works", 0, work)])
    thread = threading.Thread(target=schedule.run, args=(wiring, stop))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert done == ["fails", "works"] * 2
    assert "fails failed; it will be tried again" in caplog.text


def test_the_real_duties_can_all_be_done(wiring):
    wiring.valkey.flushall()
    for duty in schedule.duties(wiring):
        duty.do(wiring)
    assert wiring.valkey.exists("doisoat:rung:files")
    real = Wiring(replace(wiring.settings, sandbox=False), wiring.database_url, wiring.valkey_url)
    assert {duty.name: duty.seconds for duty in schedule.duties(real)}["files"] >= 60


def test_a_leader_holds_no_transaction_open(beats, as_superuser):
    beats.start("one")
    beats.await_next()
    deadline = time.monotonic() + 5
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        # Between two looks at its lock it is idle; one that never commits would keep the database from cleaning up.
        while connection.execute(_HOLDERS.format("state"), _LOCK).fetchall() != [("idle",)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_lock_is_let_go_when_the_beat_ends(beats, engine):
    beats.start("one")
    beats.await_next()
    beats.stop("one")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": AdvisoryLock.SCHEDULE})
        connection.scalar(text("SELECT pg_advisory_unlock(:key)"), {"key": AdvisoryLock.SCHEDULE})


def test_the_very_first_file_can_be_missing(house, rows, later):
    banks = {
        "paper": replace(house.settings.banks["standard"], name="paper", sftp=None, statement_since=date(2026, 11, 17))
    }
    told = Wiring(replace(house.settings, banks=banks), house.database_url, house.valkey_url)
    later(datetime(2026, 11, 19, 1, 0, tzinfo=UTC))
    assert schedule.watch_deadlines(told) == 2
    assert rows("SELECT subject FROM mismatches ORDER BY 1") == [
        "file:paper:2026-11-17",
        "file:paper:2026-11-18",
    ]
    told.valkey.close()
