"""What becomes of debits: each is brought to the state that what is known of it calls for; nobody is asked."""

from datetime import timedelta
from functools import partial

from banks.collections import reasons
from gateway import composing, debit_desk
from gateway.database import insist, transaction
from gateway.wiring import Wiring
from reconciliation import debit_following
from reconciliation.debit_following import Retries


def retried(wiring: Wiring) -> frozenset[str]:
    """Return the codes that mean too small a balance: those of ISO 20022, and each bank's own."""
    owns = [how.reasons for how in debit_desk.banks(wiring).values()]
    codes = {"AM04", *(code for own in owns for code in own)}
    return frozenset(code for code in codes if any(reasons.reason(code, own).may_be_retried for own in (*owns, {})))


def follow_all(wiring: Wiring) -> int:
    """Bring debits to the state that what is known of them calls for; return how many moved."""
    retries, moved = Retries(retried(wiring), leads(wiring)), 0
    for step in iter(partial(insist, partial(_follow, wiring, retries)), None):
        moved += step
    return moved


def leads(wiring: Wiring) -> dict[str, timedelta]:
    """Return how long before their day the debits of each bank may leave."""
    return {bank: timedelta(days=how.lead_days) for bank, how in debit_desk.banks(wiring).items()}


def _follow(wiring: Wiring, retries: Retries) -> int | None:
    with transaction(wiring.engine) as session:
        followed = debit_following.follow(session, retries, now=wiring.clock())
        if followed is None:
            return None
        composing.compose_promises(session, wiring.settings)
        return sum(followed.values())
