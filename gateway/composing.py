"""Composing: the text of a promised message, frozen in the transaction of its promise."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from gateway.settings import Settings
from reconciliation.customers import Customer
from reconciliation.lifecycle import MESSAGE, move
from reconciliation.outbox import Message
from sms import templates
from sms.templates import Composed

AT_ONCE = 1000
"""How many texts are in memory together: a day's callbacks may leave tens of thousands to whoever composes next."""
_Row = Row[int, str, dict[str, object], datetime, str, bool]
_FILL = text(
    """
    UPDATE messages m SET template = f.template, body = f.body, encoding = f.encoding, parts = f.parts
    FROM jsonb_to_recordset(CAST(:written AS jsonb)) AS f (
        id bigint, template text, body text, encoding text, parts smallint)
    WHERE m.id = f.id
    """
)


def compose_promises(session: Session, settings: Settings) -> int:
    """Write the text of every promise that has none yet; return how many. A text with a hole fails, unsent."""
    composed, last = 0, 0
    while rows := _uncomposed(session, last):
        composed += _compose(session, settings, rows)
        last = rows[-1].id
    return composed


def _uncomposed(session: Session, last: int) -> Sequence[_Row]:
    return session.execute(
        select(Message.id, Message.event, Message.facts, Message.created_at, Customer.language, Customer.diacritics)
        .join(Customer, Customer.id == Message.customer_id)
        .where(Message.body.is_(None), Message.state == "queued", Message.id > last)
        .order_by(Message.id)
        .limit(AT_ONCE)
        .with_for_update(of=Message, skip_locked=True)
    ).all()


def _compose(session: Session, settings: Settings, rows: Sequence[_Row]) -> int:
    composed: list[tuple[int, Composed]] = []
    for row in rows:
        try:
            facts = _facts(settings, row.facts)
            event = "before_retry" if row.event == "before_debit" and "tried_on" in facts else row.event
            made = templates.compose(event, row.language, facts, diacritics=row.diacritics)
        except templates.TemplateError as error:
            move(session, MESSAGE, [row.id], "failed", by="composing", why=str(error), now=row.created_at)
            continue
        composed.append((row.id, made))
    if composed:
        written = [
            {
                "id": number, "template": f"{one.template}.{one.version}", "body": one.text,
                "encoding": one.encoding.value, "parts": one.parts,
            }
            for number, one in composed
        ]  # fmt: skip
        session.execute(_FILL, {"written": json.dumps(written)})
    return len(composed)


def _facts(settings: Settings, facts: Mapping[str, object]) -> dict[str, object]:
    known = dict(facts)
    bank = settings.banks.get(str(known.get("bank", "")))
    if bank is not None:
        known["bank"] = bank.title
    return {**known, "brand": settings.brand, "hotline": settings.hotline}
