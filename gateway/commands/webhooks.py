"""`doisoat webhooks`: other systems that are told of matches, reversals and closed days; what they took, and again."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gateway.commands.wired import counted, say, wired

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.wiring import Wiring
    from reconciliation.webhook_endpoints import Endpoint
    from reconciliation.webhook_events import Attempt, Place

_BY = click.option("--by", default="command line", show_default=True, help="Who says so.")
_ENDPOINT = click.argument("endpoint", type=click.IntRange(1))


@click.group()
def webhooks() -> None:
    """Other systems that are told what happens, by signed webhook."""


@webhooks.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, required=True, metavar="TYPE", help="What it hears of.")
@_BY
def add(url: str, events: tuple[str, ...], by: str) -> None:
    """Tell URL what happens from now on; prints the key its system proves us by, this once."""
    from gateway import webhook_desk
    from gateway.database import transaction
    from reconciliation.webhook_endpoints import NotAdded

    with wired() as wiring:
        try:
            with transaction(wiring.engine) as session:
                made, key = webhook_desk.add(session, wiring, url, events, by=by)
        except NotAdded as error:
            raise click.ClickException(str(error)) from error
    say(f"endpoint {made.id}; its key is shown this once")
    click.echo(key)


@webhooks.command("list")
def list_endpoints() -> None:
    """Print a line per endpoint, the newest first: number, state and why, events, address."""
    from gateway.database import transaction
    from reconciliation import webhook_endpoints

    with wired() as wiring, transaction(wiring.engine) as session:
        for one in webhook_endpoints.every(session):
            why = f" ({one.why})" if one.why else ""
            click.echo(f"{one.id}: {one.state}{why}, {' '.join(one.events)}, {one.url}")


@webhooks.command("send-test")
@_ENDPOINT
def send_test(endpoint: int) -> None:
    """Send ENDPOINT an event that only tries the road."""
    from reconciliation import webhook_events

    _act(endpoint, lambda s, w, one: webhook_events.ping(s, one, now=w.clock()))
    click.echo(f"a ping is on its way to endpoint {endpoint}: see doisoat webhooks log {endpoint}")


@webhooks.command()
@_ENDPOINT
@_BY
def rotate(endpoint: int, by: str) -> None:
    """Give ENDPOINT a new key and print it, this once; for 24 hours the old one signs as well."""
    from reconciliation import webhook_endpoints

    keys: list[str] = []
    _act(
        endpoint,
        lambda s, w, one: keys.append(webhook_endpoints.rotate(s, one, sealer=w.sealer, by=by, now=w.clock())),
    )
    click.echo(keys[0])


@webhooks.command()
@_ENDPOINT
@click.option("--why", required=True, metavar="TEXT", help="The reason; it is kept with the endpoint.")
@_BY
def disable(endpoint: int, why: str, by: str) -> None:
    """Send ENDPOINT nothing any more."""
    from reconciliation import webhook_endpoints

    _act(endpoint, lambda s, w, one: webhook_endpoints.disable(s, one, why=why, by=by, now=w.clock()))
    click.echo(f"endpoint {endpoint} is sent nothing any more")


@webhooks.command()
@_ENDPOINT
@_BY
def enable(endpoint: int, by: str) -> None:
    """Send ENDPOINT what waits for it, and what happens from now on."""
    from reconciliation import webhook_endpoints

    _act(endpoint, lambda s, w, one: webhook_endpoints.enable(s, one, by=by, now=w.clock()))
    click.echo(f"endpoint {endpoint} is live")


@webhooks.command()
@_ENDPOINT
@click.option("--event", "uid", metavar="ID", help="One event, by its webhook-id.")
@click.option("--since", metavar="TIME", help="Every event since then, as 2026-11-18T08:00.")
@_BY
def replay(endpoint: int, uid: str | None, since: str | None, by: str) -> None:
    """Send ENDPOINT events once more, under the same ids: one, or all since a time."""
    from gateway import webhook_desk
    from reconciliation import webhook_sending

    if (uid is None) == (since is None):
        raise click.ClickException("expected one of --event and --since")
    if uid is not None:
        made: list[int] = []
        _act(
            endpoint,
            lambda s, w, one: made.extend(webhook_sending.replay(s, uid, endpoint_id=one.id, by=by, now=w.clock())),
        )
        click.echo(f"{counted(len(made), 'event')} on the way to endpoint {endpoint}")
        return
    try:
        begins = webhook_desk.place(since or "")
    except ValueError:
        raise click.ClickException(f"--since: expected a moment as 2026-11-18T08:00, got {since!r}") from None
    asked, further = 0, [begins]
    while further:  # each piece in a transaction of its own
        place = further.pop()

        def work(session: "Session", wiring: "Wiring", one: "Endpoint", place: "Place" = place) -> None:
            nonlocal asked
            again = webhook_sending.replay_since(session, one, place, by=by, now=wiring.clock())
            asked += again.asked
            if again.further:
                further.append(again.further)

        _act(endpoint, work)
    click.echo(f"{counted(asked, 'event')} on the way to endpoint {endpoint}")


@webhooks.command()
@_ENDPOINT
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many, newest first.")
def log(endpoint: int, limit: int) -> None:
    """Print a line per event sent to ENDPOINT, the newest first: id, type, state, tries, last answer, next try.

    Below it a line per earlier try, those before a replay included; each names who had asked for it anew.
    """
    from gateway import webhook_desk
    from gateway.clock import LOCAL
    from gateway.database import transaction
    from reconciliation.webhook_events import Sending

    with wired() as wiring, transaction(wiring.engine) as session:
        wanted = webhook_desk.log_of(endpoint).order_by(Sending.id.desc()).limit(limit)
        found = session.execute(wanted).all()
        tries = webhook_desk.tries(session, [sending.id for sending, _event in found])
        for sending, event in found:
            made = tries.get(sending.id, ())
            said = _said(made[0]) if made else "not tried"
            again = ""
            if sending.state == "waiting":
                again = f", next {sending.next_at.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}"
            tried = counted(len(made), "attempt")
            click.echo(f"{event.uid}: {event.type}, {sending.state}, {tried}{again}: {said}")
            for one in made[1:]:
                click.echo(f"  {one.at.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}: {_said(one)}")


def _said(attempt: "Attempt") -> str:
    asked = f" (asked by {attempt.asked_by})" if attempt.asked_by else ""
    return f"{attempt.status or '-'} in {attempt.took_ms} ms {attempt.said}".strip() + asked


def _act(endpoint: int, act: "Callable[[Session, Wiring, Endpoint], object]") -> None:
    from gateway import bell
    from gateway.database import transaction
    from reconciliation import webhook_endpoints

    with wired() as wiring:
        with transaction(wiring.engine) as session:
            found = webhook_endpoints.locked(session, endpoint)
            if found is None:
                raise click.ClickException(f"expected the number of an endpoint, got {endpoint}")
            act(session, wiring, found)
        bell.ring(wiring.valkey, "webhooks")
