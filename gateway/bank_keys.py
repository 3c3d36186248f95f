"""A bank's secrets as people may see them: their names, fingerprints of the live keys, since when each is known.

A fingerprint tells whether two places hold the same key. It is no way back to the key, nor does it tell its length.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy.orm import Session

from gateway.bank_settings import BankSettings
from gateway.collect.collectors import SECRET as COLLECT_SECRET
from gateway.database import transaction
from gateway.openpgp_keys import NAMES as PGP_NAMES
from gateway.secrets import optional_secret
from gateway.setting_tables import SettingsError
from gateway.settings import Settings
from gateway.wiring import Wiring
from reconciliation import secret_sightings
from reconciliation.secret_sightings import SecretSighting

OLD = timedelta(days=365)
"""A key that is known for longer should have been replaced."""
_PURPOSE = b"doisoat: fingerprint of a secret\0"
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class LiveKey:
    """One key that is alive now; `since` is when it was first seen, None where nobody has looked yet."""

    fingerprint: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class BankSecret:
    """One secret by its whole name, with its live keys, newest first; `unusable` says why it can't be read."""

    name: str
    keys: Sequence[LiveKey]
    rotated_at: datetime | None = None
    """When its newest live key first took the place of another, or stood beside it; None while it is the only one."""
    unusable: str = ""

    def is_old(self, now: datetime) -> bool:
        """Tell whether a key that is alive at `now` is known for more than a year."""
        return any(one.since is not None and now - one.since > OLD for one in self.keys)


@lru_cache(maxsize=256)
def fingerprint(key: str) -> str:
    """Return the eight hex digits by which people know a key.

    Made to be slow: a password that somebody guesses can't be confirmed by its fingerprint at any pace worth trying.
    """
    made = hashlib.scrypt(
        key.encode("utf-8", "surrogateescape"), salt=_PURPOSE, n=1 << 14, r=8, p=1, dklen=_DIGITS // 2
    )
    return made.hex()


def names_of(bank: BankSettings) -> list[str]:
    """Return the whole names of every secret that a bank's settings may ask for, given or not."""
    names = list(bank.caller_profile().secrets) if bank.profile else []
    if bank.collects:
        names.append(COLLECT_SECRET)
    if bank.sftp is not None:
        names += ["sftp_password", "sftp_key"]
    if bank.debits is not None and bank.debits.url:
        names.append("debits_secret")
    if bank.napas_checksum:
        names.append("napas_key")
    return [f"{bank.name}_{one}" for one in dict.fromkeys([*names, *PGP_NAMES])]


def live(settings: Settings, bank: BankSettings, environ: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """Return the fingerprints of a bank's live keys by secret, newest first; what can't be read is left out."""
    return {name: prints for name, prints, _wrong in _read(settings, bank, environ) if prints}


def shown(
    session: Session, settings: Settings, bank: BankSettings, environ: Mapping[str, str] = os.environ
) -> list[BankSecret]:
    """Return a bank's secrets that are given or can't be read, in the order of its profile."""
    read = [(name, prints, wrong) for name, prints, wrong in _read(settings, bank, environ) if prints or wrong]
    seen = secret_sightings.of_secrets(session, [name for name, _, _ in read])
    return [_secret(name, prints, wrong, seen.get(name, [])) for name, prints, wrong in read]


def note_sightings(wiring: Wiring) -> int:
    """Note when each key of each bank was first seen; return how many are new."""
    found: dict[str, list[str]] = {}
    for bank in wiring.settings.banks.values():
        found |= live(wiring.settings, bank)
    with transaction(wiring.engine) as session:
        return secret_sightings.note(session, found, now=wiring.clock())


def _secret(name: str, prints: Sequence[str], wrong: str, seen: Sequence[SecretSighting]) -> BankSecret:
    since = {one.fingerprint: one.first_seen_at for one in seen}
    newest = since.get(prints[0]) if prints else None
    rotated = newest if newest is not None and any(one.first_seen_at < newest for one in seen) else None
    return BankSecret(name, [LiveKey(one, since.get(one)) for one in prints], rotated, wrong)


def _read(settings: Settings, bank: BankSettings, environ: Mapping[str, str]) -> list[tuple[str, list[str], str]]:
    found: list[tuple[str, list[str], str]] = []
    for name in names_of(bank):
        try:
            keys = optional_secret(settings, name, environ)
        except SettingsError as error:
            found.append((name, [], str(error)))
        else:
            found.append((name, list(dict.fromkeys(map(fingerprint, keys))), ""))
    return found
