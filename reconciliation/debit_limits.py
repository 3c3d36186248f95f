"""Debit limits: how much one bank takes at once; a run is cut into files by it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What one bank takes in a file, and in a debit; None where it sets no limit. Amounts are đồng."""

    debits: int | None = None
    total_minor: int | None = None
    debit_minor: int | None = None
