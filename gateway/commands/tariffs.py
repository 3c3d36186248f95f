"""`doisoat tariffs`: what banks may charge by contract, declared from a file, and what they took beside it."""

from datetime import datetime
from pathlib import Path

import click

from gateway.commands import declarations
from gateway.commands.people import known_bank
from gateway.commands.wired import say, wired
from gateway.database import insist, owner_engine, transaction
from reconciliation import fee_charges, payments, settling_lumps
from reconciliation import tariffs as contracts


@click.group()
def tariffs() -> None:
    """Declare what banks charge by contract, and compare what they took."""


@tariffs.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def declare(file: Path) -> None:
    """Take in the [[tariff]] tables of a TOML FILE; one that follows another ends it the day before."""
    entries = declarations.tables(file, "tariff")
    with wired() as wiring:
        banks = {str(one.get("bank")) for one in entries}
        declarations.only_declared(wiring, file, banks)

        def work() -> int:
            # The application's own role can't change what fees are held against.
            with transaction(owner_engine(wiring.database_url)) as session:
                payments.lock_sources(session, banks)
                made = contracts.declare(session, entries, by="command line", now=wiring.clock())
                # A lump sum may be a day's less these fees.
                settling_lumps.judge_fees(session, banks, now=wiring.clock())
                return len(made)

        try:
            made = insist(work)
        except contracts.NotDeclared as error:
            raise click.ClickException(f"{file.name}: {error}") from error
    click.echo(f"{made} tariffs declared")


@tariffs.command()
@click.argument("bank", default="")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The first day.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The last day.")
@click.option("--monthly", is_flag=True, help="By month instead of by day.")
def compare(bank: str, since: datetime, until: datetime, monthly: bool) -> None:
    """Show, by bank and day, what tariffs let expect and what was taken, in đồng with VAT."""
    with wired() as wiring, transaction(wiring.engine) as session:
        if bank:
            known_bank(wiring, bank)
        found = fee_charges.report(session, since=since.date(), until=until.date(), bank=bank, monthly=monthly)
    if not found:
        say("no payments under a tariff in these days")
    for one in found:
        click.echo(
            f"{one.bank} {one.day}: {one.payments} payments of {one.gross:,} đ, expected {one.expected:,} đ,"
            f" taken {one.taken:,} đ (VAT {one.vat:,} đ), difference {one.difference:,} đ"
        )
