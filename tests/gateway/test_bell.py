"""The doorbell on a real Valkey: rung once while nobody has heard it, never an error, never a word lost for good."""

import time
from importlib import import_module

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from gateway import bell


@pytest.fixture
def valkey(wiring):
    wiring.valkey.flushall()
    return wiring.valkey


def waiting(valkey, queue):
    return [job.func_name for job in Queue(queue, connection=valkey, serializer=JSONSerializer).jobs]


@pytest.mark.parametrize("queue", sorted(bell.JOBS))
def test_a_ring_asks_for_the_one_job_of_its_queue(valkey, queue):
    assert bell.ring(valkey, queue)
    assert waiting(valkey, queue) == [bell.JOBS[queue]]
    module, _, name = bell.JOBS[queue].rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_it_is_rung_once_while_nobody_has_heard_it(valkey):
    assert [bell.ring(valkey, "files") for _ in range(4)] == [True, False, False, False]
    assert len(waiting(valkey, "files")) == 1
    assert bell.ring(valkey, "statements"), "another queue has a bell of its own"


def test_whoever_heard_it_lets_the_next_ring_through(valkey):
    bell.ring(valkey, "files")
    bell.heard(valkey, "files")
    assert bell.ring(valkey, "files")
    assert len(waiting(valkey, "files")) == 2


def test_a_bell_that_nobody_hears_falls_silent_only_for_a_while(valkey, monkeypatch):
    monkeypatch.setattr(bell, "_RUNG_FOR", 1)
    bell.ring(valkey, "files")
    assert not bell.ring(valkey, "files")
    time.sleep(1.1)
    assert bell.ring(valkey, "files")


def test_an_emptied_valkey_is_rung_again_at_once(valkey):
    bell.ring(valkey, "files")
    valkey.flushall()
    assert bell.ring(valkey, "files")


def test_without_valkey_ringing_is_no_error_and_takes_no_time(cut_off, caplog):
    started = time.monotonic()
    assert bell.ring(cut_off.valkey, "files") is False
    bell.heard(cut_off.valkey, "files")
    assert time.monotonic() - started < 2
    assert "the bell of files was not heard: ConnectionError" in caplog.text
    assert "the bell of files could not be reset: ConnectionError" in caplog.text


def test_an_unknown_queue_is_a_fault_of_ours(valkey):
    with pytest.raises(KeyError):
        bell.ring(valkey, "colours")
