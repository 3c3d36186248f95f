"""What a customer wishes: nothing of what they refuse leaves, and who refuses notices is not debited by surprise."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciliation import sending, sms_wishes
from reconciliation.sms_wishes import MAY_BE_REFUSED, NotWished, Wishes
from tests.reconciliation.books import CUSTOMER, Books, a_bill, a_notice
from tests.reconciliation.debits_made import CHARGE_ON, customer_of, issue, propose, reasons

WORDS: dict[str, Any] = {"by": "mai", "why": "they asked"}


def do(books: Books, act: Callable[..., Wishes], *given: str, **more: Any) -> Wishes:
    done: Wishes = books.run(lambda session: act(session, *given, **WORDS, **more, now=books.now))
    return done


def leave(books: Books) -> list[str]:
    books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x' WHERE body IS NULL")))
    taken = books.run(lambda session: sending.claim(
        session, carrier="http", of_all=True, limit=10, lease=timedelta(minutes=1), now=books.now))  # fmt: skip
    return [
        row[0] for row in books.rows("SELECT event FROM messages WHERE id = ANY(:ids)", ids=[one.id for one in taken])
    ]


@pytest.fixture
def paid(sound_books: Books) -> Books:
    """A notice and a confirmation, both queued."""
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    sound_books.issue(a_bill("HD0002", code=f"{CUSTOMER}21126"))
    sound_books.hear(a_notice("T1", code=f"{CUSTOMER}21126"))
    return sound_books


def test_what_is_refused_is_withdrawn_and_the_rest_leaves(paid: Books) -> None:
    assert do(paid, sms_wishes.refuse, CUSTOMER, "payment_recorded").refused == {"payment_recorded"}
    assert leave(paid) == ["before_debit"]
    assert paid.rows("SELECT state FROM messages WHERE event = 'payment_recorded'") == [("withdrawn",)]


def test_what_is_refused_is_not_promised_until_it_is_allowed(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    do(sound_books, sms_wishes.refuse, CUSTOMER, "payment_recorded")
    sound_books.hear(a_notice("T1", 40_000))
    do(sound_books, sms_wishes.allow, CUSTOMER, "payment_recorded")
    sound_books.hear(a_notice("T2", 60_000))
    assert leave(sound_books) == ["payment_recorded"]


def test_who_refuses_notices_is_not_debited(sound_books: Books) -> None:
    issue(sound_books, 1)
    do(sound_books, sms_wishes.refuse, customer_of(1), "before_debit")
    later = a_bill("HD0009", code=f"{customer_of(1)}21126", customer_code=customer_of(1), bank="standard",
                   charge_on=CHARGE_ON)  # fmt: skip
    sound_books.issue(later)
    sound_books.now += timedelta(days=2)
    assert propose(sound_books).debits == 1, "the one of which they were told before"
    assert reasons(sound_books) == [("unreachable", 1)]


@pytest.mark.parametrize("event", MAY_BE_REFUSED)
def test_a_wish_is_noted_once_with_who_and_why(sound_books: Books, event: str) -> None:
    sound_books.issue(a_bill())
    do(sound_books, sms_wishes.refuse, CUSTOMER, event)
    with pytest.raises(NotWished, match="refused already"):
        do(sound_books, sms_wishes.refuse, CUSTOMER, event)
    do(sound_books, sms_wishes.allow, CUSTOMER, event)
    with pytest.raises(NotWished, match=r"expected an event that .* has refused"):
        do(sound_books, sms_wishes.allow, CUSTOMER, event)
    assert (
        sound_books.rows("SELECT actor, facts->>'why' FROM audit WHERE action = 'sms_wishes'")
        == [("mai", "they asked")] * 2
    )


def test_what_can_t_be_refused_or_is_of_nobody_is_said(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    with pytest.raises(NotWished, match=r"expected an event of before_debit, .*, got 'mandate_code'"):
        do(sound_books, sms_wishes.refuse, CUSTOMER, "mandate_code")
    with pytest.raises(NotWished, match="expected a customer we know, got 'PA9'"):
        do(sound_books, sms_wishes.write, "PA9", diacritics=True)
    with pytest.raises(IntegrityError, match="ck_customers_refused"):
        sound_books.run(lambda session: session.execute(text("UPDATE customers SET refused = '{mandate_code}'")))
