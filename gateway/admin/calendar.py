"""The calendar: public holidays by the library, and the days on which people note that banks book, or don't."""

from datetime import date

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response

from gateway.admin import answer_form
from gateway.admin.answer_form import Unreadable
from gateway.database import insist
from gateway.languages import gettext, language
from gateway.request_session import db
from reconciliation import calendar_edits
from reconciliation.bank_days import BankDay
from reconciliation.business_days import holidays_of, local_day
from reconciliation.calendar_edits import NotNoted

blueprint = Blueprint("calendar", __name__, url_prefix="/calendar")
MOST_WORDS = 500


@blueprint.get("/")
def page() -> str:
    """Show the days of a year that are not as their weekday says."""
    return _page()


@blueprint.post("/")
def note() -> Response | tuple[str, int]:
    """Note a day as open or closed, or forget what was noted, and count every open deadline anew."""
    now = current_app.extensions["doisoat"].clock()
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS]
    is_to_be = request.form.get("is", "")
    try:
        day = answer_form.day("day")
    except Unreadable as problem:
        return _page(str(problem)), 400
    if is_to_be not in ("open", "closed", "library"):
        return _page(gettext("Choose what the day is.")), 400
    if not why:
        return _page(gettext("Say why: it is kept with your name.")), 400

    def work() -> None:
        db().rollback()
        if is_to_be == "library":
            calendar_edits.forget(db(), day, why=why, by=current_user.username, now=now)
        else:
            calendar_edits.note(db(), day, opens=is_to_be == "open", why=why, by=current_user.username, now=now)
        db().commit()

    try:
        insist(work)
    except NotNoted:
        db().rollback()
        return _page(gettext("Nothing is noted of this day.")), 409
    return redirect(url_for(".page", year=day.year), 303)


def _page(problem: str = "") -> str:
    today = local_day(current_app.extensions["doisoat"].clock())
    asked = request.args.get("year", "")
    year = int(asked) if asked.isascii() and asked.isdigit() and 2000 <= int(asked) < 2100 else today.year
    inside = BankDay.day.between(date(year, 1, 1), date(year, 12, 31))
    noted = {one.day: one for one in db().scalars(select(BankDay).where(inside))}
    names = holidays_of(year, language())
    return render_template(
        "admin/calendar.html", year=year, noted=noted, names=names, days=sorted({*noted, *names}), problem=problem
    )
