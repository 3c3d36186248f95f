"""Calls that did not prove their sender: kept for a person, at a pace that a flood can't turn into a full disk."""

import logging
from datetime import datetime

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from banks.records import Outcome, RawRequest
from gateway.database import transaction
from reconciliation.inbox import Refusal
from reconciliation.sealing import Sealer

log = logging.getLogger(__name__)
_PER_SENDER = RateLimitItemPerMinute(30)
_IN_ALL = RateLimitItemPerMinute(300)


class Refusals:
    """Keeps refused calls, so many a minute per address and in all; the answer to the sender does not depend on it."""

    def __init__(self, engine: Engine, sealer: Sealer) -> None:
        self._engine, self._sealer = engine, sealer
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def keep(self, source: str, raw: RawRequest, reason: str, head: bytes, now: datetime) -> bool:
        """Keep one refused call; return whether it was kept."""
        if not (self._limiter.hit(_PER_SENDER, raw.remote) and self._limiter.hit(_IN_ALL, "all")):
            return False
        row = {
            "source": source, "outcome": Outcome.UNPROVEN.value, "reason": reason, "remote": raw.remote,
            "head": self._sealer.seal(head, "refusals.head"),
            "body": self._sealer.seal(raw.body or raw.query, "refusals.body"), "received_at": now,
        }  # fmt: skip
        try:
            with transaction(self._engine) as session:
                session.execute(insert(Refusal).values(**row))
        except SQLAlchemyError as error:
            log.error("a refused call could not be kept: %s", type(error).__name__)
            return False
        return True
