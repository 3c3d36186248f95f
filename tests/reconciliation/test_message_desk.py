"""People's words on messages: an unsure one resolved, one sent again, and what of that is refused."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from reconciliation import message_desk, sending
from reconciliation.message_desk import NotSaid
from tests.reconciliation.books import Books, a_bill, a_notice

HOUR = timedelta(hours=1)


@pytest.fixture
def unsure(sound_books: Books) -> Books:
    """A notice before a debit of which nobody knows whether it left."""
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    send(sound_books)
    return sound_books


def send(books: Books) -> None:
    books.run(lambda s: s.execute(text("UPDATE messages SET body = 'x' WHERE body IS NULL")))
    [one] = books.run(lambda s: sending.claim(s, carrier="esms", of_all=True, limit=10, lease=HOUR, now=books.now))
    books.run(lambda s: sending.unsure(s, one.id, why="timed out", again_at=books.now, now=books.now))


def newest(books: Books) -> tuple[Any, ...]:
    found: tuple[Any, ...] = books.rows("SELECT id, state, version FROM messages ORDER BY id DESC LIMIT 1")[0]
    return found


def resolve(books: Books, *, arrived: bool, why: str = "asked the carrier") -> None:
    number = newest(books)[0]
    books.run(lambda s: message_desk.resolve(s, number, arrived=arrived, by="lan", why=why, now=books.now + HOUR))


def again(books: Books, why: str = "ticket 1207", after: timedelta = 2 * HOUR) -> int:
    number = newest(books)[0]
    made: int = books.run(lambda s: message_desk.send_again(s, number, by="lan", why=why, now=books.now + after))
    return made


def refusal(act: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(NotSaid) as refused:
        act(*args, **named)
    return refused.value.code


@pytest.mark.parametrize(("arrived", "state"), [(True, "delivered"), (False, "failed")])
def test_a_person_resolves_an_unsure_one_and_it_is_kept_who_and_why(unsure: Books, arrived: bool, state: str) -> None:
    resolve(unsure, arrived=arrived)
    assert unsure.rows("SELECT state, sent_at = :now FROM messages", now=unsure.now) == [
        (state, True if arrived else None)]  # fmt: skip
    assert unsure.rows("SELECT by, why FROM transitions WHERE to_state = :state", state=state) == [
        ("lan", "asked the carrier")]  # fmt: skip
    assert unsure.rows("SELECT actor, facts->>'why' FROM audit WHERE action = 'message.resolved'") == [
        ("lan", "asked the carrier")]  # fmt: skip
    assert refusal(resolve, unsure, arrived=True) == "not_unsure", "the first word stands"


def test_what_did_not_arrive_is_sent_again_as_a_new_version_under_a_new_key(unsure: Books) -> None:
    assert refusal(again, unsure) == "not_over", "first somebody says what became of it"
    resolve(unsure, arrived=False)
    made = again(unsure)
    assert newest(unsure) == (made, "queued", 2)
    assert unsure.rows(
        "SELECT n.event_key = o.event_key, n.request_id = o.request_id, n.facts = o.facts, n.not_after = o.not_after,"
        " n.reason, n.carrier FROM messages n JOIN messages o ON o.id = n.resent_of"
    ) == [(True, False, True, True, "sent again: ticket 1207", None)]
    assert refusal(again, unsure) == "not_over"
    send(unsure)
    resolve(unsure, arrived=True)
    assert again(unsure) > made, "and once more, with a reason"


def test_one_is_not_repeated_while_another_of_its_event_is_under_way(unsure: Books) -> None:
    resolve(unsure, arrived=False)
    first = newest(unsure)[0]
    again(unsure)
    with pytest.raises(NotSaid, match="waiting"):
        unsure.run(lambda s: message_desk.send_again(s, first, by="lan", why="x", now=unsure.now))


def test_a_word_needs_a_reason_and_a_message(unsure: Books) -> None:
    assert refusal(resolve, unsure, arrived=True, why="") == "no_reason"
    with pytest.raises(NotSaid, match="gone"):
        unsure.run(lambda s: message_desk.resolve(s, 10**9, arrived=True, by="lan", why="x", now=unsure.now))


def test_nothing_that_is_no_longer_so_is_said_again(unsure: Books) -> None:
    resolve(unsure, arrived=False)
    assert refusal(again, unsure, after=timedelta(days=7)) == "late"
    unsure.run(lambda s: s.execute(text("UPDATE customers SET consent = false")))
    assert refusal(again, unsure) == "not_to_be_told"


def test_a_payer_is_not_dunned_again(unsure: Books) -> None:
    resolve(unsure, arrived=False)
    first = newest(unsure)[0]
    unsure.hear(a_notice())
    with pytest.raises(NotSaid, match="untrue"):
        unsure.run(lambda s: message_desk.send_again(s, first, by="lan", why="x", now=unsure.now))


def test_a_confirmation_is_said_again_only_while_it_holds(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    send(sound_books)
    resolve(sound_books, arrived=True)
    assert again(sound_books) == newest(sound_books)[0]
    assert sound_books.rows("SELECT event, version FROM messages ORDER BY id") == [
        ("payment_recorded", 1), ("payment_recorded", 2)]  # fmt: skip
    send(sound_books)
    resolve(sound_books, arrived=True)
    assert sound_books.rows("SELECT count(*) FROM messages WHERE sent_at IS NOT NULL") == [(2,)], "and the proof holds"
