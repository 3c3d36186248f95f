"""What moves on the account that a sandbox bank collects to: one statement a business day, balances in a row."""

import io
from collections.abc import Callable
from datetime import date, time, timedelta

from banks.money import dong
from banks.records import StatementLine
from banks.sandbox.debit_answers import OutgoingFile
from banks.sandbox.debit_orders import Order
from banks.sandbox.files import PlannedFile, file_name
from banks.sandbox.transactions import LOCAL, SandboxBank, at_local

_MADE_AT, _PUT_AT = time(5, 0), time(5, 30)


class Booking:
    """The collecting account of one bank; `closing` is the đồng on it after the last statement."""

    def __init__(self, bank: SandboxBank, is_business_day: Callable[[date], bool]) -> None:
        self._bank, self.opens = bank, is_business_day
        self.closing = dong(bank.opening)
        self._lines: list[StatementLine] = []
        self._numbers = 0

    def business_day_after(self, day: date, many: int = 1) -> date:
        """Return the business day `many` of them after `day`."""
        while many:
            day += timedelta(days=1)
            many -= self.opens(day)
        return day

    def paid(self, order: Order, day: date) -> str:
        """Book a debit that was carried out on `day`; return the bank's reference."""
        return self._book(_line(order, day)._replace(amount=dong(order.minor), narrative=order.narrative))

    def returned(self, order: Order, day: date, reason: str) -> str:
        """Book a debit that is given back on `day`."""
        back = _line(order, day)._replace(amount=dong(-order.minor), reversal=True, return_reason=reason)
        return self._book(back._replace(narrative=f"HOAN TRA {order.narrative}"[:140]))

    def receive(self, day: date, minor: int, narrative: str, payer: str = "", account: str = "") -> str:
        """Book a transfer that came in on `day`, before its statement is made; return the bank's reference."""
        line = StatementLine(0, 1, dong(minor), day, day, counterparty=payer, counterparty_account=account)
        return self._book(line._replace(narrative=narrative))

    def book(self, line: StatementLine) -> None:
        """Book what came in under a reference of its own."""
        self._lines.append(line._replace(entry=len(self._lines) + 1))

    def close(self, day: date) -> OutgoingFile:
        """Return the statement of `day`, put on the server on the morning of the next business day."""
        opening, lines = self.closing, tuple(self._lines)
        self._lines = []
        self.closing = sum((line.amount for line in lines), opening)
        arrives_on = self.business_day_after(day)
        out = io.BytesIO()
        PlannedFile(
            available_at=at_local(arrives_on, _PUT_AT), bank=self._bank.name, bank_title=self._bank.title,
            name=file_name(self._bank, day), message_id=f"MSG{day:%Y%m%d}", statement_id=f"SK{day:%Y%m%d}",
            account=self._bank.account, sequence=day.timetuple().tm_yday, booked_on=day,
            created_at=at_local(arrives_on, _MADE_AT).astimezone(LOCAL), opening=opening, closing=self.closing,
            lines=lines,
        ).write(out)  # fmt: skip
        return OutgoingFile(at_local(arrives_on, _PUT_AT), file_name(self._bank, day), "statement", out.getvalue())

    def _book(self, line: StatementLine) -> str:
        self._numbers += 1
        reference = f"FT{line.booked_on:%y%j}{self._numbers:08}"
        self._lines.append(line._replace(entry=len(self._lines) + 1, bank_reference=reference))
        return reference


def _line(order: Order, day: date) -> StatementLine:
    return StatementLine(
        0, 1, dong(0), day, day, end_to_end_id=order.end_to_end_id, mandate_id=order.mandate_id,
        counterparty=order.debtor, counterparty_account=order.account,
    )  # fmt: skip
