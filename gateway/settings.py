"""The gateway's settings: one frozen object, read once from an optional TOML file and the environment.

The environment wins over the file, so that one machine can deviate without an edit. Every plain setting has the same
name in both places: `port` in the file is `DOISOAT_PORT` in the environment, and `url` under `[sms]` is
`DOISOAT_SMS_URL`. Secrets are not settings: see `gateway/secrets.py`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import setting_kinds as kinds
from gateway.bank_settings import BankSettings, bank_name, bank_settings, check_origin
from gateway.carrier_settings import CarrierSettings, carrier_settings
from gateway.setting_kinds import Kind
from gateway.setting_tables import SettingsError, Table, checked
from gateway.smpp_settings import SmppSettings
from reconciliation.sending_hours import Times

_ELSEWHERE = frozenset({"DOISOAT_CONFIG"})
_ELSEWHERE_PREFIXES = ("DOISOAT_SECRET_", "DOISOAT_TEST_", "DOISOAT_CHAOS_", "DOISOAT_MUTATION", "DOISOAT_CORPUS")
"""What secrets are given by, and what the tests are steered by."""


FIRST_CARRIER = "http"
"""The name of the carrier that `sms.url` alone makes, as it stands in messages and in the address of its receipts."""


@dataclass(frozen=True, slots=True)
class SmsSettings:
    """The ways to SMS providers; none of them means that no message leaves this machine.

    `url` alone is one carrier of kind http; `public_url` is where carriers reach us with their receipts, `price` what
    one part of a message costs, in đồng.
    """

    url: str | None = field(default=None, repr=False)
    brand: str = "DIENLUC"
    public_url: str | None = None
    price: int | None = None
    declared: Mapping[str, CarrierSettings] = field(default_factory=dict)
    times: Times | None = None
    test_numbers: frozenset[str] = frozenset()
    """Numbers to which nothing leaves: what is for them counts as accepted."""

    @property
    def carriers(self) -> Mapping[str, CarrierSettings]:
        """Every carrier by its name."""
        first = {FIRST_CARRIER: CarrierSettings(FIRST_CARRIER, "http", self.url)} if self.url else {}
        return {**first, **self.declared}

    @property
    def linked(self) -> Mapping[str, SmppSettings]:
        """The binds of the carriers that are reached by SMPP, by name; each is a process of its own."""
        return {name: how.smpp for name, how in self.declared.items() if how.smpp is not None}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person decides; `database_url` and `valkey_url` None mean the servers that come with the gateway."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    valkey_url: str | None = field(default=None, repr=False)
    billing_url: str | None = field(default=None, repr=False)
    webhooks_private: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    sandbox: bool = False
    brand: str = "Điện lực"
    utility: str = "Công ty Điện lực"
    hotline: str = "19001000"
    trusted_proxies: int = 0
    web_workers: int = 2
    web_threads: int = 4
    web_origin: str | None = None
    """The address people open, such as https://doisoat.example; None where each request's own is to be believed."""
    second_factor_roles: frozenset[str] | None = None
    """Roles that must have a second factor; None for those of `second_factors.MUST_HAVE_ONE` outside a sandbox."""
    banks: Mapping[str, BankSettings] = field(default_factory=dict)
    sms: SmsSettings = field(default_factory=SmsSettings)


def load(environ: Mapping[str, str]) -> Settings:
    """Build the settings from `environ` and from the TOML file that `DOISOAT_CONFIG` names; raise SettingsError."""
    config = environ.get("DOISOAT_CONFIG")
    table = Table(_read_toml(Path(config)) if config else {}, "", config or "")
    sms_table, banks_table = table.table("sms"), table.table("banks")
    carriers, times = sms_table.table("carriers"), sms_table.table("times")
    plain, sms = table.take(_PLAIN), sms_table.take(_SMS)
    sms_table.finish()
    table.finish()
    if config and "home" in plain:
        plain["home"] = str(Path(config).resolve().parent / plain["home"])
    plain |= _from_environ(environ, "DOISOAT_", _PLAIN)
    sms |= _from_environ(environ, "DOISOAT_SMS_", _SMS)
    _refuse_unknown(environ)
    home = Path(plain.pop("home")).resolve() if "home" in plain else Path(__file__).resolve().parents[1] / "var"
    banks = {bank_name(name): bank_settings(name, banks_table.table(name)) for name in list(banks_table.values)}
    for bank in banks.values():
        check_origin(bank, plain.get("trusted_proxies", 0), table.where)
    declared = {name: carrier_settings(name, carriers.table(name)) for name in list(carriers.values)}
    if sms.get("url") and FIRST_CARRIER in declared:
        raise SettingsError(
            f"{table.where}: sms.carriers.{FIRST_CARRIER}: expected another name: sms.url makes one of this name"
        )
    return Settings(home=home, banks=banks, sms=SmsSettings(**sms, declared=declared, times=_times(times)), **plain)


_PLAIN = {
    "home": kinds.LINE,
    "database_url": kinds.address("postgresql", "postgres", "postgresql+psycopg"),
    "valkey_url": kinds.address("redis", "rediss", "unix", "valkey", "valkeys"),
    "billing_url": kinds.address("http", "https"),
    "webhooks_private": kinds.TRUTH,
    "host": kinds.LINE,
    "port": kinds.whole(1, 65535),
    "sandbox": kinds.TRUTH,
    "brand": kinds.LINE,
    "utility": kinds.LINE,
    "hotline": kinds.LINE,
    "trusted_proxies": kinds.whole(0, 10),
    "web_workers": kinds.whole(1, 128),
    "web_threads": kinds.whole(1, 128),
    "web_origin": kinds.address("http", "https"),
    "second_factor_roles": kinds.ROLE_LIST,
}
_TIMES = {
    "quiet_from": kinds.CLOCK,
    "quiet_until": kinds.CLOCK,
    "holidays_rest": kinds.TRUTH,
    "daily": kinds.whole(0, 100),
    "notice_days": kinds.whole(1, 60),
    "overdue_days": kinds.whole(1, 60),
    "deadlines_win": kinds.TRUTH,
}
_SMS = {
    "url": kinds.address(),
    "brand": kinds.SENDER,
    "public_url": kinds.address("http", "https"),
    "price": kinds.whole(1, 100_000),
    "test_numbers": kinds.MOBILES,
}


def _times(table: Table) -> Times | None:
    taken = table.take(_TIMES)
    table.finish()
    return Times(**taken) if taken else None


def _from_environ(environ: Mapping[str, str], prefix: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return those of `kinds` that `environ` sets; an empty variable counts as not set."""
    names = {key: f"{prefix}{key.upper()}" for key in kinds if environ.get(f"{prefix}{key.upper()}")}
    return {key: checked(kinds[key], kinds[key].from_text(environ[name]), name) for key, name in names.items()}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as wrong:
        raise SettingsError(f"DOISOAT_CONFIG: expected a file that can be read, got {path}: {wrong.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path}: expected TOML, got {wrong}") from None


def known_variables() -> frozenset[str]:
    """Return every environment variable that is a setting; secrets have names of their own."""
    prefixes = (("", _PLAIN), ("SMS_", _SMS))
    return _ELSEWHERE | {f"DOISOAT_{prefix}{key.upper()}" for prefix, keys in prefixes for key in keys}


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    # A misspelt DOISOAT_DATABASE_URL must not quietly start an empty database of our own.
    known = known_variables()
    for name in sorted(environ):
        if name.startswith("DOISOAT_") and name not in known and not name.startswith(_ELSEWHERE_PREFIXES):
            raise SettingsError(f"{name}: expected one of {', '.join(sorted(known))}, got this name")
