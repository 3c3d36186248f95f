"""Commands about people who may sign in."""

import click

from gateway import staff_desk
from gateway.commands.wired import wired
from gateway.database import owner_engine, transaction
from reconciliation import settlements
from reconciliation.staff import ROLES


@click.group()
def staff() -> None:
    """People who may sign in."""


@staff.command()
@click.argument("username")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.password_option(help="At least 12 characters; asked for when not given.")
def add(username: str, name: str, role: str, password: str) -> None:
    """Take on a person."""
    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                staff_desk.create_person(
                    session, username=username, name=name, role=role, password=password, by="command line",
                    now=wiring.clock(),
                )  # fmt: skip
        except staff_desk.StaffRefused as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{username} may sign in as {role}")


@staff.command()
@click.argument("vnd", required=False, type=click.IntRange(min=0))
def limit(vnd: int | None) -> None:
    """Show, or set to VND đồng, what one person may settle alone; above, another one approves."""
    with wired() as wiring:
        if vnd is not None:
            # The application's own role can't raise the limit that holds it.
            with transaction(owner_engine(wiring.database_url)) as session:
                settlements.set_limit(session, vnd, by="command line", now=wiring.clock())
        with transaction(wiring.engine) as session:
            click.echo(f"one person may settle up to {settlements.limit(session):,} đ alone")
