"""What becomes of debits, worked out from what is said of them and from whose money came; no code of the house."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.reconciliation.proofs.facts import Bill, CalledBack, Days, Debited, Fact, Found, Line, Mandate, OfDebit, Word
from tests.reconciliation.proofs.oracle_transactions import Transaction

TODAY = date(2026, 11, 18)
HOLIDAYS = {date(2026, 11, 24)}
"""Public holidays in the weeks these facts play in: the Day of Vietnamese Culture."""
ASKED_FOR = 5
"""Days a bank is asked after a debit until a person is."""
Shared = tuple[Transaction, Mapping[str, int]]
"""A transaction, and what each bill gets of it."""


def business_days_after(day: int, number: int) -> int:
    """Return the day that is so many business days behind another."""
    while number:
        day += 1
        one = TODAY + timedelta(days=day)
        number -= one.weekday() < 5 and one not in HOLIDAYS
    return day


def give_back(known: Iterable[Transaction], lines: Iterable[Line]) -> set[str]:
    """Take back what an outgoing line returns, by the end-to-end id of both or by the one bill that both name.

    Return the names of such lines.
    """
    tied = set()
    for line in lines:
        by_bill = line.bare and not any(quote.startswith("e2e:") for quote in line.quotes)
        ids = {quote for quote in line.quotes if quote.startswith("e2e:") or (by_bill and ":" not in quote)}
        for one in known:
            same = ids & one.quotes and one.bank == line.bank and one.line and line.minor == -one.minor
            if same and not line.notice and not one.returned and (line.reversal or line.reason):
                one.returned = True
                tied.add(line.name)
                break
    return tied


@dataclass
class Debit:
    """One attempt at one bill, and what was said of it."""

    bill: Bill
    attempt: int
    sent: int
    words: set[str] = field(default_factory=set)
    accepted: bool = False
    """Whether a bank's acceptance is its newest word, and no silence came after it."""
    unknown: int | None = None
    """The day since which nobody knows."""
    state: str = "sent"
    asked: bool = False
    handed: bool = False
    stale: bool = False

    @property
    def name(self) -> str:
        return self.bill.name + (f".{self.attempt}" if self.attempt > 1 else "")

    @property
    def is_out(self) -> bool:
        return self.state in ("sent", "accepted", "unknown")


class Debits:
    """The debits of one run, in the order in which they were sent."""

    def __init__(self) -> None:
        self.known: list[Debit] = []
        self.mandates: dict[str, Mandate] = {}
        self.kept_out: dict[str, Bill] = {}
        """Bills that a mandate has kept from their debit, which has not left since."""
        self._owed: set[str] = set()
        self.any = False

    def concerned(self, fact: Fact) -> bool:
        """Tell whether anything of a fact may concern debits."""
        self.any = self.any or isinstance(fact, OfDebit)
        return self.any

    def hear(self, fact: Fact, bills: Mapping[str, Bill], books: Found, shared: list[Shared], today: int) -> None:
        """Take one fact in, which the books and what is paid of each bill know of already."""
        match fact:
            case Mandate():
                self.mandates[fact.customer] = fact
            case Debited():
                for name in fact.bills:
                    self._send(bills[name], books, shared, today)
            case Word():
                self._say(fact)
            case CalledBack():
                for debit in self.known:
                    debit.handed |= debit.stale and debit.is_out
            case Days():
                for day in range(today - fact.number + 1, today + 1):
                    self._be_silent(day)
        for debit in self.known:
            now = bills[debit.bill.name]
            debit.stale = now.version != debit.bill.version or books.bills[now.name] != ("open", 0)
            self._follow(debit, shared, today)
        self._owed = {
            name for name, bill in self.kept_out.items()
            if bills[name].version == bill.version and books.bills[name][0] == "open"
        }  # fmt: skip

    def _send(self, bill: Bill, books: Found, shared: list[Shared], today: int) -> None:
        mine = [debit for debit in self.known if debit.bill.name == bill.name]
        waiting = any(books.left.get(one.name) and {bill.name, "#" + bill.name} & one.quotes for one, _ in shared)
        if books.bills[bill.name] != ("open", 0) or any(debit.is_out for debit in mine) or waiting:
            return
        mandate = self.mandates.get(bill.of)
        fits = mandate and mandate.state == "active" and mandate.bank == bill.bank and mandate.cap >= bill.minor
        if fits:
            self.known.append(Debit(bill, 1 + len(mine), today))
            self.kept_out.pop(bill.name, None)
        else:
            self.kept_out[bill.name] = bill

    def _say(self, word: Word) -> None:
        [first] = [debit for debit in self.known if debit.name == word.debit]
        others = dict(word.but)
        for debit in self.known:
            together = word.how in ("group", "file") and debit.sent == first.sent
            verdict = others.get(debit.name, word.verdict if debit is first or together else "pending")
            debit.words |= {verdict} - {"pending", "accepted"}
            debit.accepted |= verdict == "accepted"

    def _be_silent(self, today: int) -> None:
        for debit in self.known:
            shown_by = business_days_after(debit.sent + 1, 2)
            if debit.state == "sent" or (debit.state == "accepted" and today > shown_by):
                debit.state, debit.unknown, debit.accepted = "unknown", today, False
            elif debit.state == "unknown" and debit.unknown is not None and today >= debit.unknown + ASKED_FOR:
                debit.asked = True

    def _follow(self, debit: Debit, shared: list[Shared], today: int) -> None:
        bank = debit.bill.bank
        bearing = [one for one, _ in shared if one.bank == bank and "e2e:" + debit.name in one.quotes]
        newest = [one for one in self.known if one.bill.name == debit.bill.name][-1]
        named = [
            one for one, shares in shared
            if debit is newest and one.bank == bank and shares.get(debit.bill.name) and one.counts and one.line
            and "m:" + debit.bill.of in one.line.quotes and not any(quote.startswith("e2e:") for quote in one.quotes)
        ]  # fmt: skip
        given_back = [
            one for one, _ in shared
            if debit is newest and one.bank == bank and one.returned and one.line and one.minor == debit.bill.minor
            and "m:" + debit.bill.of in one.line.quotes and not any(quote.startswith("e2e:") for quote in one.quotes)
        ]  # fmt: skip
        if named or any(one.counts for one in bearing):
            debit.state = "paid"
        elif bearing or given_back:
            debit.state = "returned"
        elif "rejected" in debit.words:
            debit.state = "rejected"
        elif "cancelled" in debit.words:
            debit.state = "recalled"
        elif debit.accepted:
            debit.state = "accepted"
        elif debit.unknown is not None or debit.state == "paid":
            debit.unknown = today if debit.unknown is None else debit.unknown
            debit.state = "unknown"
        debit.asked = debit.asked and debit.state == "unknown"

    def states(self) -> dict[str, str]:
        return {debit.name: debit.state for debit in self.known}

    def recalls(self) -> dict[str, str]:
        """Tell what became of the wishes to have debits back, of those that stand."""
        found = {debit.name: "wanted" for debit in self.known if debit.stale and debit.is_out}
        for debit in self.known:
            if debit.handed:
                words = [("cancelled", "honoured"), ("not_cancelled", "refused")]
                found[debit.name] = next((state for word, state in words if word in debit.words), "handed")
        return found

    def questions(self) -> set[tuple[str, str]]:
        kept_out = {("M17", name) for name in self._owed}
        return kept_out | {("M16", debit.name) for debit in self.known if debit.asked}
