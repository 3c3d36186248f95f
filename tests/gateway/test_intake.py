"""The intake on a real database: batches, commits that are killed or whose word is lost, and connections that die."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from banks.records import Answer, Outcome
from gateway import intake as module
from gateway.intake import Arrival, Busy, Intake
from reconciliation.sealing import Sealer

SEALER = Sealer([b"k" * 32], b"i" * 32)


def an_arrival(now, event_id="evt_1", digest=None, **more):
    values = {
        "source": "standard", "event_id": event_id, "digest": digest or event_id.encode("utf-8", "replace"),
        "head": b"head", "body": b"body", "received_at": now, "state": "received", "reason": "",
        "outcome": Outcome.ACCEPTED, "answers": lambda outcome: Answer(200, "text/plain", outcome.value.encode()),
    } | more  # fmt: skip
    return Arrival(**values)


@pytest.fixture
def rung():
    return []


@pytest.fixture
def intake(database_url, as_superuser, rung):
    """An intake whose connection ends with the test; its thread waits for arrivals that never come."""
    yield Intake(database_url, SEALER, lambda: rung.append(1))
    end_connections(as_superuser)


def end_connections(url):
    """Do to the intake's connections what a restart of the database does; return how many there were."""
    with psycopg.connect(url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'doisoat intake' AND datname = current_database()"
        ).fetchall()
    return len(ended)


@contextmanager
def locked(url):
    """Hold every write to the inbox back for a block, as a long migration might."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE deliveries IN EXCLUSIVE MODE")
        yield
        connection.rollback()


def await_writer(url, writers=1):
    """Return once the intake waits for its turn to write."""
    deadline = time.monotonic() + 10
    with psycopg.connect(url, autocommit=True) as connection:
        while (
            connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doisoat intake'"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone()[0]
            < writers
        ):
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_what_is_kept_is_answered_and_rung_for_once(intake, now, rung, rows):
    answers = [intake.keep(an_arrival(now)) for _ in range(3)]
    assert answers == [Answer(200, "text/plain", b"accepted")] * 3
    assert rows("SELECT event_id, answer_body FROM deliveries") == [("evt_1", b"accepted")]
    time.sleep(0.1)
    assert rung == [1], "a repetition is nothing new"
    intake.keep(an_arrival(now, "evt_2"))
    time.sleep(0.1)
    assert rung == [1, 1]


def test_a_bell_that_breaks_does_not_keep_the_next_one_from_ringing(database_url, as_superuser, now):
    rung = []

    def ring():
        rung.append(1)
        raise ValueError("broken")

    intake = Intake(database_url, SEALER, ring)
    for number in range(2):
        intake.keep(an_arrival(now, f"evt_{number}"))
        time.sleep(0.1)
    assert rung == [1, 1]
    end_connections(as_superuser)


def test_nobody_is_answered_before_the_commit(intake, now, database_url, as_superuser, rows):
    with ThreadPoolExecutor(1) as pool:
        with locked(as_superuser):
            answer = pool.submit(intake.keep, an_arrival(now))
            await_writer(as_superuser)
            assert not answer.done()
            assert rows("SELECT id FROM deliveries") == []
        assert answer.result(10).body == b"accepted"
    assert rows("SELECT event_id FROM deliveries") == ["evt_1"]


def test_many_at_once_share_few_commits_and_each_has_its_own_answer(intake, now, as_superuser, rows):
    with ThreadPoolExecutor(41) as pool:
        with locked(as_superuser):
            first = pool.submit(intake.keep, an_arrival(now, "evt_first"))
            await_writer(as_superuser)
            others = [
                pool.submit(intake.keep, an_arrival(now, f"evt_{number % 20}", f"{number}".encode()))
                for number in range(40)
            ]
            while intake._waiting.qsize() < 40:
                time.sleep(0.005)
        answers = [one.result(10).body for one in others]
        assert first.result(10).body == b"accepted"
    assert sorted(answers) == [b"accepted"] * 20 + [b"conflict"] * 20
    for number in range(20):
        assert {answers[number], answers[number + 20]} == {b"accepted", b"conflict"}
    assert rows("SELECT state, count(*) FROM deliveries GROUP BY 1 ORDER BY 1") == [
        ("conflicting", 20), ("received", 21)
    ]  # fmt: skip
    assert len(set(rows("SELECT xmin::text FROM deliveries WHERE state = 'received'"))) == 2


@pytest.mark.parametrize(
    "bad", [{"event_id": "a\0b"}, {"event_id": "\ud800"}, {"state": "nonsense"}, {"received_at": None}]
)
def test_one_that_can_not_be_written_takes_nobody_with_it(intake, now, as_superuser, rows, bad):
    batch = [an_arrival(now, "evt_1"), an_arrival(now, **{"event_id": "evt_bad", **bad}), an_arrival(now, "evt_3")]
    with ThreadPoolExecutor(4) as pool:
        with locked(as_superuser):
            first = pool.submit(intake.keep, an_arrival(now, "evt_first"))
            await_writer(as_superuser)
            kept = [pool.submit(intake.keep, one) for one in batch]
            while intake._waiting.qsize() < 3:
                time.sleep(0.005)
        assert first.result(10)
        assert kept[0].result(10).body == kept[2].result(10).body == b"accepted"
        with pytest.raises(Busy):
            kept[1].result(10)
    assert sorted(rows("SELECT event_id FROM deliveries")) == ["evt_1", "evt_3", "evt_first"]
    assert intake.keep(an_arrival(now, "evt_4")).body == b"accepted"


def test_a_reason_may_repeat_what_no_text_can_hold(intake, now, rows):
    intake.keep(an_arrival(now, state="unreadable", reason="expected a word, got a\0b"))
    assert rows("SELECT reason FROM deliveries") == ["expected a word, got a�b"]


def test_a_connection_that_died_is_replaced_and_nobody_notices(intake, now, as_superuser, rows):
    intake.keep(an_arrival(now))
    assert end_connections(as_superuser) == 1
    assert intake.keep(an_arrival(now, "evt_2")).body == b"accepted"
    assert intake.keep(an_arrival(now)).body == b"accepted"
    assert rows("SELECT count(*) FROM deliveries") == [2]


def test_when_the_commit_is_killed_the_sender_is_asked_to_come_again(intake, now, as_superuser, rows):
    with ThreadPoolExecutor(1) as pool, locked(as_superuser):
        answer = pool.submit(intake.keep, an_arrival(now))
        for _ in range(2):  # the batch, and the try of its own that each of a failed batch gets
            await_writer(as_superuser)
            assert end_connections(as_superuser) == 1
        with pytest.raises(Busy):
            answer.result(10)
    assert rows("SELECT id FROM deliveries") == []
    assert intake.keep(an_arrival(now)).body == b"accepted"
    assert rows("SELECT event_id FROM deliveries") == ["evt_1"]


def test_a_commit_whose_word_was_lost_is_found_again_and_answered(intake, now, rung, rows, monkeypatch):
    real, lost = module._insert, []

    def insert_and_lose_the_word(*given):
        found = real(*given)
        if not lost:
            lost.append(1)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return found

    monkeypatch.setattr(module, "_insert", insert_and_lose_the_word)
    assert intake.keep(an_arrival(now)).body == b"accepted"
    assert lost
    assert rows("SELECT event_id, state FROM deliveries") == [("evt_1", "received")]


def test_without_a_database_the_sender_is_told_at_once(cut_off, now):
    intake = Intake(cut_off.database_url, SEALER, lambda: None)
    started = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        for answer in [pool.submit(intake.keep, an_arrival(now, f"evt_{number}")) for number in range(20)]:
            with pytest.raises(Busy):
                answer.result(10)
    assert time.monotonic() - started < 3


def test_whoever_waited_too_long_is_told_so_and_kept_all_the_same(intake, now, as_superuser, rows, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    with locked(as_superuser), pytest.raises(Busy):
        intake.keep(an_arrival(now))
    monkeypatch.undo()
    assert intake.keep(an_arrival(now)).body == b"accepted", "the next try is a repetition"
    assert rows("SELECT count(*) FROM deliveries") == [1]


def test_a_writer_that_ended_is_followed_by_another(intake, now, rows):
    intake.keep(an_arrival(now))
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    intake._thread = ended
    assert intake.keep(an_arrival(now, "evt_2")).body == b"accepted"
    assert rows("SELECT count(*) FROM deliveries") == [2]


def test_the_log_names_the_kind_of_failure_and_nothing_of_the_call(intake, now, caplog):
    with pytest.raises(Busy):
        intake.keep(an_arrival(now, "evt_\0secret", reason="0912345678"))
    assert "the inbox could not be written: " in caplog.text
    assert "secret" not in caplog.text
    assert "0912345678" not in caplog.text
