"""The customer portal: whoever holds a customer's phone opens a mandate, sees it and ends it; no account needed."""

from flask import Blueprint, Flask, current_app, render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from gateway import languages
from gateway.admin import words
from gateway.portal import mandate, proof


def register(app: Flask) -> None:
    """Add the portal to an app that has the finance pages, whose forms, languages and sessions it shares."""
    portal = Blueprint("portal", __name__, template_folder="templates")
    portal.before_request(app.extensions["csrf"].protect)
    for module in (proof, mandate):
        portal.register_blueprint(module.blueprint)
    portal.register_error_handler(CSRFError, _expired)
    portal.register_error_handler(HTTPException, _problem)
    portal.context_processor(_furniture)
    app.register_blueprint(portal)


def _furniture() -> dict[str, object]:
    return {
        "words": words,
        "languages": languages.LANGUAGES,
        "language": languages.language(),
        "settings": current_app.extensions["doisoat"].settings,
        "helper": proof.helper(),
    }


def _expired(_problem: CSRFError) -> tuple[str, int]:
    return render_template("portal/problem.html", code=400, expired=True), 400


def _problem(problem: HTTPException) -> tuple[str, int]:
    code = problem.code or 500
    return render_template("portal/problem.html", code=code, expired=False), code
