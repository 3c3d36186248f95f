"""`doisoat export`: what leaves the gateway for others, as files."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from gateway.commands.targets import NewFile
from gateway.commands.wired import say, wired

_TO = click.option("--to", required=True, type=NewFile(), help="The file to write; - for stdout.")


@click.group()
def export() -> None:
    """Write what others need: the marks of the billing system, and reports."""


@export.command()
@_TO
@click.option(
    "--since",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="From after this mark on; else after the last acknowledged.",
)
def debts(to: Path, since: int | None) -> None:
    """Write the marks (bills paid and no longer paid) that the billing system has not acknowledged, as CSV.

    Whole batches, each with its control totals; the same range gives the same bytes.
    """
    from gateway import mark_files

    count = 0
    _form_of(to, ["csv"])
    with wired() as wiring, _written(to) as file:
        for line in mark_files.lines(wiring, since):
            file.write(line.encode())
            count += line.startswith("item,")
    say(f"{count} marks written")


@export.command()
@click.argument("number", type=click.IntRange(0))
@click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
def acknowledge(number: int, by: str) -> None:
    """Note that the billing system has received mark NUMBER and all before it: each batch that has come whole."""
    from gateway.commands.people import known
    from gateway.database import transaction
    from reconciliation import audit, marks

    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                known(session, by)
                now = wiring.clock()
                done = marks.acknowledge(session, number, by=by, how="said by a person", now=now)
                facts = {"number": number, "batches": len(done)}
                audit.append(session, actor=by, action="marks_acknowledged", subject="marks", facts=facts, now=now)
                last = marks.acknowledged(session)
        except marks.Unknown as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{len(done)} batches acknowledged; every mark up to {last} is")


def _report(name: str, meaning: str) -> click.Command:
    """Return the command that writes the report `name`."""

    @click.command(name, help=meaning)
    @_TO
    @click.option("--format", "form", type=click.Choice(["csv", "xlsx"]), help="Else by FILE's ending; csv for stdout.")
    @click.option("--language", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
    @click.option("--bank", default="", metavar="NAME", help="Of this bank alone.")
    def write(to: Path, form: str | None, language: str, bank: str) -> None:
        from gateway import languages, reports
        from gateway.commands.people import known_bank

        chosen = form or _form_of(to, reports.FORMATS)
        with languages.speaking(language):
            written = reports.in_words(name)
        with wired() as wiring:
            if bank:
                known_bank(wiring, bank)
            with _written(to) as file:
                count = reports.write(wiring, written, chosen, file, bank=bank)
        say(f"{count} rows written")

    return write


for _name, _meaning in (
    ("ageing", "Write the open questions by bank, code, owner and age."),
    ("suspense", "Write the money that is matched to no bill, each payment with its age."),
    ("fees", "Write what banks kept for their service, entry by entry."),
    ("mismatches", "Write every question there was, with its owner, its deadline and its end."),
):
    export.add_command(_report(_name, _meaning))


def _form_of(to: Path, forms: Iterable[str]) -> str:
    """Return the format that the ending of `to` says; "csv" for standard output."""
    form = "csv" if str(to) == "-" else to.suffix[1:]
    if form not in forms:
        endings = " or ".join(f".{one}" for one in forms)
        raise click.UsageError(f"--to: expected a file that ends in {endings}, got {to.name!r}")
    return form


@contextmanager
def _written(to: Path) -> Iterator[BinaryIO]:
    """Yield a file that stands under its name only once it is whole; "-" is standard output."""
    if str(to) == "-":
        yield sys.stdout.buffer
        return
    part = to.with_name(f".{to.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
