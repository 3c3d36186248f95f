"""The gateway's settings: one frozen object, read once from an optional TOML file and the environment.

The environment wins over the file, so that one machine can deviate without an edit. Every plain setting has the same
name in both places: `port` in the file is `DOISOAT_PORT` in the environment, and `url` under `[sms]` is
`DOISOAT_SMS_URL`. Secrets are not settings: see `gateway/secrets.py`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any, NamedTuple

from banks import profile as bank_profiles

_ELSEWHERE = frozenset({"DOISOAT_CONFIG"})
_ELSEWHERE_PREFIXES = ("DOISOAT_SECRET_", "DOISOAT_TEST_")
_BANK_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}", re.ASCII)
_ACCOUNT = re.compile(r"[0-9A-Z]{4,34}", re.ASCII)


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
    """One bank or wallet; `statement_by` is the local time of the next business day its statement is due."""

    name: str
    title: str
    profile: str = ""
    accounts: tuple[str, ...] = field(default=(), repr=False)
    callbacks: bool = False
    statement_by: time = time(8, 0)
    sftp: SftpSettings | None = None


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
    return Settings(home=home, banks=banks, sms=SmsSettings(**sms), **plain)


# ── one value ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Kind(NamedTuple):
    """`read` checks what TOML gave or raises ValueError with what was expected; `from_text` types a variable alike."""

    read: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str


class _Private(ValueError):
    """The value may hold a password or an account number, so the message must not repeat it."""


def _read_line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("a line of text")
    return value.strip()


def _read_truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _truth_from_text(text: str) -> Any:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower(), text)


def _whole(low: int, high: int) -> _Kind:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return _Kind(read, lambda text: int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else text)


def _address(*schemes: str) -> _Kind:
    def read(value: Any) -> str:
        scheme = value.partition(":")[0] if isinstance(value, str) and value.isprintable() else ""
        if not re.fullmatch("[a-z][a-z0-9+]*", scheme) or (schemes and scheme not in schemes) or scheme == value:
            raise _Private("an address that begins with " + " or ".join(f"{each}:" for each in schemes or ("scheme",)))
        return str(value)

    return _Kind(read)


def _read_clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII):
        return time.fromisoformat(value)
    raise ValueError('a local time such as "08:00"')


def _read_accounts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and _ACCOUNT.fullmatch(each) for each in value):
        raise _Private("a list of account numbers in quotes, each 4 to 34 digits or capital letters")
    if len(set(value)) != len(value):
        raise _Private("a list that names each account number once")
    return tuple(value)


def _read_profile(value: Any) -> str:
    if value not in bank_profiles.names():
        raise ValueError(f"one of {', '.join(bank_profiles.names())}")
    return str(value)


def _read_sender(value: Any) -> str:
    # GSM 03.40 carries an alphanumeric sender of at most 11 characters.
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9 ._-]{1,11}", value):
        raise ValueError("a sender name of 1 to 11 plain letters, digits, spaces or ._-")
    return value


def _read_ending(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\.[A-Za-z0-9._-]{1,15}", value):
        raise ValueError('the ending of a file name such as ".ok" or ".md5"')
    return value


def _read_after(value: Any) -> str:
    if value not in ("leave", "archive", "delete"):
        raise ValueError('"leave", "archive" or "delete"')
    return str(value)


_LINE = _Kind(_read_line)
_TRUTH = _Kind(_read_truth, _truth_from_text)
_PLAIN = {
    "home": _LINE,
    "database_url": _address("postgresql", "postgres", "postgresql+psycopg"),
    "valkey_url": _address("redis", "rediss", "unix", "valkey", "valkeys"),
    "host": _LINE,
    "port": _whole(1, 65535),
    "sandbox": _TRUTH,
    "brand": _LINE,
    "utility": _LINE,
    "hotline": _LINE,
    "trusted_proxies": _whole(0, 10),
    "web_workers": _whole(1, 128),
    "web_threads": _whole(1, 128),
}
_SMS = {"url": _address(), "brand": _Kind(_read_sender)}
_SFTP = {
    "host": _LINE,
    "port": _whole(1, 65535),
    "username": _LINE,
    "host_key": _LINE,
    "inbox": _LINE,
    "pattern": _LINE,
    "done_marker": _Kind(_read_ending),
    "after": _Kind(_read_after),
    "archive": _LINE,
    "outbox": _LINE,
    "staging": _LINE,
    "upload_marker": _Kind(_read_ending),
    "read_back": _TRUTH,
    "deadline": _whole(10, 540),  # a job ends after ten minutes
    "per_poll": _whole(1, 10_000),
    "failures_allowed": _whole(1, 100),
}
_BANK = {
    "title": _LINE,
    "profile": _Kind(_read_profile),
    "accounts": _Kind(_read_accounts),
    "callbacks": _TRUTH,
    "statement_by": _Kind(_read_clock),
}


def _checked(kind: _Kind, value: Any, key: str) -> Any:
    """Return `value` as `kind` reads it, or say in one line which key was expected to be what."""
    try:
        return kind.read(value)
    except ValueError as wrong:
        arrived = f"a value of type {type(value).__name__}" if isinstance(wrong, _Private) else repr(value)[:60]
        raise SettingsError(f"{key}: expected {wrong}, got {arrived}") from None


def _from_environ(environ: Mapping[str, str], prefix: str, kinds: Mapping[str, _Kind]) -> dict[str, Any]:
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

    def take(self, kinds: Mapping[str, _Kind]) -> dict[str, Any]:
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
    values.setdefault("callbacks", "profile" in values)
    if values["callbacks"]:
        table.need(values, "profile")
    reached = sftp.take(_SFTP)
    if has_sftp:
        sftp.need(reached, "host", "username", "host_key")
        if reached.get("after") == "archive":
            sftp.need(reached, "archive")
    sftp.finish()
    table.finish()
    return BankSettings(name=name, sftp=SftpSettings(**reached) if has_sftp else None, **values)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as wrong:
        raise SettingsError(f"DOISOAT_CONFIG: expected a file that can be read, got {path}: {wrong.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path}: expected TOML, got {wrong}") from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    # A misspelt DOISOAT_DATABASE_URL must not quietly start an empty database of our own.
    known = {f"DOISOAT_{key.upper()}" for key in _PLAIN} | {f"DOISOAT_SMS_{key.upper()}" for key in _SMS} | _ELSEWHERE
    for name in sorted(environ):
        if name.startswith("DOISOAT_") and name not in known and not name.startswith(_ELSEWHERE_PREFIXES):
            raise SettingsError(f"{name}: expected one of {', '.join(sorted(known))}, got this name")
