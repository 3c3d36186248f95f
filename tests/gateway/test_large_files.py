"""Large files: readers that are really killed between and within pieces, and the next one that goes on."""

import multiprocessing
import os
import signal
from datetime import timedelta
from itertools import count

import pytest

from gateway import composing, jobs, statement_reading
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import inbox, large_statements, statement_booking
from tests.gateway.samples import a_bill, a_statement

PAID = [(number, 100_000) for number in range(1, 9)]


@pytest.fixture
def by_the_piece(monkeypatch):
    """Files of more than two lines go by pieces of three."""
    monkeypatch.setattr(large_statements, "LARGE", 2)
    monkeypatch.setattr(large_statements, "PIECE", 3)


@pytest.fixture
def kept(wiring):
    """A kept file of eight lines."""
    path = wiring.settings.home / "day.xml"
    path.write_bytes(a_statement(*PAID))
    with transaction(wiring.engine) as session:
        return inbox.keep_file(
            session, source="standard", name="day.xml", path=path, sealer=wiring.sealer, now=wiring.clock()
        )


def _read_and_die(settings, database_url, valkey_url, delivery, module, name, call):
    """Read as a worker does, and be killed as `module.name` is called the so-manieth time."""
    calls, whole = count(1), getattr(module, name)

    def killing(*given, **named):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*given, **named)

    setattr(module, name, killing)
    large_statements.LARGE, large_statements.PIECE = 2, 3
    statement_reading.read(Wiring(settings, database_url, valkey_url), delivery)


def _books(rows):
    return (
        rows("SELECT entry, state FROM statement_lines ORDER BY 1"),
        rows("SELECT state, count(*) FROM bills GROUP BY 1"),
        rows("SELECT state, moves, count(*), sum(confirmed_minor)\\:\\:bigint FROM payments GROUP BY 1, 2"),
        rows("SELECT account, sum(minor)\\:\\:bigint FROM postings GROUP BY 1 HAVING sum(minor) <> 0 ORDER BY 1"),
        rows("SELECT count(*), count(DISTINCT payment_id), count(body) FROM messages"),
        rows("SELECT count(*) FROM statements"),
    )


def test_a_reader_killed_again_and_again_leaves_the_rest_to_the_next(
    wiring, issue, kept, later, rows, one, monkeypatch, sound, by_the_piece
):
    issue(*(a_bill(number) for number, _ in PAID))
    process = multiprocessing.get_context("fork").Process
    # As it loads, before each piece, within one (its texts are written last), and when all is booked.
    moments = [
        (statement_booking, "book", 1), (large_statements, "pair_whole", 1), (large_statements, "book_piece", 1),
        (composing, "compose_promises", 2), (large_statements, "book_piece", 2), (inbox, "finish", 1),
    ]  # fmt: skip
    booked = []
    for module, name, call in moments:
        assert statement_reading.claim(wiring, lease=jobs.LEASE) == kept
        place = wiring.settings, wiring.database_url, wiring.valkey_url
        wiring.engine.dispose()
        reader = process(target=_read_and_die, args=(*place, kept, module, name, call))
        reader.start()
        reader.join(60)
        assert reader.exitcode == -signal.SIGKILL, name
        booked.append(one("SELECT count(*) FROM entries WHERE key LIKE 'line:%'"))
        later(wiring.clock() + timedelta(minutes=3))
    assert booked == [0, 0, 0, 3, 6, 8]
    assert one("SELECT state FROM deliveries") == "received"
    assert statement_reading.claim(wiring, lease=jobs.LEASE) == kept
    assert statement_reading.read(wiring, kept) == "read"
    assert statement_reading.claim(wiring, lease=jobs.LEASE) is None
    found = _books(rows)
    assert found[1] == [("paid", 8)]
    assert found[4] == [(8, 8, 8)]
    assert found[5] == [1]


def test_a_delivery_stays_with_its_reader_from_piece_to_piece(
    wiring, issue, kept, rows, one, monkeypatch, by_the_piece
):
    seen = []
    whole = large_statements.book_piece

    def looking(*given, **named):
        seen.append(one("SELECT state, attempts, lease_until > :now FROM deliveries", now=wiring.clock()))
        return whole(*given, **named)

    monkeypatch.setattr(large_statements, "book_piece", looking)
    issue(a_bill(1))
    assert statement_reading.claim(wiring, lease=jobs.LEASE) == kept
    assert statement_reading.read(wiring, kept) == "read"
    assert seen == [("received", 1, True)] * 3


def test_what_a_person_undoes_between_two_pieces_is_not_booked_any_more(
    wiring, issue, kept, one, rows, monkeypatch, sound, by_the_piece
):
    from reconciliation import import_undo

    whole, calls = large_statements.book_piece, count(1)

    def undoing(session, *given, **named):
        if next(calls) == 2:
            with transaction(wiring.engine) as other:
                chosen = import_undo.chosen(other, f"delivery:{kept}")
                import_undo.undo(other, chosen, by="lan", why="the wrong file", now=wiring.clock())
        return whole(session, *given, **named)

    monkeypatch.setattr(large_statements, "book_piece", undoing)
    issue(*(a_bill(number) for number, _ in PAID))
    assert statement_reading.read(wiring, kept) == "read"
    assert one("SELECT state FROM statements") == "withdrawn"
    assert one("SELECT reason FROM deliveries") == "the import was undone: the wrong file"
    assert rows("SELECT DISTINCT state FROM bills") == ["open"]
    assert statement_reading.read(wiring, kept) == "read"


def test_a_fault_within_a_piece_leaves_the_pieces_before_it_and_is_tried_again(
    wiring, issue, kept, one, monkeypatch, sound, by_the_piece
):
    issue(*(a_bill(number) for number, _ in PAID))
    whole, calls = composing.compose_promises, count(1)

    def failing(*given, **named):
        if next(calls) == 3:
            raise RuntimeError("no room")
        return whole(*given, **named)

    monkeypatch.setattr(composing, "compose_promises", failing)
    assert statement_reading.read(wiring, kept) == "received"
    assert one("SELECT booked_lines FROM statements") == 3
    assert statement_reading.read(wiring, kept) == "read"


def test_a_large_statement_that_nobody_reads_is_booked_by_the_job_all_the_same(
    wiring, issue, kept, change, one, monkeypatch, sound, by_the_piece
):
    issue(*(a_bill(number) for number, _ in PAID))
    monkeypatch.setattr(statement_reading, "_book_pieces", lambda *_: "received")
    statement_reading.read(wiring, kept)
    change("UPDATE deliveries SET state = 'read', moves = 1 WHERE id = :id", id=kept)
    change(
        "INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, at)"
        " VALUES ('delivery', :id, 1, 'received', 'read', 'test', :now)", id=kept, now=wiring.clock(),
    )  # fmt: skip
    assert statement_reading.book_what_is_left(wiring) == 1
    assert statement_reading.book_what_is_left(wiring) == 0
    assert one("SELECT count(*) FROM bills WHERE state = 'paid'") == 8
