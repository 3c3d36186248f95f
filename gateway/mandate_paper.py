"""The paper of a mandate (giấy ủy quyền trích nợ): one version of what was agreed, as a PDF, the account masked.

The bank's copy alone names account and holder in full; that it was made stands in the audit trail.
"""

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from gateway import consents
from gateway.clock import LOCAL
from gateway.typesetting import typeset
from reconciliation import audit
from reconciliation.mandates import HOLDER_SEALED, SEALED, NotMoved
from reconciliation.sealing import mask_name

if TYPE_CHECKING:
    from gateway.wiring import Wiring

_TEMPLATE = Path(__file__).with_name("mandate_paper.typ")
_WANTED = """
    SELECT m.id, m.bank, m.reference, c.code, c.office, c.name_masked, v.* FROM mandates m
    JOIN customers c ON c.id = m.customer_id JOIN mandate_versions v ON v.mandate_id = m.id
    WHERE m.id = :id AND v.version = coalesce(CAST(:version AS bigint), m.version)
"""


class Paper(NamedTuple):
    """A document and the name of its file."""

    name: str
    document: bytes


def make(session: Session, wiring: "Wiring", mandate_id: int, *, version: int | None = None) -> Paper:
    """Return the paper of a mandate's version, the newest one unless it is named; raises NotMoved where there is none.

    Account and holder are masked.
    """
    one = _wanted(session, mandate_id, version)
    holder = _opened(wiring, one.holder_sealed)
    return _made(wiring, one, f"···{one.account_tail}", mask_name(holder) or one.name_masked, "")


def make_for_bank(session: Session, wiring: "Wiring", mandate_id: int, *, by: str, version: int | None = None) -> Paper:
    """Return the bank's copy, with account and holder in full, and note who made it; the caller commits."""
    one = _wanted(session, mandate_id, version)
    account = wiring.sealer.open(one.account_sealed, SEALED).decode()
    holder = _opened(wiring, one.holder_sealed) or one.name_masked
    facts = {"reference": one.reference, "version": one.version}
    audit.append(
        session, actor=by, action="mandate_shown_in_full", subject=f"mandate:{mandate_id}", facts=facts,
        now=wiring.clock(),
    )  # fmt: skip
    return _made(wiring, one, account, holder, "-bank")


def _wanted(session: Session, mandate_id: int, version: int | None) -> Row[Any]:
    found = session.execute(text(_WANTED), {"id": mandate_id, "version": version}).one_or_none()
    if found is None:
        raise NotMoved(f"expected the number of a mandate and one of its versions, got {mandate_id}, {version or '-'}")
    return found


def _opened(wiring: "Wiring", sealed: bytes | None) -> str:
    return wiring.sealer.open(sealed, HOLDER_SEALED).decode() if sealed is not None else ""


def _made(wiring: "Wiring", one: Row[Any], account: str, holder: str, ending: str) -> Paper:
    settings = wiring.settings
    bank = settings.banks.get(one.bank)
    agreed, _slash, language = one.consent_text.partition("/")
    words = consents.find(agreed, language or "vi")
    shown = {
        "utility": settings.utility, "hotline": settings.hotline, "bank": bank.title if bank else one.bank,
        "reference": one.reference, "version": one.version, "customer": one.code, "office": one.office,
        "account": account, "holder": holder, "cap": one.cap_minor, "valid_from": _day(one.valid_from),
        "valid_to": _day(one.valid_to) if one.valid_to else "", "consent": one.consent_text,
        "consent_at": _moment(one.consent_at), "channel": one.consent_channel, "assisted_by": one.assisted_by,
        "words": list(words.paragraphs) if words else [], "language": language or "vi", "full": bool(ending),
    }  # fmt: skip
    on = one.made_at.astimezone(LOCAL).date().isoformat()
    document = typeset(_TEMPLATE, {"shown": json.dumps(shown, ensure_ascii=False), "on": on})
    return Paper(f"uy-quyen-{one.reference.replace('/', '-')}-v{one.version}{ending}.pdf", document)


def _day(value: date) -> str:
    return f"{value:%d/%m/%Y}"


def _moment(value: datetime) -> str:
    return f"{value.astimezone(LOCAL):%d/%m/%Y %H:%M}"
