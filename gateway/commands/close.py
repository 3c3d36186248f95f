"""`doisoat close list | show | balance | sign | withdraw | reopen`: a bank's days and months, closed by two people."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.close_desk import Period
    from gateway.wiring import Wiring
    from reconciliation.closes import Close

_BANK = click.argument("bank")
_PERIOD = click.argument("period", metavar="DAY_OR_MONTH")
_BY = click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
_WHY = click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept with the close.")


@click.group()
def close() -> None:
    """Close a bank's days and months: balanced by one person and signed by another."""


@close.command("list")
@_BANK
@click.option("--days", default=31, show_default=True, type=click.IntRange(1, 3660), help="How many days back.")
def list_days(bank: str, days: int) -> None:
    """Print a line per business day, and per other day with entries or a close, latest first: day, version, state."""
    from datetime import timedelta

    from gateway.commands.people import known_bank
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from reconciliation import business_days, closes

    with wired() as wiring, transaction(wiring.engine) as session:
        known_bank(wiring, bank)
        last = business_days.local_day(wiring.clock())
        for one in closes.listed(session, bank, last - timedelta(days=days - 1), last):
            click.echo(f"{one.day}\t{one.version or '-'}\t{one.state}")


@close.command()
@_BANK
@_PERIOD
def show(bank: str, period: str) -> None:
    """Print one JSON object: a period's figures as they are now, or as its latest version has kept them.

    What keeps an open period from being balanced stands under "obstacles".
    """
    from gateway import close_desk
    from gateway.commands.people import known_bank
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from gateway.minutes import contents
    from reconciliation import closes, day_figures, month_figures

    wanted = _period(bank, period)
    with wired() as wiring, transaction(wiring.engine) as session:
        known_bank(wiring, bank)
        kept = closes.live(session, bank, wanted.kind, wanted.day)
        if kept is not None and kept.state != "open":
            told: dict[str, Any] = {"state": kept.state, **contents.said_of(kept)}
        elif wanted.kind == closes.MONTH:
            found = close_desk.obstacles(session, wiring, wanted)
            figures = month_figures.of_month(session, bank, wanted.day)
            told = {"state": "open", "figures": figures, "obstacles": [str(one) for one in found]}
        else:
            asked = close_desk.asked_of(session, wiring, bank, wanted.day)
            found = close_desk.obstacles(session, wiring, wanted)
            figures = day_figures.of_day(session, bank, wanted.day, tells=asked["tells"])
            told = {"state": "open", "figures": figures, "obstacles": [str(one) for one in found]}
    click.echo(json.dumps(told, ensure_ascii=False, indent=1))


@close.command()
@_BANK
@_PERIOD
@_BY
def balance(bank: str, period: str, by: str) -> None:
    """Keep the figures as they are and hand them to a second person to sign."""
    from gateway import close_desk

    _act("balance", _period(bank, period), by, lambda s, w, p: close_desk.balance(s, w, p, by=by))


@close.command()
@_BANK
@_PERIOD
@_BY
def sign(bank: str, period: str, by: str) -> None:
    """Sign what somebody else has balanced: the period takes no further entries."""
    from gateway import close_desk

    _act("sign", _period(bank, period), by, lambda s, w, p: close_desk.sign(s, w, p, by=by))


@close.command()
@_BANK
@_PERIOD
@_BY
@_WHY
def withdraw(bank: str, period: str, by: str, why: str) -> None:
    """Take a balance back that is not signed, or turn it down."""
    from gateway import close_desk

    _act("withdraw", _period(bank, period), by, lambda s, w, p: close_desk.withdraw(s, w, p, by=by, why=why))


@close.command()
@_BANK
@_PERIOD
@_BY
@_WHY
def reopen(bank: str, period: str, by: str, why: str) -> None:
    """Open a signed period again as another version; the signed one stays."""
    from gateway import close_desk

    _act("reopen", _period(bank, period), by, lambda s, w, p: close_desk.reopen(s, w, p, by=by, why=why))


def _period(bank: str, written: str) -> "Period":
    from gateway.close_desk import Period

    try:
        return Period.read(bank, written)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _act(what: str, period: "Period", by: str, act: "Callable[[Session, Wiring, Period], Close]") -> None:
    from gateway import close_desk
    from gateway.commands.people import known_bank, one_of
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from reconciliation.closing import NotClosed

    with wired() as wiring:
        known_bank(wiring, period.bank)
        with transaction(wiring.engine) as session:
            one_of(session, by, close_desk.MAY[what], what)
        try:
            made = close_desk.done(wiring, lambda session: act(session, wiring, period))
        except NotClosed as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{period.bank} {period.written} version {made.version}: {made.state}")
