"""The shapes of camt entries and transactions: tags as one bank writes them, and what each text between them means.

What the texts mean is not decided here. The rules of `camt_lines` are applied once, to the numbers of the texts
instead of the texts, and so say where each of them goes; what depends on a text's value (a date, an amount,
"NOTPROVIDED", whose account it is) is asked of the same rules every time, or left to the plain reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from banks import xml
from banks.errors import Unreadable
from banks.money import Money, parse_minor, places
from banks.records import StatementLine
from banks.statements import camt_entry, camt_lines
from banks.statements.camt_entry import DATE, DETAIL_PATHS, ENTRY_PATHS, Detail, day, end_to_end, one_line
from banks.statements.camt_outline import Outline
from banks.statements.camt_pattern import Match, Matcher, Texts, compiled

CODES = frozenset({"CdtDbtInd", "RvslInd", "Sts", "Sts/Cd", "Sts/Prtry"})
"""What an entry says in codes is part of its shape, so that a credit and a debit are two shapes, each with its sign."""
HOLE = "<TxDtls/>"
"""Stands for the transactions of a batch in the outline of its frame."""
_DETAIL = "NtryDtls/TxDtls"
_LINE_TEXTS = (
    "bank_reference", "end_to_end_id", "mandate_id", "return_reason", "counterparty", "counterparty_account",
    "structured_reference", "narrative",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntryShape:
    """An Ntry with at most one TxDtls: what makes one line, or none if it is not `booked`."""

    match: Matcher
    currency: str
    sign: int
    booked: bool
    reversal: bool
    whole: bool
    """The currency has no decimals, so that the pattern takes digits only."""
    texts: Texts

    @classmethod
    def learn(cls, outline: Outline, currency: str) -> "EntryShape | None":
        """Return the shape of an entry that the plain reader has read in an account in `currency`, if it has one."""
        said = _said(outline, ENTRY_PATHS)
        entry, detail = _slots(outline.paths, ENTRY_PATHS), _slots(outline.paths, DETAIL_PATHS, f"{_DETAIL}/")
        amount, booked_on, value_on = (entry.pop(name, []) for name in ("amount", "booked_on", "value_on"))
        if said is None or said.get("currency") != currency or not _at_most_one(outline):
            return None
        if len(amount) != 1 or len(booked_on) > 1 or len(value_on) > 1:
            return None
        try:
            sign, booked = camt_entry.sign(said.get("direction", "")), camt_entry.is_booked(said)
            reversal = camt_entry.flag(said.get("reversal", ""), "RvslInd")
        except Unreadable:
            return None  # an entry that is not booked may say what it likes
        example = camt_entry.entry_of(
            0, said | _numbered(entry), minor=sign, currency=currency, booked_on=None, value_on=None, reversal=reversal
        )
        one = camt_entry.detail_of(_numbered(detail), ()) if _DETAIL in outline.elements else camt_lines.NO_DETAIL
        line = camt_lines.line_of(example, one, 1, sign, "")
        wanted = [amount, booked_on, value_on, *(_numbers(getattr(line, name)) for name in _LINE_TEXTS)]
        forms = {amount[0]: _amount(currency)} | dict.fromkeys((*booked_on, *value_on), f"(?a:{DATE.pattern})")
        captured, texts = _captured(wanted)
        match = compiled(outline.literals, 0, captured, forms)
        return cls(match, currency, sign, booked, reversal, not places(currency), texts)

    def read(self, match: Match, ordinal: int, account: str) -> StatementLine | None:
        """Return the line of a matched entry; None where the plain reader must decide."""
        (
            amount, booked, valued, reference, end_to_end_id, mandate, reason, name, number, structured, narrative
        ) = self.texts(match.groups())  # fmt: skip
        if number and number == account:
            return None  # the account's own: the other side may be the one to name
        try:
            minor = int(amount) if self.whole else parse_minor(amount, self.currency)
            booked_on, value_on = day(booked, "BookgDt"), day(valued, "ValDt")
        except Unreadable:
            return None
        if not minor:
            return None  # neither in nor out, so which side is the other one depends on more than the sign
        return StatementLine(
            ordinal, 1, Money(minor * self.sign, self.currency), booked_on, value_on, self.reversal, reference,
            end_to_end_id and end_to_end(end_to_end_id), mandate, reason, name, number, structured, one_line(narrative),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameShape:
    """A booked Ntry around a run of TxDtls: what stands before the first and after the last of them."""

    head: Matcher
    tail: Matcher
    said: xml.Fields
    fields: tuple[str, ...]
    texts: Texts

    @classmethod
    def learn(cls, outline: Outline) -> "FrameShape | None":
        """Return the shape of an entry that the plain reader has read, its transactions replaced by a HOLE."""
        said, slots = _said(outline, ENTRY_PATHS), _slots(outline.paths, ENTRY_PATHS)
        holes = [number for number, literal in enumerate(outline.literals) if HOLE in literal]
        if said is None or not _at_most_one(outline) or len(holes) != 1 or outline.elements.count("NtryDtls") != 1:
            return None
        if said.get("status", "BOOK") != "BOOK":
            return None
        before, _, after = outline.literals[holes[0]].partition(HOLE)
        captured, texts = _captured([*slots.values(), ()])  # one place more, so that there are always two
        head = compiled((*outline.literals[: holes[0]], before), 0, captured, {})
        tail = compiled((after, *outline.literals[holes[0] + 1 :]), holes[0], captured, {})
        return cls(head, tail, said, tuple(slots), texts)

    def read(self, head: Match, tail: Match) -> xml.Fields:
        """Return what the plain reader would gather from the entry."""
        return self.said | dict(zip(self.fields, self.texts(head.groups() + tail.groups()), strict=False))


@dataclass(frozen=True, slots=True)
class DetailShape:
    """A TxDtls without charges, one of many in a batch."""

    match: Matcher
    currencies: tuple[str, ...]
    texts: Texts

    @classmethod
    def learn(cls, outline: Outline) -> "DetailShape | None":
        """Return the shape of a transaction that the plain reader has read, if it has one."""
        said, slots = _said(outline, DETAIL_PATHS), _slots(outline.paths, DETAIL_PATHS)
        if said is None or "charges" in slots or _names(outline) & {"TxDtls", "Ntry"}:
            return None
        if any(len(slots.get(name, ())) > 1 for name in ("amount", "booked_amount")):
            return None
        detail = camt_entry.detail_of(said | _numbered(slots), ())
        texts_of_it = (detail.direction, *detail[3:], *(amount for amount, _ in detail.amounts))
        captured, texts = _captured([_numbers(one) for one in texts_of_it])
        match = compiled(outline.literals, 0, captured, {})
        return cls(match, tuple(currency for _, currency in detail.amounts), texts)

    def read(self, match: Match) -> Detail:
        """Return what a matched transaction says."""
        (
            direction, debtor, debtor_account, creditor, creditor_account, reference, transaction, end_to_end_id,
            mandate, reason, structured, narrative, *amounts
        ) = self.texts(match.groups())  # fmt: skip
        return Detail(
            tuple(zip(amounts, self.currencies)), direction, (), debtor, debtor_account, creditor,  # noqa: B905 - for speed
            creditor_account, reference, transaction, end_to_end_id and end_to_end(end_to_end_id), mandate, reason,
            structured, one_line(narrative),
        )  # fmt: skip


def _said(outline: Outline, table: Mapping[str, str]) -> xml.Fields | None:
    """Return what the literals say; None when they say something twice."""
    kept = [(table[path], value) for path, value in outline.kept if path in table]
    return dict(kept) if len({field for field, _ in kept}) == len(kept) else None


def _names(outline: Outline) -> set[str]:
    return {path.rpartition("/")[2] for path in outline.elements}


def _at_most_one(outline: Outline) -> bool:
    """Tell whether there is no TxDtls but one in its right place, and no other entry."""
    ends = [path for path in outline.elements if path.rpartition("/")[2] in ("TxDtls", "Ntry")]
    return ends in ([], [_DETAIL])


def _slots(paths: Sequence[str], table: Mapping[str, str], prefix: str = "") -> dict[str, list[int]]:
    """Return field → the numbers of the texts that go to it, in file order."""
    slots: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        if path.startswith(prefix) and (field := table.get(path[len(prefix) :])):
            slots.setdefault(field, []).append(number)
    return slots


def _numbered(slots: Mapping[str, Sequence[int]]) -> xml.Fields:
    """Return what the plain reader would gather if each text were its number."""
    return {field: " ".join(map(str, numbers)) for field, numbers in slots.items()}


def _numbers(text: str) -> list[int]:
    """Return the numbers of the texts that the rules have made a text of."""
    return [int(number) for number in text.split()]


def _captured(wanted: Sequence[Sequence[int]]) -> tuple[list[int], Texts]:
    """Return the numbers of all texts that are wanted, and the way from their groups to the places they go to."""
    captured = sorted({number for numbers in wanted for number in numbers})
    group = {number: at for at, number in enumerate(captured)}
    return captured, Texts.of([[group[number] for number in numbers] for numbers in wanted], len(captured))


def _amount(currency: str) -> str:
    decimals = places(currency)
    return rf"([0-9]{{1,12}}+(?:\.[0-9]{{1,{decimals}}}+)?)" if decimals else r"([0-9]{1,15}+)(?:\.0{1,9}+)?"
