"""`doisoat mandates`: what customers let banks take from their accounts: in by the file, shown, and moved by people."""

import os
import sys
from pathlib import Path

import click
from sqlalchemy import text

from gateway import mandate_desk, mandate_import
from gateway.clock import LOCAL
from gateway.commands import people
from gateway.commands.targets import NewFile
from gateway.commands.wired import say, wired
from gateway.database import insist, transaction
from gateway.table_files import ImportRefused
from reconciliation import mandate_codes
from reconciliation.lifecycle import MANDATE
from reconciliation.mandate_answers import Answered
from reconciliation.mandates import NotMoved, carry_out, settle
from reconciliation.roles import BANK_LIAISONS, KEEPERS_OF_MANDATES

_UNREADABLE = 65
"""EX_DATAERR of sysexits.h: the input is at fault."""
_MOST_SHOWN = 100
_MANDATE = click.argument("mandate", type=click.IntRange(1))
_LIST = """
    SELECT m.id, m.bank, m.reference, c.code, v.account_tail, v.cap_minor, v.valid_from, m.valid_to, m.state
    FROM mandates m JOIN customers c ON c.id = m.customer_id
    JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version
    WHERE (:state = '' OR m.state = :state)
      AND (:bank = '' OR m.bank = :bank) AND (:customer = '' OR c.code = :customer)
    ORDER BY m.id DESC LIMIT :limit
"""
_ONE = """
    SELECT m.id, m.bank, m.reference, c.code, m.state
    FROM mandates m JOIN customers c ON c.id = m.customer_id WHERE m.id = :id
"""
_VERSIONS = "SELECT * FROM mandate_versions WHERE mandate_id = :id ORDER BY version"
_MOVES = "SELECT * FROM transitions WHERE kind = 'mandate' AND subject_id = :id ORDER BY sort_key"


@click.group()
def mandates() -> None:
    """Mandates (giấy ủy quyền trích nợ): take them in, look at them, and note what banks and customers say of them."""


@mandates.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--keep-good", is_flag=True, help="Leave out rows that can't be taken, and take the others.")
@people.BY
def import_mandates(file: Path, keep_good: bool, by: str) -> None:
    """Take in FILE (CSV or XLSX): all of it, or nothing with every problem named. A second time changes nothing."""
    with wired() as wiring:

        def work() -> mandate_import.Import:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, BANK_LIAISONS, "import mandates")
                return mandate_import.take_in(session, wiring, file, by=by, keep_good=keep_good)

        try:
            done = insist(work)
        except ImportRefused as error:
            _name(file, error.problems)
            say("nothing was changed")
            sys.exit(_UNREADABLE)
    _name(file, done.left_out)
    left_out = f", {len(done.left_out)} problems left out" if done.left_out else ""
    taken = done.taken
    click.echo(f"{taken.new} new, {taken.changed} changed, {taken.unchanged} unchanged{left_out}")


def _name(file: Path, problems: list[str]) -> None:
    for problem in problems[:_MOST_SHOWN]:
        say(f"{file.name}: {problem}")
    if len(problems) > _MOST_SHOWN:
        say(f"{file.name}: and {len(problems) - _MOST_SHOWN} problems more")


@mandates.command("list")
@click.option("--state", default="", type=click.Choice(["", *MANDATE.states]), help="In this state alone.")
@click.option("--bank", default="", metavar="NAME", help="With this bank alone.")
@click.option("--customer", default="", metavar="CODE", help="Of this customer alone.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def list_mandates(state: str, bank: str, customer: str, limit: int) -> None:
    """Print a line per mandate, the newest first: number, bank, reference, customer, account, cap, days, state."""
    with wired() as wiring, transaction(wiring.engine) as session:
        values = {"state": state, "bank": bank, "customer": customer, "limit": limit}
        found = session.execute(text(_LIST), values).all()
        if not found and bank:
            people.known_bank(wiring, bank)  # a name mistyped must not look like a bank without mandates
        if not found:
            say("no mandates")
        for one in found:
            told = (
                f"{one.id}", one.bank, one.reference, one.code, f"···{one.account_tail}", f"{one.cap_minor:,} đ",
                f"{one.valid_from} to {one.valid_to or 'further notice'}", one.state,
            )  # fmt: skip
            click.echo("\t".join(told))


@mandates.command()
@_MANDATE
def show(mandate: int) -> None:
    """Print all of MANDATE: each version of what was agreed with its consent, and what became of it."""
    with wired() as wiring, transaction(wiring.engine) as session:
        one = session.execute(text(_ONE), {"id": mandate}).one_or_none()
        if one is None:
            raise click.ClickException(f"expected the number of a mandate, got {mandate}")
        click.echo(f"mandate {one.id}: {one.reference} of {one.bank}, customer {one.code}, {one.state}")
        for was in session.execute(text(_VERSIONS), {"id": mandate}):
            helped = f", assisted by {was.assisted_by}" if was.assisted_by else ""
            click.echo(
                f"version {was.version}: account ···{was.account_tail}, at most {was.cap_minor:,} đ a debit,"
                f" {was.valid_from} to {was.valid_to or 'further notice'}; consent to {was.consent_text}"
                f" on {was.consent_at.astimezone(LOCAL):%Y-%m-%d %H:%M} by {was.consent_channel}{helped}"
                f"; noted by {was.made_by} on {was.made_at.astimezone(LOCAL):%Y-%m-%d %H:%M}"
            )
        for step in session.execute(text(_MOVES), {"id": mandate}):
            click.echo(
                f"{step.at.astimezone(LOCAL):%Y-%m-%d %H:%M} {step.from_state} to {step.to_state},"
                f" by {step.by}: {step.why}"
            )


@mandates.command()
@_MANDATE
@people.BY
@people.WHY
def confirm(mandate: int, by: str, why: str) -> None:
    """Note that the bank has taken MANDATE on: it is in force."""
    _do("confirm", mandate, by, why)


@mandates.command()
@_MANDATE
@people.BY
@people.WHY
def refuse(mandate: int, by: str, why: str) -> None:
    """Note that the bank has refused MANDATE."""
    _do("refuse", mandate, by, why)


@mandates.command()
@_MANDATE
@people.BY
@people.WHY
def pause(mandate: int, by: str, why: str) -> None:
    """Let MANDATE rest: nothing is debited until it is resumed."""
    _do("pause", mandate, by, why)


@mandates.command()
@_MANDATE
@people.BY
@people.WHY
def resume(mandate: int, by: str, why: str) -> None:
    """Let a paused MANDATE be in use again."""
    _do("resume", mandate, by, why)


@mandates.command()
@_MANDATE
@people.BY
@people.WHY
def end(mandate: int, by: str, why: str) -> None:
    """End MANDATE for good; a customer who comes back gives a new one."""
    _do("end", mandate, by, why)


@mandates.command()
@_MANDATE
@click.argument("file", type=NewFile())
@click.option("--version", type=click.IntRange(1), help="Another version than the newest.")
@click.option("--for-bank", metavar="USER", help="Account and holder in full, for the bank; USER answers for it.")
def pdf(mandate: int, file: Path, version: int | None, for_bank: str | None) -> None:
    """Write the paper of MANDATE (giấy ủy quyền trích nợ) to FILE, its account masked."""
    from gateway import mandate_paper

    with wired() as wiring, transaction(wiring.engine) as session:
        try:
            if for_bank is None:
                made = mandate_paper.make(session, wiring, mandate, version=version)
            else:
                people.one_of(session, for_bank, BANK_LIAISONS, "see accounts in full")
                made = mandate_paper.make_for_bank(session, wiring, mandate, by=for_bank, version=version)
        except NotMoved as error:
            raise click.ClickException(str(error)) from error
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as paper:
            paper.write(made.document)
    click.echo(f"{file}: {made.name}")


@mandates.command("hand-over")
@click.argument("bank")
@people.BY
@click.option("--to", type=NewFile(), help="Write it there instead, for a bank that takes it by another road.")
def hand_orders_over(bank: str, by: str, to: Path | None) -> None:
    """Tell BANK which mandates to register and to cancel, in one file, once; what was cut short goes on."""
    from gateway import mandate_exchange

    with wired() as wiring:
        with transaction(wiring.engine) as session:
            people.one_of(session, by, BANK_LIAISONS, "hand mandates over")
        known = wiring.settings.banks.get(bank)
        if known is None:
            names = ", ".join(wiring.settings.banks) or "none yet"
            raise click.ClickException(f"expected a declared bank ({names}), got {bank[:40]!r}")
        try:
            went = mandate_exchange.hand_orders_over(wiring, known, by=by, to=to)
        except mandate_exchange.NotAsBefore as error:
            raise click.ClickException(str(error)) from error
    if not went:
        say(f"nothing waits for {bank}")
    for one in went:
        click.echo(f"{one.name}: {one.registered} to register, {one.cancelled} to cancel")


@mandates.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bank", required=True, metavar="NAME", help="Whose answers they are.")
@people.BY
def answers(file: Path, bank: str, by: str) -> None:
    """Carry out what a bank answers in FILE: confirmed, refused or ended. What doesn't fit becomes a question."""
    from banks.errors import Unreadable
    from gateway import mandate_answering

    with wired() as wiring:

        def work() -> Answered:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, BANK_LIAISONS, "take a bank's answers in")
                return mandate_answering.take_answers(session, wiring, file, bank, by=by)

        people.known_bank(wiring, bank)
        try:
            done = insist(work)
        except Unreadable as error:
            say(f"{file.name}: {error}")
            sys.exit(_UNREADABLE)
    _name(file, done.problems)
    left = f", {len(done.problems)} for a person to look at" if done.problems else ""
    click.echo(
        f"{done.confirmed} confirmed, {done.refused} refused, {done.ended} ended, {done.unchanged} unchanged{left}"
    )


@mandates.command("settle")
@click.argument("bank")
@click.argument("reference")
@people.BY
@people.WHY
def settle_question(bank: str, reference: str, by: str, why: str) -> None:
    """Close the question about BANK's answer on REFERENCE, once somebody has spoken with the bank."""
    with wired() as wiring, transaction(wiring.engine) as session:
        people.one_of(session, by, BANK_LIAISONS, "settle a bank's answers")
        if not settle(session, bank, reference, by=by, how=why, now=wiring.clock()):
            raise click.ClickException(f"expected an open question about {reference[:40]!r} of {bank[:40]!r}, got none")
    click.echo(f"the question about {reference} of {bank} is closed")


@mandates.command()
@click.argument("customer", metavar="CODE")
@people.BY
@people.WHY
def unlock(customer: str, by: str, why: str) -> None:
    """Let customer CODE ask for an SMS code again at once, after wrong tries or too many questions."""
    with wired() as wiring, transaction(wiring.engine) as session:
        people.one_of(session, by, KEEPERS_OF_MANDATES, "unlock codes")
        counted = mandate_desk.code_hash(wiring.sealer, customer)
        try:
            gone = mandate_codes.release(session, customer, counted, by=by, why=why, now=wiring.clock())
        except mandate_codes.NoSuchCustomer as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{customer} may ask again; {gone} codes no longer count")


def _do(what: str, mandate: int, by: str, why: str) -> None:
    with wired() as wiring:

        def work() -> str:
            with transaction(wiring.engine) as session:
                people.one_of(session, by, mandate_desk.MAY[what], f"{what} mandates")
                return carry_out(session, mandate, what, by=by, why=why, now=wiring.clock())

        try:
            state = insist(work)
        except NotMoved as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"mandate {mandate} is {state}")
