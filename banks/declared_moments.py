"""Moments as a bank writes them: a pattern of digits in a fixed zone, ISO 8601, or Unix time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from banks.errors import Misconfigured, Unreadable

_UNIX = {"unix": timedelta(seconds=1), "unix-ms": timedelta(milliseconds=1)}
_DIGITS = re.compile("[0-9]{1,15}")
_EPOCH = datetime.fromtimestamp(0, UTC)
_FIXED = {"%Y", "%m", "%d", "%H", "%M", "%S"}
_ZONE = re.compile(r"([+-])([01][0-9]):([0-5][0-9])", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_SAMPLE = datetime(2026, 11, 18, 19, 5, 3)  # noqa: DTZ001 - a wall clock's time, as the pattern writes it


def zone(written: str) -> tzinfo:
    """Return the zone of an offset such as "+07:00"; raise Misconfigured."""
    match = _ZONE.fullmatch(written)
    if match is None:
        raise Misconfigured(f"expected an offset such as +07:00, got {written[:40]!r}")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


@dataclass(frozen=True, slots=True)
class MomentForm:
    """`pattern` is "unix" (seconds), "unix-ms", "iso", or a pattern of strptime down to the second.

    `zone` is where a written moment without an offset of its own is at home.
    """

    pattern: str
    zone: tzinfo

    def __post_init__(self) -> None:
        if self.pattern in (*_UNIX, "iso"):
            return
        try:
            back = datetime.strptime(_SAMPLE.strftime(self.pattern), self.pattern)  # noqa: DTZ007 - as _SAMPLE
        except ValueError:
            back = None
        if back != _SAMPLE:
            expected = 'unix, unix-ms, iso, or a pattern down to the second such as "%Y%m%d%H%M%S"'
            raise Misconfigured(f"expected {expected}, got {self.pattern[:40]!r}")

    def read(self, written: str, place: str) -> datetime:
        """Return the moment in UTC; raise Unreadable naming `place`."""
        try:
            return self._read(written).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Unreadable(f"expected a moment of the form {self.pattern}, got {written[:40]!a}", place) from None

    def write(self, moment: datetime) -> str:
        """Return `moment` as the bank writes it, in whole seconds or milliseconds."""
        if self.pattern in _UNIX:
            return str((moment - _EPOCH) // _UNIX[self.pattern])
        local = moment.astimezone(self.zone)
        return local.isoformat(timespec="seconds") if self.pattern == "iso" else local.strftime(self.pattern)

    def fixed_width(self) -> bool:
        """Tell whether every moment takes the same number of characters."""
        return self.pattern not in (*_UNIX, "iso") and set(re.findall("%.", self.pattern)) <= _FIXED

    def _read(self, written: str) -> datetime:
        if self.pattern in _UNIX:
            if not _DIGITS.fullmatch(written):
                raise ValueError(written)
            return _EPOCH + int(written) * _UNIX[self.pattern]
        if self.pattern == "iso":
            if not _ISO.fullmatch(written):
                raise ValueError(written)
            moment = datetime.fromisoformat(written)
            return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        moment = datetime.strptime(written, self.pattern)  # noqa: DTZ007 - the zone is declared beside the pattern
        if moment.strftime(self.pattern) != written:  # strptime takes "2026-1-1" and full-width digits too
            raise ValueError(written)
        return moment.replace(tzinfo=self.zone)
