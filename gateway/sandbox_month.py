"""The sandbox month: two banks debit, day after day of virtual time, with all that goes wrong; books are compared.

Runs are proposed by one person and approved by another, files go over SFTP both ways, and at the end each debit must
stand in the books as it ended at its bank, each customer told before, and no bill taken twice.
"""

import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock_time
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.sandbox.bills import write_bills_csv
from banks.sandbox.debit_answers import OutgoingFile
from banks.sandbox.debit_bank import DebitBank
from banks.sandbox.debit_booking import Booking
from banks.sandbox.debit_month import EARLY, LATE, OTHER, Elsewhere, plan_month
from banks.sandbox.debit_truth import End
from banks.sandbox.notices import PlannedCallback
from banks.sandbox.transactions import SandboxBanks, at_local
from gateway import bill_import, debit_outcomes, mandate_import
from gateway.composing import compose_promises
from gateway.database import transaction
from gateway.practice import Place
from gateway.sandbox_day import DemoFailed, Say
from gateway.wiring import Wiring
from reconciliation import business_days, debit_choice, debit_reports, debit_rules, debit_runs, invariants
from reconciliation.debit_choice import Wanted

_CHOSEN_AT, _TOLD_AT, _MORNING = clock_time(8, 0), clock_time(8, 30), clock_time(7, 0)
_STATES = {
    End.PAID: "paid", End.REJECTED: "rejected", End.RETURNED: "returned", End.RECALLED: "recalled",
}  # fmt: skip
_MAKER, _CHECKER, _LIAISON = "ketoan", "ketoantruong", "nganhang"


class Hands(Protocol):
    """What does the gateway's work meanwhile: its processes, or whoever plays them."""

    def call(self, callbacks: Sequence[PlannedCallback]) -> None:
        """Send callbacks to the gateway; raise DemoFailed unless each is accepted."""
        ...

    def settle(self, *, files: bool = False) -> None:
        """Return once all that waits at this moment is done; with `files`, banks have put out new ones."""
        ...


@dataclass(slots=True)
class _Bank:
    """One sandbox bank and the folder that its server shows."""

    bank: DebitBank
    folder: Path

    def take_what_came(self, at: datetime) -> None:
        """Let the bank read the files that were put into its folder."""
        for file in sorted((self.folder / "to").iterdir()):
            if file.suffix == ".xml":
                take = self.bank.recall if file.name.startswith("TH") else self.bank.take
                take(file.read_bytes(), at)
                file.rename(file.with_suffix(".taken"))


def live(
    wiring: Wiring, hands: Hands, *, mandates: int, seed: int, say: Say, days: int | None = None
) -> dict[str, Any]:
    """Live the month, or its first `days`, on an empty sandbox; return its figures.

    Raises DemoFailed where the books say something else than the banks.
    """
    started = time.monotonic()
    month = _Month(wiring, hands, mandates, seed, say)
    month.begin()
    for day in islice(month.plan.days, days):
        month.live_through(day)
    month.ask_the_banks()
    wiring.sandbox_clock.clear()
    hands.settle()
    found = month.figures()
    found["seconds"] = round(time.monotonic() - started, 1)
    return found


def first_day(today: date) -> date:
    """Return the first day of the month before the last one: all of it, and what follows, has passed."""
    month = today.month - 2
    return date(today.year, month, 1) if month > 0 else date(today.year - 1, month + 12, 1)


class _Month:
    def __init__(self, wiring: Wiring, hands: Hands, mandates: int, seed: int, say: Say) -> None:
        self._wiring, self._hands, self._say = wiring, hands, say
        opens = business_days.LIBRARY.is_business_day
        banks, place = SandboxBanks(), Place(wiring.settings.home)
        self._wallet, self._wallet_folder = Booking(banks.wallet, opens), place.files_of(banks.wallet.name)
        first = first_day(business_days.local_day(wiring.clock()))
        self.plan = plan_month(mandates, seed, first, self._wallet)
        self._banks = {
            one.name: _Bank(
                DebitBank(one, seed, caps=self.plan.caps, is_business_day=opens, report_version=version),
                place.files_of(one.name),
            )
            for one, version in ((banks.direct, "03"), (OTHER, "10"))
        }
        self._out: list[tuple[Path, OutgoingFile]] = []
        self._runs: Counter[str] = Counter()
        self._moment = at_local(self.plan.first, clock_time(0))

    def begin(self) -> None:
        """Issue the month's bills and take its mandates in."""
        self._clock(self.plan.first, _CHOSEN_AT)
        for bank in self._banks.values():
            (bank.folder / "to").mkdir(parents=True, exist_ok=True)
        written = io.StringIO()
        write_bills_csv(written, self.plan.bills)
        place = Place(self._wiring.settings.home).folder / "mandates.csv"
        place.write_text(self.plan.mandates, encoding="utf-8")
        with transaction(self._wiring.engine) as session:
            rows = bill_import.rows_of_csv(io.StringIO(written.getvalue()))
            for _ in bill_import.take_in(session, self._wiring, rows):
                compose_promises(session, self._wiring.settings)
            mandate_import.take_in(session, self._wiring, place, by=_LIAISON)
        self._hands.settle()
        self._say(f"{len(self.plan.bills)} bills and mandates; the month begins on {self.plan.first:%d/%m/%Y}")

    def live_through(self, day: date) -> None:
        """Choose, send and carry out a day's debits, with what is paid elsewhere, and read what the banks put out."""
        if not self._wallet.opens(day):  # nothing is put out, chosen or carried out
            self._advance(day)
            return
        self._clock(day, _MORNING)
        self._deliver(at_local(day, _MORNING))
        self._clock(day, _CHOSEN_AT)
        chosen = sum(self._choose(name, day) for name in self._banks)
        self._hands.settle()
        self._take(day, _TOLD_AT)
        self._pay_elsewhere(day, EARLY)
        self._take(day, clock_time(9, 30))
        self._advance(day)
        self._deliver(at_local(day, LATE))
        self._pay_elsewhere(day, LATE)
        self._take(day, clock_time(20, 30))
        self._out.append((self._wallet_folder, self._wallet.close(day)))
        if chosen:
            self._say(f"{day:%d/%m}: {chosen} debits")

    def _advance(self, day: date) -> None:
        for one in self._banks.values():
            self._out += [(one.folder, file) for file in one.bank.advance(day)]

    def _choose(self, bank: str, day: date) -> int:
        """Let one person propose what is due and another approve it; return how many debits."""
        now, wanted = self._wiring.clock(), Wanted(bank, day, self._wiring.clock())
        with transaction(self._wiring.engine) as session:
            found = debit_choice.preview(session, wanted, debit_rules.rules(session))
            if not found.debits:
                return 0
            run = debit_runs.propose(session, wanted, by=_MAKER, now=now)
            debit_runs.approve(session, run.id, by=_CHECKER, why="control sum compared", now=now)
            compose_promises(session, self._wiring.settings)
        self._runs[bank] += 1
        return found.debits

    def _take(self, day: date, at: clock_time) -> None:
        self._clock(day, at)
        for one in self._banks.values():
            one.take_what_came(at_local(day, at))

    def _pay_elsewhere(self, day: date, at: clock_time) -> None:
        due: list[Elsewhere] = [one for one in self.plan.elsewhere if one.at == at_local(day, at)]
        if not due:
            return
        self._clock(day, at)
        self._hands.call([one.callback for one in due])
        for one in due:
            self._wallet.book(one.line)
        self._hands.settle()

    def _deliver(self, until: datetime) -> None:
        """Put out, in their order, the files that are due by then."""
        due = sorted((one for one in self._out if one[1].at <= until), key=lambda one: one[1].at)
        self._out = [one for one in self._out if one[1].at > until]
        for at, together in groupby(due, key=lambda one: one[1].at):
            self._pass_to(at)
            for folder, file in together:
                part = folder / f".{file.name}"
                part.write_bytes(file.data)
                part.rename(folder / file.name)
            self._hands.settle(files=True)

    def ask_the_banks(self) -> None:
        """Let a person ring the banks up about the debits that nothing was ever heard of."""
        with Session(self._wiring.engine) as session:
            asked = session.execute(
                text(
                    "SELECT d.bank, d.end_to_end_id FROM mismatches m JOIN debits d ON m.subject = 'debit:' || d.id"
                    " WHERE m.code = 'M16' AND m.state <> 'resolved' ORDER BY d.id"
                )
            ).all()
        for bank, debit in asked:
            truth = self._banks[bank].bank.truth[debit]
            with transaction(self._wiring.engine) as session:
                debit_reports.say(
                    session, debit, "rejected" if truth.end is End.REJECTED else "accepted", reason=truth.reason,
                    why="asked by telephone", by=_LIAISON, now=self._wiring.clock(),
                )  # fmt: skip
        debit_outcomes.follow_all(self._wiring)
        self._hands.settle()  # what it promised is sent before the clock moves on, else it would expire
        self._say(f"{len(asked)} debits asked after by telephone")

    def _clock(self, day: date, at: clock_time) -> None:
        self._pass_to(at_local(day, at))

    def _pass_to(self, moment: datetime) -> None:
        self._moment = max(moment, self._moment)  # time does not go back
        self._wiring.sandbox_clock.set(self._moment)

    def figures(self) -> dict[str, Any]:
        """Return what happened, or raise DemoFailed where the books say something else than the banks."""
        with Session(self._wiring.engine) as session:
            rows = session.execute(
                text("SELECT bank, end_to_end_id, state, reason FROM debits WHERE sent_at IS NOT NULL")
            )
            booked = {row.end_to_end_id: row for row in rows}
            counts = _counted(session, "SELECT code, count(*) FROM mismatches GROUP BY 1 ORDER BY 1")
            recalls = _counted(session, "SELECT state, count(*) FROM debit_recalls GROUP BY 1 ORDER BY 1")
            left_out = _counted(session, "SELECT reason, count(*) FROM debit_exclusions GROUP BY 1 ORDER BY 1")
            retried = session.scalar(text("SELECT count(*) FROM debits WHERE attempt > 1 AND sent_at IS NOT NULL"))
            expired = session.scalar(text("SELECT count(*) FROM messages WHERE state = 'expired'"))
            unexplained = invariants.unexplained_vnd(session)
        truths = {debit: truth for one in self._banks.values() for debit, truth in one.bank.truth.items()}
        _compare(truths.keys(), booked.keys(), lambda debit: (_STATES.get(truths[debit].end, ""), booked[debit].state))
        paid = Counter(row.end_to_end_id for row in booked.values() if row.state == "paid")
        return {
            "mandates": len(self.plan.bills), "runs": dict(self._runs), "debits": len(booked),
            "outcomes": dict(sorted(Counter(row.state for row in booked.values()).items())),
            "reasons": dict(sorted(Counter(row.reason for row in booked.values() if row.reason).items())),
            "retries": retried, "paid": len(paid), "recalls": recalls, "left_out": left_out, "mismatches": counts,
            "expired": expired, "unexplained_vnd": unexplained,
        }  # fmt: skip


def _counted(session: Session, query: str) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(text(query))}


def _compare(wanted: Iterable[str], found: Iterable[str], states: Callable[[str], tuple[str, str]]) -> None:
    apart = sorted(set(wanted) ^ set(found))
    if apart:
        raise DemoFailed(f"expected the same debits at the banks and in the books, {len(apart)} differ: {apart[:3]}")
    wrong = [(debit, *states(debit)) for debit in sorted(wanted) if len(set(states(debit))) > 1]
    if wrong:
        said = "; ".join(f"{debit} ended as {truth}, the books say {state}" for debit, truth, state in wrong[:5])
        raise DemoFailed(f"{len(wrong)} debits stand otherwise in the books: {said}")
