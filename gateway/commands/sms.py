"""`doisoat sms`: the carriers, what a text will look like and cost, and what customers wish."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from gateway.commands import sms_customers
from gateway.commands.wired import wired

if TYPE_CHECKING:
    from gateway.carrier_desk import CarrierLine
    from gateway.carrier_settings import CarrierSettings
    from gateway.wiring import Wiring


@click.group()
def sms() -> None:
    """SMS: carriers and texts."""


@sms.command()
def carriers() -> None:
    """One line per carrier: kind, weight, pace, health, figures of five minutes, what waits, balance, last word."""
    from gateway import carrier_desk
    from gateway.database import transaction

    with wired() as wiring, transaction(wiring.engine) as session:
        lines = carrier_desk.lines(session, wiring.settings.sms.carriers, now=wiring.clock())
        if not lines:
            click.echo("no carrier is declared: no message leaves", err=True)
        for line in lines:
            click.echo(_line(line))


@sms.command()
@click.argument("name")
def receipts(name: str) -> None:
    """Print the signed address for the receipts of carrier NAME, for a provider that wants it in its own pages."""
    with wired() as wiring:
        how = _declared(wiring, name)
        if how.smpp is not None:
            raise click.ClickException(f"{name} is told of receipts over its own link: it needs no address")
        click.echo(wiring.receipts_url(name))


@sms.command()
@click.argument("name")
@click.option("--by", default="command line", show_default=True, help="Who says so.")
def retry(name: str, by: str) -> None:
    """Let the ill carrier NAME be tried again at once; who said so is kept in the audit trail."""
    from gateway import bell
    from gateway.database import transaction
    from reconciliation import carriers as health

    with wired() as wiring:
        how = _declared(wiring, name)
        with transaction(wiring.engine) as session:
            allowed = health.allow(session, name, by=by, now=wiring.clock())
        if allowed:
            bell.ring(wiring.valkey, "messages")
    if allowed and how.smpp is not None:
        click.echo(
            f"{name} is given messages again once its link is up; `doisoat smpp {name}` binds when it is restarted"
        )
    else:
        click.echo(f"{name} is tried again now" if allowed else f"{name} is not ill")


@sms.command()
@click.argument("event")
@click.argument("given", nargs=-1, metavar="[FIELD=VALUE]…")
@click.option("--language", default="vi", show_default=True, help="vi or en.")
@click.option("--diacritics", is_flag=True, help="As for a customer who asked for them.")
def preview(event: str, given: tuple[str, ...], language: str, diacritics: bool) -> None:
    """Print the text of EVENT from samples, save for what is given; then its signs, alphabet, parts and cost."""
    import os

    from gateway import practice
    from gateway.previewing import preview as compose
    from sms.templates import TemplateError

    odd = [one for one in given if "=" not in one]
    if odd:
        raise click.ClickException(f"expected FIELD=VALUE, got {odd[0][:40]!r}")
    facts = {name: value for name, _, value in (one.partition("=") for one in given)}
    try:
        made = compose(practice.settings_here(os.environ), event, language=language, diacritics=diacritics, given=facts)
    except TemplateError as error:
        raise click.ClickException(str(error)) from error
    click.echo(made.made.text)
    alphabet = "GSM-7" if made.made.encoding == "gsm7" else "UCS-2"
    cost = "no price is set (sms.price)" if made.cost is None else _dong(made.cost)
    click.echo(
        f"{made.made.template} version {made.made.version}: {made.signs} signs, {made.units} units of {alphabet}, "
        f"{made.made.parts} part{'s' * (made.made.parts != 1)}, {cost}",
        err=True,
    )


for _command in sms_customers.COMMANDS:
    sms.add_command(_command)


def _declared(wiring: "Wiring", name: str) -> "CarrierSettings":
    """Return carrier NAME as it is declared; raise what tells which ones are."""
    declared = wiring.settings.sms.carriers
    if name not in declared:
        named = ", ".join(declared) or "none"
        raise click.ClickException(f"expected a declared carrier ({named}), got {name[:40]!r}")
    return declared[name]


def _line(line: "CarrierLine") -> str:
    how, figures, health = line.how, line.figures, line.health
    said = f"{how.name}: {how.kind}, weight {how.weight}"
    if how.per_second:
        said += f", at most {how.per_second}/s"
    if health is None:
        return f"{said}, never asked, {line.waiting} waiting{_balance(line)}"
    said += f", {_state(line)}, {figures.asked} asked, {figures.troubled} in trouble, {figures.average} ms"
    said += f", {line.waiting} waiting, {line.unsure} unsure{_balance(line)}"
    return f"{said}, last word {_moment(health.last_word_at)}: {health.last_word or 'none'}"


def _state(line: "CarrierLine") -> str:
    if line.health is None or line.health.ill_since is None:
        return "well"
    waits = "; a person has to act" if line.state == "stopped" else ""
    since, again = _moment(line.health.ill_since), _moment(line.health.try_at)
    return f"ILL since {since} ({line.health.ill_why}{waits}), tried again {again}"


def _balance(line: "CarrierLine") -> str:
    balance = line.balance
    if balance is None:
        return ", balance not asked yet" if line.how.tells_balance else ""
    low = f", LOW since {_moment(balance.low_since)}" if line.is_low else ""
    asked = f", asked at {_moment(balance.asked_at)}"
    asked += f" and not told: {balance.untold_why}" if balance.untold_why else ""
    unknown = "NOT KNOWN, " if line.balance_is_unknown else ""
    last = "never told" if line.left is None else f"{_dong(line.left.minor)} told at {_moment(balance.told_at)}"
    return f", balance {unknown}{last}{low}{asked}"


def _dong(minor: int) -> str:
    return f"{minor:,} đ".replace(",", ".")


def _moment(moment: datetime | None) -> str:
    from gateway.clock import LOCAL

    return f"{moment.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}" if moment else "never"
