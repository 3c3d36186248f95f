"""The SMPP daemon: promises leave over a real carrier's link once, its words are recorded, its receipts kept first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from gateway import settings
from gateway.carrier_settings import CarrierSettings
from gateway.database import transaction
from gateway.processes import programs
from gateway.setting_tables import SettingsError
from gateway.smpp import Daemon
from gateway.smpp_settings import SmppSettings, account_of
from reconciliation import carrier_receipts, sending
from reconciliation.db import AdvisoryLock
from tests.gateway.samples import a_bill, a_debit_bill
from tests.sms.smpp.peers import Carrier, node_carrier, wait

STATES = "SELECT state FROM messages ORDER BY id"
TABLE = '[sms.carriers.smpp]\nkind = "smpp"\n'
QUICK = {"answer_seconds": 2.0, "retry_seconds": 0.02, "patience_seconds": 2.0}


@pytest.fixture(scope="session")
def _node() -> Iterator[Carrier]:
    with node_carrier() as running:
        yield running


@pytest.fixture
def carrier(_node: Carrier, monkeypatch) -> Carrier:
    _node.tell(reset=True)
    _node.seen.clear()
    monkeypatch.setenv("DOISOAT_SECRET_SMS_SMPP_PASSWORD", "secret")
    return _node


@pytest.fixture
def daemon(wiring, carrier) -> Callable:
    """Run daemons, each for a block."""

    @contextmanager
    def run(**changes):
        bind = SmppSettings("127.0.0.1", "doisoat", carrier.port, **{**QUICK, **changes})
        sms = replace(wiring.settings.sms, url=None, declared={"smpp": CarrierSettings("smpp", "smpp", smpp=bind)})
        made = Daemon(replace(wiring, settings=replace(wiring.settings, sms=sms)), "smpp", bind)
        stop = threading.Event()
        thread = threading.Thread(target=made.run, args=(stop,))
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

    return run


def test_a_promise_is_claimed_sent_and_delivered(wiring, carrier, daemon, issue, rows, sound):
    issue(*map(a_debit_bill, range(1, 6)), a_bill(9))
    with daemon():
        wait(lambda: rows(STATES) == ["delivered"] * 5, "delivery")
    submits = carrier.of("submit")
    assert sorted(one["submit"] for one in submits) == [f"8491234{number:04}" for number in range(1, 6)]
    assert [one["text"] for one in sorted(submits, key=lambda one: one["submit"])] == rows(
        "SELECT body FROM messages ORDER BY id"
    )
    assert rows("SELECT DISTINCT provider, attempts, sent_at <= delivered_at FROM messages") == [("smpp", 1, True)]
    assert rows(
        "SELECT DISTINCT r.state, p.state FROM carrier_receipts r JOIN message_parts p ON p.id = r.part_id"
    ) == [("applied", "delivered")]
    assert {one["acknowledged"] for one in carrier.of("acknowledged")} == {0}
    assert carrier.of("unbind") == [{"unbind": True}]


def test_a_receipt_stands_sealed_and_without_a_number(wiring, carrier, daemon, issue, rows, one):
    issue(a_debit_bill())
    with daemon():
        wait(lambda: rows(STATES) == ["delivered"], "delivery")
    raw, digest, number = one("SELECT raw_sealed, digest, number_hash FROM carrier_receipts")
    assert b"id:1" not in raw
    assert b"id:1 sub:001" in wiring.sealer.open(raw, "carrier_receipts.raw")
    assert number == one("SELECT msisdn_hash FROM customers")
    assert len(digest) == 32


def test_what_can_not_be_kept_is_to_be_told_again(wiring, carrier, daemon, issue, rows, monkeypatch, caplog):
    def unable(*_given, **_named):
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    carrier.ways(receipts="never")
    issue(a_debit_bill())
    told = {"source_addr": "84912340001", "destination_addr": "DIENLUC", "esm_class": 4,
            "short_message": "id:1 stat:DELIVRD"}  # fmt: skip
    with daemon():
        wait(lambda: rows(STATES) == ["sent"], "the answer")
        with monkeypatch.context() as broken:
            broken.setattr(carrier_receipts, "keep", unable)
            carrier.tell(deliver=told)
            wait(lambda: carrier.of("acknowledged") == [{"acknowledged": 0x64}], "a temporary error")
        assert rows(STATES) == ["sent"]
        carrier.tell(deliver=told)
        wait(lambda: rows(STATES) == ["delivered"], "delivery")
    assert carrier.of("acknowledged") == [{"acknowledged": 0x64}, {"acknowledged": 0}]
    assert "receipts can't be read now" in caplog.text


def test_a_receipt_before_the_answer_and_in_another_spelling_counts(wiring, carrier, daemon, issue, rows, later):
    carrier.ways(before=True, ids="hex", receiptIds="decimal", first=0xABC)
    issue(*map(a_debit_bill, range(1, 4)))
    with daemon():
        wait(lambda: "sending" not in rows(STATES), "the answers")
        later(wiring.clock() + timedelta(seconds=5))
        wait(lambda: rows(STATES) == ["delivered"] * 3, "delivery")


def test_refusals_wait_or_fail_and_a_part_that_is_refused_ends_the_message(wiring, carrier, daemon, issue, rows):
    carrier.ways(refuse=[0x08, 0x0B], receipts="never")
    issue(a_debit_bill(1), a_debit_bill(2))
    with daemon(window=1):
        wait(lambda: rows(STATES) == ["queued", "failed"], "the refusals")
    assert rows("SELECT reason, not_before > created_at FROM messages ORDER BY id") == [
        ("refused (0x08): System Error (0x08)", True),
        ("refused for good (0x0B): Invalid Destination Address (0x0B)", True),
    ]
    assert rows("SELECT id FROM message_parts") == []


def test_what_was_taken_in_part_is_never_sent_again(wiring, carrier, daemon, issue, rows, change):
    carrier.ways(refuse=[0, 0x08], receipts="never")
    issue(a_debit_bill())
    change("UPDATE messages SET body = repeat('Tien dien ', 20), parts = 2")
    with daemon():
        wait(lambda: rows(STATES) == ["undelivered"], "the end of it")
    assert rows("SELECT ordinal, state, provider_ref FROM message_parts ORDER BY id") == [
        (1, "accepted", "1"), (2, "refused", None),
    ]  # fmt: skip
    assert len(carrier.of("submit")) == 2


def test_a_killed_daemon_leaves_unsure_what_was_out_and_the_next_one_hears_what_became_of_it(
    wiring, carrier, issue, rows, start, environment, database_url, embedded
):
    carrier.ways(silent=True)
    issue(*map(a_debit_bill, range(1, 13)))
    file = wiring.settings.home / "smpp.toml"
    file.write_text(f'{TABLE}host = "127.0.0.1"\nport = {carrier.port}\nsystem_id = "doisoat"\n')
    env = environment(
        HOME=wiring.settings.home, CONFIG=file, DATABASE_URL=database_url, VALKEY_URL=embedded.valkey_url, SANDBOX=1
    )
    both = [start("smpp", env=env), start("smpp", env=env)]
    wait(lambda: len(carrier.of("submit")) == 10, "a full window")
    first, second = sorted(both, key=lambda one: "bound to" not in one.said())
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    carrier.ways(silent=False)
    wait(lambda: sorted(rows(STATES)) == ["unsure"] * 12, "what the first one left")
    assert len(carrier.of("submit")) == 10, "none is sent again"
    wait(lambda: len(carrier.of("bind")) == 2, "the second bind")
    for one in carrier.of("submit"):
        told = {"source_addr": one["submit"], "destination_addr": "DIENLUC", "esm_class": 4,
                "short_message": f"id:{one['id']} stat:DELIVRD done date:2611180902"}  # fmt: skip
        carrier.tell(deliver=told)
    wait(lambda: sorted(rows(STATES)) == ["delivered"] * 10 + ["unsure"] * 2, "what became of them")
    issue(a_debit_bill(20))
    wait(lambda: sorted(rows(STATES)) == ["delivered"] * 11 + ["unsure"] * 2, "the next message")
    os.kill(second.process.pid, signal.SIGTERM)
    assert second.process.wait(15) == 0
    assert "12 messages were being sent when their sender ended; they are unsure" in second.said()
    assert len(carrier.of("submit")) == 11
    assert carrier.of("unbind") == [{"unbind": True}]


def test_a_second_daemon_stands_by(wiring, carrier, daemon, issue, rows):
    with daemon() as first:
        wait(lambda: first.bind.is_bound, "the first bind")
        with daemon() as other:
            issue(a_debit_bill())
            wait(lambda: rows(STATES) == ["delivered"], "delivery")
            assert len(carrier.of("bind")) == 1
            assert not other.bind.is_bound


def test_a_daemon_that_finds_another_in_the_lead_says_what_it_heard_unbinds_and_stands_by(
    wiring, carrier, daemon, issue, rows, as_superuser, caplog
):
    carrier.ways(late=3500)  # the answers come when the lead is known to be lost
    issue(*map(a_debit_bill, range(1, 13)))
    with daemon(answer_seconds=15.0) as first, psycopg.connect(as_superuser, autocommit=True) as other:
        wait(lambda: len(carrier.of("submit")) == 10, "a full window")
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doisoat'"
            " AND datname = current_database()"
        )
        key = [int(AdvisoryLock.CARRIERS)]
        other.execute("SELECT pg_advisory_lock(hashtextextended('smpp', %s))", key)
        with transaction(wiring.engine) as session:
            assert sending.abandon(session, "smpp", now=wiring.clock()) == 12
        wait(lambda: carrier.of("unbind"), "the first one's leaving")
        wait(lambda: rows(STATES).count("unsure") == 2, "what it heard of those that left")
        assert set(rows(STATES)) <= {"sent", "delivered", "unsure"}
        wait(lambda: not first.bind.is_bound, "standing by")
        carrier.ways(late=0)
        issue(a_debit_bill(20))
        other.execute("SELECT pg_advisory_unlock(hashtextextended('smpp', %s))", key)
        wait(lambda: rows(STATES)[-1] == "delivered", "the next message, when it leads again")
    assert len(carrier.of("bind")) == 2
    assert len(carrier.of("submit")) == 11
    assert "another daemon leads now" in caplog.text


def test_a_daemon_that_ends_gives_back_what_never_began_though_another_stands_by(wiring, carrier, daemon, issue, rows):
    carrier.ways(late=2500, receipts="never")  # long enough for the other one to take the lead, were it let go
    issue(*map(a_debit_bill, range(1, 13)))
    with ExitStack() as second, ExitStack() as first:
        first.enter_context(daemon(answer_seconds=15.0, patience_seconds=20.0, window=2))
        wait(lambda: len(carrier.of("submit")) == 2, "a full window")
        second.enter_context(daemon(answer_seconds=15.0, patience_seconds=20.0))
        first.close()
        wait(lambda: rows(STATES) == ["sent"] * 12, "the rest, by the other one")
    assert len({one["submit"] for one in carrier.of("submit")}) == len(carrier.of("submit")) == 12
    assert rows("SELECT id FROM transitions WHERE kind = 'message' AND to_state = 'unsure'") == []


def test_what_never_began_is_given_back_before_what_is_out_is_waited_for_and_counts_against_nobody(
    wiring, carrier, daemon, issue, rows
):
    carrier.ways(silent=True)
    issue(*map(a_debit_bill, range(1, 13)))
    with ExitStack() as ours:
        ours.enter_context(daemon(answer_seconds=15.0, patience_seconds=20.0))
        wait(lambda: len(carrier.of("submit")) == 10, "a full window")
        ending = threading.Thread(target=ours.close)
        ending.start()
        wait(lambda: sorted(rows(STATES)) == ["queued"] * 2 + ["sending"] * 10, "what never began")
        assert not carrier.of("unbind")
        ending.join()
    assert sorted(rows(STATES)) == ["queued"] * 2 + ["unsure"] * 10
    given_back = "SELECT DISTINCT reason, carrier, not_before <= :now FROM messages WHERE state = 'queued'"
    assert rows(given_back, now=wiring.clock()) == [("refused: the sender is stopping", None, True)]
    assert rows("SELECT troubled FROM sms_carrier_minutes") == [10]


def test_a_daemon_that_ends_without_the_lead_gives_nothing_back(wiring, carrier, daemon, issue, rows, as_superuser):
    carrier.ways(silent=True)
    issue(*map(a_debit_bill, range(1, 13)))
    with ExitStack() as ours, psycopg.connect(as_superuser, autocommit=True) as other:
        ours.enter_context(daemon(answer_seconds=15.0, patience_seconds=20.0))
        wait(lambda: len(carrier.of("submit")) == 10, "a full window")
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doisoat'"
            " AND datname = current_database()"
        )
        other.execute("SELECT pg_advisory_lock(hashtextextended('smpp', %s))", [int(AdvisoryLock.CARRIERS)])
        ours.close()
        assert sorted(rows(STATES)) == ["sending"] * 2 + ["unsure"] * 10


def test_an_answer_that_comes_late_counts_once_for_the_carrier(wiring, carrier, daemon, issue, rows):
    carrier.ways(late=2500, receipts="never")
    issue(a_debit_bill())
    with daemon(answer_seconds=0.5):
        wait(lambda: rows(STATES) == ["unsure"], "the end of our patience")
        wait(lambda: rows("SELECT troubled FROM sms_carrier_minutes") == [1], "what that says of the carrier")
        wait(lambda: rows(STATES) == ["sent"], "the late answer")
    assert rows("SELECT accepted, troubled FROM sms_carrier_minutes") == [(0, 1)]


def test_a_database_that_goes_away_costs_no_word_and_sends_nothing_twice(
    wiring, carrier, daemon, issue, rows, as_superuser
):
    carrier.ways(late=20, repeats=20)
    issue(*map(a_debit_bill, range(1, 61)))
    end_all = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with daemon(), psycopg.connect(as_superuser, autocommit=True) as root:
        for sent in (5, 15, 25):
            wait(lambda sent=sent: len(carrier.of("submit")) >= sent, "some to leave")
            root.execute(end_all)
        # What was being claimed at such a moment is left alone until its lease is over: it was never handed over.
        held = "SELECT state FROM messages WHERE state NOT IN ('delivered', 'sending')"
        wait(lambda: root.execute(held).fetchall() == [], "the words on all that left")
        wait(lambda: rows(STATES).count("delivered") == len(carrier.of("submit")), "delivery")
    numbers = [one["submit"] for one in carrier.of("submit")]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('host = "smsc"', r"sms.carriers.smpp.system_id: expected"),
        (
            'host = "smsc"\nsystem_id = "a"\nwindow = 11',
            r"sms.carriers.smpp.window: expected a whole number from 1 to 10",
        ),
        ('host = "smsc"\nsystem_id = "a"\nwindows = 9', r"sms.carriers.smpp.windows: expected one of kind"),
    ],
)
def test_settings_that_make_no_carrier_are_refused(tmp_path, given, words):
    file = tmp_path / "doisoat.toml"
    file.write_text(f"{TABLE}{given}\n")
    with pytest.raises(SettingsError, match=words):
        settings.load({"DOISOAT_CONFIG": str(file)})


def test_settings_make_an_account(tmp_path, wiring, monkeypatch):
    file = tmp_path / "doisoat.toml"
    own = 'host = "smsc"\nport = 2776\nsystem_id = "pc07"\nper_second = 50\n'
    file.write_text(f'[sms]\nbrand = "EVN"\n{TABLE}{own}')
    read = settings.load({"DOISOAT_CONFIG": str(file), "DOISOAT_HOME": str(tmp_path)})
    assert programs({}, read)[-1].argv[1:] == ["smpp", "smpp"]
    bind = read.sms.linked["smpp"]
    with pytest.raises(
        SettingsError, match="secret sms_smpp_password: expected it in DOISOAT_SECRET_SMS_SMPP_PASSWORD"
    ):
        account_of(read, "smpp", bind)
    monkeypatch.setenv("DOISOAT_SECRET_SMS_SMPP_PASSWORD", "zu-langes-wort")
    with pytest.raises(SettingsError, match="password: expected at most 8 printable ASCII signs, got 14 signs"):
        account_of(read, "smpp", bind)
    monkeypatch.setenv("DOISOAT_SECRET_SMS_SMPP_PASSWORD", "kurz")
    made = account_of(read, "smpp", bind)
    assert (made.host, made.port, made.system_id, made.source, made.per_second) == ("smsc", 2776, "pc07", "EVN", 50)
    assert "kurz" not in repr(made)
    with pytest.raises(SettingsError, match="tls_ca: expected a file of certificates"):
        account_of(read, "smpp", replace(bind, tls=True, tls_ca=str(tmp_path / "none.pem")))


def test_a_name_that_is_no_carrier_is_refused(doisoat, wiring, environment, database_url, embedded):
    env = environment(HOME=wiring.settings.home, DATABASE_URL=database_url, VALKEY_URL=embedded.valkey_url, SANDBOX=1)
    ended = doisoat("smpp", "mobi", env=env)
    assert ended.returncode == 1
    assert "expected the name of a carrier of kind smpp (none is declared), got 'mobi'" in ended.stderr


def test_nothing_leaves_to_a_test_number(wiring, carrier, daemon, issue, rows):
    sms = replace(wiring.settings.sms, test_numbers=frozenset({"+84912340001"}))
    wiring.__dict__["settings"] = replace(wiring.settings, sms=sms)
    issue(a_debit_bill(1), a_debit_bill(2))
    with daemon():
        wait(lambda: sorted(rows(STATES)) == ["delivered", "sent"], "one delivery")
    assert [one["submit"] for one in carrier.of("submit")] == ["84912340002"]
