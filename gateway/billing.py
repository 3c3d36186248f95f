"""The road to the billing system: batches of marks by signed webhook, in order, each until it is acknowledged.

    POST <billing_url>         webhook-id: marks-<batch>   webhook-timestamp, webhook-signature: Standard Webhooks 1.0

2xx acknowledges. Whatever else comes back, or nothing, and the same batch goes again: the same id, the same bytes, a
new timestamp and signature, after 5 seconds, 10, 20 … an hour at most. The receiver knows a repetition by its id.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import httpx
from sqlalchemy.orm import Session

from banks.signatures import StandardWebhooks
from gateway import mark_forms
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import marks
from reconciliation.marks import Batch

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than one call takes: whoever holds a batch after that is dead."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_MOST_ANSWER = 65_536
_SCHEME = StandardWebhooks()


class NotAsBefore(RuntimeError):
    """A batch that would go out with other bytes than at first."""


@dataclass(frozen=True, slots=True)
class _Road:
    """Where the billing system hears us, by what client, and the keys that sign, newest first."""

    address: str
    client: httpx.Client
    keys: Sequence[str]


def tell(wiring: Wiring) -> int:
    """Give what has changed its numbers, and send every batch that may go; return how many were acknowledged."""
    with transaction(wiring.engine) as session:
        marks.number(session, now=wiring.clock())
    if wiring.settings.billing_url is None:
        return 0
    told = 0
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client:
        road = _Road(wiring.settings.billing_url, client, wiring.billing_secrets)
        while batch := _claim(wiring):
            if not _send(wiring, road, *batch):
                break  # in order: nothing after it goes before it
            told += 1
    return told


def body_of(session: Session, batch: Batch) -> bytes:
    """Return the bytes a batch is told in; raise NotAsBefore when they are not those it was first told in."""
    body = mark_forms.event(batch, marks.told(session, batch))
    digest = hashlib.sha256(body).digest()
    if batch.digest is None:
        batch.digest = digest
    elif batch.digest != digest:
        raise NotAsBefore(f"expected batch {batch.id} of marks as it was first sent, got other bytes")
    return body


def headers(number: int, body: bytes, seconds: int, keys: Sequence[str]) -> dict[str, str]:
    """Return the headers of one attempt at a batch, signed with every live key."""
    return {"content-type": "application/json", **_SCHEME.headers(f"marks-{number}", body, seconds, keys)}


def _claim(wiring: Wiring) -> tuple[int, bytes] | None:
    with transaction(wiring.engine) as session:
        now = wiring.clock()
        batch = marks.claim(session, lease=LEASE, now=now)
        if batch is None:
            return None
        try:
            return batch.id, body_of(session, batch)
        except NotAsBefore as fault:
            log.error("%s", fault)
            marks.failed(session, batch.id, said=str(fault), again_at=now + LONGEST_PAUSE)
            return None


def _send(wiring: Wiring, road: _Road, number: int, body: bytes) -> bool:
    said, received = _call(road, body, headers(number, body, int(wiring.clock().timestamp()), road.keys))
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        batch = session.get_one(Batch, number)
        if received:
            marks.acknowledge(session, batch.last, by="billing", how=said, now=now)
        else:
            pause = min(FIRST_PAUSE * 2 ** min(batch.attempts - 1, 12), LONGEST_PAUSE)
            marks.failed(session, number, said=said, again_at=now + pause)
            log.warning("batch %d of marks is not acknowledged (%s); again in %s", number, said, pause)
    return received


def _call(road: _Road, body: bytes, signed: dict[str, str]) -> tuple[str, bool]:
    """Return what the receiver said, in words without its content, and whether that acknowledges."""
    started = time.monotonic()
    try:
        with road.client.stream("POST", road.address, content=body, headers=signed) as response:
            read = 0
            for piece in response.iter_raw():
                read += len(piece)
                # A read time-out counts from the last byte only: a dripping answer would outlast the lease.
                if read > _MOST_ANSWER or time.monotonic() - started > _READ_SECONDS:
                    break
            return f"HTTP {response.status_code}", response.is_success
    except httpx.TransportError as error:
        return f"no answer: {type(error).__name__}", False
