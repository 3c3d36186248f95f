"""`doisoat callback refusals`: which calls were refused of late, from where and why."""

import click


@click.command()
@click.option("--bank", metavar="NAME", help="Of this bank alone.")
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
def refusals(bank: str | None, last: int) -> None:
    """Print a line per refused call, the newest first: when, bank, the address it came from, the reason."""
    from sqlalchemy import select

    from banks.vietnam_time import VIETNAM
    from gateway.commands.wired import say, wired
    from gateway.database import transaction
    from reconciliation.inbox import Refusal

    # What was sent stays sealed: it may name people, and a reason tells what was wrong with it.
    wanted = select(Refusal.received_at, Refusal.source, Refusal.remote, Refusal.reason)
    if bank is not None:
        wanted = wanted.where(Refusal.source == bank)
    with wired() as wiring, transaction(wiring.engine) as session:
        found = session.execute(wanted.order_by(Refusal.id.desc()).limit(last)).all()
        if not found:
            say("no call was refused")
        for at, source, remote, reason in found:
            # A reason may repeat what anybody sent, and a terminal must not obey it.
            shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in reason)
            click.echo(f"{at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}\t{source}\t{remote or '-'}\t{shown}")
