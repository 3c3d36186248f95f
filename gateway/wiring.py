"""The one place where the parts are put together: settings, clock, engine, sealer, secrets, bells and carriers."""

import base64
import os
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from banks.profile import Asked, CallbackProfile, Secrets, check_keys
from banks.records import Answer, Outcome, RawRequest
from gateway.bank_settings import BankSettings
from gateway.carrier_settings import CarrierSettings
from gateway.clock import Clock, SandboxClock, real
from gateway.database import app_engine
from gateway.secrets import bank_secrets, ensure_secret, secret
from gateway.setting_tables import SettingsError
from gateway.settings import FIRST_CARRIER, Settings, load
from reconciliation.sealing import Sealer
from reconciliation.sending_hours import ANY_TIME, Times
from sms import receipts
from sms.transport import Transport
from sms.transports.declared import DeclaredTransport
from sms.transports.esms import EsmsTransport
from sms.transports.http import HttpTransport
from sms.transports.speedsms import SpeedSmsTransport

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class Carrier:
    """A way to the customers' phones: its settings, and what hands messages over; None where another process does."""

    settings: CarrierSettings
    transport: Transport | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A bank that calls back: its declaration, how its calls are proven, and with which keys."""

    bank: BankSettings
    profile: CallbackProfile
    secrets: Secrets
    usual: dict[Outcome, Answer] = field(default_factory=dict)
    """Answers without a detail, said the same to everyone: made once."""

    def answers(self, raw: RawRequest, detail: str = "") -> Callable[[Outcome], Answer]:
        """Return how this bank is told each outcome of `raw`, with `detail` where something is wrong."""
        if detail or self.profile.answers_each:
            asked = Asked(raw, self.secrets)
            return lambda outcome: self.profile.answer(outcome, detail, asked)
        return self._usual

    def _usual(self, outcome: Outcome) -> Answer:
        if outcome not in self.usual:
            self.usual[outcome] = self.profile.answer(outcome)
        return self.usual[outcome]


@dataclass(frozen=True)
class Wiring:
    """Everything a process of the gateway works with; parts are made when first asked for."""

    settings: Settings
    database_url: str
    valkey_url: str
    pooled: int = 0

    @cached_property
    def clock(self) -> Clock:
        """The present moment; in a sandbox it may be moved."""
        return self.sandbox_clock if self.settings.sandbox else real

    @property
    def wall_clock(self) -> Clock:
        """The true present, which a sandbox moves for nobody: a person's phone counts by it."""
        return real

    @cached_property
    def sandbox_clock(self) -> SandboxClock:
        """The clock of a sandbox, which may be set."""
        return SandboxClock(self.settings.home / "run" / "sandbox-clock")

    @cached_property
    def engine(self) -> Engine:
        """Connections in the application's role."""
        return app_engine(self.database_url, pooled=self.pooled)

    @cached_property
    def valkey(self) -> "Redis":
        """The connection that RQ rings through; short time-outs, because nothing may wait for a doorbell."""
        from redis import Redis  # most commands, and whoever only reads and books, ring no bell

        scheme, colon, rest = self.valkey_url.partition(":")
        return Redis.from_url(
            scheme.replace("valkey", "redis") + colon + rest, socket_connect_timeout=2, socket_timeout=2
        )

    @cached_property
    def sealer(self) -> Sealer:
        """Seals personal data with the newest of the secret `sealing_key`'s keys."""
        index = _key_bytes(secret(self.settings, "index_key")[0], "index_key")
        return Sealer([_key_bytes(key, "sealing_key") for key in secret(self.settings, "sealing_key")], index)

    @cached_property
    def audit_key(self) -> bytes:
        """Signs the checkpoints of the audit chain."""
        return _key_bytes(secret(self.settings, "audit_key")[0], "audit_key")

    @cached_property
    def callers(self) -> Mapping[str, Caller]:
        """The banks that call back, by the name in their address."""
        return callers_of(self.settings)

    @cached_property
    def carriers(self) -> Mapping[str, Carrier]:
        """The ways to the customers' phones by name; none where no provider is set."""
        return {name: Carrier(how, self._transport(how)) for name, how in self.settings.sms.carriers.items()}

    @property
    def times(self) -> Times:
        """When messages may leave: as the settings say; a sandbox without a word on it lives at any hour."""
        times = self.settings.sms.times or (ANY_TIME if self.settings.sandbox else Times())
        ahead = max((bank.debits.lead_days for bank in self.settings.banks.values() if bank.debits), default=0)
        return replace(times, ahead=timedelta(days=ahead))

    @cached_property
    def billing_secrets(self) -> list[str]:
        """Sign what the billing system is told, newest first: each in the form of Standard Webhooks."""
        return secret(self.settings, "billing_webhook_secret")

    @cached_property
    def receipt_secrets(self) -> list[bytes]:
        """Keys by which a carrier's receipt address is known to be ours."""
        return [key.encode() for key in secret(self.settings, "receipts_key")]

    def receipts_url(self, carrier: str = FIRST_CARRIER) -> str:
        """Return the signed address at which a carrier leaves its receipts."""
        base = self.settings.sms.public_url or f"http://{self.settings.host}:{self.settings.port}"
        return receipts.address(base, carrier, self.receipt_secrets[0])

    def _transport(self, how: CarrierSettings) -> Transport | None:
        if how.smpp is not None:
            return None  # its daemon speaks with it, and nobody else
        keys = carrier_keys(self.settings, how)
        if how.declaration is not None:
            return DeclaredTransport(how.declaration, keys, name=how.name, callback=self.receipts_url(how.name))
        if how.kind == "esms":
            callback = self.receipts_url(how.name)
            account = keys["api_key"], keys["secret_key"]
            return EsmsTransport(*account, url=how.url, name=how.name, callback=callback, sandbox=how.test)
        if how.kind == "speedsms":
            return SpeedSmsTransport(keys["token"], url=how.url, name=how.name)
        return HttpTransport(how.url, keys["token"], name=how.name)


def carrier_keys(settings: Settings, how: CarrierSettings) -> dict[str, str]:
    """Return what an HTTP carrier knows us by, by name; raise SettingsError for a secret that is missing."""
    # The carrier that sms.url alone makes has its key under the name it always had.
    prefix = "sms" if how.name == FIRST_CARRIER and settings.sms.url else f"sms_{how.name}"
    return {name: secret(settings, f"{prefix}_{name}")[0] for name in how.secrets}


def callers_of(settings: Settings) -> dict[str, Caller]:
    """Return the banks that call back; raise SettingsError for a missing secret, Misconfigured for an unusable one."""
    found = {}
    for name, bank in settings.banks.items():
        if bank.callbacks:
            profile = bank.caller_profile()
            keys = bank_secrets(settings, bank, profile.secrets, any_one=profile.any_secret)
            check_keys(profile, keys)
            found[name] = Caller(bank, profile, keys)
    return found


def from_environment(*, web: bool = False) -> Wiring:
    """Return a process's wiring; the addresses of running services come from whoever started it."""
    read = load(os.environ)
    if read.database_url is None or read.valkey_url is None:
        raise SettingsError("expected DOISOAT_DATABASE_URL and DOISOAT_VALKEY_URL; `doisoat up` sets them")
    return Wiring(read, read.database_url, read.valkey_url, pooled=read.web_threads if web else 0)


def ensure_own_secrets(home: Path) -> None:
    """Make the keys that are nobody's but ours, where they are missing: sealing, index, audit, receipts, sessions."""
    for name in ("sealing_key", "index_key", "audit_key", "receipts_key", "session_key"):
        ensure_secret(home, name, lambda: base64.b64encode(random.token_bytes(32)).decode())


def _key_bytes(written: str, name: str) -> bytes:
    try:
        key = base64.b64decode(written, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SettingsError(f"secret {name}: expected 32 bytes in base64")
    return key
