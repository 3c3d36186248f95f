"""The texts of messages: each as a customer would read it, with its length, parts and cost."""

from flask import Blueprint, current_app, render_template, request

from gateway import previewing
from gateway.admin import words
from gateway.languages import lazy_gettext as _
from sms.templates import EVENTS as FACTS
from sms.templates import LANGUAGES, MissingField, OddField, TemplateError

blueprint = Blueprint("texts", __name__, url_prefix="/texts")
TEXTS = {**words.EVENTS, "before_retry": _("SMS before another try")}
"""What each text is for; a notice before another try has one of its own."""
FIELDS = {
    "brand": _("Name of the utility"),
    "customer_code": _("Customer code"),
    "period": _("Period"),
    "kwh": _("Usage"),
    "amount": _("Amount"),
    "bank": _("Bank"),
    "debit_on": _("Debit on"),
    "tried_on": _("Tried on"),
    "due_on": _("Due on"),
    "paid_on": _("Paid on"),
    "returned_on": _("Returned on"),
    "reference": _("Reference"),
    "code": _("Code"),
    "minutes": _("Minutes"),
    "hotline": _("Hotline"),
}


@blueprint.get("/")
def page() -> tuple[str, int]:
    """Show one text of the catalog; what the address gives takes the place of the samples."""
    settings = current_app.extensions["doisoat"].settings
    event = request.args.get("event", "before_debit")
    event = event if event in FACTS else "before_debit"
    language = request.args.get("text", "vi")
    language = language if language in LANGUAGES else "vi"
    diacritics = request.args.get("diacritics") == "1"
    given = {name: request.args[name].strip()[:200] for name in FACTS[event] if request.args.get(name, "").strip()}
    made, problem, at_fault = None, "", ""
    try:
        made = previewing.preview(settings, event, language=language, diacritics=diacritics, given=given)
    except TemplateError as error:
        problem = str(error)
        at_fault = error.field if isinstance(error, MissingField | OddField) else ""
    shown = render_template(
        "admin/texts.html", events=TEXTS, event=event, text=language, diacritics=diacritics, made=made,
        problem=problem, at_fault=at_fault, names=FIELDS, facts=previewing.fields(event, settings) | given,
    )  # fmt: skip
    return shown, 400 if problem else 200
