"""`doisoat minutes make | verify`: the minutes of a close, and whether a document is still what two people signed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.targets import NewFile

if TYPE_CHECKING:
    from gateway.minutes.verifying import Proven
    from gateway.settings import Settings


@click.group()
def minutes() -> None:
    """Make the minutes of a close (biên bản đối soát), and verify what one has received."""


@minutes.command()
@click.argument("bank")
@click.argument("period", metavar="DAY_OR_MONTH")
@click.option("--to", "target", required=True, type=NewFile(), help="A file: .pdf or .xlsx.")
@click.option("--version", "number", type=click.IntRange(1), help="Another version than the latest that was balanced.")
def make(bank: str, period: str, target: Path, number: int | None) -> None:
    """Write the minutes of a balanced or signed day (2026-11-18) or month (2026-11) to a file."""
    from gateway import close_desk
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from gateway.minutes import contents, workbook
    from reconciliation import closes

    try:
        wanted = close_desk.Period.read(bank, period)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if target.suffix not in (".pdf", ".xlsx"):
        raise click.ClickException(f"expected a file that ends in .pdf or .xlsx, got {target.name!r}")
    with wired() as wiring, transaction(wiring.engine) as session:
        versions = closes.versions(session, bank, wanted.kind, wanted.day)
        balanced = [one for one in versions if one.maker and number in (None, one.version)]
        if not balanced:
            raise click.ClickException(f"expected a balanced version of {bank} {period}, got none")
        made = balanced[-1]
        if target.suffix == ".xlsx":
            workbook.write(session, contents.of(session, made, wiring.settings), target)
        else:
            target.write_bytes(close_desk.minutes(session, wiring, made))
    click.echo(f"{target}: {bank} {period} version {made.version}, {made.state}")


@minutes.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A certificate to trust; else our own.",
)
@click.option("--offline", is_flag=True, help="Do not ask the database what it says of this close.")
def verify(file: Path, trust: Path | None, offline: bool) -> None:
    """Prove minutes: who signed when, that no byte changed, that the database says the same; else exit 1 and why."""
    from gateway import settings
    from gateway.minutes import certificate, contents, verifying

    read = settings.load(os.environ)
    try:
        trusted = certificate.read(trust.read_bytes()) if trust else certificate.own(read)
    except ValueError as error:
        raise click.ClickException(f"expected a certificate in {trust}, PEM or DER") from error
    if not trusted:
        raise click.ClickException(
            "expected a certificate to trust: name one with --trust, or give the secret minutes_key"
        )
    try:
        proven = verifying.prove(file.read_bytes(), trusted)
        books = "not asked" if offline else _compared(read, proven)
    except verifying.NotProven as error:
        raise click.ClickException(f"not proven: {error}") from error
    said = proven.said
    at = f"{proven.at:%Y-%m-%d %H:%M:%S} UTC" if proven.at else "an unknown time"
    click.echo(f"signed: {proven.signer}, {at}")
    click.echo(f"unchanged: {said['bank']} {contents.period(said)} version {said['version']}, digest {said['digest']}")
    click.echo(f"balanced by {said['maker']} at {said['made_at']}, signed by {said['checker']} at {said['signed_at']}")
    click.echo(f"database: {books}")


def _compared(read: "Settings", proven: "Proven") -> str:
    """Return what the database says of the minutes; raises NotProven when it says something else."""
    from sqlalchemy.exc import OperationalError

    from gateway.commands.wired import wired
    from gateway.database import transaction
    from gateway.minutes import verifying

    if read.database_url is None and not (read.home / "run").exists():
        return "there is none here, not asked"
    try:
        with wired(migrated=False) as wiring, transaction(wiring.engine) as session:
            found = verifying.compare(session, proven.said)
            return f"says the same; this version is {found.state}"
    except OperationalError:
        return "not reached, not asked"
