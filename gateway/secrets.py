"""Secrets: signing keys and passwords, from the environment or from files only we can read; never logged, never echoed.

A secret is a list, newest first: during a rotation two keys live side by side, one to sign with and both to verify.
The text of a secret is one key per line; a PEM block counts as one key. In an environment variable, where line breaks
are awkward, a comma separates keys too.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.bank_settings import BankSettings
from gateway.setting_tables import SettingsError
from gateway.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_MAX_BYTES = 64 * 1024


class SecretMissing(SettingsError):
    """A secret that is given in none of the ways there are."""


def secret(settings: Settings, name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the keys alive under `name`, newest first, at least one; raise SettingsError naming the ways to give it.

    Looked for in this order: `DOISOAT_SECRET_<NAME>`, the file that `DOISOAT_SECRET_<NAME>_FILE` names, and
    `<home>/secrets/<name>`, which nobody but its owner may be able to read.
    """
    variable, own = f"DOISOAT_SECRET_{_checked(name).upper()}", settings.home / "secrets" / name
    text = environ.get(variable)
    if text:
        return _keys(text, variable, separators="\n,")
    named = environ.get(f"{variable}_FILE")
    if named:
        return _keys(_read(Path(named), f"{variable}_FILE"), f"{variable}_FILE")
    if _is_ours_alone(own):
        return _keys(_read(own, f"the secret {name}"), str(own))
    raise SecretMissing(f"secret {name}: expected it in {variable}, in a file that {variable}_FILE names, or in {own}")


def optional_secret(settings: Settings, name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the keys alive under `name`, none where it is not given; raise SettingsError for an unreadable one."""
    try:
        return secret(settings, name, environ)
    except SecretMissing:
        return []


def bank_secrets(
    settings: Settings,
    bank: BankSettings,
    names: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    *,
    any_one: bool = False,
) -> dict[str, list[str]]:
    """Return the secrets a bank's profile asks for by `names`; momo's `secret_key` is kept as `momo_secret_key`.

    All of them are needed, or at least one where `any_one` is set; raise SettingsError for what is missing.
    """
    found: dict[str, list[str]] = {}
    missing: list[SecretMissing] = []
    for name in names:
        try:
            found[name] = secret(settings, f"{bank.name}_{name}", environ)
        except SecretMissing as error:
            missing.append(error)
    if missing and not (any_one and found):
        raise SecretMissing("; or ".join(map(str, missing)) if any_one else str(missing[0]))
    return found


def ensure_secret(home: Path, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> Path:
    """Make `<home>/secrets/<name>` with what `make` returns when there is none; return its path.

    Several processes may ask at once: one wins, and all of them read what the winner wrote, in full.
    """
    folder = home / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _checked(name)
    if path.exists():
        return path
    part = folder / f".{name}.{secrets.token_hex(8)}"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(make() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # unlike a rename, a link never replaces the key that another process just made
    except FileExistsError:
        return path
    finally:
        part.unlink()
    return path


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"expected a secret's name of small letters, digits and _, got {name[:40]!r}")
    return name


def _keys(text: str, where: str, separators: str = "\n") -> list[str]:
    blocks = [match.group() for match in _PEM.finditer(text)]
    keys = blocks or [key for key in (part.strip() for part in re.split(f"[{separators}]", text)) if key]
    if not keys:
        raise SettingsError(f"{where}: expected at least one key, got none")
    return keys


def _read(path: Path, asked: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as wrong:
        raise SettingsError(f"{asked}: expected a file that can be read, got {path}: {wrong.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise SettingsError(f"{asked}: expected a file of at most {_MAX_BYTES} bytes, {path} is larger")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{asked}: expected text in UTF-8, {path} holds something else") from None


def _is_ours_alone(path: Path) -> bool:
    """Tell whether `path` is there; raise SettingsError when others than its owner may open it."""
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return False
    except OSError as wrong:
        raise SettingsError(f"{path}: expected a file that can be read, got: {wrong.strerror}") from None
    if mode & 0o077:
        raise SettingsError(f"{path}: expected mode 0600 (chmod 600 {path}), got {mode:04o}")
    return True
