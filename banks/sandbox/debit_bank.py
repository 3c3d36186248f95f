"""A sandbox bank that debits: takes our files, lives through one day after the other, and answers as banks do.

What becomes of each debit follows from the seed (`debit_fates`), from the payer's money (`debit_payers`), from the cap
of the mandate, and from when a recall comes. `truth` tells what really happened, whatever of it was reported.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import count

from banks.sandbox.debit_answers import OutgoingFile, Told, answer, report
from banks.sandbox.debit_booking import Booking
from banks.sandbox.debit_fates import Fate, Fates, Mix
from banks.sandbox.debit_orders import OrderFile, RecallFile, RecallItem, read_orders, read_recall
from banks.sandbox.debit_payers import Payers
from banks.sandbox.debit_truth import End, Truth
from banks.sandbox.transactions import SandboxBank, at_local

_TAKEN_WITHIN = timedelta(minutes=10)
_REPORTED_AT = time(15, 0)
_AGAIN_AFTER = timedelta(minutes=25)
_ANSWERED_AFTER, _ANSWERED_AGAIN_AT = timedelta(hours=2), time(16, 0)


class DebitBank:
    """One bank; the same files at the same moments and the same seed give the same bytes.

    `caps` are the đồng that the bank lets a mandate take at once. `fates` are end-to-end ids whose fate is not drawn.
    """

    def __init__(
        self,
        bank: SandboxBank,
        seed: int,
        *,
        mix: Mix | None = None,
        fates: Mapping[str, Fate] | None = None,
        caps: Mapping[str, int] | None = None,
        is_business_day: Callable[[date], bool] = lambda day: day.weekday() < 5,
        report_version: str = "03",
    ) -> None:
        self.bank = bank
        self.truth: dict[str, Truth] = {}
        self.fates = Fates(seed, mix or Mix(), fates or {})
        self.payers = Payers(self.fates)
        self.booking = Booking(bank, is_business_day)
        self._caps, self._version = caps or {}, report_version
        self._files: dict[str, OrderFile] = {}
        self._late: list[Told] = []
        self._pending: list[RecallFile] = []
        self._out: list[tuple[datetime, int, OutgoingFile]] = []
        self._numbers = count(1)
        self._day: date | None = None

    def take(self, data: bytes, at: datetime) -> None:
        """Take a debit file at the moment `at`; what is wrong with all of it is told by a report. ValueError: no file.

        A message id or an end-to-end id that was here before refuses the whole file (DU01, DU04).
        """
        file = read_orders(data, self.bank.account)
        ids = [order.end_to_end_id for order in file.orders]
        fault = file.fault
        if file.message_id in self._files:
            fault = "DU01"
        elif len(set(ids)) != len(ids) or any(one in self.truth for one in ids):
            fault = fault or "DU04"
        if fault:
            file = OrderFile(file.message_id, file.format, file.count, file.total, (), fault)
        else:
            self._files[file.message_id] = file
            for order in file.orders:
                fate = self.fates.of(order.end_to_end_id, order.mandate_id)
                self.truth[order.end_to_end_id] = Truth(order, fate)
        at += _TAKEN_WITHIN
        number = next(self._numbers)
        data = report(file, f"RPT-{number}", at, (), self._version)
        self._put(OutgoingFile(at, f"{self.bank.name}-pain002-{file.message_id}-{number}.xml", "report", data))

    def recall(self, data: bytes, at: datetime) -> None:
        """Take a request to call debits off; those that are not carried out yet never will be. ValueError: no file.

        One that is accepted and not booked yet is answered as pending, and again on the next business day.
        """
        self._answer(read_recall(data), at + _ANSWERED_AFTER)

    def advance(self, day: date) -> list[OutgoingFile]:
        """Live through `day`, the one after the last; return the files put on the server up to its end, in order."""
        if self._day is not None and day != self._day + timedelta(days=1):
            raise ValueError(f"expected the day after {self._day}, got {day}")
        self.payers.pay_wages(day)
        if self.booking.opens(day):
            self._return_what_is_due(day)
            fresh, postponed = self._carry_out(day), self._late
            self._late = [one for one in fresh if self._fate(one).told == "late"]
            self._report(day, [*postponed, *(one for one in fresh if self._fate(one).told == "at once")])
            self._put(self.booking.close(day))
            pending, self._pending = self._pending, []
            for request in pending:
                self._answer(request, at_local(day, _ANSWERED_AGAIN_AT))
        self._day = day
        end, files = at_local(day + timedelta(days=1), time(0, 0)), []
        while self._out and self._out[0][0] < end:
            files.append(heappop(self._out)[2])
        return files

    def _carry_out(self, day: date) -> list[Told]:
        """Decide all debits that are due; return what can be told of them."""
        told = []
        for truth in self.truth.values():
            if truth.end is End.WAITING and truth.order.collect_on <= day:
                told.append(self._try(truth, day))
            elif truth.end is End.ACCEPTED:
                told.append(self._pay(truth, day))
        return told

    def _try(self, truth: Truth, day: date) -> Told:
        order, fate = truth.order, truth.fate
        came_late = order.collect_on < day and self.booking.opens(order.collect_on)
        refused = "TM01" if came_late else fate.refused
        if not refused and order.minor > self._caps.get(order.mandate_id, order.minor):
            refused = "AM02"
        if not refused and not self.payers.move(order.account, -order.minor):
            refused = "AM04"
        if refused:
            truth.end, truth.reason = End.REJECTED, refused
            return Told(order, "RJCT", refused)
        if fate.next_day:
            truth.end = End.ACCEPTED
            return Told(order, "ACCP")
        return self._pay(truth, day)

    def _pay(self, truth: Truth, day: date) -> Told:
        truth.end, truth.paid_on = End.PAID, day
        truth.reference = self.booking.paid(truth.order, day)
        if truth.fate.returned_after:
            truth.due_back_on = self.booking.business_day_after(day, truth.fate.returned_after)
        return Told(truth.order, "ACSC", reference=truth.reference)

    def _return_what_is_due(self, day: date) -> None:
        for truth in self.truth.values():
            if truth.end is End.PAID and truth.due_back_on is not None and truth.due_back_on <= day:
                truth.end, truth.returned_on = End.RETURNED, day
                truth.reason = "FOCR" if truth.recall == "refunded" else truth.fate.return_reason
                self.payers.move(truth.order.account, truth.order.minor)
                self.booking.returned(truth.order, day, truth.reason)

    def _answer(self, request: RecallFile, at: datetime) -> None:
        verdicts = [(item, *self._call_off(item)) for item in request.items]
        number = next(self._numbers)
        name = f"{self.bank.name}-camt029-{request.message_id}-{number}.xml"
        self._put(OutgoingFile(at, name, "answer", answer(request, f"ANS-{number}", at, verdicts, "09")))
        pending = tuple(item for item, status, _ in verdicts if status == "PDCR")
        if pending:
            self._pending.append(RecallFile(request.message_id, pending))

    def _call_off(self, item: RecallItem) -> tuple[str, str]:
        truth = self.truth.get(item.end_to_end_id)
        if truth is None or truth.order.message_id != item.message_id:
            return "RJCR", "NOOR"
        if truth.end is End.WAITING:
            truth.end, truth.recall = End.RECALLED, "in time"
        elif truth.end is End.ACCEPTED:
            return "PDCR", ""
        elif truth.recall in ("", "too late"):
            given_back = truth.end is End.PAID and self.fates.refunds(item.end_to_end_id)
            truth.recall = "refunded" if given_back else "too late"
            if given_back:
                truth.due_back_on = truth.paid_on  # which is over: it is given back on the next business day
        if truth.recall != "too late":
            return "ACCR", ""
        return "RJCR", "ARDT" if truth.end in (End.RETURNED, End.REJECTED) else "PTNA"

    def _report(self, day: date, told: list[Told]) -> None:
        """Tell what was decided, one report a file; a report may be lost on its way, or come twice."""
        files: dict[str, list[Told]] = {}
        for one in sorted(told, key=lambda one: (one.order.message_id, one.order.group)):
            files.setdefault(one.order.message_id, []).append(one)
        for message_id, members in files.items():
            name, at = f"{self.bank.name}-pain002-{message_id}-{day:%Y%m%d}", at_local(day, _REPORTED_AT)
            becomes = self.fates.report(name)
            if becomes == "lost":
                continue
            for one in members:
                self.truth[one.order.end_to_end_id].told |= one.status != "ACCP"
            first, again = (self._write(message_id, members, moment) for moment in (at, at + _AGAIN_AFTER))
            self._put(OutgoingFile(at, f"{name}.xml", "report", first))
            if becomes:
                data = first if becomes == "copied" else again
                self._put(OutgoingFile(at + _AGAIN_AFTER, f"{name}-2.xml", "report", data))

    def _write(self, message_id: str, told: list[Told], at: datetime) -> bytes:
        return report(self._files[message_id], f"RPT-{next(self._numbers)}", at, told, self._version)

    def _fate(self, told: Told) -> Fate:
        return self.truth[told.order.end_to_end_id].fate

    def _put(self, file: OutgoingFile) -> None:
        heappush(self._out, (file.at, next(self._numbers), file))
