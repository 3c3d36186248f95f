"""`doisoat statement list | progress | import | undo | reread | accept`: imports, and a person's word on them."""

from pathlib import Path

import click

EXIT_UNREADABLE = 65
"""As in sysexits.h: EX_DATAERR."""
_MAY = "say which statements count"
_BY = click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
_WHY = click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept in the audit trail.")


@click.command("list")
@click.option("--bank", metavar="NAME", help="Of this bank alone.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def list_imports(bank: str | None, limit: int) -> None:
    """Print a line per statement, the newest first: number, delivery, bank, account, id, days, lines, state, reason."""
    from sqlalchemy import select

    from gateway.commands.wired import wired
    from gateway.database import transaction
    from reconciliation.statements import Statement

    wanted = select(Statement).order_by(Statement.id.desc()).limit(limit)
    if bank is not None:
        wanted = wanted.where(Statement.bank == bank)
    with wired() as wiring, transaction(wiring.engine) as session:
        for one in session.scalars(wanted):
            days = f"{one.from_on or '?'} to {one.closing_on or one.to_on or '?'}"
            told = (
                f"{one.id}", f"delivery:{one.delivery_id}", one.bank, f"···{one.account_tail}", one.statement_id, days,
                f"{one.lines} lines", one.state, " ".join(one.reason.split()),
            )  # fmt: skip
            click.echo("\t".join(told).rstrip())


@click.command()
def progress() -> None:
    """Print a line per large statement that is being booked: how many of its lines are, since when, at which pace."""
    from gateway.clock import LOCAL
    from gateway.commands.wired import say, wired
    from gateway.database import transaction
    from reconciliation import large_statements

    with wired() as wiring, transaction(wiring.engine) as session:
        in_work = list(large_statements.in_work(session, now=wiring.clock()))
        if not in_work:
            say("no large statement is being booked")
        for one in in_work:
            at = one.statement
            since = at.booking_since.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S") if at.booking_since else "?"
            told = (
                f"{at.id}", f"delivery:{at.delivery_id}", at.bank, at.statement_id,
                f"{at.booked_lines} of {at.lines} lines booked", f"since {since}", f"{one.per_second:.0f} a second",
            )  # fmt: skip
            click.echo("\t".join(told))


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--bank", required=True, metavar="NAME", help="The bank it came from.")
@_BY
def take_in(file: Path, bank: str, by: str) -> None:
    """Take in a statement that came by another road than the bank's file server: it is kept, and read like any other.

    A file that can't be read is refused (exit 65), and so is one whose bytes are kept already.
    """
    from banks import statements
    from banks.errors import Unreadable
    from gateway import bell
    from gateway.commands import people
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from gateway.openpgp_keys import openpgp_keys
    from gateway.own_formats import own_formats
    from reconciliation import audit, inbox
    from reconciliation.roles import BOOKKEEPERS

    with wired() as wiring:
        people.known_bank(wiring, bank)
        keys, own = (
            openpgp_keys(wiring.settings, f"{bank}_"),
            own_formats(wiring.settings, wiring.settings.banks.get(bank)),
        )
        try:
            with file.open("rb") as stream:
                for _event in statements.read(stream, keys, own):
                    pass  # read to its end, so that a person hears of a fault now, and of its place
        except Unreadable as error:
            click.echo(f"{file}: {' '.join(str(error).split())}", err=True)
            raise SystemExit(EXIT_UNREADABLE) from None
        with transaction(wiring.engine) as session:
            people.one_of(session, by, BOOKKEEPERS, _MAY)
            now = wiring.clock()
            kept = inbox.keep_file(session, source=bank, name=file.name, path=file, sealer=wiring.sealer, now=now)
            if kept is None:
                raise click.ClickException(
                    f"expected a file that {bank} has not sent yet, got the bytes of one that is kept"
                )
            facts = {"bank": bank, "file": file.name}
            audit.append(session, actor=by, action="file_taken_in", subject=f"delivery:{kept}", facts=facts, now=now)
        bell.ring(wiring.valkey, "statements")
    click.echo(f"delivery {kept} waits to be read; `doisoat statement list` shows what came of it")


@click.command()
@click.argument("name", metavar="STATEMENT_OR_DELIVERY")
@_BY
@_WHY
@click.option(
    "--with-following", is_flag=True, help="Also undo the statements that follow on from it by their balances."
)
def undo(name: str, by: str, why: str, with_following: bool) -> None:
    """Undo an import: its lines, the payments it made and their matches go back by new entries.

    STATEMENT_OR_DELIVERY is the number of a statement, or delivery:NUMBER for all statements of one file, as
    `doisoat statement list` prints them.
    """
    from gateway import bell, composing
    from gateway.commands import people
    from gateway.commands.wired import wired
    from gateway.database import insist, transaction
    from gateway.wiring import Wiring
    from reconciliation import import_undo
    from reconciliation.import_undo import NotUndone, Undone
    from reconciliation.roles import BOOKKEEPERS

    def work(wiring: Wiring) -> Undone:
        with transaction(wiring.engine) as session:
            people.one_of(session, by, BOOKKEEPERS, _MAY)
            chosen = import_undo.chosen(session, name)
            done = import_undo.undo(session, chosen, by=by, why=why, now=wiring.clock(), with_following=with_following)
            composing.compose_promises(session, wiring.settings)
            return done

    with wired() as wiring:
        try:
            done = insist(lambda: work(wiring))
        except NotUndone as error:
            raise click.ClickException(str(error)) from error
        bell.ring(wiring.valkey, "messages")
    if not done.statements:
        click.echo("nothing to undo: it was undone before")
        return
    click.echo(
        f"undone: statements {', '.join(map(str, done.statements))}; lines {done.lines},"
        f" payments that stood on them alone {done.denied}, payments reported again {done.reported},"
        f" matches {done.matches}, messages that had left {done.told}"
    )
    for delivery in done.deliveries:
        click.echo(f"to read its file anew: doisoat statement reread {delivery} --by USER --why TEXT")


@click.command()
@click.argument("delivery", type=click.IntRange(1))
@_BY
@_WHY
def reread(delivery: int, by: str, why: str) -> None:
    """Read a kept file anew, as if it had just come: after its import was undone, or when it could not be read."""
    from gateway import bell
    from gateway.commands import people
    from gateway.commands.wired import wired
    from gateway.database import transaction
    from reconciliation import import_undo
    from reconciliation.import_undo import NotUndone
    from reconciliation.roles import BOOKKEEPERS

    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, BOOKKEEPERS, _MAY)
                import_undo.read_anew(session, delivery, by=by, why=why, now=wiring.clock())
        except NotUndone as error:
            raise click.ClickException(str(error)) from error
        bell.ring(wiring.valkey, "statements")
    click.echo(f"delivery {delivery} waits to be read")


@click.command()
@click.argument("number", type=click.IntRange(1))
@_BY
@_WHY
def accept(number: int, by: str, why: str) -> None:
    """Book a held statement whose lines only seem to have been shown before: a person knows that they are new."""
    from gateway import bell, composing
    from gateway.commands import people
    from gateway.commands.wired import wired
    from gateway.database import insist, transaction
    from gateway.wiring import Wiring
    from reconciliation import statement_booking
    from reconciliation.roles import BOOKKEEPERS
    from reconciliation.statement_booking import NotAccepted
    from reconciliation.statements import Statement

    def work(wiring: Wiring) -> None:
        with transaction(wiring.engine) as session:
            people.one_of(session, by, BOOKKEEPERS, _MAY)
            statement = session.get(Statement, number)
            if statement is None:
                raise NotAccepted(f"expected the number of a statement that was read, got {number}")
            bank = wiring.settings.banks.get(statement.bank)
            callbacks = bank is not None and (bank.callbacks or bank.collects)
            statement_booking.accept_overlap(
                session, statement, by=by, why=why, callbacks=callbacks, now=wiring.clock()
            )
            composing.compose_promises(session, wiring.settings)

    with wired() as wiring:
        try:
            insist(lambda: work(wiring))
        except NotAccepted as error:
            raise click.ClickException(str(error)) from error
        bell.ring(wiring.valkey, "messages")
    click.echo(f"statement {number} is accepted")
