from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from reconciliation import sending
from tests.reconciliation.books import CUSTOMER, Books, a_bill, a_notice

LEASE = timedelta(seconds=60)


@pytest.fixture
def queued(sound_books: Books) -> Books:
    """One notice before a debit, composed and due."""
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    compose(sound_books)
    return sound_books


def compose(books: Books) -> None:
    books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x' WHERE body IS NULL")))


def claim(books: Books, after: timedelta = timedelta(), limit: int = 10) -> list[Any]:
    found = books.run(
        lambda s: sending.claim(s, carrier="http", of_all=True, limit=limit, lease=LEASE, now=books.now + after)
    )
    return list(found)


def ask_again(books: Books, after: timedelta = timedelta()) -> list[Any]:
    return list(
        books.run(
            lambda s: sending.ask_again(s, carrier="http", remembers=None, limit=10, lease=LEASE, now=books.now + after)
        )
    )


def states(books: Books) -> list[str]:
    return [row[0] for row in books.rows("SELECT state FROM messages ORDER BY id")]


def sent(books: Books, one: Any, ref: str = "R1") -> None:
    books.run(lambda s: sending.sent(s, [(one.id, ref)], provider="http", now=books.now))


def receipt(books: Books, ref: str = "R1", request: str = "", delivered: bool = True, code: str = "000") -> bool:
    found: bool = books.run(
        lambda s: sending.receipt(
            s, provider="http", provider_ref=ref, request_id=request, delivered=delivered, code=code, now=books.now
        )
    )
    return found


def refuse(books: Books, one: Any, carrier: str, *others: str) -> None:
    books.run(lambda s: sending.refused(
        s, one.id, carrier=carrier, permanent=True, why="busy", again_at=books.now, now=books.now, others=others,
    ))  # fmt: skip


@pytest.mark.parametrize("permanent", [True, False])
def test_a_refusal_that_is_recorded_again_takes_nothing_from_the_carrier_that_is_asked_now(
    queued: Books, permanent: bool
) -> None:
    [one] = claim(queued)
    for _ in range(2):
        queued.run(lambda s: sending.refused(
            s, one.id, carrier="http", permanent=permanent, why="busy", again_at=queued.now, now=queued.now,
            others=["http", "smpp"],
        ))  # fmt: skip
        queued.run(lambda s: sending.claim(
            s, carrier="smpp", of_all=True, limit=10, lease=LEASE, now=queued.now
        ))  # fmt: skip
    assert queued.rows("SELECT state, carrier, attempts, refused_by FROM messages") == [
        ("sending", "smpp", 2, ["http"] if permanent else [])]  # fmt: skip


def test_a_refusal_of_one_try_says_nothing_of_the_next_by_the_same_carrier(queued: Books) -> None:
    for attempt in (1, 2):
        [one] = claim(queued)
        assert one.attempts == attempt
        queued.run(lambda s, one=one: sending.refused(
            s, one.id, carrier="http", permanent=False, why="busy", again_at=queued.now, now=queued.now, attempt=1,
        ))  # fmt: skip
    assert queued.rows("SELECT state, attempts FROM messages") == [("sending", 2)]


def test_a_message_is_claimed_sent_and_delivered(queued: Books) -> None:
    [one] = claim(queued)
    assert (one.body, one.msisdn_sealed, one.state) == ("x", b"sealed", "queued")
    assert claim(queued) == []
    sent(queued, one)
    assert receipt(queued)
    assert states(queued) == ["delivered"]
    assert queued.rows("SELECT provider_ref, sent_at = :now, delivered_at = :now FROM messages", now=queued.now) == [
        ("R1", True, True)]  # fmt: skip


def test_two_claimers_never_take_the_same_message(sound_books: Books) -> None:
    bills = [a_bill(f"HD{n:04}", code=f"{CUSTOMER}{n:05}", charge_on=date(2026, 11, 24), bank="standard")
             for n in range(60)]  # fmt: skip
    sound_books.issue(*bills)
    compose(sound_books)
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: claim(sound_books, limit=7), range(24)))
    taken = [one.id for batch in batches for one in batch]
    assert len(taken) == len(set(taken)) == 60
    assert sound_books.one("SELECT max(attempts) FROM messages") == 1


def test_nothing_is_claimed_before_it_is_composed(sound_books: Books) -> None:
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    assert claim(sound_books) == []
    assert states(sound_books) == ["queued"]


def test_a_notice_expires_when_the_day_of_the_debit_begins(queued: Books) -> None:
    after = timedelta(days=5, hours=15)
    assert claim(queued, after) == []
    assert queued.run(lambda s: sending.expire(s, now=queued.now + after)) == 1
    assert states(queued) == ["expired"]


@pytest.mark.parametrize("paid", [100_000, 40_000])
def test_nobody_who_has_paid_is_told_of_a_debit(queued: Books, paid: int) -> None:
    queued.hear(a_notice(minor=paid))
    assert claim(queued) == []
    assert states(queued)[0] == "withdrawn"


def test_a_clean_refusal_is_tried_again_later_and_one_for_good_is_not(queued: Books) -> None:
    for permanent, state in ((False, "queued"), (True, "failed")):
        [one] = claim(queued, timedelta(minutes=1))
        queued.run(lambda s, one=one, permanent=permanent: sending.refused(
            s, one.id, carrier="http", permanent=permanent, why="busy", again_at=queued.now + timedelta(minutes=1),
            now=queued.now,
        ))  # fmt: skip
        assert states(queued) == [state]
        assert claim(queued) == []


def test_what_was_being_sent_when_its_sender_died_is_unsure_not_sent_again(queued: Books) -> None:
    claim(queued)
    assert queued.run(lambda s: sending.lapse(s, now=queued.now + LEASE)) == 0
    assert queued.run(lambda s: sending.lapse(s, now=queued.now + 2 * LEASE)) == 1
    assert states(queued) == ["unsure"]
    assert claim(queued, 3 * LEASE) == []


def unsure(books: Books, one: Any) -> None:
    books.run(lambda s: sending.unsure(s, one.id, why="timed out", again_at=books.now + LEASE, now=books.now))


def test_an_unsure_one_is_repeated_under_its_own_key_a_few_times(queued: Books) -> None:
    [one] = claim(queued)
    unsure(queued, one)
    assert ask_again(queued) == [], "not at once"
    asked = [ask_again(queued, timedelta(minutes=2 * number)) for number in range(1, 9)]
    assert [batch[0].request_id for batch in asked if batch] == [one.request_id] * 4
    [row] = queued.rows("SELECT state, attempts FROM messages")
    assert row == ("unsure", 5)


def test_an_unsure_notice_is_not_repeated_after_the_debit_or_to_a_payer(queued: Books) -> None:
    [one] = claim(queued)
    unsure(queued, one)
    assert ask_again(queued, timedelta(days=6)) == []
    queued.hear(a_notice())
    assert ask_again(queued, timedelta(hours=1)) == []


def test_a_receipt_that_overtakes_the_answer_stands(queued: Books) -> None:
    [one] = claim(queued)
    assert receipt(queued, "R1", request=one.request_id)
    assert states(queued) == ["delivered"]
    sent(queued, one)
    assert states(queued) == ["delivered"]


def test_a_time_out_after_the_receipt_changes_nothing(queued: Books) -> None:
    [one] = claim(queued)
    receipt(queued, "R1", request=one.request_id)
    unsure(queued, one)
    refuse(queued, one, "http")
    assert queued.rows("SELECT state, reason FROM messages") == [("delivered", "")]


def test_a_receipt_settles_what_was_unsure(queued: Books) -> None:
    [one] = claim(queued)
    unsure(queued, one)
    assert receipt(queued, "R7", request=one.request_id, delivered=False)
    assert queued.rows("SELECT state, provider_ref, delivered_at FROM messages") == [("undelivered", "R7", None)]


def test_the_first_final_word_stands(queued: Books) -> None:
    [one] = claim(queued)
    sent(queued, one)
    for delivered in (True, True, False):
        assert receipt(queued, delivered=delivered)
    assert states(queued) == ["delivered"]
    assert queued.one("SELECT count(*) FROM transitions WHERE kind = 'message'") == 3


def test_a_receipt_for_nothing_of_ours_is_said_to_be_so(queued: Books) -> None:
    assert receipt(queued, "unknown", request="not-a-uuid") is False


def test_confirmations_are_not_withdrawn_with_the_bill_but_expire(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    compose(sound_books)
    assert [one.body for one in claim(sound_books)] == ["x"]
    sound_books.hear(a_notice("T2", minor=5, code="", customer_code=CUSTOMER))
    assert sound_books.one("SELECT count(*) FROM messages") == 1, "what settles nothing is not confirmed"


def test_what_is_ended_stands_in_the_way_of_nothing_behind_it(sound_books: Books) -> None:
    for number in range(1, 5):
        sound_books.issue(
            a_bill(
                number=f"HD-{number}",
                payment_code=f"PA000000000012{number}126",
                charge_on=date(2026, 11, 24),
                bank="standard",
            )
        )
    compose(sound_books)
    sound_books.run(lambda s: s.execute(text("UPDATE messages SET not_after = :now WHERE id IN (SELECT id FROM messages"
                                             " ORDER BY id LIMIT 3)"), {"now": sound_books.now}))  # fmt: skip
    assert len(claim(sound_books, limit=2)) == 1
    assert states(sound_books) == ["queued"] * 3 + ["sending"]
    sound_books.run(lambda s: sending.expire(s, now=sound_books.now))
    assert states(sound_books) == ["expired"] * 3 + ["sending"]


def test_what_waits_to_be_tried_again_expires_in_time_as_well(queued: Books) -> None:
    [one] = claim(queued)
    queued.run(lambda s: sending.refused(
        s, one.id, carrier="http", permanent=False, why="busy", again_at=queued.now + timedelta(days=9), now=queued.now,
    ))  # fmt: skip
    assert queued.run(lambda s: sending.expire(s, now=queued.now)) == 0
    assert queued.run(lambda s: sending.expire(s, now=queued.now + timedelta(days=7))) == 1
    assert states(queued) == ["expired"]
