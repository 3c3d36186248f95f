from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from threading import Barrier, Thread

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from reconciliation import deciding, issuing, matching, payments
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
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "rule", "evidence"),
    [
        ({"code": "", "end_to_end_id": "HD0001-1"}, "end_to_end_id", "end-to-end id HD0001-1"),
        ({"code": CODE}, "payment_code", f"payment code {CODE}"),
        ({"code": "", "narrative": f"tien dien {CODE.lower()} cam on"}, "payment_code", f"payment code {CODE}"),
        ({"code": "", "narrative": "thanh toán hđ HD0001"}, "bill_number", "bill number HD0001"),
        ({"code": "", "customer_code": CUSTOMER}, "customer_amount", f"customer code {CUSTOMER}"),
    ],
)
def test_each_rule_matches_and_says_why(
    sound_books: Books, told: dict[str, str], rule: str, evidence: str
) -> None:  # fmt: skip
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(**told))
    assert sound_books.paid() == ("paid", 100_000)
    [(said, why, by)] = sound_books.rows("SELECT rule, evidence, by FROM allocations")
    assert (said, by) == (rule, "matching")
    assert evidence in why
    assert sound_books.asked() == []


def test_the_amount_alone_never_matches(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(code=""), a_notice("T2", code="", narrative="tien dien 100000"))
    assert sound_books.paid() == ("open", 0)
    assert sound_books.open_questions() == {("M12", "T1"), ("M12", "T2")}


def test_a_customer_code_with_another_amount_never_matches(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(code="", customer_code=CUSTOMER, minor=99_999))
    assert sound_books.paid() == ("open", 0)
    assert sound_books.open_questions() == {("M03", "T1")}


def test_a_part_payment_asks_and_the_rest_answers(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(minor=60_000))
    assert sound_books.paid() == ("part_paid", 60_000)
    assert sound_books.open_questions() == {("M03", "T1")}
    sound_books.hear(a_notice("T2", minor=40_000, paid_at=at(2)))
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.open_questions() == set()
    assert sound_books.rows("SELECT resolution FROM mismatches") == [("later facts settled it",)]


def test_what_is_paid_over_stays_in_suspense_and_asks(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(minor=130_000))
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.rows("SELECT code, minor FROM mismatches") == [("M03", 30_000)]
    assert sound_books.balances()["suspense"] == -30_000


@pytest.mark.parametrize(("source", "code"), [("standard", "M06"), ("vnpay", "M04")])
@pytest.mark.parametrize("first", ["T1", "T2"])
def test_the_earlier_paid_settles_whichever_is_heard_first(
    sound_books: Books, source: str, code: str, first: str
) -> None:
    sound_books.issue(a_bill())
    acts = {"T1": lambda: sound_books.hear(a_notice()),
            "T2": lambda: sound_books.hear(a_notice("T2", paid_at=at(2)), source=source)}  # fmt: skip
    acts.pop(first)()
    for act in acts.values():
        act()
    assert sound_books.matched() == {"T1": 100_000, "T2": 0}
    assert sound_books.open_questions() == {(code, "T2")}
    assert (
        sound_books.one("SELECT count(*) FROM messages WHERE payment_id IS NOT NULL GROUP BY payment_id LIMIT 1") == 1
    )
    assert sound_books.paid() == ("paid", 100_000)


def test_the_earlier_paid_settles_when_two_come_in_one_batch(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("A", paid_at=at(2)), a_notice("B", paid_at=at(1)))
    assert sound_books.matched() == {"A": 0, "B": 100_000}


def test_claims_over_parts_are_shared_out_in_the_order_paid_whatever_the_order_heard(books: Books) -> None:
    told = [a_notice("A", 50_000, paid_at=at(1)), a_notice("B", 60_000, paid_at=at(2)),
            a_notice("C", 30_000, paid_at=at(3))]  # fmt: skip
    seen = set()
    for number, order in enumerate(permutations(told)):
        bill = f"HD{number:04}"
        books.issue(a_bill(bill, code=f"{CUSTOMER}{number:05}"))
        for one in order:
            name = f"{one.source_reference}{number}"
            books.hear(replace(one, source_reference=name, payment_code=f"{CUSTOMER}{number:05}"))
        matched = {name[0]: minor for name, minor in books.matched().items() if name.endswith(str(number))}
        asked = {(code, name[0]) for code, name in books.open_questions() if name.endswith(str(number))}
        seen.add((tuple(sorted(matched.items())), tuple(sorted(asked)), books.paid(bill)))
    assert seen == {((("A", 50_000), ("B", 50_000), ("C", 0)), (("M03", "B"), ("M06", "C")), ("paid", 100_000))}
    assert books.broken() == []


def test_a_quoted_bill_comes_before_a_mere_amount(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("guess", code="", customer_code=CUSTOMER, paid_at=at(0)))
    assert sound_books.matched() == {"guess": 100_000}
    sound_books.hear(a_notice("proof", paid_at=at(5)))
    assert sound_books.matched() == {"guess": 0, "proof": 100_000}
    assert sound_books.open_questions() == {("M06", "guess")}


def test_a_workplace_that_has_grown_too_large_is_cleared(sound_books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "_OUTGROWN", "SELECT true")
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("one"))
    sound_books.hear(a_notice("two"))
    assert sound_books.matched() == {"one": 100_000, "two": 0}
    assert sound_books.open_questions() == {("M06", "two")}


def test_what_a_person_settled_stays(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("late", code="", paid_at=at(5)))
    sound_books.as_owner("UPDATE payments SET quoted = '{}'")

    def by_hand(session: Session) -> None:
        session.connection().exec_driver_sql(
            "INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at)"
            " SELECT p.id, b.id, 100000, 'by_hand', 'a receipt', 'lan', now() FROM payments p, bills b"
        )
        session.connection().exec_driver_sql(
            "INSERT INTO entries (key, bank, business_date, at, debit, credit, minor, currency)"
            " VALUES ('by-hand', 'standard', now(), now(), 'suspense', 'receivable', 100000, 'VND')"
        )
        ids = set(session.connection().exec_driver_sql("SELECT id FROM bills").scalars())
        matching.settle_bills(session, ids, why="by hand", now=sound_books.now)

    sound_books.run(by_hand)
    sound_books.hear(a_notice("early", paid_at=at(1)))
    assert sound_books.matched() == {"late": 100_000, "early": 0}
    assert ("M06", "early") in sound_books.open_questions()


AMBIGUOUS = {
    "two bills quoted": ({"code": CODE, "narrative": OTHER_CODE}, "M12"),
    "two customers quoted": ({"code": "", "customer_code": CUSTOMER, "narrative": OTHER_CUSTOMER}, "M12"),
    "two open bills over the amount": ({"code": "", "customer_code": CUSTOMER}, "M12"),
    "another customer beside the payment code": ({"code": CODE, "narrative": f"KH {OTHER_CUSTOMER}"}, "M05"),
    "an end-to-end id of another bill": ({"code": CODE, "end_to_end_id": "HD0009-1"}, "M12"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_is_ambiguous_or_contradicts_itself_goes_to_people(sound_books: Books, case: str) -> None:
    told, code = AMBIGUOUS[case]
    sound_books.issue(
        a_bill(), a_bill("HD0002", code=CUSTOMER + "21126"),
        a_bill("HD0009", code=OTHER_CODE, customer_code=OTHER_CUSTOMER),
    )  # fmt: skip
    sound_books.hear(a_notice(**told))
    assert sound_books.matched() == {"T1": 0}
    assert sound_books.open_questions() == {(code, "T1")}
    assert sound_books.facts_of(code)["candidates"]


@pytest.mark.parametrize("first", ["line", "callback"])
def test_evidence_that_grows_into_a_contradiction_undoes_the_match(sound_books: Books, first: str) -> None:
    sound_books.issue(a_bill(), a_bill("HD0009", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    acts = [lambda: sound_books.read(a_line(reference="B1", narrative=OTHER_CODE)),
            lambda: sound_books.hear(a_notice(bank_reference="B1"))]  # fmt: skip
    for act in acts if first == "line" else reversed(acts):
        act()
    assert sound_books.matched() == {"T1": 0}
    assert (sound_books.paid(), sound_books.paid("HD0009")) == (("open", 0), ("open", 0))
    assert sound_books.open_questions() == {("M12", "T1")}


def test_when_a_doubted_match_is_undone_the_next_claimant_takes_the_bill(sound_books: Books) -> None:
    sound_books.issue(a_bill(), a_bill("HD0009", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.hear(a_notice("T2", paid_at=at(2)))
    assert sound_books.open_questions() == {("M06", "T2")}
    sound_books.read(a_line(reference="B1", narrative=OTHER_CODE))
    assert sound_books.matched() == {"T1": 0, "T2": 100_000}
    assert sound_books.open_questions() == {("M12", "T1")}


@pytest.mark.parametrize("told", [{"code": CODE}, {"code": "", "end_to_end_id": "HD0001-1"}, {"code": "HD0001"},
                                  {"code": "", "customer_code": CUSTOMER}])  # fmt: skip
def test_a_payment_before_its_bill_finds_it_when_it_comes(sound_books: Books, told: dict[str, str]) -> None:
    sound_books.hear(a_notice(**told))
    assert sound_books.open_questions() == {("M12", "T1")}
    assert sound_books.issue(a_bill()).matched == 1
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.open_questions() == set()


def test_a_payment_and_its_bill_coming_at_the_same_moment_meet(sound_books: Books) -> None:
    """Neither transaction sees the other's row before it commits; one of them must wait for the other."""
    for number in range(12):
        code, ready = f"{CUSTOMER}{number:05}", Barrier(2)
        delivery = sound_books.delivery()

        def pay(code: str = code, ready: Barrier = ready, delivery: int = delivery) -> None:
            heard = payments.Heard("standard", delivery, a_notice(code, code=code))
            with Session(sound_books.engine) as session, session.begin():
                touched = payments.report(session, [heard], sealer=sound_books.sealer, now=sound_books.now)
                ready.wait(10)
                matching.match(session, touched, now=sound_books.now)

        thread = Thread(target=pay)
        with Session(sound_books.engine) as session, session.begin():
            issued = a_bill(f"HD{number:04}", code=code)
            thread.start()
            ready.wait(10)
            issuing.issue(session, [issued], now=sound_books.now)
        thread.join()
    assert sound_books.one("SELECT count(*) FROM bills WHERE state <> 'paid'") == 0


def test_a_replaced_bill_hands_its_payment_to_the_new_version(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    sound_books.issue(a_bill(version=2, kwh=40))
    assert sound_books.rows("SELECT version, state, paid_minor FROM bills ORDER BY 1") == [
        (1, "replaced", 0), (2, "paid", 100_000)]  # fmt: skip
    assert sound_books.asked() == []
    assert sound_books.rows("SELECT undone_why FROM allocations ORDER BY id") == [
        ("a newer version was issued",),
        ("",),
    ]


@pytest.mark.parametrize(("minor", "paid"), [(80_000, ("paid", 80_000)), (120_000, ("part_paid", 100_000))])
def test_a_new_version_over_another_amount_asks(sound_books: Books, minor: int, paid: tuple[str, int]) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    sound_books.issue(a_bill(version=2, minor=minor))
    assert sound_books.paid() == paid
    assert sound_books.rows("SELECT code, minor FROM mismatches WHERE state = 'open'") == [("M03", 20_000)]


def test_a_surplus_payment_fills_a_new_version_that_costs_more(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    sound_books.hear(a_notice("T2", minor=20_000, paid_at=at(2)))
    assert sound_books.asked() == ["M06"]
    sound_books.issue(a_bill(version=2, minor=120_000))
    assert sound_books.paid() == ("paid", 120_000)
    assert sound_books.asked() == []


def test_a_payment_that_quotes_an_old_versions_code_follows_to_the_new_one(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(), a_notice("T2", minor=20_000, paid_at=at(2)))
    sound_books.issue(a_bill(version=2, minor=120_000, code=CUSTOMER + "91126"))
    assert sound_books.matched() == {"T1": 100_000, "T2": 20_000}


def test_a_cancelled_bill_sets_its_payment_free_and_asks(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())

    def cancel(session: Session) -> None:
        ids = list(session.connection().exec_driver_sql("SELECT id FROM bills").scalars())
        for _ in range(2):
            freed = issuing.withdraw(session, ids, to="cancelled", by="lan", why="misread", now=sound_books.now)
            matching.match(session, freed, now=sound_books.now)

    sound_books.run(cancel)
    assert sound_books.paid() == ("cancelled", 0)
    assert sound_books.asked() == ["M07"]
    assert sound_books.balances() == {"bank:standard:reported": 100_000, "suspense": -100_000}


def test_foreign_money_never_settles_a_bill(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(currency="USD"))
    assert sound_books.paid() == ("open", 0)
    assert sound_books.open_questions() == {("M12", "T1")}


def test_matching_again_changes_nothing(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    ids = sound_books.hear(a_notice(minor=60_000), a_notice("T2", code=""))
    before = [sound_books.one(f"SELECT count(*) FROM {table}") for table in ("entries", "allocations", "mismatches")]
    sound_books.run(lambda session: matching.match(session, ids, now=datetime(2026, 11, 19, tzinfo=UTC)))
    after = [sound_books.one(f"SELECT count(*) FROM {table}") for table in ("entries", "allocations", "mismatches")]
    assert before == after


def test_each_payer_is_promised_one_word_however_often_the_match_moves(sound_books: Books) -> None:
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    sound_books.hear(a_notice(minor=60_000))
    sound_books.issue(a_bill(version=2, minor=50_000))
    said = sound_books.rows("SELECT event, state, count(*) FROM messages GROUP BY 1, 2 ORDER BY 1")
    assert said == [("before_debit", "withdrawn", 1), ("payment_recorded", "queued", 1)]


def test_a_bill_is_shared_out_among_many_payments_in_one_pass(sound_books: Books) -> None:
    sound_books.issue(a_bill(), a_bill("HD0002", code=CUSTOMER + "21126"))
    sound_books.delivery()
    statements, counts = 0, []

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    sqlalchemy.event.listen(sound_books.engine, "before_cursor_execute", count)
    for name, code, many in (("A", CODE, 2), ("B", CUSTOMER + "21126", 60)):
        statements = 0
        sound_books.hear(*[a_notice(f"{name}{n:02}", 1, code, paid_at=at(1, n)) for n in range(many)])
        counts.append(statements)
    sqlalchemy.event.remove(sound_books.engine, "before_cursor_execute", count)
    assert counts[0] == counts[1]
    assert sound_books.paid("HD0002") == ("part_paid", 60)
