"""A run of plain `:61:`, each with its `:86:`, read by columns: what is alike is done for all of them in one go.

Nearly all entries of nearly all files go this short way, which ends in the same lines as the long one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from banks.errors import Unreadable
from banks.records import StatementLine
from banks.statements import in_bulk, mt940_narrative, mt940_usual
from banks.statements.mt940_entry import days, stated
from banks.statements.mt940_fields import PlainEntry


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of a run, and their sums in minor units."""

    lines: Iterator[StatementLine]
    credits: int
    credit: int
    debit: int


def read(run: list[PlainEntry], currency: str, places: int, before: int) -> Run | None:
    """Read `run`, whose first entry has the ordinal `before` + 1; None where one of them is better taken by itself.

    That is: an amount without all its `places`, a date that no calendar has.
    """
    _, dates, marks, wholes, parts, owns, banks, remarks, texts, _ = zip(*run, strict=True)
    if set(map(len, parts)) != {places}:
        return None
    try:
        known = {on: days(on[:6], on[6:]) for on in set(dates)}
    except Unreadable:
        return None
    if any(odd_date for _, _, odd_date in known.values()):
        return None
    value_ons, booked_ons, _ = zip(*map(known.__getitem__, dates), strict=True)
    minors = list(map(int, map("".join, zip(wholes, parts, strict=True)) if places else wholes))
    if "D" in marks:
        minors = [one if mark == "C" else -one for one, mark in zip(minors, marks, strict=True)]
    credits_ = [one for one in minors if one >= 0]
    credit = sum(credits_)
    own_references = [stated(one) if one else "" for one in owns]
    bank_references = [stated(one) if one else "" for one in banks]
    told = list(map(mt940_usual.read, texts))
    if any(remarks):
        told = list(map(mt940_narrative.with_remark, told, remarks))
    narratives, end_to_end_ids, mandate_ids, reasons, names, accounts, references = zip(*told, strict=True)
    return Run(
        in_bulk.lines(
            in_bulk.money(minors, currency),
            entry=range(before + 1, before + 1 + len(run)),
            booked_on=booked_ons,
            value_on=value_ons,
            # With no reference of the bank's own, ours is the only one there is, and it may well be the bank's.
            bank_reference=[bank or own for bank, own in zip(bank_references, own_references, strict=True)],
            end_to_end_id=end_to_end_ids,
            mandate_id=mandate_ids,
            return_reason=reasons,
            counterparty=names,
            counterparty_account=accounts,
            structured_reference=[
                theirs or (own if bank else "")
                for theirs, bank, own in zip(references, bank_references, own_references, strict=True)
            ],
            narrative=narratives,
        ),
        len(credits_), credit, sum(minors) - credit,
    )  # fmt: skip
