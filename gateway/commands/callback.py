"""`doisoat callback verify | sign`: an integrator's bench for signed callbacks, without a database or a server."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from banks import profile as bank_profile
from banks.errors import BankError, Misconfigured
from banks.profile import CallbackProfile, Signed
from banks.records import Proof, RawRequest
from gateway import secrets as kept
from gateway import settings
from gateway.bank_settings import BankSettings
from gateway.callback_preview import preview
from gateway.callback_trying import Unusable, headers_of, prove, query_of, readable, which_keys
from gateway.commands.callback_refusals import refusals
from gateway.practice import settings_here
from gateway.setting_tables import SettingsError

Keys = dict[str, list[str]]


@click.group()
def callback() -> None:
    """Check or make a bank's signed callback; see which were refused."""


callback.add_command(refusals)


def _request_options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.argument("name", metavar="PROFILE_OR_BANK"),
        click.option("--body", metavar="FILE", help='The exact bytes of the body ("-" reads standard input).'),
        click.option("--query", metavar="STRING", help="The query, for profiles that call by GET."),
        click.option("--header", "headers", multiple=True, metavar="'Name: value'", help="A header; repeatable."),
        click.option(
            "--secret",
            "given",
            multiple=True,
            metavar="NAME=VALUE",
            help="A secret; the same name again is a further live key. Else DOISOAT_SECRET_<BANK>_<NAME> is asked.",
        ),
    )
    for decorate in reversed(options):  # click lists in its help what was applied last first
        command = decorate(command)
    return command


@callback.command()
@click.option("--max-age", type=click.IntRange(min=0), metavar="SECONDS", help="Refuse what was signed longer ago.")
@click.option(
    "--received-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]),
    metavar="TIME",
    help="When it came, such as 2026-11-18T09:15:05+07:00, for a sample of long ago; else now.",
)
@_request_options
def verify(max_age: int | None, received_at: datetime | None, name: str, **inputs: Any) -> None:
    """Prove a callback: exit 0 and "verified", or 1 with the reason and the exact text that was signed.

    What would be booked of a proven one, or why it can't be read, is told below, and changes nothing about the exit.
    """
    profile, request, secrets = _prepare(name, bank_profile.proof_secrets, **inputs)
    if received_at is not None:
        request = replace(request, received_at=received_at.astimezone(UTC))
    if max_age is not None and profile.max_age is None:
        _usage(f"{profile.name} callbacks carry no time of signing, so --max-age can't be judged")
    try:
        tried = prove(profile, request, secrets)
    except Misconfigured as error:
        _usage(str(error))
    proof = tried.proof
    if proof is None:
        _refuse(tried.reason, tried.signed, secrets)
    if max_age is not None and proof.age_seconds is None:
        _usage("a call proven by a token carries no time of signing, so --max-age can't be judged")
    if max_age is not None and proof.age_seconds is not None and abs(proof.age_seconds) > max_age:
        _refuse(f"{_age(proof)}, which is beyond --max-age {max_age} s", proof.signed, secrets)
    click.echo("verified")
    click.echo(f"event id: {readable(proof.event_id.encode(), secrets)}")
    click.echo(_age(proof))
    for secret, position in which_keys(profile, request, secrets).items():
        click.echo(f"signed with {secret} {position} of {len(secrets[secret])}")
    for line in preview(profile, request):
        click.echo(readable(line.encode("utf-8", "backslashreplace"), secrets))


@callback.command()
@click.option("--id", "event_id", metavar="ID", help="The event id, for profiles whose sender chooses one.")
@click.option("--timestamp", type=click.IntRange(0, 10**11), metavar="SECONDS", help="Unix time of signing.")
@click.option("--curl", "url", metavar="URL", help="Print a curl command that sends the callback to URL instead.")
@_request_options
def sign(event_id: str | None, timestamp: int | None, url: str | None, name: str, **inputs: Any) -> None:
    """Print what goes on the wire: the full query for GET, else headers, a blank line and the body."""
    profile, request, secrets = _prepare(name, bank_profile.signing_secrets, **inputs)
    if timestamp is not None and profile.max_age is None:
        _usage(f"{profile.name} callbacks carry no time of signing, so --timestamp has no place in them")
    now = request.received_at
    headers = dict(request.headers)
    if timestamp is not None:
        try:
            now = datetime.fromtimestamp(timestamp, UTC)
        except (ValueError, OverflowError):
            _usage(f"--timestamp {timestamp} is beyond the years a date can have")
        headers.pop("webhook-timestamp", None)
    if event_id is not None:
        headers["webhook-id"] = event_id
    unsigned = RawRequest(profile.method, request.query, headers, request.body, now)
    try:
        signed = profile.sign(unsigned, secrets, now)
    except BankError as error:
        _usage(str(error))
    if event_id is not None and event_id not in signed.headers.values():
        _usage(f"{profile.name} callbacks carry no id of the sender's choice, so --id has no place in them")
    if timestamp is not None and str(timestamp) not in " ".join(signed.headers.values()):
        _usage("a call proven by a token carries no time of signing, so --timestamp has no place in it")
    if url is not None:
        click.echo(_curl(signed, url, inputs["body"] if signed.body == request.body else None))
    elif signed.method == "GET":
        click.echo(signed.query)
    else:
        head = "".join(f"{key}: {value}\n" for key, value in signed.headers.items())
        # The body stands as it was signed, without a line end of our own: one byte more would break the signature.
        click.echo(head.encode() + b"\n" + signed.body, nl=False)


def _prepare(
    name: str,
    needed: Callable[[CallbackProfile], Sequence[str]],
    *,
    body: str | None,
    query: str | None,
    headers: Sequence[str],
    given: Sequence[str],
) -> tuple[CallbackProfile, RawRequest, Keys]:
    try:
        own = settings_here(os.environ)
        bank = own.banks.get(name)
        profile = bank.caller_profile() if bank and bank.profile else bank_profile.find(name)
    except Misconfigured as error:
        calling = ", ".join(one.name for one in own.banks.values() if one.profile)
        _usage(f"{error}; banks of DOISOAT_CONFIG: {calling}" if calling else str(error))
    except SettingsError as error:
        _usage(str(error))
    if profile.method == "GET" and query is None:
        _usage(f"{profile.name} calls by GET: give the query by --query")
    if profile.method != "GET" and body is None:
        _usage(f"{profile.name} calls by {profile.method}: give the body by --body")
    try:
        named = headers_of(headers)
    except Unusable as error:
        _usage(str(error))
    request = RawRequest(
        method=profile.method,
        query=query_of(query or ""),
        headers=named,
        body=b"" if body is None else _body(body),
        received_at=datetime.now(UTC),
    )
    itself = bank or BankSettings(name, name)
    return profile, request, _secrets(profile, needed(profile), given, own, itself)


def _body(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        _usage(f"can't read the body from {path}: {error.strerror}")


def _secrets(
    profile: CallbackProfile,
    needed: Sequence[str],
    given: Sequence[str],
    own: settings.Settings,
    bank: BankSettings,
) -> Keys:
    names = list(dict.fromkeys((*profile.secrets, *needed)))
    known = ", ".join(names)
    keys: Keys = {}
    for position, pair in enumerate(given, 1):
        name, equals, value = pair.partition("=")
        if not equals:
            _usage(f"secret {position}: expected NAME=VALUE; {bank.name} knows {known}")
        if name not in names:
            _usage(f"secret {position}: {bank.name} knows no secret of that name, only {known}")
        keys.setdefault(name, []).append(value)
    wanted = [name for name in needed if name not in keys]
    if not wanted or (keys and profile.any_secret):
        return keys
    try:
        return keys | kept.bank_secrets(own, bank, wanted, any_one=profile.any_secret)
    except SettingsError as error:
        missing = (" or " if profile.any_secret else " and ").join(f"--secret {name}=VALUE" for name in wanted)
        _usage(f"{bank.name} needs {missing}; without it: {error}")


def _age(proof: Proof) -> str:
    if proof.age_seconds is None:
        return "age: this form carries no time of signing"
    if proof.age_seconds < 0:
        return f"age: {proof.age_seconds:.0f} s, signed ahead of this machine's clock"
    return f"age: {proof.age_seconds:.0f} s"


def _curl(signed: Signed, url: str, body: str | None) -> str:
    if signed.method == "GET":
        return shlex.join(["curl", f"{url}?{signed.query.decode('ascii', 'backslashreplace')}"])
    words = ["curl", "--request", signed.method]
    for name, value in signed.headers.items():
        words += ["--header", f"{name}: {value}"]
    # A body that carries its own signature is another than the file's, so it stands in the command itself.
    given = signed.body.decode("utf-8", "backslashreplace")
    data = ["--data-raw", given] if body is None else ["--data-binary", f"@{body}"]
    return shlex.join([*words, *data, url])


def _refuse(reason: str, signed: bytes = b"", secrets: Keys | None = None) -> NoReturn:
    click.echo(f"not verified: {readable(reason.encode('utf-8', 'backslashreplace'), secrets or {})}")
    if signed:
        click.echo("the text that was signed:")
        click.echo(readable(signed, secrets or {}))
    raise SystemExit(1)


def _usage(message: str) -> NoReturn:
    click.echo(f"doisoat callback: {message}", err=True)
    raise SystemExit(2)
