"""The oracle: what the books must come to, worked out from the facts alone and by no code of the house.

It follows the rules as they are written in docs/ and the design: which tellings are one transaction, which bill each
transaction proves, who comes first, what is left for people. It keeps no state between facts but what people did;
what it has worked out it does not work out again before the next fact.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace

from tests.reconciliation.proofs.facts import (
    KEEPING,
    Bill,
    Cancelled,
    Days,
    Denied,
    Fact,
    Found,
    Line,
    NoSettlement,
    NotThatDay,
    Parted,
    Said,
    Settled,
    Statement,
    Told,
    Undone,
)
from tests.reconciliation.proofs.oracle_amounts import Reckoning, Wish
from tests.reconciliation.proofs.oracle_debits import Debits, business_days_after, give_back
from tests.reconciliation.proofs.oracle_lumps import settled
from tests.reconciliation.proofs.oracle_statements import Account
from tests.reconciliation.proofs.oracle_transactions import Transaction, transactions


@dataclass
class Decision:
    """Which bill a transaction is about, and what kind of answer that is."""

    verdict: str
    bill: str | None = None
    otherwise: str = ""
    """What it is where no amount tells: for a "guess"."""
    bills: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    """Those it names beside the owners of the bills that it names."""


class Oracle:
    """Takes the facts of one run in and tells what its books come to; `owners` says whose each bill is."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self.owners = owners
        self.bills: dict[str, Bill] = {}
        self.cancelled: set[str] = set()
        self.told: list[Told] = []
        self.lines: list[Line] = []
        self.denied: set[str] = set()
        self.given: dict[tuple[str, str], int] = {}
        self.said: dict[str, frozenset[str]] = {}
        self.disowned: set[str] = set()
        """Lines in a settlement's words that people said are none."""
        self.parted = 1_000
        """The first day whose payments the wallet settles one by one."""
        self.not_of: set[tuple[str, int]] = set()
        """(Settlement line, day) that people said is not its day."""
        self.settlements: dict[str, frozenset[str]] = {}
        """Settlement line → the payments it is of, by what people said and by what is weighed."""
        self.barred: set[tuple[str, str]] = set()
        self.late: set[str] = set()
        self.account = Account()
        self.debits = Debits()
        self.given_back: set[str] = set()
        """Lines that give back what another one brought."""
        self.today = 0
        self.had: set[tuple[str, str]] = set()
        """(Callback, bill) wherever one settled the other at some time."""
        self.shown_after: set[str] = set()
        """Lines that settle what a payment had settled that their bank took back before."""
        self._last: list[Transaction] = []
        self._kept: tuple[dict[int, Decision], dict[int, dict[str, int]]] | None = None
        """How the bills are shared out among `_last`, from the end of one fact to the next."""

    # ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, fact: Fact) -> None:
        """Take one fact in."""
        before = self._settled() if self.given else {}
        self._kept = None
        match fact:
            case Bill():
                known = self.bills.get(fact.name)
                if known is None or known.version < fact.version:
                    self.bills[fact.name] = fact
                    self._let_go(lambda _, bill: bill == fact.name and known is not None)
            case Cancelled():
                self.cancelled.add(fact.bill)
                self._let_go(lambda _, bill: bill == fact.bill)
            case Told():
                self.told.append(fact)
            case Line():
                self.lines.append(fact)
            case Statement():
                self.account.read(fact)
            case Undone():
                alone = {one.name for one in self.transactions() if one.line and not one.told and not one.notices}
                gone = self.account.undo(fact.statement)
                self._let_go(lambda payment, _: payment in alone & gone)
            case Denied():
                self._deny(fact.payment)
            case Settled():
                self._settle(fact)
            case Said():
                self.said.pop(fact.line, None)
                if fact.payments:
                    self.said[fact.line] = frozenset(fact.payments)
            case NotThatDay():
                change = self.not_of.discard if fact.again else self.not_of.add
                change((fact.line, fact.day))
            case NoSettlement():
                said = self.disowned.discard if fact.again else self.disowned.add
                said(fact.line)
            case Parted():
                self.parted = fact.day
            case Days():
                for _ in range(fact.number):
                    self.today += 1
                    self._pass_deadlines()
        if before:
            self._drop_what_outgrew(before)
        self._remember(fact)
        if self.debits.concerned(fact):
            books, shares = self.books(), self._shares()[1]
            self.debits.hear(fact, self.bills, books, [(one, shares[id(one)]) for one in self._last], self.today)

    def _remember(self, fact: Fact) -> None:
        """Note who has settled what, and whether a line now settles what a payment taken back had settled."""
        self._kept = self._shares()
        shares = self._kept[1]
        for one in self._last:
            bills = [bill for bill, minor in shares[id(one)].items() if minor]
            self.had |= {(one.name, bill) for bill in bills if one.told}
            if isinstance(fact, Line) and one.line == fact and not one.told:
                gone = {(other.name, other.minor) for other in self._last if other.denied and other.bank == one.bank}
                if any((name, bill) in self.had and minor == one.minor for name, minor in gone for bill in bills):
                    self.shown_after.add(fact.name)

    def _let_go(self, which: Callable[[str, str], bool]) -> None:
        self.given = {(one, bill): minor for (one, bill), minor in self.given.items() if not which(one, bill)}

    def _settled(self) -> dict[str, int]:
        shares = self._shares()[1]
        return {one.name: sum(shares[id(one)].values()) for one in self._last}

    def _drop_what_outgrew(self, before: dict[str, int]) -> None:
        """Whoever is told with a smaller amount than it settles has all of that undone, also what people gave."""
        for one in self.transactions():
            if any(before.get(name, 0) > one.minor for name in one.names):
                self._let_go(lambda payment, _, names=one.names: payment in names)

    def _deny(self, payment: str) -> None:
        [one] = [one for one in self.transactions() if payment in one.names]
        if self._is_shown(one):
            return
        self.denied.add(payment)
        self._let_go(lambda settled, _: settled in one.names)

    def _settle(self, fact: Settled) -> None:
        if fact.payment not in {about for _, about in self.books().questions}:
            raise ValueError(f"expected an open question about {fact.payment} before it is answered")
        [one] = [one for one in self.transactions() if fact.payment in one.names]
        gives = dict(fact.gives)
        for bill in fact.undoes:
            self._let_go(lambda payment, owed, bill=bill: payment in one.names and owed == bill)
            if bill not in gives:
                self.barred.add((one.name, bill))
        for bill, minor in gives.items():
            self.given[one.name, bill] = minor

    def _pass_deadlines(self) -> None:
        for one in self.transactions():
            if not self._is_shown(one) and not one.denied and self.today > business_days_after(one.day, 2):
                self.late |= one.names

    def transactions(self) -> list[Transaction]:
        """Tell what moved at the banks, as far as has been heard."""
        if self._kept is not None:
            return self._last
        bills = {name: bill.minor for name, bill in self.bills.items()}
        shown = [one for one in self.lines if not self._settles(one, one.day)]
        told = [one for one in self.told if not self._settles(one, Transaction([one]).day)]
        self._last = transactions(told, [*shown, *self.account.lines()], self.denied, bills)
        lumps = [one for one in self.lines if self._settles(one, one.day) and not one.notice]
        self.given_back = give_back(self._last, [*self.lines, *self.account.lines()])
        self.settlements = settled(lumps, self._last, self.said, self.not_of, self.parted)
        return self._last

    def _settles(self, one: Told | Line, day: int) -> bool:
        """Whether a telling of a day is known as the line that settles many, which comes three days after at most."""
        is_none = isinstance(one, Line) and one.name in self.disowned
        return one.lump and day < self.parted + 3 and not is_none

    def _is_shown(self, one: Transaction) -> bool:
        """Whether a statement shows it, by a line of its own or among the payments that a line settles."""
        return one.line is not None or any(one.names & names for names in self.settlements.values())

    def shares_of(self, one: Transaction) -> dict[str, int]:
        """Return what each bill gets of a transaction."""
        shares = self._shares()[1]
        return next(shares[id(other)] for other in self._last if other.names == one.names)

    # ── which bill, and how much ─────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, one: Transaction, customers_known: Set[str]) -> Decision:
        quotes = one.quotes
        named = {
            quote.removeprefix("e2e:").lstrip("#").split(".")[0] for quote in quotes if quote[0] != "@"
        } & self.bills.keys()
        codes = {quote for quote in quotes if len(quote) == 1}
        customers = {quote[1:] for quote in quotes if quote[0] == "@"} | {
            self.owners.get(code, self.bills[code].of if code in self.bills else "An") for code in codes
        }
        customers &= customers_known
        if one.counted.currency != "VND":
            return Decision("foreign")
        if one.denied or one.reversal:
            return Decision("comes back")
        all_known = not codes - self.bills.keys()
        others = customers - {self.bills[bill].of for bill in named}
        guess = Decision("guess", None, "", frozenset(named), frozenset(others))
        if len(named) == 1:
            [bill] = named
            if not others and bill in self.cancelled:
                return Decision("cancelled", bill)
            if not others:
                barred = any((name, bill) in self.barred for name in one.names)
                return Decision("barred") if barred else Decision("match", bill)
            guess.bill, guess.otherwise = bill, "contradiction"
        elif named or len(others) > 1:
            guess.otherwise = "several"
        elif others and all_known:
            guess.otherwise = "other amount"
        else:
            return Decision("unknown")
        if all_known and not named & self.cancelled:
            return guess
        return Decision(guess.otherwise, guess.bill)

    def _shares(self) -> tuple[dict[int, Decision], dict[int, dict[str, int]]]:
        """Share the bills out: people's matches stand, then whoever is proven in turn, then guesses."""
        if self._kept is not None:
            return self._kept
        alive = [one for one in sorted(self.transactions(), key=lambda one: one.turn) if one.counts]
        customers_known = {bill.of for bill in self.bills.values()}
        decisions = {id(one): self._decide(one, customers_known) for one in alive}
        shares: dict[int, dict[str, int]] = {id(one): {} for one in self._last}
        owed = {name: bill.minor for name, bill in self.bills.items() if name not in self.cancelled}
        for one in alive:
            for (payment, bill), minor in self.given.items():
                if payment in one.names:
                    shares[id(one)][bill] = minor
                    owed[bill] -= minor
        for one in alive:
            decision = decisions[id(one)]
            mine = shares[id(one)]
            if decision.verdict == "match" and decision.bill and decision.bill not in mine:
                part = min(one.minor - sum(mine.values()), owed[decision.bill])
                mine[decision.bill] = part
                owed[decision.bill] -= part
        self._guess(alive, decisions, shares, owed)
        return decisions, shares

    def _guess(
        self,
        alive: list[Transaction],
        decisions: dict[int, Decision],
        shares: dict[int, dict[str, int]],
        owed: dict[str, int],
    ) -> None:
        """Each guess takes the one thing that its amount comes to; those that name bills come first."""
        reckoning = Reckoning(self.bills, owed, set())
        for one in sorted(alive, key=lambda one: not decisions[id(one)].bills):
            decision, mine = decisions[id(one)], shares[id(one)]
            if decision.verdict != "guess":
                continue
            never = {bill for name, bill in self.barred if name in one.names} | mine.keys()
            left = one.minor - sum(mine.values())
            wish = Wish(left, one.day, decision.bills, decision.customers, frozenset(never))
            before = dict(owed)
            verdict, bills = reckoning.take(wish)
            mine.update({bill: before[bill] for bill in bills})
            if verdict == "match":
                decisions[id(one)] = Decision("match", bills[0] if len(bills) == 1 else None)
            elif verdict == "several":
                decisions[id(one)] = Decision("several")
            else:
                decisions[id(one)] = replace(decision, verdict=decision.otherwise)

    # ── the books ────────────────────────────────────────────────────────────────────────────────────────────────────

    def books(self) -> Found:
        """Tell what the books come to after the facts heard so far."""
        decisions, shares = self._shares()
        found = Found()
        paid = dict.fromkeys(self.bills, 0)
        payers: dict[str, set[str]] = {name: set() for name in self.bills}
        for one in self._last:
            for bill, minor in shares[id(one)].items():
                if minor:
                    paid[bill] += minor
                    payers[bill].add(one.bank)
        for name, bill in self.bills.items():
            state = "paid" if paid[name] == bill.minor else "part_paid" if paid[name] else "open"
            found.bills[name] = ("cancelled" if name in self.cancelled else state, paid[name])
        for one in self._last:
            if one.counts:
                left = one.minor - sum(shares[id(one)].values())
                found.left[one.name] = left
                if code := self._question(one, decisions[id(one)], shares[id(one)], left, paid, payers):
                    found.questions.add((code, one.name))
                found.questions |= self._doors(one, shares[id(one)])
        going_out = [one for one in [*self.lines, *self.account.lines()] if one.minor < 0 and not one.notice]
        going_out = [one for one in going_out if one.name not in self.given_back]
        found.questions |= {("M09" if one.reversal or one.reason else "M12", one.name) for one in going_out}
        found.questions |= {("M11", name) for name, names in self.settlements.items() if not names}
        found.questions |= {("M15", name) for name in self.account.held()}
        found.questions |= {("M13", number) for number in self.account.missing()} | self.debits.questions()
        found.debits, found.recalls = self.debits.states(), self.debits.recalls()
        return found

    def _doors(self, one: Transaction, mine: dict[str, int]) -> set[tuple[str, str]]:
        """Questions about how a transaction was told: with other amounts, late, or after it was taken back."""
        asked = set()
        if len(one.amounts) > 1:
            kept = one.bank in KEEPING and one.line and one.told and one.line.minor < one.told[0].minor
            asked.add(("M10" if kept else "M03", one.name + "/amount"))
        if not self._is_shown(one) and one.names & self.late:
            asked.add(("M01", one.name + "/other-door"))
        if one.names & self.shown_after:
            asked.add(("M09", one.name + "/taken-back"))
        return asked

    def _question(
        self, one: Transaction, decision: Decision, mine: dict[str, int], left: int, paid: dict[str, int],
        payers: dict[str, set[str]],
    ) -> str | None:  # fmt: skip
        bill = decision.bill if decision.verdict in ("match", "cancelled", "contradiction") else None
        own = bill is not None and mine.get(bill, 0) > 0
        short = bill is not None and paid[bill] < self.bills[bill].minor
        if not left and not (own and short):
            return None
        if decision.verdict == "comes back":
            return "M09"
        if decision.verdict == "match" and bill:
            if own or short:
                return "M03"
            return "M04" if payers[bill] - {one.bank} else "M06"
        if decision.verdict == "other amount":
            done = [
                name for name, owed in self.bills.items()
                if owed.of in decision.customers and owed.minor == one.minor == paid[name]
                and name not in self.cancelled
            ]  # fmt: skip
            if done:
                return "M04" if any(payers[name] - {one.bank} for name in done) else "M06"
            return "M03"
        return {"contradiction": "M05", "cancelled": "M07"}.get(decision.verdict, "M12")
