"""Errors of the API in the form of RFC 9457: whatever goes wrong below /api/v1 is told so, by one hand."""

import json
import logging
from collections.abc import Mapping, Sequence

from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)
PATH = "/api/v1"
MEDIA_TYPE = "application/problem+json"
_TITLES = {
    404: "nothing here",
    405: "another method",
    413: "too large",
    500: "our fault",
}
_DETAILS = {
    404: "expected an address as /api/v1/openapi.json describes it",
    405: "expected one of the methods in the header Allow",
    413: "expected a smaller body",
    500: "the request failed through no fault of yours; it is in our log",
}


class Problem(Exception):
    """A request that is refused: its status, a title, and what was expected and what arrived, one line each."""

    def __init__(
        self, status: int, title: str, errors: Sequence[str], headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.title, self.errors, self.headers = status, title, list(errors), dict(headers or {})
        super().__init__(f"{status} {title}: {'; '.join(errors)}")

    def response(self) -> Response:
        """Return the answer that tells it."""
        told = {"type": "about:blank", "status": self.status, "title": self.title, "errors": self.errors}
        answer = Response(json.dumps(told, ensure_ascii=False), self.status, self.headers, content_type=MEDIA_TYPE)
        if self.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        answer.headers["Cache-Control"] = "no-store"
        return answer


SCHEMA = {
    "type": "object",
    "required": ["type", "status", "title", "errors"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "title": {"type": "string", "description": "The kind of problem."},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string"},
            "description": "What was expected and what arrived, a line for each place.",
        },
    },
}


def install(app: Flask) -> None:
    """Tell every error below /api/v1 as a problem; other addresses keep their own."""
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(HTTPException, _told)
    app.register_error_handler(OperationalError, _without_database)


def _told(error: HTTPException) -> Response | HTTPException:
    if not request.path.startswith(f"{PATH}/"):
        return error
    status = error.code or 500
    if status < 400:
        return error
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    title = _TITLES.get(status, (error.name or "refused").lower())
    return Problem(status, title, [_DETAILS.get(status, str(error.description))], kept).response()


def _without_database(error: OperationalError) -> Response:
    log.error("a request failed for want of the database: %s", type(error.orig).__name__)
    return Problem(503, "busy", ["the database does not answer; please send it again"]).response()
