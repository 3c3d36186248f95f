"""`doisoat api-token new | list | revoke`: which of the utility's own systems may ask the API what."""

from datetime import timedelta

import click

from gateway.commands.wired import say, wired


@click.group("api-token")
def api_token() -> None:
    """Tokens of the utility's own systems for the API."""


@api_token.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="SCOPE", help="What it may do; as many as are wanted."
)
@click.option(
    "--expires-days", type=click.IntRange(1, 3660), metavar="N", help="Until N days from now; for ever when not given."
)
@click.option("--by", default="command line", show_default=True, help="Who says so.")
def new(name: str, scopes: tuple[str, ...], expires_days: int | None, by: str) -> None:
    """Make a token called NAME and print it: it is shown this once."""
    from gateway.database import transaction
    from reconciliation import api_tokens

    lasts = None if expires_days is None else timedelta(days=expires_days)
    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                _, token = api_tokens.make(session, name, scopes, lasts=lasts, by=by, now=wiring.clock())
        except api_tokens.NotMade as error:
            raise click.ClickException(str(error)) from error
    say("shown this once: give it to its system and keep it nowhere else")
    click.echo(token)


@api_token.command("list")
def list_tokens() -> None:
    """Print a line per token, the newest first: name, state, scopes, made by whom and when, last use."""
    from gateway.clock import LOCAL
    from gateway.database import transaction
    from reconciliation import api_tokens

    with wired() as wiring, transaction(wiring.engine) as session:
        now = wiring.clock()
        for one in api_tokens.every(session):
            state = "live" if one.is_live(now) else "revoked" if one.revoked_at else "expired"
            used = f"{one.last_used_at.astimezone(LOCAL):%d/%m/%Y %H:%M}" if one.last_used_at else "never"
            made = f"{one.made_at.astimezone(LOCAL):%d/%m/%Y}"
            click.echo(f"{one.name}: {state}, {' '.join(one.scopes)}, made by {one.made_by} on {made}, used {used}")


@api_token.command()
@click.argument("name")
@click.option("--by", default="command line", show_default=True, help="Who says so.")
def revoke(name: str, by: str) -> None:
    """Revoke the token called NAME for good; who said so is kept in the audit trail."""
    from gateway.database import transaction
    from reconciliation import api_tokens

    with wired() as wiring, transaction(wiring.engine) as session:
        found = api_tokens.live_named(session, name)
        if found is None:
            raise click.ClickException(f"expected the name of a token that is not revoked, got {name[:40]!r}")
        api_tokens.revoke(session, found.id, by=by, now=wiring.clock())
    click.echo(f"{name} opens nothing any more")
