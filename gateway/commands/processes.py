"""Commands that run one process of the gateway alone."""

import click

from gateway import bell
from gateway import processes as running
from gateway.commands.wired import wired


@click.command()
def web() -> None:
    """Serve the pages, callbacks and API."""
    with wired(migrated=False) as wiring:
        running.serve_web(wiring.settings)


@click.command()
@click.argument("queue", type=click.Choice(sorted(bell.JOBS)))
def worker(queue: str) -> None:
    """Work on QUEUE: one worker, one queue."""
    with wired(migrated=False):
        running.run_worker(queue)


@click.command()
def beat() -> None:
    """Lead the schedule, or stand by to."""
    with wired(migrated=False):
        running.run_beat()


@click.command()
@click.argument("name", default="")
def smpp(name: str) -> None:
    """Keep the bind of the SMPP carrier NAME up, and send by it; the only one needs no name."""
    with wired(migrated=False):
        running.run_smpp(name)


@click.command(hidden=True)
def sandbox() -> None:
    """Run the sandbox's bank and carrier."""
    from gateway import sandbox as servers

    with wired(migrated=False) as wiring:
        servers.serve(wiring)
