"""Reading callbacks: a batch of kept deliveries becomes payments, matches, entries, promises and words on mandates.

A batch is one transaction, and each delivery's effects are in it whole or not at all. When a batch fails, its
deliveries are read one by one, so that a single bad one is set aside and takes nobody with it.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from banks.errors import BankError, Unreadable
from banks.profile import read_all
from banks.records import MandateAnswer, Notice, RawRequest
from gateway import composing, mandate_answering
from gateway.database import insist, transaction
from gateway.wiring import Wiring
from reconciliation import debit_reports, inbox, matching, payments
from reconciliation.debit_reports import Refused
from reconciliation.inbox import Delivery

log = logging.getLogger(__name__)


def claim(wiring: Wiring, *, limit: int, lease: timedelta) -> list[int]:
    """Take up to `limit` waiting callbacks; a crash from here on costs each of them one attempt."""
    with transaction(wiring.engine) as session:
        return inbox.claim(session, "callback", limit=limit, lease=lease, now=wiring.clock())


def read(wiring: Wiring, ids: list[int]) -> None:
    """Read claimed callbacks; whatever can't be read is set aside with the reason."""
    try:
        insist(lambda: _read_together(wiring, ids))
        return
    except Unreadable as error:
        if len(ids) == 1:
            with transaction(wiring.engine) as session:
                inbox.finish(session, ids, "unreadable", reason=str(error), now=wiring.clock())
            return
    except Exception as error:  # the batch is tried one by one below; nothing of it was committed
        if len(ids) == 1:
            _give_up_on(wiring, ids[0], error)
            return
        log.warning("a batch of %d callbacks failed (%s); reading them one by one", len(ids), type(error).__name__)
    for one in ids:
        read(wiring, [one])


def _read_together(wiring: Wiring, ids: list[int]) -> None:
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        waiting = session.scalars(
            select(Delivery)
            .where(Delivery.id.in_(ids), Delivery.state == "received")
            .order_by(Delivery.id)
            .with_for_update()
        ).all()
        heard: list[payments.Heard] = []
        refused: list[Refused] = []
        answered: list[tuple[Delivery, MandateAnswer]] = []
        unreadable: list[tuple[int, str]] = []
        for delivery in waiting:
            try:
                for one in _told(wiring, delivery):
                    if isinstance(one, MandateAnswer):
                        answered.append((delivery, one))
                    elif one.paid:
                        heard.append(payments.Heard(delivery.source, delivery.id, one))
                    elif one.end_to_end_id:
                        refused.append(Refused(delivery.source, delivery.id, one.end_to_end_id, one.failure_code))
            except BankError as error:
                unreadable.append((delivery.id, str(error)))
        for bad, reason in unreadable:
            inbox.finish(session, [bad], "unreadable", reason=reason, now=now)
        touched = payments.report(session, heard, sealer=wiring.sealer, now=now) if heard else []
        matching.match(session, touched, now=now)
        debit_reports.hear(session, refused, now=now)
        said: dict[int, list[str]] = {}
        for delivery, one in answered:
            said.setdefault(delivery.id, []).extend(_answer(session, wiring, delivery, one))
        composing.compose_promises(session, wiring.settings)
        known_bad = {bad for bad, _ in unreadable}
        plain = [d.id for d in waiting if d.id not in known_bad and not said.get(d.id)]
        inbox.finish(session, plain, "read", reason="", now=now)
        for contradicted, problems in said.items():
            if problems:
                inbox.finish(session, [contradicted], "read", reason="; ".join(problems), now=now)


def _answer(session: Session, wiring: Wiring, delivery: Delivery, answer: MandateAnswer) -> list[str]:
    """Carry out what a bank says of one mandate; return what speaks against it.

    Delivery by delivery: a mandate may be confirmed in one and ended in the next.
    """
    name = f"callback {delivery.id}"
    done = mandate_answering.carry_out(session, wiring, iter([answer]), bank=delivery.source, name=name, by="reader")
    return done.problems


def _told(wiring: Wiring, delivery: Delivery) -> Sequence[Notice]:
    """Return what a kept callback tells of: one payment, attempt or mandate, several from some senders.

    All of a delivery or nothing: what can't be read in one of its parts leaves the whole delivery to a person.
    """
    sender = wiring.settings.banks[delivery.source].caller_profile()
    return list(read_all(sender, raw_request(wiring, delivery)))


def raw_request(wiring: Wiring, delivery: Delivery) -> RawRequest:
    """Return a kept callback as it came over the wire."""
    if delivery.head is None or delivery.body is None:
        raise Unreadable("a callback is kept with its head and body; this one is not")
    head = json.loads(wiring.sealer.open(delivery.head, "deliveries.head"))
    carried = wiring.sealer.open(delivery.body, "deliveries.body")
    body = carried if head["method"] == "POST" else b""
    return RawRequest(head["method"], head["query"].encode("latin-1"), head["headers"], body, delivery.received_at)


def _give_up_on(wiring: Wiring, delivery_id: int, error: Exception) -> None:
    """Set a delivery aside once it has failed often enough; until then its lease runs out and it is tried again."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        delivery = session.get_one(Delivery, delivery_id)
        log.error("callback %d failed (%s), attempt %d", delivery_id, type(error).__name__, delivery.attempts)
        if delivery.attempts >= inbox.MAX_ATTEMPTS:
            _set_aside(session, delivery, error, now)


def _set_aside(session: Session, delivery: Delivery, error: Exception, now: datetime) -> None:
    reason = f"reading failed {delivery.attempts} times: {type(error).__name__}"
    inbox.finish(session, [delivery.id], "set_aside", reason=reason, now=now)
