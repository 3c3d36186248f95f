"""The jobs: each drains what waits, rings for what comes next, and finds nothing to do when nothing waits."""

from dataclasses import replace

import pytest

from gateway import bell, jobs
from gateway.bank_settings import SftpSettings
from gateway.wiring import Wiring
from sms.transports.memory import MemoryTransport
from tests.gateway.loading import loaded
from tests.gateway.samples import a_bill, a_debit_bill, a_statement, an_event, use_carriers

ALL = [jobs.read_callbacks, jobs.read_statements, jobs.fetch_files, jobs.send_messages]


@pytest.fixture
def at_work(monkeypatch):
    """Let the jobs work with this wiring, and with no bell rung yet."""

    def use(wiring):
        monkeypatch.setattr(jobs, "wiring", lambda: wiring)
        return wiring

    return use


@pytest.fixture
def house(wiring, at_work):
    wiring.valkey.flushall()
    return at_work(wiring)


def rung(wiring):
    return {key.decode().rpartition(":")[2] for key in wiring.valkey.keys("doisoat:rung:*")}


@pytest.mark.parametrize("job", ALL, ids=lambda job: job.__name__)
def test_with_nothing_waiting_there_is_nothing_to_do(house, job):
    assert job() == 0
    assert rung(house) == set()


@pytest.mark.parametrize("job", ALL, ids=lambda job: job.__name__)
def test_a_job_lets_the_next_ring_through_before_it_looks(house, monkeypatch, job):
    queue = {"read_callbacks": "callbacks", "read_statements": "statements", "fetch_files": "files"}
    key = f"doisoat:rung:{queue.get(job.__name__, 'messages')}"
    house.valkey.set(key, "1")
    job()
    assert not house.valkey.exists(key)


@pytest.mark.parametrize("job", ALL, ids=lambda job: job.__name__)
def test_without_valkey_a_job_works_all_the_same(wiring, cut_off, at_work, job):
    at_work(Wiring(wiring.settings, wiring.database_url, cut_off.valkey_url))
    assert job() == 0


def test_every_callback_that_waits_is_read_and_messages_are_rung_for(house, web, issue, rows):
    issue(a_bill(1))
    for number in range(5):
        signed = an_event(house, f"FT{number}", amount=20_000)
        web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
    assert jobs.read_callbacks() == 5
    assert rows("SELECT DISTINCT state FROM deliveries") == ["read"]
    assert rows("SELECT state FROM bills") == ["paid"]
    assert "messages" in rung(house)
    assert jobs.read_callbacks() == 0


def test_every_message_that_is_due_is_sent(house, issue):
    use_carriers(house, MemoryTransport())
    issue(a_debit_bill(1), a_debit_bill(2))
    assert jobs.send_messages() == 2


def test_files_of_one_bank_come_though_another_s_can_not_be_fetched(
    settings, wiring, at_work, shelf, server, caplog, rows
):
    reached = SftpSettings("127.0.0.1", "doisoat", server.host_key, server.port)
    banks = {
        "broken": replace(settings.banks["vnpay"], name="broken", sftp=reached),
        "standard": replace(settings.banks["standard"], sftp=reached),
    }
    house = at_work(Wiring(replace(settings, banks=banks), wiring.database_url, wiring.valkey_url))
    house.valkey.flushall()
    (settings.home / "incoming").mkdir()
    (settings.home / "incoming" / "broken").write_bytes(b"a file where the folder should be")
    (shelf / "day.xml").write_bytes(a_statement())
    assert jobs.fetch_files() == 1
    assert "the files of broken could not be fetched; it will be tried again" in caplog.text
    assert rung(house) == {"statements"}
    house.valkey.flushall()
    assert jobs.fetch_files() == 0
    assert rung(house) == set()
    assert jobs.read_statements() == 1
    assert rows("SELECT state FROM statements") == ["accepted"]
    assert rung(house) == {"messages"}
    house.valkey.close()


@pytest.mark.parametrize("queue", bell.JOBS)
def test_a_worker_is_prepared_without_a_word_to_the_database(cut_off, at_work, queue):
    at_work(cut_off)
    jobs.prepare(queue)


CLIENTS = ("holidays", "httpx", "paramiko")


@pytest.mark.parametrize(
    ("queue", "needed"),
    [
        ("callbacks", ["holidays"]), ("statements", ["holidays"]), ("files", ["holidays", "paramiko"]),
        ("messages", ["holidays", "httpx"]), ("billing", ["holidays", "httpx"]), ("debits", [*CLIENTS]),
        ("webhooks", ["holidays", "httpx"]),
    ],
)  # fmt: skip
def test_a_worker_has_loaded_what_its_own_job_needs_and_no_more_before_it_forks(queue, needed):
    work = f"jobs.wiring = lambda: types.SimpleNamespace(clock=clock.real); jobs.prepare({queue!r})"
    assert loaded("types", *CLIENTS, then=f"from gateway import clock, jobs; {work}") == needed


@pytest.mark.parametrize("queue", bell.JOBS)
def test_a_job_begins_with_nothing_to_load_that_its_worker_has_not(queue):
    job = bell.JOBS[queue].rpartition(".")[2]
    work = f"""
from contextlib import suppress
from gateway import clock, jobs
jobs.wiring = lambda: types.SimpleNamespace(clock=clock.real)
jobs.prepare({queue!r})
before = {{*sys.modules}}
jobs.wiring = lambda: 1 / 0
with suppress(ZeroDivisionError):
    jobs.{job}()
assert {{*sys.modules}} == before, {{*sys.modules}} - before
"""
    assert loaded("types", "gateway.jobs", then=work) == ["gateway.jobs"]
