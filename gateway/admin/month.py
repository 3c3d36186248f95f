"""A month's overview: what is due and what came, per day, bank and channel, and each office's cashless share."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from flask import Blueprint, current_app, render_template

from gateway.admin import charts
from gateway.admin.banks import bank_title
from gateway.admin.listing import asked_month
from gateway.clock import local_date
from gateway.request_session import db
from reconciliation import counted_months
from reconciliation.counted_months import Month, OfficeMonth, PaymentDay
from reconciliation.vietnamese_order import place

blueprint = Blueprint("month", __name__, url_prefix="/month")


@dataclass(frozen=True, slots=True)
class Sum:
    """Payments of a month that have something in common: how many, how much, and how much of it is matched."""

    bank: str = ""
    channel: str = ""
    payments: int = 0
    minor: int = 0
    matched_minor: int = 0
    placed_minor: int = 0
    confirmed_minor: int = 0

    def __add__(self, other: PaymentDay) -> "Sum":
        return Sum(
            self.bank, self.channel, self.payments + other.payments, self.minor + other.minor,
            self.matched_minor + other.matched_minor,
            self.placed_minor + other.placed_minor, self.confirmed_minor + other.confirmed_minor,
        )  # fmt: skip

    @property
    def share(self) -> int:
        """Per mille of the money that settles bills."""
        return 1000 * self.matched_minor // self.minor if self.minor else 0


@blueprint.get("/")
def page() -> tuple[str, int]:
    """Show one month as it was counted last; without one, the month of today, and 400 for what is none."""
    today = local_date(current_app.extensions["doisoat"].clock())
    asked, odd = asked_month()
    first = asked or counted_months.first_of(today)
    month = counted_months.read(db(), first)
    per_day = _per_day(month, min(today, _last(first)))
    shown = render_template(
        "admin/month.html",
        month=month,
        odd=odd,
        last=_last(first),
        before=counted_months.first_of(first - timedelta(days=1)),
        after=counted_months.after(first),
        total=_sum(month.days),
        per_day=per_day,
        ways=_ways(month.days),
        banks=_banks(month.days),
        due_minor=sum(one.minor for one in month.due),
        due_bills=sum(one.bills for one in month.due),
        offices=month.offices,
        all_offices=_all_offices(month),
        curves=_curves(month, per_day),
        charts=charts,
    )
    return shown, 400 if odd else 200


def _last(first: date) -> date:
    return first.replace(day=monthrange(first.year, first.month)[1])


def _sum(days: Iterable[PaymentDay], bank: str = "", channel: str = "") -> Sum:
    found = Sum(bank, channel)
    for one in days:
        found += one
    return found


def _per_day(month: Month, until: date) -> dict[date, Sum]:
    """Return every day of the month up to `until` with its sum; a day on which nothing came has one too."""
    days = [month.first + timedelta(days=n) for n in range((until - month.first).days + 1)]
    return {day: _sum(one for one in month.days if one.day == day) for day in days}


def _ways(days: Sequence[PaymentDay]) -> list[Sum]:
    ways = sorted({(one.bank, one.channel) for one in days}, key=lambda way: (place(bank_title(way[0])), way[1]))
    return [_sum((one for one in days if (one.bank, one.channel) == way), *way) for way in ways]


def _banks(days: Sequence[PaymentDay]) -> list[Sum]:
    banks = sorted({one.bank for one in days}, key=lambda bank: place(bank_title(bank)))
    return [_sum((one for one in days if one.bank == bank), bank) for bank in banks]


def _all_offices(month: Month) -> OfficeMonth:
    parts = month.offices
    return OfficeMonth(
        month=month.first, office="", bills=sum(one.bills for one in parts), minor=sum(one.minor for one in parts),
        paid_bills=sum(one.paid_bills for one in parts), paid_minor=sum(one.paid_minor for one in parts),
    )  # fmt: skip


def _curves(month: Month, per_day: dict[date, Sum]) -> charts.Chart:
    """Lay out what is due and what settles bills, each added up from the first day on."""
    length = _last(month.first).day
    due = {one.day: one.minor for one in month.due}
    expected = list(accumulate(due.get(month.first + timedelta(days=n), 0) for n in range(length)))
    collected = list(accumulate(one.matched_minor for one in per_day.values()))
    return charts.curves({"expected": expected, "collected": collected}, length)
