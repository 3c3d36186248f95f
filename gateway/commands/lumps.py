"""`doisoat lumps`: how sources settle many payments by one line, and which lines are of which day."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.commands import declarations, people
from gateway.commands.wired import wired
from gateway.database import insist, owner_engine, transaction
from reconciliation import lump_choices, lump_sums
from reconciliation.business_days import local_day
from reconciliation.lump_choices import Choice
from reconciliation.lump_days import LOOKED_BACK
from reconciliation.mismatches import NotSettled
from reconciliation.roles import BOOKKEEPERS

_BY = click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
_WHY = click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept in the audit trail.")
_AGREEMENTS = "SELECT *, nullif(until, 'infinity') - 1 AS until FROM lump_terms ORDER BY source, since"
_SAID = {
    lump_choices.NOT_DAY: "not of {day}", lump_choices.DAY_AGAIN: "weighed again with {day}",
    lump_choices.NO_SETTLEMENT: "no settlement", lump_choices.SETTLEMENT_AGAIN: "a settlement again",
}  # fmt: skip
_LINES = """
    SELECT s.line_id, s.booked_on, s.source, s.minor, s.day, s.pinned, count(p.id) AS payments,
        coalesce(sum(p.fee_minor + p.vat_minor), 0)\\:\\:bigint AS fee, min(m.id) AS mismatch,
        EXISTS (SELECT 1 FROM lump_choices c WHERE c.lump_id = s.id AND c.state = 'proposed') AS waits
    FROM lump_sums s LEFT JOIN line_parts p ON p.lump_id = s.id AND p.undone_at IS NULL
    LEFT JOIN mismatches m ON m.code = 'M11' AND m.subject = 'line:' || s.line_id AND m.state <> 'resolved'
    WHERE s.undone_at IS NULL AND (:source = '' OR s.source = :source)
    GROUP BY s.id ORDER BY s.id DESC LIMIT :limit
"""


@click.group()
def lumps() -> None:
    """Declare who settles many payments by one line, and see or say which payments a line is of."""


@lumps.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def declare(file: Path) -> None:
    """Take in the [[settlement]] tables of a TOML FILE."""
    entries = declarations.tables(file, "settlement")
    with wired() as wiring:
        named = {str(one.get(name)) for one in entries for name in ("bank", "source")}
        declarations.only_declared(wiring, file, named)
        try:
            # The application's own role can't change what lines are recognised by.
            with transaction(owner_engine(wiring.database_url)) as session:
                made = lump_sums.declare(session, entries, by="command line", now=wiring.clock())
                since = local_day(wiring.clock()) - LOOKED_BACK
                before = lump_sums.read_before(session, [one["source"] for one in entries], since=since)
        except lump_sums.NotAgreed as error:
            raise click.ClickException(f"{file.name}: {error}") from error
    click.echo(f"{made} settlements declared")
    for one in before:
        click.echo(
            f"statement {one.id} ({one.statement_id} of {one.bank}) was read before: {one.lines} of its lines bear"
            f" these words, {one.minor:,} đ; undo its import and read it anew to settle by them"
        )


@lumps.command()
@click.argument("source")
@click.option("--from", "since", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day it counts not.")
@_WHY
def end(source: str, since: datetime, why: str) -> None:
    """End the agreement of SOURCE: payments of the days from then on are shown one by one."""
    with wired() as wiring:
        try:
            with transaction(owner_engine(wiring.database_url)) as session:
                lump_sums.end(session, source, since.date(), why=why, by="command line", now=wiring.clock())
        except lump_sums.NotAgreed as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{source}: no agreement from {since.date()} on")


@lumps.command()
def agreements() -> None:
    """Print every version of every agreement: whose payments, on which account, by which words, of which days."""
    with wired() as wiring, transaction(wiring.engine) as session:
        found = session.execute(text(_AGREEMENTS)).all()
        if not found:
            click.echo("no agreements yet")
        for one in found:
            counts = f"from {one.since}" + (f" until {one.until}" if one.until else "")
            words = ", ".join(one.words)
            days = f"{one.after_days}-{one.within_days} days later"
            click.echo(f"{one.source}\tat {one.bank}\t{words}\t{counts}\t{days}, cut-off {one.cut_off or 'midnight'}")


@lumps.command("list")
@click.argument("source", default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def list_lumps(source: str, limit: int) -> None:
    """Print a line per settlement of SOURCE, or of all, the newest first: what came, for which day, or its question."""
    with wired() as wiring, transaction(wiring.engine) as session:
        if source:
            people.known_bank(wiring, source)
        found_lines = session.execute(text(_LINES), {"source": source, "limit": limit}).all()
        if not found_lines:
            click.echo("no settlements yet")
        for one in found_lines:
            found = f"{one.payments} payments of {one.day}, fee and VAT {one.fee:,} đ" if one.day else "not explained"
            if one.pinned:
                found += ", as a person said"
            if one.mismatch:
                found += f", question {one.mismatch}"
            if one.waits:
                found += ", an answer waits for approval"
            click.echo(f"line {one.line_id}\t{one.booked_on}\t{one.source}\t{one.minor:,} đ\t{found}")


@lumps.command()
@click.argument("line", type=click.IntRange(1))
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="It is the settlement of this day.")
@click.option("--payment", "references", multiple=True, help="Or of this payment, by its source's reference; several.")
@_BY
@_WHY
def explode(line: int, day: datetime | None, references: tuple[str, ...], by: str, why: str) -> None:
    """Say which payments LINE settles: all of a day, or those named. Above the limit another person approves it."""
    _do(
        "explode",
        by,
        lambda session, now: lump_choices.propose(
            session, line, day=day.date() if day else None, references=references, why=why, by=by, now=now
        ),
    )


@lumps.command("not-day")
@click.argument("line", type=click.IntRange(1))
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="It is not the settlement of this day.")
@_BY
@_WHY
def not_day(line: int, day: datetime, by: str, why: str) -> None:
    """Say which day LINE does not settle; it is weighed against its other days, and asked about if none fits."""
    _do(
        "deny a day", by, lambda session, now: lump_choices.deny_day(session, line, day.date(), why=why, by=by, now=now)
    )


@lumps.command("no-settlement")
@click.argument("line", type=click.IntRange(1))
@_BY
@_WHY
def no_settlement(line: int, by: str, why: str) -> None:
    """Say that LINE settles nothing, whatever its words: it is matched as any other line of its statement."""
    _do("disown", by, lambda session, now: lump_choices.disown(session, line, why=why, by=by, now=now))


@lumps.command()
@click.argument("line", type=click.IntRange(1))
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Take back that it does not settle this day.")
@_BY
@_WHY
def undo(line: int, day: datetime | None, by: str, why: str) -> None:
    """Take back what a person said that LINE settles, or that it settles nothing; it is weighed by itself again."""

    def act(session: Session, now: datetime) -> Choice:
        if day is not None:
            return lump_choices.allow_day(session, line, day.date(), why=why, by=by, now=now)
        return lump_choices.take_back(session, line, why=why, by=by, now=now)

    _do("undo", by, act)


@lumps.command()
@click.argument("line", type=click.IntRange(1))
@_BY
def approve(line: int, by: str) -> None:
    """Carry out what somebody else has proposed for LINE."""
    _do("approve", by, lambda session, now: lump_choices.approve(session, line, by=by, now=now))


@lumps.command()
@click.argument("line", type=click.IntRange(1))
@_BY
@_WHY
def refuse(line: int, by: str, why: str) -> None:
    """Take back one's own proposal for LINE, or turn down another's, which a chief accountant may."""

    def act(session: Session, now: datetime) -> Choice:
        made = lump_choices.refuse(session, line, by=by, why=why, now=now)
        if made.maker != by:
            people.one_of(session, by, {"chief_accountant"}, "refuse another's proposal")
        return made

    _do("refuse", by, act)


def _do(what: str, by: str, act: Callable[[Session, datetime], Choice]) -> None:
    with wired() as wiring:

        def work() -> str:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, {"chief_accountant"} if what == "approve" else BOOKKEEPERS, what)
                made = act(session, wiring.clock())
                said = _SAID.get(made.kind, "{payments} payments")
                return f"{made.state}: {said.format(day=made.day, payments=len(made.payments))}"

        try:
            said = insist(work)
        except NotSettled as error:
            raise click.ClickException(str(error)) from error
    click.echo(said)
