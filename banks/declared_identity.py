"""Which event a signed text without bounds tells of: its id ends where the moment of payment begins."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from banks.declared_fields import Fields
from banks.declared_moments import MomentForm
from banks.errors import Unreadable

_AROUND = timedelta(days=10 * 366)
"""How far a moment may be from now to count as a second one: a true call must not read otherwise years later."""


def check_ids_told(fields: Fields, ids: Sequence[str]) -> None:
    """Raise Unreadable naming the first of the fields `ids` that says nothing."""
    for path in ids:
        if not fields.text(path):
            raise Unreadable("expected an id of the event, got nothing", path)


def check_one_moment(text: str, form: MomentForm, place: str, now: datetime) -> None:
    """Raise Unreadable naming `place` when a moment also stands elsewhere in the signed `text`.

    The text begins with an id of at least one character and a moment, and nothing stands between its parts: with a
    moment at another place it would be that of a shorter or longer id too.
    """
    shape = re.compile(f"(?=({re.sub('[0-9]', '[0-9]', re.escape(form.write(now)))}))")
    moments = (match for match in shape.finditer(text, 1) if _is_near(match[1], form, now))
    if len(list(islice(moments, 2))) > 1:
        raise Unreadable(
            "expected one moment in the signed text, got several, so that it could be read in two ways", place
        )


def _is_near(written: str, form: MomentForm, now: datetime) -> bool:
    try:
        return abs(form.read(written, "") - now) < _AROUND
    except Unreadable:
        return False
