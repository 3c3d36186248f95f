"""The sandbox day: bills, notices, callbacks, statements and their faults, driven through the real parts.

The day is lived on the last three business days whose statements are out by now, by a clock that all processes share,
so that deadlines pass for real. It only goes forward, and nothing that is lived through lies in the future. At its end
the books are compared with what the sandbox knows it sent.
"""

import io
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.sandbox.bills import make_bills, write_bills_csv
from banks.sandbox.caller import Caller
from banks.sandbox.day import Plan, plan_day
from banks.sandbox.files import PlannedFile, file_name
from banks.sandbox.mandates import write_mandates_csv
from banks.sandbox.transactions import DayDates, SandboxBank, at_local
from gateway import bell, bill_import, schedule
from gateway.composing import compose_promises
from gateway.database import transaction
from gateway.practice import Place
from gateway.wiring import Wiring
from reconciliation import business_days, invariants

Say = Callable[[str], None]
_PATIENCE = 300.0
_STATEMENT_AT = clock_time(5, 30)
_UNDER_WAY = "SELECT count(*) FROM messages WHERE state IN ('sending', 'sent')"


class DemoFailed(Exception):
    """The sandbox day did not end as it must; the message says what was expected and what came."""


def dates_before(now: datetime) -> DayDates:
    """Return the last three business days whose statements, put out on the next one, have been out by `now`."""
    found: list[date] = []
    day = business_days.local_day(now)
    while len(found) < 3:
        day -= timedelta(days=1)
        if business_days.LIBRARY.is_business_day(day) and _statement_out_at(day) <= now:
            found.append(day)
    return DayDates(found[2], found[1], found[0])


def _statement_out_at(day: date) -> datetime:
    return at_local(business_days.LIBRARY.after(day, 1), _STATEMENT_AT)


def live(wiring: Wiring, *, bills: int, seed: int, say: Say) -> dict[str, Any]:
    """Live the day on an empty, running sandbox; return the figures of the contract, or raise DemoFailed."""
    started = time.monotonic()
    day = _Day(wiring, bills, seed, say)
    day.issue()
    day.call()
    day.deliver_statements()
    day.pass_deadlines()
    day.await_receipts()
    figures = _figures(wiring)
    figures["seconds"] = round(time.monotonic() - started, 1)
    _compare(day.plan, figures)
    return figures


class _Day:
    def __init__(self, wiring: Wiring, bills: int, seed: int, say: Say) -> None:
        self._wiring, self._say = wiring, say
        self._begun = False
        dates = dates_before(wiring.clock())
        self._issued_on = dates.debit_on - timedelta(days=1)
        made = make_bills(bills, seed, self._issued_on, dates.debit_on, dates.debit_on + timedelta(days=7))
        self.plan: Plan = plan_day(made, seed, dates)

    def issue(self) -> None:
        self._set_clock(at_local(self._issued_on, clock_time(8)))
        written = io.StringIO()
        write_bills_csv(written, self.plan.bills)
        place = Place(self._wiring.settings.home).folder / "bills.csv"
        place.write_text(written.getvalue(), encoding="utf-8")
        with place.with_name("mandates.csv").open("w", encoding="utf-8", newline="") as mandates:
            write_mandates_csv(mandates, self.plan.bills)
        with place.open(encoding="utf-8", newline="") as lines, transaction(self._wiring.engine) as session:
            for _ in bill_import.take_in(session, self._wiring, bill_import.rows_of_csv(lines)):
                compose_promises(session, self._wiring.settings)
        self._say(f"{len(self.plan.bills)} bills issued for {self._issued_on:%d/%m/%Y}; sending the notices")
        bell.ring(self._wiring.valkey, "messages")
        self._until("the notices are sent", "SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')")

    def call(self) -> None:
        callers = self._wiring.callers
        settings = self._wiring.settings
        caller = Caller(
            f"http://127.0.0.1:{settings.port}", self._wiring.clock, {one: callers[one].secrets for one in callers}
        )
        early = [one for one in self.plan.callbacks if one.at < self.plan.cut_off_at]
        late = [one for one in self.plan.callbacks if one.at >= self.plan.cut_off_at]
        for part in (early, late):
            if not part:
                continue
            self._set_clock(part[-1].at)  # when the last of them was due, so that none is heard before it happened
            report = caller.send_all(part, threads=8)
            if report.refused or report.differing:
                raise DemoFailed(
                    f"expected every callback to be accepted, {len(report.refused)} were not;"
                    f" {len(report.differing)} repetitions were answered otherwise than the first time"
                )
            self._say(f"{len(report.calls)} callbacks answered; reading them")
            self._until("the callbacks are read", "SELECT count(*) FROM deliveries WHERE state = 'received'")

    def deliver_statements(self) -> None:
        banks = self.plan.banks
        quiet = [self._quiet_day(bank) for bank in (banks.direct, banks.wallet)]
        for file in sorted([*self.plan.files, *quiet], key=lambda one: (one.available_at, one.name)):
            self._set_clock(file.available_at)
            folder = Place(self._wiring.settings.home).files_of(file.bank)
            part = folder / f".{file.name}"
            with part.open("wb") as stream:
                file.write(stream)
            part.rename(folder / file.name)
            bell.ring(self._wiring.valkey, "files")
            name = file.name.replace("'", "")
            self._until(
                f"{file.name} is fetched and read",
                f"SELECT 1 - count(*) FROM remote_files WHERE bank = '{file.bank}' AND name = '{name}'",  # noqa: S608 - our own plan's names
                "SELECT count(*) FROM deliveries WHERE state = 'received'",
            )
            self._say(f"{file.name}: {len(file.lines)} lines read")

    def _quiet_day(self, bank: SandboxBank) -> PlannedFile:
        """Return the third day's statement: nothing happened on it, and a file of no lines is a file."""
        last = [one for one in self.plan.files if one.bank == bank.name][-1]
        day = self.plan.dates.after_on
        due = _statement_out_at(day)
        return replace(
            last, available_at=due, name=file_name(bank, day), message_id=f"MSG{day:%Y%m%d}",
            statement_id=f"SK{day:%Y%m%d}", sequence=day.timetuple().tm_yday, booked_on=day,
            created_at=due.astimezone(last.created_at.tzinfo), opening=last.closing, closing=last.closing, lines=(),
            repeats="",
        )  # fmt: skip

    def pass_deadlines(self) -> None:
        self._until("what is under way by SMS has arrived", _UNDER_WAY)
        self._wiring.sandbox_clock.clear()
        schedule.watch_deadlines(self._wiring)
        self._say("deadlines passed; waiting for the last messages")

    def await_receipts(self) -> None:
        bell.ring(self._wiring.valkey, "messages")
        self._until(
            "every message has its receipt",
            "SELECT count(*) FROM messages WHERE state IN ('queued', 'sending', 'sent', 'unsure')",
        )

    def _set_clock(self, moment: datetime) -> None:
        """Go on to `moment`, unless it has passed, once every message that left has its receipt of today's time."""
        self._until("what is under way by SMS has arrived", _UNDER_WAY)
        if not self._begun or moment > self._wiring.clock():
            self._wiring.sandbox_clock.set(moment)
        self._begun = True

    def _until(self, what: str, *queries: str) -> None:
        """Wait until each query counts zero."""
        deadline = time.monotonic() + _PATIENCE
        for query in queries:
            while True:
                with Session(self._wiring.engine) as session:
                    left = int(session.scalar(text(query)) or 0)
                if not left:
                    break
                if time.monotonic() > deadline:
                    raise DemoFailed(f"waited {_PATIENCE:.0f} s until {what}; {left} left")
                time.sleep(0.05)


def _figures(wiring: Wiring) -> dict[str, Any]:
    with Session(wiring.engine) as session:
        row = (
            session.execute(
                text(
                    """
                SELECT (SELECT count(*) FROM bills) AS bills, (SELECT sum(minor)::bigint FROM bills) AS issued_vnd,
                    (SELECT count(*) FROM deliveries WHERE kind = 'callback') AS callbacks,
                    (SELECT count(*) FROM statement_lines l JOIN statements s ON s.id = l.statement_id
                     WHERE s.state = 'accepted') AS statement_lines,
                    (SELECT count(DISTINCT payment_id) FROM allocations WHERE undone_at IS NULL) AS matched
                """
                )
            )
            .mappings()
            .one()
        )
        mismatches = session.execute(text("SELECT code, count(*) FROM mismatches GROUP BY 1 ORDER BY 1")).tuples().all()
        sent = "SELECT event, count(*) FROM messages WHERE state IN ('sent', 'delivered', 'undelivered') GROUP BY 1"
        sms: dict[str, int] = dict(session.execute(text(sent)).tuples().all())
        unexplained = invariants.unexplained_vnd(session)
    carrier = _carrier_stats(wiring)
    return {
        **row,
        "mismatches": dict(mismatches),
        "sms": {
            "before": sms.get("before_debit", 0),
            "after": sms.get("payment_recorded", 0),
            "duplicates": carrier["duplicates"],
        },
        "unexplained_vnd": unexplained,
    }


def _carrier_stats(wiring: Wiring) -> Mapping[str, int]:
    with urllib.request.urlopen(f"{wiring.settings.sms.url}/stats", timeout=10) as answer:  # noqa: S310 - our own sandbox
        stats: Mapping[str, int] = json.load(answer)
    return stats


def _compare(plan: Plan, figures: Mapping[str, Any]) -> None:
    known = plan.expected
    wanted = {
        "bills": known["bills"], "issued_vnd": known["issued_vnd"], "callbacks": known["events"],
        "statement_lines": known["statement_lines"], "matched": known["matched"],
        "mismatches": {code: count for code, count in known["mismatches"].items() if count},
        "sms": {**known["sms"], "duplicates": 0}, "unexplained_vnd": 0,
    }  # fmt: skip
    wrong = [
        f"{name}: expected {value}, got {figures[name]}" for name, value in wanted.items() if figures[name] != value
    ]
    if wrong:
        raise DemoFailed("the books differ from what was sent: " + "; ".join(wrong))
