"""A form that is larger than it may be: its page is shown again and names the limit, though nothing of it was read."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import render_template, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from gateway.admin import access, bank_trying, remarking

_PAGES: Mapping[str, Callable[..., str]] = {
    "admin.remarking.attach": remarking.too_large,
    "admin.bank_trying.callback": bank_trying.callback_too_large,
    "admin.bank_trying.statement": bank_trying.statement_too_large,
}
"""Endpoint that takes files → the page it was sent from, with what was wrong."""


def answer(_problem: RequestEntityTooLarge) -> Response | tuple[str, int]:
    """Show the page a file was sent from again with its limit; for other forms say how large one may be."""
    # Nothing was read and nothing will be: whatever a page asks of the form finds it empty.
    request.form, request.files = ImmutableMultiDict(), ImmutableMultiDict()
    page = _PAGES.get(request.endpoint or "")
    if page is None:
        return _plain()
    try:
        elsewhere = access.guard()  # the form was to be read before anybody was asked who they are
        return elsewhere if elsewhere is not None else (page(**(request.view_args or {})), 413)
    except HTTPException as refused:
        code = refused.code or 500
        return render_template("admin/problem.html", code=code, expired=False), code


def _plain() -> tuple[str, int]:
    most = (request.max_content_length or 0) >> 20
    return render_template("admin/problem.html", code=413, expired=False, most=most, back=_back()), 413


def _back() -> str:
    """Return where the form was sent from, as the browser says, when that is a page of ours; else ""."""
    told: Any = urlsplit(request.referrer or "")
    if told.netloc != request.host or not told.path.startswith("/admin/"):
        return ""
    return f"{told.path}?{told.query}" if told.query else str(told.path)
