"""The counter: what is owed, one payment a reference, one winner a bill, and what is taken back counts for nothing."""

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from banks.records import Answer
from gateway.database import insist
from reconciliation import counter, deadlines
from reconciliation.counter import Call, Paid, Paying, Refused, Reversing
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, a_bill, a_line, a_notice, at

CALL = Call("standard", 2, b"head", b"body")
OK = "the answer"


def answered(said: Paid | Reversing) -> Answer:
    return Answer(200, "application/json", f"{OK}: {said}".encode())


def a_payment(reference: str = "R1", minor: int = 100_000, bill: str = CODE, **more) -> Paying:
    values = {"reference": reference, "named_by": "payment_code", "bill": bill, "minor": minor, "paid_at": at(1),
              "channel": "counter"}  # fmt: skip
    return Paying(**{**values, **more})


def pay(books, paying: Paying | None = None, *, source: str = "standard") -> str:
    """Pay and return what the bank hears: the answer's text, or the code of the refusal."""

    def act(session: Session) -> Answer:
        call = replace(CALL, source=source)
        return counter.pay(session, call, paying or a_payment(), answered=answered, sealer=books.sealer, now=books.now)

    try:
        return insist(lambda: books.run(act)).body.decode()
    except Refused as refusal:
        return refusal.code


def reverse(books, reference: str = "R1", reason: str = "teller_error", *, source: str = "standard") -> str:
    def act(session: Session) -> Answer:
        call = replace(CALL, source=source)
        return counter.reverse(session, call, Reversing(reference, reason), answered=answered, now=books.now)

    try:
        return books.run(act).body.decode()
    except Refused as refusal:
        return refusal.code


def inquire(books, code: str = CUSTOMER) -> counter.Owing:
    found: counter.Owing = books.run(lambda session: counter.inquire(session, code))
    return found


def payments(books) -> list[tuple[str, str, int]]:
    return books.rows("SELECT source_reference, state, matched_minor FROM payments ORDER BY id")


# ── what is owed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_owed_is_told_oldest_first_with_what_is_still_missing(sound_books):
    books = sound_books
    books.issue(
        a_bill("HD3", 300_000, CUSTOMER + "13126", issued_on=date(2026, 11, 16), due_on=date(2026, 11, 25)),
        a_bill("HD1", 100_000, CUSTOMER + "11926", issued_on=date(2026, 9, 16), name_masked="N··· V·· A·"),
        a_bill("HD2", 200_000, CUSTOMER + "11026", issued_on=date(2026, 10, 16)),
        a_bill("HD9", 900_000, OTHER_CODE, customer_code=OTHER_CUSTOMER),
    )
    books.hear(a_notice("T1", 50_000, CUSTOMER + "11026"), a_notice("T2", 100_000, CUSTOMER + "11926"))
    owing = inquire(books)
    assert (owing.customer_code, owing.office) == (CUSTOMER, "HD1")
    assert [(one.number, one.minor) for one in owing.owed] == [("HD2", 150_000), ("HD3", 300_000)]
    assert owing.owed[1] == counter.OwedBill("HD3", CUSTOMER + "13126", "11/2026", 50, 300_000, date(2026, 11, 25))


def test_of_a_name_only_what_a_cashier_may_read_is_kept_and_an_absent_one_takes_nothing_away(sound_books):
    sound_books.issue(a_bill(name_masked="N··· V·· A·"))
    assert inquire(sound_books).name == "N··· V·· A·"
    sound_books.issue(a_bill("HD0002", code=CUSTOMER + "11226"))
    assert inquire(sound_books).name == "N··· V·· A·"
    sound_books.issue(a_bill("HD0003", code=CUSTOMER + "11326", name_masked="T··· B·"))
    assert inquire(sound_books).name == "T··· B·"


def test_an_unknown_customer_is_refused_and_one_who_owes_nothing_is_known(sound_books):
    with pytest.raises(Refused) as refusal:
        inquire(sound_books, "PA99999999999")
    assert (refusal.value.code, refusal.value.got) == ("unknown_customer", "PA99999999999")
    sound_books.issue(a_bill())
    pay(sound_books)
    assert inquire(sound_books).owed == []


# ── pay ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named_by", ["payment_code", "bill_number"])
def test_one_payment_settles_one_bill_and_is_kept_with_its_answer_and_one_promise(sound_books, named_by):
    books = sound_books
    books.issue(a_bill())
    heard = pay(books, a_payment(named_by=named_by, bill=CODE if named_by == "payment_code" else "HD0001"))
    assert heard == f"{OK}: {Paid('R1', 'HD0001', CODE, 100_000, at(1))}"
    assert payments(books) == [("R1", "reported", 100_000)]
    assert books.paid() == ("paid", 100_000)
    assert books.balances() == {"bank:standard:reported": 100_000, "revenue": -100_000}
    assert books.rows(
        "SELECT d.kind, d.event_id, d.state, d.answer_body, p.source_reference FROM deliveries d"
        " JOIN payments p ON p.delivery_id = d.id"
    ) == [("callback", "collect/pay/R1", "read", heard.encode(), "R1")]
    assert books.rows("SELECT event, state FROM messages") == [("payment_recorded", "queued")]


def test_the_same_again_hears_the_same_and_changes_no_row(sound_books):
    books = sound_books
    books.issue(a_bill())
    first = pay(books)
    rows = "SELECT id, xmin::text FROM deliveries UNION ALL SELECT id, xmin::text FROM payments"
    before = books.rows(rows)
    assert [pay(books), pay(books)] == [first, first]
    assert books.rows(rows) == before


@pytest.mark.parametrize(
    "other",
    [{"minor": 90_000}, {"bill": OTHER_CODE}, {"paid_at": at(2)}, {"channel": "qr"}, {"named_by": "bill_number"}],
)
def test_the_same_reference_with_other_content_is_a_conflict_that_books_nothing(sound_books, other):
    sound_books.issue(a_bill(), a_bill("HD0002", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    pay(sound_books)
    assert pay(sound_books, a_payment(**other)) == "conflict"
    assert payments(sound_books) == [("R1", "reported", 100_000)]


def test_a_conflict_is_kept_once_and_asked_about(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    for _ in range(2):
        books.run(
            lambda session: counter.keep_conflict(
                session, CALL, a_payment(minor=1), Answer(409, "application/json", b"no"), now=books.now
            )
        )
    assert books.rows(
        "SELECT d.state, d.answer_status, o.event_id FROM deliveries d JOIN deliveries o ON o.id = d.conflicts_with"
    ) == [("conflicting", 409, "collect/pay/R1")]
    assert books.asked() == ["M16"]


@pytest.mark.parametrize(
    ("paying", "code"),
    [
        (a_payment(bill="PA0000000000999999"), "unknown_bill"),
        (a_payment(named_by="bill_number", bill="HD9999"), "unknown_bill"),
        (a_payment(named_by="bill_number", bill=CODE), "unknown_bill"),
        (a_payment(minor=99_999), "wrong_amount"),
        (a_payment(minor=100_001), "wrong_amount"),
    ],
)
def test_what_is_not_exactly_owed_is_refused_and_leaves_nothing_behind(sound_books, paying, code):
    books = sound_books
    books.issue(a_bill())
    assert pay(books, paying) == code
    assert payments(books) == []
    assert books.rows("SELECT id FROM deliveries") == []
    assert books.asked() == []
    assert pay(books).startswith(OK), "the reference is still free"


def test_a_paid_bill_takes_no_second_payment_and_a_part_paid_one_takes_the_rest(sound_books):
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("T1", 60_000), source="vnpay")
    assert pay(books) == "wrong_amount"
    assert pay(books, a_payment(minor=40_000)).startswith(OK)
    assert pay(books, a_payment("R2", 40_000)) == "already_paid"
    assert books.paid() == ("paid", 100_000)


def test_a_replaced_bill_is_paid_as_its_newest_version_is_owed(sound_books):
    books = sound_books
    books.issue(a_bill())
    books.issue(a_bill(minor=80_000, version=2))
    assert pay(books) == "wrong_amount"
    assert pay(books, a_payment(minor=80_000)).startswith(OK)


def test_a_cancelled_bill_is_not_payable(sound_books):
    from reconciliation import issuing

    books = sound_books
    books.issue(a_bill())
    bill = books.one("SELECT id FROM bills")
    books.run(
        lambda session: issuing.withdraw(session, [bill], to="cancelled", by="billing", why="a mistake", now=books.now)
    )
    assert pay(books) == "bill_withdrawn"
    assert payments(books) == []


def test_a_code_too_short_to_be_found_in_a_narrative_is_refused_whole(sound_books):
    sound_books.issue(a_bill(code="AB1"))
    assert pay(sound_books, a_payment(bill="AB1")) == "not_settled"
    assert payments(sound_books) == []


# ── who is first ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_eight_banks_paying_one_bill_at_once_end_in_one_payment_and_seven_clear_refusals(sound_books):
    books = sound_books
    books.issue(a_bill())
    heard: list[str] = []
    gate = threading.Barrier(8)

    def one(number: int) -> None:
        gate.wait()
        heard.append(pay(books, a_payment(f"R{number}"), source=f"bank{number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said.partition(":")[0] for said in heard) == ["already_paid"] * 7 + [OK]
    assert len(payments(books)) == 1
    assert books.paid() == ("paid", 100_000)


def test_one_call_sent_eight_times_at_once_is_one_payment_and_one_answer(sound_books):
    books = sound_books
    books.issue(a_bill())
    heard: list[str] = []
    gate = threading.Barrier(8)

    def one() -> None:
        gate.wait()
        heard.append(pay(books))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 8
    assert len(set(heard)) == 1
    assert heard[0].startswith(OK)
    assert len(payments(books)) == 1


# ── the other doors ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", ["callback", "pay"])
def test_a_callback_and_a_call_under_one_reference_are_one_payment(sound_books, first):
    books = sound_books
    books.issue(a_bill())
    if first == "callback":
        books.hear(a_notice("R1"))
        assert pay(books).startswith(OK)
    else:
        assert pay(books).startswith(OK)
        books.hear(a_notice("R1"))
    assert payments(books) == [("R1", "reported", 100_000)]
    assert books.balances() == {"bank:standard:reported": 100_000, "revenue": -100_000}
    assert books.asked() == []


@pytest.mark.parametrize(
    "line", [a_line(reference="R1"), a_line(narrative=f"TT {CODE}"), a_line(reference="R1", narrative=CODE)]
)
@pytest.mark.parametrize("first", ["statement", "pay"])
def test_a_statement_s_line_and_a_call_under_one_reference_are_one_payment(sound_books, first, line):
    books = sound_books
    books.issue(a_bill())
    if first == "statement":
        books.read(line)
        assert pay(books).startswith(OK)
    else:
        assert pay(books).startswith(OK)
        books.read(line)
    assert payments(books) == [("R1", "confirmed", 100_000)]
    assert books.balances() == {"bank:standard:confirmed": 100_000, "revenue": -100_000}
    assert books.asked() == []


def test_a_reference_that_a_callback_told_for_another_bill_is_a_conflict(sound_books):
    books = sound_books
    books.issue(a_bill(), a_bill("HD0002", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    books.hear(a_notice("R1", code=OTHER_CODE))
    assert pay(books) == "conflict"
    assert books.paid() == ("open", 0)


# ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payment_taken_back_counts_for_nothing_and_its_bill_is_owed_again(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    assert reverse(books) == f"{OK}: {Reversing('R1', 'teller_error')}"
    assert payments(books) == [("R1", "denied", 0)]
    assert books.paid() == ("open", 0)
    assert books.balances() == {"receivable": 100_000, "revenue": -100_000}
    assert books.rows("SELECT state FROM messages") == [("withdrawn",)]
    assert books.rows("SELECT by, why FROM transitions WHERE kind = 'payment'") == [
        ("standard", "the bank took it back: teller_error")
    ]
    assert [one.minor for one in inquire(books).owed] == [100_000]
    books.run(lambda session: deadlines.pass_deadlines(session, now=books.now + timedelta(days=30)))
    assert books.asked() == []


def test_taking_back_twice_hears_the_same_and_with_another_reason_is_a_conflict(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    first = reverse(books)
    entries = books.one("SELECT count(*) FROM entries")
    assert reverse(books) == first
    assert reverse(books, reason="duplicate") == "conflict"
    assert books.one("SELECT count(*) FROM entries") == entries


def test_a_bill_given_back_is_paid_by_another_reference_and_never_by_the_old_one(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    reverse(books)
    assert pay(books) == "reversed"
    assert pay(books, a_payment("R2"), source="vnpay").startswith(OK)
    assert reverse(books, "R2") == "unknown_payment", "another bank's payment is none of this one's"
    books.issue(a_bill("HD0002", code=CUSTOMER + "11226"))
    assert books.paid() == ("paid", 100_000)
    assert books.asked() == []


def test_who_waited_for_the_bill_settles_it_when_it_is_given_back(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    books.hear(a_notice("T1", paid_at=at(2)), source="vnpay")
    assert books.open_questions() == {("M04", "T1")}
    reverse(books)
    assert books.matched() == {"R1": 0, "T1": 100_000}
    assert books.paid() == ("paid", 100_000)
    assert books.asked() == []


def test_a_payment_that_lost_its_bill_to_an_earlier_one_can_be_taken_back(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    books.hear(a_notice("T1", paid_at=at(0)), source="vnpay")
    assert books.open_questions() == {("M04", "R1")}
    assert reverse(books).startswith(OK)
    assert books.asked() == []
    assert books.paid() == ("paid", 100_000)


def test_only_what_pay_took_can_be_taken_back(sound_books):
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("R1"))
    assert reverse(books) == "unknown_payment"
    assert reverse(books, "R2") == "unknown_payment"


def test_what_a_statement_has_shown_can_no_longer_be_taken_back(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    books.read(a_line(reference="R1"))
    assert reverse(books) == "confirmed"
    assert books.paid() == ("paid", 100_000)


@pytest.mark.parametrize(
    ("moment", "heard"),
    [
        (datetime.fromisoformat("2026-11-18T23:59:59+07:00"), OK),
        (datetime.fromisoformat("2026-11-19T00:00:00+07:00"), "too_late"),
    ],
)
def test_the_day_ends_at_midnight_in_vietnam(sound_books, moment, heard):
    sound_books.issue(a_bill())
    pay(sound_books)
    sound_books.now = moment
    assert reverse(sound_books).partition(":")[0] == heard


def test_a_confirmation_that_left_stays_and_one_that_waits_is_withdrawn(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    books.as_owner("UPDATE messages SET state = 'sent', moves = 2, sent_at = now(), body = 'x'")
    books.as_owner(
        "INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, why, at)"
        " SELECT 'message', id, n, 'queued', s, 'x', '', now() FROM messages,"
        " (VALUES (1, 'sending'), (2, 'sent')) AS v (n, s)"
    )
    reverse(books)
    assert books.rows("SELECT state FROM messages") == [("sent",)]


# ── the statement has the last word ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", [a_line(reference="R1"), a_line(reference="R1", narrative=f"TT {CODE}")])
def test_a_statement_that_shows_what_was_taken_back_is_asked_about_and_settles_nothing(sound_books, line):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    reverse(books)
    books.read(line)
    assert payments(books) == [("R1", "confirmed", 0)]
    assert books.open_questions() == {("M09", "R1")}
    assert books.facts_of("M09")["verdict"] == "denied"
    assert books.paid() == ("open", 0)
    assert books.balances() == {
        "bank:standard:confirmed": 100_000, "suspense": -100_000, "receivable": 100_000, "revenue": -100_000,
    }  # fmt: skip
    books.issue(a_bill("HD0002", code=CUSTOMER + "11226", version=1))
    assert books.open_questions() == {("M09", "R1")}, "looking again settles nothing either"


def test_a_line_that_names_only_the_bill_of_what_was_taken_back_settles_it_and_is_asked_about(sound_books):
    books = sound_books
    books.issue(a_bill(), a_bill("HD0002", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    pay(books)
    reverse(books)
    books.read(a_line(reference="NH7", narrative=f"TT {CODE}"), a_line(reference="NH8", narrative=f"TT {OTHER_CODE}"))
    assert books.paid("HD0001") == books.paid("HD0002") == ("paid", 100_000)
    assert [code for code, _ in books.open_questions()] == ["M09"]
    assert books.facts_of("M09") == {"verdict": "taken_back_before", "reference": "R1"}


def test_a_line_over_another_amount_or_of_another_bank_is_no_question(sound_books):
    books = sound_books
    books.issue(a_bill(minor=50_000), a_bill("HD0002", code=OTHER_CODE, customer_code=OTHER_CUSTOMER))
    pay(books, a_payment(minor=50_000))
    reverse(books)
    pay(books, a_payment("R2", bill=OTHER_CODE), source="vnpay")
    reverse(books, "R2", source="vnpay")
    books.read(
        a_line(narrative=f"TT {OTHER_CODE}"), a_line(30_000, narrative=f"TT {CODE}"), a_line(20_000, narrative=CODE)
    )
    assert books.paid("HD0001") == ("paid", 50_000)
    assert "M09" not in books.asked()


def test_a_bill_paid_anew_keeps_its_new_payment_when_the_old_line_comes(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    reverse(books)
    pay(books, a_payment("R2"))
    books.read(a_line(reference="R1", narrative=f"TT {CODE}"), a_line(reference="R2", narrative=f"TT {CODE}"))
    assert payments(books) == [("R1", "confirmed", 0), ("R2", "confirmed", 100_000)]
    assert books.open_questions() == {("M09", "R1")}


def test_a_late_callback_of_what_was_taken_back_changes_nothing(sound_books):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    reverse(books)
    books.hear(a_notice("R1"))
    assert payments(books) == [("R1", "denied", 0)]
    assert books.paid() == ("open", 0)


@pytest.mark.parametrize("first", ["notice", "reversal"])
def test_a_notice_s_line_of_what_was_taken_back_waits_for_the_statement(sound_books, first):
    books = sound_books
    books.issue(a_bill())
    pay(books)
    if first == "reversal":
        reverse(books)
    books.read(a_line(reference="R1"), kind="notice", id="N1")
    if first == "notice":
        reverse(books)
    assert payments(books) == [("R1", "denied", 0)]
    assert books.asked() == books.broken() == []
    books.read(a_line(reference="R1"))
    assert books.open_questions() == {("M09", "R1")}


# ── status ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_a_reference_stands_is_the_last_answer_given_about_it(sound_books):
    books = sound_books
    books.issue(a_bill())

    def standing(source: str = "standard") -> str | None:
        found = books.run(lambda session: counter.standing(session, source, "R1"))
        return found.body.decode() if found else None

    assert standing() is None
    assert standing() is None
    paid = pay(books)
    assert standing() == paid
    assert standing("vnpay") is None
    taken_back = reverse(books)
    assert standing() == taken_back != paid
