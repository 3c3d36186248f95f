"""One account's part of a table while its rows pass by: head, lines and foot, told when all of it is known.

A table has no statement id, so one is made of what stays the same when the bank exports the same days again: the layout
and the period, beside the account, which is part of every statement's identity. The same export sent twice is thus
recognised as sent again, and a corrected one as other content under the same identity.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from banks.errors import Unreadable
from banks.money import Money
from banks.records import StatementClosed, StatementEvent, StatementKind, StatementOpened
from banks.statements.layout import Layout
from banks.statements.line_spool import LineSpool
from banks.statements.running_balance import RunningBalance
from banks.statements.table_rows import Taken

MAX_FAULTS = 20


class Section:
    """A statement in the making; `said` holds the balances and days that labelled cells gave, with their places."""

    def __init__(self, layout: Layout, format_: str, days: Sequence[date]) -> None:
        self.layout, self._format, self._days = layout, format_, days
        self.account, self.currency = layout.account, layout.currency
        self.opening: int | None = None
        self.closing: int | None = None
        self.from_on: date | None = None
        self.to_on: date | None = None
        self.rows = self.left_out = 0
        self.faults: list[str] = []
        self._lines = 0
        self._credit = self._debit = 0
        self._at_last_total = (0, 0)
        self._used: set[int] = set()
        self._running = RunningBalance()
        self._spool = LineSpool()

    def take(self, taken: Taken) -> None:
        """Put lines by and follow the running balance beside them."""
        minors = taken.minors
        self.left_out += taken.left_out
        if not minors:
            return
        total, unsigned = sum(minors), sum(map(abs, minors))
        self._credit += (unsigned + total) // 2
        self._debit -= (unsigned - total) // 2
        self._lines += len(minors)
        self._used.update(taken.booked_on)
        self._spool.add({**taken.columns, "minor": minors, "booked_on": taken.booked_on})
        if taken.balances is not None:
            self._running.take(taken.rows, minors, taken.balances)

    def fault(self, text: str) -> None:
        """Keep a contradiction for people."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)

    def check_totals(self, credit: int | None, debit: int | None, place: str) -> None:
        """Compare totals (unsigned minor units, None for none) with all the lines, or those since the totals before."""
        now = (self._credit, -self._debit)
        page = (now[0] - self._at_last_total[0], now[1] - self._at_last_total[1])
        self._at_last_total = now
        for word, said, whole, part in zip(("in", "out"), (credit, debit), now, page, strict=True):
            if said is not None and said not in (whole, part):
                text = f"{place}: the totals say {self._money(said)} came {word}, the rows {self._money(whole)}"
                self.fault(text.replace("came out", "went out"))

    def runs(self) -> Iterator[Iterable[StatementEvent]]:
        """Yield the statement, some events at a time: head, lines, foot."""
        try:
            opened = self._opened()
            yield (opened,)
            yield from self._spool.lines(self.currency, self._days)
            yield (self._closed(opened),)
        finally:
            self._spool.close()

    def close(self) -> None:
        """Let go of the lines without telling them."""
        self._spool.close()

    def _opened(self) -> StatementOpened:
        if not self.account:
            words = ", ".join(self.layout.labels.get("account", ())) or "an account label"
            raise Unreadable(f"expected the account number beside one of: {words}; got none")
        used = [self._days[number] for number in self._used if number >= 0]
        from_on = self.from_on or (min(used) if used else self.to_on)
        to_on = self.to_on or (max(used) if used else self.from_on)
        if used and from_on and to_on and not from_on <= min(used) <= max(used) <= to_on:
            self.fault(f"the period is {from_on} to {to_on}, the rows are of {min(used)} to {max(used)}")
        if from_on and to_on and from_on > to_on:
            self.fault(f"the period begins on {from_on} and ends before, on {to_on}")
        opening, closing = self._balances()
        booked = self.layout.book_of_record or (opening is not None and closing is not None)
        return StatementOpened(
            format=self._format,
            kind=StatementKind.STATEMENT if booked else StatementKind.NOTICE,
            id=self._id(from_on, to_on, opening, closing),
            account=self.account,
            currency=self.currency,
            from_on=from_on,
            to_on=to_on,
            opening=opening,
            closing=closing,
            closing_on=to_on if closing is not None else None,
        )

    def _balances(self) -> tuple[Money | None, Money | None]:
        """Return opening and closing: those that stand in cells of their own, else those the running balance tells."""
        opening, closing = self.opening, self.closing
        ends = self._running.ends()
        if ends is not None:
            breaks, more = self._running.breaks(opening)
            for row in breaks:
                self.fault(f"row {row}: the running balance does not follow from the row before and this row's amount")
            if more:
                self.fault("the running balance breaks in more rows")
            opening = ends[0] if opening is None else opening
            closing = ends[1] if closing is None else closing
        return self._money_or_none(opening), self._money_or_none(closing)

    def _id(self, from_on: date | None, to_on: date | None, opening: Money | None, closing: Money | None) -> str:
        if from_on is None or to_on is None:
            # No day anywhere: a table without rows. Its balances are all that tells one from another.
            balances = "-".join("" if one is None else str(one.minor) for one in (opening, closing))
            return f"{self.layout.name}-undated-{balances}"
        return f"{self.layout.name}-{from_on:%Y%m%d}-{to_on:%Y%m%d}-{self.currency}"

    def _closed(self, opened: StatementOpened) -> StatementClosed:
        difference = None
        if opened.opening is not None and opened.closing is not None:
            difference = opened.closing - opened.opening - self._money(self._credit + self._debit)
        return StatementClosed(
            id=opened.id,
            lines=self._lines,
            credit_total=self._money(self._credit),
            debit_total=self._money(self._debit),
            balanced=None if difference is None else not difference,
            difference=difference,
            left_out=self.left_out,
            faults=tuple(self.faults),
        )

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    def _money_or_none(self, minor: int | None) -> Money | None:
        return None if minor is None else self._money(minor)
