"""Plans: no rule reads rows once for each row of another table, however the planner came to like it."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from reconciliation import large_statements, routing, sending
from reconciliation.sending_hours import Times
from reconciliation.sending_times import leaving
from tests.reconciliation.books import Books, a_bill, a_line, a_notice
from tests.reconciliation.test_large_statements import go_on

LINES = 1_200
"""Enough for a bulk load's statistics, and for a loop within a loop to stand out."""
MOST = 100 * LINES
"""Rows that one step of a plan may read in all: a table so small is read through for a few dozen of them at a time, but
never once for each line, which would be 1,440,000."""


@pytest.fixture
def read_by_plans(engine: Engine) -> Iterator[dict[str, int]]:
    """Run each statement a first time under EXPLAIN ANALYZE, undone at once; yields its words → the most rows read."""
    most: dict[str, int] = {}

    def explain(_connection: Any, cursor: Any, said: str, given: Any, _context: Any, _many: bool) -> None:
        if not said.lstrip().startswith(("WITH", "SELECT", "INSERT", "UPDATE")) or "_statistics()" in said:
            return
        own = cursor.connection.cursor()
        own.execute("SAVEPOINT explained")
        found = own.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {said}".encode(), given).fetchone()[0]
        own.execute("ROLLBACK TO explained")
        plan = found if isinstance(found, list) else json.loads(found)
        words = " ".join(said.split())[:300]
        most[words] = max(most.get(words, 0), _read(plan[0]["Plan"]))

    event.listen(engine, "before_cursor_execute", explain)
    yield most
    event.remove(engine, "before_cursor_execute", explain)


def _read(plan: dict[str, Any]) -> int:
    """Return how many rows the busiest step of a plan has looked at in all its loops."""
    rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    return max(int(rows * plan["Actual Loops"]), *(_read(one) for one in plan.get("Plans", [])), 0)


def test_a_statement_is_paired_booked_and_matched_without_a_loop_in_a_loop(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch, read_by_plans: dict[str, int]
) -> None:
    monkeypatch.setattr(large_statements, "LARGE", 0)
    monkeypatch.setattr(large_statements, "PIECE", LINES // 2)
    customers = [f"PA{n:011}" for n in range(LINES)]
    owed = [a_bill(f"HD{n:06}", 50_000 + n, f"{who}11126", customer_code=who) for n, who in enumerate(customers)]
    sound_books.issue(*owed)
    sound_books.hear(*(a_notice(f"T{n}", 50_000 + n, f"{customers[n]}11126") for n in range(0, LINES, 8)))
    read_by_plans.clear()
    words = ["tt {}11126"] * 8 + ["tra {}", "khong ro"]
    sound_books.read(
        *(a_line(50_000 + n, f"B{n}", words[n % 10].format(who)) for n, who in enumerate(customers)), opening=0
    )
    for _ in go_on(sound_books):
        pass
    assert len(read_by_plans) > 30
    assert {said: rows for said, rows in read_by_plans.items() if rows > MOST} == {}
    assert sound_books.one("SELECT count(*) FROM bills WHERE state = 'paid'") > LINES * 0.8


def test_what_is_owed_follows_many_bills_though_one_changed_before(books: Books) -> None:
    """A plan that was kept from one bill compared each of the next thousands with each."""
    books.issue(a_bill())
    columns = "customer_id, period, kwh, charge_minor, tax_minor, arrears_minor, minor, issued_on, due_on, created_at"
    many = (
        f"INSERT INTO bills (number, version, payment_code, {columns})"
        f" SELECT 'M' || g, 1, 'M' || g, {columns} FROM bills, generate_series(1, 4000) g"
    )

    def act(session: Session) -> list[str]:
        session.execute(text(many))
        session.execute(text("UPDATE bills SET state = 'cancelled', moves = 1 WHERE number = 'M1'"))
        said = session.scalars(text("EXPLAIN (ANALYZE) UPDATE bills SET state = 'cancelled' WHERE number <> 'M1'"))
        return [line for line in said if "owed_bills_changed" in line]

    [line] = books.run(act)
    assert float(line.partition("time=")[2].split()[0]) < 500
    assert books.one("SELECT count(*) FROM owed_bills") == 0


def test_what_may_not_leave_yet_is_not_looked_through_to_find_nothing(
    sound_books: Books, read_by_plans: dict[str, int]
) -> None:
    """A night's queue of notices is asked about every second, by each carrier."""
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    many = (
        "INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, body, not_after, created_at)"
        " SELECT 'many:' || n, 1, event, customer_id, bill_id, '{}', 'x', not_after, created_at"
        " FROM messages, generate_series(1, 5000) n"
    )
    sound_books.run(lambda s: s.execute(text(many)))
    sound_books.as_owner("ANALYZE messages")  # as the server itself does, once so many are new
    night, soon = sound_books.now + timedelta(hours=13), Times(notice_days=3)

    def ask(now: datetime, times: Times) -> tuple[bool, int, int]:
        def act(session: Session) -> tuple[bool, int, int]:
            may = leaving(session, times, now=now)
            return (
                sending.is_due(session, may, memories={}),
                len(
                    sending.claim(session, carrier="one", limit=100, lease=timedelta(1), now=now, of_all=True, may=may)
                ),
                routing.route(session, {"one": 1, "other": 1}, may, declared=["one", "other"], ill=[], limit=500),
            )

        found: tuple[bool, int, int] = sound_books.run(act)
        return found

    read_by_plans.clear()
    for _ in range(8):  # kept plans know no values
        assert ask(night, Times()) == (False, 0, 0)
        assert ask(sound_books.now, soon) == (False, 0, 0)
    assert len(read_by_plans) > 5
    assert {said: rows for said, rows in read_by_plans.items() if rows > 100} == {}
    assert ask(sound_books.now, Times(daily=0)) == (True, 100, 500)
