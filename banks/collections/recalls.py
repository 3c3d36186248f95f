"""A recall: our request that a bank not carry out, or give back, a debit that it was already sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from banks.collections.debits import (
    Creditor,
    as_promised,
    check_sender,
    expect,
    promised,
    wrong_ids,
)
from banks.errors import Misconfigured
from banks.money import Money


class RecallReason(StrEnum):
    """Why we call a debit back: ISO 20022 external code set ExternalCancellationReason1Code."""

    PAID = "PAID"
    """Paid by other means meanwhile."""
    AMOUNT = "AM09"
    """The bill was corrected."""
    DUPLICATE = "DUPL"
    CUSTOMER = "CUST"
    """The customer asked for it, or ended the mandate."""
    TECHNICAL = "TECH"


@dataclass(frozen=True, slots=True)
class Recall:
    """One debit called back: what was asked, and the file and payment group it was asked in."""

    end_to_end_id: str
    amount: Money
    collect_on: date
    mandate_id: str
    message_id: str
    payment_group: str
    reason: RecallReason


@dataclass(frozen=True, slots=True)
class RecallHead:
    """What is known of the recalls from one payment group beforehand; `format` is what its file was written in."""

    message_id: str
    payment_group: str
    debits: int
    total_minor: int
    format: str = "pain.008.001.08"


def check_request(message_id: str, creditor: Creditor, heads: Sequence[RecallHead], currency: str) -> tuple[int, Money]:
    """Return how many recalls the heads promise and their sum; raise Misconfigured for what no bank would take."""
    check_sender(message_id, creditor)
    for head in heads:
        if wrong_ids(head.message_id, head.payment_group):
            raise Misconfigured(f"group {_told(head)}: expected the ids of a file that was sent")
    expect(len({(head.message_id, head.payment_group) for head in heads}) == len(heads), "the file", "each group once")
    return promised([(_told(head), head.debits, head.total_minor) for head in heads], currency)


def recalls_of(stream: Iterator[Recall], head: RecallHead, number: int, currency: str) -> Iterator[Recall]:
    """Yield the recalls of one group, each as it was checked; raise Misconfigured naming the debit, or the group."""
    total = Money(head.total_minor, currency)
    return as_promised(stream, f"group {number} ({_told(head)})", head.debits, total, lambda one: _wrong(one, head))


def _wrong(recall: Recall, head: RecallHead) -> str:
    named = (recall.message_id, recall.payment_group)
    return (
        wrong_ids(recall.end_to_end_id, recall.mandate_id)
        or ("" if recall.amount.minor > 0 else "amount: expected more than nothing")
        or ("" if named == (head.message_id, head.payment_group) else f"payment_group: expected {_told(head)}")
    )


def _told(head: RecallHead) -> str:
    return f"{head.message_id[:35]} {head.payment_group[:35]}"
