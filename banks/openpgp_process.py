"""The child that opens one OpenPGP message: asked on standard input, it answers on standard output, both in JSON."""

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysequoia import Cert, PyDecryptor, Tsk, decrypt_file

from banks.openpgp import MAX_MEMORY


def main() -> None:
    """Do what standard input asks; what went wrong stands under `keys` (ours) or `reason` (the file's)."""
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    # One byte more than is allowed, so that the limit is met by the size on disk and not by a signal alone.
    resource.setrlimit(resource.RLIMIT_FSIZE, (asked["max_bytes"] + 1,) * 2)
    json.dump(_open(asked), sys.stdout)


def _open(asked: Mapping[str, Any]) -> dict[str, str]:
    passphrase: str | None = asked["passphrase"]
    try:
        signers = [Cert.from_bytes(one.encode()) for one in asked["signers"]]
        keys: list[PyDecryptor | None] = [_decryptor(key, passphrase) for key in asked["own"]]
    except Exception as error:  # the library raises its own classes for every kind of broken key
        return {"keys": f"expected OpenPGP keys in armour that their passphrase opens, got: {_first_line(error)}"}
    reason = ""
    for key in keys or [None]:
        try:
            opened = decrypt_file(
                asked["source"], asked["target"], key,
                store=(lambda _ids: signers) if signers else None,
                passwords=[passphrase] if key is None and passphrase is not None else [],
            )  # fmt: skip
        except Exception as error:  # see above; the next key may fit
            reason = reason or _first_line(error)
            continue
        if Path(asked["target"]).stat().st_size > asked["max_bytes"]:
            return {"reason": f"expected at most {asked['max_bytes']} bytes inside the OpenPGP message, got more"}
        if signers and not opened.valid_sigs:
            return {"reason": "expected a signature by the bank's OpenPGP key, got none"}
        return {}
    return {"reason": f"expected an OpenPGP message for our key, whole and rightly signed, got: {reason}"}


def _decryptor(key: str, passphrase: str | None) -> PyDecryptor:
    private = Tsk.from_bytes(key.encode())
    return private.decryptor(passphrase) if passphrase is not None else private.decryptor()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


if __name__ == "__main__":
    main()
