"""Continuity: an account's accepted statements in their order, each opening where the one before it closed."""

from collections.abc import Sequence

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session

from reconciliation.statements import Statement


def gap(session: Session, statement: Statement) -> str:
    """Return in words how the balances break the account's chain of accepted statements; "" when they agree.

    Statements of one day are ordered by sequence and page; where a bank gives neither, any of that day may be next.
    """
    if statement.kind != "statement" or statement.closing_on is None:
        return ""
    chain = {"bank": statement.bank, "account": statement.account_hash, "currency": statement.currency,
             "id": statement.id, "on": statement.closing_on, "sequence": statement.sequence or 0,
             "page": statement.page}  # fmt: skip
    before = session.execute(text(_NEIGHBOURS.format(side="<", last="DESC")), chain).all()
    opening, closing = statement.opening_minor, statement.closing_minor
    if opening is not None and _apart(opening, [(row.strict, row.closing_minor) for row in before]):
        said = (
            f"expected the opening balance {before[0].closing_minor} at which statement {before[0].statement_id} closed"
        )
        return f"{said}, got {opening}"
    after = session.execute(text(_NEIGHBOURS.format(side=">", last="ASC")), chain).all()
    if closing is not None and _apart(closing, [(row.strict, row.opening_minor) for row in after]):
        said = (
            f"expected the closing balance {after[0].opening_minor} at which statement {after[0].statement_id} opened"
        )
        return f"{said}, got {closing}"
    return ""


def _apart(balance: int, neighbours: Sequence[tuple[bool, int]]) -> bool:
    """Tell whether there is a neighbour in the chain and none that `balance` joins."""
    return any(strict for strict, _ in neighbours) and balance not in {other for _, other in neighbours}


APART = """
    WITH chain AS (
        SELECT bank, account_hash, currency, opening_minor, closing_minor, id,
            dense_rank() OVER (PARTITION BY bank, account_hash, currency
                               ORDER BY closing_on, coalesce(sequence, 0), page) AS place
        FROM statements WHERE kind = 'statement' AND state = 'accepted' AND closing_on IS NOT NULL
            AND opening_minor IS NOT NULL AND closing_minor IS NOT NULL
    )
    SELECT count(*) FROM chain s WHERE place > 1 AND NOT EXISTS (
        SELECT 1 FROM chain t
        WHERE (t.bank, t.account_hash, t.currency) = (s.bank, s.account_hash, s.currency) AND t.id <> s.id
          AND t.place IN (s.place, s.place - 1) AND t.closing_minor = s.opening_minor)
"""
"""Counts openings that no closing leads to, as `gap` judges: of statements before, or of the same unordered place."""

# The accepted statements next to one, and those that stand in the same place of the chain because nothing orders them.
_NEIGHBOURS = """
    WITH others AS (
        SELECT statement_id, opening_minor, closing_minor, (closing_on, coalesce(sequence, 0), page) AS place
        FROM statements
        WHERE bank = :bank AND account_hash = :account AND kind = 'statement' AND state = 'accepted'
          AND currency = :currency AND id <> :id AND opening_minor IS NOT NULL AND closing_minor IS NOT NULL
    ), next AS (
        SELECT place FROM others
        WHERE place {side} (CAST(:on AS date), CAST(:sequence AS bigint), CAST(:page AS bigint))
        ORDER BY place {last} LIMIT 1
    )
    SELECT statement_id, opening_minor, closing_minor,
        coalesce(place = (SELECT place FROM next), false) AS strict FROM others
    WHERE place = (SELECT place FROM next)
       OR (place = (CAST(:on AS date), CAST(:sequence AS bigint), CAST(:page AS bigint)))
    ORDER BY strict DESC
"""


OVERLAPS = "expected lines that no statement has shown yet"
"""How the reason of a statement begins that is held for nothing else but its lines and its place in the chain."""

# How often each line of a statement stands in one that was accepted before, the lines of its own other pages left out:
# equal rows are counted off against each other, so that two real ones on a day don't make an overlap of three.
_OVERLAP = """
    WITH lines AS (
        SELECT bank_reference, booked_on, minor, currency, count(*) AS often FROM statement_lines
        WHERE statement_id = :id AND counts AND bank_reference <> ''
        GROUP BY 1, 2, 3, 4
    ), known AS (
        SELECT s.id, s.statement_id, l.bank_reference, l.booked_on, l.minor, l.currency, count(*) AS often
        FROM statement_lines l JOIN statements s ON s.id = l.statement_id
        WHERE l.bank_reference IN (SELECT bank_reference FROM lines) AND l.counts AND s.state = 'accepted'
          AND s.bank = :bank AND s.account_hash = :account AND s.id <> :id
          AND (s.statement_id, s.year) <> (:statement_id, :year)
        GROUP BY 1, 2, 3, 4, 5, 6
    )
    SELECT k.statement_id, sum(least(k.often, l.often))::bigint AS lines
    FROM lines l JOIN known k ON (k.bank_reference, k.minor, k.currency) = (l.bank_reference, l.minor, l.currency)
        AND k.booked_on IS NOT DISTINCT FROM l.booked_on
    GROUP BY k.id, k.statement_id ORDER BY 2 DESC, 1
"""


def overlap(session: Session, statement: Statement) -> str:
    """Return in words how many lines stand in accepted statements of the account already; "" when none does.

    A line is known by the bank's own reference with its day and amount. Without a reference nothing tells a line sent
    again from a second real one: there the balances decide.
    """
    if statement.kind != "statement":
        return ""
    this = {"id": statement.id, "bank": statement.bank, "account": statement.account_hash, "year": statement.year,
            "statement_id": statement.statement_id}  # fmt: skip
    rows = session.execute(text(_OVERLAP), this).all()
    if not rows:
        return ""
    named = ", ".join(f"{row.lines} of statement {row.statement_id}" for row in rows[:3])
    more = f" and lines of {len(rows) - 3} more" if len(rows) > 3 else ""
    return f"{OVERLAPS}, got {named}{more}"


def following(session: Session, statements: Sequence[Statement]) -> list[Statement]:
    """Return the accepted statements that come after any of `statements` in their account's chain, the nearest first.

    Where nothing orders the statements of a day, one follows on from another if it opens where that one closed.
    """
    known = {one.id for one in statements}
    found: list[Statement] = []
    todo = list(statements)
    while todo:
        one = todo.pop()
        if one.kind != "statement" or None in (one.closing_on, one.opening_minor, one.closing_minor):
            continue
        place = tuple_(Statement.closing_on, func.coalesce(Statement.sequence, 0), Statement.page)
        own = tuple_(one.closing_on, one.sequence or 0, one.page)
        after = session.scalars(
            select(Statement)
            .where(
                Statement.bank == one.bank, Statement.account_hash == one.account_hash,
                Statement.currency == one.currency, Statement.kind == "statement", Statement.state == "accepted",
                Statement.id.not_in(known), Statement.opening_minor.is_not(None), Statement.closing_minor.is_not(None),
                (place > own) | ((place == own) & (Statement.opening_minor == one.closing_minor)),
            )
            .order_by(place, Statement.id)
        ).all()  # fmt: skip
        known |= {each.id for each in after}
        found += after
        todo += after
    return found


# A statement opens where the last accepted one before it closed, or where one does that nothing orders against it.
_BROKEN = """
    SELECT s.id FROM statements s CROSS JOIN LATERAL (
        SELECT t.closing_on, coalesce(t.sequence, 0) AS sequence, t.page FROM statements t
        WHERE (t.bank, t.account_hash, t.currency) = (s.bank, s.account_hash, s.currency) AND t.id <> s.id
          AND t.kind = 'statement' AND t.state = 'accepted' AND t.closing_on <= s.closing_on
          AND t.opening_minor IS NOT NULL AND t.closing_minor IS NOT NULL
          AND (t.closing_on, coalesce(t.sequence, 0), t.page) < (s.closing_on, coalesce(s.sequence, 0), s.page)
        ORDER BY t.closing_on DESC, coalesce(t.sequence, 0) DESC, t.page DESC LIMIT 1
    ) before
    WHERE s.id = ANY(:ids) AND s.kind = 'statement' AND s.opening_minor IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM statements t
        WHERE (t.bank, t.account_hash, t.currency) = (s.bank, s.account_hash, s.currency) AND t.id <> s.id
          AND t.kind = 'statement' AND t.state = 'accepted' AND t.closing_minor = s.opening_minor
          AND t.closing_on IN (s.closing_on, before.closing_on)
          AND (t.closing_on, coalesce(t.sequence, 0), t.page) IN (
              (s.closing_on, coalesce(s.sequence, 0), s.page), (before.closing_on, before.sequence, before.page)))
    ORDER BY s.id
"""


def broken(session: Session, ids: Sequence[int]) -> list[int]:
    """Return which of the statements `ids`, in whatever state, do not open where the account's last one closed.

    The first of an account, and one without balances, breaks nothing.
    """
    return list(session.scalars(text(_BROKEN), {"ids": list(ids)}))
