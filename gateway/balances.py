"""Prepaid carriers are asked what is left: an error in the log once when it is low, a word once when it is well again.

Each carrier is asked by a thread of its own and outside any transaction, so that one that is slow or answers nonsense
holds up nobody. Nothing of its answer is logged: it may repeat our keys.
"""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from banks.money import Money, dong
from gateway import clock
from gateway.database import transaction
from gateway.wiring import Carrier, Wiring
from reconciliation import carrier_balances, carriers
from reconciliation.carrier_balances import Turn
from sms.balances import NotTold
from sms.transport import Transport

log = logging.getLogger(__name__)


def ask(wiring: Wiring) -> None:
    """Ask every carrier that tells its balance, all at once; return when each has answered or timed out."""
    threads = [
        threading.Thread(
            target=_ask_one, args=(wiring, carrier, carrier.transport), name=f"balance-{name}", daemon=True
        )
        for name, carrier in wiring.carriers.items()
        if carrier.transport is not None and carrier.settings.tells_balance
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask_one(wiring: Wiring, carrier: Carrier, transport: Transport) -> None:
    try:
        _take_turn(wiring, carrier)
        said = _asked(transport)
        _note(wiring, carrier, transport.name, said)
    except SQLAlchemyError as error:
        log.warning("the balance of the carrier %s can't be noted: %s", transport.name, type(error).__name__)


def _take_turn(wiring: Wiring, carrier: Carrier) -> None:
    """Use up one message's share of a limited carrier's time, lest one that leaves just then is one too many."""
    how = carrier.settings
    if how.per_second:
        with transaction(wiring.engine) as session:
            if how.name in carriers.known(session):
                carriers.spend(session, how.name, 1, per_second=how.per_second, at=clock.real())


def _asked(transport: Transport) -> Money | NotTold:
    try:
        return dong(transport.balance())
    except NotTold as error:
        return error
    except Exception as error:  # what went wrong may name an address with a key in it
        return NotTold(f"asking failed: {type(error).__name__}")


def _note(wiring: Wiring, carrier: Carrier, name: str, said: Money | NotTold) -> None:
    now, alarm = wiring.clock(), carrier.settings.balance_alarm
    with transaction(wiring.engine) as session:
        if isinstance(said, NotTold):
            turn = carrier_balances.not_told(session, name, said.reason, now=now)
        else:
            turn = carrier_balances.told(session, name, said.minor, alarm_minor=alarm.minor, now=now)
    if turn is Turn.LOW:
        log.error("the balance of the carrier %s is low: %s, less than %s", name, said, alarm)
    elif turn is Turn.WELL:
        log.warning("the balance of the carrier %s is well again: %s", name, said)
    elif turn is Turn.UNKNOWN:
        log.warning("the carrier %s has not told its balance for over an hour: %s", name, said)
