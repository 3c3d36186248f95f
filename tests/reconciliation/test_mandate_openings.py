"""Opening on real books: one open mandate a customer, a cap from the newest bill, other terms as another version."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from reconciliation import mandate_openings, mandates
from reconciliation.mandate_openings import Consent, Terms
from reconciliation.mandates import NotMoved
from tests.reconciliation.books import Books, a_bill

TERMS = Terms(b"sealed", b"h" * 16, "2233", b"holder", 1_500_000, date(2026, 11, 18), None)
CONSENT = Consent("TN-2026-11/vi", "web")


@pytest.fixture
def held(sound_books: Books) -> Books:
    sound_books.issue(a_bill(minor=320_000))
    return sound_books


def submit(books: Books, reference: str = "UQ1", **terms: Any) -> int:
    customer = books.one("SELECT min(id) FROM customers")
    made: int = books.run(
        lambda session: mandate_openings.submit(
            session, customer, TERMS._replace(**terms), CONSENT, bank="standard", reference=reference, by="customer",
            now=books.now,
        )
    )  # fmt: skip
    return made


def renew(books: Books, mandate: int, **terms: Any) -> int:
    changed = TERMS._replace(**terms)
    made: int = books.run(
        lambda session: mandate_openings.renew(session, mandate, changed, CONSENT, by="mai", now=books.now)
    )
    return made


def act(books: Books, mandate: int, name: str) -> None:
    books.run(lambda session: mandates.carry_out(session, mandate, name, by="chau", why="said so", now=books.now))


def test_the_cap_proposed_is_three_bills_rounded_up(books: Books) -> None:
    wanted = ((1, 500_000), (166_666, 500_000), (166_667, 1_000_000), (844_960, 3_000_000))
    customer = 0
    for version, (minor, cap) in enumerate(wanted, 1):
        books.issue(a_bill(minor=minor, version=version))
        books.issue(a_bill("HD0000", minor * 9, "OLD", issued_on=date(2026, 10, 16), version=version))
        customer = books.one("SELECT min(id) FROM customers")
        assert books.run(lambda session, one=customer: mandate_openings.proposed_cap(session, one)) == cap
    assert books.run(lambda session: mandate_openings.proposed_cap(session, customer + 1)) == 500_000


def test_of_many_browsers_one_opens_a_mandate(held: Books) -> None:
    def open_one(number: int) -> str:
        try:
            return str(submit(held, f"UQ{number}"))
        except NotMoved as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(open_one, range(6)))
    assert len([one for one in answers if one.isdigit()]) == 1
    refused = next(one for one in answers if not one.isdigit())
    assert refused.startswith("expected a customer without an open mandate, got one with mandate ")
    assert refused.endswith("which is submitted; end that first")
    assert held.one("SELECT count(*) FROM mandates") == 1


def test_other_terms_are_another_version_and_the_first_one_stays(held: Books) -> None:
    one = submit(held)
    assert renew(held, one, cap_minor=2_000_000) == 2
    act(held, one, "confirm")
    assert renew(held, one, valid_to=date(2027, 1, 31)) == 3
    assert held.rows("SELECT version, cap_minor, valid_to FROM mandate_versions ORDER BY version") == [
        (1, 1_500_000, None), (2, 2_000_000, None), (3, 1_500_000, date(2027, 1, 31)),
    ]  # fmt: skip
    assert [row[0] for row in held.rows("SELECT action FROM audit ORDER BY id")] == [
        "mandate_opened", "mandate_renewed", "mandate_confirmed", "mandate_renewed",
    ]  # fmt: skip


def test_what_changes_nothing_or_comes_too_late_is_refused_in_words(held: Books) -> None:
    one = submit(held)
    for terms, said in (
        ({}, "expected another account, cap or validity, got the terms as they are"),
        ({"valid_to": date(2026, 11, 17)}, "expected a last day from 2026-11-18 on, got 2026-11-17"),
    ):
        with pytest.raises(NotMoved, match=said):
            renew(held, one, **terms)
    act(held, one, "refuse")
    with pytest.raises(NotMoved, match="expected a mandate that is not over, got one that is refused"):
        renew(held, one, cap_minor=1)
    with pytest.raises(NotMoved, match="expected the number of a mandate, got 99"):
        renew(held, 99, cap_minor=1)
    assert submit(held, "UQ2") > one, "after a refusal another one is opened"
