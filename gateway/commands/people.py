"""People whom a command names: only those who may sign in, so that the audit trail names people."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation.staff import Staff


def known(session: Session, username: str) -> None:
    """Refuse a name that nobody signs in with."""
    if session.scalar(select(Staff.id).where(Staff.username == username, Staff.active)) is None:
        raise click.ClickException(f"expected the name of a person who may sign in, got {username[:40]!r}")
