"""The JSON API for the utility's own systems: its operations and their description, installed in one place."""

from typing import Any

from flask import Flask, Response, jsonify
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from gateway.api import (
    bills,
    callers,
    closes,
    marks,
    messages,
    mismatches,
    openapi,
    operations,
    payments,
    problems,
    webhook_events,
)

MODULES = (bills, payments, mismatches, closes, messages, marks, webhook_events)
"""Every module that declares operations."""


def install(app: Flask) -> None:
    """Put the API into `app`, whose `extensions["doisoat"]` is wired, and have every error in it told as a problem."""
    app.extensions[callers.LIMITER] = FixedWindowRateLimiter(MemoryStorage())
    problems.install(app)
    operations.install(app, operations.OPERATIONS)
    app.add_url_rule(
        f"{problems.PATH}/openapi.json", "api.openapi", _description, methods=["GET"], provide_automatic_options=False
    )


def description() -> dict[str, Any]:
    """Return the description as it is served."""
    return openapi.document(operations.OPERATIONS, openapi.webhooks(webhook_events.EVENTS, webhook_events.body_of))


def _description() -> Response:
    return jsonify(description())
