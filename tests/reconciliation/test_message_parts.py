"""Parts of messages: what their answers and receipts make of the message, whatever comes first and whatever is lost."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciliation import carrier_receipts, message_parts, sending
from reconciliation.carrier_receipts import Heard
from reconciliation.message_parts import PartAnswer
from tests.reconciliation.books import CUSTOMER, Books, a_bill

LEASE = timedelta(seconds=180)
SMPP = "smpp"
PHONE = b"h" * 16
OTHER_PHONE = b"o" * 16


@pytest.fixture
def queued(sound_books: Books) -> Books:
    """Two notices before a debit, to two customers with a phone each: the first one of two parts."""
    sound_books.issue(
        a_bill(charge_on=date(2026, 11, 24), bank="standard"),
        a_bill("HD0002", code=f"{CUSTOMER}2", customer_code=f"{CUSTOMER}2", phone_hash=OTHER_PHONE,
               charge_on=date(2026, 11, 24), bank="standard"),
    )  # fmt: skip
    sound_books.run(
        lambda s: s.execute(
            text("UPDATE messages SET body = 'x', parts = 1 + (id = (SELECT min(id) FROM messages))::int")
        )
    )
    return sound_books


def claim(books: Books, limit: int = 10) -> list[int]:
    found = books.run(lambda s: sending.claim(s, carrier=SMPP, limit=limit, lease=LEASE, now=books.now, of_all=True))
    return sorted(row.id for row in found)


def answer(books: Books, *answers: tuple[Any, ...]) -> None:
    """(message, ordinal, reference) was taken; (message, ordinal, None) is unsure; ("refused") in its place is not."""
    made = [
        PartAnswer(message, ordinal, "unsure", why="no answer") if ref is None
        else PartAnswer(message, ordinal, "refused", why="not now") if ref == "refused"
        else PartAnswer(message, ordinal, "accepted", ref, ref.lower())
        for message, ordinal, ref in answers
    ]  # fmt: skip
    books.run(lambda s: message_parts.record(s, made, provider=SMPP, now=books.now))


def refuse(books: Books, message: int, *, permanent: bool, why: str) -> None:
    books.run(lambda s: sending.refused(
        s, message, carrier=SMPP, permanent=permanent, why=why, again_at=books.now, now=books.now))  # fmt: skip


def hear(
    books: Books, ref: str, said: str = "delivered", phone: bytes | None = PHONE, others: tuple[str, ...] = (),
    after: timedelta = timedelta(), code: str = "DELIVRD 000",
) -> None:  # fmt: skip
    one = Heard(f"{ref}{said}".encode(), b"sealed", ref, ref.lower(), list(others), phone, said, code, None)
    books.run(lambda s: carrier_receipts.keep(s, [one], provider=SMPP, now=books.now + after))


def apply(books: Books, after: timedelta = timedelta()) -> int:
    looked: int = books.run(lambda s: carrier_receipts.apply(s, provider=SMPP, now=books.now + after))
    return looked


def abandon(books: Books) -> int:
    left: int = books.run(lambda s: sending.abandon(s, SMPP, now=books.now))
    return left


def states(books: Books) -> list[str]:
    return [row[0] for row in books.rows("SELECT state FROM messages ORDER BY id")]


def parts(books: Books) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in books.rows("SELECT ordinal, provider_ref, state FROM message_parts ORDER BY message_id, ordinal")
    ]


def test_a_message_is_delivered_when_all_its_parts_are(queued: Books) -> None:
    first, second = claim(queued)
    answer(queued, (first, 1, "A1"), (first, 2, "A2"), (second, 1, "B1"))
    assert states(queued) == ["sent", "sent"]
    hear(queued, "A2")
    hear(queued, "B1", "under_way", phone=OTHER_PHONE)
    assert apply(queued) == 2
    assert states(queued) == ["sent", "sent"]
    hear(queued, "A1")
    apply(queued)
    assert states(queued) == ["delivered", "sent"]
    assert parts(queued) == [(1, "A1", "delivered"), (2, "A2", "delivered"), (1, "B1", "accepted")]
    assert queued.one("SELECT count(*) FROM carrier_receipts WHERE state = 'applied'") == 3


def test_a_part_that_does_not_arrive_makes_its_message_undelivered_for_good(queued: Books) -> None:
    [first] = claim(queued, 1)
    answer(queued, (first, 1, "A1"), (first, 2, "A2"))
    hear(queued, "A2", "undelivered", code="EXPIRED 034")
    hear(queued, "A1")
    apply(queued)
    hear(queued, "A2")
    apply(queued)
    assert states(queued) == ["undelivered", "queued"]
    assert queued.one("SELECT reason FROM messages ORDER BY id LIMIT 1") == "EXPIRED 034"


def test_a_receipt_before_its_answer_waits_for_it_and_counts_once_however_often_it_comes(queued: Books) -> None:
    [first] = claim(queued, 1)
    for _ in range(3):
        hear(queued, "A1")
    hear(queued, "A2")
    apply(queued)
    assert states(queued)[0] == "sending"
    assert queued.one("SELECT count(*) FROM carrier_receipts WHERE state = 'waiting'") == 2
    answer(queued, (first, 1, "A1"), (first, 2, "A2"))
    assert apply(queued) == 0, "not at once"
    assert apply(queued, timedelta(seconds=2)) == 2
    assert states(queued)[0] == "delivered"


def test_what_was_taken_in_part_and_then_refused_is_undelivered_and_never_sent_again(queued: Books) -> None:
    first, second = claim(queued)
    answer(queued, (first, 1, "A1"), (first, 2, "refused"))
    refuse(queued, second, permanent=False, why="not now")
    assert states(queued) == ["undelivered", "queued"]
    assert claim(queued) == [second]
    refuse(queued, second, permanent=True, why="no such number")
    assert states(queued) == ["undelivered", "failed"]
    assert [row[0] for row in queued.rows("SELECT reason FROM messages ORDER BY id")] == ["not now", "no such number"]


def test_an_answer_after_all_makes_an_unsure_message_sent(queued: Books) -> None:
    [first] = claim(queued, 1)
    answer(queued, (first, 1, None), (first, 2, "A2"))
    assert states(queued)[0] == "unsure"
    answer(queued, (first, 1, "A1"), (first, 2, "A2"))
    assert states(queued)[0] == "sent"
    assert parts(queued) == [(1, "A1", "accepted"), (2, "A2", "accepted")]


def test_what_was_in_flight_at_a_crash_is_unsure_never_sent_again_and_resolved_by_its_receipts(queued: Books) -> None:
    claim(queued)
    hear(queued, "77")
    apply(queued)
    assert states(queued) == ["sending", "sending"], "its answer may still come"
    assert abandon(queued) == 2
    assert states(queued) == ["unsure", "unsure"]
    assert claim(queued) == []
    assert (
        list(
            queued.run(
                lambda s: sending.ask_again(
                    s, carrier="http", remembers=None, limit=9, lease=LEASE, now=queued.now + LEASE
                )
            )
        )
        == []
    )
    apply(queued, timedelta(seconds=2))
    assert parts(queued) == [(1, "77", "delivered")]
    assert states(queued) == ["unsure", "unsure"], "one part of two"
    hear(queued, "78")
    hear(queued, "79", "under_way", phone=OTHER_PHONE)
    apply(queued, timedelta(seconds=2))
    assert states(queued) == ["delivered", "sent"]


def test_of_two_messages_to_one_number_that_may_have_left_none_is_guessed(sound_books: Books) -> None:
    bills = [a_bill(f"HD{n}", code=f"{CUSTOMER}{n}", charge_on=date(2026, 11, 24), bank="standard") for n in range(2)]
    sound_books.issue(*bills)
    sound_books.run(lambda s: s.execute(text("UPDATE messages SET body = 'x', parts = 1")))
    one, other = claim(sound_books)
    abandon(sound_books)
    hear(sound_books, "77")
    apply(sound_books)
    assert (states(sound_books), parts(sound_books)) == (["unsure", "unsure"], [])
    answer(sound_books, (other, 1, "78"))
    apply(sound_books, timedelta(seconds=2))
    assert states(sound_books) == ["delivered", "sent"], "only one is left that it can mean"
    assert one < other


def test_a_receipt_of_before_the_claim_is_not_of_it(queued: Books) -> None:
    hear(queued, "77", after=-timedelta(minutes=1))
    claim(queued)
    abandon(queued)
    apply(queued)
    assert (states(queued), parts(queued)) == (["unsure", "unsure"], [])
    apply(queued, timedelta(days=4))
    assert queued.one("SELECT state FROM carrier_receipts") == "unmatched"


@pytest.mark.parametrize(("answered", "told", "other"), [("1f", "31", "1f"), ("31", "1F", "31")])
def test_an_id_in_another_spelling_is_the_same_to_the_same_number_alone(
    queued: Books, answered: str, told: str, other: str
) -> None:
    first, second = claim(queued)
    answer(queued, (first, 1, "A1"), (first, 2, "A2"))
    answer(queued, (second, 1, answered))
    hear(queued, told, phone=PHONE, others=(other,))
    apply(queued)
    assert states(queued) == ["sent", "sent"], "it is of another number"
    hear(queued, told, "undelivered", phone=OTHER_PHONE, others=(other,))
    apply(queued, timedelta(seconds=2))
    assert states(queued) == ["sent", "undelivered"]


def test_a_reference_that_another_part_has_names_nobody(queued: Books) -> None:
    first, second = claim(queued)
    answer(queued, (first, 1, "A1"), (first, 2, "A1"))
    answer(queued, (second, 1, "A1"))
    assert parts(queued) == [(1, "A1", "accepted"), (2, None, "accepted"), (1, None, "accepted")]
    assert states(queued) == ["sent", "sent"]


def test_whatever_comes_first_the_books_end_the_same(queued: Books) -> None:
    ends = set()
    facts: list[Callable[[Books, list[int]], None]] = [
        lambda books, ids: answer(books, (ids[0], 1, "A1"), (ids[0], 2, None)),
        lambda books, ids: answer(books, (ids[0], 1, "A1"), (ids[0], 2, "A2")),
        lambda books, ids: answer(books, (ids[1], 1, "B1")),
        lambda books, _: hear(books, "A1"),
        lambda books, _: hear(books, "A2"),
        lambda books, _: hear(books, "B1", "undelivered", phone=OTHER_PHONE, code="UNDELIV 001"),
        lambda books, _: abandon(books) and None,
    ]
    chance = random.Random(6)
    for _ in range(12):
        with queued.engine.connect() as connection, connection.begin() as whole:
            playing = _within(queued, connection)
            ids = claim(playing)
            chance.shuffle(facts)
            for number, fact in enumerate(facts):
                fact(playing, ids)
                apply(playing, timedelta(seconds=number))
            for days in (1, 2, 3):
                apply(playing, timedelta(days=days))
            # Which part of a message a receipt without an answer is of, nobody can tell, and nothing depends on it.
            ends.add((tuple(states(playing)), tuple(sorted(part[1:] for part in parts(playing)))))
            whole.rollback()
    delivered = (("A1", "delivered"), ("A2", "delivered"), ("B1", "undelivered"))
    assert ends == {(("delivered", "undelivered"), delivered)}


def _within(books: Books, connection: Any) -> Books:
    """Return `books` played within one transaction, which is rolled back."""
    from dataclasses import replace

    from sqlalchemy.orm import Session

    class Within(Books):
        def run(self, act: Callable[[Session], Any]) -> Any:
            with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
                return act(session)

        def rows(self, query: str, **values: Any) -> list[Any]:
            return list(connection.execute(text(query), values))

    made = replace(books)
    made.__class__ = Within
    return made


def test_the_database_keeps_what_is_known_of_a_part(queued: Books) -> None:
    [first] = claim(queued, 1)
    answer(queued, (first, 1, "A1"), (first, 2, None))
    hear(queued, "A1")
    apply(queued)
    for forbidden in (
        "UPDATE message_parts SET state = 'accepted' WHERE ordinal = 1",
        "UPDATE message_parts SET provider_ref = 'Z', ref_key = 'z' WHERE ordinal = 1",
        "UPDATE message_parts SET state = 'refused' WHERE ordinal = 2",
        "UPDATE carrier_receipts SET state = 'waiting'",
    ):
        with pytest.raises(IntegrityError, match=r"does not become|stays so"):
            queued.run(lambda s, forbidden=forbidden: s.execute(text(forbidden)))


def test_parts_are_of_messages_and_receipts_of_parts_that_are_there(queued: Books) -> None:
    [first] = claim(queued, 1)
    with pytest.raises(IntegrityError, match="a part is of a message that is there"):
        answer(queued, (first, 1, "A1"), (first + 99, 1, "A2"))
    answer(queued, (first, 1, "A1"), (first, 2, "A2"))
    hear(queued, "A1")
    hear(queued, "A2")
    query = "UPDATE carrier_receipts SET state = 'applied', part_id = CASE ref_key WHEN 'a1' THEN :part ELSE :none END"
    [part] = queued.run(lambda s: s.scalars(text("SELECT min(id) FROM message_parts")).all())
    with pytest.raises(IntegrityError, match="a receipt is of a part that is there"):
        queued.run(lambda s: s.execute(text(query), {"part": part, "none": part + 99}))
    copied = "provider, digest || 'x', raw_sealed, other_keys, said, received_at, next_at"
    columns = copied.replace(" || 'x'", "")
    already = f"INSERT INTO carrier_receipts ({columns}, part_id) SELECT {copied}, :part FROM carrier_receipts"
    with pytest.raises(IntegrityError, match="kept before it is applied"):
        queued.run(lambda s: s.execute(text(already), {"part": part}))
