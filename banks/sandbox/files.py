"""The statement files of a sandbox day: balances that follow on from each other, and the files sent again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import BinaryIO

from banks.money import Money, dong
from banks.records import StatementLine
from banks.sandbox.notices import line
from banks.sandbox.statement_writer import write_camt053
from banks.sandbox.transactions import LOCAL, DayDates, SandboxBank, SandboxBanks, Transaction, at_local

_MADE_AT = time(5, 0)
_PUT_AT = time(5, 30)
_COPIED_AT = time(5, 45)
_MADE_AGAIN_AT = time(6, 10)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One camt.053 file of one statement, put on the bank's server at `available_at` (UTC).

    `repeats` is the name of the file whose statement this one brings again, "" for a new statement.
    """

    available_at: datetime
    bank: str
    bank_title: str
    name: str
    message_id: str
    statement_id: str
    account: str
    sequence: int
    booked_on: date
    created_at: datetime
    opening: Money
    closing: Money
    lines: tuple[StatementLine, ...]
    repeats: str = ""

    def write(self, stream: BinaryIO) -> None:
        """Write the file's bytes, the same ones each time."""
        write_camt053(
            stream,
            message_id=self.message_id,
            statement_id=self.statement_id,
            account=self.account,
            bank_name=self.bank_title,
            currency="VND",
            sequence=self.sequence,
            from_on=self.booked_on,
            to_on=self.booked_on,
            created_at=self.created_at,
            opening=self.opening,
            lines=self.lines,
            closing=self.closing,
        )


def plan_files(transactions: Sequence[Transaction], dates: DayDates, banks: SandboxBanks) -> tuple[PlannedFile, ...]:
    """Return the files that arrive, in the order of their arrival.

    The bank brings its statements of both days, and that of D twice more (M14); the wallet brings only that of D (M13).
    """
    direct = _statement(banks.direct, transactions, dates.debit_on, dates.next_on, dong(banks.direct.opening))
    later = _statement(banks.direct, transactions, dates.next_on, dates.after_on, direct.closing)
    wallet = _statement(banks.wallet, transactions, dates.debit_on, dates.next_on, dong(banks.wallet.opening))
    stem = direct.name.removesuffix(".xml")
    copy = replace(direct, name=f"{stem}-2.xml", available_at=at_local(dates.next_on, _COPIED_AT), repeats=direct.name)
    again = replace(
        direct,
        name=f"{stem}-R1.xml",
        message_id=f"{direct.message_id}R1",
        created_at=at_local(dates.next_on, _MADE_AGAIN_AT).astimezone(LOCAL),
        available_at=at_local(dates.next_on, _MADE_AGAIN_AT),
        repeats=direct.name,
    )
    return tuple(sorted((direct, wallet, copy, again, later), key=lambda file: (file.available_at, file.name)))


def file_name(bank: SandboxBank, day: date) -> str:
    """Return the usual name of `bank`'s statement of `day`."""
    return f"{bank.name}-camt053-{day:%Y%m%d}.xml"


def _statement(
    bank: SandboxBank, transactions: Sequence[Transaction], day: date, arrives_on: date, opening: Money
) -> PlannedFile:
    booked = [each for each in transactions if each.bank == bank and each.booked_on == day]
    booked.sort(key=lambda each: (each.paid_at, each.reference))
    lines = tuple(line(each, entry) for entry, each in enumerate(booked, 1))
    return PlannedFile(
        available_at=at_local(arrives_on, _PUT_AT),
        bank=bank.name,
        bank_title=bank.title,
        name=file_name(bank, day),
        message_id=f"MSG{day:%Y%m%d}",
        statement_id=f"SK{day:%Y%m%d}",
        account=bank.account,
        sequence=day.timetuple().tm_yday,
        booked_on=day,
        created_at=at_local(arrives_on, _MADE_AT).astimezone(LOCAL),
        opening=opening,
        closing=sum((each.amount for each in lines), opening),
        lines=lines,
    )
