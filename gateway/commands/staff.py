"""Commands about people who may sign in."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import second_factors, staff_desk, web_sessions
from gateway.commands.wired import counted, wired
from gateway.database import owner_engine, transaction
from reconciliation import approval_limits
from reconciliation.roles import ROLES
from reconciliation.staff import Staff


@click.group()
def staff() -> None:
    """People who may sign in."""


@staff.command()
@click.argument("username")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option(
    "--office",
    default="",
    help="The power office whose customers are all they see; every office without, which an office manager can not be.",
)
@click.password_option(help="At least 12 characters; asked for when not given.")
def add(username: str, name: str, role: str, office: str, password: str) -> None:
    """Take on a person."""
    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                staff_desk.create_person(
                    session, username=username, name=name, role=role, office=office, password=password,
                    by="command line", now=wiring.clock(),
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


@staff.command()
@click.argument("username")
@click.option("--role", type=click.Choice(ROLES), help="Another role.")
@click.option("--office", help='Another office; "" for every office.')
@click.option("--active/--inactive", default=None, help="Take back, or let go.")
def change(username: str, role: str | None, office: str | None, active: bool | None) -> None:
    """Give a person another role or office, let them go, or take them back."""
    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                person = _named(session, username)
                staff_desk.change_person(
                    session, person.id, role=role or person.role, office=person.office if office is None else office,
                    active=person.active if active is None else active, by="command line", now=wiring.clock(),
                )  # fmt: skip
                if not person.active:
                    web_sessions.end_sessions(session, person.id)
                said = _said(person)
        except staff_desk.StaffRefused as error:
            raise click.ClickException(str(error)) from error
    click.echo(said)


@staff.command()
@click.argument("username")
def password(username: str) -> None:
    """Make a one-time password for a person: it opens nothing but the page to change it."""
    with wired() as wiring, transaction(wiring.engine) as session:
        person = _named(session, username)
        made = staff_desk.one_time_password(session, person, by="command line", now=wiring.clock())
        web_sessions.end_sessions(session, person.id)
    click.echo(f"one-time password of {username}: {made}")


@staff.command(name="reset-factors")
@click.argument("username")
def reset_factors(username: str) -> None:
    """Forget the second factors of a person who has lost theirs, end their sessions, and make a one-time password."""
    with wired() as wiring, transaction(wiring.engine) as session:
        person = _named(session, username)
        second_factors.reset(session, person, by="command line", now=wiring.clock())
        made = staff_desk.one_time_password(session, person, by="command line", now=wiring.clock())
        ended = web_sessions.end_sessions(session, person.id)
    said = f"{username} signs in by password alone until they set up a second factor"
    click.echo(f"{said}; {counted(ended, 'session')} ended")
    click.echo(f"one-time password of {username}: {made}")


@staff.command(name="list")
def list_people() -> None:
    """List everybody who may sign in, or could once."""
    with wired() as wiring, transaction(wiring.engine) as session:
        for person in session.scalars(select(Staff).order_by(Staff.username)):
            click.echo(_said(person))


def _named(session: Session, username: str) -> Staff:
    person = session.scalar(select(Staff).where(Staff.username == username).with_for_update())
    if person is None:
        raise click.ClickException(f"expected the name of a person, got {username[:40]!r}")
    return person


def _said(person: Staff) -> str:
    office = f", {person.office}" if person.office else ""
    return f"{person.username}: {person.name}, {person.role}{office}{'' if person.active else ', no longer active'}"
