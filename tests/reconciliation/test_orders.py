"""All arrival orders of the same facts converge to the same books: invariant 10, played in many random orders."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from itertools import permutations
from random import Random

import pytest

from banks.records import StatementLine
from reconciliation.issuing import BillsRefused
from tests.reconciliation.books import (
    CODE,
    CUSTOMER,
    DAY,
    OTHER_CODE,
    OTHER_CUSTOMER,
    Books,
    a_bill,
    a_line,
    a_notice,
    at,
)

pytestmark = pytest.mark.usefixtures("planned_once")
# Each run has its own bills and references, so that many runs share one database and none meets another. Fifty orders
# of many facts: the corpus plays two hundred orders of each of its cases, and STORIES below come in every order.
STORY_COUNT, RUNS = 2, 26


def facts(books: Books, run: int) -> dict[str, Callable[[], object]]:
    """Two bills (one corrected), five payments by two doors and two banks, statements of two days, one re-sent."""
    n = f"{700 + run}"
    bank, wallet = f"bank{n}", f"wallet{n}"
    customer, other = CUSTOMER[:-4] + "1" + n, OTHER_CUSTOMER[:-4] + "2" + n
    code, second = customer + "11126", other + "11126"
    debt = a_bill(f"HD{n}A", 100_000, code, customer_code=customer)
    lines = (
        a_line(100_000, f"B1{n}", f"tt {code}"),
        a_line(50_000, f"B2{n}"),
        a_line(30_000, f"B3{n}", f"tra {second}"),
        a_line(70_000, f"B4{n}", "khong ro"),
    )

    def corrected() -> None:
        # An older version behind a newer one is refused: the newer one is what is owed in either order.
        books.issue(a_bill(f"HD{n}A", 120_000, code, customer_code=customer, version=2))

    def first() -> None:
        with suppress(BillsRefused):
            books.issue(debt)

    return {
        "bill A": first,
        "bill A corrected": corrected,
        "bill B": lambda: books.issue(a_bill(f"HD{n}B", 80_000, second, customer_code=other)),
        "A paid at the bank": lambda: books.hear(
            a_notice(f"P1{n}", 100_000, code, bank_reference=f"B1{n}", paid_at=at(1)), source=bank
        ),
        "A paid in part by wallet, earlier": lambda: books.hear(
            a_notice(f"W1{n}", 60_000, code, paid_at=at(0)), source=wallet
        ),
        "B paid in part": lambda: books.hear(
            a_notice(f"P2{n}", 50_000, second, bank_reference=f"B2{n}", paid_at=at(2)), source=bank
        ),
        "B paid in part once more": lambda: books.hear(
            a_notice(f"P3{n}", 30_000, "", bank_reference=f"B3{n}", paid_at=at(3)), source=bank
        ),
        "B paid again": lambda: books.hear(a_notice(f"W2{n}", 80_000, second, paid_at=at(4)), source=wallet),
        "the same callback again": lambda: books.hear(
            a_notice(f"P1{n}", 100_000, code, bank_reference=f"B1{n}", paid_at=at(1)), source=bank
        ),
        "today's statement": lambda: books.read(*lines[:2], opening=0, id=f"S1{n}", bank=bank),
        "today's statement re-sent": lambda: books.read(*lines[:2], opening=0, id=f"S1{n}", bank=bank),
        "tomorrow's statement": lambda: books.read(
            *lines[2:], opening=150_000, id=f"S2{n}", bank=bank, on=DAY + timedelta(days=1)
        ),
        "the day's notice": lambda: books.read(*lines[:3], id=f"N1{n}", bank=bank, kind="notice"),
    }


def outcome(books: Books, run: int) -> dict[str, list[tuple[object, ...]]]:
    """The books of one run, without the ids and names that tell runs apart."""
    n = f"{700 + run}"

    def plain(value: object) -> object:
        return value.replace(n, "") if isinstance(value, str) else value

    def rows(query: str) -> list[tuple[object, ...]]:
        found = books.rows(query, like=f"%{n}%", bank=f"bank{n}", wallet=f"wallet{n}")
        return sorted((tuple(map(plain, row)) for row in found), key=repr)

    name = "CASE WHEN p.source_reference LIKE 'line:%' THEN 'line ' || p.bank_reference ELSE p.source_reference END"
    return {
        "bills": rows(
            "SELECT number, state, minor, paid_minor FROM bills WHERE number LIKE :like AND state <> 'replaced'"
        ),
        "payments": rows(
            f"SELECT {name}, p.minor, matched_minor, confirmed_minor, state, business_date::text,"
            " ARRAY(SELECT unnest(quoted) ORDER BY 1)::text, bank_reference"
            " FROM payments p WHERE source IN (:bank, :wallet)"
        ),
        "questions": rows(
            f"SELECT m.code, {name} FROM mismatches m JOIN payments p ON p.id = m.payment_id"
            " WHERE m.state <> 'resolved' AND p.source IN (:bank, :wallet)"
        ),
        "accounts of the banks": rows(
            "SELECT account, sum(minor)::bigint FROM postings WHERE account LIKE '%' || :bank || '%'"
            " OR account LIKE '%' || :wallet || '%' GROUP BY 1 HAVING sum(minor) <> 0"
        ),
        "statements": rows("SELECT statement_id, kind, state FROM statements WHERE bank = :bank"),
        "told twice, or matched and not told": rows(
            "SELECT count(*)::text FROM payments p LEFT JOIN messages m ON p.id = m.payment_id"
            " AND m.state <> 'withdrawn'"
            " WHERE p.source IN (:bank, :wallet) AND p.matched_minor > 0 GROUP BY p.id HAVING count(m.id) <> 1"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("story", range(STORY_COUNT))
def test_every_order_of_the_same_facts_ends_in_the_same_books(sound_books: Books, story: int) -> None:
    random = Random(20261118 + story)
    expected, played = None, []
    for run in range(RUNS):
        acts = list(facts(sound_books, run).items())
        if run:
            random.shuffle(acts)
        for _, act in acts:
            act()
        found = outcome(sound_books, run)
        played = [name for name, _ in acts]
        if expected is None:
            expected = found
            assert found["bills"] == [("HDA", "paid", 120_000, 120_000), ("HDB", "paid", 80_000, 80_000)]
        other = {what: set(rows) ^ set(expected[what]) for what, rows in found.items() if rows != expected[what]}
        assert not other, f"after {played}: {other}"
        if not run % 10:
            assert sound_books.broken() == [], played


Act = Callable[[Books], object]
NEXT_CODE = CUSTOMER + "11226"


def issues(number: str = "HD0001", minor: int = 100_000, code: str = CODE, **more: object) -> Act:
    return lambda books: books.issue(a_bill(number, minor, code, **more))


def hears(reference: str = "T1", minor: int = 100_000, code: str = "", **more: object) -> Act:
    return lambda books: books.hear(a_notice(reference, minor, code, **more))


def guesses(reference: str = "T1", minor: int = 100_000, **more: object) -> Act:
    return hears(reference, minor, customer_code=CUSTOMER, **more)


def reads(*lines: StatementLine) -> Act:
    return lambda books: books.read(*lines, opening=0)


def notices(*lines: StatementLine) -> Act:
    return lambda books: books.read(*lines, id="N1", kind="notice")


def plain(name: str) -> str:
    return "line" if name.startswith("line:") else name


A, B = issues(), issues("HD0002", code=NEXT_CODE)
OTHERS = issues("HD0009", 70_000, OTHER_CODE, customer_code=OTHER_CUSTOMER)
PAID, OPEN = ("paid", 100_000), ("open", 0)

Told = tuple[list[Act], dict[str, tuple[str, int]], dict[str, int], set[tuple[str, str]]]
# facts → what each bill comes to, what each payment settles, what is asked
STORIES: dict[str, Told] = {
    "a payment that names a bill issued last": (
        [A, OTHERS, hears(code=CODE, narrative="HD0009")],
        {"HD0001": OPEN, "HD0009": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
    "a payment that names a customer known last": (
        [A, OTHERS, hears(code=CODE, narrative=OTHER_CUSTOMER)],
        {"HD0001": OPEN, "HD0009": OPEN}, {"T1": 0}, {("M05", "T1")},
    ),
    "two bills over the amount of a guess": (
        [A, B, guesses()], {"HD0001": OPEN, "HD0002": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
    "two bills over the amount, one of them paid by its code": (
        [A, B, guesses(), hears("T2", code=NEXT_CODE)],
        {"HD0001": PAID, "HD0002": PAID}, {"T1": 100_000, "T2": 100_000}, set(),
    ),
    "a guess over what a part payment leaves": (
        [A, guesses(minor=60_000, paid_at=at(3)), hears("T2", 40_000, CODE)],
        {"HD0001": PAID}, {"T1": 60_000, "T2": 40_000}, set(),
    ),
    "a guess at what was left before a second bill fitted as well": (
        [A, issues("HD0002", 60_000, NEXT_CODE), guesses(minor=60_000, paid_at=at(3)), hears("T2", 40_000, CODE)],
        {"HD0001": ("part_paid", 40_000), "HD0002": OPEN}, {"T1": 0, "T2": 40_000}, {("M12", "T1"), ("M03", "T2")},
    ),
    "next month's bill over the same amount": (
        [A, issues("HD0002", code=NEXT_CODE, issued_on=date(2026, 12, 16)), guesses(),
         guesses("T2", paid_at=at(1) + timedelta(days=30))],
        {"HD0001": PAID, "HD0002": PAID}, {"T1": 100_000, "T2": 100_000}, set(),
    ),
    "two guesses at one bill": (
        [A, guesses(), guesses("T2", paid_at=at(2))],
        {"HD0001": PAID}, {"T1": 100_000, "T2": 0}, {("M06", "T2")},
    ),
    "two guesses, two bills nobody can tell apart": (
        [A, B, guesses(), guesses("T2", paid_at=at(2))],
        {"HD0001": OPEN, "HD0002": OPEN}, {"T1": 0, "T2": 0}, {("M12", "T1"), ("M12", "T2")},
    ),
    "a guess whose own line names the bill": (
        [A, guesses(bank_reference="B1", paid_at=at(5)),
         hears("T2", code=CODE, paid_at=at(6), bank_reference="B2"),
         lambda books: books.read(a_line(reference="B1", narrative=CODE), opening=0)],
        {"HD0001": PAID}, {"T1": 100_000, "T2": 0}, {("M06", "T2")},
    ),
    "a callback and a line over two amounts": (
        [A, hears(minor=90_000, code=CODE, bank_reference="B1"), reads(a_line(reference="B1", narrative=CODE))],
        {"HD0001": PAID}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "a callback that told too much": (
        [A, hears(code=CODE, bank_reference="B1"), reads(a_line(90_000, "B1", CODE))],
        {"HD0001": ("part_paid", 90_000)}, {"T1": 90_000}, {("M03", "T1")},
    ),
    "two callbacks of one transaction over two amounts": (
        [A, hears(minor=90_000, code=CODE), hears(code=CODE)], {"HD0001": PAID}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "two callbacks over two amounts, and the statement says a third": (
        [A, hears(minor=90_000, bank_reference="B1"), hears(bank_reference="B1"), reads(a_line(95_000, "B1", CODE))],
        {"HD0001": ("part_paid", 95_000)}, {"T1": 95_000}, {("M03", "T1")},
    ),
    "a notice and a statement over two amounts": (
        [A, notices(a_line(90_000, "B1", CODE)), reads(a_line(100_000, "B1", CODE))],
        {"HD0001": PAID}, {"line": 100_000}, {("M03", "line")},
    ),
    "a notice, a callback and a statement over three amounts": (
        [A, notices(a_line(120_000, "B1", CODE)), hears(minor=90_000, bank_reference="B1"),
         reads(a_line(100_000, "B1", CODE))],
        {"HD0001": PAID}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "a notice and a callback over two amounts": (
        [A, notices(a_line(120_000, "B1", CODE)), hears(bank_reference="B1", code=CODE)],
        {"HD0001": PAID}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "two currencies under one reference": (
        [A, hears(minor=90_000, code=CODE, currency="USD"), hears(code=CODE)],
        {"HD0001": PAID}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "a callback and a line in two currencies": (
        [A, hears(minor=500, code=CODE, currency="USD", bank_reference="B1"), reads(a_line(100_000, "B1", CODE))],
        {"HD0001": PAID}, {"T1": 0, "line": 100_000}, {("M12", "T1")},
    ),
    "a line of money that comes back, and a callback under its reference": (
        [A, hears(code=CODE, bank_reference="B1"), reads(a_line(100_000, "B1", CODE, reversal=True))],
        {"HD0001": PAID}, {"T1": 100_000, "line": 0}, {("M09", "line")},
    ),
    "the code of a bill that never comes, and a bill over the same amount": (
        [issues("HD0002", code=NEXT_CODE), hears(code=CODE)], {"HD0002": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
}  # fmt: skip


def ends_in_the_same_books(books: Books, story: Told, *, most: int = 120) -> None:
    """Play the facts in every order, or in `most` of them, the written one first."""
    acts, bills, payments, questions = story
    balances: dict[str, int] = {}
    orders = list(permutations(range(len(acts))))
    for order in [orders[0], *Random(20261118).sample(orders[1:], min(most, len(orders)) - 1)]:
        books.clear()
        for number in order:
            acts[number](books)
        assert {number: books.paid(number) for number in bills} == bills, order
        assert {plain(name): minor for name, minor in books.matched().items()} == payments, order
        assert {(code, plain(about)) for code, about in books.open_questions()} == questions, order
        balances = balances or books.balances()
        assert books.balances() == balances, order
        assert books.broken() == [], order


@pytest.mark.parametrize("story", STORIES)
def test_each_order_of_a_few_facts_ends_in_the_same_books(books: Books, story: str) -> None:
    ends_in_the_same_books(books, STORIES[story])
