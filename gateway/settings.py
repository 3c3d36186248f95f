"""The gateway's settings: one frozen object, read once from an optional TOML file and the environment.

The environment wins over the file, so that one machine can deviate without an edit. Every plain setting has the same
name in both places: `port` in the file is `DOISOAT_PORT` in the environment, and `url` under `[sms]` is
`DOISOAT_SMS_URL`. Secrets are not settings: see `gateway/secrets.py`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any, TypeVar

from banks import profile as bank_profiles
from banks.declared import Declared
from banks.declared_parsing import declaration_from
from banks.errors import Misconfigured
from banks.profile import CallbackProfile
from banks.statements.layout import Layout
from banks.statements.layout_declared import layout_from
from gateway import setting_kinds as kinds
from gateway.origin import Origin
from gateway.setting_kinds import DECLARED, Kind, Private

Declaration = TypeVar("Declaration")

_ELSEWHERE = frozenset({"DOISOAT_CONFIG"})
_ELSEWHERE_PREFIXES = ("DOISOAT_SECRET_", "DOISOAT_TEST_", "DOISOAT_CHAOS_", "DOISOAT_MUTATION", "DOISOAT_CORPUS")
"""What secrets are given by, and what the tests are steered by."""
_BANK_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}", re.ASCII)


class SettingsError(Exception):
    """A setting or a secret that can't be used: one line naming it, what was expected, and what arrived."""


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
    callback: Declared | None = None
    origin: Origin = field(default_factory=Origin)

    def caller_profile(self) -> CallbackProfile:
        """Return how this bank calls back; raise Misconfigured when no profile has the name."""
        return self.callback or bank_profiles.find(self.profile)


@dataclass(frozen=True, slots=True)
class SmsSettings:
    """The way to an SMS provider; `url` None means that no message leaves this machine."""

    url: str | None = field(default=None, repr=False)
    brand: str = "DIENLUC"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person decides; `database_url` and `valkey_url` None mean the servers that come with the gateway."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    valkey_url: str | None = field(default=None, repr=False)
    billing_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    sandbox: bool = False
    brand: str = "Điện lực"
    utility: str = "Công ty Điện lực"
    hotline: str = "19001000"
    trusted_proxies: int = 0
    web_workers: int = 2
    web_threads: int = 4
    banks: Mapping[str, BankSettings] = field(default_factory=dict)
    sms: SmsSettings = field(default_factory=SmsSettings)


def load(environ: Mapping[str, str]) -> Settings:
    """Build the settings from `environ` and from the TOML file that `DOISOAT_CONFIG` names; raise SettingsError."""
    config = environ.get("DOISOAT_CONFIG")
    table = _Table(_read_toml(Path(config)) if config else {}, "", config or "")
    sms_table, banks_table = table.table("sms"), table.table("banks")
    plain, sms = table.take(_PLAIN), sms_table.take(_SMS)
    sms_table.finish()
    table.finish()
    if config and "home" in plain:
        plain["home"] = str(Path(config).resolve().parent / plain["home"])
    plain |= _from_environ(environ, "DOISOAT_", _PLAIN)
    sms |= _from_environ(environ, "DOISOAT_SMS_", _SMS)
    _refuse_unknown(environ)
    home = Path(plain.pop("home")).resolve() if "home" in plain else Path(__file__).resolve().parents[1] / "var"
    banks = {_bank_name(name): _bank(name, banks_table.table(name)) for name in list(banks_table.values)}
    for bank in banks.values():
        _check_origin(bank, plain.get("trusted_proxies", 0), table.where)
    return Settings(home=home, banks=banks, sms=SmsSettings(**sms), **plain)


_PLAIN = {
    "home": kinds.LINE,
    "database_url": kinds.address("postgresql", "postgres", "postgresql+psycopg"),
    "valkey_url": kinds.address("redis", "rediss", "unix", "valkey", "valkeys"),
    "billing_url": kinds.address("http", "https"),
    "host": kinds.LINE,
    "port": kinds.whole(1, 65535),
    "sandbox": kinds.TRUTH,
    "brand": kinds.LINE,
    "utility": kinds.LINE,
    "hotline": kinds.LINE,
    "trusted_proxies": kinds.whole(0, 10),
    "web_workers": kinds.whole(1, 128),
    "web_threads": kinds.whole(1, 128),
}
_SMS = {"url": kinds.address(), "brand": kinds.SENDER}
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


def _checked(kind: Kind, value: Any, key: str) -> Any:
    """Return `value` as `kind` reads it, or say in one line which key was expected to be what."""
    try:
        return kind.read(value)
    except ValueError as wrong:
        arrived = f"a value of type {type(value).__name__}" if isinstance(wrong, Private) else repr(value)[:60]
        raise SettingsError(f"{key}: expected {wrong}, got {arrived}") from None


def _from_environ(environ: Mapping[str, str], prefix: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return those of `kinds` that `environ` sets; an empty variable counts as not set."""
    names = {key: f"{prefix}{key.upper()}" for key in kinds if environ.get(f"{prefix}{key.upper()}")}
    return {key: _checked(kinds[key], kinds[key].from_text(environ[name]), name) for key, name in names.items()}


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Table:
    """A TOML table that is taken apart key by key, so that what is left over is a mistake."""

    def __init__(self, values: dict[str, Any], path: str, where: str) -> None:
        self.values = dict(values)
        self.path = path
        self.where = where
        self.known: list[str] = []

    def table(self, key: str) -> "_Table":
        """Take the sub-table `key`, an empty one where there is none."""
        self.known.append(key)
        inner = self.values.pop(key, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{self.where}: {self.path_of(key)}: expected a table, got {repr(inner)[:60]}")
        return _Table(inner, self.path_of(key), self.where)

    def take(self, kinds: Mapping[str, Kind]) -> dict[str, Any]:
        """Take and check each key of `kinds` that is present."""
        self.known.extend(kinds)
        present = [key for key in kinds if key in self.values]
        return {
            key: _checked(kinds[key], self.values.pop(key), f"{self.where}: {self.path_of(key)}") for key in present
        }

    def need(self, taken: Mapping[str, Any], *keys: str) -> None:
        """Raise SettingsError for the first of `keys` that was not given."""
        for key in keys:
            if key not in taken:
                raise SettingsError(f"{self.where}: {self.path_of(key)}: expected a value, got none")

    def finish(self) -> None:
        """Raise SettingsError when a key is left that nobody knows."""
        for key in self.values:
            raise SettingsError(
                f"{self.where}: {self.path_of(key)}: expected one of {', '.join(self.known)}, got this key"
            )

    def path_of(self, key: str) -> str:
        """Return the dotted path of `key`."""
        return f"{self.path}.{key}" if self.path else key


def _bank_name(name: str) -> str:
    if not _BANK_NAME.fullmatch(name):
        raise SettingsError(f"banks.{name}: expected a name of 2 to 32 small letters, digits and _, got {name[:40]!r}")
    return name


def _bank(name: str, table: _Table) -> BankSettings:
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
    table.finish()
    server = SftpSettings(**reached) if has_sftp else None
    return BankSettings(name=name, sftp=server, table=columns, callback=declared, origin=Origin(**origin), **values)


def _declared(
    key: str, read: Callable[[str, Mapping[str, object]], Declaration], bank: str, table: _Table
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


def _check_origin(bank: BankSettings, proxies: int, where: str) -> None:
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


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as wrong:
        raise SettingsError(f"DOISOAT_CONFIG: expected a file that can be read, got {path}: {wrong.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path}: expected TOML, got {wrong}") from None


def known_variables() -> frozenset[str]:
    """Return every environment variable that is a setting; secrets have names of their own."""
    return _ELSEWHERE | {f"DOISOAT_{key.upper()}" for key in _PLAIN} | {f"DOISOAT_SMS_{key.upper()}" for key in _SMS}


def bank_keys() -> list[str]:
    """Return every plain key of a bank's table."""
    return [*_BANK, *_ORIGIN]


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    # A misspelt DOISOAT_DATABASE_URL must not quietly start an empty database of our own.
    known = known_variables()
    for name in sorted(environ):
        if name.startswith("DOISOAT_") and name not in known and not name.startswith(_ELSEWHERE_PREFIXES):
            raise SettingsError(f"{name}: expected one of {', '.join(sorted(known))}, got this name")
