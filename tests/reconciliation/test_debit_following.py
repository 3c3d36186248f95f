"""What becomes of debits, from facts in any order: reports, callbacks, statements, returns, bills paid elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banks.records import DebitOutcome, Verdict
from reconciliation import debit_asking, debit_choice, debit_reports, debit_runs, expectations
from reconciliation.business_days import LIBRARY
from reconciliation.debit_choice import Wanted
from reconciliation.debit_days import next_try
from reconciliation.debit_reports import NoDebit
from reconciliation.debit_rules import Rules, rules
from tests.reconciliation.books import Books, a_line, a_notice
from tests.reconciliation.debits_made import (
    CHARGE_ON,
    accept_notices,
    approve,
    code_of,
    follow,
    issue,
    outcome,
    propose,
    report,
    send,
    sent,
    states,
)

ACCEPTED, REJECTED = Verdict.ACCEPTED, Verdict.REJECTED


def debited(books: Books, number: int = 1, *, id: str = "", **more: object) -> None:
    """The bank tells of a debit it carried out."""
    books.hear(
        a_notice(f"FT{number}", 100_000, "", end_to_end_id=id or f"HD{number:04}-1", channel="auto_debit", **more)
    )


def words(books: Books) -> list[tuple[str, str]]:
    return [tuple(row) for row in books.rows("SELECT event, state FROM messages ORDER BY id")]


def test_the_money_says_that_a_debit_was_paid_by_whichever_door_it_comes(sound_books: Books) -> None:
    sent(sound_books, 3)
    debited(sound_books, 1)
    sound_books.read(
        a_line(100_000, "B2", end_to_end_id="HD0002-1"),
        a_line(100_000, "B3", f"TIEN DIEN {code_of(3)}", mandate_id="UQ3"),
    )
    assert follow(sound_books) == {"paid": 3}
    assert sound_books.rows("SELECT state FROM bills") == [("paid",)] * 3
    assert sound_books.one("SELECT count(*) FROM debit_recalls") == 0
    assert sound_books.one("SELECT count(*) FROM debits WHERE ask_at IS NOT NULL") == 0


def test_a_report_accepts_and_rejects_and_the_customer_of_a_rejected_one_is_told(sound_books: Books) -> None:
    sent(sound_books, 3)
    taken = report(
        sound_books, outcome("HD0001-1", ACCEPTED), outcome("HD0002-1", REJECTED, "AC04"), outcome("HD9999-1", REJECTED)
    )
    assert (taken.debits, taken.unknown, taken.unknown_count) == (2, ("HD9999-1",), 1)
    assert states(sound_books) == ["accepted", "rejected", "sent"]
    assert sound_books.rows("SELECT reason FROM debits WHERE reason <> ''") == [("AC04",)]
    assert words(sound_books)[3:] == [("debit_failed", "queued")]
    waits = sound_books.run(lambda session: expectations.expected(session, [], now=sound_books.now))
    assert sum(one.count for one in waits if one.kind == "debit") == 2
    report(sound_books, outcome("HD0001-1", ACCEPTED), outcome("HD0002-1", REJECTED, "AC04"))
    assert len(words(sound_books)) == 4


@pytest.mark.parametrize("level", ["file", "group"])
def test_whoever_is_not_named_shares_the_word_on_the_group_or_the_file(sound_books: Books, level: str) -> None:
    sent(sound_books, 2)
    message = sound_books.one("SELECT message_id FROM debit_files")
    group = f"{message}-0001" if level == "group" else ""
    report(
        sound_books,
        DebitOutcome(level, "RJCT", REJECTED, payment_group=group, reason="AM02"),
        outcome("HD0002-1", ACCEPTED),
    )
    assert states(sound_books) == ["rejected", "accepted"]


def test_a_word_that_says_nothing_yet_changes_nothing(sound_books: Books) -> None:
    sent(sound_books)
    report(sound_books, outcome("HD0001-1", Verdict.PENDING), DebitOutcome("file", "PART", Verdict.PARTLY))
    assert states(sound_books) == ["sent"]


def test_too_small_a_balance_is_tried_again_on_a_payday_and_at_last_the_customer_is_told(sound_books: Books) -> None:
    """Debited on Friday the 20th: the 23rd is too soon for a notice; Wednesday the 25th is a payday, none is later."""
    sent(sound_books)
    report(sound_books, outcome("HD0001-1", REJECTED, "AM04"))
    assert sound_books.rows("SELECT charge_on, why FROM debit_dates") == [
        (date(2026, 11, 25), "the balance was too small")
    ]
    assert words(sound_books) == [("before_debit", "sent"), ("before_debit", "queued")]
    assert sound_books.rows("SELECT facts->>'tried_on' FROM messages ORDER BY id") == [(None,), ("2026-11-20",)]
    accept_notices(sound_books)
    sound_books.now += timedelta(days=5)
    run = propose(sound_books, date(2026, 11, 25))
    approve(sound_books, run.id)
    assert send(sound_books, run.id).files
    assert sound_books.rows("SELECT attempt, end_to_end_id, sequence FROM debits ORDER BY id") == [
        (1, "HD0001-1", "FRST"), (2, f"{code_of(1)}.R2", "RCUR"),
    ]  # fmt: skip
    report(sound_books, outcome(f"{code_of(1)}.R2", REJECTED, "AM04"))
    assert states(sound_books) == ["rejected", "rejected"]
    assert words(sound_books)[2:] == [("debit_failed", "queued")]


def test_a_retry_that_succeeds_pays_the_bill(sound_books: Books) -> None:
    sent(sound_books)
    report(sound_books, outcome("HD0001-1", REJECTED, "AM04"))
    accept_notices(sound_books)
    sound_books.now += timedelta(days=5)
    run = propose(sound_books, date(2026, 11, 25))
    approve(sound_books, run.id)
    send(sound_books, run.id)
    debited(sound_books, id=f"{code_of(1)}.R2")
    follow(sound_books)
    assert states(sound_books) == ["rejected", "paid"]
    assert sound_books.rows("SELECT state FROM bills") == [("paid",)]


def test_a_bill_paid_elsewhere_is_not_tried_again_and_its_notice_is_taken_back(sound_books: Books) -> None:
    sent(sound_books)
    report(sound_books, outcome("HD0001-1", REJECTED, "AM04"))
    sound_books.hear(a_notice("W1", 100_000, code_of(1)), source="wallet")
    follow(sound_books)
    assert words(sound_books)[:2] == [("before_debit", "sent"), ("before_debit", "withdrawn")]
    sound_books.now += timedelta(days=5)
    assert propose(sound_books, date(2026, 11, 25)).debits == 0


def test_what_the_bank_has_of_a_bill_paid_elsewhere_is_wanted_back(sound_books: Books) -> None:
    sent(sound_books, 3)
    for number in (1, 2, 3):
        sound_books.hear(a_notice(f"W{number}", 100_000, code_of(number)), source="wallet")
    follow(sound_books)
    assert sound_books.rows("SELECT state, why FROM debit_recalls ORDER BY why") == [
        ("wanted", f"bill HD000{number} is paid") for number in (1, 2, 3)
    ]
    report(sound_books, outcome("HD0002-1", REJECTED, status="CANC"), outcome("HD0003-1", REJECTED, "AM04"))
    debited(sound_books, 1)
    follow(sound_books)
    assert states(sound_books) == ["paid", "recalled", "rejected"]
    assert sound_books.rows("SELECT DISTINCT state FROM debit_recalls") == [("dropped",)]
    assert sound_books.rows("SELECT code, minor FROM mismatches") == [("M04", 100_000)]
    assert [event for event, _ in words(sound_books)].count("debit_failed") == 0


def test_a_late_return_frees_the_bill_for_another_try(sound_books: Books) -> None:
    sent(sound_books)
    sound_books.read(a_line(100_000, "B1", end_to_end_id="HD0001-1"), callbacks=False)
    follow(sound_books)
    sound_books.now += timedelta(days=1)
    back = a_line(-100_000, "R1", end_to_end_id="HD0001-1", return_reason="AM04", reversal=True, booked_on=CHARGE_ON)
    sound_books.read(back, id="S2", on=CHARGE_ON, callbacks=False)
    assert follow(sound_books) == {"returned": 1}
    assert sound_books.rows("SELECT state, reason FROM debits") == [("returned", "AM04")]
    assert sound_books.rows("SELECT state FROM bills") == [("open",)]
    assert sound_books.rows("SELECT charge_on FROM debit_dates") == [(date(2026, 11, 25),)]


def test_what_is_not_heard_of_is_unknown_asked_after_and_then_a_person_s(sound_books: Books) -> None:
    sent(sound_books, 2)
    report(sound_books, outcome("HD0002-1", ACCEPTED))

    def time_out() -> int:
        done: int = sound_books.run(lambda session: debit_asking.time_out(session, now=sound_books.now))
        return done

    def ask() -> list[str]:
        found = sound_books.run(lambda session: debit_asking.to_ask(session, limit=10, now=sound_books.now))
        return [row.end_to_end_id for row in found]

    assert (time_out(), ask()) == (0, [])
    sound_books.now += timedelta(hours=24)
    assert time_out() == 1
    assert states(sound_books) == ["unknown", "accepted"]
    assert ask() == ["HD0001-1"]
    assert ask() == []
    for wait in debit_asking.AGAIN[:-1]:
        assert ask() == []
        sound_books.now += wait
        time_out()
        assert "HD0001-1" in ask()
    assert sound_books.rows("SELECT code FROM mismatches WHERE code = 'M16'") == []
    sound_books.now += debit_asking.AGAIN[-1]
    ask()
    asked = "SELECT code, subject, state FROM mismatches WHERE code = 'M16' ORDER BY id"
    first = sound_books.one("SELECT min(id) FROM debits")
    assert sound_books.rows(asked)[0] == ("M16", f"debit:{first}", "open")
    found = sound_books.run(
        lambda session: debit_choice.preview(session, Wanted("standard", CHARGE_ON, sound_books.now), rules(session))
    )
    assert found.left_out == {"debit_live": (2, 200_000)}
    sound_books.run(
        lambda session: debit_reports.say(
            session, "HD0001-1", "rejected", reason="AC04", why="the bank's hotline", by="chau", now=sound_books.now
        )
    )
    follow(sound_books)
    assert sound_books.rows(asked)[0] == ("M16", f"debit:{first}", "resolved")
    with pytest.raises(NoDebit, match="expected the end-to-end id of a debit that was sent, got 'HD0009-1'"):
        sound_books.run(
            lambda session: debit_reports.say(
                session, "HD0009-1", "rejected", reason="", why="w", by="chau", now=sound_books.now
            )
        )


def test_a_word_after_the_time_out_is_heard_and_one_before_it_is_not_heard_again(sound_books: Books) -> None:
    sent(sound_books, 1)
    report(sound_books, outcome("HD0001-1", ACCEPTED))
    sound_books.now += timedelta(days=6)
    sound_books.run(lambda session: debit_asking.time_out(session, now=sound_books.now))
    assert states(sound_books) == ["unknown"]
    sound_books.run(lambda session: debit_asking.to_ask(session, limit=1, now=sound_books.now))
    report(sound_books, outcome("HD0001-1", Verdict.PENDING))
    assert states(sound_books) == ["unknown"]
    sound_books.now += timedelta(minutes=1)
    report(sound_books, outcome("HD0001-1", ACCEPTED))
    assert states(sound_books) == ["accepted"]


FACTS: dict[str, Callable[[Books], object]] = {
    "accepted": lambda books: report(books, outcome("HD0001-1", ACCEPTED), follows=False),
    "rejected": lambda books: report(books, outcome("HD0001-1", REJECTED, "AM04"), follows=False),
    "cancelled": lambda books: report(books, outcome("HD0001-1", REJECTED, status="CANC"), follows=False),
    "callback": debited,
    "line": lambda books: books.read(a_line(100_000, "FT1", end_to_end_id="HD0001-1"), callbacks=False),
    "elsewhere": lambda books: books.hear(a_notice("W1", 100_000, code_of(1)), source="wallet"),
    "nothing": follow,
}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.lists(st.sampled_from(sorted(FACTS)), max_size=7))
def test_every_order_of_the_same_facts_ends_in_the_same_state(books: Books, now: datetime, facts: list[str]) -> None:
    """The strongest fact decides, however often the debits were looked at in between."""
    books.clear()
    books.now = now
    sent(books)
    seen = set()
    for name in facts:
        if name not in seen or name == "nothing":
            FACTS[name](books)
            seen.add(name)
    follow(books)
    money = seen & {"callback", "line"}
    words = next((state for name, state in STRONGEST if name in seen), "sent")
    assert states(books) == ["paid" if money else words]
    assert books.broken() == []


STRONGEST = [("rejected", "rejected"), ("cancelled", "recalled"), ("accepted", "accepted")]


@pytest.mark.parametrize(
    ("tried", "heard", "expected"),
    [
        (["2026-11-20"], "2026-11-20T16:00+07:00", "2026-11-25"),
        (["2026-11-20"], "2026-11-23T16:00+07:00", "2026-11-25"),
        (["2026-11-20"], "2026-11-24T16:00+07:00", None),  # the notice would have no time
        (["2026-11-20", "2026-11-25"], "2026-11-25T16:00+07:00", None),  # no other payday within seven days
        (["2026-11-27"], "2026-11-27T16:00+07:00", "2026-11-30"),
        (["2026-11-27", "2026-11-30"], "2026-11-30T09:00+07:00", "2026-12-02"),  # but the first is the payday
        (["2027-02-26"], "2027-02-26T16:00+07:00", "2027-03-01"),  # the 30th is the last of February, a Sunday
        (["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"], "2026-11-23T10:00+07:00", None),  # three retries
    ],
)
def test_a_retry_waits_for_a_payday_that_leaves_time_to_tell(
    tried: list[str], heard: str, expected: str | None
) -> None:
    days = [date.fromisoformat(one) for one in tried]
    moment = datetime.fromisoformat(heard).astimezone(UTC)
    held = RULES if expected != "2026-12-02" else replace(RULES, paydays=(2,))
    found = next_try(held, LIBRARY, first=days[0], earlier=days, lead=timedelta(0), now=moment)
    assert found == (date.fromisoformat(expected) if expected else None)


RULES = Rules(24, 3, 3, 7, (1, 5, 10, 15, 20, 25, 30), 24, "hold")


def test_money_under_the_id_of_a_debit_that_never_left_is_somebody_else_s(sound_books: Books) -> None:
    issue(sound_books, 2)
    sound_books.now += timedelta(days=2)
    propose(sound_books)
    debited(sound_books, 1)
    assert follow(sound_books) == {"dropped": 1}
    assert states(sound_books) == ["dropped", "planned"]


def test_what_never_left_is_no_attempt(sound_books: Books) -> None:
    issue(sound_books)
    sound_books.now += timedelta(days=2)
    first = propose(sound_books)
    sound_books.run(lambda session: debit_runs.refuse(session, first.id, by="lan", why="wrong", now=sound_books.now))
    approve(sound_books, propose(sound_books).id)
    assert sound_books.rows("SELECT attempt, end_to_end_id, state FROM debits ORDER BY id") == [
        (1, "HD0001-1", "dropped"), (1, "HD0001-1", "planned"),
    ]  # fmt: skip
