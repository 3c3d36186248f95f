"""One line for a day of payments: taken apart when it is that day's for certain, and asked about otherwise."""

from datetime import date, time, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import day_figures, denials, import_undo, lump_choices
from reconciliation.mismatches import NotSettled
from reconciliation.settling_lumps import Lump, assign
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)
GROSS, FEES, VAT = 150_000, 1_500, 150


def bills(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", 50_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))


def first(books: Books) -> None:
    books.hear(a_notice("W1", 100_000, CODE), source="wallet")


def second(books: Books) -> None:
    books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(3)), source="wallet")


def settled(books: Books, minor: int = GROSS - FEES - VAT, id: str = "S1") -> None:
    books.read(a_line(minor, "L1", "Quyet toan vi ngay 18/11", booked_on=NEXT), on=NEXT, id=id)


def test_a_line_settles_a_day_of_payments_in_any_order(books: Books) -> None:
    for order in permutations([bills, first, second, settled]):
        if order.index(first) > order.index(second):
            continue  # two of a kind
        books.clear()
        books.agree()
        for act in order:
            act(books)
        assert books.asked() == [], order
        assert books.paid() == ("paid", 100_000), order
        assert books.rows("SELECT state, confirmed_minor FROM payments ORDER BY id") == [
            ("confirmed", minor) for (minor,) in books.rows("SELECT minor FROM payments ORDER BY id")
        ]
        assert books.balances() == {
            "bank:standard:confirmed": GROSS - FEES - VAT, "expense:bank-fees": FEES, "input-vat": VAT,
            "revenue": -GROSS,
        }, order  # fmt: skip
        parts = books.rows("SELECT minor, fee_minor, vat_minor FROM line_parts WHERE undone_at IS NULL ORDER BY minor")
        assert parts == [(49_450, 500, 50), (98_900, 1_000, 100)], order
        assert books.broken() == [], order


def test_a_sum_that_is_no_day_s_names_the_nearest_day_and_what_it_lacks(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    settled(sound_books, 98_000)
    assert sound_books.asked() == ["M11"]
    facts = sound_books.facts_of("M11")
    assert facts == {
        "verdict": "no_day_settles", "arrived": 98_000, "settles": "wallet", "days_from": "2026-11-16",
        "days_until": "2026-11-18", "nearest_day": "2026-11-18", "items": 1, "gross": 100_000, "fee_expected": 1_100,
        "net": 98_900, "difference": -900,
    }  # fmt: skip
    assert sound_books.balances()["settled:wallet"] == -98_000
    assert sound_books.one("SELECT count(*) FROM payments") == 1, "the line is no payment of its own"


def test_two_days_that_fit_are_a_question(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    sound_books.hear(a_notice("W3", paid_at=at(1) - timedelta(days=1)), source="wallet")
    settled(sound_books, 98_900)
    assert sound_books.asked() == ["M06", "M11"]
    facts = sound_books.facts_of("M11")
    assert (facts["verdict"], facts["days_that_fit"]) == ("several_days_settle", ["2026-11-17", "2026-11-18"])


def test_payments_after_the_cut_off_are_the_next_day_s(sound_books: Books) -> None:
    sound_books.agree(cut_off=time(10, 0))
    bills(sound_books)
    first(sound_books)  # at eight in the morning
    sound_books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(4)), source="wallet")  # at eleven
    settled(sound_books, 98_900)
    assert sound_books.rows("SELECT source_reference, state FROM payments ORDER BY 1") == [
        ("W1", "confirmed"), ("W2", "reported"),
    ]  # fmt: skip


def test_undoing_the_import_makes_the_payments_reported_again(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    second(sound_books)
    before = sound_books.balances()
    settled(sound_books)

    undo(sound_books, "S1")
    assert sound_books.balances() == before
    assert sound_books.rows("SELECT DISTINCT state FROM payments") == [("reported",)]
    assert sound_books.broken() == []
    settled(sound_books)
    assert sound_books.rows("SELECT DISTINCT state FROM payments") == [("confirmed",)]


def undo(books: Books, named: str) -> None:
    number = books.one("SELECT id FROM statements WHERE state = 'accepted' AND statement_id = :named", named=named)

    def act(session: Session) -> None:
        gone = import_undo.chosen(session, str(number))
        import_undo.undo(session, gone, by="ketoan", why="a wrong file", now=books.now)

    books.run(act)


def choose(books: Books, act: Any, **more: Any) -> Any:
    (line,) = books.rows("SELECT line_id FROM lump_sums WHERE undone_at IS NULL ORDER BY id")[-1]
    made = books.run(lambda session: act(session, line, now=books.now, **more))
    assert made is not None
    return made.state


def doubtful(books: Books) -> None:
    books.agree()
    bills(books)
    first(books)
    books.hear(a_notice("W3", paid_at=at(1) - timedelta(days=1)), source="wallet")
    settled(books, 98_900)


def test_a_person_says_which_day_a_line_settles_and_takes_it_back(sound_books: Books) -> None:
    doubtful(sound_books)
    assert choose(sound_books, lump_choices.propose, day=DAY, why="as agreed by phone", by="ha") == "applied"
    assert sound_books.asked() == ["M06"]
    assert sound_books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == [("W1",)]
    assert sound_books.broken() == []
    second(sound_books)  # a callback of that day that came late leaves what a person said
    assert sound_books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == [("W1",)]
    assert choose(sound_books, lump_choices.take_back, why="wrong day", by="ha") == "applied"
    # Now the day before is the only one that fits.
    assert sound_books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == [("W3",)]
    held = sound_books.balances()
    assert (held["bank:wallet:reported"], held["expense:bank-fees"], held["input-vat"]) == (150_000, 1_000, 100)


def test_above_the_limit_another_person_approves_and_the_database_insists(sound_books: Books) -> None:
    books = sound_books
    books.awake_owner("UPDATE approval_limits SET minor = 50000 WHERE action = 'settle'")
    try:
        doubtful(books)
        named = {"references": ["W1"], "why": "their list", "by": "ha"}
        assert choose(books, lump_choices.propose, **named) == "proposed"
        assert books.rows("SELECT state FROM mismatches WHERE code = 'M11'") == [("proposed",)]
        with pytest.raises(NotSettled, match="another person"):
            choose(books, lump_choices.approve, by="ha")
        with pytest.raises(DBAPIError, match="checked_by_another"):
            books.run(
                lambda session: session.execute(text("UPDATE lump_choices SET state = 'applied', checker = 'ha'"))
            )
        with pytest.raises(DBAPIError, match="pinned by a choice"):
            books.run(lambda session: session.execute(text("UPDATE lump_sums SET pinned = true")))
        assert choose(books, lump_choices.refuse, by="binh", why="which list?") == "refused"
        assert books.asked() == ["M06", "M11"]
        assert choose(books, lump_choices.propose, **named) == "proposed"
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert books.asked() == ["M06"]
    finally:
        books.awake_owner("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")


def test_a_choice_that_does_not_add_up_changes_nothing(sound_books: Books) -> None:
    doubtful(sound_books)
    for wanted, said in (
        ({"references": ["W1", "W3"]}, "expected payments that come to 98900 đ less their fees, got 197800 đ of 2"),
        ({"references": ["nobody's"]}, "got 0 of 1"),
        ({}, "got both or neither"),
    ):
        with pytest.raises(NotSettled, match=said):
            choose(sound_books, lump_choices.propose, why="a try", by="ha", **wanted)
    assert sound_books.one("SELECT count(*) FROM lump_choices") == 0


def test_a_bank_that_settles_itself_ties_out_on_all_three_sides(sound_books: Books) -> None:
    sound_books.agree(source="standard")
    bills(sound_books)
    sound_books.hear(a_notice("W1", 100_000, CODE))
    sound_books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(3)))
    sound_books.now += timedelta(days=1)
    settled(sound_books)
    assert sound_books.asked() == []

    def day(session: Session, on: date) -> Any:
        return day_figures.of_day(session, "standard", on, tells=True)

    told, shown = (sound_books.run(lambda session, on=on: day(session, on)) for on in (DAY, NEXT))
    assert [(one["verdict"], one["told"], one["booked"], one["shown"]) for one in told["reasons"]] == [
        ("other_day", GROSS, GROSS, 0)
    ]
    assert [(one["verdict"], one["told"], one["booked"], one["shown"]) for one in shown["reasons"]] == [
        ("fee", 0, -FEES - VAT, -FEES - VAT), ("other_day", 0, 0, GROSS),
    ]  # fmt: skip
    assert [(one["fee"], one["gross"]) for one in shown["channels"]] == [(FEES + VAT, 0)]


def test_the_bank_where_a_settlement_arrives_shows_it_as_one(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    second(sound_books)
    settled(sound_books)
    verdicts = {}
    for bank in ("standard", "wallet"):
        found = sound_books.run(lambda session, bank=bank: day_figures.of_day(session, bank, NEXT, tells=True))
        verdicts[bank] = [(one["verdict"], one["booked"], one["shown"]) for one in found["reasons"]]
    assert verdicts == {
        "standard": [("settlement", GROSS - FEES - VAT, GROSS - FEES - VAT)],
        "wallet": [("fee", -FEES - VAT, -FEES - VAT), ("other_day", 0, GROSS)],
    }


def test_a_late_callback_takes_a_settlement_apart_again(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    settled(sound_books, 98_900)
    assert sound_books.rows("SELECT state FROM payments") == [("confirmed",)]
    second(sound_books)
    assert sound_books.asked() == ["M11"]
    assert sound_books.rows("SELECT DISTINCT state FROM payments") == [("reported",)]
    (back,) = sound_books.rows("SELECT id FROM payments WHERE source_reference = 'W2'")[0]
    sound_books.run(lambda session: denials.deny(session, back, by="wallet", why="taken back", now=sound_books.now))
    assert sound_books.asked() == []
    assert sound_books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == [("W1",)]


def test_a_fee_of_a_settlement_weighed_anew_is_undone_not_unexplained(sound_books: Books) -> None:
    sound_books.agree(source="standard")
    bills(sound_books)
    sound_books.hear(a_notice("W1", 100_000, CODE))
    settled(sound_books, 98_900)
    sound_books.now += timedelta(days=2)
    sound_books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(3)))
    for on, said in (
        (DAY, [("awaited", 150_000, 150_000, 0)]),
        (NEXT, [("settlement", 0, 0, 98_900), ("undone", 0, -1_100, 0)]),
        (NEXT + timedelta(days=1), [("undone", 0, 1_100, 0)]),
    ):
        found = sound_books.run(lambda session, on=on: day_figures.of_day(session, "standard", on, tells=True))
        assert [(one["verdict"], one["told"], one["booked"], one["shown"]) for one in found["reasons"]] == said, on


def test_the_fee_of_a_settlement_is_of_its_payments_channels(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    for reference, channel, minor in (("W1", "qr", 100_000), ("W2", "app", 40_000), ("W3", "qr", 10_000)):
        sound_books.hear(a_notice(reference, minor, "", channel=channel), source="wallet")

    def fees(on: date) -> list[tuple[str, int, int]]:
        figures = sound_books.run(lambda session: day_figures.of_day(session, "wallet", on, tells=True))
        return [(one["channel"], one["fee"], one["net"]) for one in figures["channels"] if one["fee"]]

    settled(sound_books)
    assert fees(NEXT) == [("app", 440, -440), ("qr", 1_210, -1_210)]
    sound_books.now += timedelta(days=2)
    late = sound_books.hear(a_notice("W4", 5_000, "", paid_at=at(3), channel="app"), source="wallet")
    assert fees(NEXT + timedelta(days=1)) == [("app", -440, 440), ("qr", -1_210, 1_210)], "it was put together again"
    sound_books.run(lambda session: denials.deny(session, late[0], by="wallet", why="no", now=sound_books.now))
    assert fees(NEXT) == [("app", 880, -880), ("qr", 2_420, -2_420)], "twice taken apart, once put together since"
    assert sound_books.one("SELECT max(time) FROM line_parts") == 2


def own_line(books: Books) -> None:
    books.read(a_line(100_000, "W1"), bank="wallet", id="OWN")


def test_a_payment_with_a_line_of_its_own_is_of_no_settlement_in_any_order(books: Books) -> None:
    ended = []
    for order in permutations([second, lambda books: settled(books, 49_450), own_line]):
        books.clear()
        books.agree()
        bills(books)
        first(books)
        for act in order:
            act(books)
        assert books.broken() == [], order
        states = books.rows("SELECT bank_reference, state, confirmed_minor, matched_minor FROM payments ORDER BY 1")
        ended.append((books.balances(), books.asked(), states))
    assert [one for one in ended if one != ended[0]] == []
    assert ended[0][1] == []


def test_a_line_of_its_own_takes_a_payment_from_its_settlement_until_its_import_is_undone(sound_books: Books) -> None:
    books = sound_books
    books.agree()
    bills(books)
    first(books)
    second(books)
    settled(books)
    before = books.balances()
    own_line(books)
    assert books.asked() == ["M11"]
    assert books.rows("SELECT source_reference, state FROM payments ORDER BY 1") == [
        ("W1", "confirmed"), ("W2", "reported"),
    ]  # fmt: skip
    undo(books, "OWN")
    assert (books.asked(), books.balances()) == ([], before)


def test_a_notice_of_a_settlement_is_no_payment(sound_books: Books) -> None:
    sound_books.agree()
    line = a_line(148_350, "L1", "QUYET TOAN VI", booked_on=NEXT)
    sound_books.read(line, on=NEXT, id="N1", kind="notice")
    assert sound_books.one("SELECT count(*) FROM payments") == 0


def test_a_thousand_payments_are_taken_apart_by_few_statements(sound_books: Books) -> None:
    sound_books.agree()
    notices = [a_notice(f"W{number}", 10_000, "") for number in range(1_000)]
    sound_books.hear(*notices, source="wallet")
    asked: list[str] = []

    def count(*said: Any) -> None:
        asked.append(said[2])

    event.listen(sound_books.engine, "before_cursor_execute", count)
    settled(sound_books, 1_000 * (10_000 - 110))
    event.remove(sound_books.engine, "before_cursor_execute", count)
    assert sound_books.rows("SELECT state, count(*) FROM payments GROUP BY 1") == [("confirmed", 1_000)]
    assert len(asked) < 150


ORDERS = st.lists(st.sampled_from(range(4)), min_size=1, max_size=4, unique=True)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, st.sampled_from([98_900, 148_350, 49_450]), st.randoms(use_true_random=False))
def test_whatever_comes_in_whatever_order_ends_in_the_same_books(
    books: Books, chosen: list[int], minor: int, random: Any
) -> None:
    acts = [bills, first, second, lambda books: settled(books, minor)]
    ended = []
    for order in (sorted(chosen), random.sample(chosen, len(chosen))):
        books.clear()
        books.agree()
        for number in order:
            acts[number](books)
        states = books.rows("SELECT source_reference, state, confirmed_minor FROM payments ORDER BY 1")
        ended.append((books.balances(), books.asked(), states))
        assert books.broken() == [], order
    assert ended[0] == ended[1]


DAYS = st.dates(date(2026, 11, 1), date(2026, 11, 6))


@given(st.dictionaries(DAYS, st.sampled_from([10, 20, 30])), st.lists(st.tuples(st.sampled_from([10, 20]), DAYS)))
def test_no_day_is_settled_twice_nor_by_another_amount(sums: dict[date, int], given_: list[tuple[int, date]]) -> None:
    lumps = [
        Lump(number, minor, frozenset(until - timedelta(days=back) for back in range(3)))
        for number, (minor, until) in enumerate(sorted(given_, key=lambda one: one[1]))
    ]
    found = assign(lumps, sums)
    assert len(set(found.values())) == len(found)
    assert assign(lumps[::-1], sums) == found, "whatever their order"
    for lump in lumps:
        if lump.id in found:
            assert sums[found[lump.id]] == lump.minor
            assert found[lump.id] in lump.days


TAMPERED = [
    ("UPDATE line_parts SET minor = minor + {}", 2),
    ("UPDATE line_parts SET minor = minor + {}, fee_minor = fee_minor - {}", 5),
    ("UPDATE line_parts SET minor = minor + {}, vat_minor = vat_minor - {}", 5),
    ("UPDATE line_parts SET line_id = line_id + {}", 2),
    ("UPDATE lump_sums SET minor = minor + {}", 2),
    ("UPDATE lump_sums SET day = CASE {} WHEN 1 THEN NULL ELSE booked_on - 1 END", 7),
    ("UPDATE lump_sums SET day = day - {}", 2),
    ("UPDATE lump_agreements SET after_days = after_days + {}", 2),
    ("UPDATE payments SET paid_at = paid_at + {} * interval '1 day'", 2),
    ("UPDATE lump_sums SET pinned = {} = 1", 2),
    ("UPDATE lump_sums SET undone_at = CASE {} WHEN 1 THEN now() END", 2),
    ("UPDATE line_parts SET undone_at = CASE {} WHEN 1 THEN now() END", 2),
    ("UPDATE payments SET confirmed_minor = confirmed_minor + {}", 2),
    ("UPDATE payments SET source = CASE {} WHEN 1 THEN 'standard' ELSE 'wallet' END", 2),
]


def test_tampering_shows(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    settled(sound_books, 98_900)
    for statement, number in TAMPERED:
        sound_books.as_owner(statement.replace("{}", "1"))
        broken = {int(one.split()[0]) for one in sound_books.broken()}
        sound_books.as_owner(statement.replace("{}", "-1"))
        assert number in broken, statement


PART = """
    INSERT INTO line_parts (lump_id, time, line_id, payment_id, minor, fee_minor, vat_minor, at)
    SELECT s.id, 1, s.line_id, p.id, 98900, 1000, 100, now() FROM lump_sums s, payments p WHERE source_reference = 'W1'
"""


def test_the_database_takes_apart_what_is_a_whole_day_within_reach_and_nothing_else(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    first(sound_books)
    second(sound_books)
    settled(sound_books, 98_900)
    assert sound_books.asked() == ["M11"]
    by_day = "UPDATE lump_sums SET day = DATE '2026-11-{}'"
    for acts, said in (
        ([PART, by_day.format(18)], "the whole of one day within reach"),
        ([PART, by_day.format(17)], "the whole of one day within reach"),
        ([PART, by_day.format(19)], "the whole of one day within reach"),
        ([by_day.format(17)], "taken apart into what comes to it"),
    ):
        with pytest.raises(DBAPIError, match=said):
            sound_books.run(lambda session, acts=acts: [session.execute(text(act)) for act in acts])
    (late,) = sound_books.rows("SELECT id FROM payments WHERE source_reference = 'W2'")[0]
    sound_books.run(lambda session: denials.deny(session, late, by="wallet", why="taken back", now=sound_books.now))
    assert sound_books.asked() == []
    with pytest.raises(DBAPIError, match="gets no more parts"):
        sound_books.run(lambda session: session.execute(text(PART.replace("W1", "W2"))))


def test_a_payment_known_by_a_notice_goes_to_the_day_its_callback_tells(sound_books: Books) -> None:
    sound_books.agree()
    bills(sound_books)
    sound_books.read(a_line(100_000, "W1"), bank="wallet", id="N1", kind="notice")
    settled(sound_books, 98_900)
    assert sound_books.rows("SELECT state FROM payments") == [("confirmed",)]
    told = a_notice("W1", 100_000, CODE, paid_at=at(1) - timedelta(days=9))
    sound_books.hear(told, source="wallet")
    assert sound_books.rows("SELECT state, business_date::text FROM payments") == [("reported", "2026-11-09")]
    assert sound_books.asked() == ["M11"]


def test_two_lines_for_one_day_are_asked_about_however_long_it_takes(sound_books: Books) -> None:
    books = sound_books
    books.agree()
    bills(books)
    first(books)
    settled(books, 98_900)
    later = NEXT + timedelta(days=1)
    books.read(a_line(98_900, "L2", "QUYET TOAN VI", booked_on=later), on=later, id="S2")
    assert books.asked() == ["M11", "M11"]
    # The older one is out of sight, and the younger one is not.
    books.now += timedelta(days=62)
    books.hear(a_notice("W9", 10_000, "", paid_at=at(2)), source="wallet")
    assert books.rows("SELECT day FROM lump_sums") == [(None,), (None,)]
    assert books.asked().count("M11") == 2
    (late,) = books.rows("SELECT id FROM payments WHERE source_reference = 'W9'")[0]
    books.run(lambda session: denials.deny(session, late, by="wallet", why="taken back", now=books.now))
    assert books.asked() == ["M11", "M11"]
    assert choose(books, lump_choices.propose, day=DAY, why="their list", by="ha") == "applied"
    assert books.asked() == ["M11"]


def test_what_is_taken_back_after_months_is_asked_about_anew(sound_books: Books) -> None:
    books = sound_books
    doubtful(books)
    choose(books, lump_choices.propose, day=DAY, why="as agreed by phone", by="ha")
    books.now += timedelta(days=70)
    choose(books, lump_choices.take_back, why="wrong day", by="ha")
    assert books.asked() == ["M06", "M11"]
    answer = "UPDATE mismatches SET state = '{}', resolved_by = '{}' WHERE code = 'M11' AND resolved_at IS NULL"
    books.as_owner(answer.format("resolved", "ha"))
    assert [one for one in books.broken() if "lump sums that nobody is asked about 1" in one] != []
    books.as_owner(answer.format("open", ""))
    assert choose(books, lump_choices.propose, references=["W1"], why="the right one after all", by="ha") == "applied"


def test_a_statement_that_comes_after_months_is_weighed(sound_books: Books) -> None:
    books = sound_books
    books.agree()
    bills(books)
    first(books)
    books.now += timedelta(days=70)
    settled(books, 98_000)
    assert books.asked() == ["M11"]
    assert books.facts_of("M11")["nearest_day"] == "2026-11-18"
    second(books)
    undo(books, "S1")
    settled(books)
    assert books.asked() == []


def test_a_line_of_its_own_takes_a_payment_from_a_settlement_of_months_ago(sound_books: Books) -> None:
    books = sound_books
    books.agree()
    bills(books)
    first(books)
    second(books)
    settled(books)
    books.now += timedelta(days=70)
    books.hear(a_notice("W5", 10_000, "", paid_at=at(2)), source="wallet")
    assert books.one("SELECT day::text FROM lump_sums") == "2026-11-18", "one of months ago is not weighed anew"
    own_line(books)
    assert "M11" in books.asked()
    assert books.rows("SELECT source_reference, state FROM payments ORDER BY 1") == [
        ("W1", "confirmed"), ("W2", "reported"), ("W5", "reported"),
    ]  # fmt: skip
