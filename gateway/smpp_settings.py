"""The settings of an SMPP carrier, and the account they make together with its password."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import setting_kinds as kinds
from gateway.setting_tables import SettingsError, Table
from sms.smpp import Account

if TYPE_CHECKING:
    from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class SmppSettings:
    """One bind; times are seconds, `per_second` 0 is no limit but the carrier's. `tls_ca` names a file to trust."""

    host: str
    system_id: str = field(repr=False)
    port: int = 2775
    system_type: str = ""
    window: int = 10
    per_second: int = 0
    tls: bool = False
    tls_ca: str = ""
    answer_seconds: float = 30
    idle_seconds: float = 30
    patience_seconds: float = 60
    retry_seconds: float = 1
    refused_seconds: float = 300


KINDS = {
    "host": kinds.LINE,
    "system_id": kinds.LINE,
    "port": kinds.whole(1, 65535),
    "system_type": kinds.LINE,
    "window": kinds.whole(1, 10),
    "tls": kinds.TRUTH,
    "tls_ca": kinds.LINE,
    "answer_seconds": kinds.whole(1, 60),
    "idle_seconds": kinds.whole(5, 600),
    "patience_seconds": kinds.whole(5, 90),
}


def smpp_settings(table: Table, per_second: int | None) -> SmppSettings:
    """Return what a carrier's `table` says of its bind; raise SettingsError naming the key."""
    values = table.take(KINDS)
    table.need(values, "host", "system_id")
    return SmppSettings(**values, per_second=per_second or 0)


def account_of(settings: "Settings", name: str, smpp: SmppSettings) -> Account:
    """Return the account of carrier `name`, with its password; raise SettingsError for what it can't be told."""
    from gateway.secrets import secret

    try:
        return Account(
            smpp.host, smpp.port, smpp.system_id, secret(settings, f"sms_{name}_password")[0], settings.sms.brand,
            system_type=smpp.system_type, tls=_tls(smpp), window=smpp.window, per_second=smpp.per_second,
            answer_seconds=smpp.answer_seconds, idle_seconds=smpp.idle_seconds,
            patience_seconds=smpp.patience_seconds, retry_seconds=smpp.retry_seconds,
            refused_seconds=smpp.refused_seconds,
        )  # fmt: skip
    except ValueError as wrong:
        raise SettingsError(f"sms.carriers.{name}: {wrong}") from None


def _tls(smpp: SmppSettings) -> ssl.SSLContext | None:
    if not smpp.tls:
        return None
    try:
        return ssl.create_default_context(cafile=str(Path(smpp.tls_ca)) if smpp.tls_ca else None)
    except (OSError, ssl.SSLError) as wrong:
        raise SettingsError(f"tls_ca: expected a file of certificates, got {smpp.tls_ca}: {wrong}") from None
