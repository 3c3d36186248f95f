"""Routing: which carrier a queued message goes to, by weights, among those that are well and have not refused it.

Only what is queued is given away: after that a byte may have left, and another carrier would send a second SMS.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import sending_times
from reconciliation.db import AdvisoryLock
from reconciliation.sending import CLAIMABLE
from reconciliation.sending_times import Kind, Leaving

# Each message draws one number per carrier from its key, and the least one wins: shares follow the weights, a carrier
# that drops out changes nobody else's choice, and a message that was refused draws anew.
_ROUTE = f"""
    WITH due AS MATERIALIZED (
        SELECT m.id, m.request_id, m.attempts, m.refused_by FROM messages m
        WHERE {{claimable}} AND (m.carrier IS NULL OR m.carrier <> ALL(:declared) OR m.carrier = ANY(:ill))
          AND NOT CAST(:names AS text[]) <@ m.refused_by
        ORDER BY m.not_after, m.id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE messages m SET carrier = chosen.name
    FROM due CROSS JOIN LATERAL (
        SELECT c.name FROM unnest(CAST(:names AS text[]), CAST(:weights AS int[])) AS c (name, weight)
        WHERE c.name <> ALL(due.refused_by)
        ORDER BY -ln(((hashtextextended(due.request_id || ' ' || due.attempts || ' ' || c.name, 0) & {2**62 - 1}) + 1)
            / {2**62}.0::float8) / c.weight
        LIMIT 1
    ) chosen
    WHERE m.id = due.id
"""  # noqa: S608 - put together from constants

_TURNS = ((Kind.CODE, 1), (Kind.OTHER, 2), (Kind.NOTICE, 1), (Kind.OTHER, 1))
"""Whose turn it is, and into how many shares what room there is then is cut: one of them is given out."""
_WAITING = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM messages m WHERE m.carrier = :name AND ({" OR ".join(f"({one})" for one in CLAIMABLE.values())})
        LIMIT :most) w
"""  # noqa: S608 - as above


def route(
    session: Session, weights: Mapping[str, int], may: Leaving, *, declared: list[str], ill: list[str], limit: int
) -> int:
    """Give up to `limit` due messages that are nobody's, or a carrier's that is ill or gone, to one of `weights`.

    Codes go first; of what room is left, notices and all others have half each, and more where the other half is not
    needed. `declared` are all carriers there are; return how many messages were given.
    """
    given = 0
    for kind, shares in _TURNS if weights else ():
        room = -((given - limit) // shares)
        values = {
            "names": list(weights), "weights": list(weights.values()), "declared": declared, "ill": ill, "limit": room,
            **may.values,
        }  # fmt: skip
        if room:
            done = session.execute(text(_ROUTE.replace("{claimable}", CLAIMABLE[kind])), values)
            given += done.rowcount  # type: ignore[attr-defined]  # an UPDATE has one
    return given


def waiting(session: Session, name: str, may: Leaving, *, most: int) -> int:
    """Return how many messages wait for a carrier that may leave now, counted up to `most`."""
    return session.scalar(text(_WAITING), {"most": most, "name": name, **may.values}) or 0


def queued(session: Session, name: str | None, *, most: int) -> int:
    """Return how many messages are queued for a carrier, or in all, whether they may leave now or not, up to `most`."""
    whose = "" if name is None else " AND carrier = :name"
    counting = text(f"SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = 'queued'{whose} LIMIT :most) w")  # noqa: S608
    return session.scalar(counting, {"most": most} | ({} if name is None else {"name": name})) or 0


def unclaimed_codes(session: Session) -> bool:
    """Tell whether a one-time code waits that has no carrier yet: it is given out whatever else waits."""
    asking = text("SELECT EXISTS (SELECT 1 FROM messages WHERE event = :code AND state = 'queued' AND carrier IS NULL)")
    return bool(session.scalar(asking, {"code": sending_times.CODE}))


def is_kept_up(session: Session, name: str) -> bool:
    """Tell whether a daemon keeps the link of carrier `name` up: it holds the carrier's lock while it lives."""
    asking = text("SELECT pg_try_advisory_xact_lock_shared(hashtextextended(:name, :seed))")
    return not session.scalar(asking, {"name": name, "seed": int(AdvisoryLock.CARRIERS)})
