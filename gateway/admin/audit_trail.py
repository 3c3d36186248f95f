"""The audit trail: who did what to what, newest first, how its chain stands, and all of it as a file."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, current_app
from sqlalchemy import Select, or_, select

from gateway import tabular
from gateway.admin import audit_words
from gateway.admin.listing import Asked, Filter, answered, listed, values_of
from gateway.clock import LOCAL, local_date
from gateway.database import transaction
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from gateway.tabular import Cell
from reconciliation import audit_state
from reconciliation.audit import AuditEntry
from reconciliation.sealing import mask_numbers

blueprint = Blueprint("audit_trail", __name__, url_prefix="/audit")
Entries = Select[AuditEntry]
_FREE = ("why", "note")
"""Facts that people typed: a phone number in one is shown by its last digits."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List what was done, newest first, and tell how the chain stands."""
    asked, wanted = _asked()
    wiring = current_app.extensions["doisoat"]
    return answered(
        "admin/audit.html",
        listed(db(), wanted, AuditEntry.id, asked),
        chain=audit_state.state(db(), wiring.audit_key),
        acts=audit_words,
        facts=facts,
    )


@blueprint.get("/audit.csv")
def file() -> Response | tuple[str, int]:
    """Give every entry that the list's address asks for, oldest first, as CSV."""
    asked, wanted = _asked()
    if asked.odd():
        return listing()
    headers = [str(one) for one in (_("No."), _("When"), _("Who"), _("What"), _("To what"), _("Details"), _("Hash"))]
    wiring = current_app.extensions["doisoat"]
    answer = Response(_pieces(wiring, wanted, headers), content_type="text/csv; charset=utf-8")
    name = f"audit-{local_date(wiring.clock()):%Y%m%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def facts(entry: AuditEntry) -> Mapping[str, str]:
    """Return an entry's facts in words, as they are shown."""
    return audit_words.facts(entry.facts)


def _asked() -> tuple[Asked, Entries]:
    known = {code: audit_words.act(code) for code in values_of(db(), AuditEntry.action)}
    asked = Asked.of_request(
        Filter("act", _("What"), known), Filter("from", _("From")), Filter("until", _("Until"), since="from")
    )
    wanted = select(AuditEntry)
    if asked["act"]:
        wanted = wanted.where(AuditEntry.action == asked["act"])
    begins, ends = asked.day("from"), asked.day("until")
    if begins is not None:
        wanted = wanted.where(AuditEntry.at >= datetime.combine(begins, time(), LOCAL))
    if ends is not None:
        wanted = wanted.where(AuditEntry.at < datetime.combine(ends, time(), LOCAL) + timedelta(days=1))
    if asked.search:
        wanted = wanted.where(or_(AuditEntry.actor == asked.search, AuditEntry.subject == asked.search))
    return asked, wanted


def _pieces(wiring: Any, wanted: Entries, headers: Sequence[str]) -> Iterator[bytes]:
    """Yield the file once it is whole: a slow reader holds no connection to the database."""
    with tempfile.TemporaryFile() as whole:
        with transaction(wiring.engine) as session:
            found = session.scalars(wanted.order_by(AuditEntry.id).execution_options(yield_per=1000))
            tabular.write_csv(whole, headers, map(_row, found))
        whole.seek(0)
        while piece := whole.read(64 * 1024):
            yield piece


def _row(entry: AuditEntry) -> list[Cell]:
    # A file goes to programs too: facts keep their codes there, and a phone number in one its last digits.
    kept = {
        name: mask_numbers(value) if name in _FREE and isinstance(value, str) else value
        for name, value in entry.facts.items()
    }
    told = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return [entry.id, entry.at, entry.actor, entry.action, entry.subject, told, bytes(entry.hash).hex()]
