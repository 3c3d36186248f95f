"""When messages may leave: the hours and days that are kept quiet, and what is too much for one customer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import sending
from reconciliation.business_days import LIBRARY, LOCAL, Calendar
from reconciliation.sending_hours import ANY_TIME, Times
from reconciliation.sending_times import leaving, opens_at
from tests.reconciliation.books import Books, a_bill
from tests.reconciliation.test_sending import compose

USUAL = Times()
TIMES = st.builds(Times, quiet_from=st.times(), quiet_until=st.times(), holidays_rest=st.booleans())
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda since: BEGIN + since)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-18 07:00", "2026-11-18 07:00"),
        ("2026-11-18 20:59:59", "2026-11-18 20:59:59"),
        ("2026-11-18 21:00", "2026-11-19 07:00"),
        ("2026-11-18 23:59", "2026-11-19 07:00"),
        ("2026-11-18 00:00", "2026-11-18 07:00"),
        ("2026-11-18 06:59:59", "2026-11-18 07:00"),
        ("2026-11-22 10:00", "2026-11-22 10:00"),  # a Sunday is a day like others
        ("2026-04-30 10:00", "2026-05-02 07:00"),
        ("2026-04-29 22:00", "2026-05-02 07:00"),
    ],
)  # fmt: skip
def test_nights_and_holidays_are_quiet(now: str, opens: str) -> None:
    assert opens_at(USUAL, LIBRARY, here(now)) == here(opens)


def test_tet_is_quiet_from_its_first_day_to_its_last() -> None:
    quiet = opens_at(USUAL, LIBRARY, here("2026-02-16 12:00"))
    assert quiet.astimezone(LOCAL).time() == time(7)
    assert quiet > here("2026-02-20 07:00")


def test_a_day_that_people_have_noted_is_as_they_say() -> None:
    closed = Calendar({date(2026, 11, 18): False, date(2026, 4, 30): True})
    assert opens_at(USUAL, closed, here("2026-11-18 10:00")) == here("2026-11-19 07:00")
    assert opens_at(USUAL, closed, here("2026-04-30 10:00")) == here("2026-04-30 10:00")


@given(MOMENTS)
def test_practice_knows_no_quiet_hour(now: datetime) -> None:
    assert opens_at(ANY_TIME, LIBRARY, now) == now


@given(TIMES, MOMENTS)
def test_what_opens_is_open_and_nothing_before_it_is(times: Times, now: datetime) -> None:
    opens = opens_at(times, LIBRARY, now)
    assert opens >= now
    assert opens_at(times, LIBRARY, opens) == opens
    if opens > now:
        assert opens_at(times, LIBRARY, opens - timedelta(microseconds=1)) == opens


@given(TIMES, MOMENTS, MOMENTS)
def test_who_comes_later_leaves_no_earlier(times: Times, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert opens_at(times, LIBRARY, first) <= opens_at(times, LIBRARY, second)


LEASE = timedelta(seconds=60)
NIGHT, MORNING = timedelta(hours=13), timedelta(hours=22)
"""From nine in the morning to ten in the evening, and to seven of the next day."""


@pytest.fixture
def queued(sound_books: Books) -> Books:
    """One notice of a debit on Tuesday the 24th, composed and due; it is Wednesday the 18th, nine in the morning."""
    sound_books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    compose(sound_books)
    return sound_books


def claim(books: Books, after: timedelta, times: Times = USUAL) -> int:
    """Tell how many leave; what a sender asks for beforehand says the same."""

    def act(session: Session) -> int:
        now = books.now + after
        may = leaving(session, times, now=now)
        due = sending.is_due(session, may, memories={})
        taken = len(sending.claim(session, carrier="http", of_all=True, limit=10, lease=LEASE, now=now, may=may))
        assert due or not taken
        return taken

    taken: int = books.run(act)
    return taken


def is_due(books: Books, now: datetime, times: Times) -> bool:
    found: bool = books.run(lambda s: sending.is_due(s, leaving(s, times, now=now), memories={}))
    return found


def test_what_is_promised_at_night_leaves_in_the_morning(queued: Books) -> None:
    assert claim(queued, NIGHT) == 0
    assert is_due(queued, queued.now + NIGHT, USUAL) is False
    assert claim(queued, MORNING - timedelta(seconds=1)) == 0
    assert claim(queued, MORNING) == 1


@pytest.mark.parametrize(("wins", "leaves"), [(True, 1), (False, 0)])
def test_a_deadline_within_the_night_wins_where_it_may(queued: Books, wins: bool, leaves: int) -> None:
    before = timedelta(days=4) + NIGHT  # a debit's notice must be accepted a day before: by midnight of the 22nd
    assert claim(queued, before, Times(deadlines_win=wins)) == leaves


def test_a_notice_that_comes_too_late_for_its_debit_wakes_nobody(queued: Books) -> None:
    assert claim(queued, timedelta(days=5) + NIGHT) == 0


def test_a_notice_waits_until_its_debit_is_near(queued: Books) -> None:
    near = Times(notice_days=3)
    assert claim(queued, timedelta(days=2), near) == 0
    assert claim(queued, timedelta(days=3), near) == 1


def test_a_code_leaves_at_any_hour(queued: Books) -> None:
    queued.run(lambda s: s.execute(text(
        "INSERT INTO messages (event_key, version, event, customer_id, facts, body, not_after, created_at)"
        " SELECT 'code:1', 1, 'mandate_code', customer_id, '{}', 'x', :later, :now FROM messages"
    ), {"now": queued.now, "later": queued.now + timedelta(days=1)}))  # fmt: skip
    assert claim(queued, NIGHT) == 1
    assert queued.one("SELECT event FROM messages WHERE state = 'sending'") == "mandate_code"


def test_one_customer_gets_so_many_a_day_and_the_rest_on_the_next(queued: Books) -> None:
    queued.run(lambda s: s.execute(text(
        "INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, body, not_after, created_at)"
        " SELECT 'bulk:' || n, 1, 'payment_recorded', customer_id, bill_id, '{}', 'x', :later, :now"
        " FROM messages, generate_series(1, 4) n"
    ), {"now": queued.now, "later": queued.now + timedelta(days=9)}))  # fmt: skip
    few = Times(daily=2)
    assert claim(queued, timedelta(), few) == 2
    assert claim(queued, timedelta(minutes=1), few) == 0
    assert claim(queued, MORNING, few) == 2
    assert claim(queued, MORNING + timedelta(days=1), few) == 1


def test_what_would_be_too_late_tomorrow_is_not_put_off(queued: Books) -> None:
    queued.run(lambda s: s.execute(text(
        "INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, body, not_after, created_at)"
        " SELECT 'bulk:' || n, 1, 'payment_recorded', customer_id, bill_id, '{}', 'x', :soon, :now"
        " FROM messages, generate_series(1, 4) n"
    ), {"now": queued.now, "soon": queued.now + timedelta(hours=12)}))  # fmt: skip
    assert claim(queued, timedelta(), Times(daily=1)) == 4
    assert claim(queued, MORNING, Times(daily=1)) == 1, "the notice of a debit next week"


def test_two_that_claim_at_once_give_a_customer_no_more_than_one_would(queued: Books) -> None:
    queued.run(lambda s: s.execute(text(
        "INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, body, not_after, created_at)"
        " SELECT 'bulk:' || n, 1, 'payment_recorded', customer_id, bill_id, '{}', 'x', not_after, :now"
        " FROM messages, generate_series(1, 3) n"
    ), {"now": queued.now}))  # fmt: skip
    one = Times(daily=1)
    with Session(queued.engine) as first, ThreadPoolExecutor() as pool:
        may = leaving(first, one, now=queued.now)
        taken = sending.claim(first, carrier="a", of_all=True, limit=1, lease=LEASE, now=queued.now, may=may)
        other = pool.submit(claim, queued, timedelta(), one)
        wait_for_lock(queued)
        first.commit()
        assert (len(taken), other.result(30)) == (1, 0)


def wait_for_lock(books: Books) -> None:
    """Return once a session waits for another one's advisory lock."""
    deadline = monotonic() + 30
    while not books.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
        assert monotonic() < deadline, "nobody waits"
        sleep(0.01)
