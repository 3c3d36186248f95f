"""The debit desk: which banks are asked to debit, what a run is for, and putting debits off."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from gateway.clock import LOCAL
from gateway.debit_settings import DebitSettings
from reconciliation import debit_days, debit_promises
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


def postpone(
    session: Session, wiring: "Wiring", bank: str, day: date, to: date, *, number: str = "", by: str, why: str
) -> int:
    """Debit what was to be debited on `day` and was not on `to`, or one bill of it; return how many bills.

    Customers are told anew. Raises NotMovable.
    """
    now = wiring.clock()
    how = banks(wiring).get(bank)
    ahead = timedelta(days=how.lead_days if how else 0)
    moved = debit_days.postpone(session, bank, day, to, number=number, ahead=ahead, by=by, why=why, now=now)
    debit_promises.withdraw_notices(session, moved, why=f"the debit is put off to {to}", now=now)
    debit_promises.promise_notices(session, moved, now=now)
    return len(moved)
