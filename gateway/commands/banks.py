"""Commands about the links to the banks' file servers: how each goes, and a person's word to try one again."""

from datetime import datetime

import click

from gateway import bell, clock
from gateway.commands.wired import wired
from gateway.database import transaction
from reconciliation import links
from reconciliation.links import BankLink


@click.group()
def banks() -> None:
    """Links to the banks' file servers."""


@banks.command()
def status() -> None:
    """One line per bank: last success, failures in a row, next try, last error."""
    with wired() as wiring:
        with transaction(wiring.engine) as session:
            known = links.known(session)
        if not wiring.settings.banks:
            click.echo("no bank is declared", err=True)
        for name, bank in wiring.settings.banks.items():
            link = known.get(name)
            if bank.sftp is None:
                click.echo(f"{name}: no file server is declared")
            elif link is None:
                click.echo(f"{name}: never tried")
            else:
                click.echo(f"{name}: {_line(link, clock.real())}")


@banks.command()
@click.argument("bank")
def retry(bank: str) -> None:
    """Let a stopped or resting link to BANK be tried again, at once; who said so is kept in the audit trail."""
    with wired() as wiring:
        if bank not in wiring.settings.banks:
            named = ", ".join(wiring.settings.banks) or "none"
            raise click.ClickException(f"expected a declared bank ({named}), got {bank[:40]!r}")
        with transaction(wiring.engine) as session:
            allowed = links.allow(session, bank, by="command line", now=clock.real())
        if allowed:
            bell.ring(wiring.valkey, "files")
    click.echo(f"{bank} is tried again now" if allowed else f"{bank} is neither stopped nor resting")


def _line(link: BankLink, now: datetime) -> str:
    if link.stopped_at is not None:
        coming = f"STOPPED since {_moment(link.stopped_at)}, `doisoat banks retry {link.bank}` lets it be tried again"
    elif link.closed_because(now):
        coming = f"next try {_moment(link.rests_until)}"
    else:
        coming = "next try with the next poll"
    return (
        f"last success {_moment(link.last_success_at)}, {link.failures} failures in a row, {coming}"
        f", last error: {link.last_error or 'none'}"
    )


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(clock.LOCAL):%d/%m/%Y %H:%M:%S}" if moment else "never"
