"""The clock: real time, or in a sandbox real time moved by an offset that all processes read from one file."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
Clock = Callable[[], datetime]
"""Returns the present moment in UTC."""


def real() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def local_date(moment: datetime) -> date:
    """Return the day in Vietnam at `moment`."""
    return moment.astimezone(LOCAL).date()


def day_ended(moment: datetime) -> date | None:
    """Return the day in Vietnam that ends at `moment`, None where none does: a deadline is the end of a day."""
    local = moment.astimezone(LOCAL)
    return None if local.time() != time() else local.date() - timedelta(days=1)


class SandboxClock:
    """Real time plus an offset kept in a file, so that a practice day can be lived through in a minute."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        """Return the sandbox's present moment in UTC."""
        return real() + self._offset()

    def set(self, moment: datetime) -> None:
        """Make it `moment` now, for every process that reads the same file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(str((moment - real()).total_seconds()))
        part.replace(self._path)

    def clear(self) -> None:
        """Go back to real time."""
        self._path.unlink(missing_ok=True)

    def _offset(self) -> timedelta:
        try:
            return timedelta(seconds=float(self._path.read_text()))
        except FileNotFoundError:
            return timedelta()
