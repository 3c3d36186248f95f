"""One statement of an MT940 or MT942 message: its head before the lines, its sums while they pass, its foot."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from banks.errors import Unreadable
from banks.money import Money, places
from banks.records import StatementClosed, StatementKind, StatementLine, StatementOpened
from banks.statements import mt940_narrative, mt940_run
from banks.statements.mt940_entry import (
    Balance,
    Entry,
    Total,
    read_balance,
    read_entry,
    read_moment,
    read_total,
)
from banks.statements.mt940_fields import MAX_FIELD, PlainEntry, line_count

MAX_FAULTS = 20
_MAX_LABEL = 64
_NUMBER = re.compile(r"([0-9]{1,15})\s*(?:/\s*([0-9]{1,15}))?", re.ASCII)
_FLOOR = re.compile(r"\s*([A-Z]{3})\s*[CD]?\s*[0-9.,]+\s*", re.ASCII)
_ACCOUNT_CURRENCY = re.compile(r".*[0-9]([A-Z]{3})", re.ASCII)


@dataclass(slots=True)
class Statement:
    """What has been read of one statement; the ordinals of its lines count every `:61:`, also those not booked."""

    reference: str
    at: int
    kind: StatementKind | None = None
    account: str = ""
    number: str = ""
    moment: str = ""
    early: bool = False
    created_at: datetime | None = None
    currency: str = ""
    places: int = 2
    opening: Balance | None = None
    interim_opening: bool = False
    closing: Balance | None = None
    interim_closing: bool = False
    closed: bool = False
    opened: StatementOpened | None = None
    entries: int = 0
    lines: int = 0
    credits: int = 0
    credit: int = 0
    debit: int = 0
    expected: tuple[list[int], list[int]] = field(default_factory=lambda: ([0, 0], [0, 0]))
    totals: dict[str, Total] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    pending: Entry | None = None
    wrong_line: int = 0
    narrative: str = ""

    def another(self, tag: str) -> "Statement":
        """Return the statement that `tag` begins under the same `:20:`, when a bank goes on without a new message."""
        account = "" if tag[:2] == "25" else self.account
        return Statement(self.reference, self.at, self.kind, account, self.number if tag[:2] == "60" else "")

    def is_over(self, tag: str) -> bool:
        """Tell whether `tag` can only belong to another statement, as this one has closed or has its lines."""
        return self.closed or (self.opened is not None and tag[:2] in ("25", "28"))

    def take_head(self, tag: str, text: str) -> None:
        """Take one of the fields that stand before the lines."""
        if tag in ("25", "25P"):
            if self.account:
                raise Unreadable("expected one account in a statement, got a second")
            self.account = text.partition("\n")[0].strip()[:_MAX_LABEL]
            if not self.account:
                raise Unreadable("expected the account, got none")
        elif tag in ("28", "28C"):
            self.number = text.partition("\n")[0].strip()[:_MAX_LABEL]
        elif tag in ("60F", "60M"):
            if self.opening is not None or self.opened is not None:
                raise Unreadable("expected one opening balance before the first :61:, got another or a late one")
            self.opening = read_balance(text, "")
            self.currency, self.interim_opening = self.opening.currency, tag == "60M"
        elif tag == "34F":
            self.early = True
            found = _FLOOR.fullmatch(text.partition("\n")[0])
            if found is not None and not self.currency:
                self.currency = found[1]
        elif self.opened is None:
            self.early = True
            self.moment = text.partition("\n")[0].strip()[:_MAX_LABEL]
            self.created_at = read_moment(text)

    def open(self) -> StatementOpened:
        """Return the head; called before the first line's `:61:` is taken, or at the end where there is none."""
        if not self.account:
            raise Unreadable("expected the account (:25:) in the message before its lines, got none")
        if not self.currency:
            found = _ACCOUNT_CURRENCY.fullmatch(self.account)
            if found is None:
                raise Unreadable("expected :60F:, :60M: or :34F:, which name the currency, before the lines, got none")
            self.currency = found[1]
        if self.kind is None:
            # Without the FIN header, the floor limit and the moment of an MT942 tell it from an MT940.
            self.kind = StatementKind.NOTICE if self.early and self.opening is None else StatementKind.STATEMENT
        self.places = places(self.currency)
        number, page = self._numbers()
        opening = self.opening
        self.opened = StatementOpened(
            format="MT942" if self.kind is StatementKind.NOTICE else "MT940",
            kind=self.kind,
            id=self._identity(opening),
            account=self.account,
            currency=self.currency,
            message_id=self.reference,
            sequence=number,
            page=page,
            created_at=self.created_at,
            opening=Money(opening.minor, opening.currency) if opening is not None else None,
        )
        return self.opened

    def is_empty(self) -> bool:
        """Tell whether nothing has been said yet but whose statement it is."""
        return self.opening is None and not (self.early or self.closed)

    def take_entry(self, text: str) -> None:
        """Take a `:61:`; its line is told by `line` when everything that belongs to it has passed."""
        self.entries += 1
        if self.closed:
            raise Unreadable("expected no :61: after the closing balance, got one")
        entry = self.pending = read_entry(text, self.currency)
        if entry.odd_date:
            self.fault(f":61: {self.entries}: {entry.odd_date} is not in the calendar, so the date is left out")

    def take_run(self, run: list[PlainEntry], at: int) -> Iterator[StatementLine]:
        """Take plain entries with what is told of them, and yield their lines; `run` starts on line `at`."""
        before = self.entries
        read = None if self.closed else mt940_run.read(run, self.currency, self.places, before)
        if read is not None:
            self.entries += len(run)
            self.lines += len(run)
            self.credits += read.credits
            self.credit += read.credit
            self.debit += read.debit
            yield from read.lines
            return
        for text, *_, told, _ in run:
            try:
                self.take_entry(text)
            except Unreadable:
                self.wrong_line = at + line_count(run[: self.entries - before - 1])
                raise
            self.narrative = told
            line = self.line()
            if line is not None:
                yield line

    def take_narrative(self, text: str) -> None:
        """Take a `:86:`: of the line before it, or of the statement, which has no place for it."""
        if self.pending is not None:
            self.narrative = f"{self.narrative}\n{text}" if self.narrative else text
            if len(self.narrative) > MAX_FIELD:
                raise Unreadable(f"expected at most {MAX_FIELD} characters told of one :61:, got more")

    def line(self) -> StatementLine | None:
        """Return the line whose `:61:` is pending, if there is one and it is money."""
        entry = self.pending
        if entry is None:
            return None
        self.pending = None
        minor, reversal, booked, booked_on, value_on, _, bank_reference, own_reference, remark = entry
        text, self.narrative = self.narrative, ""
        if not booked:
            expected = self.expected[minor < 0]
            expected[0] += 1
            expected[1] += abs(minor)
            return None
        self.lines += 1
        if minor < 0:
            self.debit += minor
        else:
            self.credit += minor
            self.credits += 1
        told = mt940_narrative.with_remark(mt940_narrative.read(text), remark)
        narrative, end_to_end_id, mandate_id, reason, name, account, theirs = told
        # With no reference of the bank's own, ours is the only one there is, and it may well be the bank's.
        return StatementLine._make(
            (self.entries, 1, Money(minor, self.currency), booked_on, value_on, reversal,
             bank_reference or own_reference, end_to_end_id, mandate_id, reason, name, account,
             theirs or (own_reference if bank_reference else ""), narrative)
        )  # fmt: skip

    def take_closing(self, tag: str, text: str) -> None:
        """Take a `:62a:`; one in another currency closes nothing and is named."""
        if self.closed:
            raise Unreadable("expected one closing balance, got a second")
        closing = read_balance(text, self.currency)
        self.closed, self.interim_closing = True, tag == "62M"
        if self.currency and closing.currency != self.currency:
            self.fault(f"the closing balance (:{tag}:) is in {closing.currency}, the account in {self.currency}")
            return
        self.closing, self.currency = closing, closing.currency

    def take_total(self, tag: str, text: str) -> None:
        """Take a `:90C:` or `:90D:`."""
        try:
            self.totals[tag] = read_total(text)
        except Unreadable as error:
            self.fault(f":{tag}: {error.reason}")

    def fault(self, text: str) -> None:
        """Keep a contradiction for people; after the first twenty, one sentence says that there are more."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)
        elif len(self.faults) == MAX_FAULTS:
            self.faults.append("more contradictions of the same kinds follow")

    def foot(self) -> StatementClosed:
        """Return the foot, with what the balances and the control totals say against the lines."""
        opening, closing, currency = self.opening, self.closing, self.currency
        difference = None
        if opening is not None and closing is not None:
            difference = Money(closing.minor - opening.minor - self.credit - self.debit, currency)
        if self.kind is StatementKind.STATEMENT:
            if opening is None:
                self.fault("expected an opening balance (:60F: or :60M:), got none")
            if not self.closed:
                self.fault("expected a closing balance (:62F: or :62M:), got none")
        self._check_totals()
        return StatementClosed(
            id=self.opened.id if self.opened is not None else "",
            lines=self.lines,
            credit_total=Money(self.credit, currency),
            debit_total=Money(self.debit, currency),
            balanced=None if difference is None else not difference,
            difference=difference,
            left_out=self.expected[0][0] + self.expected[1][0],
            faults=tuple(self.faults),
            closing=Money(closing.minor, currency) if closing is not None else None,
            closing_on=closing.on if closing is not None else None,
        )

    def _numbers(self) -> tuple[int | None, int | None]:
        """Return the statement number and the page of `:28C:`; a bank that doesn't count writes zeros."""
        found = _NUMBER.match(self.number)
        if found is None:
            return None, None
        return int(found[1]) or None, int(found[2] or 0) or None

    def _identity(self, opening: Balance | None) -> str:
        """Name the statement by what stays the same when the bank sends it again.

        Numbers begin anew each year, or stand still at zero, and `:20:` is often the same in every message or another
        in each copy; the date and amount a statement opens with part those that would collide.
        """
        found = _NUMBER.match(self.number)
        number = str(int(found[1]) or "") if found is not None else self.number
        if self.kind is StatementKind.NOTICE or opening is None:
            parts = [self.reference, number, self.moment]
        else:
            parts = [number, str(opening.on or ""), Money(opening.minor, opening.currency).decimal()]
        return " ".join(filter(None, parts))

    def _check_totals(self) -> None:
        """Compare `:90C:` and `:90D:` with the lines; banks count what is only expected, or leave it out."""
        sides = ((self.credits, self.credit), (self.lines - self.credits, -self.debit))
        for tag, booked, expected in zip(("90C", "90D"), sides, self.expected, strict=True):
            total = self.totals.get(tag)
            held = [booked, (booked[0] + expected[0], booked[1] + expected[1])]
            if total is not None and ((total.entries, total.minor) not in held or total.currency != self.currency):
                said, got = Money(total.minor, total.currency), Money(booked[1], self.currency)
                self.fault(f":{tag}: says {total.entries} entries of {said}, the message holds {booked[0]} of {got}")
