"""`doisoat collect sign|verify`: an integrator's bench for `/collect/v1`, without a database or a server."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import BinaryIO
from uuid import uuid4

import click

from banks import collect_signing
from banks.errors import BankError, Misconfigured, Unproven
from gateway.bank_settings import BankSettings
from gateway.collect.collectors import keys_of
from gateway.practice import settings_here
from gateway.setting_tables import SettingsError


@click.group()
def collect() -> None:
    """Sign a call to collect, or check one and our answer to it."""


def _call_options(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in (
        click.option("--secret", "given", multiple=True, metavar="KEY", help="The key; again for a second live one."),
        click.option(
            "--body", required=True, type=click.File("rb"), metavar="FILE", help="The exact bytes of the body."
        ),
        click.argument("verb", type=click.Choice(["inquiry", "pay", "reverse", "status"])),
        click.argument("bank"),
    ):
        command = decorate(command)
    return command


@collect.command()
@click.option("--id", "call_id", metavar="ID", help="The call's id; one of its own unless given.")
@click.option("--timestamp", type=click.IntRange(0, 10**11), metavar="SECONDS", help="Unix time of signing; else now.")
@_call_options
def sign(
    *, call_id: str | None, timestamp: int | None, bank: str, verb: str, body: BinaryIO, given: Sequence[str]
) -> None:
    """Print what goes on the wire: the three headers, a blank line and the body."""
    chosen = call_id if call_id is not None else str(uuid4())
    if not collect_signing.check_id(chosen):
        raise click.BadParameter("expected 1 to 64 visible characters without a full stop", param_hint="--id")
    content, keys = body.read(), _keys(bank, given)
    at = timestamp if timestamp is not None else int(time.time())
    headers = collect_signing.sign(content, _subject(bank, verb), keys, call_id=chosen, timestamp=at)
    head = "".join(f"{name}: {value}\n" for name, value in headers.items())
    # The body stands as it was signed, without a line end of our own: one byte more would break the signature.
    click.echo(head.encode() + b"\n" + content, nl=False)


@collect.command()
@click.option("--status", type=click.IntRange(100, 599), help="Check our answer with this HTTP status, not a call.")
@click.option("--header", "lines", multiple=True, metavar="'Name: value'", help="A header; repeatable.")
@click.option("--max-age", type=click.IntRange(min=0), metavar="SECONDS", help="Refuse what was signed longer ago.")
@_call_options
def verify(
    *, status: int | None, lines: Sequence[str], max_age: int | None, bank: str, verb: str, body: BinaryIO,
    given: Sequence[str],
) -> None:  # fmt: skip
    """Prove a call or an answer: exit 0 and "verified", or 1 with the reason and the exact text that was signed."""
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    subject = _subject(bank, verb) if status is None else str(status)
    window = None if max_age is None else timedelta(seconds=max_age)
    keys = _keys(bank, given)
    try:
        seen = collect_signing.prove(headers, body.read(), subject, keys, datetime.now(UTC), window=window)
    except Unproven as error:
        click.echo(f"not verified: {error.reason}")
        if error.signed:
            click.echo(f"the text that was signed:\n{_readable(error.signed)}")
        raise SystemExit(1) from None
    ahead = ", signed ahead of this machine's clock" if seen.age_seconds < 0 else ""
    click.echo(f"verified\nid: {seen.call_id}\nage: {seen.age_seconds:.0f} s{ahead}")


def _subject(bank: str, verb: str) -> str:
    return f"POST /collect/v1/{bank}/{verb}"


def _keys(bank: str, given: Sequence[str]) -> Sequence[str]:
    try:
        if given:
            collect_signing.check_keys(given)
            return given
        read = settings_here(os.environ)
        return keys_of(read, read.banks.get(bank, BankSettings(bank, bank)))
    except (SettingsError, BankError) as error:
        hint = "--secret" if isinstance(error, Misconfigured) else None
        raise click.BadParameter(str(error), param_hint=hint) from None


def _readable(text: bytes) -> str:
    # A terminal must not obey what a sender wrote.
    shown = text.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in shown)
