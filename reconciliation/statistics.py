"""The planner's statistics: brought up to date within a bulk load, whose rows nobody has counted yet.

Without them PostgreSQL expects one row of a statement it has just been given a hundred thousand of, and joins them by
nested loops: the time of pairing and matching then grows with the square of the lines.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

MANY = 1_000
"""Rows that make a load a bulk load: below it no plan is bad enough to be worth the look."""


def refresh(session: Session, loaded: int) -> None:
    """Count anew what pairing and matching read, if `loaded` rows make it worth it."""
    if loaded >= MANY:
        session.execute(text("SELECT refresh_statistics()"))


def refresh_grown(session: Session) -> None:
    """Count anew the tables that have changed by a third since they were counted, as far as that is committed."""
    session.execute(text("SELECT refresh_grown_statistics()"))
