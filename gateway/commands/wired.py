"""What every command shares: telling a person something, and a gateway wired to running services."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from gateway import practice, processes, settings
from gateway.embedded import services
from gateway.wiring import Wiring, ensure_own_secrets


def say(line: str) -> None:
    """Tell a person something; stdout is kept for what programs read."""
    click.echo(line, err=True)


def counted(number: int, noun: str) -> str:
    """Write so many of something: "1 debit", "2 debits"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def wired(*, migrated: bool = True) -> Iterator[Wiring]:
    """Start the services unless they run already, bring the database up to date, and yield the wiring.

    Beside a sandbox the settings are the sandbox's. The addresses also stand in this process's environment, for what
    reads them there.
    """
    read = settings.load(os.environ)
    with services(read, say) as started, processes.as_environment(started, read) as wiring:
        if migrated:
            from gateway import migrate

            ensure_own_secrets(read.home)
            migrate.upgrade(started.database_url)
        yield practice.beside(wiring)
