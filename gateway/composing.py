"""Composing: the text of a promised message, frozen in the transaction of its promise."""

from collections.abc import Mapping

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from gateway.settings import Settings
from reconciliation.customers import Customer
from reconciliation.lifecycle import MESSAGE, move
from reconciliation.outbox import Message
from sms import templates

_FILL = text(
    "UPDATE messages SET template = :template, body = :body, encoding = :encoding, parts = :parts WHERE id = :id"
)


def compose_promises(session: Session, settings: Settings) -> int:
    """Write the text of every promise that has none yet; return how many. A text with a hole fails, unsent."""
    rows = session.execute(
        select(Message.id, Message.event, Message.facts, Message.created_at, Customer.language)
        .join(Customer, Customer.id == Message.customer_id)
        .where(Message.body.is_(None), Message.state == "queued")
        .order_by(Message.id)
        .with_for_update(of=Message, skip_locked=True)
    ).all()
    composed = []
    for row in rows:
        try:
            written = templates.compose(row.event, row.language, _facts(settings, row.facts))
        except templates.TemplateError as error:
            move(session, MESSAGE, [row.id], "failed", by="composing", why=str(error), now=row.created_at)
            continue
        composed.append(
            {
                "id": row.id,
                "template": f"{written.template}.{written.version}",
                "body": written.text,
                "encoding": written.encoding,
                "parts": written.parts,
            }
        )
    if composed:
        session.execute(_FILL, composed)
    return len(composed)


def _facts(settings: Settings, facts: Mapping[str, object]) -> dict[str, object]:
    known = dict(facts)
    bank = settings.banks.get(str(known.get("bank", "")))
    if bank is not None:
        known["bank"] = bank.title
    return {**known, "brand": settings.brand, "hotline": settings.hotline}
