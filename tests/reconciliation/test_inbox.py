"""The inbox: what is claimed, what is left for people, and that kept bytes are what arrived."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import inbox, invariants
from reconciliation.sealing import Sealer
from tests.reconciliation.books import Books

LEASE = timedelta(seconds=10)


@pytest.fixture
def keep(books: Books, sealer: Sealer) -> Callable[..., int]:
    """Put a callback into the inbox as the web does; return its id."""

    def kept(event: str, state: str = "received", attempts: int = 0, body: bytes = b"{}") -> int:
        values = {
            "event": event, "state": state, "attempts": attempts, "size": len(body), "now": books.now,
            "head": sealer.seal(b"{}", "deliveries.head"), "body": sealer.seal(body, "deliveries.body"),
        }  # fmt: skip
        insert = text(
            "INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, answer_status, answer_body,"
            " state, attempts, received_at) VALUES ('standard', 'callback', :event, convert_to(:event, 'UTF8'), :size,"
            " :head, :body, 200, '', :state, :attempts, :now) RETURNING id"
        )
        return books.run(lambda s: int(s.scalar(insert, values)))

    return kept


def claim(books: Books, limit: int = 10) -> list[int]:
    return books.run(lambda s: inbox.claim(s, "callback", limit=limit, lease=LEASE, now=books.now))


def test_what_waits_is_claimed_together_and_leased(books: Books, keep: Callable[..., int]) -> None:
    ids = [keep(f"e{n}") for n in range(3)]
    assert claim(books, limit=2) == ids[:2]
    assert claim(books) == ids[2:]
    assert claim(books) == []
    books.now += LEASE + timedelta(seconds=1)
    assert claim(books) == ids


def test_one_that_ended_its_reader_before_goes_alone(books: Books, keep: Callable[..., int]) -> None:
    fresh, bad, later = keep("a"), keep("b", attempts=2), keep("c")
    assert claim(books) == [fresh, later], "the fresh ones do not wait for it, nor go with it"
    assert claim(books) == [bad]


def test_the_oldest_goes_alone_when_it_is_the_suspect(books: Books, keep: Callable[..., int]) -> None:
    bad, fresh = keep("a", attempts=2), keep("b")
    assert claim(books) == [bad]
    assert claim(books) == [fresh]


def test_those_whose_reader_ended_go_in_ever_smaller_groups(books: Books, keep: Callable[..., int]) -> None:
    ids = [keep(f"e{n}", attempts=2) for n in range(20)]
    assert claim(books, limit=64) == ids[:8]
    assert claim(books, limit=64) == ids[8:16]
    assert claim(books, limit=64) == ids[16:]
    books.now += LEASE + timedelta(seconds=1)
    assert claim(books, limit=64) == ids[:1], "an eighth of an eighth"


def test_one_that_ended_its_reader_too_often_is_set_aside_and_asked_about(
    books: Books, keep: Callable[..., int]
) -> None:
    worn, fresh = keep("a", attempts=inbox.MAX_ATTEMPTS), keep("b", attempts=1)
    assert claim(books) == [fresh]
    [row] = books.run(
        lambda s: s.execute(text("SELECT state, reason FROM deliveries WHERE id = :id"), {"id": worn}).all()
    )
    assert row == ("set_aside", "reading it ended its reader 5 times")
    assert books.asked() == ["M16"]
    assert books.broken() == []


def test_what_is_left_for_a_person_is_a_question_that_reading_it_after_all_answers(
    books: Books, keep: Callable[..., int]
) -> None:
    one = keep("a")
    books.run(lambda s: inbox.finish(s, [one], "set_aside", reason="too old", now=books.now))
    query = text("SELECT code, state, facts FROM mismatches WHERE subject = :subject")
    [asked] = books.run(lambda s: s.execute(query, {"subject": f"delivery:{one}"}).all())
    assert (asked.code, asked.state, asked.facts["reasons"]) == ("M16", "open", ["too old"])
    books.as_owner(f"UPDATE deliveries SET state = 'received' WHERE id = {one}")
    books.run(lambda s: inbox.finish(s, [one], "read", reason="", now=books.now))
    [asked] = books.run(lambda s: s.execute(query, {"subject": f"delivery:{one}"}).all())
    assert asked.state == "resolved"


def test_changed_bytes_show(books: Books, keep: Callable[..., int], sealer: Sealer, tmp_path: Path) -> None:
    keep("a", body=b"one")
    path = tmp_path / "file"
    path.write_bytes(random.Random(1).randbytes(2_560_000))
    kept = books.run(lambda s: inbox.keep_file(s, source="standard", name="f", path=path, sealer=sealer, now=books.now))

    def broken(*tampering: str) -> str:
        with Session(books.owner) as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for one in tampering:
                session.execute(text(one))
            [finding] = [one for one in invariants.prove(session, None, sealer=sealer) if one.number == 1]
            return "" if finding.holds else finding.figures

    assert broken() == ""
    assert "other bytes 1" in broken("UPDATE deliveries SET body = 'x' WHERE kind = 'callback'")
    assert "other bytes 1" in broken("UPDATE deliveries SET size = 4 WHERE kind = 'callback'")
    assert "other bytes 1" in broken("UPDATE deliveries SET digest = 'x' WHERE kind = 'statement'")
    swapped = "UPDATE delivery_chunks c SET body = o.body FROM delivery_chunks o WHERE c.ordinal = 0 AND o.ordinal = 1"
    assert "other bytes 1" in broken(swapped)
    assert "without all their bytes 1" in broken(
        f"DELETE FROM delivery_chunks WHERE delivery_id = {kept} AND ordinal = 1"
    )
