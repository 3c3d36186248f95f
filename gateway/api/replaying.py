"""Idempotency keys: the same request again under the same key is answered as at first, and done no second time."""

import re
from datetime import datetime

from flask import Response
from sqlalchemy.orm import Session

from gateway.api.callers import Caller
from gateway.api.problems import Problem
from reconciliation import api_answers
from reconciliation.api_answers import KeptAnswer

PATTERN = '[!#-~]{1,128}|"[!#-~]{1,128}"'
"""Visible ASCII without quotes, or a structured field's text (RFC 9651) of it."""
REPLAYED = "Idempotent-Replayed"
"""The header that says so of an answer given before."""


def key_of(written: str | None, wanted: str) -> str:
    """Return the request's key without its quotes, "" for none; raise Problem where one is missing or unreadable."""
    if not wanted:
        return ""
    if written is None:
        if wanted == "required":
            raise Problem(400, "no idempotency key", ["expected the header Idempotency-Key, got none"])
        return ""
    if not re.fullmatch(PATTERN, written, re.ASCII):
        raise Problem(400, "no idempotency key", ["Idempotency-Key: expected 1 to 128 visible ASCII characters"])
    return written.strip('"')


def before(session: Session, caller: Caller, key: str, digest: bytes) -> Response | None:
    """Return what was answered under the key; raise Problem while it is at work, or for another request."""
    if not api_answers.begin(session, caller.token_id, key):
        raise Problem(409, "in progress", ["a request under this Idempotency-Key is at work; please ask again"])
    found = api_answers.known(session, caller.token_id, key)
    if found is None:
        return None
    if found.digest != digest:
        raise Problem(422, "another request", ["Idempotency-Key: expected the request it was first used with"])
    answer = Response(found.body, found.status, content_type=found.content_type)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers[REPLAYED] = "true"
    return answer


def keep(session: Session, caller: Caller, key: str, digest: bytes, answer: Response, *, now: datetime) -> None:
    """Keep an answer in the transaction of the work it answers."""
    kept = KeptAnswer(
        token_id=caller.token_id, key=key, digest=digest, status=answer.status_code,
        content_type=answer.content_type or "", body=answer.get_data(), at=now,
    )  # fmt: skip
    api_answers.keep(session, kept, now=now)


def keep_refusal(session: Session, caller: Caller, key: str, digest: bytes, answer: Response, *, now: datetime) -> None:
    """Keep a refusal, of which nothing else is kept."""
    session.rollback()
    # Whoever came between the rollback and this has answered for both.
    if api_answers.begin(session, caller.token_id, key) and not api_answers.known(session, caller.token_id, key):
        keep(session, caller, key, digest, answer, now=now)
        session.commit()
