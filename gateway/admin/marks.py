"""Marks: what the billing system was told of bills paid and no longer paid, what it acknowledged, and what waits."""

from flask import Blueprint, Response, abort, current_app
from sqlalchemy import BigInteger, ColumnElement, cast, func, select

from gateway import mark_forms
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import marks
from reconciliation.marks import Batch

blueprint = Blueprint("marks", __name__, url_prefix="/marks")
STATES = {"waiting": _("not acknowledged"), "acknowledged": _("acknowledged")}


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List the batches, the newest first, under what was sent and acknowledged last and what waits."""
    asked = Asked.of_request(Filter("state", _("State"), STATES))
    wanted = select(Batch)
    if asked["state"]:
        wanted = wanted.where(Batch.state == asked["state"])
    found = asked.search.removeprefix("#")
    if asked.search:
        # By the number of a batch or of a mark in it.
        number = int(found) if found.isascii() and found.isdigit() and len(found) <= 18 else 0
        wanted = wanted.where((Batch.id == number) | ((Batch.first <= number) & (Batch.last >= number)))
    waiting = db().execute(
        select(func.count(), cast(func.coalesce(func.sum(Batch.marks), 0), BigInteger), func.min(Batch.made_at)).where(
            Batch.state == "waiting"
        )
    ).one()  # fmt: skip
    return answered(
        "admin/marks.html",
        listed(db(), wanted, Batch.id, asked),
        states=STATES,
        acknowledged=_last(Batch.state == "acknowledged"),
        sent=_last(Batch.attempts > 0),
        waiting=waiting,
        unnumbered=db().scalar(select(func.count()).select_from(marks.waiting)),
        address=current_app.extensions["doisoat"].settings.billing_url is not None,
        now=current_app.extensions["doisoat"].clock(),
    )


@blueprint.get("/<row:batch_id>.csv")
def file(batch_id: int) -> Response:
    """Give one batch as it is exported, with its control totals."""
    batch = db().get(Batch, batch_id)
    if batch is None:
        abort(404)
    lines = [mark_forms.csv_head(), *mark_forms.csv_of(batch, marks.told(db(), batch))]
    answer = Response("".join(lines), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="marks-{batch_id}.csv"'
    return answer


def _last(which: ColumnElement[bool]) -> Batch | None:
    return db().scalars(select(Batch).where(which).order_by(Batch.id.desc()).limit(1)).first()
