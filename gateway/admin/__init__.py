"""The finance pages: one blueprint module per noun, its templates beside it, and one table of who may see what."""

from flask import Blueprint, Flask, abort, current_app, render_template
from flask_login import current_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from heroicons.jinja import heroicon_micro
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from gateway import languages, security, web_sessions
from gateway.admin import (
    access,
    account,
    api_tokens,
    assets,
    audit_trail,
    bank_pages,
    bank_trying,
    bank_words,
    banks,
    bill_debiting,
    bills,
    calendar,
    carrier_words,
    carriers,
    casework,
    closes,
    contents,
    debit_runs,
    debit_words,
    debits,
    deliveries,
    evidence,
    expectations,
    expired,
    factors,
    key_words,
    lumps,
    machine_words,
    mandate_words,
    mandates,
    marks,
    masking,
    message_costs,
    messages,
    mismatches,
    month,
    oversized,
    overview,
    payments,
    people,
    personal_data,
    question_words,
    remarking,
    reports,
    run_lists,
    second_step,
    settling,
    settling_words,
    sign_in,
    sign_in_log,
    sms_wishes,
    staff_names,
    statement_words,
    texts,
    together,
    trace,
    unmasking,
    usual_words,
    webhooks,
    words,
)
from gateway.admin.listing import RowId, narrowed

PAGES = (
    overview, month, mismatches, casework, together, closes, settling, lumps, remarking, expectations, calendar,
    payments, bills, bill_debiting, debit_runs, run_lists, debits, mandates, bank_pages, bank_trying, deliveries,
    contents, marks, reports, messages, message_costs, sms_wishes, texts, carriers, api_tokens, webhooks, trace,
    unmasking, audit_trail, people, account, factors, sign_in, second_step,
)  # fmt: skip
"""Every module of pages; each has a `blueprint`, and each of its endpoints a row in `access.RULES`."""


def register(app: Flask) -> None:
    """Add the finance pages under /admin to an app whose `extensions["doisoat"]` is wired and whose key is set.

    Raises RuntimeError without `app.secret_key`: the forms could not be told from forged ones.
    """
    if not app.secret_key:
        raise RuntimeError("expected app.secret_key to be set before the finance pages are registered, got none")
    # Checked by the pages' own guard, not for the whole app: banks and programs send no form token.
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # a token lives as long as the session that holds it
    security.install(app)
    # The customer portal's pages too. A case that lies open says so every 20 seconds, whoever has left the desk.
    web_sessions.install(app, ("/admin", "/mandate", "/"), frozenset({"admin.casework.here"}))
    languages.install(app)
    access.login_manager().init_app(app)
    csrf = CSRFProtect(app)

    app.url_map.converters["row"] = RowId
    admin = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")
    admin.before_request(remarking.give_room)
    admin.before_request(bank_trying.give_room)
    admin.before_request(csrf.protect)
    admin.before_request(access.guard)
    for module in PAGES:
        admin.register_blueprint(module.blueprint)
    admin.add_url_rule("/<path:rest>", "nowhere", lambda rest: abort(404))  # noqa: ARG005 - the rule names it
    admin.register_error_handler(CSRFError, expired.answer)
    admin.register_error_handler(RequestEntityTooLarge, oversized.answer)
    admin.register_error_handler(HTTPException, _problem)
    admin.context_processor(_furniture)
    app.register_blueprint(assets.blueprint())
    app.register_blueprint(admin)
    app.jinja_env.globals |= {"icon": heroicon_micro, "narrowed": narrowed}
    app.jinja_env.filters["masked"] = masking.masked
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _furniture() -> dict[str, object]:
    wiring = current_app.extensions["doisoat"]
    return {
        "words": words,
        "staff_names": staff_names,
        "carrier_words": carrier_words,
        "bank_words": bank_words,
        "statement_words": statement_words,
        "question_words": question_words,
        "evidence": evidence,
        "debit_words": debit_words,
        "settling_words": settling_words,
        "usual_words": usual_words,
        "key_words": key_words,
        "machine_words": machine_words,
        "mandate_words": mandate_words,
        "sign_in_log": sign_in_log,
        "personal_data": personal_data,
        "bank_title": banks.bank_title,
        "titles": banks.bank_choices(),
        "languages": languages.LANGUAGES,
        "language": languages.language(),
        "settings": wiring.settings,
        "menu": [one for one in access.MENU if access.may_open(one[0])],
        "letters": access.LETTERS,
        "may_open": access.may_open,
        "person": current_user if current_user.is_authenticated else None,
    }


def _problem(problem: HTTPException) -> tuple[str, int]:
    code = problem.code or 500
    return render_template("admin/problem.html", code=code, expired=False), code
