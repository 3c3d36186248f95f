"""The stage's debits: mandates, runs that are made, approved and sent, and what banks say of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.records import (
    DebitOutcome,
    FileEvent,
    RecallClosed,
    RecallOpened,
    RecallOutcome,
    RecallVerdict,
    ReportClosed,
    ReportOpened,
    Verdict,
)
from reconciliation import (
    debit_asking,
    debit_days,
    debit_following,
    debit_promises,
    debit_recalls,
    debit_reports,
    debit_runs,
    debit_sending,
)
from reconciliation.business_days import local_day
from reconciliation.debit_choice import Wanted
from reconciliation.debit_limits import FileLimits
from reconciliation.debit_reports import Refused
from reconciliation.lifecycle import MESSAGE, move
from tests.reconciliation.books import DAY, Books, a_bill
from tests.reconciliation.proofs.facts import Bill, CalledBack, Debited, Fact, Found, Mandate, Word
from tests.reconciliation.proofs.reading import Run
from tests.reconciliation.test_mandates import a_mandate, carry_out, take

Play = tuple[int, Any]
RETRIES = debit_following.Retries({"AM04"})
_VERDICTS = {
    "accepted": ("ACSP", Verdict.ACCEPTED), "rejected": ("RJCT", Verdict.REJECTED),
    "pending": ("PDNG", Verdict.PENDING), "cancelled": ("CANC", Verdict.REJECTED),
}  # fmt: skip
_DEBITS = "SELECT bill_number, attempt, {} FROM debits WHERE bill_number = ANY(:numbers)"
_RECALLS = """
    SELECT d.bill_number, d.attempt, r.state FROM debit_recalls r JOIN debits d ON d.id = r.debit_id
    WHERE d.bill_number = ANY(:numbers) AND r.state <> 'dropped'
"""
_ASKED = """
    SELECT d.bill_number, d.attempt, m.code FROM mismatches m JOIN debits d ON m.subject = 'debit:' || d.id
    WHERE d.bill_number = ANY(:numbers) AND m.state <> 'resolved'
    UNION ALL
    SELECT w.number, 1, m.code FROM unnest(CAST(:numbers AS text[])) AS w (number)
    JOIN mismatches m ON m.subject = 'bill:' || w.number WHERE m.code = 'M17' AND m.state <> 'resolved'
"""


class Debits:
    """Plays what concerns debits for any number of runs at once."""

    def __init__(self, books: Books, runs: Mapping[int, Run]) -> None:
        self.books = books
        self.runs = runs
        self.acts: list[tuple[type[Fact], Callable[[list[Play]], None]]] = [
            (Mandate, self._agree), (Debited, self._debit), (Word, self._hear), (CalledBack, self._call_back),
        ]  # fmt: skip
        self._day = DAY
        self._moments = count(1)
        self._mandates = count(1)
        self._billed: dict[str, tuple[Run, str, str]] = {}
        """Number of a bill that is to be debited → its run, its name and the bank."""

    def terms(self, run: Run, bill: Bill) -> dict[str, Any]:
        """Return the terms of a bill that is to be debited; the day is chosen as its run is made."""
        if not bill.bank:
            return {}
        self._billed[run.bill(bill.name)] = (run, bill.name, run.bank(bill.bank))
        return {"bank": run.bank(bill.bank), "charge_on": DAY + timedelta(days=60)}

    @property
    def now(self) -> datetime:
        """Two hours into the day, and later each time: banks speak after the clock has struck."""
        return self.books.now + timedelta(hours=2, seconds=next(self._moments))

    def _agree(self, plays: list[Play]) -> None:
        """Import mandates as they stand; the one before it ends, unless the same one goes on in other terms."""
        taken, moves = [], []
        for number, fact in plays:
            run = self.runs[number]
            reference, before = run.mandates.get(fact.customer, ("", None))
            if before and before.state == "paused" and (before.cap, before.bank) == (fact.cap, fact.bank):
                moves.append(("resume", reference))
            else:
                if before is None or before.state == "ended" or before.bank != fact.bank:
                    if before and before.state != "ended":
                        carry_out(self.books, "end", self._mandate(reference))
                    reference = f"UQ{next(self._mandates)}"
                taken.append(self._terms(run, reference, fact))
                moves += [
                    (act, reference)
                    for act in ("pause", "end")
                    if act == {"paused": "pause", "ended": "end"}.get(fact.state)
                ]
            run.mandates[fact.customer] = (reference, fact)
        if taken:
            take(self.books, *taken)
        for act, reference in moves:
            carry_out(self.books, act, self._mandate(reference))

    def _terms(self, run: Run, reference: str, fact: Mandate) -> Any:
        until = local_day(self.books.now) if fact.state == "expired" else None
        since = DAY + timedelta(days=60) if fact.state == "later" else date(2026, 11, 1)
        agreed_at = datetime.fromisoformat("2026-11-01T09:00+07:00") + timedelta(seconds=next(self._moments))
        return a_mandate(
            next(self._mandates), reference=reference, customer_code=run.customer(fact.customer), valid_from=since,
            bank=run.bank(fact.bank), cap_minor=fact.cap, valid_to=until, consent_at=agreed_at,
        )  # fmt: skip

    def _mandate(self, reference: str) -> int:
        found: int = self.books.one("SELECT id FROM mandates WHERE reference = :reference", reference=reference)
        return found

    def _debit(self, plays: list[Play]) -> None:
        """Choose these bills for a day that no other run had; with those of many one of nobody's, lest it be empty."""
        self._day = max(self._day, local_day(self.books.now)) + timedelta(days=1)
        numbers = defaultdict(list)
        for number, fact in plays:
            for name in fact.bills:
                run = self.runs[number]
                numbers[self._bank_of(run, name)].append(run.bill(name))
        for bank, bills in numbers.items():
            self._send(bank, [*bills, self._nobody_s(bank)] if bank == "bank" else bills)
            for number, attempt, id in self.books.rows(_DEBITS.format("end_to_end_id"), numbers=bills):
                run, name, _ = self._billed[number]
                run.debits[_name(name, attempt)] = id

    def _bank_of(self, run: Run, name: str) -> str:
        return self._billed[run.bill(name[0])][2]

    def _nobody_s(self, bank: str) -> str:
        one = next(self._mandates)
        customer = f"PB{one:011}"
        bill = a_bill(
            f"NB{one}", code=customer + "11126", customer_code=customer, bank=bank, charge_on=DAY + timedelta(days=60)
        )
        self.books.issue(bill)
        take(self.books, a_mandate(one, reference=f"NB{one}", customer_code=customer, bank=bank))
        return bill.number

    def _send(self, bank: str, numbers: list[str]) -> None:
        now, day = self.now, self._day

        def act(session: Session) -> None:
            query = text("SELECT id FROM bills WHERE number = ANY(:numbers) AND live ORDER BY id")
            found = session.scalars(query, {"numbers": numbers}).all()
            debit_days.date_anew(session, dict.fromkeys(found, day), by="lan", why="the day of its run", now=now)
            debit_promises.promise_notices(session, list(found), now=now)
            told = now - timedelta(hours=25)
            query = text(
                "SELECT id FROM messages WHERE event = 'before_debit' AND state = 'queued' AND bill_id = ANY(:bills)"
            )
            messages = session.scalars(query, {"bills": list(found)}).all()
            move(session, MESSAGE, messages, "sending", by="t", why="", now=told)
            move(session, MESSAGE, messages, "sent", by="t", why="", now=told, noting="sent_at = :now")
            run = debit_runs.propose(session, Wanted(bank, day, now), by="lan", now=now)
            debit_runs.approve(session, run.id, by="chau", why="looks right", now=now)
            debit_sending.claim(session, run.id, FileLimits(), now=now)

        self.books.run(act)
        self._hand_over()

    def _hand_over(self) -> None:
        def act(session: Session) -> None:
            while (file := debit_sending.waiting_file(session, now=self.books.now)) is not None:
                debit_sending.handed(session, file, size=1, digest=b"d" * 32, now=self.books.now)

        self.books.run(act)

    def _delivery(self, bank: str, kind: str = "statement") -> int:
        self.books.kept.pop((bank, kind), None)
        return self.books.delivery(bank, kind)

    def _hear(self, plays: list[Play]) -> None:
        together = [(self.runs[number], word) for number, word in plays]
        now = self.now
        single = [(run, word) for run, word in together if word.how == "report"]
        if single:
            outcomes = [_outcome(run, word.debit, word.verdict, word.reason) for run, word in single]
            banks = defaultdict(list)
            for (run, word), outcome in zip(single, outcomes, strict=True):
                banks[self._bank_of(run, word.debit)].append(outcome)
            for bank, told in banks.items():
                self._take(bank, [ReportOpened("pain.002.001.03", "R", "none"), *told, ReportClosed("R", {})], now)
        refused = [
            Refused(bank, self._delivery(bank, "callback"), run.debit(word.debit), word.reason)
            for run, word in together if word.how == "callback" for bank in [self._bank_of(run, word.debit)]
        ]  # fmt: skip
        self.books.run(lambda session: debit_reports.hear(session, refused, now=now))
        for run, word in together:
            if word.how == "person":
                said = {"reason": word.reason, "why": "the bank's hotline", "by": "chau", "now": now}
                id = run.debit(word.debit)
                self.books.run(
                    lambda session, id=id, word=word, said=said: debit_reports.say(session, id, word.verdict, **said)
                )
            elif word.how in ("group", "file", "recall"):
                self._take(self._bank_of(run, word.debit), self._of_many(run, word), now)

    def _take(self, bank: str, events: list[FileEvent], now: datetime) -> None:
        delivery = self._delivery(bank)
        self.books.run(lambda session: debit_reports.take_in(session, events, bank=bank, delivery_id=delivery, now=now))

    def _of_many(self, run: Run, word: Word) -> list[FileEvent]:
        [(file, recall)] = self.books.rows(
            "SELECT f.message_id, r.message_id FROM debits d JOIN debit_files f ON f.id = d.file_id"
            " LEFT JOIN debit_recalls w ON w.debit_id = d.id LEFT JOIN debit_files r ON r.id = w.file_id"
            " WHERE d.end_to_end_id = :id", id=run.debit(word.debit),
        )  # fmt: skip
        if word.how == "recall":
            verdict = RecallVerdict.CANCELLED if word.verdict == "cancelled" else RecallVerdict.REJECTED
            outcome = RecallOutcome("debit", "", verdict, file, end_to_end_id=run.debit(word.debit))
            return [RecallOpened("camt.029.001.09", "A", recall), outcome, RecallClosed("A", {})]
        status, meaning = _VERDICTS[word.verdict]
        group = f"{file}-0001" if word.how == "group" else ""
        return [
            ReportOpened("pain.002.001.03", "R", file),
            DebitOutcome(word.how, status, meaning, payment_group=group, reason=word.reason),
            *(_outcome(run, name, verdict) for name, verdict in word.but), ReportClosed("R", {}),
        ]  # fmt: skip

    def _call_back(self, plays: list[Play]) -> None:
        for number, fact in plays:
            bank = self.runs[number].bank(fact.bank)
            self.books.run(lambda session, bank=bank: debit_recalls.claim(session, bank, now=self.now))
        self._hand_over()

    def follow(self) -> None:
        """Bring debits to the state that what is known calls for, and close what is settled."""
        if not self._billed:
            return
        while self.books.run(lambda session: debit_following.follow(session, RETRIES, now=self.now)) is not None:
            pass
        self.books.run(lambda session: debit_asking.close_settled(session, now=self.now))
        self.books.run(lambda session: debit_asking.ask_of_reopened(session, now=self.now))

    def pass_day(self) -> None:
        """Let silence speak: what was not heard of is asked after, at once, in five minutes and in an hour."""
        if not self._billed:
            return
        at = self.now
        self.books.run(lambda session: debit_asking.time_out(session, now=at))
        for minutes in (0, 5, 65):
            moment = at + timedelta(minutes=minutes)
            self.books.run(lambda session, moment=moment: debit_asking.to_ask(session, limit=100_000, now=moment))

    def read(self, found: Mapping[int, Found]) -> None:
        """Add what became of debits to what the books of these runs come to."""
        numbers = [number for number, (run, _, _) in self._billed.items() if run.number in found]
        if not numbers:
            return
        for into, query in (("debits", _DEBITS.format("state")), ("recalls", _RECALLS)):
            for books, name, state in self._named(found, self.books.rows(query, numbers=numbers)):
                getattr(books, into)[name] = state
        for books, name, code in self._named(found, self.books.rows(_ASKED, numbers=numbers)):
            books.questions.add((code, name))

    def _named(self, found: Mapping[int, Found], rows: Iterable[Any]) -> Iterable[tuple[Found, str, str]]:
        for number, attempt, said in rows:
            run, name, _ = self._billed[number]
            yield found[run.number], _name(name, attempt), said


def _name(bill: str, attempt: int) -> str:
    return bill if attempt == 1 else f"{bill}.{attempt}"


def _outcome(run: Run, name: str, verdict: str, reason: str = "") -> DebitOutcome:
    status, meaning = _VERDICTS[verdict]
    return DebitOutcome("debit", status, meaning, end_to_end_id=run.debit(name), reason=reason)
