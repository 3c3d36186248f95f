"""What a delivery brought, as it came: masked for whoever may see deliveries, in full for a reason that is kept."""

from flask import Blueprint, abort, current_app, render_template, request

from gateway import contents_masking, kept_contents
from gateway.admin import masking, personal_data
from gateway.request_session import db
from reconciliation.inbox import Delivery

blueprint = Blueprint("contents", __name__, url_prefix="/deliveries")


@blueprint.get("/<row:delivery_id>/contents")
def page(delivery_id: int) -> str:
    """Show a window of the bytes, the first unless the address says from where."""
    return show(delivery_id)


def show(delivery_id: int, *, problem: str = "") -> str:
    """Return the page; `problem` is what was wrong with the reason that was just given."""
    found = db().get(Delivery, delivery_id)
    if found is None:
        abort(404)
    window = kept_contents.window(db(), current_app.extensions["doisoat"].sealer, found, start())
    whole = personal_data.shown().get("contents")
    masked = contents_masking.contents(window.text, masking.masked) if window.text is not None else None
    return render_template(
        "admin/contents.html", delivery=found, window=window, problem=problem, whole=whole,
        text=masked if whole is None else whole,
    )  # fmt: skip


def start() -> int:
    """Return the byte from which the address wants to see."""
    written = request.args.get("from", "")
    return int(written) if written.isascii() and written.isdigit() and len(written) < 13 else 0
