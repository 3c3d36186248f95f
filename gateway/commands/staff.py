"""Commands about people who may sign in."""

import click
from sqlalchemy import select

from gateway import staff_desk
from gateway.commands.wired import wired
from gateway.database import owner_engine, transaction
from reconciliation import approval_limits
from reconciliation.staff import ROLES, Staff


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


_LIMITS = {
    "settle": "one person may settle up to {:,} đ alone",
    "difference": "a difference that is written off is at most {:,} đ",
}


@staff.command()
@click.argument("vnd", required=False, type=click.IntRange(min=0))
@click.option("--of", "action", type=click.Choice(list(_LIMITS)), default="settle", show_default=True)
def limit(vnd: int | None, action: str) -> None:
    """Show, or set to VND đồng, what one person may settle alone, or how large a difference may be written off."""
    with wired() as wiring:
        if vnd is not None:
            # The application's own role can't raise the limit that holds it.
            with transaction(owner_engine(wiring.database_url)) as session:
                approval_limits.set_limit(session, vnd, action=action, by="command line", now=wiring.clock())
        with transaction(wiring.engine) as session:
            click.echo(_LIMITS[action].format(approval_limits.limit(session, action)))


@staff.command(name="list")
def list_people() -> None:
    """List everybody who may sign in, or could once."""
    with wired() as wiring, transaction(wiring.engine) as session:
        for person in session.scalars(select(Staff).order_by(Staff.username)):
            state = "" if person.active else ", no longer active"
            click.echo(f"{person.username}: {person.name}, {person.role}{state}")
