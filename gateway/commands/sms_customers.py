"""`doisoat sms`, of customers: what each wishes to be told and how; and what messages cost, by office and month."""

from collections.abc import Callable
from datetime import datetime

import click
from sqlalchemy.orm import Session

from gateway.clock import local_date
from gateway.commands import people
from gateway.commands.wired import counted, say, wired
from gateway.database import transaction
from reconciliation import message_costs, sms_wishes
from reconciliation.roles import KEEPERS_OF_WISHES
from reconciliation.sms_wishes import MAY_BE_REFUSED, NotWished, Wishes

_CUSTOMER = click.argument("customer")
_EVENT = click.argument("event", type=click.Choice(MAY_BE_REFUSED))


@click.command()
@_CUSTOMER
def wishes(customer: str) -> None:
    """Print what CUSTOMER (a code) wishes of SMS."""
    with wired() as wiring, transaction(wiring.engine) as session:
        _say(customer, _known(lambda: sms_wishes.of(session, customer)))


@click.command()
@_CUSTOMER
@_EVENT
@people.BY
@people.WHY
def refuse(customer: str, event: str, by: str, why: str) -> None:
    """Tell CUSTOMER nothing of EVENT any more; who refuses before_debit is not debited, unless told on paper."""
    _do(customer, by, lambda session, now: sms_wishes.refuse(session, customer, event, by=by, why=why, now=now))


@click.command()
@_CUSTOMER
@_EVENT
@people.BY
@people.WHY
def allow(customer: str, event: str, by: str, why: str) -> None:
    """Tell CUSTOMER of EVENT again."""
    _do(customer, by, lambda session, now: sms_wishes.allow(session, customer, event, by=by, why=why, now=now))


@click.command()
@_CUSTOMER
@click.argument("how", type=click.Choice(["with", "without"]))
@people.BY
@people.WHY
def signs(customer: str, how: str, by: str, why: str) -> None:
    """Write to CUSTOMER with or without Vietnamese signs; with them a text takes more parts."""
    _do(customer, by, lambda session, now: sms_wishes.write(
        session, customer, diacritics=how == "with", by=by, why=why, now=now))  # fmt: skip


@click.command()
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="This month; the present one otherwise.")
def costs(month: datetime | None) -> None:
    """Print a line per office: messages that left in a month, their parts, and what those cost (sms.price)."""
    with wired() as wiring, transaction(wiring.engine) as session:
        first = month.date() if month else local_date(wiring.clock()).replace(day=1)
        found, price = message_costs.of_month(session, first), wiring.settings.sms.price
    if not found:
        say(f"no message left in {first:%m/%Y}")
    if price is None:
        say("no price is set (sms.price)")
    for row in found:
        cost = "" if price is None else f"\t{row.parts * price:,} đ"
        click.echo(
            f"{row.office or 'no office'}\t{counted(row.messages, 'message')}\t{counted(row.parts, 'part')}{cost}"
        )


COMMANDS = (wishes, refuse, allow, signs, costs)


def _do(customer: str, by: str, act: Callable[[Session, datetime], Wishes]) -> None:
    with wired() as wiring, transaction(wiring.engine) as session:
        people.one_of(session, by, KEEPERS_OF_WISHES, "note wishes")
        _say(customer, _known(lambda: act(session, wiring.clock())))


def _known(ask: Callable[[], Wishes]) -> Wishes:
    try:
        return ask()
    except NotWished as error:
        raise click.ClickException(str(error)) from error


def _say(customer: str, known: Wishes) -> None:
    told = [event for event in MAY_BE_REFUSED if event not in known.refused] if known.consent else []
    click.echo(f"{customer}\ttold of {', '.join(told) or 'nothing'}\t{'with' if known.diacritics else 'without'} signs")
