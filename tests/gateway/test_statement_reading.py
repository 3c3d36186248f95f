"""Reading kept files: booked whole or not at all, a fault of the file told from a fault of ours."""

from datetime import timedelta

import pytest

from gateway import jobs, statement_reading
from gateway.database import transaction
from reconciliation import inbox, pairing
from tests.gateway.loading import loaded
from tests.gateway.samples import a_bill, a_statement

BOOKS = """
    SELECT 'statement' || id FROM statements UNION ALL SELECT 'line' || id FROM statement_lines
    UNION ALL SELECT 'payment' || id FROM payments UNION ALL SELECT 'entry' || id FROM entries
    UNION ALL SELECT 'message' || id FROM messages
"""


@pytest.fixture
def keep(wiring):
    """Keep a file as if it had been fetched; return its delivery's id."""

    def do(content, name="day.xml"):
        path = wiring.settings.home / name
        path.write_bytes(content)
        with transaction(wiring.engine) as session:
            return inbox.keep_file(
                session, source="standard", name=name, path=path, sealer=wiring.sealer, now=wiring.clock()
            )

    return do


@pytest.fixture
def claim(wiring):
    return lambda: statement_reading.claim(wiring, lease=jobs.LEASE)


def test_a_kept_file_is_read_matched_and_told_of(wiring, issue, keep, claim, rows, sound):
    issue(a_bill(1), a_bill(2))
    delivery = keep(a_statement((1, 100_000), (2, 100_000)))
    assert claim() == delivery
    assert claim() is None
    assert statement_reading.read(wiring, delivery) == "read"
    assert rows("SELECT state FROM statement_lines") == ["matched", "matched"]
    assert rows("SELECT state FROM bills") == ["paid", "paid"]
    assert rows("SELECT body IS NOT NULL FROM messages") == [True, True]


def test_files_are_read_in_the_order_they_came(keep, claim):
    first, second = keep(a_statement(ref="SK1")), keep(a_statement(ref="SK2"), "next.xml")
    assert [claim(), claim(), claim()] == [first, second, None]


def test_reading_again_changes_nothing_and_tells_the_same(wiring, issue, keep, rows, sound):
    issue(a_bill(1))
    delivery = keep(a_statement((1, 100_000)))
    statement_reading.read(wiring, delivery)
    before = rows(BOOKS)
    assert statement_reading.read(wiring, delivery) == "read"
    assert rows(BOOKS) == before


@pytest.mark.parametrize("cut", [0, 1, 400, -200])
def test_a_file_that_can_not_be_read_changes_nothing_in_the_books(wiring, issue, keep, one, rows, cut, sound):
    issue(a_bill(1))
    before = rows(BOOKS)
    delivery = keep(a_statement((1, 100_000))[:cut])
    assert statement_reading.read(wiring, delivery) == "unreadable"
    state, reason, lease = one("SELECT state, reason, lease_until FROM deliveries")
    assert (state, lease) == ("unreadable", None)
    assert reason
    assert rows(BOOKS) == before


def test_a_file_that_does_not_add_up_is_read_and_held_with_its_reason(wiring, keep, one, rows, sound):
    delivery = keep(a_statement((1, 100_000), off=-5))
    assert statement_reading.read(wiring, delivery) == "read"
    assert one("SELECT state FROM statements") == "quarantined"
    assert "5" in one("SELECT reason FROM deliveries")
    assert rows("SELECT id FROM payments") == []


def test_a_fault_of_ours_is_tried_a_few_times_and_then_left_to_a_person(
    wiring, issue, keep, claim, later, monkeypatch, one, rows, sound
):
    issue(a_bill(1))
    before = rows(BOOKS)
    delivery = keep(a_statement((1, 100_000)))

    def fail(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr(pairing, "accept", fail)
    for _ in range(inbox.MAX_ATTEMPTS - 1):
        assert claim() == delivery
        assert statement_reading.read(wiring, delivery) == "received"
        assert rows(BOOKS) == before
        later(wiring.clock() + jobs.LEASE + timedelta(seconds=1))
    assert claim() == delivery
    assert statement_reading.read(wiring, delivery) == "set_aside"
    assert one("SELECT reason FROM deliveries") == "reading failed 5 times: RuntimeError"
    later(wiring.clock() + jobs.LEASE * 3)
    assert claim() is None


def test_a_broken_key_of_ours_is_named_in_the_log_and_in_the_reason(
    wiring, keep, claim, later, monkeypatch, one, caplog, sound
):
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_PGP_KEY", "no armour at all")
    delivery = keep(b"-----BEGIN PGP MESSAGE-----\n\nwhatever\n-----END PGP MESSAGE-----\n")
    for _ in range(inbox.MAX_ATTEMPTS):
        assert claim() == delivery
        state = statement_reading.read(wiring, delivery)
        later(wiring.clock() + jobs.LEASE + timedelta(seconds=1))
    assert state == "set_aside"
    expected = "Misconfigured: expected OpenPGP keys in armour that their passphrase opens"
    assert one("SELECT reason FROM deliveries").startswith(f"reading failed 5 times: {expected}")
    assert f"could not be read: {expected}" in caplog.text
    assert "no armour at all" not in caplog.text


def test_a_fault_that_was_mended_in_time_leaves_no_trace(wiring, issue, keep, claim, later, monkeypatch, rows, sound):
    issue(a_bill(1))
    delivery = keep(a_statement((1, 100_000)))
    claim()
    with monkeypatch.context() as broken:
        broken.setattr(pairing, "accept", lambda *_, **__: 1 // 0)
        assert statement_reading.read(wiring, delivery) == "received"
    later(wiring.clock() + jobs.LEASE + timedelta(seconds=1))
    assert statement_reading.read(wiring, claim()) == "read"
    assert rows("SELECT state FROM bills") == ["paid"]


def test_a_file_of_a_bank_that_is_no_longer_declared_is_read_as_of_one_that_does_not_call_back(
    wiring, settings, keep, one
):
    delivery = keep(a_statement())
    del settings.banks["standard"]
    assert statement_reading.read(wiring, delivery) == "read"
    assert one("SELECT state FROM statements") == "accepted"


def test_who_reads_and_books_holds_no_client_of_any_server_but_the_database():
    asked = "httpx", "rich", "paramiko", "redis", "rq", "flask", "holidays"
    assert loaded("gateway.statement_reading, gateway.wiring, gateway.settings", *asked) == []
