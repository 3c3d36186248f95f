"""Facts as an accountant says them; each is told within one run, whose names mean nothing to any other run.

A code is quoted as `A` (the payment code of bill A), `#A` (its number), `e2e:A` (the end-to-end id of its debit) or
`@An` (the code of customer An), `e2e:A.2` (the id of its second debit),
`m:An` (the reference of An's mandate). Times are minutes after seven in the morning of the day the tests play.
"""

from dataclasses import dataclass, field

CUSTOMERS = ("An", "Binh", "Chi")
NETTING, FEE, FEE_VAT = "gate", 1_000, 100
"""The bank that keeps its fee from each payment, and how much: đồng, and the VAT on it."""
WALLET, TILL = "wallet", "till"
"""Who pays a day's payments by one line less the same fees, one to three days after them; the bank that shows it."""
KEEPING = (NETTING, WALLET)
OWN = "own"
"""A bank of one run alone: what it is sent is a file of that run's debits and of no others."""


@dataclass(frozen=True)
class Bill:
    """A bill, or the next version of one, is issued; `issued` counts days from the day the tests play."""

    name: str
    minor: int
    of: str = "An"
    version: int = 1
    issued: int = -2
    bank: str = ""
    """Where it is to be debited, if anywhere."""


@dataclass(frozen=True)
class Cancelled:
    """A bill is no longer owed, and nothing takes its place."""

    bill: str


@dataclass(frozen=True)
class Told:
    """A callback tells of a payment."""

    name: str
    minor: int
    quotes: tuple[str, ...] = ()
    bank: str = "bank"
    minute: int = 60
    reference: str = ""
    currency: str = "VND"
    lump: bool = False
    """In the words by which the wallet's settlements are known."""


@dataclass(frozen=True)
class Line:
    """One line of a statement, or of a notice; `minor` is signed, `name` is the bank's reference unless `bare`."""

    name: str
    minor: int
    quotes: tuple[str, ...] = ()
    bank: str = "bank"
    day: int = 0
    notice: bool = False
    reversal: bool = False
    reason: str = ""
    currency: str = "VND"
    bare: bool = False
    lump: bool = False
    """In the words by which the wallet's settlements are known."""


@dataclass(frozen=True)
class Statement:
    """A statement of its own, judged by its balances: opening and closing as the bank says them."""

    name: str
    opening: int
    closing: int
    lines: tuple[Line, ...] = ()
    day: int = 0
    sequence: int | None = None


@dataclass(frozen=True)
class Denied:
    """The bank takes back a payment it told of."""

    payment: str


@dataclass(frozen=True)
class Undone:
    """The import of a statement is undone by a person."""

    statement: str


@dataclass(frozen=True)
class Settled:
    """A person answers the question about a payment: bills it settles no more, and bills it settles then."""

    payment: str
    undoes: tuple[str, ...] = ()
    gives: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Said:
    """A person says which payments a settlement is of; none: takes back what was said before."""

    line: str
    payments: tuple[str, ...]


@dataclass(frozen=True)
class NotThatDay:
    """A person says that a settlement is not that day's, or, `again`, that it may be after all."""

    line: str
    day: int
    again: bool = False


@dataclass(frozen=True)
class NoSettlement:
    """A person says that a line settles nothing, whatever its words, or, `again`, that it does."""

    line: str
    again: bool = False


@dataclass(frozen=True)
class Parted:
    """The wallet's agreement ends: payments from `day` on are settled one by one."""

    day: int


@dataclass(frozen=True)
class Mandate:
    """A customer's mandate, or what has become of it: paused, ended, expired today, or later (not begun)."""

    customer: str
    cap: int = 5_000_000
    state: str = "active"
    bank: str = "bank"


@dataclass(frozen=True)
class Debited:
    """Bills are announced, their run is made, approved and sent; what speaks against one leaves it out."""

    bills: tuple[str, ...]


@dataclass(frozen=True)
class Word:
    """What is said of a debit, named A or A.2; of its group or file, and then otherwise of those in `but`."""

    debit: str
    verdict: str
    reason: str = ""
    how: str = "report"
    """report, group, file, callback, person or recall: the answer to one."""
    but: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CalledBack:
    """What is wanted back from a run's own bank is handed to it in a file."""

    bank: str


@dataclass(frozen=True)
class Days:
    """So many days pass, with whatever falls due in them."""

    number: int


OfLump = Said | NotThatDay | NoSettlement
OfDebit = Mandate | Debited | Word | CalledBack
Fact = Bill | Cancelled | Told | Line | Statement | Denied | Undone | Settled | OfLump | Parted | OfDebit | Days


@dataclass
class Found:
    """What the books of one run come to."""

    bills: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name → state of its newest version and what is paid of it."""
    left: dict[str, int] = field(default_factory=dict)
    """Payment → what it has not settled; a payment taken back is not among them."""
    questions: set[tuple[str, str]] = field(default_factory=set)
    """(code, what it is about) of every open question: "T1", or "T1/amount" when not about the payment's money."""
    debits: dict[str, str] = field(default_factory=dict)
    """Debit → its state; the second of a bill is `A.2`."""
    recalls: dict[str, str] = field(default_factory=dict)
    """Debit → what became of the wish to have it back, while there is one."""

    def differs(self, other: "Found") -> str:
        """Say where these books and `other` disagree; "" when nowhere."""
        said = []
        for what in ("bills", "left", "debits", "recalls"):
            mine, theirs = getattr(self, what), getattr(other, what)
            said += [
                f"{what} {name}: {mine.get(name)} ≠ {theirs.get(name)}"
                for name in sorted(mine.keys() | theirs.keys())
                if mine.get(name) != theirs.get(name)
            ]
        said += [f"asked {' '.join(one)}" for one in sorted(self.questions - other.questions)]
        said += [f"not asked {' '.join(one)}" for one in sorted(other.questions - self.questions)]
        return "; ".join(said)
