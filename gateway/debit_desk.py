"""The debit desk: which banks are asked to debit, and what a run for one of them and a day is for."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from gateway.clock import LOCAL
from gateway.debit_settings import DebitSettings
from reconciliation.debit_choice import Wanted

if TYPE_CHECKING:
    from gateway.wiring import Wiring


def banks(wiring: "Wiring") -> Mapping[str, DebitSettings]:
    """Return the banks that are asked to debit, each with how."""
    known = wiring.settings.banks.values()
    return {bank.name: bank.debits for bank in known if bank.debits is not None}


def wanted(wiring: "Wiring", bank: str, day: date) -> Wanted:
    """Return what a run of a bank that is asked to debit is for."""
    # As it will be when it leaves: at once for a day that has begun, else as its day begins.
    leaves_at = max(wiring.clock(), datetime.combine(day, time(), LOCAL))
    return Wanted(bank, day, leaves_at, banks(wiring)[bank].max_debit)


def own_reasons(wiring: "Wiring", bank: str) -> Mapping[str, str]:
    """Return a bank's own reason codes, each with the one of ISO 20022 that it stands for."""
    known = banks(wiring).get(bank)
    return known.reasons if known is not None else {}
