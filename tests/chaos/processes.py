"""Processes as /proc tells of them: whom a fault campaign may strike now."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

RIPE_SECONDS = 1.5
"""A process is killed when it has had so long to begin its work: killing one that still starts proves little."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One running process."""

    pid: int
    parent: int
    age: float
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """Its command line."""
        return " ".join(self.words).rstrip()


def processes() -> Iterator[Process]:
    """Yield every process that runs."""
    up = float(Path("/proc/uptime").read_text().split()[0])
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended while we looked
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                if fields[0] not in "ZX":
                    age = up - int(fields[19]) / _TICKS
                    yield Process(int(entry.name), int(fields[1]), age, tuple(words))


def children(*parents: int) -> list[Process]:
    """Return the processes that these have started."""
    return [one for one in processes() if one.parent in parents]


def ripe(gateway: int, victim: str) -> Process | None:
    """Return a process of a gateway to kill, None when there is none now: `web`, `web child`, `worker files` and so on.

    A worker's child lives as long as one job; between two jobs the worker itself is the victim.
    """
    name = victim.removesuffix(" child")
    mains = [
        one for one in children(gateway) if one.age > RIPE_SECONDS and one.line.endswith(f"doisoat {name}")
    ]  # fmt: skip
    if " child" not in victim:
        return mains[0] if mains else None
    chosen = children(*(one.pid for one in mains)) or (mains if name.startswith("worker") else [])
    return chosen[0] if chosen else None
