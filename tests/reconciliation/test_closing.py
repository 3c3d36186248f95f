"""Closing a day: what is kept, who may sign, what a signed day refuses, and where late facts go."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import acknowledgements, closes, closing, inbox, ledger, mismatches, remarks, usual_answers
from reconciliation.closes import Close
from reconciliation.closing import NotClosed
from reconciliation.mismatches import Mismatch, NotSettled
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice

AFTER = DAY + timedelta(days=1)
WHO = {"tells": True, "owed": [DAY, AFTER]}


@pytest.fixture
def late(sound_books: Books) -> Books:
    """Books in which the day has passed: one bill, told of and shown."""
    sound_books.issue(a_bill(), a_bill("HD0002", 70_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.hear(a_notice(bank_reference="FT1", channel="QR"))
    sound_books.read(a_line(reference="FT1"), opening=0)
    sound_books.now = datetime(2026, 11, 19, 2, tzinfo=UTC)
    return sound_books


def read_deliveries(books: Books) -> None:
    books.run(
        lambda session: inbox.finish(
            session, session.scalars(text("SELECT id FROM deliveries")).all(), "read", reason="", now=books.now
        )
    )


def balance(books: Books, day: date = DAY, by: str = "ha", **how: Any) -> Close:
    read_deliveries(books)
    made: Close = books.run(
        lambda session: closing.balance(session, "standard", day, by=by, now=books.now, **{**WHO, **how})
    )
    return made


def sign(books: Books, made: Close, by: str = "binh", **how: Any) -> Close:
    signed: Close = books.run(lambda session: closing.sign(session, made.id, by=by, now=books.now, **{**WHO, **how}))
    return signed


def close(books: Books, day: date = DAY, **how: Any) -> Close:
    return sign(books, balance(books, day, **how), **how)


def reopen(books: Books, made: Close, by: str = "son", why: str = "a line came late") -> Close:
    opened: Close = books.run(lambda session: closing.reopen(session, made.id, by=by, why=why, now=books.now))
    return opened


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(NotClosed) as told:
        act()
    return told.value.reason


def booked_on(books: Books) -> dict[str, tuple[str, str | None]]:
    return {
        key: (day, late)
        for key, day, late in books.rows(
            "SELECT key, business_date::text, late_for::text FROM entries WHERE bank <> ''"
        )
    }


def test_a_day_is_balanced_by_one_and_signed_by_another(late: Books) -> None:
    made = balance(late)
    assert (made.state, made.version, made.maker, made.figures["sides"]) == (
        "balanced", 1, "ha",
        [{"currency": "VND", "told": 100_000, "booked": 100_000, "shown": 100_000, "told_count": 1, "booked_count": 1,
          "shown_count": 1, "leaving": 0}],
    )  # fmt: skip
    assert made.figures["channels"] == [
        {"channel": "QR", "currency": "VND", "count": 1, "gross": 100_000, "fee": 0, "net": 100_000, "reversed": 0,
         "unmatched": 0}
    ]  # fmt: skip
    assert refused(lambda: sign(late, made, by="ha")) == "own"
    signed = sign(late, made)
    # Told of, confirmed, matched: three entries of the bank on the day, the issuing of bills belongs to none.
    assert (signed.state, signed.checker, signed.entries, signed.booked_minor) == ("signed", "binh", 3, 300_000)
    assert [row[0] for row in late.rows("SELECT action FROM audit ORDER BY id")] == ["close_balanced", "close_signed"]


def test_a_day_whose_line_was_taken_apart_is_balanced_at_both_banks(sound_books: Books) -> None:
    books = sound_books
    books.agree()
    books.issue(a_bill(), a_bill("HD0002", 50_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    books.hear(a_notice("W1", 100_000, CODE), a_notice("W2", 50_000, OTHER_CODE), source="wallet")
    books.read(a_line(148_350, "L1", "QUYET TOAN VI", booked_on=AFTER), on=AFTER, opening=0)
    books.now += timedelta(days=2)
    read_deliveries(books)
    for bank, owes, days in (("standard", True, [AFTER]), ("wallet", False, [DAY, AFTER])):
        for day in days:
            how: dict[str, Any] = {"tells": True, "owed": [AFTER] if owes else [], "now": books.now}
            made = books.run(
                lambda session, bank=bank, day=day, how=how: closing.balance(session, bank, day, by="ha", **how)
            )
            assert made.state == "balanced", (bank, day)


def test_a_day_with_netted_fees_is_balanced(sound_books: Books) -> None:
    sound_books.tariff("standard")
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="FT1"))
    sound_books.read(a_line(98_900, "FT1"), opening=0)
    sound_books.now += timedelta(days=1)
    assert balance(sound_books).state == "balanced"


def test_a_signed_day_refuses_entries_whoever_writes_them(late: Books) -> None:
    close(late)
    entry = (
        "INSERT INTO entries (key, bank, business_date, at, debit, credit, minor, currency)"
        " VALUES ('x', 'standard', DATE '2026-11-18', now(), 'bank:standard:reported', 'suspense', 5, 'VND')"
    )
    for write in (late.awake_owner, lambda one: late.run(lambda session: session.execute(text(one)))):
        with pytest.raises(DBAPIError, match="signed and accepts no further entries"):
            write(entry)


def test_an_entry_over_a_banks_money_names_its_bank(late: Books) -> None:
    wanted = r"""SELECT 'x' AS key, CAST(:bank AS text) AS bank, DATE '2026-11-18' AS business_date, '' AS memo,
        CAST(:account AS text) AS debit, 'revenue' AS credit, 5\:\:bigint AS minor, 'VND' AS currency, now() AS at"""
    for bank, account in (("", "bank:standard:confirmed"), ("other", "bank:standard:confirmed"), ("", "suspense")):
        values = {"bank": bank, "account": account}
        with pytest.raises(DBAPIError, match="names_its_bank"):
            late.run(lambda session, values=values: ledger.post(session, wanted, values))


def test_what_comes_late_is_booked_on_the_first_open_day_and_settles_the_same(late: Books) -> None:
    close(late)
    late.hear(a_notice("T2", 70_000, OTHER_CODE, bank_reference="FT2"))
    late.read(a_line(70_000, "FT2"), id="S1b", opening=100_000)
    booked = booked_on(late)
    payment = late.one("SELECT id FROM payments WHERE source_reference = 'T2'")
    line = late.one("SELECT id FROM statement_lines WHERE minor = 70000")
    for key in (f"payment:{payment}:reported", f"line:{line}"):
        assert booked[key] == ("2026-11-19", "2026-11-18")
    assert late.paid("HD0002") == ("paid", 70_000)
    assert {late for _, late in booked.values()} == {None, "2026-11-18"}


def test_a_late_match_and_its_undoing_leave_the_signed_day_alone(late: Books) -> None:
    late.hear(a_notice("T2", 50_000, "PA00000000009" + "11126"))
    made = balance(late)
    sign(late, made)
    late.issue(a_bill("HD0009", 50_000, "PA00000000009" + "11126", customer_code="PA00000000009"))
    assert late.paid("HD0009") == ("paid", 50_000)
    matched = "SELECT business_date::text, late_for::text FROM entries WHERE memo LIKE '%HD0009%' AND bank <> ''"
    assert late.rows(matched) == [("2026-11-19", "2026-11-18")]


def test_what_changed_since_it_was_balanced_is_not_signed(late: Books) -> None:
    made = balance(late)
    late.hear(a_notice("T2", 70_000, OTHER_CODE))
    assert refused(lambda: sign(late, made)) == "moved"
    late.run(lambda session: closing.withdraw(session, made.id, by="binh", why="it moved", now=late.now))
    again = balance(late)
    assert (again.version, sign(late, again).state) == (2, "signed")


def test_a_third_person_reopens_for_a_reason_and_both_versions_stay(late: Books) -> None:
    first = close(late)
    assert refused(lambda: reopen(late, first, by="ha")) == refused(lambda: reopen(late, first, by="binh")) == "signer"
    assert refused(lambda: reopen(late, first, why=" ")) == "why"
    opened = reopen(late, first)
    assert (opened.version, opened.state) == (2, "open")
    late.hear(a_notice("T2", 70_000, OTHER_CODE))
    second = close(late)
    told = [(one.version, one.state, one.figures["sides"][0]["told"]) for one in
            late.run(lambda session: closes.versions(session, "standard", "day", DAY))]  # fmt: skip
    assert (second.version, told) == (2, [(1, "reopened", 100_000), (2, "signed", 170_000)])


KEPT = (
    "UPDATE closes SET state = 'open'",
    "UPDATE closes SET figures = '{}'",
    "UPDATE closes SET entries = 0",
    "UPDATE closes SET checker = 'long'",
    "UPDATE closes SET day = day - 1",
    "UPDATE closes SET state = 'reopened', reopened_by = 'ha', reopened_at = now(), reopened_why = 'x'",
    "UPDATE closes SET state = 'reopened', reopened_by = 'son', reopened_at = now()",
    "DELETE FROM closes",
    "TRUNCATE closes CASCADE",
    "INSERT INTO close_items (close_id, kind, subject, currency, verdict)"
    " SELECT id, 'difference', 'x', 'VND', 'late' FROM closes",
    "UPDATE close_items SET minor = 1",
    "INSERT INTO closes (bank, period, day, version, created_at, state) VALUES ('b', 'day', now(), 1, now(), 'signed')",
)


def test_the_database_keeps_what_was_signed_from_everyone(late: Books) -> None:
    close(late)
    for change in KEPT:
        with pytest.raises(DBAPIError):
            late.awake_owner(change)


def test_the_database_itself_wants_two_people(late: Books) -> None:
    balance(late)
    with pytest.raises(DBAPIError, match="signed_by_two"):
        late.awake_owner("UPDATE closes SET state = 'signed', checker = maker, signed_at = now()")


def test_a_day_is_not_signed_before_its_statement_came_or_a_person_said_there_is_none(late: Books) -> None:
    late.hear(a_notice("T2", 70_000, OTHER_CODE, paid_at=late.now))
    late.now += timedelta(days=1)
    close(late)
    assert refused(lambda: balance(late, AFTER)) == "no_statement"
    assert balance(late, AFTER, owed=[DAY]).state == "balanced"


def test_nothing_is_closed_before_a_banks_first_day(late: Books) -> None:
    assert refused(lambda: balance(late, DAY - timedelta(days=1), owed=[])) == "not_begun"
    month = date(2026, 10, 1)
    assert refused(
        lambda: late.run(lambda s: closing.balance_month(s, "standard", month, by="ha", now=late.now))
    ) == "not_begun"  # fmt: skip


def test_a_day_for_which_the_bank_says_it_sends_no_file_is_closed_without_one(late: Books) -> None:
    close(late)
    late.now += timedelta(days=1)
    facts = {"day": AFTER.isoformat()}
    asked = late.run(lambda s: mismatches.ask_one(
        s, code="M13", subject=f"file:standard:{AFTER}", source="standard", facts=facts, now=late.now))  # fmt: skip

    def say(act: Callable[..., object], words: str) -> None:
        late.run(lambda session: act(session, asked, words, by="lan", now=late.now))

    def close_by_words() -> None:
        late.run(lambda s: acknowledgements.acknowledge(s, asked, why="none comes", by="lan", now=late.now))

    assert refused(lambda: balance(late, AFTER)) == "no_statement"
    with pytest.raises(NotSettled, match="needs no booking"):
        close_by_words()
    say(remarks.trace, "where is the file of the 19th?")
    with pytest.raises(NotSettled, match="needs no booking"):
        close_by_words()
    say(remarks.answer_trace, "nothing moved that day, we send none")
    assert late.run(lambda s: usual_answers.usual(s, s.get(Mismatch, asked), now=late.now)).because == "sends_none"
    close_by_words()
    assert close(late, AFTER).state == "signed"


def test_days_are_signed_in_order_and_only_once_over(late: Books) -> None:
    first = close(late)
    late.hear(a_notice("T2", 70_000, OTHER_CODE, paid_at=late.now))
    assert refused(lambda: balance(late, AFTER, owed=[DAY])) == "not_over"
    late.now += timedelta(days=1)
    reopen(late, first)
    assert refused(lambda: balance(late, AFTER, owed=[DAY])) == "earlier"


def test_a_day_that_owes_its_statement_is_signed_before_later_ones_though_nothing_was_booked_on_it(late: Books) -> None:
    third = AFTER + timedelta(days=1)
    close(late)
    late.hear(a_notice("T2", 70_000, OTHER_CODE, paid_at=late.now + timedelta(days=1)))
    late.now += timedelta(days=2)
    with pytest.raises(NotClosed, match="expected 2026-11-19 to be signed first"):
        balance(late, third, owed=[DAY, AFTER])
    assert balance(late, third, owed=[DAY]).state == "balanced"


def test_a_quiet_day_whose_balance_was_withdrawn_keeps_no_later_one_open(late: Books) -> None:
    third = AFTER + timedelta(days=1)
    close(late)
    late.hear(a_notice("T2", 70_000, OTHER_CODE, paid_at=late.now + timedelta(days=1)))
    late.now += timedelta(days=2)
    quiet = balance(late, AFTER, owed=[])
    assert refused(lambda: balance(late, third, owed=[])) == "earlier"
    late.run(lambda session: closing.withdraw(session, quiet.id, by="ha", why="another day was meant", now=late.now))
    close(late, third, owed=[])
    assert [(one.day, one.state) for one in late.run(lambda s: closes.days(s, "standard", DAY, third))] == [
        (third, "signed"), (AFTER, "withdrawn"), (DAY, "signed"),
    ]  # fmt: skip


def test_a_held_statement_and_an_unread_delivery_keep_the_day_open(late: Books) -> None:
    late.read(a_line(5), id="S2", opening=1, closing=9)
    told = late.run(lambda session: closing.obstacles(session, "standard", DAY, now=late.now, **WHO))
    assert {one.reason: one.facts for one in told}["questions"] == {"count": 1, "codes": "M15"}
    assert refused(lambda: balance(late)) == "questions"
    held = late.one("SELECT id FROM mismatches WHERE code = 'M15'")
    late.run(lambda session: mismatches.resolve(session, [held], by="ha", resolution="sent anew", now=late.now))
    late.kept.clear()
    late.now -= timedelta(days=1)
    late.delivery()
    late.now += timedelta(days=1)
    told = late.run(lambda session: closing.obstacles(session, "standard", DAY, now=late.now, **WHO))
    assert [one.reason for one in told] == ["unread"]


def test_money_without_a_bill_may_stand_open_and_is_listed(late: Books) -> None:
    late.hear(a_notice("T2", 5_000, "", bank_reference="FT9"))
    signed = close(late)
    assert signed.figures["questions"] == [
        {"verdict": "carried", "code": "M12", "currency": "VND", "count": 1, "minor": 5_000}
    ]
    listed = late.rows("SELECT kind, verdict, code, reference, minor FROM close_items ORDER BY kind, id")
    assert listed == [("difference", "awaited", "M01", "FT9", -5_000), ("question", "carried", "M12", "FT9", 5_000)]


def test_signing_waits_for_who_is_booking_and_sees_what_they_booked(late: Books) -> None:
    made = balance(late)
    wanted = r"""SELECT 'x' AS key, 'standard' AS bank, DATE '2026-11-18' AS business_date, '' AS memo,
        'a' AS debit, 'b' AS credit, 5\:\:bigint AS minor, 'VND' AS currency, now() AS at"""
    booked, go = Event(), Event()

    def book(session: Session) -> None:
        ledger.post(session, wanted, {})
        booked.set()
        assert go.wait(10)

    with ThreadPoolExecutor(2) as pool:
        booking = pool.submit(late.run, book)
        assert booked.wait(10)
        signing = pool.submit(lambda: refused(lambda: sign(late, made)))
        with pytest.raises(TimeoutError):
            signing.result(0.3)
        go.set()
        booking.result(10)
        assert signing.result(10) == "moved"
    late.clear()


def test_booking_waits_for_who_is_signing_and_lands_on_the_next_day(late: Books) -> None:
    made = balance(late)
    signed, go = Event(), Event()

    def hold(session: Session) -> None:
        closing.sign(session, made.id, by="binh", now=late.now, **WHO)
        signed.set()
        assert go.wait(10)

    with ThreadPoolExecutor(2) as pool:
        signing = pool.submit(late.run, hold)
        assert signed.wait(10)
        hearing = pool.submit(late.hear, a_notice("T2", 70_000, OTHER_CODE))
        with pytest.raises(TimeoutError):
            hearing.result(0.3)
        go.set()
        signing.result(10)
        hearing.result(10)
    assert late.rows("SELECT DISTINCT business_date::text FROM entries WHERE late_for IS NOT NULL") == [("2026-11-19",)]


def test_an_invariant_names_a_signed_day_that_was_tampered_with(books: Books) -> None:
    books.issue(a_bill())
    books.hear(a_notice(bank_reference="FT1"))
    books.read(a_line(reference="FT1"), opening=0)
    books.now += timedelta(days=1)
    close(books)
    assert books.broken() == []
    books.as_owner("UPDATE closes SET figures = jsonb_set(figures, '{bank}', '\"else\"')")
    assert [one for one in books.broken() if one.startswith("8 ")]
    books.as_owner("UPDATE closes SET figures = jsonb_set(figures, '{bank}', '\"standard\"')")
    assert books.broken() == []
    books.as_owner("DELETE FROM entries WHERE key LIKE 'line:%'")
    assert any(one.startswith("8 ") and "other entries" in one for one in books.broken())


def test_a_month_is_signed_once_all_its_days_are_and_locks_its_quiet_days_too(late: Books) -> None:
    late.now = datetime(2026, 12, 2, 2, tzinfo=UTC)
    month = DAY.replace(day=1)

    def balance_month(by: str = "ha") -> Close:
        made: Close = late.run(lambda session: closing.balance_month(session, "standard", month, by=by, now=late.now))
        return made

    assert refused(balance_month) == "days"
    day = close(late)
    signed = sign(late, balance_month(), owed=[])
    assert (signed.period, signed.state, signed.entries) == ("month", "signed", 3)
    assert signed.figures["days"] == [{"day": "2026-11-18", "version": 1, "digest": day.digest}]
    assert signed.figures["channels"] == day.figures["channels"]
    assert refused(lambda: reopen(late, day)) == "month"
    with pytest.raises(DBAPIError, match="signed month"):
        late.awake_owner("UPDATE closes SET state = 'reopened', reopened_by = 'son', reopened_at = now(),"
                         " reopened_why = 'x' WHERE period = 'day'")  # fmt: skip
    late.hear(a_notice("T2", 70_000, OTHER_CODE))  # of the 18th; the 19th had nothing, and is signed with its month
    assert late.rows("SELECT DISTINCT business_date::text FROM entries WHERE late_for IS NOT NULL") == [("2026-12-01",)]
    # No day of a signed month is balanced, nothing booked on it or not.
    assert refused(lambda: balance(late, AFTER, owed=[DAY])) == "month"
    reopen(late, signed)
    assert balance(late, AFTER, owed=[DAY]).state == "balanced"
    assert reopen(late, day).state == "open"


def test_a_month_waits_for_its_quiet_days_that_leave_it_unknown(late: Books) -> None:
    late.now = datetime(2026, 12, 2, 2, tzinfo=UTC)
    month, third = DAY.replace(day=1), date(2026, 11, 19)

    def kept_open(*owed: date) -> dict[str, dict[str, object]]:
        told = late.run(lambda session: closing.month_obstacles(session, "standard", month, owed=owed, now=late.now))
        return {one.reason: one.facts for one in told}

    def ask(code: str, subject: str, day: date) -> int:
        facts = json.dumps({"day": day.isoformat()})
        late.run(
            lambda session: session.execute(
                text("INSERT INTO mismatches (code, subject, source, owner, minor, currency, facts, opened_at, due_at)"
                     " VALUES (:code, :subject, 'standard', 'liaison', 0, 'VND', CAST(:facts AS jsonb), :now, :now)"),
                {"code": code, "subject": subject, "facts": facts, "now": late.now - timedelta(days=9)},
            )
        )  # fmt: skip
        return int(late.one(f"SELECT id FROM mismatches WHERE subject = '{subject}'"))

    close(late)
    assert kept_open() == {}
    # A banking day for which the bank owes a statement is signed itself, nothing booked on it or not.
    assert kept_open(DAY, third) == {"days": {"count": 1, "day": third}}
    missing = ask("M13", f"file:standard:{third}", third)
    ask("M12", "payment:0", third)  # its money is in the books: it may stand open
    held = ask("M15", "statement:0", third)  # of the day it was opened on, the 23rd
    assert kept_open() == {"month_questions": {"count": 2, "codes": "M13, M15", "day": third}}
    assert refused(lambda: late.run(
        lambda session: closing.balance_month(session, "standard", month, by="ha", now=late.now)
    )) == "month_questions"  # fmt: skip
    late.run(
        lambda session: mismatches.resolve(session, [missing, held], by="ha", resolution="none came", now=late.now)
    )
    assert kept_open(DAY, third) == {"days": {"count": 1, "day": third}}
    close(late, third)
    made = late.run(
        lambda session: closing.balance_month(session, "standard", month, by="ha", owed=[DAY, third], now=late.now)
    )
    assert refused(lambda: sign(late, made, owed=[DAY, date(2026, 11, 20)])) == "days"
    assert sign(late, made, owed=[DAY, third]).state == "signed"


def test_a_code_settled_late_books_the_same_whatever_was_signed_meanwhile(late: Books) -> None:
    close(late)
    late.hear(a_notice("T0", 100_000, CODE, paid_at=late.now - timedelta(hours=40)))
    # The earlier payment takes the bill; the later one is asked about, as in every other order of arrival.
    assert late.matched() == {"T0": 100_000, "T1": 0}
    assert late.asked() == ["M06"]
    assert {day for day, _ in booked_on(late).values()} == {"2026-11-17", "2026-11-18", "2026-11-19"}


def test_the_tie_out_of_a_day_is_read_no_more_often_than_told_apart(late: Books) -> None:
    read: list[str] = []

    @event.listens_for(late.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        read.extend(["tie-out"] * statement.count("sides AS MATERIALIZED"))

    read_deliveries(late)
    made = balance(late)
    assert len(read) == 3, "what keeps it open, the rows that are kept, the figures"
    read.clear()
    sign(late, made)
    assert len(read) == 2
