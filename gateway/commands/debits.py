"""`doisoat debits`: runs of auto-debits, previewed, proposed by one person and approved by another, and their files."""

from collections.abc import Callable
from datetime import date, datetime

import click
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import composing, debit_desk
from gateway.clock import LOCAL, local_date
from gateway.commands import debit_bills, people
from gateway.commands.wired import counted, say, wired
from gateway.database import insist, owner_engine, transaction
from gateway.wiring import Wiring
from reconciliation import bank_days, debit_choice, debit_figures, debit_rules, debit_runs
from reconciliation.debit_choice import Wanted
from reconciliation.debit_rules import RuleRefused
from reconciliation.debit_runs import RunRefused
from reconciliation.debits import DebitRun
from reconciliation.roles import BOOKKEEPERS, CHECKERS_OF_DEBITS

_RUN = click.argument("run", type=click.IntRange(1))
_DAY = click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD")
_LIST = """
    SELECT r.*, (SELECT count(*) FROM debit_exclusions x WHERE x.run_id = r.id) AS left_out FROM debit_runs r
    WHERE :bank = '' OR r.bank = :bank ORDER BY r.id DESC LIMIT :limit
"""
_LEFT_OUT = """
    SELECT x.reason, count(*) AS bills, CAST(sum(x.minor) AS bigint) AS minor,
        array_agg(b.number ORDER BY b.id) AS numbers
    FROM debit_exclusions x JOIN bills b ON b.id = x.bill_id WHERE x.run_id = :run GROUP BY 1 ORDER BY 1
"""
_FILES = """
    SELECT f.message_id, f.bank, f.kind, f.debits, f.total_minor, f.state, f.handed_at, f.said FROM debit_files f
    WHERE :bank = '' OR f.bank = :bank ORDER BY f.id DESC LIMIT :limit
"""
_LIMIT = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most."
)
_NUMBERS_SHOWN = 5


@click.group()
def debits() -> None:
    """Auto-debits (trích nợ tự động): choose them, have them approved, and see what became of them."""


@debits.command()
@click.argument("bank")
@_DAY
def preview(bank: str, day: datetime) -> None:
    """Count what a run of BANK for DAY would hold now, and why each other bill is left out; nothing is changed."""
    with wired() as wiring, transaction(wiring.engine) as session:
        wanted = _wanted(wiring, bank, day.date())
        found = debit_choice.preview(session, wanted, debit_rules.rules(session))
        _tell_of_rest(session, wanted.day)
        if wanted.day < local_date(wiring.clock()):
            say(f"{wanted.day} is over: put its bills off to a later day")
    click.echo(f"{bank} {day.date()}: {_sums(found.debits, found.minor, ', ')}")
    for reason, (bills, minor) in found.left_out.items():
        click.echo(f"left out\t{reason}\t{counted(bills, 'bill')}\t{minor:,} đ")


@debits.command()
@click.argument("bank")
@_DAY
@people.BY
def propose(bank: str, day: datetime, by: str) -> None:
    """Choose the debits of BANK for DAY as they stand now; another person approves them."""

    def act(session: Session, wiring: Wiring) -> DebitRun:
        _tell_of_rest(session, day.date())
        return debit_runs.propose(session, _wanted(wiring, bank, day.date()), by=by, now=wiring.clock())

    run = _do("propose debits", by, act)
    click.echo(f"run {run.id}: {_sums(run.debits, run.total_minor, ', ')}, for {run.charge_on}; it waits for approval")


@debits.command()
@_RUN
@people.BY
@people.WHY
def approve(run: int, by: str, why: str) -> None:
    """Let RUN, which somebody else has proposed, leave on its day."""
    _say(_do("approve debits", by, lambda session, wiring: debit_runs.approve(
        session, run, by=by, why=why, now=wiring.clock()), CHECKERS_OF_DEBITS))  # fmt: skip


@debits.command()
@_RUN
@people.BY
@people.WHY
def refuse(run: int, by: str, why: str) -> None:
    """Turn RUN down, or take one's own back; its bills are free for another one."""

    def act(session: Session, wiring: Wiring) -> DebitRun:
        made = debit_runs.refuse(session, run, by=by, why=why, now=wiring.clock())
        if made.maker != by:
            people.one_of(session, by, CHECKERS_OF_DEBITS, "refuse another's run")
        return made

    _say(_do("refuse debits", by, act))


@debits.command()
@_RUN
@people.BY
@people.WHY
def stop(run: int, by: str, why: str) -> None:
    """Take RUN back after its approval, while nothing of it has left."""
    _say(_do("stop debits", by, lambda session, wiring: debit_runs.stop(
        session, run, by=by, why=why, now=wiring.clock()), CHECKERS_OF_DEBITS))  # fmt: skip


@debits.command("list")
@click.argument("bank", default="")
@_LIMIT
def list_runs(bank: str, limit: int) -> None:
    """Print a line per run of BANK, or of all, the newest first."""
    with wired() as wiring, transaction(wiring.engine) as session:
        found = session.execute(text(_LIST), {"bank": bank, "limit": limit}).all()
        if not found:
            _know(wiring, bank)
            say("no runs yet")
        for one in found:
            people_of = f"made by {one.maker}" + (f", decided by {one.checker}" if one.checker else "")
            click.echo(
                f"run {one.id}\t{one.bank}\t{one.charge_on}\t{one.state}\t{_sums(one.debits, one.total_minor)}"
                f"\t{counted(one.left_out, 'bill')} left out\t{people_of}"
            )


@debits.command()
@_RUN
def show(run: int) -> None:
    """Print what became of the debits of RUN, and which bills it left out and why."""
    with wired() as wiring, transaction(wiring.engine) as session:
        one = session.get(DebitRun, run)
        if one is None:
            raise click.ClickException(f"expected the number of a run, got {run}")
        click.echo(
            f"run {one.id}: {one.bank}, {one.charge_on}, {one.state}, {_sums(one.debits, one.total_minor, ', ')}"
        )
        for row in debit_figures.outcomes(session, run):
            click.echo(f"{row.state}{f' ({row.reason})' * bool(row.reason)}\t{_sums(row.debits, row.minor)}")
        for row in session.execute(text(_LEFT_OUT), {"run": run}):
            more = f" and {row.bills - _NUMBERS_SHOWN} more" if row.bills > _NUMBERS_SHOWN else ""
            named = ", ".join(row.numbers[:_NUMBERS_SHOWN])
            click.echo(f"left out\t{row.reason}\t{counted(row.bills, 'bill')}\t{row.minor:,} đ\t{named}{more}")


@debits.command()
@click.argument("bank", default="")
@_LIMIT
def files(bank: str, limit: int) -> None:
    """Print a line per file that BANK, or any, has got or is to get, the newest first."""
    with wired() as wiring, transaction(wiring.engine) as session:
        found = session.execute(text(_FILES), {"bank": bank, "limit": limit}).all()
        if not found:
            _know(wiring, bank)
            say("no files yet")
        for one in found:
            at = f"handed over on {one.handed_at.astimezone(LOCAL):%Y-%m-%d %H:%M}" if one.handed_at else one.said
            click.echo(
                f"{one.message_id}\t{one.bank}\t{one.kind}\t{_sums(one.debits, one.total_minor)}\t{one.state}\t{at}"
            )


@debits.command()
def rules() -> None:
    """Print the rules that hold: notice, retries, what is held, and what is done without a phone."""
    with wired() as wiring, transaction(wiring.engine) as session:
        for row in session.execute(text("SELECT name, value FROM debit_rules ORDER BY name")):
            click.echo(f"{row.name}\t{row.value}")


@debits.command()
@click.argument("name")
@click.argument("value")
def rule(name: str, value: str) -> None:
    """Let the rule NAME be VALUE from now on, such as: notice_hours 48."""
    with wired() as wiring:
        try:
            # The application's own role can't change what its guards go by.
            with transaction(owner_engine(wiring.database_url)) as session:
                debit_rules.choose(session, name, value, by="command line", now=wiring.clock())
        except RuleRefused as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{name}: {value}")


for _command in debit_bills.COMMANDS:
    debits.add_command(_command)


def _sums(number: int, minor: int, parted: str = "\t") -> str:
    return f"{counted(number, 'debit')}{parted}{minor:,} đ"


def _know(wiring: Wiring, bank: str) -> None:
    """Refuse a name that no bank has: a list of nothing would look as if the bank had nothing."""
    if bank:
        people.known_bank(wiring, bank)


def _tell_of_rest(session: Session, day: date) -> None:
    """Say what a person should know of a day of debits."""
    if not bank_days.calendar(session).is_business_day(day):
        say(f"banks rest on {day}: they may carry debits out on the next business day, or refuse them")


def _wanted(wiring: Wiring, name: str, day: date) -> Wanted:
    asked = debit_desk.banks(wiring)
    if name not in asked:
        known = ", ".join(sorted(asked)) or "none yet"
        raise click.ClickException(f"expected a bank that has a table debits in the settings ({known}), got {name!r}")
    return debit_desk.wanted(wiring, name, day)


def _do(
    what: str, by: str, act: Callable[[Session, Wiring], DebitRun], roles: frozenset[str] = BOOKKEEPERS
) -> DebitRun:
    with wired() as wiring:

        def work() -> DebitRun:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, roles, what)
                made = act(session, wiring)
                composing.compose_promises(session, wiring.settings)
                session.expunge(made)
                return made

        try:
            return insist(work)
        except RunRefused as error:
            raise click.ClickException(str(error)) from error


def _say(run: DebitRun) -> None:
    click.echo(f"run {run.id} is {run.state}")
