"""The command line `doisoat`: a table of contents; each command lives in a module that is loaded when it is called."""

import gc
import logging
import os
import sys
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "up": "running",
    "run": "running",
    "demo": "running",
    "web": "processes",
    "worker": "processes",
    "beat": "processes",
    "smpp": "processes",
    "sandbox": "processes",
    "verify": "books",
    "migrate": "books",
    "staff": "staff",
    "bills": "bills",
    "export": "export",
    "calendar": "calendar",
    "statement": "statement",
    "callback": "callback",
    "collect": "collect",
    "banks": "banks",
    "close": "close",
    "minutes": "minutes",
    "tariffs": "tariffs",
    "lumps": "lumps",
    "debits": "debits",
    "month": "running",
    "mandates": "mandates",
    "sms": "sms",
    "api-token": "api_token",
    "webhooks": "webhooks",
    "states": "states",
    "roles": "roles",
}
"""Command → module of `gateway.commands`, in the order of the help; the module binds each under its name, _ for -."""


class _Contents(click.Group):
    """Loads a command's module when it is asked for, and turns every failure into one clear line."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the commands in their own order."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Load and return the command called `name`."""
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"gateway.commands.{COMMANDS[name]}"), name.replace("-", "_"))
        gc.enable()  # see `start`
        return found

    def invoke(self, context: click.Context) -> Any:
        """Run the command; with DOISOAT_TEST_TRACE set, failures keep their stack trace."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit, BrokenPipeError):
            raise  # click knows them all; a reader such as `head` that has seen enough is no failure to tell of
        except Exception as error:
            reason = _clear(error)
            if reason is None or os.environ.get("DOISOAT_TEST_TRACE"):
                raise
            click.echo(f"doisoat: {' '.join(reason.split())}", err=True)
            sys.exit(1)


def _clear(error: Exception) -> str | None:
    """Return in one line what a person should know of `error`; None for a fault of our own."""
    from psycopg import Error as DatabaseError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError

    from banks.errors import BankError
    from gateway.embedded import StartError
    from gateway.sandbox import NotASandbox
    from gateway.setting_tables import SettingsError

    if isinstance(error, BankError | StartError | SettingsError | NotASandbox | OSError):
        return str(error)
    if isinstance(error, DBAPIError | DatabaseError):
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        return f"the database: {lines[0] if lines else type(error).__name__}"
    if isinstance(error, RedisError):
        return f"Valkey: {error}"
    return None


@click.group(cls=_Contents, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Đối soát: receive, match and settle cashless payments of electricity bills."""
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("paramiko", "httpx", "httpcore", "alembic", "rq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("pyhanko").setLevel(
        logging.ERROR
    )  # of a certificate that is not trusted it warns by a stack trace


def start() -> None:
    """Run the program `doisoat`."""
    gc.disable()  # nothing is garbage while a command is loaded: looking for it took a fifth of the time to start
    main()


if __name__ == "__main__":
    start()
