"""The settings of one bank or wallet: how it calls, what it sends, where its files lie, how it is asked to debit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import TypeVar

from banks import profile as bank_profiles
from banks.declared import Declared
from banks.declared_parsing import declaration_from
from banks.errors import Misconfigured
from banks.profile import CallbackProfile
from banks.statements.layout import Layout
from banks.statements.layout_declared import layout_from
from gateway import setting_kinds as kinds
from gateway.debit_settings import DebitSettings, debit_settings
from gateway.origin import Origin
from gateway.setting_kinds import DECLARED
from gateway.setting_tables import SettingsError, Table

Declaration = TypeVar("Declaration")

_BANK_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """A bank's file server: `host_key` pins it, `pattern` is a shell pattern of names; see docs/formats/sftp.md.

    One poll takes at most `per_poll` files and `deadline` seconds; after `failures_allowed` failures in a row it rests.
    """

    host: str
    username: str
    host_key: str
    port: int = 22
    inbox: str = "/"
    pattern: str = "*"
    done_marker: str = ""
    after: str = "leave"
    archive: str = ""
    outbox: str = ""
    staging: str = ""
    upload_marker: str = ""
    read_back: bool = False
    deadline: int = 240
    per_poll: int = 100
    failures_allowed: int = 5


@dataclass(frozen=True, slots=True)
class BankSettings:
    """One bank or wallet; `statement_by` is the local time of the next business day its statement is due.

    `statement_days` are the days it sends one for ("business", "daily" or names of weekdays), `statement_since` the
    first of them: without it, a bank owes statements from the first one on that came.

    `collects` lets it ask what is owed and pay it at `/collect/v1`; `callback` is what the file itself declares of its
    calls, `origin` where they must come from; `napas_checksum` tells how the lines of its NAPAS files are keyed.
    """

    name: str
    title: str
    profile: str = ""
    accounts: tuple[str, ...] = field(default=(), repr=False)
    callbacks: bool = False
    collects: bool = False
    statement_by: time = time(8, 0)
    statement_days: str | frozenset[int] = "business"
    statement_since: date | None = None
    napas_checksum: str = ""
    table: Layout | None = None
    """Its own CSV or XLSX table, where it is none of the known ones."""
    sftp: SftpSettings | None = None
    debits: DebitSettings | None = None
    """How it is asked to debit our customers' accounts; None where it never is."""
    callback: Declared | None = None
    origin: Origin = field(default_factory=Origin)

    def caller_profile(self) -> CallbackProfile:
        """Return how this bank calls back; raise Misconfigured when no profile has the name."""
        return self.callback or bank_profiles.find(self.profile)


_SFTP = {
    "host": kinds.LINE,
    "port": kinds.whole(1, 65535),
    "username": kinds.LINE,
    "host_key": kinds.LINE,
    "inbox": kinds.LINE,
    "pattern": kinds.LINE,
    "done_marker": kinds.ENDING,
    "after": kinds.AFTER,
    "archive": kinds.LINE,
    "outbox": kinds.LINE,
    "staging": kinds.LINE,
    "upload_marker": kinds.ENDING,
    "read_back": kinds.TRUTH,
    "deadline": kinds.whole(10, 540),  # a job ends after ten minutes
    "per_poll": kinds.whole(1, 10_000),
    "failures_allowed": kinds.whole(1, 100),
}
_BANK = {
    "title": kinds.LINE,
    "profile": kinds.PROFILE,
    "accounts": kinds.ACCOUNTS,
    "callbacks": kinds.TRUTH,
    "collects": kinds.TRUTH,
    "statement_by": kinds.CLOCK,
    "statement_days": kinds.DAYS,
    "statement_since": kinds.DAY,
    "napas_checksum": kinds.NAPAS_CHECKSUM,
}
_ORIGIN = {
    "allow_from": kinds.NETWORKS,
    "mtls_header": kinds.HEADER,
    "mtls_identity": kinds.LINE,
    "mtls_proxy": kinds.NETWORKS,
}


def bank_name(name: str) -> str:
    """Return the name of a bank's table; raise SettingsError for what can't be one."""
    if not _BANK_NAME.fullmatch(name):
        raise SettingsError(f"banks.{name}: expected a name of 2 to 32 small letters, digits and _, got {name[:40]!r}")
    return name


def bank_settings(name: str, table: Table) -> BankSettings:
    """Read the table of one bank; raise SettingsError."""
    has_sftp = "sftp" in table.values
    sftp = table.table("sftp")
    values = {"title": name, **table.take(_BANK)}
    declared = _declared("callback", declaration_from, name, table)
    columns = _declared("table", lambda bank, values: layout_from(values, bank), name, table)
    if declared:
        values.setdefault("profile", DECLARED)
    if (declared is not None) != (values.get("profile") == DECLARED):
        raise SettingsError(
            f"{table.where}: {table.path_of('profile')}: expected {DECLARED} together with a table callback, "
            f"got {values['profile']!r} {'with' if declared else 'without'} one"
        )
    values.setdefault("callbacks", "profile" in values)
    if values["callbacks"]:
        table.need(values, "profile")
    origin = table.take(_ORIGIN)
    if any(key.startswith("mtls_") for key in origin):
        table.need(origin, "mtls_header", "mtls_identity")
    reached = sftp.take(_SFTP)
    if has_sftp:
        sftp.need(reached, "host", "username", "host_key")
        if reached.get("after") == "archive":
            sftp.need(reached, "archive")
    sftp.finish()
    debits = debit_settings(table) if "debits" in table.values else None
    table.known.append("debits")
    table.finish()
    server = SftpSettings(**reached) if has_sftp else None
    return BankSettings(
        name=name, sftp=server, debits=debits, table=columns, callback=declared, origin=Origin(**origin), **values
    )  # fmt: skip


def _declared(
    key: str, read: Callable[[str, Mapping[str, object]], Declaration], bank: str, table: Table
) -> Declaration | None:
    """Return what the sub-table `key` declares as `read` takes it, None where there is none."""
    if key not in table.values:
        table.known.append(key)
        return None
    inner = table.table(key)
    try:
        return read(bank, inner.values)
    except Misconfigured as wrong:
        said = str(wrong).removeprefix(f"{bank}: ").removeprefix(f"{key}.")
        raise SettingsError(
            f"{table.where}: {inner.path}{': ' if said.startswith('expected') else '.'}{said}"
        ) from None


def check_origin(bank: BankSettings, proxies: int, where: str) -> None:
    """Raise SettingsError where a bank's calls would come from anywhere, though nothing else is strong enough."""
    if bank.origin.mtls_header and not proxies:
        raise SettingsError(
            f"{where}: banks.{bank.name}.mtls_header: expected trusted_proxies of at least 1 beside it, because "
            "anybody may send a header that no proxy of ours has set, got 0"
        )
    if bank.callbacks and bank_profiles.is_weak(bank.caller_profile()) and not bank.origin.asks:
        raise SettingsError(
            f"{where}: banks.{bank.name}: expected allow_from, or mtls_header and mtls_identity, because the signature "
            "of its calls is too weak to stand alone, got neither"
        )


def bank_keys() -> list[str]:
    """Return every plain key of a bank's table."""
    return [*_BANK, *_ORIGIN]
