"""Sending: a message is claimed, and the claim committed, before a byte leaves; what is unsure stays unsure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import outbox, sending_times
from reconciliation.lifecycle import MESSAGE, move
from reconciliation.outbox import DUNNING, OF_OWED_BILLS
from reconciliation.sending_hours import ANY_TIME
from reconciliation.sending_times import MAY_LEAVE, Kind, Leaving

_KEY = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
Claimed = Row[tuple[int, str, str, bytes, str, int]]
"""id, request_id, body, msisdn_sealed, state it was claimed from: queued or unsure, attempts with this one."""

Due = Row[tuple[int, int | None, int, str, datetime]]
"""id, bill_id, customer_id, event, not_after."""

_ROUNDS = 20
_MOST_TRIES = 5
"""Tries after which a carrier that knows our key again is asked no more: a person is."""
_TOO_LATE = "too late to tell the customer anything new"
_ENDS = {
    "late": ("expired", _TOO_LATE),
    "paid": ("withdrawn", "the bill is no longer owed as announced"),
    "closed": ("withdrawn", "the customer is not to be told by SMS"),
}
_QUEUED = "m.state = 'queued' AND m.body IS NOT NULL AND (m.not_before IS NULL OR m.not_before <= :now)"
CLAIMABLE = {kind: f"{_QUEUED} AND {may}" for kind, may in MAY_LEAVE.items()}
"""By kind, in terms of messages m; asked with `Leaving.values`."""
_LATE = "m.state = 'queued' AND m.not_after <= :now"
_LAPSED = "m.state = 'sending' AND m.lease_until < :now"
_REPEATABLE = (
    "m.state = 'unsure' AND (m.lease_until IS NULL OR m.lease_until < :now)"  # noqa: S608 - our own text
    f" AND m.attempts < {_MOST_TRIES} AND m.not_after > :now AND (m.event NOT IN {DUNNING} OR b.state = 'open')"
    " AND EXISTS (SELECT 1 FROM unnest(CAST(:names AS text[]), CAST(:remember AS interval[])) AS k (name, remembers)"
    " WHERE k.name = m.carrier AND (k.remembers IS NULL OR m.asked_at > :now - k.remembers))"
)
"""In terms of messages m and, left-joined, their bills b; names and remember are of carriers that dedupe."""
_ASKED_AGAIN = f"messages m LEFT JOIN bills b ON b.id = m.bill_id WHERE {_REPEATABLE}"
_FOUND_BY = (
    *(f"messages m WHERE {which} ORDER BY m.not_after, m.id" for which in (*CLAIMABLE.values(), _LATE)),
    f"messages m WHERE {_LAPSED}",
    _ASKED_AGAIN,
)
_ANY = [f"(SELECT true FROM {which} LIMIT 1) IS NOT NULL" for which in _FOUND_BY]  # noqa: S608 - from constants
_DUE = f"SELECT {' OR '.join(_ANY)}"
"""Each by itself and in the order of an index of its own, so that it is looked up there, whatever is known of rows."""


def is_due(session: Session, may: Leaving, *, memories: Mapping[str, timedelta | None]) -> bool:
    """Tell whether a sender would find something to do: to claim, to expire, to call unsure, or to ask again about.

    `memories` are the carriers that dedupe by our own key, and for how long they know it again; None is for good.
    """
    known = {"names": list(memories), "remember": list(memories.values())}
    return bool(session.scalar(text(_DUE), {**known, **may.values}))


def claim(
    session: Session,
    *,
    carrier: str,
    limit: int,
    lease: timedelta,
    now: datetime,
    of_all: bool = False,
    codes: bool = True,
    may: Leaving | None = None,
) -> Sequence[Claimed]:
    """Take up to `limit` messages that are due and the carrier's; the caller commits before it sends the first.

    `of_all` takes what is anybody else's too, as the only carrier does, and one that is tried again, which
    is trusted with no `codes`.

    `may` is what may leave now, anything where it is not given. A code goes before all others, and to whoever asked for
    it; of the others what must leave first does. A notice for a bill that is no longer owed is withdrawn, so that no
    payer is dunned, and so is what is meant for a customer who said no, or who has no number any more.
    """
    whose = f":carrier <> ALL(m.refused_by){'' if of_all else ' AND m.carrier = :carrier'}"
    may = may or sending_times.leaving(session, ANY_TIME, now=now)
    values = {"carrier": carrier, **may.values}
    claimed: list[Claimed] = []
    for _ in range(_ROUNDS):
        room = limit - len(claimed)
        due = _due(session, Kind.CODE, whose, room, values) if codes else []
        both = [
            row for kind in (Kind.OTHER, Kind.NOTICE) for row in _due(session, kind, whose, room - len(due), values)
        ]
        due += sorted(both, key=lambda row: (row.not_after, row.id))[: room - len(due)]
        meant = _still_meant(session, due, now)
        off = sending_times.put_off(session, may, [(row.id, row.customer_id, row.event) for row in meant])
        meant = [row for row in meant if row.id not in off]
        still_owed = _hold(session, [row.bill_id for row in meant if row.event in outbox.DUNNING_EVENTS])
        free = [row.id for row in meant if row.event not in outbox.DUNNING_EVENTS or row.bill_id in still_owed]
        claimed += _begin(session, free, carrier, until=now + lease, now=now)
        if len(meant) == len(due) or len(claimed) == limit:
            break  # nothing was in the way of others that wait behind it
    return claimed


def expire(session: Session, *, now: datetime) -> int:
    """Let everything expire that came too late, also what waits to be tried again; return how many."""
    late = session.scalars(
        text(f"SELECT m.id FROM messages m WHERE {_LATE} FOR UPDATE SKIP LOCKED"),  # noqa: S608 - our own text
        {"now": now},
    )
    return len(move(session, MESSAGE, late, "expired", by="sending", why=_TOO_LATE, now=now))


def _still_meant(session: Session, due: Sequence[Due], now: datetime) -> Sequence[Due]:
    """Return those that are to be sent as they were promised; end the others.

    Of those alone that are due now: looking through all that wait would cost each claim as much as all of them.
    """
    if not due:
        return due
    query = """
        SELECT m.id, CASE WHEN m.not_after <= :now THEN 'late'
            WHEN m.event = ANY(:of_owed) AND b.state <> 'open' THEN 'paid' ELSE 'closed' END AS why
        FROM messages m JOIN customers c ON c.id = m.customer_id LEFT JOIN bills b ON b.id = m.bill_id
        WHERE m.id = ANY(:ids) AND (m.not_after <= :now OR m.event = ANY(:of_owed) AND b.state <> 'open'
            OR NOT c.consent AND m.event <> 'mandate_code' OR c.msisdn_sealed IS NULL OR m.event = ANY(c.refused))
    """
    values = {"ids": [row.id for row in due], "of_owed": list(OF_OWED_BILLS), "now": now}
    ended = {row.id: row.why for row in session.execute(text(query), values)}
    for why, (to, words) in _ENDS.items():
        move(session, MESSAGE, [one for one in ended if ended[one] == why], to, by="sending", why=words, now=now)
    return [row for row in due if row.id not in ended]


def _due(session: Session, kind: Kind, whose: str, limit: int, values: Mapping[str, object]) -> list[Due]:
    if not limit:
        return []
    query = (
        f"SELECT m.id, m.bill_id, m.customer_id, m.event, m.not_after FROM messages m"  # noqa: S608 - our own text
        f" WHERE {CLAIMABLE[kind]} AND {whose} ORDER BY m.not_after, m.id LIMIT :limit FOR UPDATE SKIP LOCKED"
    )
    return list(session.execute(text(query), {**values, "limit": limit}).all())


def _hold(session: Session, bill_ids: Sequence[int]) -> set[int]:
    """Keep these bills from being paid until the claim is committed; return those that are open.

    One that is being settled at this moment is passed over, and its notice waits for the outcome.
    """
    query = "SELECT id FROM bills WHERE id = ANY(:ids) AND state = 'open' ORDER BY id FOR SHARE SKIP LOCKED"
    return set(session.scalars(text(query), {"ids": list(bill_ids)})) if bill_ids else set()


def lapse(session: Session, *, now: datetime) -> int:
    """Call unsure what was being sent when its sender died: nobody knows whether it left; return how many."""
    lapsed = session.scalars(
        text(f"SELECT m.id FROM messages m WHERE {_LAPSED} FOR UPDATE SKIP LOCKED"),  # noqa: S608 - our own text
        {"now": now},
    )
    return len(
        move(session, MESSAGE, lapsed, "unsure", by="sending", why="its sender ended before the answer", now=now)
    )


def abandon(session: Session, carrier: str, *, now: datetime) -> int:
    """Call unsure what `carrier` was being sent: for whoever knows that its last sender is dead; return how many."""
    held = session.scalars(
        text("SELECT id FROM messages WHERE state = 'sending' AND carrier = :carrier FOR UPDATE"),
        {"carrier": carrier},
    )
    return len(move(session, MESSAGE, held, "unsure", by="sending", why="its sender ended before the answer", now=now))


def ask_again(
    session: Session, *, carrier: str, remembers: timedelta | None, limit: int, lease: timedelta, now: datetime
) -> Sequence[Claimed]:
    """Take unsure messages to repeat under their own key: by the carrier that was asked first, if it dedupes by it.

    `remembers` is for how long it knows the key again; after that a repeat would be a second SMS. Whether it left the
    first time nobody knows, so the same limits hold: not too late, and no payer is dunned.
    """
    unsure = list(
        session.scalars(
            text(
                f"SELECT m.id FROM {_ASKED_AGAIN}"  # noqa: S608 - our own text
                " ORDER BY m.id LIMIT :limit FOR UPDATE OF m SKIP LOCKED"
            ),
            {"now": now, "limit": limit, "names": [carrier], "remember": [remembers]},
        )
    )
    if unsure:
        leasing = text("UPDATE messages SET lease_until = :until, attempts = attempts + 1 WHERE id = ANY(:ids)")
        session.execute(leasing, {"ids": unsure, "until": now + lease})
    return _claimed(session, unsure, "unsure")


def asked_again_at(
    session: Session, message: outbox.Message, *, memories: Mapping[str, timedelta | None], now: datetime
) -> datetime | None:
    """Return from when on a message is repeated under its own key by itself; None where that never happens."""
    at = max(message.lease_until or now, now) + timedelta(microseconds=1)
    asking = text(f"SELECT EXISTS (SELECT 1 FROM {_ASKED_AGAIN} AND m.id = :id)")  # noqa: S608 - our own text
    known = {"names": list(memories), "remember": list(memories.values())}
    return at if session.scalar(asking, {**known, "id": message.id, "now": at}) else None


def _begin(session: Session, ids: list[int], carrier: str, *, until: datetime, now: datetime) -> Sequence[Claimed]:
    """Give queued messages to a carrier: the moment it is first asked counts for as long as it keeps a message."""
    begun = move(
        session, MESSAGE, ids, "sending", by="sending", why="", now=now, noted={"until": until, "carrier": carrier},
        noting="lease_until = :until, attempts = t.attempts + 1, carrier = :carrier, asked_at = :now",
    )  # fmt: skip
    return _claimed(session, begun, "queued")


def _claimed(session: Session, ids: Sequence[int], state: str) -> Sequence[Claimed]:
    """Return what is to be sent of messages that were claimed from `state`."""
    if not ids:
        return []
    query = text(
        """
        SELECT m.id, CAST(m.request_id AS text) AS request_id, m.body, c.msisdn_sealed, CAST(:state AS text) AS state,
            m.attempts
        FROM messages m JOIN customers c ON c.id = m.customer_id WHERE m.id = ANY(:ids) ORDER BY m.id
        """
    )
    return session.execute(query, {"ids": ids, "state": state}).all()


def sent(session: Session, taken: Sequence[tuple[int, str]], *, provider: str, now: datetime) -> None:
    """Record what a carrier accepted: (message id, the carrier's reference or "") each."""
    if not taken:
        return
    session.execute(
        text(
            """
            UPDATE messages m SET provider = :provider, provider_ref = nullif(t.ref, ''),
                sent_at = coalesce(m.sent_at, :now)
            FROM unnest(CAST(:ids AS bigint[]), CAST(:refs AS text[])) AS t (id, ref) WHERE m.id = t.id
            """
        ),
        {"ids": [one[0] for one in taken], "refs": [one[1] for one in taken], "provider": provider, "now": now},
    )
    move(session, MESSAGE, [one[0] for one in taken], "sent", by=provider, why="accepted", now=now)


def refused(
    session: Session,
    message_id: int,
    *,
    carrier: str,
    permanent: bool,
    why: str,
    again_at: datetime,
    now: datetime,
    others: Sequence[str] = (),
    attempt: int | None = None,
) -> None:
    """Record a clean refusal: nothing left, so it may be tried again from `again_at`, by whichever carrier.

    One for good is this carrier's own: where `others` has one that did not refuse it, that one may try at once. Said
    again, because the database went away before it could say that it had recorded it, it changes nothing: by then
    another carrier may be asked, or the same one once more by another sender: `attempt` is which try was refused.
    """
    held = text(
        "SELECT state, refused_by FROM messages WHERE id = :id AND carrier = :carrier"
        " AND attempts = coalesce(:attempt, attempts) AND state IN ('sending', 'unsure') FOR UPDATE"
    )
    found = session.execute(held, {"id": message_id, "carrier": carrier, "attempt": attempt}).first()
    if found is None:
        return
    open_to = False
    if permanent:
        refused_by = [*found.refused_by, carrier]
        session.execute(
            text("UPDATE messages SET refused_by = :refused_by WHERE id = :id"),
            {"id": message_id, "refused_by": refused_by},
        )
        open_to = found.state == "sending" and not set(others) <= set(refused_by)
    to = "failed" if permanent and not open_to else "queued"
    move(session, MESSAGE, [message_id], to, by=carrier, why=why, now=now)
    session.execute(
        text(
            """
            UPDATE messages SET reason = :why, not_before = :again,
                carrier = CASE state WHEN 'queued' THEN NULL ELSE carrier END
            WHERE id = :id AND state IN ('queued', 'failed', 'unsure')
            """
        ),
        {"id": message_id, "why": why, "again": now if open_to else again_at},
    )
    outbox.withdraw_untrue(session, message_id, now=now)


def unsure(session: Session, message_id: int, *, why: str, again_at: datetime, now: datetime) -> None:
    """Record that nobody knows whether it left: a receipt, the carrier's own deduplication or a person will tell."""
    move(session, MESSAGE, [message_id], "unsure", by="carrier", why=why, now=now)
    session.execute(
        # A receipt may have overtaken this word: then it is known that the message left.
        text("UPDATE messages SET reason = :why, lease_until = :again WHERE id = :id AND state = 'unsure'"),
        {"id": message_id, "why": why, "again": again_at},
    )


def receipt(
    session: Session, *, provider: str, provider_ref: str, request_id: str, delivered: bool, code: str, now: datetime
) -> bool:
    """Record a carrier's receipt; return False when no message of ours is meant. The first final word stands."""
    found = _meant(session, provider, provider_ref, request_id)
    if found is None:
        return False
    if found.state == "sending":
        # The receipt overtook the carrier's own answer: it proves that the message left.
        sent(session, [(found.id, provider_ref)], provider=provider, now=now)
    to = "delivered" if delivered else "undelivered"
    if move(session, MESSAGE, [found.id], to, by=provider, why=code, now=now):
        session.execute(
            text(
                """
                UPDATE messages SET provider = :provider, provider_ref = :ref, sent_at = coalesce(sent_at, :now),
                    delivered_at = CASE WHEN :delivered THEN CAST(:now AS timestamptz) END WHERE id = :id
                """
            ),
            {"id": found.id, "now": now, "delivered": delivered, "provider": provider, "ref": provider_ref},
        )
    return True


def _meant(session: Session, provider: str, provider_ref: str, request_id: str) -> Row[tuple[int, str]] | None:
    """Return the message that the carrier's reference and our own key lead to; None when they lead to two."""
    by_reference = session.execute(
        text("SELECT id, state FROM messages WHERE provider = :provider AND provider_ref = :ref FOR UPDATE"),
        {"provider": provider, "ref": provider_ref},
    ).first()
    by_key = None
    if _KEY.fullmatch(request_id):
        by_key = session.execute(
            text(
                "SELECT id, state FROM messages WHERE request_id = CAST(:request AS uuid)"
                " AND coalesce(carrier, :provider) = :provider FOR UPDATE"
            ),
            {"request": request_id, "provider": provider},
        ).first()
    if by_reference is not None and by_key is not None and by_reference.id != by_key.id:
        return None
    return by_reference or by_key
