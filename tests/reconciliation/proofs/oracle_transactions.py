"""Which tellings are one transaction: a callback, a notice's line and a statement's line, told in any order."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tests.reconciliation.proofs.facts import FEE, FEE_VAT, KEEPING, Line, Told

MIDNIGHT = -7 * 60
"""Minutes from seven in the morning in Vietnam back to the moment its day began."""


@dataclass
class Transaction:
    """One movement at a bank, however many tellings it has."""

    told: list[Told] = field(default_factory=list)
    line: Line | None = None
    notices: list[Line] = field(default_factory=list)
    denied: bool = False
    returned: bool = False
    whole: int = 0
    """What was paid, where the line shows it less the fee."""

    @property
    def tellings(self) -> list[Told | Line]:
        shown = [self.line] if self.line else []
        return [*self.told, *shown, *self.notices]

    @property
    def names(self) -> set[str]:
        return {one.name for one in self.tellings}

    @property
    def first(self) -> Told | Line:
        return self.told[0] if self.told else self.line or self.notices[0]

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def bank(self) -> str:
        return self.first.bank

    @property
    def counted(self) -> Told | Line:
        """The telling whose amount counts: the statement's, else the largest callback's in đồng, else the notice's."""
        if self.line:
            return self.line
        if self.told:
            return max(self.told, key=lambda one: (one.currency == "VND", one.minor))
        return self.notices[0]

    @property
    def minor(self) -> int:
        return self.whole or self.counted.minor

    @property
    def amounts(self) -> set[tuple[int, str]]:
        """The amounts it was told with, a line less the fee as the whole."""
        shown = {(self.whole or self.line.minor, self.line.currency)} if self.line else set()
        return shown | {(one.minor, one.currency) for one in (*self.told, *self.notices)}

    @property
    def reversal(self) -> bool:
        return any(isinstance(one, Line) and one.reversal for one in self.tellings)

    @property
    def counts(self) -> bool:
        """Whether its money is there: not when it was given back, or taken back and no statement has shown it."""
        return not self.returned and (not self.denied or self.line is not None)

    @property
    def day(self) -> int:
        return (self.told[0].minute - MIDNIGHT) // 1440 if self.told else self.shown[0].day

    @property
    def shown(self) -> list[Line]:
        return [one for one in self.tellings if isinstance(one, Line)]

    @property
    def turn(self) -> tuple[int, str, str]:
        """The earlier paid comes first; a line alone tells only the day."""
        minute = self.told[0].minute if self.told else MIDNIGHT + self.day * 1440
        references = [one.reference for one in self.told[:1]] + [one.name for one in self.shown if not one.bare]
        return (minute, self.bank, next(filter(None, references), self.name))

    @property
    def quotes(self) -> set[str]:
        return {quote for one in self.tellings for quote in one.quotes}


def transactions(told: list[Told], lines: list[Line], denied: set[str], known: Mapping[str, int]) -> list[Transaction]:
    """Tell which tellings are of one transaction: by reference, end-to-end id, or bill and amount.

    `known` are the bills with their amounts: a line of the bank that keeps its fee may bring one less that fee.
    """
    made: dict[tuple[str, str], Transaction] = {}
    for telling in told:
        one = made.setdefault((telling.bank, telling.name), Transaction(denied=telling.name in denied))
        one.told.append(telling)
    reported = list(made.values())
    incoming = [one for one in lines if one.minor > 0]
    statement, notices = [one for one in incoming if not one.notice], [one for one in incoming if one.notice]
    for same in (_same_reference, _same_own_reference, _same_end_to_end):
        statement = _join(statement, reported, same)
    standing = [one for one in reported if not one.denied]
    statement = _join(statement, standing, lambda line, one: _same_bill(line, one, known))
    statement = _join_netted(statement, standing, known)
    alone = [one for one in statement if _other_amount(one, statement, reported)]
    for line in alone:
        [one] = _other_amount(line, statement, reported)
        one.line = line
    reported += [Transaction(line=one, whole=_whole_bill(one, known)) for one in statement if one not in alone]
    for line in notices:
        recognised = [one for one in reported if _is_noticed(line, one, known)]
        if recognised:
            recognised[0].notices.append(line)
        elif not line.bare or _named(line.quotes, known):
            reported.append(Transaction(notices=[line]))
    return reported


def _join(lines: list[Line], reported: list[Transaction], same: Callable[[Line, Transaction], bool]) -> list[Line]:
    """Join each line with the first transaction it is `same` as; return the lines that found none."""
    rest = []
    for line in lines:
        fitting = [
            one for one in reported
            if one.line is None and not line.reversal and one.bank == line.bank and same(line, one)
            and (one.minor, one.counted.currency) == (line.minor, line.currency)
        ]  # fmt: skip
        if fitting:
            fitting[0].line = line
        else:
            rest.append(line)
    return rest


def _join_netted(lines: list[Line], reported: list[Transaction], known: Mapping[str, int]) -> list[Line]:
    """Join each line with the one transaction it brings less the fee, if no other line brings it; return the rest."""

    def brings(line: Line, one: Transaction) -> bool:
        return (
            line.bank == one.bank and line.bank in KEEPING and not line.reversal and one.line is None
            and line.minor + FEE + FEE_VAT == one.minor
            and (_same_reference(line, one) or _same_own_reference(line, one) or _same_end_to_end(line, one)
                 or _same_bill(line, one, known))
        )  # fmt: skip

    pairs = [(line, one) for line in lines for one in reported if brings(line, one)]
    rest = list(lines)
    for line, one in pairs:
        if sum(line is other or one is another for other, another in pairs) == 1:
            one.line, one.whole = line, one.minor
            rest.remove(line)
    return rest


def _whole_bill(line: Line, known: Mapping[str, int]) -> int:
    """The amount of the one bill that a line names and brings less the fee; 0 where there is none."""
    named = _named(line.quotes, known)
    if line.bank not in KEEPING or line.reversal or len(named) != 1:
        return 0
    bill = known.get(named.pop(), 0)
    return bill if bill == line.minor + FEE + FEE_VAT else 0


def _other_amount(line: Line, lines: list[Line], reported: list[Transaction]) -> list[Transaction]:
    if line.bare or line.reversal or [one.name for one in lines].count(line.name) > 1:
        return []
    found = [
        one for one in reported
        if one.bank == line.bank and _same_reference(line, one) and not one.line and not one.denied
    ]  # fmt: skip
    return found if len(found) == 1 and found[0].counted.currency == line.currency else []


def _is_noticed(line: Line, one: Transaction, known: Mapping[str, int]) -> bool:
    if line.bank != one.bank or line.reversal != one.reversal:
        return False
    if not line.bare and any(not shown.bare and shown.name == line.name for shown in one.shown):
        return True
    if not one.told:
        return False
    if _same_reference(line, one):
        return True
    same = _same_own_reference(line, one) or _same_end_to_end(line, one) or _same_bill(line, one, known)
    return one.minor == line.minor and same


def _same_bill(line: Line, one: Transaction, known: Mapping[str, int]) -> bool:
    """Both name the same one bill, and at least one of them has no reference to contradict the other's."""
    if not line.bare and one.told[0].reference:
        return False
    named = _named(line.quotes, known)
    return len(named) == 1 and named == _named(one.told[0].quotes, known)


def _named(quotes: Iterable[str], known: Collection[str]) -> set[str]:
    """The bills that are named, a payment code naming its bill even before that is known."""
    return {one.lstrip("#") for one in quotes if one[0] not in "@em" and (one[0] != "#" or one[1:] in known)}


def _same_reference(line: Line, one: Transaction) -> bool:
    return not line.bare and any(told.reference == line.name for told in one.told[:1])


def _same_own_reference(line: Line, one: Transaction) -> bool:
    return not line.bare and any(told.name == line.name for told in one.told)


def _same_end_to_end(line: Line, one: Transaction) -> bool:
    mine = {quote for quote in line.quotes if quote.startswith("e2e:")}
    return bool(mine & {quote for told in one.told for quote in told.quotes})
