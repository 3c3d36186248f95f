"""Who did something, in words: a person by their full name, a part of the house by what it does."""

from flask import g
from sqlalchemy import select

from gateway.admin import words
from gateway.request_session import db
from reconciliation.staff import Staff


def said(actor: str) -> str:
    """Return the name of whoever acted; the names of all people are read once a request."""
    if actor in words.ACTORS:
        return str(words.ACTORS[actor])
    if "staff_names" not in g:
        g.staff_names = {row.username: row.name for row in db().execute(select(Staff.username, Staff.name))}
    name: str = g.staff_names.get(actor, actor)
    return name
