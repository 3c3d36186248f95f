"""/api/v1/closes: a bank's days and months as two people closed them, version after version."""

from sqlalchemy import select

from gateway import close_desk
from gateway.api import kinds, paging, shapes
from gateway.api.kinds import Kind
from gateway.api.operations import Asked, Done, operation
from gateway.api.problems import Problem
from gateway.close_desk import Period
from reconciliation import closes
from reconciliation.closes import DAY, MONTH, Close
from reconciliation.lifecycle import CLOSE
from reconciliation.sealing import mask_numbers

_PERIODS = [DAY, MONTH]
_FIELDS = {
    "bank": shapes.TEXT, "period": shapes.one_of(_PERIODS), "day": {**shapes.DAY, "description": "Its first day."},
    "version": shapes.ID, "state": shapes.one_of(CLOSE.states), "entries": shapes.COUNT, "booked": shapes.AMOUNT,
    "digest": {**shapes.MAYBE_TEXT, "description": "SHA-256 over the figures and every item, as the minutes have it."},
    "balanced_by": shapes.MAYBE_TEXT, "balanced_at": shapes.MAYBE_MOMENT, "signed_by": shapes.MAYBE_TEXT,
    "signed_at": shapes.MAYBE_MOMENT, "reopened_by": shapes.MAYBE_TEXT, "reopened_at": shapes.MAYBE_MOMENT,
    "reopened_why": shapes.MAYBE_TEXT,
}  # fmt: skip
CLOSE_SCHEMA = shapes.of(**_FIELDS)
_WHOLE = shapes.of(
    **_FIELDS, figures={"type": "object", "description": "What was balanced, as the minutes show it."},
    versions=shapes.some(CLOSE_SCHEMA),
    obstacles={**shapes.some(shapes.TEXT), "description": "What keeps an open period from being balanced and signed."},
)  # fmt: skip
_EXAMPLE = {
    "bank": "standard", "period": "day", "day": "2026-11-17", "version": 1, "state": "signed", "entries": 412,
    "booked": 312450000, "digest": "5f1c…", "balanced_by": "lan", "balanced_at": "2026-11-18T02:00:00Z",
    "signed_by": "chi", "signed_at": "2026-11-18T03:00:00Z", "reopened_by": None, "reopened_at": None,
    "reopened_why": None,
}  # fmt: skip


def _period(written: str) -> str:
    return Period.read("", written).written


@operation(
    "GET", "/closes", "closes:read", name="listCloses", answer=paging.page_of(CLOSE_SCHEMA),
    example={"items": [_EXAMPLE], "next": None},
    query={
        "bank": kinds.BANK,
        "period": kinds.choice(_PERIODS),
        "state": kinds.choice(CLOSE.states),
        "since": kinds.day("Of this day or later."),
        "until": kinds.day("Of this day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List versions of closes, those begun last first."""
    wanted = select(Close.id).where(*paging.days(asked, Close.day))
    for name, column in (("bank", Close.bank), ("period", Close.period), ("state", Close.state)):
        if asked[name]:
            wanted = wanted.where(column == asked[name])
    return paging.page(asked, wanted, select(Close), Close.id, lambda row: written(row[0]))


@operation(
    "GET", "/closes/{bank}/{date}", "closes:read", name="getClose", answer=_WHOLE, problems=(404,),
    example={**_EXAMPLE, "figures": {}, "versions": [_EXAMPLE], "obstacles": []},
    inside={
        "bank": kinds.BANK,
        "date": Kind(
            {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"}, _period,
            "a day as 2026-11-18 or a month as 2026-11", "A day as 2026-11-18 or a month as 2026-11.",
        ),
    },
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return the last version of the close of a day or month, its figures, and every version there was.

    What keeps a period from being balanced and signed that nobody has closed stands in `obstacles`, and in the problem
    of one that nobody has begun to close.
    """
    period = Period.read(asked["bank"], asked["date"])
    found = closes.versions(asked.session, period.bank, period.kind, period.day)
    kept = bool(found) and found[-1].state in ("balanced", "signed")
    known = period.bank in asked.wiring.settings.banks
    in_the_way = [] if kept or not known else close_desk.obstacles(asked.session, asked.wiring, period)
    obstacles = [str(one) for one in in_the_way]
    if not found:
        expected = "expected a bank's day or month that somebody has begun to close"
        raise Problem(404, "no such close", [expected, *obstacles])
    versions = [written(each) for each in found]
    return Done({**written(found[-1]), "figures": found[-1].figures, "versions": versions, "obstacles": obstacles})


def written(close: Close) -> dict[str, object]:
    """Return one version as it is told."""
    return {
        "bank": close.bank, "period": close.period, "day": shapes.day(close.day), "version": close.version,
        "state": close.state, "entries": close.entries, "booked": close.booked_minor, "digest": close.digest or None,
        "balanced_by": close.maker or None, "balanced_at": shapes.moment(close.made_at),
        "signed_by": close.checker or None, "signed_at": shapes.moment(close.signed_at),
        "reopened_by": close.reopened_by or None, "reopened_at": shapes.moment(close.reopened_at),
        "reopened_why": mask_numbers(close.reopened_why) or None,
    }  # fmt: skip
