"""OpenPGP around a bank's file: told by its first packet, decrypted by a process of its own, its signature checked.

The library holds Python's lock and the whole message while it works, and a few bytes may unfold into gigabytes. So it
runs as a child with bounded memory, output and time, and nothing of what it wrote counts before it ended well.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from banks.errors import Misconfigured, Unreadable

SECONDS = 300
MAX_MEMORY = 2 * 1024**3
_ARMOURED = b"-----BEGIN PGP MESSAGE-----"
_FOREIGN_ARMOUR = b"-----BEGIN PGP SIGNED MESSAGE-----"
_ENCRYPTED_TO_KEY, _ENCRYPTED_WITH_PASSWORD = 1, 3


@dataclass(frozen=True, slots=True)
class OpenPgpKeys:
    """`own`: our private keys in armour, newest first; `signers`: the bank's public keys.

    `passphrase` opens every key of ours. One of `signers` must have signed; where none is given, a file counts without
    a signature, as many banks send it.
    """

    own: Sequence[str] = field(default=(), repr=False)
    passphrase: str | None = field(default=None, repr=False)
    signers: Sequence[str] = ()


def is_message(head: bytes) -> bool:
    """Tell whether an encrypted OpenPGP message begins with `head`, in armour or as packets (RFC 9580, 4.2 and 5.1)."""
    if head.lstrip().startswith((_ARMOURED, _FOREIGN_ARMOUR)):
        return True
    if len(head) < 8 or not head[0] & 0x80:
        return False
    if head[0] & 0x40:
        tag, length = head[0] & 0x3F, 1 if head[1] < 192 else 2 if head[1] < 224 else 5 if head[1] == 255 else 0
    else:
        tag, length = head[0] >> 2 & 0x0F, (1, 2, 4, 0)[head[0] & 3]
    # The version behind the length tells a packet from a text that happens to begin with the same letter.
    version = head[1 + length]
    return bool(length) and (
        (tag == _ENCRYPTED_TO_KEY and version in (3, 6)) or (tag == _ENCRYPTED_WITH_PASSWORD and version in (4, 5, 6))
    )


def decrypt(source: Path, target: Path, keys: OpenPgpKeys, *, max_bytes: int) -> None:
    """Decrypt `source` into `target`, at most `max_bytes`.

    Raise Unreadable for what is wrong with the file, Misconfigured for what is wrong with our keys.
    """
    if not keys.own and keys.passphrase is None:
        raise Unreadable("expected a file in the clear, got an OpenPGP message and no private key (secret pgp_key)")
    asked = {**asdict(keys), "source": str(source), "target": str(target), "max_bytes": max_bytes}
    command = [sys.executable, "-m", "banks.openpgp_process"]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked).encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(f"expected an OpenPGP message that opens within {SECONDS} s, it took longer") from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"reason": "expected an OpenPGP message of a bearable size, its reader was ended by its limits"}
    if told.get("keys"):
        raise Misconfigured(told["keys"])
    if told.get("reason"):
        raise Unreadable(told["reason"])
