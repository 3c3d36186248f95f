"""The road to other systems: events by signed webhook, each again by the pauses of Standard Webhooks until it is taken.

    POST <url>         webhook-id: evt_…   webhook-timestamp, webhook-signature: Standard Webhooks 1.0

2xx takes an event, 410 disables its endpoint. No redirect is followed, and nothing is called within the house unless
the settings say so.
"""

import logging
import ssl
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from itertools import groupby

import httpx
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from banks.signatures import StandardWebhooks
from gateway.database import insist, transaction
from gateway.outside import may_go_inside
from gateway.webhook_line import Line
from gateway.wiring import Wiring
from reconciliation import webhook_endpoints, webhook_events, webhook_sending
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_sending import Answered, Claimed

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than all that is claimed together takes at its slowest: who holds an event after that is dead."""
_AT_ONCE, _LINES, _EACH, _MOST = 16, 4, 16, 64
"""How many calls are under way, and to one endpoint; how many events are claimed of one endpoint, and of all."""
_LOOK_SECONDS = 1.0
_WORKS_FOR = 300.0
_SCHEME = StandardWebhooks()


def send_due(wiring: Wiring) -> tuple[int, bool]:
    """Make events of what has happened and send what is due; return how many were taken, and whether more wait.

    A slow endpoint has a few lines, and is claimed from again when they are free; it is as many slow ones as fill all
    lines that others wait for, and no longer than a call may take.
    """
    taken, until, tls = 0, time.monotonic() + _WORKS_FOR, httpx.create_ssl_context(trust_env=False)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        under_way: dict[Future[int], int] = {}
        while time.monotonic() < until:
            _gather(wiring)
            for one in _lines(_claim(wiring, set(under_way.values()))):
                under_way[pool.submit(_send_all, wiring, tls, one)] = one[0].endpoint_id
            if not under_way:
                return taken, False
            for ended in wait(under_way, _LOOK_SECONDS, FIRST_COMPLETED).done:
                del under_way[ended]
                taken += ended.result()
        return taken + sum(one.result() for one in under_way), True


def _gather(wiring: Wiring) -> None:
    while True:
        with transaction(wiring.engine) as session:
            if webhook_events.gather(session, now=wiring.clock()) < webhook_events.AT_ONCE:
                return


def _claim(wiring: Wiring, busy: Iterable[int] = ()) -> list[Claimed]:
    with transaction(wiring.engine) as session:
        return webhook_sending.claim(session, each=_EACH, most=_MOST, lease=LEASE, now=wiring.clock(), but_not_of=busy)


def _lines(claimed: Iterable[Claimed]) -> list[Sequence[Claimed]]:
    """Deal events to lines: a few of each endpoint, none of two."""
    lines: list[Sequence[Claimed]] = []
    for _, some in groupby(sorted(claimed, key=lambda one: one.endpoint_id), key=lambda one: one.endpoint_id):
        dealt = list(some)
        lines += [dealt[first::_LINES] for first in range(min(_LINES, len(dealt)))]
    return lines


def _send_all(wiring: Wiring, tls: ssl.SSLContext, some: Iterable[Claimed]) -> int:
    with Line(tls) as line:
        return sum(_send(wiring, line, one) for one in some)


def _send(wiring: Wiring, line: Line, one: Claimed) -> bool:
    with Session(wiring.engine) as session:
        endpoint = session.get_one(Endpoint, one.endpoint_id)
        url, body = endpoint.url, one.body.encode()
        try:
            keys = webhook_endpoints.keys(endpoint, wiring.sealer, now=wiring.clock())
        except (KeyError, InvalidTag):
            keys = []
    if keys:
        seconds = int(wiring.clock().timestamp())
        headers = {"content-type": "application/json", **_SCHEME.headers(one.uid, body, seconds, keys)}
        answered = line.call(url, body, headers, inside=may_go_inside(wiring.settings))
    else:
        answered = Answered(None, "its key can't be opened", 0)

    def work() -> str:
        with transaction(wiring.engine) as session:
            return webhook_sending.record(session, one, answered, now=wiring.clock())

    turned = insist(work)
    if turned:
        log.error("webhook endpoint %d is %s: %s", one.endpoint_id, turned, answered.said)
    return answered.taken
