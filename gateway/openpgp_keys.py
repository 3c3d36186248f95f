"""The OpenPGP keys of a bank's files, from the secrets: ours to open them with, the bank's to check who signed."""

import os
from collections.abc import Mapping

from banks.openpgp import OpenPgpKeys
from gateway.secrets import optional_secret
from gateway.settings import Settings

NAMES = ("pgp_key", "pgp_passphrase", "pgp_signer")
"""Our private key(s), what opens them, and the bank's public key(s); a bank's own begin with its name and "_"."""


def openpgp_keys(settings: Settings, prefix: str = "", environ: Mapping[str, str] = os.environ) -> OpenPgpKeys:
    """Return the keys kept under NAMES, each behind `prefix`; any of them may be missing."""
    own, passphrases, signers = (optional_secret(settings, prefix + name, environ) for name in NAMES)
    return OpenPgpKeys(own, passphrases[0] if passphrases else None, signers)
