import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from banks.errors import Unreadable
from banks.money import Money
from banks.records import StatementClosed, StatementKind, StatementOpened
from reconciliation import statement_loading
from reconciliation.statement_loading import Loaded
from tests.reconciliation.books import ACCOUNT, CODE, DAY, Books, a_bill, a_line


def states(books: Books) -> dict[str, str]:
    return dict(books.rows("SELECT statement_id, state FROM statements ORDER BY id"))


def test_a_balanced_statement_is_accepted_with_its_lines(sound_books: Books) -> None:
    loaded = sound_books.read(a_line(reference="B1"), a_line(-30_000), opening=50_000, closing=120_000)
    assert len(loaded.accepted) == 1
    assert sound_books.rows("SELECT lines, credit_minor, debit_minor, difference_minor, state FROM statements") == [
        (2, 100_000, -30_000, 0, "accepted")
    ]


def test_one_that_does_not_balance_is_held_with_the_difference_named_and_nothing_is_booked(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    before = sound_books.balances()
    loaded = sound_books.read(a_line(narrative=CODE), opening=0, closing=100_007)
    assert len(loaded.quarantined) == 1
    assert "differ from the lines by 7" in loaded.reasons[0]
    assert sound_books.rows("SELECT code, minor FROM mismatches") == [("M15", 7)]
    assert sound_books.balances() == before
    assert sound_books.one("SELECT count(*) FROM payments") == 0


def test_control_totals_that_contradict_the_lines_hold_it(sound_books: Books) -> None:
    loaded = sound_books.read(a_line(), faults=("the file says 2 entries, has 1",))
    assert loaded.reasons == ["the file says 2 entries, has 1"]
    assert states(sound_books) == {"S1": "quarantined"}


def test_a_re_sent_statement_is_noted_and_booked_once(sound_books: Books) -> None:
    lines = (a_line(reference="B1"), a_line(reference="B1"))
    sound_books.read(*lines, opening=0)
    before = sound_books.balances()
    assert len(sound_books.read(*lines, opening=0).resent) == 1
    assert sound_books.balances() == before
    assert sound_books.rows("SELECT code, state FROM mismatches WHERE code = 'M14'") == [("M14", "resolved")]


@pytest.mark.parametrize(
    "again",
    [
        {"lines": (a_line(reference="B1"), a_line(reference="B1"), a_line(reference="B1"))},
        {"lines": (a_line(reference="B1"), a_line(reference="B2"))},
        {"lines": (a_line(reference="B1"), a_line(reference="B1")), "opening": 7},
    ],
)
def test_the_same_id_with_other_lines_or_balances_is_held(sound_books: Books, again: dict[str, object]) -> None:
    sound_books.read(a_line(reference="B1"), a_line(reference="B1"), opening=0)
    loaded = sound_books.read(*again["lines"], opening=again.get("opening", 0))  # type: ignore[misc,arg-type]
    assert "was accepted before with other lines or balances" in loaded.reasons[0]
    assert sound_books.one("SELECT count(*) FROM payments") == 2


@pytest.mark.parametrize("order", list(permutations((0, 1, 2, 3))))
def test_a_chain_of_days_is_accepted_whatever_order_they_come_in(sound_books: Books, order: tuple[int, ...]) -> None:
    for day in order:
        sound_books.read(
            a_line(1_000 * (day + 1), reference=f"B{day}"), id=f"S{day}", on=DAY + timedelta(days=day),
            opening=sum(1_000 * (one + 1) for one in range(day)),
        )  # fmt: skip
    assert set(states(sound_books).values()) == {"accepted"}
    assert sound_books.balances() == {"bank:standard:confirmed": 10_000, "suspense": -10_000}
    assert sound_books.one("SELECT count(*) FROM mismatches WHERE code = 'M15' AND state <> 'resolved'") == 0


def test_a_gap_holds_the_next_one_and_says_what_was_expected(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"), opening=0)
    loaded = sound_books.read(id="S3", opening=150_000, on=DAY + timedelta(days=2))
    assert loaded.reasons == ["expected the opening balance 100000 at which statement S1 closed, got 150000"]
    sound_books.read(a_line(50_000, reference="B2"), id="S2", opening=100_000, on=DAY + timedelta(days=1))
    assert states(sound_books) == {"S1": "accepted", "S3": "accepted", "S2": "accepted"}


def test_a_late_one_that_does_not_lead_up_to_the_next_is_held(sound_books: Books) -> None:
    sound_books.read(id="S2", opening=500, on=DAY + timedelta(days=1))
    loaded = sound_books.read(a_line(reference="B1"), id="S1", opening=0)
    assert loaded.reasons == ["expected the closing balance 500 at which statement S2 opened, got 100000"]


def test_one_held_twice_is_released_once(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"), opening=0)
    for _ in range(2):
        sound_books.read(a_line(7, reference="B3"), id="S3", opening=150_000, on=DAY + timedelta(days=2))
    sound_books.read(a_line(50_000, reference="B2"), id="S2", opening=100_000, on=DAY + timedelta(days=1))
    assert sound_books.rows("SELECT state FROM statements WHERE statement_id = 'S3' ORDER BY id") == [
        ("accepted",), ("resent",)]  # fmt: skip
    assert sound_books.one("SELECT count(*) FROM payments WHERE minor = 7") == 1
    assert sound_books.one("SELECT count(*) FROM mismatches WHERE code = 'M15' AND state <> 'resolved'") == 0


@pytest.mark.parametrize("order", list(permutations((0, 1, 2))))
@pytest.mark.parametrize("numbered", ["sequence", "page", "not at all"])
def test_several_statements_of_one_day_follow_on_from_each_other(
    sound_books: Books, order: tuple[int, ...], numbered: str
) -> None:
    sound_books.read(id="S0", opening=0, on=DAY - timedelta(days=1))
    for part in order:
        place = {"sequence": {"sequence": part + 1}, "page": {"page": part + 1}, "not at all": {}}[numbered]
        id = "S1" if numbered == "page" else f"S1-{part}"
        sound_books.read(a_line(1_000, reference=f"B{part}"), id=id, opening=1_000 * part, **place)
    sound_books.read(id="S2", opening=3_000, on=DAY + timedelta(days=1))
    assert set(states(sound_books).values()) == {"accepted"}
    assert sound_books.balances()["bank:standard:confirmed"] == 3_000


def test_the_same_statement_read_by_two_readers_at_once_is_booked_once(sound_books: Books) -> None:
    def read(_: int) -> str:
        try:
            sound_books.read(a_line(reference="B1"), opening=0)
        except Exception as error:  # the database lets one through; the other is read again and found re-sent
            return type(error).__name__
        return "read"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(read, range(4)))
    assert "read" in said
    assert set(said) <= {"read", "IntegrityError"}
    assert sound_books.one("SELECT count(*) FROM statements WHERE state = 'accepted'") == 1
    assert sound_books.one("SELECT count(*) FROM payments") == 1


def test_names_and_numbers_stand_masked(sound_books: Books) -> None:
    sound_books.read(
        a_line(counterparty="NGUYEN VAN AN", counterparty_account="0123456789012",
               narrative=f"0912 345 678 chuyen {CODE} STK:190026112233 TK190026112233 SDT0912345678")
    )  # fmt: skip
    kept = sound_books.one("SELECT statement_lines::text || payments::text FROM statement_lines, payments")
    for secret in ("VAN AN", "0123456789012", "345 678", "190026112233", "0912345678"):
        assert secret not in kept
    assert CODE in kept


@pytest.mark.parametrize("codes", [[], ["PA1", "HD-1/2"], ['"', "\\", 'a\\"b,c{}', "NULL", " ", "~PA1←P A|1\t"]])
def test_codes_arrive_as_they_were_found(books: Books, codes: list[str]) -> None:
    array = statement_loading._array(codes)
    assert books.run(lambda s: s.scalar(text("SELECT CAST(:array AS text[])"), {"array": array})) == codes


def test_a_line_of_no_statement_is_refused(sound_books: Books) -> None:
    sound_books.read(a_line())
    line = "0, 2, 1, direction, counts, minor, currency, reversal FROM statement_lines"
    columns = "statement_id, entry, transaction, direction, counts, minor, currency, reversal"
    with pytest.raises(DBAPIError, match="a statement that is there"):
        sound_books.run(lambda s: s.execute(text(f"INSERT INTO statement_lines ({columns}) SELECT {line}")))
    assert sound_books.one("SELECT count(*) FROM statement_lines") == 1


@pytest.mark.parametrize(
    "act",
    [
        "DELETE FROM statements", "TRUNCATE statements CASCADE", "UPDATE statements SET id = DEFAULT",
        "UPDATE statement_lines SET statement_id = statement_id + 1",
    ],
)  # fmt: skip
def test_the_statement_of_a_line_stays_for_the_owner_too(sound_books: Books, act: str) -> None:
    sound_books.read(a_line())
    with pytest.raises(DBAPIError, match="only ever added to"):
        sound_books.awake_owner(act)


def head(**more: object) -> StatementOpened:
    return replace(
        StatementOpened(format="test", kind=StatementKind.STATEMENT, id="S1", account=ACCOUNT, currency="VND"),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("events", [[head()], [a_line()], [head(), head()], [head(), a_line()]])
def test_a_stream_that_is_no_statement_is_unreadable(books: Books, events: list[object]) -> None:
    delivery = books.delivery(kind="statement")
    with pytest.raises(Unreadable):
        books.run(
            lambda session: statement_loading.load(
                session, events, bank="standard", delivery_id=delivery, sealer=books.sealer, now=books.now  # type: ignore[arg-type]
            )
        )  # fmt: skip
    assert books.one("SELECT count(*) FROM statements") == 0


def test_several_statements_in_one_file_are_judged_one_by_one(books: Books) -> None:
    delivery = books.delivery(kind="statement")
    closed = StatementClosed("S1", 0, Money(0), Money(0), True, Money(0))
    events = [
        head(opening=Money(1), closing=Money(1)), closed,
        head(id="S2", opening=Money(1), closing=Money(2)), replace(closed, id="S2", difference=Money(1)),
    ]  # fmt: skip
    loaded = books.run(
        lambda session: statement_loading.load(
            session, events, bank="standard", delivery_id=delivery, sealer=books.sealer, now=books.now
        )
    )
    assert (len(loaded.accepted), len(loaded.quarantined)) == (1, 1)


def test_a_closing_balance_told_after_the_lines_is_kept(books: Books) -> None:
    delivery = books.delivery(kind="statement")
    closed = StatementClosed(
        "S1", 0, Money(0), Money(0), True, Money(0), closing=Money(5), closing_on=date(2026, 7, 31)
    )  # fmt: skip
    loaded = books.run(
        lambda session: statement_loading.load(
            session, [head(opening=Money(5)), closed], bank="standard", delivery_id=delivery, sealer=books.sealer,
            now=books.now,
        )
    )  # fmt: skip
    assert len(loaded.accepted) == 1
    assert books.rows("SELECT closing_minor, closing_on FROM statements") == [(5, date(2026, 7, 31))]


@pytest.mark.parametrize("kind", ["statement", "notice"])
def test_a_statement_of_an_account_that_is_not_ours_is_held_and_nothing_is_booked(
    sound_books: Books, kind: str
) -> None:
    sound_books.issue(a_bill())
    line = a_line(reference="B1", narrative=CODE)
    loaded = sound_books.read(line, opening=0, kind=kind, account="999900001234", accounts=(ACCOUNT,))
    assert loaded.reasons == ["expected a statement of one of our accounts, got one that ends in '1234'"]
    assert sound_books.asked() == ["M15"]
    assert sound_books.one("SELECT count(*) FROM payments") == 0


@pytest.mark.parametrize("declared", [(), (ACCOUNT,), ("1", "1900 2611-2233")])
def test_a_statement_of_an_account_of_ours_is_taken_and_any_where_none_is_declared(
    sound_books: Books, declared: tuple[str, ...]
) -> None:
    assert sound_books.read(a_line(reference="B1"), opening=0, accounts=declared).reasons == []


def test_an_id_that_a_bank_uses_again_the_next_year_is_another_statement(sound_books: Books) -> None:
    sound_books.read(a_line(100, "B1"), id="1", opening=0, on=date(2025, 1, 2))
    loaded = sound_books.read(a_line(100, "B2"), id="1", opening=100, on=date(2026, 1, 2))
    assert (len(loaded.accepted), loaded.reasons) == (1, [])
    again = sound_books.read(a_line(50, "B3"), id="1", opening=200, on=date(2026, 1, 3))
    assert "was accepted before with other lines or balances" in again.reasons[0], "in one year it is the same"


def test_two_readers_at_once_judge_one_after_the_other(sound_books: Books) -> None:
    """The second day does not follow on from the first, which the second reader sees only once the first is done."""
    delivery = sound_books.delivery(kind="statement")
    written, go_on = Event(), Event()

    def one_day(id: str, opening: int, on: date, before_commit: Callable[[], object]) -> Loaded:
        money = Money(opening)
        events = [
            head(id=id, opening=money, closing=money, closing_on=on),
            StatementClosed(id, 0, Money(0), Money(0), True, Money(0)),
        ]

        def act(session: Session) -> Loaded:
            loaded = statement_loading.load(
                session, events, bank="standard", delivery_id=delivery, sealer=sound_books.sealer, now=sound_books.now
            )
            before_commit()
            return loaded

        found: Loaded = sound_books.run(act)
        return found

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one_day, "S1", 0, DAY, lambda: (written.set(), go_on.wait(10)))
        assert written.wait(10)
        second = pool.submit(one_day, "S2", 50, DAY + timedelta(days=1), lambda: None)
        time.sleep(0.3)
        go_on.set()
        assert first.result().reasons == []
        assert second.result().reasons == ["expected the opening balance 0 at which statement S1 closed, got 50"]
