"""Sending hours: how a house lets its messages leave, as its settings say; `sending_times` goes by it."""

from dataclasses import dataclass
from datetime import time, timedelta


@dataclass(frozen=True, slots=True)
class Times:
    """When messages may leave, by Vietnam's clock.

    Between `quiet_from` and `quiet_until` none leaves, and none all day on a public holiday where `holidays_rest`;
    equal hours mean no quiet ones. `daily` is how many a customer gets a day, 0 for any number. A notice leaves at most
    `notice_days` before its debit, None for as soon as it is promised. Where `deadlines_win`, what would come too late
    otherwise leaves all the same. A reminder is promised `overdue_days` after a bill was due, None for never.
    """

    quiet_from: time = time(21)
    quiet_until: time = time(7)
    holidays_rest: bool = True
    daily: int = 6
    notice_days: int | None = None
    deadlines_win: bool = True
    overdue_days: int | None = None
    ahead: timedelta = timedelta(0)
    """How long before their day debits leave at the bank that gets them first: their notices must be there before."""


ANY_TIME = Times(time(0), time(0), holidays_rest=False, daily=0)
"""For practice, where a business day is lived through at any hour."""
