"""Commands about bills: taking in the billing system's file, and what matching may do by itself."""

import sys
from pathlib import Path

import click

from gateway import bell, bill_import, table_files
from gateway.commands.wired import say, wired
from gateway.composing import compose_promises
from gateway.database import owner_engine, transaction
from reconciliation import policies
from reconciliation.issuing import Issued

_UNREADABLE = 65
"""EX_DATAERR of sysexits.h: the input is at fault."""


@click.group()
def bills() -> None:
    """Bills issued by the billing system."""


@bills.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_bills(file: Path) -> None:
    """Take in FILE (CSV): all of it, or nothing with every problem named. A second time changes nothing."""
    with wired() as wiring:
        total = Issued()
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines, transaction(wiring.engine) as session:
                for total in bill_import.take_in(session, wiring, bill_import.rows_of_csv(lines)):
                    compose_promises(session, wiring.settings)
                    if sys.stderr.isatty():
                        say(f"{total.new + total.replaced + total.unchanged} bills read")
        except (table_files.ImportRefused, UnicodeDecodeError) as error:
            problems = getattr(error, "problems", [f"expected UTF-8: {error}"])
            for problem in problems:
                say(f"{file.name}: {problem}")
            say("nothing was changed")
            sys.exit(_UNREADABLE)
        bell.ring(wiring.valkey, "messages")
    click.echo(f"{total.new} new, {total.replaced} replaced, {total.unchanged} unchanged, {total.matched} matched")


@bills.command()
@click.argument("name", required=False, type=click.Choice([one.replace("_", "-") for one in policies.NAMES]))
@click.option("--allow/--forbid", "allowed", default=True, help="Whether matching may do it.")
def policy(name: str | None, *, allowed: bool) -> None:
    """Show what matching may do where an amount alone is not certain, or allow one thing.

    oldest-first: where several choices of a customer's bills fit, the oldest are paid. part-payment: an amount that no
    bills add up to pays the oldest bills, the last of them in part. It holds for payments looked at from then on.
    """
    with wired() as wiring:
        if name is not None:
            # The application's own role reads what its owner has decided.
            with transaction(owner_engine(wiring.database_url)) as session:
                chosen = name.replace("-", "_")
                policies.choose(session, chosen, allowed=allowed, by="command line", now=wiring.clock())
        with transaction(wiring.engine) as session:
            found = policies.chosen(session)
        for one in policies.NAMES:
            click.echo(f"{one.replace('_', '-')}: {'allowed' if getattr(found, one) else 'not allowed'}")
