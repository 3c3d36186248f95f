"""Commands about the books: proving the invariants, bringing the database up to date."""

import sys

import click
from sqlalchemy.orm import Session

from gateway import checkpoints
from gateway.commands.wired import wired
from reconciliation import invariants


@click.command()
def verify() -> None:
    """Prove every invariant; one line each, exit 0 only when all hold."""
    broken = 0
    with wired() as wiring:
        kept = checkpoints.kept(wiring.settings.home)
        # One snapshot for all of them: books that change while they are proven must not contradict themselves.
        one_moment = wiring.engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(one_moment) as session:
            findings = list(invariants.prove(session, wiring.audit_key, sealer=wiring.sealer, kept=kept))
        for finding in findings:
            broken += not finding.holds
            word = "holds " if finding.holds else "BROKEN"
            click.echo(f"{word} {finding.number:>2}  {finding.says}: {finding.figures}")
    sys.exit(1 if broken else 0)


@click.command()
def migrate() -> None:
    """Bring the database to the present version."""
    with wired():
        click.echo("the database is up to date")
