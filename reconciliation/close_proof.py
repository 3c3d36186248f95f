"""The proof of signed closes: their days hold the entries that were signed, their figures are what two people saw."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation import day_figures
from reconciliation.closes import Close

COUNTED = """
    SELECT count(*) FILTER (WHERE period = 'day') AS days, count(*) FILTER (WHERE period = 'month') AS months,
        (SELECT count(*) FROM closes WHERE state = 'reopened') AS reopened, coalesce(sum(entries), 0) AS entries
    FROM closes WHERE state = 'signed'
"""
BROKEN = {
    "signed periods with other entries": """
        SELECT count(*) FROM closes c CROSS JOIN LATERAL (
            SELECT count(*) AS entries, coalesce(sum(e.minor), 0) AS minor FROM entries e
            WHERE e.bank = c.bank AND e.business_date BETWEEN c.day AND CASE c.period WHEN 'day' THEN c.day
                ELSE CAST(c.day + interval '1 month - 1 day' AS date) END
        ) now WHERE c.state = 'signed' AND (c.entries, c.booked_minor) <> (now.entries, now.minor)""",
    "signed by fewer than two": """
        SELECT count(*) FROM closes WHERE state IN ('signed', 'reopened') AND (checker IN ('', maker) OR maker = '')""",
    "reopened without a later version": """
        SELECT count(*) FROM closes c WHERE state = 'reopened' AND NOT EXISTS (SELECT 1 FROM closes n
            WHERE (n.bank, n.period, n.day) = (c.bank, c.period, c.day) AND n.version > c.version)""",
    "entries of another bank than their accounts": r"""
        SELECT count(*) FROM entries
        WHERE debit LIKE 'bank\:%' AND split_part(debit, '\:', 2) <> bank
           OR credit LIKE 'bank\:%' AND split_part(credit, '\:', 2) <> bank""",
    "with other items than were signed": f"""
        SELECT count(*) FROM closes c LEFT JOIN (
            SELECT close_id, {day_figures.DIGEST_OF_ROWS} AS items
            FROM (SELECT close_id, {day_figures.ITEM_ROW} AS row FROM close_items) rows GROUP BY close_id
        ) kept ON kept.close_id = c.id
        WHERE c.period = 'day' AND c.state IN ('signed', 'reopened') AND c.figures->>'items' <> coalesce(
            kept.items, encode(sha256(''), 'hex'))""",  # noqa: S608 - put together from constants
}


def changed(session: Session) -> int:
    """Return how many signed closes hold other figures than their digest says."""
    signed = select(Close.figures, Close.digest).where(Close.state.in_(["signed", "reopened"]))
    rows = session.execute(signed.execution_options(yield_per=100))
    return sum(day_figures.digest(row.figures) != row.digest for row in rows)
