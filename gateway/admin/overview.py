"""A day's overview: per bank what was received, confirmed, matched and open, and the đồng nobody can explain."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import reduce
from operator import add

from flask import Blueprint, current_app, render_template, request, url_for
from sqlalchemy import select

from gateway import carrier_desk
from gateway.admin import charts, words
from gateway.admin.listing import asked_day
from gateway.clock import local_date
from gateway.request_session import db
from reconciliation import (
    bank_days,
    callback_health,
    counted_months,
    debit_figures,
    message_desk,
    overview,
    settlements,
    unexplained,
)
from reconciliation.payments import Payment

blueprint = Blueprint("overview", __name__)
LISTED = 50
"""Rows of one kind that are shown; the list of payments has them all."""
_BAR = 300
"""How wide the longest bar is."""


@blueprint.get("/")
def page() -> tuple[str, int]:
    """Show one business day; without a date, the latest on which anything happened, and 400 for what is none."""
    wiring = current_app.extensions["doisoat"]
    now = wiring.clock()
    latest = overview.latest_day(db()) or local_date(now)
    asked, odd = asked_day()
    day = asked or latest
    lines = carrier_desk.lines(db(), wiring.settings.sms.carriers, now=now)
    codes = overview.open_by_code(db(), now)
    figures = overview.of_day(db(), day, _files_owed(day), now=now)
    shown = render_template(
        "admin/overview.html",
        day=day,
        asked=asked is not None,
        odd=odd,
        latest=latest,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1),
        rows=figures.banks,
        total=reduce(add, figures.banks, overview.BankDay(bank="")),
        channels=figures.channels,
        codes=codes,
        resting=overview.resting(db(), now),
        age_bars=_age_bars(codes),
        of_age=_of_age,
        waiting=settlements.waiting(db()),
        debits=debit_figures.waiting(db()),
        runs=debit_figures.runs(db(), day, day + timedelta(days=7)),
        carriers=[line for line in lines if line.state in ("ill", "stopped")],
        balances=[line for line in lines if line.balance_alarms],
        health=callback_health.of_banks(db(), _callers(), now=now),
        today=local_date(now),
        messages_as_of=counted_months.as_of(db(), counted_months.first_of(day)),
        unsure=message_desk.unsure(db(), now=now),
        now=now,
    )
    return shown, 400 if odd else 200


@blueprint.get("/unexplained/")
def unexplained_page() -> tuple[str, int]:
    """Show what nobody can explain of one day, of one bank or of all: payments, and lines that stand for nothing."""
    now = current_app.extensions["doisoat"].clock()
    asked, odd = asked_day()
    day = asked or overview.latest_day(db()) or local_date(now)
    bank = request.args.get("bank", "").replace("\0", "")
    wanted = select(Payment).where(unexplained.PAYMENTS, Payment.business_date == day).order_by(Payment.id)
    if bank:
        wanted = wanted.where(Payment.source == bank)
    lines = unexplained.lines(db(), day, bank, most=LISTED + 1)
    left = unexplained.payments_by_bank(db(), day, bank=bank)
    shown = render_template(
        "admin/unexplained.html",
        day=day,
        odd=odd,
        bank=bank,
        minor=sum(left.values()) + (lines[0]["of_all"] if lines else 0),
        payments=db().scalars(wanted.limit(LISTED + 1)).all(),
        lines=lines,
        most=LISTED,
    )
    return shown, 400 if odd else 200


def _callers() -> list[str]:
    """Return the banks that call back or leave files: the others have no health to tell of."""
    banks = current_app.extensions["doisoat"].settings.banks
    return [name for name, bank in banks.items() if bank.callbacks or bank.sftp is not None]


def _age_bars(codes: Sequence[overview.CodeAges]) -> dict[str, list[charts.Part]]:
    """Return each code's bar of ages; the longest is of the code with the most open questions."""
    most = max((one.count for one in codes), default=0)
    return {
        one.code: charts.bar(dict(zip(words.AGES, one.ages, strict=True)), of=most, width=_BAR) for one in codes
    }  # fmt: skip


def _of_age(code: str) -> Callable[[str], str]:
    return lambda age: url_for("admin.mismatches.listing", code=code, state="unsettled", age=age)


def _files_owed(day: date) -> dict[str, int]:
    banks = current_app.extensions["doisoat"].settings.banks
    open_day = bank_days.calendar(db()).is_business_day(day)
    return {name: int(bank.sftp is not None and open_day) for name, bank in banks.items()}
