"""`doisoat calendar`: the days that are not as their weekday says, and a person's word on one."""

from datetime import date, datetime

import click

from gateway.commands.wired import wired

_BY = click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
_WHY = click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept in the audit trail.")
_DAY = click.argument("day", type=click.DateTime(["%Y-%m-%d"]))


@click.group()
def calendar() -> None:
    """Bank business days: public holidays, and what people have noted of single days."""


@calendar.command("list")
@click.option("--year", type=click.IntRange(2000, 2099), help="Else the present one.")
def list_days(year: int | None) -> None:
    """Print a line per day of the year that is a holiday or was noted: day, open or closed, by whom, why."""
    from sqlalchemy import select

    from gateway.database import transaction
    from reconciliation.bank_days import BankDay
    from reconciliation.business_days import holidays_of, local_day

    with wired() as wiring, transaction(wiring.engine) as session:
        wanted = year or local_day(wiring.clock()).year
        inside = BankDay.day.between(date(wanted, 1, 1), date(wanted, 12, 31))
        lines = {day: ("closed", "holiday", name) for day, name in holidays_of(wanted).items()}
        for one in session.scalars(select(BankDay).where(inside)):
            lines[one.day] = ("open" if one.open else "closed", one.by, " ".join(one.why.split()))
        for day in sorted(lines):
            click.echo("\t".join((day.isoformat(), *lines[day])))


@calendar.command()
@_DAY
@click.argument("opened", metavar="open|closed", type=click.Choice(["open", "closed"]))
@_BY
@_WHY
def note(day: datetime, opened: str, by: str, why: str) -> None:
    """Note that banks book on DAY, or don't, whatever the library says; open deadlines are counted anew."""
    _edit(day.date(), opened == "open", by, why)


@calendar.command()
@_DAY
@_BY
@_WHY
def forget(day: datetime, by: str, why: str) -> None:
    """Take back what was noted of DAY, so that the library counts again."""
    _edit(day.date(), None, by, why)


def _edit(day: date, opens: bool | None, by: str, why: str) -> None:
    from gateway.commands import people
    from gateway.database import insist, transaction
    from gateway.wiring import Wiring
    from reconciliation import calendar_edits
    from reconciliation.calendar_edits import NotNoted, Redated
    from reconciliation.roles import KEEPERS_OF_THE_CALENDAR

    def work(wiring: Wiring) -> Redated:
        with transaction(wiring.engine) as session:
            people.one_of(session, by, KEEPERS_OF_THE_CALENDAR, "say on which days banks book")
            now = wiring.clock()
            if opens is None:
                return calendar_edits.forget(session, day, why=why, by=by, now=now)
            return calendar_edits.note(session, day, opens=opens, why=why, by=by, now=now)

    with wired() as wiring:
        try:
            done = insist(lambda: work(wiring))
        except NotNoted as error:
            raise click.ClickException(str(error)) from error
    click.echo(
        f"{day.isoformat()}: deadlines moved: {done.payments} of payments, {done.questions} of questions;"
        f" questions taken back: {done.withdrawn}"
    )
