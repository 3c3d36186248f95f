"""Callers: whose token a request bears, whether it has the scope that is asked for, and at what pace it may ask."""

import hmac
import logging
import math
import time
from dataclasses import dataclass

from flask import current_app, request
from limits import RateLimitItem, RateLimitItemPerMinute

from gateway.api.problems import Problem
from gateway.request_session import db
from gateway.secrets import secret
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import api_tokens

log = logging.getLogger(__name__)
PACE: RateLimitItem = RateLimitItemPerMinute(600)
"""Per token and process."""
LIMITER = "api_pace"
"""Under which name an app keeps its counts."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is; the one in the settings has the number 0 and every scope."""

    token_id: int
    name: str

    @property
    def actor(self) -> str:
        """Who did it, as the audit trail and remarks name it."""
        return f"api:{self.name}"


def allowed(wiring: Wiring, scope: str) -> Caller:
    """Return who asks; raise Problem without a token, without the scope, or above the pace."""
    written = request.headers.get("Authorization", "")
    caller, scopes = _known(wiring, written.removeprefix("Bearer ")) if written.startswith("Bearer ") else (None, [])
    if caller is None:
        expected = "expected the header Authorization: Bearer <api token>"
        raise Problem(401, "unauthorized", [f"{expected}, of a token with the scope {scope}"])
    if scope not in scopes:
        raise Problem(
            403, "not allowed", [f"expected a token with the scope {scope}, this one has {', '.join(scopes)}"]
        )
    limiter, who = current_app.extensions[LIMITER], str(caller.token_id)
    if not limiter.hit(PACE, who):
        seconds = max(1, math.ceil(limiter.get_window_stats(PACE, who).reset_time - time.time()))
        said = f"expected at most {PACE.amount} requests a minute; again in {seconds} s"
        raise Problem(429, "too many", [said], {"Retry-After": str(seconds)})
    return caller


def _known(wiring: Wiring, presented: str) -> tuple[Caller | None, list[str]]:
    if _is_of_the_settings(wiring, presented):
        return Caller(0, "api_token"), list(api_tokens.SCOPES)
    if not presented.startswith(api_tokens.PREFIX):
        return None, []
    session = db()
    found = api_tokens.find(session, presented, now=wiring.clock())
    session.commit()  # that it was used is known whatever becomes of the request
    return (Caller(found.id, found.name), found.scopes) if found else (None, [])


def _is_of_the_settings(wiring: Wiring, presented: str) -> bool:
    try:
        live = [key.encode() for key in secret(wiring.settings, "api_token")]
    except SettingsError as error:
        if not presented.startswith(api_tokens.PREFIX):
            log.error("the token of the settings opens nothing: %s", error)
        return False
    given = presented.encode("utf-8", "backslashreplace")
    return any([hmac.compare_digest(given, key) for key in live])  # noqa: C419 - all are compared, so that time tells nothing
