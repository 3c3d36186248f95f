"""Debits to play with: customers with mandates, bills that were announced, runs that are made, approved and sent."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.records import DebitOutcome, FileEvent, ReportClosed, ReportOpened, Verdict
from reconciliation import debit_following, debit_reports, debit_runs, debit_sending
from reconciliation.debit_choice import Wanted
from reconciliation.debit_limits import FileLimits
from reconciliation.debit_sending import Left
from reconciliation.debits import DebitRun
from tests.reconciliation.books import DAY, Books, a_bill
from tests.reconciliation.test_mandates import a_mandate, take

CHARGE_ON = DAY + timedelta(days=2)
RETRIES = debit_following.Retries({"AM04"})


def code_of(number: int) -> str:
    return f"PA{number:011}11126"


def customer_of(number: int) -> str:
    return f"PA{number:011}"


def issue(books: Books, count: int = 1, *, first: int = 1, **more: Any) -> None:
    """Issue bills of `count` customers, each with a mandate in force, and let their notices be accepted."""
    numbers = range(first, first + count)
    values: dict[str, Any] = {"bank": "standard", "charge_on": CHARGE_ON, **more}
    books.issue(
        *(
            a_bill(f"HD{n:04}", code=code_of(n), customer_code=customer_of(n), phone_hash=f"{n:016}".encode(), **values)
            for n in numbers
        )
    )
    take(
        books,
        *(a_mandate(n, reference=f"UQ{n}", customer_code=customer_of(n)) for n in numbers),
    )
    accept_notices(books)


def accept_notices(books: Books) -> None:
    """Let the carrier accept every queued word before a debit, now."""

    def act(session: Session) -> None:
        from reconciliation.lifecycle import MESSAGE, move

        found = session.scalars(text("SELECT id FROM messages WHERE event = 'before_debit' AND state = 'queued'")).all()
        move(session, MESSAGE, found, "sending", by="t", why="", now=books.now)
        move(session, MESSAGE, found, "sent", by="t", why="", now=books.now, noting="sent_at = :now")

    books.run(act)


def propose(books: Books, day: date = CHARGE_ON, *, by: str = "lan", bank: str = "standard", limit: int | None = None,
            leaves_at: datetime | None = None) -> DebitRun:  # fmt: skip
    wanted = Wanted(bank, day, leaves_at or books.now, limit)
    made: DebitRun = books.run(lambda session: debit_runs.propose(session, wanted, by=by, now=books.now))
    return made


def approve(books: Books, run: int, *, by: str = "chau") -> DebitRun:
    done: DebitRun = books.run(
        lambda session: debit_runs.approve(session, run, by=by, why="looks right", now=books.now)
    )
    return done


def send(books: Books, run: int, limits: FileLimits | None = None) -> Left:
    left: Left = books.run(lambda session: debit_sending.claim(session, run, limits or FileLimits(), now=books.now))
    return left


def sent(books: Books, count: int = 1, **more: Any) -> None:
    """Issue, propose, approve and send: two days later, so that the notices have had their time."""
    issue(books, count, **more)
    books.now += timedelta(days=2)
    run = propose(books)
    approve(books, run.id)
    assert send(books, run.id).files


def follow(books: Books) -> dict[str, int]:
    """Follow until nothing is new; return what moved where."""
    moved: dict[str, int] = {}
    while True:
        done = books.run(lambda session: debit_following.follow(session, RETRIES, now=books.now))
        if done is None:
            return moved
        for state, found in done.items():
            moved[state] = moved.get(state, 0) + found


def report(
    books: Books, *outcomes: DebitOutcome, message: str = "", bank: str = "standard", follows: bool = True
) -> debit_reports.Taken:
    """Let a bank report on a file of ours, the newest one unless it is named."""
    message = message or books.one("SELECT message_id FROM debit_files ORDER BY id DESC LIMIT 1")
    events: list[FileEvent] = [ReportOpened("pain.002.001.03", "R1", message), *outcomes, ReportClosed("R1", {})]
    delivery = books.delivery(bank, "statement")
    books.kept.pop((bank, "statement"))
    taken: debit_reports.Taken = books.run(
        lambda session: debit_reports.take_in(session, events, bank=bank, delivery_id=delivery, now=books.now)
    )
    if follows:
        follow(books)
    return taken


def outcome(end_to_end_id: str, verdict: Verdict, reason: str = "", status: str = "") -> DebitOutcome:
    said = status or {"accepted": "ACSP", "rejected": "RJCT", "pending": "PDNG", "partly": "PART"}[verdict.value]
    return DebitOutcome("debit", said, verdict, end_to_end_id=end_to_end_id, reason=reason)


def states(books: Books) -> list[str]:
    return [row[0] for row in books.rows("SELECT state FROM debits ORDER BY id")]


def reasons(books: Books) -> list[tuple[str, int]]:
    return [tuple(row) for row in books.rows("SELECT reason, count(*) FROM debit_exclusions GROUP BY 1 ORDER BY 1")]
