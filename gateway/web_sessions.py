"""Browser sessions kept in the database: the cookie is a random token, the table knows only its hash.

A session ends half an hour after the last request and twelve hours after signing in, whichever comes first. Only paths
that were named get one, so that a bank's callback never touches the table. Saving a session rolls back what a view
left uncommitted: both share the request's one connection.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session, load_only
from werkzeug.datastructures import CallbackDict

from gateway.request_session import db
from reconciliation.staff import WebSession

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH = timedelta(minutes=1)
"""How old the last noted request may be before a new one is noted: a page view rarely needs a write."""
_SWEEP = 20
"""Expired rows cleared away for each new session, so that the table cleans itself."""
_TOKEN_LENGTH = 43
_AGENT = 200


class StoredSession(CallbackDict[str, Any], SessionMixin):
    """What one browser's session holds; `rotate()` gives it a new token, which makes the old cookie worthless."""

    def __init__(self, facts: Mapping[str, Any] | None = None, row: Any = None) -> None:
        def note(_changed: object) -> None:
            self.modified = True

        super().__init__(facts or {}, note)
        self.row_id: int | None = row.id if row else None
        self.created_at: datetime | None = row.created_at if row else None
        self.seen_at: datetime | None = row.seen_at if row else None
        self.new = row is None
        self.modified = False
        self.accessed = True
        self.rotating = False

    def rotate(self) -> None:
        """Give the session a new token and a new twelve hours when it is saved: for the moment someone signs in."""
        self.rotating = self.modified = True


class DatabaseSessions(SessionInterface):
    """Opens and saves sessions for requests below `paths`; every other request has none.

    Endpoints of `unasked` are called by pages that lie open, not by people: they keep no session alive.
    """

    def __init__(self, paths: tuple[str, ...], unasked: frozenset[str] = frozenset()) -> None:
        self._paths, self._unasked = paths, unasked

    def open_session(self, app: Flask, request: Request) -> StoredSession | None:
        """Return the session of the request's cookie, a new one, or None where sessions don't belong."""
        if not any(request.path == path or request.path.startswith(f"{path}/") for path in self._paths):
            return None
        token = request.cookies.get(cookie_name(app, request), "")
        if len(token) != _TOKEN_LENGTH:
            return StoredSession()
        now: datetime = app.extensions["doisoat"].clock()
        row = db().execute(
            select(WebSession.id, WebSession.facts, WebSession.created_at, WebSession.seen_at).where(
                WebSession.token_hash == _hash(token),
                WebSession.expires_at > now,
                WebSession.created_at > now - ABSOLUTE,
            )
        ).first()  # fmt: skip
        return StoredSession(row.facts, row) if row else StoredSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write what changed, note that the browser was seen, and set or take back the cookie."""
        assert isinstance(session, StoredSession)  # noqa: S101 - for the type checker: open_session makes no other
        response.vary.add("Cookie")
        now: datetime = app.extensions["doisoat"].clock()
        if not session:
            self._forget(app, session, response)
        elif session.new:
            self._begin(app, session, response, now)
        elif request.endpoint in self._unasked:
            return
        elif session.modified or session.seen_at is None or now - session.seen_at > _TOUCH:
            self._keep(app, session, response, now)

    def _forget(self, app: Flask, session: StoredSession, response: Response) -> None:
        if session.row_id is None:
            return
        database = _fresh()
        database.execute(delete(WebSession).where(WebSession.id == session.row_id))
        database.commit()
        secure = _secure(app, request)
        response.delete_cookie(
            cookie_name(app, request), path="/", secure=secure, httponly=True, samesite="Lax"
        )  # fmt: skip

    def _begin(self, app: Flask, session: StoredSession, response: Response, now: datetime) -> None:
        token = secrets.token_urlsafe(32)
        database = _fresh()
        expired = select(WebSession.id).where(WebSession.expires_at < now).limit(_SWEEP).with_for_update(
            skip_locked=True
        )  # fmt: skip
        database.execute(delete(WebSession).where(WebSession.id.in_(expired)))
        database.execute(
            insert(WebSession).values(
                token_hash=_hash(token), staff_id=_staff_id(session), facts=dict(session),
                created_at=now, seen_at=now, expires_at=now + IDLE, **_source(session),
            )
        )  # fmt: skip
        database.commit()
        self._set_cookie(app, response, token)

    def _keep(self, app: Flask, session: StoredSession, response: Response, now: datetime) -> None:
        changes: dict[str, object] = {"seen_at": now}
        created_at = session.created_at or now
        token = ""
        if session.rotating:
            token, created_at = secrets.token_urlsafe(32), now
            changes |= {"token_hash": _hash(token), "created_at": now, **_source(session)}
        if session.modified:
            changes |= {"facts": dict(session), "staff_id": _staff_id(session)}
        changes["expires_at"] = min(now + IDLE, created_at + ABSOLUTE)
        database = _fresh()
        database.execute(update(WebSession).where(WebSession.id == session.row_id).values(changes))
        database.commit()
        if token:
            self._set_cookie(app, response, token)

    def _set_cookie(self, app: Flask, response: Response, token: str) -> None:
        # No Max-Age: the cookie goes with the browser window, the table's own expiry holds in any case.
        secure = _secure(app, request)
        response.set_cookie(
            cookie_name(app, request), token, path="/", secure=secure, httponly=True, samesite="Lax"
        )  # fmt: skip


def cookie_name(app: Flask, request: Request) -> str:
    """Return the cookie's name; the __Host- prefix makes browsers refuse one set by a sister site or without https."""
    return "__Host-doisoat" if _secure(app, request) else "doisoat"


def end_sessions(session: Session, staff_id: int, *, but: int | None = None) -> int:
    """Sign a person out everywhere, or everywhere `but` in one; return how many sessions ended. The caller commits."""
    theirs = delete(WebSession).where(WebSession.staff_id == staff_id)
    if but is not None:
        theirs = theirs.where(WebSession.id != but)
    return len(session.execute(theirs.returning(WebSession.id)).all())


def own_id(session: SessionMixin) -> int | None:
    """Return the number of the current request's session, None before it was kept."""
    target = getattr(session, "_get_current_object", lambda: session)()
    return target.row_id if isinstance(target, StoredSession) else None


def sessions_of(session: Session, staff_id: int, now: datetime) -> Sequence[WebSession]:
    """Return the live sessions of a person, the newest first."""
    live = (
        select(WebSession)
        .options(load_only(WebSession.address, WebSession.agent, WebSession.created_at, WebSession.seen_at))
        .where(WebSession.staff_id == staff_id, WebSession.expires_at > now, WebSession.created_at > now - ABSOLUTE)
    )
    return session.scalars(live.order_by(WebSession.seen_at.desc(), WebSession.id.desc())).all()


def end_session(session: Session, staff_id: int, session_id: int) -> bool:
    """End one session of a person; False where they have none of this number. The caller commits."""
    one = delete(WebSession).where(WebSession.id == session_id, WebSession.staff_id == staff_id)
    return bool(session.execute(one.returning(WebSession.id)).all())


def begin_anew(session: SessionMixin) -> None:
    """Rotate the token of the current request's session; raises TypeError where the request has no stored session."""
    target = getattr(session, "_get_current_object", lambda: session)()
    if not isinstance(target, StoredSession):
        raise TypeError(f"expected a stored session, got {type(target).__name__}")
    target.rotate()


def _secure(app: Flask, request: Request) -> bool:
    # Only a sandbox on plain http may do without; anywhere else a missing https must not be met half-way.
    return bool(request.is_secure or not app.extensions["doisoat"].settings.sandbox)


def _fresh() -> Session:
    database = db()
    database.rollback()
    return database


def _staff_id(session: StoredSession) -> int | None:
    found = session.get("_user_id")
    return int(found) if found else None


def _source(session: StoredSession) -> dict[str, str]:
    # Kept of people alone: of a visitor nothing has to be told to anybody.
    if _staff_id(session) is None:
        return {}
    return {"address": request.remote_addr or "", "agent": request.user_agent.string[:_AGENT]}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def install(app: Flask, paths: tuple[str, ...], unasked: frozenset[str] = frozenset()) -> None:
    """Keep the sessions of requests below `paths` in the database; those to `unasked` endpoints keep none alive."""
    app.session_interface = DatabaseSessions(paths, unasked)
