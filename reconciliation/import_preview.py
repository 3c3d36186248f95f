"""What undoing an import would take back, counted without touching anything, for whoever is about to do it."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation.import_undo import HEARD, TOUCHED, Undone
from reconciliation.statements import Statement

# As `import_undo` sorts them: `again` waits for its line once more, `gone` stood on these statements alone.
_COUNTED = f"""
    SELECT count(*) FILTER (WHERE gone) AS denied, count(*) FILTER (WHERE again) AS reported,
        coalesce(sum(matches) FILTER (WHERE gone), 0) AS matches, coalesce(sum(told) FILTER (WHERE gone), 0) AS told
    FROM (
        SELECT again, NOT again AND (confirmed OR (state = 'reported' AND NOT told)) AS gone,
            (SELECT count(*) FROM allocations a WHERE a.payment_id = o.id AND a.undone_at IS NULL) AS matches,
            (SELECT count(*) FROM messages m WHERE m.payment_id = o.id AND {HEARD}) AS told
        FROM (SELECT t.id, t.state, t.confirmed, t.told, t.confirmed AND t.told AND NOT t.taken_back AS again
              FROM ({TOUCHED}) t) o
    ) c
"""  # noqa: S608 - put together from constants


MOST = 20_000
"""Lines of which it is counted what would go back while a person waits for the page."""


def preview(session: Session, gone: Sequence[Statement]) -> Undone:
    """Return what `import_undo.undo` would report of the statements that go back, as `import_undo.plan` tells them."""
    ids = [one.id for one in gone]
    counted = session.execute(text(_COUNTED), {"statements": ids}).mappings().one()
    return Undone(
        ids,
        sorted({one.delivery_id for one in gone}),
        sum(one.lines for one in gone),
        **{name: int(value) for name, value in counted.items()},
    )
