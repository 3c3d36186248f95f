from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import inbox, issuing
from reconciliation.issuing import BillsRefused, Issued
from tests.reconciliation.books import (
    CODE,
    CUSTOMER,
    OTHER_CODE,
    OTHER_CUSTOMER,
    Books,
    a_bill,
    a_line,
    a_notice,
    at,
)

SECOND = {"code": OTHER_CODE, "customer_code": OTHER_CUSTOMER}


def test_bills_are_booked_once_however_often_they_are_imported(sound_books: Books) -> None:
    bills = (a_bill(), a_bill("HD0002", 50_000, **SECOND))
    assert sound_books.issue(*bills) == Issued(new=2)
    assert sound_books.issue(*bills) == Issued(unchanged=2)
    assert sound_books.balances() == {"receivable": 150_000, "revenue": -150_000}
    assert sound_books.one("SELECT count(*) FROM entries") == 2
    assert sound_books.issue() == Issued()


def test_an_old_import_taken_in_again_does_not_bring_an_old_phone_back(sound_books: Books) -> None:
    sound_books.issue(a_bill(phone_hash=b"old", phone_tail="111"))
    newer = a_bill("HD0002", code=CUSTOMER + "21126", phone_hash=b"new", phone_tail="222")
    sound_books.issue(newer)
    sound_books.issue(a_bill(phone_hash=b"old", phone_tail="111"))
    assert sound_books.rows("SELECT msisdn_tail FROM customers") == [("222",)]


def test_a_batch_of_two_bills_of_one_customer_keeps_the_latest_word(sound_books: Books) -> None:
    sound_books.issue(
        a_bill(issued_on=date(2026, 11, 2), office="OLD"),
        a_bill("HD0002", code=CUSTOMER + "21126", issued_on=date(2026, 11, 16), office="NEW"),
    )
    assert sound_books.rows("SELECT office FROM customers") == [("NEW",)]


@pytest.mark.parametrize(
    ("bills", "says"),
    [
        ([a_bill(minor=100_001, place="line 7")], "line 7: bill HD0001 version 1 is known with other content"),
        ([a_bill(kwh=51)], "is known with other content; expected version 2"),
        ([a_bill(due_on=date(2026, 12, 1))], "is known with other content"),
        ([a_bill("HD0002", code=CODE, customer_code=OTHER_CUSTOMER)], f"payment code {CODE} belongs to bill HD0001"),
        ([a_bill("HD0002", **SECOND), a_bill("HD0003", **SECOND)], f"payment code {OTHER_CODE} stands for bill HD0002"),
        ([a_bill("HD0002", **SECOND), a_bill("HD0002", place="line X", **SECOND)], "line X: bill HD0002 stands in"),
        ([a_bill(version=2), a_bill(version=3)], "expected one new version in an import"),
        ([a_bill(version=2, customer_code=OTHER_CUSTOMER)], f"belongs to customer {CUSTOMER}, got {OTHER_CUSTOMER}"),
        ([a_bill("HD0002", charge_minor=1, place="line 4", **SECOND)], "line 4: bill HD0002: expected an amount"),
        ([a_bill("HD0002", 0, place="line 4", **SECOND)], "line 4: bill HD0002: expected an amount"),
        ([a_bill("HD0002", kwh=-1, place="line 4", **SECOND)], "line 4: bill HD0002: expected"),
    ],
)  # fmt: skip
def test_a_bill_that_contradicts_what_is_known_is_named_and_nothing_changes(
    sound_books: Books, bills: list[issuing.BillIn], says: str
) -> None:
    sound_books.issue(a_bill())
    good = a_bill("HD0099", code="GOOD00000099", place="line 1", customer_code="PA00000000099")
    with pytest.raises(BillsRefused) as refused:
        sound_books.issue(good, *bills)
    assert any(says in problem for problem in refused.value.problems), refused.value.problems
    assert not any("line 1:" in problem for problem in refused.value.problems), "the good one is not blamed"
    assert sound_books.rows("SELECT number, version, minor FROM bills") == [("HD0001", 1, 100_000)]
    assert sound_books.one("SELECT count(*) FROM customers") == 1


def test_an_older_version_behind_a_newer_one_is_refused(sound_books: Books) -> None:
    sound_books.issue(a_bill(version=2))
    with pytest.raises(BillsRefused, match="has version 2 already; expected a later one, got 1"):
        sound_books.issue(a_bill())


@pytest.mark.parametrize(("paid", "state"), [(0, "open"), (40_000, "part_paid"), (100_000, "paid")])
def test_a_newer_version_supersedes_the_one_before(sound_books: Books, paid: int, state: str) -> None:
    sound_books.issue(a_bill())
    if paid:
        sound_books.hear(a_notice(minor=paid))
    assert sound_books.paid() == (state, paid)
    assert sound_books.issue(a_bill(version=2, minor=70_000)) == Issued(replaced=1, matched=int(bool(paid)))
    assert sound_books.rows("SELECT version, state FROM bills ORDER BY 1")[0] == (1, "replaced")
    assert sound_books.paid()[1] == min(paid, 70_000)
    balances = sound_books.balances()
    assert balances["revenue"] == -70_000
    assert balances.get("receivable", 0) == 70_000 - min(paid, 70_000)


def test_the_known_version_and_its_successor_may_come_in_one_import(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    assert sound_books.issue(a_bill(), a_bill(version=2, minor=70_000)) == Issued(replaced=1, unchanged=1)


def test_versions_may_be_skipped_and_a_code_may_move_on(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.issue(a_bill(version=4, code=OTHER_CODE))
    assert sound_books.issue(a_bill("HD0002", code=CODE)).new == 1, "the code of a replaced bill is free"


def test_a_notice_is_promised_and_taken_back_when_the_bill_is_replaced(sound_books: Books) -> None:
    debit = {"charge_on": date(2026, 11, 24), "bank": "standard"}
    sound_books.issue(a_bill(**debit))
    sound_books.issue(a_bill(version=2, minor=70_000, **debit))
    assert sound_books.rows("SELECT version, state FROM messages ORDER BY 1") == [(1, "withdrawn"), (2, "queued")]
    assert sound_books.one("SELECT facts ->> 'amount' FROM messages WHERE version = 2") == "70000"


@pytest.mark.parametrize(
    "without", [{"consent": False}, {"phone_sealed": None, "phone_hash": None}, {"bank": ""}, {"charge_on": None}]
)
def test_nobody_is_told_who_cannot_or_will_not_hear_or_is_not_debited(
    sound_books: Books, without: dict[str, object]
) -> None:
    sound_books.issue(a_bill(**{"charge_on": date(2026, 11, 24), "bank": "standard", **without}))
    assert sound_books.one("SELECT count(*) FROM messages") == 0


def test_a_bill_paid_in_advance_is_not_announced(sound_books: Books) -> None:
    sound_books.hear(a_notice())
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    assert sound_books.rows("SELECT event, state FROM messages ORDER BY 1") == [
        ("before_debit", "withdrawn"), ("payment_recorded", "queued")]  # fmt: skip


def test_a_withdrawn_bill_is_unbooked_once_and_not_withdrawn_again_as_something_else(sound_books: Books) -> None:
    sound_books.issue(a_bill())

    def withdraw(session: Session, to: str) -> list[int]:
        ids = list(session.connection().exec_driver_sql("SELECT id FROM bills").scalars())
        return issuing.withdraw(session, ids, to=to, by="lan", why="misread", now=sound_books.now)

    for to in ("cancelled", "replaced", "cancelled"):
        sound_books.run(lambda session, to=to: withdraw(session, to))
    assert sound_books.paid() == ("cancelled", 0)
    assert sound_books.balances() == {}


def test_the_same_import_twice_at_once_issues_once(sound_books: Books) -> None:
    bills = [a_bill(f"HD{n:04}", code=f"{CUSTOMER}{n:05}") for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sound_books.issue(*bills), range(4)))
    assert sorted(one.new for one in done) == [0, 0, 0, 20]


def told_anew(books: Books) -> None:
    books.hear(a_notice(bank_reference="B1"))
    books.run(lambda session: inbox.finish(session, [books.delivery()], "read", reason="", now=books.now))


MEANWHILE: dict[str, tuple[Callable[[Books], object], Callable[[Books], object]]] = {
    "a payment is heard": (lambda books: None, lambda books: books.hear(a_notice())),
    "a payment that only quotes the customer is heard": (
        lambda books: None, lambda books: books.hear(a_notice(code="", customer_code=CUSTOMER)),
    ),
    "a statement's line tells the code of a payment heard before": (
        lambda books: books.hear(a_notice(code="", bank_reference="B1")),
        lambda books: books.read(a_line(reference="B1", narrative=CODE)),
    ),
    "a callback tells the code of a line read before": (lambda books: books.read(a_line(reference="B1")), told_anew),
    "nothing, it was heard before": (lambda books: books.hear(a_notice()), lambda books: None),
}  # fmt: skip


@pytest.mark.parametrize("what", MEANWHILE)
def test_payments_go_on_while_an_import_is_under_way_and_find_their_bill_in_the_end(
    sound_books: Books, what: str
) -> None:
    before, meanwhile = MEANWHILE[what]
    before(sound_books)
    with Session(sound_books.engine) as session, session.begin():
        session.execute(text("SET LOCAL lock_timeout = '5s'"))
        whole = issuing.Import(session)
        whole.add([a_bill()], now=sound_books.now)
        meanwhile(sound_books)
        whole.add([a_bill("HD0002", **SECOND)], now=sound_books.now)
        assert whole.finish(now=sound_books.now) == Issued(matched=1)
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.asked() == []


def test_a_bill_may_be_paid_until_the_import_that_replaces_it_ends(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(minor=60_000))
    with Session(sound_books.engine) as session, session.begin():
        whole = issuing.Import(session)
        assert whole.add([a_bill(version=2, minor=80_000)], now=sound_books.now) == Issued()
        sound_books.hear(a_notice("T2", 40_000, paid_at=at(2)))
        assert whole.finish(now=sound_books.now) == Issued(replaced=1, matched=2)
    assert sound_books.matched() == {"T1": 60_000, "T2": 20_000}
    assert sound_books.paid() == ("paid", 80_000)


def test_one_import_waits_for_another(sound_books: Books) -> None:
    with Session(sound_books.engine) as session, session.begin():
        issuing.Import(session).add([a_bill()], now=sound_books.now)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(sound_books.issue, a_bill())
            with pytest.raises(TimeoutError):
                other.result(0.3)
            session.commit()
            assert other.result(10) == Issued(unchanged=1)
