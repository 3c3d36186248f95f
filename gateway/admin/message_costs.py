"""What messages cost: those that left within a month and their parts, by office."""

from datetime import timedelta

from flask import Blueprint, current_app, render_template

from gateway.admin.listing import asked_month
from gateway.clock import local_date
from gateway.request_session import db
from reconciliation import counted_messages, counted_months

blueprint = Blueprint("message_costs", __name__, url_prefix="/messages/costs")


@blueprint.get("/")
def page() -> tuple[str, int]:
    """Show one month as it was counted last, the present one unless the address names another; 400 for what is none."""
    wiring = current_app.extensions["doisoat"]
    asked, odd = asked_month()
    first = asked or local_date(wiring.clock()).replace(day=1)
    found = counted_messages.of_offices(db(), first)
    following = (first + timedelta(days=32)).replace(day=1)
    shown = render_template(
        "admin/message_costs.html",
        first=first,
        odd=odd,
        before=(first - timedelta(days=1)).replace(day=1),
        following=following if following <= local_date(wiring.clock()) else None,
        counted_at=counted_months.as_of(db(), first),
        rows=found,
        messages=sum(row.messages for row in found),
        parts_left=sum(row.parts for row in found),
        price=wiring.settings.sms.price,
    )
    return shown, 400 if odd else 200
