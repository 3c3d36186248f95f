"""What really happened to each debit at a sandbox bank, whatever of it was reported."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from banks.sandbox.debit_fates import Fate
from banks.sandbox.debit_orders import Order


class End(StrEnum):
    """Where a debit has come to."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"
    RECALLED = "recalled"


@dataclass(slots=True)
class Truth:
    """What really happened to one debit; `told` is whether a report that was sent says so.

    `recall` is "" or what was answered: "in time", "refunded" or "too late". `due_back_on` is when a debit that was
    paid will come back, `returned_on` when it did.
    """

    order: Order
    fate: Fate
    end: End = End.WAITING
    reason: str = ""
    told: bool = False
    paid_on: date | None = None
    due_back_on: date | None = None
    returned_on: date | None = None
    reference: str = ""
    recall: str = ""
