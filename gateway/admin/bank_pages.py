"""The banks: how each proves its calls, its secrets by fingerprint, its last calls and files, and what is missing."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import Blueprint, abort, current_app, render_template
from sqlalchemy import func, select

from gateway import bank_keys
from gateway.admin import bank_words
from gateway.bank_settings import BankSettings
from gateway.request_session import db
from gateway.schedule import expected_files
from reconciliation import callback_health, continuity, expectations, links, sequence_gaps
from reconciliation.mismatches import Mismatch
from reconciliation.sequence_gaps import Missing
from reconciliation.statements import Statement

blueprint = Blueprint("bank_pages", __name__, url_prefix="/banks")
MOST = 20
"""How many of the last calls, refused calls and files a bank's page shows."""


@blueprint.get("/")
def listing() -> str:
    """List every bank of the settings."""
    wiring = current_app.extensions["doisoat"]
    now, banks = wiring.clock(), wiring.settings.banks
    known = links.known(db())
    return render_template(
        "admin/banks.html",
        banks=banks.values(),
        health=callback_health.of_banks(db(), banks, now=now),
        links={name: bank_words.link_state(bank, known.get(name), now) for name, bank in banks.items()},
        closed=_last_closing_days(list(banks)),
        questions=_open_questions(),
    )


@blueprint.get("/<name>")
def page(name: str) -> str:
    """Show one bank."""
    return shown(bank_of(name))


def bank_of(name: str) -> BankSettings:
    """Return a bank of the settings, or answer that there is no such page."""
    bank: BankSettings | None = current_app.extensions["doisoat"].settings.banks.get(name)
    if bank is None:
        abort(404)
    return bank


def shown(bank: BankSettings, **tried: Any) -> str:
    """Return a bank's page, with what trying a sample showed where one was tried."""
    wiring = current_app.extensions["doisoat"]
    now = wiring.clock()
    link = links.known(db()).get(bank.name)
    files = db().scalars(
        select(Statement)
        .where(Statement.bank == bank.name, Statement.kind == "statement")
        .order_by(Statement.closing_on.desc().nulls_last(), Statement.id.desc())
        .limit(MOST)
    ).all()  # fmt: skip
    owed = [one for one in expected_files(db(), wiring) if one.bank == bank.name]
    return render_template(
        "admin/bank.html",
        bank=bank,
        profile=bank.caller_profile() if bank.profile else None,
        secrets=bank_keys.shown(db(), wiring.settings, bank),
        health=callback_health.of_banks(db(), [bank.name], now=now)[bank.name],
        calls=callback_health.last_callbacks(db(), bank.name, most=MOST),
        refused=callback_health.last_refusals(db(), bank.name, most=MOST),
        files=files,
        broken=frozenset(continuity.broken(db(), [one.id for one in files])),
        gaps=_gaps(bank.name, files),
        missing=[one for one in expectations.files_missing(db(), owed, now=now) if one.overdue],
        link=link,
        link_state=bank_words.link_state(bank, link, now),
        now=now,
        **tried,
    )


def _gaps(bank: str, files: Any) -> Mapping[str, list[Missing]]:
    """Return by account's last digits which numbers lack between its accepted statements."""
    accounts = {one.account_hash: one.account_tail for one in files}
    found = {tail: sequence_gaps.missing(db(), bank=bank, account=account) for account, tail in accounts.items()}
    return {tail: numbers[-MOST:] for tail, numbers in found.items() if numbers}


def _last_closing_days(banks: list[str]) -> dict[str, date]:
    last = func.max(func.coalesce(Statement.closing_on, Statement.to_on))
    accepted = (Statement.kind == "statement", Statement.state == "accepted", Statement.bank.in_(banks))
    rows = db().execute(select(Statement.bank, last).where(*accepted).group_by(Statement.bank))
    return {row.bank: row[1] for row in rows}


def _open_questions() -> dict[str, int]:
    # Those that rest are expected until a day, and the queue that the number opens leaves them out.
    now = current_app.extensions["doisoat"].clock()
    unsettled = (Mismatch.state != "resolved", ~Mismatch.resting(now))
    asked = select(Mismatch.source, func.count()).where(*unsettled).group_by(Mismatch.source)
    return {row.source: row[1] for row in db().execute(asked)}
