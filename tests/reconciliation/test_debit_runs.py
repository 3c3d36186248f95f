"""Runs on real books: who is debited and who is not, made by one and approved by another, nothing twice."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from banks.records import Verdict
from reconciliation import bill_holds, debit_choice, debit_days, debit_promises, debit_runs, debit_sending
from reconciliation.debit_choice import REASONS, Wanted
from reconciliation.debit_limits import FileLimits
from reconciliation.debit_rules import rules
from reconciliation.debit_runs import RunRefused
from reconciliation.lifecycle import MESSAGE, move
from tests.reconciliation.books import Books, a_bill, a_notice
from tests.reconciliation.debits_made import (
    CHARGE_ON,
    accept_notices,
    approve,
    code_of,
    customer_of,
    issue,
    outcome,
    propose,
    reasons,
    report,
    send,
    sent,
    states,
)
from tests.reconciliation.test_mandates import a_mandate, carry_out, take


def test_a_run_is_made_by_one_approved_by_another_and_sent_once(sound_books: Books) -> None:
    issue(sound_books, 3)
    sound_books.now += timedelta(days=2)
    run = propose(sound_books)
    assert (run.debits, run.total_minor, run.state) == (3, 300_000, "proposed")
    assert send(sound_books, run.id).files == []
    with pytest.raises(RunRefused, match="expected another person to approve than the one who made the run"):
        approve(sound_books, run.id, by="lan")
    with pytest.raises(RunRefused, match=f"expected no other run of standard for {CHARGE_ON}, got run {run.id}"):
        propose(sound_books)
    assert approve(sound_books, run.id).state == "approved"
    left = send(sound_books, run.id)
    assert len(left.files) == 1
    assert send(sound_books, run.id).files == []
    assert states(sound_books) == ["sent"] * 3
    assert sound_books.rows("SELECT debits, total_minor, state FROM debit_files") == [(3, 300_000, "claimed")]
    assert sound_books.rows("SELECT DISTINCT sequence, end_to_end_id = bill_number || '-1' FROM debits") == [
        ("FRST", True)
    ]


def test_a_day_that_is_over_has_no_run_any_more(sound_books: Books) -> None:
    issue(sound_books)
    sound_books.now += timedelta(days=3)
    with pytest.raises(RunRefused, match="expected 2026-11-21 or a later day, got 2026-11-20"):
        propose(sound_books)


def test_one_bill_has_one_live_debit_whatever_is_proposed(sound_books: Books) -> None:
    sent(sound_books, 2)
    again = propose(sound_books)
    assert again.debits == 0
    assert reasons(sound_books) == [("debit_live", 2)]
    approve(sound_books, again.id)
    due = sound_books.run(lambda s: debit_sending.due(s, "standard", lead=timedelta(0), now=sound_books.now))
    assert due == [], "nothing of it can leave"


def test_a_run_that_leaves_every_bill_out_is_approved_so_that_its_questions_are_asked(sound_books: Books) -> None:
    issue(sound_books, 1)
    sound_books.now += timedelta(days=2)
    carry_out(sound_books, "pause", sound_books.rows("SELECT id FROM mandates")[0][0])
    run = propose(sound_books)
    assert (run.debits, sound_books.rows("SELECT count(*) FROM mismatches")) == (0, [(0,)])
    approve(sound_books, run.id)
    assert sound_books.rows("SELECT code, state FROM mismatches") == [("M17", "open")]
    assert sound_books.rows("SELECT count(*) FROM messages WHERE event = 'debit_failed'") == [(1,)]


def test_a_day_without_any_bill_has_no_run(sound_books: Books) -> None:
    with pytest.raises(RunRefused, match="expected bills that standard is to debit on 2026-11-20, got none"):
        propose(sound_books)
    assert sound_books.rows("SELECT count(*) FROM debit_runs") == [(0,)]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("UPDATE mandates SET state = 'paused' WHERE reference = 'UQ1'",
         "mandate_paused"),
        ("UPDATE mandates SET bank = 'other' WHERE reference = 'UQ1'", "other_bank"),
        ("UPDATE mandates SET state = 'ended' WHERE reference = 'UQ1'", "no_mandate"),
        ("UPDATE mandates SET valid_to = '2026-11-19' WHERE reference = 'UQ1'", "mandate_expired"),
        ("UPDATE mandate_versions SET valid_from = '2026-12-19' WHERE mandate_id = (SELECT id FROM mandates WHERE"
         " reference = 'UQ1')", "mandate_not_begun"),
        ("UPDATE mandate_versions SET cap_minor = 99999 WHERE mandate_id = (SELECT id FROM mandates WHERE"
         " reference = 'UQ1')", "above_cap"),
        ("UPDATE messages SET sent_at = '2026-11-19T12:00+00' WHERE bill_id = (SELECT id FROM bills WHERE"
         " number = 'HD0001')", "notice_late"),
        ("UPDATE messages SET facts = facts || '{\"amount\": 99999}' WHERE bill_id = (SELECT id FROM bills WHERE"
         " number = 'HD0001')", "notice_differs"),
        ("UPDATE messages SET facts = facts || '{\"debit_on\": \"2026-11-21\"}' WHERE bill_id = (SELECT id FROM bills"
         " WHERE number = 'HD0001')", "notice_differs"),
        ("UPDATE messages SET state = 'undelivered' WHERE bill_id = (SELECT id FROM bills WHERE number = 'HD0001')",
         "unreachable"),
        ("UPDATE messages SET state = 'queued' WHERE bill_id = (SELECT id FROM bills WHERE number = 'HD0001')",
         "notice_missing"),
        ("UPDATE customers SET consent = false WHERE code = 'PA00000000001';"
         " UPDATE messages SET state = 'queued' WHERE bill_id = (SELECT id FROM bills WHERE number = 'HD0001')",
         "unreachable"),
    ],
)  # fmt: skip
def test_what_speaks_against_a_debit_leaves_it_out_and_keeps_it_from_leaving(
    books: Books, what: str, reason: str
) -> None:
    issue(books, 2)
    books.now += timedelta(days=2)
    run = propose(books)
    assert run.debits == 2
    approve(books, run.id)
    tamper(books, what)
    left = send(books, run.id)
    assert left.dropped == {reason: 1}
    assert sorted(states(books)) == ["dropped", "sent"]
    assert reason in REASONS
    books.run(lambda session: session.execute(text("DELETE FROM debit_news")))
    again = propose(books)
    assert again.debits == 0
    assert reasons(books) == sorted([("debit_live", 1), (reason, 1)])


def tamper(books: Books, what: str) -> None:
    with Session(books.owner) as session, session.begin():
        session.execute(text("SET session_replication_role = replica"))
        for one in what.split(";"):
            session.execute(text(one))


def test_a_bill_that_is_paid_or_being_paid_is_not_debited(sound_books: Books) -> None:
    issue(sound_books, 5)
    sound_books.hear(a_notice("T1", 100_000, code_of(1)))
    sound_books.hear(a_notice("T2", 40_000, code_of(2)))
    sound_books.hear(a_notice("T3", 100_000, f"{code_of(3)} {code_of(4)}"))
    sound_books.now += timedelta(days=2)
    run = propose(sound_books)
    assert run.debits == 1
    assert dict(reasons(sound_books))["paid"] == 1
    assert sum(count for reason, count in reasons(sound_books) if reason in ("being_paid", "part_paid")) == 3


def test_a_held_bill_waits_and_its_customer_is_told_once_it_is_released(sound_books: Books) -> None:
    for month in (8, 9, 10):
        older = {"period": f"{month}/2026", "kwh": 50, "issued_on": date(2026, month, 1)}
        sound_books.issue(a_bill(f"HD08{month}", code=f"OLDER{month:02}26", customer_code=customer_of(1), **older))
    issue(sound_books, 1, kwh=151)
    issue(sound_books, 1, first=2, kwh=151)
    held = sound_books.rows("SELECT b.number, h.kind, h.why FROM bill_holds h JOIN bills b ON b.id = h.bill_id")
    assert held == [("HD0001", "abnormal", "151 kWh, where the customer's earlier bills have 50 on average")]
    assert words(sound_books) == [("bill_held", "queued"), ("before_debit", "sent")]
    sound_books.now += timedelta(days=2)
    assert propose(sound_books).debits == 1
    assert reasons(sound_books) == [("held_abnormal", 1)]
    release(sound_books, "HD0001", "abnormal")
    with pytest.raises(bill_holds.NotHeld, match=r"bill HD0001: expected one that is held .abnormal."):
        release(sound_books, "HD0001", "abnormal")
    assert words(sound_books) == [
        ("bill_held", "withdrawn"), ("before_debit", "sent"), ("before_debit", "queued")
    ]  # fmt: skip


def release(books: Books, number: str, kind: str) -> None:
    books.run(lambda session: bill_holds.release(session, number, kind, by="lan", why="read again", now=books.now))


def test_a_disputed_bill_takes_its_notice_back(sound_books: Books) -> None:
    sound_books.issue(a_bill(bank="standard", charge_on=CHARGE_ON))
    sound_books.run(
        lambda session: bill_holds.hold(session, "HD0001", "dispute", by="lan", why="ticket 7", now=sound_books.now)
    )
    assert sound_books.rows("SELECT state FROM messages") == [("withdrawn",)]
    with pytest.raises(bill_holds.NotHeld, match=r"expected one that is not held .dispute., got one that is"):
        sound_books.run(
            lambda session: bill_holds.hold(session, "HD0001", "dispute", by="lan", why="again", now=sound_books.now)
        )
    release(sound_books, "HD0001", "dispute")
    assert sound_books.rows("SELECT state FROM messages ORDER BY id") == [("withdrawn",), ("queued",)]


def test_what_a_mandate_keeps_out_is_a_question_and_its_customer_is_told_once(sound_books: Books) -> None:
    issue(sound_books, 2)
    carry_out(sound_books, "end", sound_books.one("SELECT id FROM mandates WHERE reference = 'UQ1'"))
    sound_books.now += timedelta(days=2)
    run = propose(sound_books)
    assert sound_books.rows("SELECT code FROM mismatches") == []
    approve(sound_books, run.id)
    asked = sound_books.rows("SELECT code, subject, facts->>'reason', minor FROM mismatches")
    assert asked == [("M17", "bill:HD0001", "no_mandate", 100_000)]
    told = "SELECT b.number FROM messages m JOIN bills b ON b.id = m.bill_id WHERE event = 'debit_failed'"
    assert sound_books.rows(told) == [("HD0001",)]


def test_a_run_taken_back_frees_its_bills(sound_books: Books) -> None:
    issue(sound_books)
    sound_books.now += timedelta(days=2)
    first = propose(sound_books)
    sound_books.run(
        lambda session: debit_runs.refuse(session, first.id, by="lan", why="too early", now=sound_books.now)
    )
    second = propose(sound_books)
    approve(sound_books, second.id)
    sound_books.run(
        lambda session: debit_runs.stop(session, second.id, by="chau", why="wrong day", now=sound_books.now)
    )
    third = propose(sound_books)
    sound_books.run(lambda session: debit_runs.refuse(session, third.id, by="chau", why="no", now=sound_books.now))
    told = sound_books.rows("SELECT state FROM debit_runs ORDER BY id")
    assert told == [("withdrawn",), ("withdrawn",), ("refused",)]
    with pytest.raises(RunRefused, match="expected a run that waits for approval, got run 999, which is not there"):
        approve(sound_books, 999)
    with pytest.raises(RunRefused, match=r"expected a run that is approved and not sent, got run .*, which is refused"):
        sound_books.run(lambda session: debit_runs.stop(session, third.id, by="chau", why="no", now=sound_books.now))
    assert propose(sound_books).debits == 1


def test_a_bank_s_limits_cut_files_and_leave_out_what_is_above(sound_books: Books) -> None:
    for number, minor in enumerate((100_000, 400_000, 300_000, 900_000, 100_000, 100_000), 1):
        issue(sound_books, first=number, minor=minor, due_on=date(2026, 12, 30 - number))
    sound_books.now += timedelta(days=2)
    limits = FileLimits(debits=2, total_minor=800_000, debit_minor=500_000)
    run = propose(sound_books, limit=limits.debit_minor)
    assert reasons(sound_books) == [("above_bank_limit", 1)]
    approve(sound_books, run.id)
    send(sound_books, run.id, limits)
    files = sound_books.rows("SELECT debits, total_minor FROM debit_files ORDER BY id")
    assert sum(count for count, _ in files) == 5
    assert all(count <= 2 and total <= 800_000 for count, total in files)
    oldest = sound_books.rows("SELECT bill_number FROM debits ORDER BY id")
    assert oldest == [("HD0006",), ("HD0005",), ("HD0003",), ("HD0002",), ("HD0001",)]


def test_a_preview_counts_what_a_run_would_hold_and_changes_nothing(sound_books: Books) -> None:
    issue(sound_books, 3)
    sound_books.hear(a_notice("T1", 100_000, code_of(2)))
    sound_books.now += timedelta(days=2)

    def count(session: Session) -> debit_choice.Preview:
        return debit_choice.preview(session, Wanted("standard", CHARGE_ON, sound_books.now), rules(session))

    found = sound_books.run(count)
    assert (found.debits, found.minor, found.left_out) == (2, 200_000, {"paid": (1, 100_000)})
    assert states(sound_books) == []


TAMPERED: list[tuple[str, str]] = [
    ("INSERT INTO debits (run_id, bill_id, bill_number, mandate_id, mandate_version, attempt, bank, charge_on, minor,"
     " end_to_end_id, sequence, created_at) SELECT run_id, bill_id, bill_number, mandate_id, mandate_version, 2, bank,"
     " charge_on, minor, 'X2', sequence, created_at FROM debits", "uq_debits_live"),
    ("UPDATE debits SET minor = minor - 1", "only added to|permission denied"),
    ("UPDATE debits SET state = 'unknown', moves = moves + 1", "sent_in_a_file_and_announced"),
    ("UPDATE debits SET state = 'sent', moves = moves + 1", "sent_in_a_file_and_announced"),
    ("DELETE FROM debits", "only added to|permission denied"),
    ("UPDATE debit_runs SET state = 'approved', moves = moves + 1", "checked_by_another"),
    ("UPDATE debit_runs SET state = 'approved', moves = moves + 1, checker = maker", "checked_by_another"),
    ("UPDATE debit_runs SET debits = 2", "only added to|permission denied"),
    ("INSERT INTO debit_runs (bank, charge_on, debits, total_minor, maker, made_at) SELECT bank, charge_on, 0, 0, 'x',"
     " made_at FROM debit_runs", "uq_debit_runs_open"),
    ("UPDATE debit_rules SET value = '0'", "permission denied"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "refused"), TAMPERED)
def test_the_database_refuses_what_no_rule_makes(sound_books: Books, what: str, refused: str) -> None:
    issue(sound_books)
    sound_books.now += timedelta(days=2)
    propose(sound_books)
    with pytest.raises(DBAPIError, match=refused):
        sound_books.run(lambda session: session.execute(text(what)))


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE debit_runs SET state = 'proposed'",
        "UPDATE messages SET sent_at = '2026-11-19T12:00+00'",
        "UPDATE messages SET event = 'debit_failed'",
        "UPDATE mandates SET state = 'paused'",
        "UPDATE bills SET state = 'paid'",
        "INSERT INTO bill_holds (bill_id, kind, why, made_by, made_at) SELECT id, 'person', 'w', 'b', now() FROM bills",
        "UPDATE mandate_versions SET cap_minor = 1",
        "INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)"
        " SELECT 'x', 1, 'debit_failed', customer_id, bill_id, '{}', now(), now() FROM messages",
    ],
)
def test_the_gate_stands_in_the_database_too(books: Books, meanwhile: str) -> None:
    issue(books)
    books.now += timedelta(days=2)
    approve(books, propose(books).id)
    tamper(books, meanwhile)
    leaving = """
        WITH file AS (INSERT INTO debit_files (kind, run_id, bank, message_id, debits, total_minor, made_at)
            SELECT 'debits', id, bank, 'M', 1, 100000, :now FROM debit_runs RETURNING id)
        UPDATE debits SET state = 'sent', moves = moves + 1, sent_at = :now, file_id = file.id FROM file
    """
    with pytest.raises(DBAPIError, match="debit HD0001-1 may not leave"):
        books.run(lambda session: session.execute(text(leaving), {"now": books.now}))


def test_a_new_version_of_the_mandate_is_what_the_next_run_goes_by(sound_books: Books) -> None:
    issue(sound_books)
    sound_books.now += timedelta(days=2)
    run = propose(sound_books)
    approve(sound_books, run.id)
    more: dict[str, Any] = {"cap_minor": 6_000_000, "consent_at": sound_books.now - timedelta(hours=1)}
    take(sound_books, a_mandate(1, **more))
    assert send(sound_books, run.id).dropped == {"changed": 1}
    assert sound_books.rows("SELECT state FROM debit_runs") == [("withdrawn",)]
    assert propose(sound_books).debits == 1


def test_what_was_tried_on_a_day_is_not_tried_again_on_it(sound_books: Books) -> None:
    sent(sound_books, 2)
    report(sound_books, outcome("HD0001-1", Verdict.REJECTED, "AC04"))
    again = propose(sound_books)
    assert again.debits == 0
    assert reasons(sound_books) == [("debit_live", 1), ("tried", 1)]


def words(books: Books) -> list[tuple[str, str]]:
    """Return what each customer was told of debits: event and state, the first promised first."""
    return [tuple(row) for row in books.rows("SELECT event, state FROM messages ORDER BY id")]


def test_who_was_told_that_nothing_is_debited_is_debited_only_after_a_new_notice(sound_books: Books) -> None:
    issue(sound_books, 1)
    mandate = sound_books.one("SELECT id FROM mandates")
    carry_out(sound_books, "pause", mandate)
    sound_books.now += timedelta(days=1)
    approve(sound_books, propose(sound_books).id)
    assert words(sound_books) == [("before_debit", "sent"), ("debit_failed", "queued")]
    carry_out(sound_books, "resume", mandate)
    sound_books.now += timedelta(days=1)
    assert propose(sound_books).debits == 0
    assert reasons(sound_books) == [("mandate_paused", 1), ("notice_differs", 1)]


def test_a_day_that_is_named_again_after_another_one_is_told_again(sound_books: Books) -> None:
    issue(sound_books, 1)
    bill = sound_books.one("SELECT id FROM bills")
    for day in (CHARGE_ON + timedelta(days=7), CHARGE_ON):
        sound_books.run(lambda session, day=day: (
            debit_days.date_anew(session, {bill: day}, by="lan", why="asked", now=sound_books.now),
            debit_promises.promise_notices(session, [bill], now=sound_books.now),
        ))  # fmt: skip
    told = "SELECT facts->>'debit_on' FROM messages WHERE event = 'before_debit' ORDER BY id"
    assert [row[0] for row in sound_books.rows(told)] == ["2026-11-20", "2026-11-27", "2026-11-20"]


def test_a_mandate_that_keeps_a_debit_behind_as_its_run_leaves_is_asked_about_and_its_customer_told(
    sound_books: Books,
) -> None:
    issue(sound_books, 2)
    sound_books.now += timedelta(days=2)
    run = propose(sound_books)
    approve(sound_books, run.id)
    carry_out(sound_books, "pause", sound_books.one("SELECT id FROM mandates WHERE reference = 'UQ1'"))
    assert send(sound_books, run.id).dropped == {"mandate_paused": 1}
    assert sound_books.rows("SELECT code, subject, facts->>'reason' FROM mismatches") == [
        ("M17", "bill:HD0001", "mandate_paused")
    ]
    assert sorted(words(sound_books)) == [
        ("before_debit", "sent"),
        ("before_debit", "sent"),
        ("debit_failed", "queued"),
    ]


def test_each_debit_that_was_announced_and_is_not_made_is_told_once(sound_books: Books) -> None:
    issue(sound_books, 1)
    bill = sound_books.one("SELECT id FROM bills")

    def announce(session: Session) -> None:
        later = CHARGE_ON + timedelta(days=7)
        debit_days.date_anew(session, {bill: later}, by="lan", why="asked", now=sound_books.now)
        debit_promises.promise_notices(session, [bill], now=sound_books.now)

    def fail() -> None:
        for _ in range(2):
            sound_books.run(lambda session: debit_promises.promise_failed(session, [bill], now=sound_books.now))

    fail()
    told = [("before_debit", "sent"), ("debit_failed", "queued")]
    assert words(sound_books) == told
    sound_books.run(announce)
    fail()
    assert words(sound_books) == [*told, ("before_debit", "withdrawn")], "what never left needs no correction"
    sound_books.run(announce)
    accept_notices(sound_books)
    fail()
    assert words(sound_books)[3:] == [("before_debit", "sent"), ("debit_failed", "queued")]
    leave(sound_books)
    assert [state for _, state in words(sound_books)] == ["sent", "sent", "withdrawn", "sent", "sent"]


def leave(books: Books) -> None:
    """Let the carrier accept whatever is queued, so that the books' own proof looks at it."""

    def act(session: Session) -> None:
        found = session.scalars(text("SELECT id FROM messages WHERE state = 'queued'")).all()
        move(session, MESSAGE, found, "sending", by="t", why="", now=books.now)
        move(session, MESSAGE, found, "sent", by="t", why="", now=books.now, noting="sent_at = :now")

    books.run(act)
