"""Which payment an outgoing line returns, and which line brings it back once more: decided by the facts in order.

What is known of some lines and payments is walked through as the bank booked it, whatever came first, so that the same
facts give the same answer in any order of arrival. A line that names a reference is never judged by a code instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

Place = tuple[date, date, int, int, str, int, int, int]
"""Where a bank booked a line: day, the statement's closing day, sequence, page and id, entry, transaction, our id."""


@dataclass(frozen=True, slots=True)
class Keys:
    """By what a line or a payment is known, and how much it is; `quoted` are codes, `bill` the one bill they name."""

    minor: int
    currency: str
    bank_reference: str = ""
    own_reference: str = ""
    end_to_end_id: str = ""
    quoted: frozenset[str] = frozenset()
    bill: str = ""

    @property
    def references(self) -> set[str]:
        """The references that tell its bank transaction from others."""
        return {self.bank_reference, self.own_reference} - {""}

    @property
    def amount(self) -> tuple[int, str]:
        """How much of what."""
        return self.minor, self.currency


@dataclass(frozen=True, slots=True)
class Out:
    """An outgoing line; `flagged` when the bank itself calls it a reversal or gives a reason."""

    line_id: int
    place: Place
    keys: Keys
    flagged: bool


@dataclass(frozen=True, slots=True)
class In:
    """A payment with the line that brought it; `alone` when nothing but this line tells of it."""

    payment_id: int
    line_id: int
    place: Place
    keys: Keys
    flagged: bool
    alone: bool


@dataclass(frozen=True, slots=True)
class Tie:
    """A line belongs to a payment; `turn` counts its lines of that direction, `rule` is what proved it."""

    payment_id: int
    turn: int
    rule: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an outgoing line returns no payment for certain, and the payments it might return."""

    verdict: str
    payments: tuple[int, ...] = ()


@dataclass(slots=True)
class Walked:
    """What becomes of each line: ties of outgoing lines, of lines that bring money back again, and doubts."""

    returns: dict[int, Tie] = field(default_factory=dict)
    again: dict[int, Tie] = field(default_factory=dict)
    doubts: dict[int, Doubt] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """A payment as it stands at a moment of the walk: how often it came, and what took it back last."""

    came: In
    turn: int = 1
    returned: Out | None = None


def walk(outs: Iterable[Out], ins: Iterable[In]) -> Walked:
    """Decide about these lines and payments; pure, and independent of the order they are given in."""
    walked = Walked()
    known: list[_Known] = []
    events: list[Out | In] = [*outs, *ins]
    for event in sorted(events, key=lambda one: one.place):
        if isinstance(event, Out):
            _go_out(event, known, walked)
        else:
            _come_in(event, known, walked)
    return walked


def _come_in(came: In, known: list[_Known], walked: Walked) -> None:
    back = [one for one in known if one.returned and came.alone and _brings_back(came, one)]
    if len(back) != 1:
        known.append(_Known(came))
        return
    (one,) = back
    one.turn, one.returned = one.turn + 1, None
    walked.again[came.line_id] = Tie(one.came.payment_id, one.turn, "")


def _brings_back(came: In, one: _Known) -> bool:
    assert one.returned is not None  # noqa: S101 - asked of returned payments only
    if came.keys.amount != one.came.keys.amount:
        return False
    before = one.came.keys.references | one.returned.keys.references
    if came.keys.bank_reference:
        return came.keys.bank_reference in before
    return came.flagged and any(_rule(came.keys, other) for other in (one.came.keys, one.returned.keys))


def _go_out(out: Out, known: list[_Known], walked: Walked) -> None:
    found = [(_rule(out.keys, one.came.keys), one) for one in known if not one.returned]
    for rules in (("reference", "reference_quoted", "end_to_end_id"), ("bill",)):
        fitting = [(rule, one) for rule, one in found if rule in rules]
        if fitting:
            break
    candidates = tuple(sorted(one.came.payment_id for _, one in fitting))
    if not fitting:
        walked.doubts[out.line_id] = Doubt("outgoing")
    elif len(fitting) > 1:
        walked.doubts[out.line_id] = Doubt("return_of_several", candidates)
    elif (one := fitting[0][1]).came.keys.amount != out.keys.amount:
        walked.doubts[out.line_id] = Doubt("return_differs", candidates)
    elif out.keys.bill and one.came.keys.bill and out.keys.bill != one.came.keys.bill:
        walked.doubts[out.line_id] = Doubt("return_contradicts", candidates)
    else:
        one.returned = out
        walked.returns[out.line_id] = Tie(one.came.payment_id, one.turn, fitting[0][0])


def _rule(one: Keys, other: Keys) -> str:
    """Return by what these are the same bank transaction, or "" when nothing says so; a bill only over one amount."""
    if one.bank_reference and one.bank_reference in other.references:
        return "reference"
    if other.references & one.quoted:
        return "reference_quoted"
    if one.end_to_end_id and one.end_to_end_id == other.end_to_end_id:
        return "end_to_end_id"
    if one.bill and one.bill == other.bill and one.amount == other.amount:
        return "bill"
    return ""


def said(tie: Tie, name: str, keys: Keys) -> str:
    """Say why a line returns the payment called `name`, in words an accountant reads."""
    match tie.rule:
        case "reference":
            return f"The line bears the reference of payment {name} over exactly its amount"
        case "reference_quoted":
            return f"The line quotes the reference of payment {name} over exactly its amount"
        case "end_to_end_id":
            return f"The line bears the end-to-end id {keys.end_to_end_id} of payment {name} over exactly its amount"
    return f"The line names bill {keys.bill} over exactly the amount of payment {name}, the only one that names it"


def others(names: Sequence[str]) -> str:
    """Write candidates for a question: a few by name, the rest as a number."""
    return ", ".join(names[:5]) + (f" (+{len(names) - 5})" if len(names) > 5 else "")
