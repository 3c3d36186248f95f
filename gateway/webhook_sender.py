"""The road to other systems: events by signed webhook, each again by the pauses of Standard Webhooks until it is taken.

    POST <url>         webhook-id: evt_…   webhook-timestamp, webhook-signature: Standard Webhooks 1.0

2xx takes an event, 410 disables its endpoint. No redirect is followed, and nothing is called within the house unless
the settings say so.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import httpx
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from banks.signatures import StandardWebhooks
from gateway import outside
from gateway.database import insist, transaction
from gateway.wiring import Wiring
from reconciliation import webhook_endpoints, webhook_events, webhook_sending
from reconciliation.sealing import mask_numbers
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_sending import Answered, Claimed

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than all that is claimed together takes at its slowest: who holds an event after that is dead."""
_AT_ONCE, _EACH, _MOST = 8, 32, 64
_CONNECT_SECONDS, _SECONDS = 5.0, 15.0
_WORKS_FOR = 300.0
_MOST_ANSWER = 65_536
_EXCERPT = 200
_SCHEME = StandardWebhooks()


def send_due(wiring: Wiring) -> tuple[int, bool]:
    """Make events of what has happened and send what is due; return how many were taken, and whether more wait."""
    _gather(wiring)
    taken, until = 0, time.monotonic() + _WORKS_FOR
    timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
    with (
        httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        while claimed := _claim(wiring):
            taken += sum(pool.map(partial(_send, wiring, client), claimed))
            if time.monotonic() > until:
                return taken, True
    return taken, False


def may_go_inside(wiring: Wiring) -> bool:
    """Tell whether an endpoint may stand within the house."""
    return wiring.settings.sandbox or wiring.settings.webhooks_private


def _gather(wiring: Wiring) -> None:
    while True:
        with transaction(wiring.engine) as session:
            if webhook_events.gather(session, now=wiring.clock()) < webhook_events.AT_ONCE:
                return


def _claim(wiring: Wiring) -> list[Claimed]:
    with transaction(wiring.engine) as session:
        return webhook_sending.claim(session, each=_EACH, most=_MOST, lease=LEASE, now=wiring.clock())


def _send(wiring: Wiring, client: httpx.Client, one: Claimed) -> bool:
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
        answered = _call(client, url, body, headers, inside=may_go_inside(wiring))
    else:
        answered = Answered(None, "its key can't be opened", 0)

    def work() -> str:
        with transaction(wiring.engine) as session:
            return webhook_sending.record(session, one, answered, now=wiring.clock())

    turned = insist(work)
    if turned:
        log.error("webhook endpoint %d is %s: %s", one.endpoint_id, turned, answered.said)
    return answered.taken


def _call(client: httpx.Client, url: str, body: bytes, headers: dict[str, str], *, inside: bool) -> Answered:
    started = time.monotonic()
    try:
        to = outside.place(url, inside=inside)
        named = {"host": to.host, **headers}
        with client.stream(
            "POST", to.url, content=body, headers=named, extensions={"sni_hostname": to.name}
        ) as response:
            read = b""
            for piece in response.iter_raw():
                read += piece
                # A read time-out counts from the last byte only: a dripping answer would outlast the lease.
                if len(read) > _MOST_ANSWER or time.monotonic() - started > _SECONDS:
                    break
            status, said = response.status_code, _excerpt(response, read)
    except outside.NotOutside as error:
        status, said = None, f"not sent: {error}"
    except (httpx.HTTPError, OSError, UnicodeError) as error:
        status, said = None, f"no answer: {type(error).__name__}"
    return Answered(status, said, int((time.monotonic() - started) * 1000))


def _excerpt(response: httpx.Response, read: bytes) -> str:
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    words = "".join(letter if letter.isprintable() else " " for letter in read[:_EXCERPT].decode("utf-8", "replace"))
    return mask_numbers(" ".join(words.split()))
