"""One database session per web request: opened when first asked for, rolled back unless the view committed."""

from flask import Flask, current_app, g
from sqlalchemy.orm import Session


def db() -> Session:
    """Return this request's session; the view commits it when its work is whole."""
    if "db_session" not in g:
        g.db_session = Session(current_app.extensions["doisoat"].engine, expire_on_commit=False)
    session: Session = g.db_session
    return session


def install(app: Flask) -> None:
    """Close the request's session at its end, whatever happened."""

    @app.teardown_appcontext
    def _close(_error: BaseException | None) -> None:
        session = g.pop("db_session", None)
        if session is not None:
            session.close()
