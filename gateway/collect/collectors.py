"""Collectors: the banks that may collect on the utility's behalf, each with the keys that sign both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

from banks import collect_signing
from banks.errors import Misconfigured
from gateway.bank_settings import BankSettings
from gateway.secrets import bank_secrets
from gateway.setting_tables import SettingsError
from gateway.settings import Settings

SECRET = "collect_secret"  # noqa: S105 - the name of the secret, not the secret


@dataclass(frozen=True, slots=True)
class Collector:
    """A bank that collects; `keys` are its live ones, newest first."""

    bank: BankSettings
    keys: Sequence[str]


def collectors_of(settings: Settings) -> dict[str, Collector]:
    """Return the banks that collect, by name; raise SettingsError for a missing or unusable key."""
    return {name: Collector(bank, keys_of(settings, bank)) for name, bank in settings.banks.items() if bank.collects}


def keys_of(settings: Settings, bank: BankSettings) -> Sequence[str]:
    """Return the live keys of one bank, newest first; raise SettingsError as above."""
    keys = bank_secrets(settings, bank, (SECRET,))[SECRET]
    try:
        collect_signing.check_keys(keys)
    except Misconfigured as error:
        raise SettingsError(f"secret {bank.name}_{SECRET}: {error}") from None
    return keys
