"""Intake: callbacks that arrive together share one commit, and each waits for it before its sender is answered.

One thread per process takes whatever waits, writes it in one transaction at full durability and hands every request
its answer. Under load the batches grow by themselves; alone, a callback is committed at once.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from banks.records import Answer, Outcome
from gateway.database import app_options
from reconciliation.sealing import Sealer

log = logging.getLogger(__name__)

_MOST = 256
_RING_PAUSE = 0.02
_PATIENCE = 10.0
"""Seconds a request waits for its commit before its sender is asked to try again."""


def _held() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True)
class Arrival:
    """One proven callback on its way into the inbox, where its head and body are kept sealed.

    `answers` gives the profile's word for each outcome.
    """

    source: str
    event_id: str
    digest: bytes
    head: bytes
    body: bytes
    received_at: datetime
    state: str
    reason: str
    outcome: Outcome
    answers: Callable[[Outcome], Answer]
    payment_code: str = ""
    """Set when the sender expects its answer to depend on the bill."""
    minor: int = 0
    answer: Answer | None = None
    done: threading.Lock = field(default_factory=_held)
    """Held until the commit: waiting on a bare lock costs a fraction of an Event."""


class Busy(Exception):
    """The inbox could not be written in time; nothing was promised to the sender."""


_BILLS = """
    SELECT DISTINCT ON (payment_code) payment_code, state, minor - paid_minor
    FROM bills WHERE payment_code = ANY(%s) ORDER BY payment_code, version DESC
"""
_KEEP = """
    INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, state, reason, received_at,
        answer_status, answer_type, answer_body)
    SELECT source, 'callback', event_id, digest, size, head, body, state, reason, received_at,
        answer_status, answer_type, answer_body
    FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::bigint[], %b::bytea[], %b::bytea[], %b::text[], %b::text[],
        %b::timestamptz[], %b::smallint[], %b::text[], %b::bytea[])
        AS incoming (source, event_id, digest, size, head, body, state, reason, received_at, answer_status,
            answer_type, answer_body)
    ON CONFLICT DO NOTHING
    RETURNING source, event_id, digest
"""
# What nobody will read is a question from its first moment on: the bank was told that we have it.
_ASK = """
    INSERT INTO mismatches (code, subject, source, delivery_id, facts, opened_at)
    SELECT 'M16', 'delivery:' || id, source, id,
        jsonb_build_object('state', state, 'reasons', jsonb_build_array(reason)), received_at
    FROM kept WHERE state <> 'received'
    ON CONFLICT (code, subject) WHERE state <> 'resolved' DO NOTHING
"""
_KEEP_AND_ASK = f"""
    WITH kept AS ({_KEEP}, id, state, reason, received_at), asked AS ({_ASK})
    SELECT source, event_id, digest FROM kept
"""  # noqa: S608 - put together from constants
_KNOWN = """
    SELECT d.source, d.event_id, d.digest, d.answer_status, d.answer_type, d.answer_body, d.state
    FROM unnest(%s::text[], %s::text[]) AS k (source, event_id) JOIN deliveries d USING (source, event_id)
"""
_CONFLICT = f"""
    WITH kept AS (
        INSERT INTO deliveries (source, kind, digest, size, head, body, state, reason, received_at,
            answer_status, answer_type, answer_body, conflicts_with)
        SELECT %s, 'callback', %s, %s, %s, %s, 'conflicting', 'the event id is known with other content', %s, %s, %s,
            %s, (SELECT id FROM deliveries WHERE source = %s AND event_id = %s)
        ON CONFLICT DO NOTHING
        RETURNING id, source, state, reason, received_at
    )
    {_ASK}
"""  # noqa: S608 - put together from constants
# Nobody has tried to read it, so only its age spoke against it.
_SENT_ANEW = """
    WITH moved AS (
        UPDATE deliveries SET state = 'received', reason = '', moves = moves + 1
        WHERE source = %s AND event_id = %s AND state = 'set_aside' AND attempts = 0
        RETURNING id, moves
    )
    INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, why, at)
    SELECT 'delivery', id, moves, 'set_aside', 'received', 'intake', 'sent again, freshly signed', %s FROM moved
"""

_Cursor = psycopg.Cursor[tuple[Any, ...]]
_Known = dict[tuple[str, str], tuple[bytes, Answer, str]]
"""(source, event id) → digest, the answer its sender got, and the state it is in; "" for one that is new."""


class Intake:
    """Writes arrivals to the inbox; `ring` is called after each commit that kept something new."""

    def __init__(self, url: str, sealer: Sealer, ring: Callable[[], object]) -> None:
        self._url, self._sealer, self._ring = url, sealer, ring
        self._waiting: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._new = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def keep(self, arrival: Arrival) -> Answer:
        """Keep `arrival` and return the answer its sender gets; raises Busy when it could not be kept in time."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        self._waiting.put(arrival)
        if not arrival.done.acquire(timeout=_PATIENCE) or arrival.answer is None:
            raise Busy
        return arrival.answer

    def _start(self) -> None:
        # Started with the first request and not before, so that no thread or connection crosses a fork.
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
                self._thread.start()
                threading.Thread(target=self._ring_for_new, name="bell", daemon=True).start()

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < _MOST:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            new = self._attempt(batch)
            if new is None:
                new = self._one_by_one(batch)
            for arrival in batch:
                arrival.done.release()
            if new:
                self._new.set()

    def _ring_for_new(self) -> None:
        """Ring beside the writing thread, so that no callback waits for a doorbell, and no more often than heard."""
        while True:
            self._new.wait()
            self._new.clear()
            try:
                self._ring()
            except Exception as error:  # were this thread to end, no later callback would be rung for
                log.warning("ringing failed: %s", type(error).__name__)
            time.sleep(_RING_PAUSE)

    def _one_by_one(self, batch: Sequence[Arrival]) -> bool:
        """Give each of a failed batch a try of its own: one of them can't be written, or the connection was dead."""
        new = False
        for one in batch:
            if not self._connected():
                break  # no database: nobody's turn would come in time, and the senders are told so at once
            new = bool(self._attempt([one])) or new
        return new

    def _connected(self) -> bool:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = psycopg.connect(
                    self._url,
                    options=app_options(),
                    application_name="doisoat intake",
                    connect_timeout=5,
                    autocommit=True,
                )
            except psycopg.Error as error:
                log.error("the inbox can't be reached: %s", type(error).__name__)
                return False
        return True

    def _attempt(self, batch: Sequence[Arrival]) -> bool | None:
        """Write `batch`; return whether something was new, or None when nothing could be written."""
        if not self._connected():
            return None
        try:
            return self._write(batch)
        except Exception as error:  # whatever went wrong, the senders are told to try again
            log.error("the inbox could not be written: %s", type(error).__name__)
            self._forget_connection()
            return None

    def _write(self, batch: Sequence[Arrival]) -> bool:
        if self._connection is None:
            raise RuntimeError("expected a connection")
        # Each statement is a transaction of its own: the usual batch is one round trip, and what a repetition or a
        # conflict adds needs nothing undone when it fails.
        with self._connection.cursor() as cursor:
            self._ask_bills(cursor, batch)
            own = [one.answers(one.outcome) for one in batch]
            sealed = self._sealed(batch)
            known, new = _insert(cursor, batch, sealed, own)
            revived = [one for one in batch if _is_sent_anew(one, known)]
            for one in revived:
                cursor.execute(_SENT_ANEW, (one.source, one.event_id, one.received_at))
            answers = [self._settle(cursor, one, under, known) for one, under in zip(batch, sealed, strict=True)]
        # Only here, after the last commit, does any request learn its answer.
        for arrival, answer in zip(batch, answers, strict=True):
            arrival.answer = answer
        return new or bool(revived)

    def _sealed(self, batch: Sequence[Arrival]) -> Sequence[tuple[bytes, bytes]]:
        heads = self._sealer.seal_all([one.head for one in batch], "deliveries.head")
        bodies = self._sealer.seal_all([one.body for one in batch], "deliveries.body")
        return list(zip(heads, bodies, strict=True))

    @staticmethod
    def _ask_bills(cursor: _Cursor, batch: Sequence[Arrival]) -> None:
        asking = [one for one in batch if one.payment_code]
        if not asking:
            return
        rows = cursor.execute(_BILLS, [[one.payment_code for one in asking]]).fetchall()
        bills = {row[0]: (row[1], row[2]) for row in rows}
        for one in asking:
            state, owed = bills.get(one.payment_code, (None, 0))
            if state not in ("open", "part_paid", "paid"):
                one.outcome = Outcome.UNKNOWN_BILL
            elif not owed:
                one.outcome = Outcome.ALREADY_PAID
            elif owed != one.minor:
                one.outcome = Outcome.WRONG_AMOUNT

    @staticmethod
    def _settle(cursor: _Cursor, one: Arrival, sealed: tuple[bytes, bytes], known: _Known) -> Answer:
        digest, answer, _state = known[one.source, one.event_id]
        if digest == one.digest:
            if _is_sent_anew(one, known):
                return one.answers(one.outcome)  # the first one said that a person would have to look
            return answer  # its own when it is new, the first one word for word when it is a repetition
        refused = one.answers(Outcome.CONFLICT)
        cursor.execute(
            _CONFLICT,
            (one.source, one.digest, len(one.body), *sealed, one.received_at, refused.status,
             refused.content_type, refused.body, one.source, one.event_id),
        )  # fmt: skip
        return refused

    def _forget_connection(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except psycopg.Error:
                log.warning("a broken connection did not close")
            self._connection = None


def _is_sent_anew(one: Arrival, known: _Known) -> bool:
    """Tell whether an event that was set aside for its age has come again in good time."""
    digest, _answer, state = known[one.source, one.event_id]
    return state == "set_aside" and one.state == "received" and digest == one.digest


def _insert(
    cursor: _Cursor, batch: Sequence[Arrival], sealed: Sequence[tuple[bytes, bytes]], own: Sequence[Answer]
) -> tuple[_Known, bool]:
    columns = zip(
        *(
            (one.source, one.event_id, one.digest, len(one.body), *under, one.state,
             one.reason.replace("\0", "�"), one.received_at, said.status, said.content_type, said.body)
            for one, under, said in zip(batch, sealed, own, strict=True)
        ),
        strict=True,
    )  # fmt: skip
    keep = _KEEP if all(one.state == "received" for one in batch) else _KEEP_AND_ASK
    rows = cursor.execute(keep, [list(column) for column in columns]).fetchall()
    winners = {(row[0], row[1]): bytes(row[2]) for row in rows}
    known: _Known = {}
    for one, said in zip(batch, own, strict=True):
        key = (one.source, one.event_id)
        if winners.get(key) == one.digest:
            known.setdefault(key, (one.digest, said, ""))
    missing = [one for one in batch if (one.source, one.event_id) not in known]
    if missing:
        keys = ([one.source for one in missing], [one.event_id for one in missing])
        for source, event_id, digest, status, content_type, body, state in cursor.execute(_KNOWN, keys).fetchall():
            known[source, event_id] = (bytes(digest), Answer(status, content_type, bytes(body)), state)
    return known, bool(rows)
