"""Sending events: which are due, what an answer means, after how long the next try is, and what a person asks anew."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, webhook_endpoints
from reconciliation.webhook_endpoints import PATIENCE, REST, Endpoint
from reconciliation.webhook_events import Attempt, Place

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long each try waits for the one before, as Standard Webhooks recommends: over 75 hours in all."""
SPREAD = 0.1
"""By so much of itself a pause may be longer, so that many that failed together come back apart."""
BY = "webhooks"
MOST_AGAIN = 5_000
"""Events that are asked for anew in one transaction: as many as a page does at once."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One event to send now: to which endpoint, as which try, under which id, in which bytes, on whose word."""

    sending_id: int
    endpoint_id: int
    attempt: int
    uid: str
    body: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one try: the HTTP status, None without an answer, in how many milliseconds."""

    status: int | None
    said: str
    took_ms: int

    @property
    def taken(self) -> bool:
        """Tell whether the endpoint has it."""
        return self.status is not None and 200 <= self.status < 300


# Each endpoint by its own index, so that one that never answers and has a million waiting costs the others nothing.
_READY = "p.state <> 'disabled' AND (p.rests_until IS NULL OR p.rests_until <= :now)"
_DUE = f"""
    SELECT EXISTS (SELECT 1 FROM webhook_endpoints p WHERE {_READY} AND EXISTS (
        SELECT 1 FROM webhook_sendings s WHERE s.endpoint_id = p.id AND s.state = 'waiting' AND s.next_at <= :now))
"""  # noqa: S608 - put together from constants, here and below
_CLAIM = f"""
    WITH due AS (
        SELECT s.id FROM webhook_endpoints p CROSS JOIN LATERAL (
            SELECT id FROM webhook_sendings s
            WHERE s.endpoint_id = p.id AND s.state = 'waiting' AND s.next_at <= :now
            ORDER BY s.next_at, s.id LIMIT CASE WHEN p.failures >= :patience THEN 1 ELSE :each END
            FOR UPDATE SKIP LOCKED
        ) s WHERE {_READY} AND p.id <> ALL(CAST(:busy AS bigint[])) ORDER BY s.id LIMIT :most
    )
    UPDATE webhook_sendings s SET attempts = s.attempts + 1, next_at = :until
    FROM due, webhook_events e WHERE s.id = due.id AND e.id = s.event_id
    RETURNING s.id AS sending_id, s.endpoint_id, s.attempts AS attempt, e.uid, e.body, s.asked_by
"""  # noqa: S608 - constants


def is_due(session: Session, *, now: datetime) -> bool:
    """Tell whether an event may be sent at `now`."""
    return bool(session.scalar(text(_DUE), {"now": now}))


def claim(
    session: Session, *, each: int, most: int, lease: timedelta, now: datetime, but_not_of: Iterable[int] = ()
) -> list[Claimed]:
    """Take events that are due, at most `each` of an endpoint; nobody else sends them until `lease` has passed.

    None of the endpoints of `but_not_of`: what goes to them is still under way.
    """
    values = {"now": now, "until": now + lease, "each": each, "most": most, "patience": PATIENCE}
    values["busy"] = list(but_not_of)
    rows = session.execute(text(_CLAIM), values).mappings().all()
    return sorted((Claimed(**row) for row in rows), key=lambda one: one.sending_id)


def pause(sending_id: int, attempt: int) -> timedelta | None:
    """Return how long to wait after try number `attempt` (1 is the first); None after the last one.

    The spread is the same for the same event and try.
    """
    if attempt >= len(PAUSES):
        return None
    return PAUSES[attempt] * (1 + random.Random(f"{sending_id}:{attempt}").uniform(0, SPREAD))  # noqa: S311 - a spread, not a secret


def record(session: Session, one: Claimed, answered: Answered, *, now: datetime) -> str:
    """Keep what came of a try; return what it made of the endpoint: "ailing", "disabled", or ""."""
    waits = None if answered.taken or answered.status == 410 else pause(one.sending_id, one.attempt)
    next_at = None if waits is None else now + waits
    session.add(
        Attempt(
            sending_id=one.sending_id, at=now, status=answered.status, said=answered.said, took_ms=answered.took_ms,
            next_at=next_at, asked_by=one.asked_by,
        )
    )  # fmt: skip
    state = "delivered" if answered.taken else "failed" if next_at is None else "waiting"
    # One that a person has asked for anew meanwhile is counted from the beginning, and goes once more.
    session.execute(
        text(
            "UPDATE webhook_sendings SET state = :state, next_at = coalesce(:next_at, next_at)"
            " WHERE id = :id AND state = 'waiting' AND attempts = :attempt"
        ),
        {"state": state, "next_at": next_at, "id": one.sending_id, "attempt": one.attempt},
    )
    return _judge(session, one, answered, state, now=now)


def _judge(session: Session, one: Claimed, answered: Answered, state: str, *, now: datetime) -> str:
    if answered.taken:
        session.execute(
            text(
                "UPDATE webhook_endpoints SET failures = 0, rests_until = NULL,"
                " why = CASE state WHEN 'ailing' THEN '' ELSE why END,"
                " state = CASE state WHEN 'ailing' THEN 'live' ELSE state END"
                " WHERE id = :id AND (failures > 0 OR state = 'ailing')"
            ),
            {"id": one.endpoint_id},
        )
        return ""
    endpoint = webhook_endpoints.locked(session, one.endpoint_id)
    if endpoint is None or endpoint.state == "disabled":
        return ""
    endpoint.failures += 1
    if endpoint.failures >= PATIENCE:
        endpoint.rests_until = now + REST
    turned = ""
    if answered.status == 410:
        turned = "disabled"
        webhook_endpoints.disable(session, endpoint, why="it answered 410 Gone", by=BY, now=now)
    elif state == "failed":
        turned = "ailing" if endpoint.state == "live" else ""
        endpoint.state, endpoint.why = "ailing", f"{one.uid} was tried {one.attempt} times: {answered.said}"[:300]
    session.flush()
    return turned


_ANEW = """DO UPDATE
    SET state = 'waiting', attempts = 0, next_at = excluded.next_at, asked_by = excluded.asked_by"""
_REPLAY = f"""
    INSERT INTO webhook_sendings (event_id, endpoint_id, next_at, asked_by)
    SELECT e.id, p.id, :now, :by FROM webhook_events e JOIN webhook_endpoints p ON {{which}}
    ORDER BY e.id, p.id
    ON CONFLICT (event_id, endpoint_id) {_ANEW}
    RETURNING id
"""  # noqa: S608 - constants


def replay(session: Session, uid: str, *, endpoint_id: int | None = None, by: str, now: datetime) -> Sequence[int]:
    """Have one event sent once more, the same in id and bytes: to the endpoint named, or to all that hear of it."""
    which = "e.uid = :uid AND p.state <> 'disabled' AND "
    which += "p.id = :endpoint" if endpoint_id is not None else "e.type = ANY(p.events)"
    values = {"uid": uid, "endpoint": endpoint_id, "by": by, "now": now}
    asked = session.scalars(text(_REPLAY.format(which=which)), values).all()
    if asked:
        _note(session, len(asked), subject=f"webhook_event:{uid}", by=by, now=now)
    return asked


@dataclass(frozen=True, slots=True)
class Again:
    """What is sent once more of all since a moment: how many events, and after which to go on if there are more."""

    asked: int
    further: Place | None


# By place, not by moment alone: a load of a million matches has one moment.
_REPLAY_SINCE = f"""
    WITH chosen AS (
        SELECT id, at FROM webhook_events WHERE (at, id) > (:at, :id) AND type = ANY(:types) ORDER BY at, id LIMIT :most
    ), made AS (
        INSERT INTO webhook_sendings (event_id, endpoint_id, next_at, asked_by)
        SELECT id, :endpoint, :now, :by FROM chosen ORDER BY at, id
        ON CONFLICT (event_id, endpoint_id) {_ANEW}
        RETURNING id
    ), last AS (SELECT at, id FROM chosen ORDER BY at DESC, id DESC LIMIT 1)
    SELECT (SELECT count(*) FROM made) AS asked, last.at, last.id, EXISTS (
        SELECT 1 FROM webhook_events e WHERE (e.at, e.id) > (last.at, last.id) AND e.type = ANY(:types)) AS more
    FROM last
"""  # noqa: S608 - constants


def replay_since(session: Session, endpoint: Endpoint, since: Place, *, by: str, now: datetime) -> Again:
    """Have events past a place that an endpoint hears of sent to it once more, those it never got included.

    The oldest MOST_AGAIN of them; the answer tells where the rest begins.
    """
    if endpoint.state == "disabled":
        return Again(0, None)
    values = {"at": since[0], "id": since[1], "types": endpoint.events, "most": MOST_AGAIN,
              "endpoint": endpoint.id, "by": by, "now": now}  # fmt: skip
    row = session.execute(text(_REPLAY_SINCE), values).one_or_none()
    if row is None:
        return Again(0, None)
    _note(session, int(row.asked), subject=f"webhook_endpoint:{endpoint.id}", by=by, now=now)
    return Again(int(row.asked), (row.at, row.id) if row.more else None)


def _note(session: Session, sendings: int, *, subject: str, by: str, now: datetime) -> None:
    facts = {"sendings": sendings}
    audit.append(session, actor=by, action="webhook_event.replayed", subject=subject, facts=facts, now=now)
