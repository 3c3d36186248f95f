"""`doisoat debits`, of single bills: held and released, told on paper, put off; and what banks say of single debits."""

from collections.abc import Callable
from datetime import datetime

import click
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import composing, debit_desk, debit_outcomes
from gateway.clock import LOCAL
from gateway.commands import people
from gateway.commands.wired import counted, wired
from gateway.database import insist, transaction
from gateway.wiring import Wiring
from reconciliation import bill_holds, debit_notices, debit_reports
from reconciliation.bill_holds import NotHeld
from reconciliation.debit_days import NotMovable
from reconciliation.debit_notices import NotNoted
from reconciliation.debit_reports import NoDebit
from reconciliation.debits import VERDICTS
from reconciliation.roles import BANK_LIAISONS, BOOKKEEPERS, HOLDERS_OF_BILLS

_BILL = click.argument("bill")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@_BILL
@click.option("--dispute", is_flag=True, help="Its customer disputes it.")
@people.BY
@people.WHY
def hold(bill: str, dispute: bool, by: str, why: str) -> None:
    """Keep BILL from being debited, and its customer from being told of a debit, until it is released."""
    kind = bill_holds.DISPUTE if dispute else bill_holds.PERSON
    _do("hold bills", by, HOLDERS_OF_BILLS, lambda session, wiring: bill_holds.hold(
        session, bill, kind, by=by, why=why, now=wiring.clock()))  # fmt: skip
    click.echo(f"bill {bill} is held ({kind})")


@click.command()
@_BILL
@click.option("--kind", type=click.Choice(bill_holds.KINDS), required=True, help="Which of its holds.")
@people.BY
@people.WHY
def release(bill: str, kind: str, by: str, why: str) -> None:
    """Let BILL be debited again; its customer is told before."""
    _do("release bills", by, BOOKKEEPERS, lambda session, wiring: bill_holds.release(
        session, bill, kind, by=by, why=why, now=wiring.clock()))  # fmt: skip
    click.echo(f"bill {bill} is released ({kind})")


@click.command()
@click.argument("bank")
@click.argument("day", type=_DAY, metavar="YYYY-MM-DD")
@click.option("--to", required=True, type=_DAY, metavar="YYYY-MM-DD", help="The day on which it is debited instead.")
@click.option("--bill", default="", help="This bill alone.")
@people.BY
@people.WHY
def postpone(bank: str, day: datetime, *, to: datetime, bill: str, by: str, why: str) -> None:
    """Debit what was to be debited at BANK on DAY and was not on another day; customers are told anew."""

    def act(session: Session, wiring: Wiring) -> int:
        return debit_desk.postpone(session, wiring, bank, day.date(), to.date(), number=bill, by=by, why=why)

    moved = counted(_do("put debits off", by, BOOKKEEPERS, act) or 0, "bill")
    click.echo(f"{moved} to be debited on {to.date()}")


@click.command()
@_BILL
@click.option("--at", "handed", required=True, type=click.DateTime(["%Y-%m-%d %H:%M"]), help="When it was handed over.")
@people.BY
def printed(bill: str, handed: datetime, by: str) -> None:
    """Record that the customer of BILL was told of its debit on paper, as no SMS reaches them."""
    at = handed.replace(tzinfo=LOCAL)
    _do("record notices", by, HOLDERS_OF_BILLS, lambda session, wiring: debit_notices.note_printed(
        session, bill, handed_at=at, by=by, now=wiring.clock()))  # fmt: skip
    click.echo(f"bill {bill}: a printed notice of {handed:%Y-%m-%d %H:%M}")


@click.command()
@click.argument("debit")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.option("--reason", default="", help="The bank's code, such as AM04.")
@people.BY
@people.WHY
def answer(debit: str, verdict: str, reason: str, by: str, why: str) -> None:
    """Note what the bank said of DEBIT (its end-to-end id) by telephone or letter."""
    _do("pass on what banks say", by, BANK_LIAISONS, lambda session, wiring: debit_reports.say(
        session, debit, verdict, reason=reason, why=why, by=by, now=wiring.clock()), follows=True)  # fmt: skip
    with wired() as wiring, transaction(wiring.engine) as session:
        now_is = session.execute(
            text("SELECT state, reason FROM debits WHERE end_to_end_id = :id"), {"id": debit}
        ).first()
    said = "" if now_is is None else f"; it is {now_is.state}{f' ({now_is.reason})' * bool(now_is.reason)}"
    click.echo(f"debit {debit}: {verdict}{f' ({reason})' * bool(reason)} is noted{said}")


COMMANDS = (hold, release, postpone, printed, answer)


def _do(
    what: str, by: str, roles: frozenset[str], act: Callable[[Session, Wiring], int | None], *, follows: bool = False
) -> int | None:
    with wired() as wiring:

        def work() -> int | None:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, roles, what)
                done = act(session, wiring)
                composing.compose_promises(session, wiring.settings)
                return done

        try:
            done = insist(work)
        except (NotHeld, NotMovable, NotNoted, NoDebit) as error:
            raise click.ClickException(str(error)) from error
        if follows:
            debit_outcomes.follow_all(wiring)
        return done
