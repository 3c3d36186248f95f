"""The three sides of a day: every difference has its reason and code, and together they bridge the sides exactly."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import day_figures, denials, import_undo, tie_out
from reconciliation.import_undo import chosen
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, Books, a_bill, a_line, a_notice, at

BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)


def items(books: Books, day: date, *, tells: bool = True) -> dict[str, tuple[Any, ...]]:
    """Reference → verdict, code and what the three sides say, of every difference."""
    values = day_figures.values("standard", day, tells=tells)
    query = f"WITH {tie_out.TIED_OUT} SELECT * FROM differences ORDER BY reference"
    rows = books.run(lambda session: session.execute(text(query), values).mappings().all())
    return {
        row["reference"]: (row["verdict"], row["code"], row["told_minor"], row["booked_minor"], row["shown_minor"])
        for row in rows
    }


def of_day(books: Books, day: date, *, tells: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = books.run(lambda session: day_figures.of_day(session, "standard", day, tells=tells))
    return found


def figures(books: Books, day: date, *, tells: bool = True) -> dict[str, Any]:
    found = of_day(books, day, tells=tells)
    for side in found["sides"]:
        reasons = [one for one in found["reasons"] if one["currency"] == side["currency"]]
        assert side["shown"] - side["told"] == sum(one["shown"] - one["told"] for one in reasons)
        assert side["booked"] - side["told"] == sum(one["booked"] - one["told"] for one in reasons)
        channels = [one for one in found["channels"] if one["currency"] == side["currency"]]
        assert sum(one["gross"] - one["reversed"] for one in channels) + min(side["leaving"], 0) == side["booked"]
    return found


def test_each_way_the_sides_may_differ_is_told_apart(sound_books: Books) -> None:
    books = sound_books
    books.issue(a_bill())
    books.hear(
        a_notice("T1", bank_reference="SAME"), a_notice("T2", 5_000, OTHER_CODE, bank_reference="CUT"),
        a_notice("T3", 6_000, "", bank_reference="WAIT"), a_notice("T4", 120, "", bank_reference="MORE"),
        a_notice("T5", 7_000, "", bank_reference="BACK", channel="app"),
    )  # fmt: skip
    books.read(
        a_line(reference="SAME"), a_line(100, "MORE"), a_line(900, "NEW"), a_line(-300, "OUT"), opening=0,
    )  # fmt: skip
    books.now += timedelta(days=1)
    back = books.one("SELECT id FROM payments WHERE source_reference = 'T5'")

    def deny(session: Session) -> None:
        assert denials.deny(session, back, by="standard", why="taken back", now=books.now)

    books.run(deny)
    books.read(a_line(5_000, "CUT", booked_on=AFTER), id="S2", opening=100_700, on=AFTER)
    assert items(books, DAY) == {
        "CUT": ("other_day", "M08", 5_000, 5_000, 0),
        "WAIT": ("awaited", "M01", 6_000, 6_000, 0),
        "NEW": ("untold", "M02", 0, 900, 900),
        "OUT": ("outgoing", "M12", 0, -300, -300),
        "BACK": ("taken_back", "M09", 7_000, 7_000, 0),
    }
    assert items(books, AFTER) == {
        "CUT": ("other_day", "M08", 0, 0, 5_000),
        "BACK": ("taken_back", "M09", -7_000, -7_000, 0),
    }
    day, after = figures(books, DAY), figures(books, AFTER)
    assert [(one["channel"], one["count"], one["gross"], one["reversed"]) for one in day["channels"]] == [
        ("", 5, 112_000, 0), ("app", 1, 7_000, 0),
    ]  # fmt: skip
    assert [(one["channel"], one["count"], one["gross"], one["reversed"]) for one in after["channels"]] == [
        ("app", 0, 0, 7_000)
    ]


def test_an_amount_corrected_later_differs_on_both_days(sound_books: Books) -> None:
    sound_books.hear(a_notice("T4", 120, "", bank_reference="MORE"))
    sound_books.now += timedelta(days=1)
    sound_books.read(a_line(100, "MORE"), opening=0)
    assert items(sound_books, DAY) == {"MORE": ("other_amount", "M03", 100, 120, 100)}
    assert items(sound_books, AFTER) == {"MORE": ("other_amount", "M03", 0, -20, 0)}
    figures(sound_books, DAY)
    figures(sound_books, AFTER)


def test_an_import_undone_differs_until_it_comes_again(sound_books: Books) -> None:
    read = sound_books.read(a_line(900, "NEW"), opening=0)
    sound_books.now += timedelta(days=1)
    sound_books.run(
        lambda session: import_undo.undo(
            session, chosen(session, str(read.accepted[0])), by="ha", why="wrong file", now=sound_books.now
        )
    )
    assert [one[:1] + one[2:] for one in items(sound_books, DAY).values()] == [("undone", 0, 900, 0)]
    assert [one[:1] + one[2:] for one in items(sound_books, AFTER).values()] == [("undone", 0, -900, 0)]
    figures(sound_books, DAY)
    figures(sound_books, AFTER)


def test_a_callback_heard_after_its_line_names_its_own_day(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="FT1"), opening=0)
    sound_books.hear(a_notice(bank_reference="FT1", paid_at=sound_books.now - timedelta(days=1)))
    assert items(sound_books, BEFORE) == {"FT1": ("other_day", "M08", 100_000, 0, 0)}
    assert items(sound_books, DAY) == {"FT1": ("other_day", "M08", 0, 100_000, 100_000)}


def test_a_bank_that_never_calls_back_differs_in_one_sum(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="A1", narrative=CODE), a_line(70, "A2"), opening=0, callbacks=False)
    found = figures(sound_books, DAY, tells=False)
    assert [(one["verdict"], one["count"], one["shown"]) for one in found["reasons"]] == [("never_tells", 2, 100_070)]
    kept = f"SELECT count(*) FROM ({tie_out.ITEMS}) i WHERE kind = 'difference'"
    values = day_figures.values("standard", DAY, tells=False)
    assert sound_books.run(lambda session: session.scalar(text(kept), values)) == 0


def test_a_ledger_that_says_something_else_is_unexplained(books: Books) -> None:
    books.hear(a_notice(bank_reference="FT1"))
    books.as_owner("UPDATE entries SET minor = minor * 2 WHERE key LIKE 'payment:%'")
    assert items(books, DAY) == {"FT1": ("unexplained", "", 100_000, 200_000, 0)}


FEE, VAT = 1_000, 100
NET = 100_000 - FEE - VAT


def verdicts(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["verdict"], one["told"], one["booked"], one["shown"]) for one in found["reasons"]]


def channels(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["channel"], one["count"], one["gross"], one["fee"], one["net"]) for one in found["channels"]]


@pytest.mark.parametrize("line_first", [False, True], ids=["callback first", "line first"])
def test_a_fee_kept_from_a_payment_ties_out_and_is_deducted_once(sound_books: Books, line_first: bool) -> None:
    books = sound_books
    books.tariff("standard")
    books.issue(a_bill())
    acts = [
        lambda: books.hear(a_notice(bank_reference="FT1", channel="qr")),
        lambda: books.read(a_line(NET, "FT1", CODE), opening=0),
    ]
    for act in reversed(acts) if line_first else acts:
        act()
    day = figures(books, DAY)
    assert verdicts(day) == [("fee", 0, -FEE - VAT, -FEE - VAT)]
    assert channels(day) == [("qr", 1, 100_000, FEE + VAT, NET)]
    kept = f"SELECT count(*) FROM ({tie_out.ITEMS}) i WHERE kind = 'difference'"
    values = day_figures.values("standard", DAY, tells=True)
    assert books.run(lambda session: session.scalar(text(kept), values)) == 0, "fees are kept as one sum"


def test_a_fee_is_of_the_day_its_line_was_booked(sound_books: Books) -> None:
    books = sound_books
    books.tariff("standard")
    books.hear(a_notice(bank_reference="FT1", channel="qr"), a_notice("T2", bank_reference="FT2", paid_at=at(3)))
    books.now += timedelta(days=1)
    books.read(a_line(NET, "FT1", booked_on=AFTER), a_line(NET, "FT2", booked_on=None), opening=0, on=AFTER)
    day, after = figures(books, DAY), figures(books, AFTER)
    assert verdicts(day) == [("other_day", 200_000, 200_000, 0)]
    assert verdicts(after) == [
        ("fee", 0, -2 * (FEE + VAT), -2 * (FEE + VAT)), ("other_day", 0, 0, 200_000),
    ]  # fmt: skip
    assert channels(after) == [
        ("", 0, 0, FEE + VAT, -FEE - VAT), ("qr", 0, 0, FEE + VAT, -FEE - VAT),
    ]  # fmt: skip


def test_a_payment_that_its_bill_alone_makes_whole_ties_out(sound_books: Books) -> None:
    sound_books.tariff("standard")
    sound_books.issue(a_bill())
    sound_books.read(a_line(NET, "FT1", CODE), opening=0, callbacks=False)
    found = figures(sound_books, DAY, tells=False)
    assert verdicts(found) == [("fee", 0, -FEE - VAT, -FEE - VAT), ("never_tells", 0, 100_000, 100_000)]
    assert channels(found) == [("", 1, 100_000, FEE + VAT, NET)]


@pytest.mark.parametrize("told", [True, False])
def test_a_fee_whose_import_is_undone_is_undone_on_both_days(sound_books: Books, told: bool) -> None:
    books = sound_books
    books.tariff("standard")
    books.issue(a_bill())
    if told:
        books.hear(a_notice(bank_reference="FT1"))
    read = books.read(a_line(NET, "FT1", CODE), opening=0)
    books.now += timedelta(days=1)
    books.run(
        lambda session: import_undo.undo(
            session, chosen(session, str(read.accepted[0])), by="ha", why="wrong file", now=books.now
        )
    )
    taken = FEE + VAT
    assert verdicts(of_day(books, DAY)) == (
        [("awaited", 100_000, 100_000, 0), ("undone", 0, -taken, 0)] if told else [("undone", 0, NET, 0)]
    )
    assert verdicts(of_day(books, AFTER)) == [("undone", 0, taken if told else -NET, 0)]


def test_fees_taken_apart_leave_by_their_own_line(sound_books: Books) -> None:
    sound_books.tariff("standard", charged="apart", words=["THU PHI"])
    sound_books.hear(a_notice(bank_reference="FT1", channel="qr"))
    sound_books.read(a_line(reference="FT1"), a_line(-FEE - VAT, "F1", "THU PHI NGAY"), opening=0)
    found = figures(sound_books, DAY)
    assert verdicts(found) == [("outgoing", 0, -FEE - VAT, -FEE - VAT)]
    assert channels(found) == [("", 0, 0, FEE + VAT, -FEE - VAT), ("qr", 1, 100_000, 0, 100_000)]
