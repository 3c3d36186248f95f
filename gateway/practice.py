"""The sandbox that a home holds: where it keeps its things, and its settings for a command typed beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import settings
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.wiring import Wiring

OPENED = "sandbox.opened"
"""The first act in the audit trail of a database that a sandbox made."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sandbox's bank and carrier keep their things, below the gateway's home."""

    home: Path

    @property
    def folder(self) -> Path:
        """The sandbox's own folder."""
        return self.home / "sandbox"

    @property
    def config(self) -> Path:
        """The settings file that leads the gateway to the sandbox."""
        return self.folder / "doisoat.toml"

    @property
    def ports(self) -> Path:
        """The ports of the sandbox's servers, chosen once per start."""
        return self.folder / "ports.json"

    def files_of(self, bank: str) -> Path:
        """Return the folder that `bank`'s SFTP server serves."""
        return self.folder / "sftp" / bank


def settings_here(environ: Mapping[str, str]) -> Settings:
    """Return the settings that `environ` gives; where it names no file, those of the sandbox in its home, if any.

    Raises SettingsError as `settings.load` does. For commands that ask no database; `beside` is for those that do.
    """
    read = settings.load(environ)
    config = Place(read.home).config
    if environ.get("DOISOAT_CONFIG") or not config.exists():
        return read
    return settings.load({**environ, "DOISOAT_CONFIG": str(config), "DOISOAT_HOME": str(read.home)})


def beside(wiring: "Wiring") -> "Wiring":
    """Return the wiring with the settings of the sandbox in its home, if it has reached the sandbox's own database.

    A settings file that was named counts alone. The sandbox's is named in the environment, for what reads them there.
    """
    if not is_beside(wiring):
        return wiring
    os.environ["DOISOAT_CONFIG"] = str(Place(wiring.settings.home).config)
    return replace(wiring, settings=settings.load(os.environ))


def is_beside(wiring: "Wiring") -> bool:
    """Tell whether the home holds a sandbox whose database the wiring has reached, and no settings file was named."""
    config = Place(wiring.settings.home).config
    return not os.environ.get("DOISOAT_CONFIG") and config.exists() and _made(wiring)


def _made(wiring: "Wiring") -> bool:
    """Tell whether a sandbox made the database: a home may have practised before its real one was named."""
    from sqlalchemy import text  # commands that ask no database start without it

    with wiring.engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('public.audit')")) is None:
            return False
        first: str | None = connection.scalar(text("SELECT action FROM audit ORDER BY id LIMIT 1"))
    return first == OPENED
