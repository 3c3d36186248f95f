"""The rounds of pairing: which payment each line of a statement proves, the surest evidence first."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import lump_sums, netted_fees, references, settling_lumps, statistics
from reconciliation.payments import UNDONE
from reconciliation.statements import Statement

# A full join is never done by looking at all of one side for each row of the other, whatever statistics say of tables
# that have just been filled: of a million lines that would take days.
_BY_REFERENCE = """
    WITH lines AS (
        SELECT id, {line_key} AS reference, reversal, minor, currency,
            row_number() OVER (PARTITION BY {line_key}, reversal{amount} ORDER BY entry, transaction) AS turn,
            count(*) OVER (PARTITION BY {line_key}, reversal) AS rows
        FROM statement_lines
        WHERE statement_id = :statement AND state = 'pending' AND minor > 0 AND {line_key} <> '' {of_keys}
    ), waiting AS (
        SELECT id, {payment_key} AS reference, reversal, minor, currency,
            row_number() OVER (PARTITION BY {payment_key}, reversal{amount} ORDER BY id) AS turn,
            count(*) OVER (PARTITION BY {payment_key}, reversal) AS rows
        FROM payments
        WHERE source = :bank AND {waiting} AND {payment_key} <> '' {of_these}
    )
    UPDATE statement_lines l SET payment_id = pairs.payment_id, state = 'matched'
    FROM (
        SELECT lines.id, w.id AS payment_id, lines.minor, lines.currency, lines.rows, w.minor AS told_minor,
            w.currency AS told_currency, w.rows AS told_rows
        FROM lines FULL JOIN waiting w USING (reference, reversal, turn) OFFSET 0
    ) pairs WHERE l.id = pairs.id {same}
"""
_SAME_AMOUNT = {
    "amount": ", minor, currency",
    "same": "AND told_minor = pairs.minor AND told_currency = pairs.currency",
}
_OTHER_AMOUNT = {"amount": ", currency", "same": "AND told_currency = pairs.currency AND told_rows = 1 AND rows = 1"}
"""A reference that stands on several rows is a batch's: it proves nothing once the amounts differ."""

# Both name the same bill over the same amount, and their references don't contradict each other.
_BY_CODE = """
    WITH pending AS MATERIALIZED (
        SELECT id, entry, transaction, reversal, minor, currency, quoted FROM statement_lines
        WHERE statement_id = :statement AND state = 'pending' AND minor > 0 AND quoted <> '{{}}' AND {line} {of_minors}
    ), waiting AS MATERIALIZED (
        SELECT id, reversal, minor, currency, quoted FROM {payments}
        WHERE source = :bank AND {waiting} AND quoted <> '{{}}' AND {payment} {of_these}
    ), lines AS (
        SELECT id, bill, reversal, minor, currency,
            row_number() OVER (PARTITION BY bill, reversal, minor, currency ORDER BY entry, transaction) AS turn
        FROM pending JOIN ({named_by_lines}) one USING (id) WHERE EXISTS (SELECT 1 FROM waiting)
    ), told AS (
        SELECT id AS payment_id, bill, reversal, minor, currency,
            row_number() OVER (PARTITION BY bill, reversal, minor, currency ORDER BY id) AS turn
        FROM waiting JOIN ({named_by_payments}) one USING (id)
    )
    UPDATE statement_lines l SET payment_id = pairs.payment_id, state = 'matched'
    FROM (
        SELECT id, payment_id FROM lines FULL JOIN told USING (bill, reversal, minor, currency, turn) OFFSET 0
    ) pairs WHERE l.id = pairs.id AND pairs.payment_id IS NOT NULL
"""

# The payments that may name a bill which one of these few lines names: no others are read, however many wait.
_NAMING_THE_SAME = f"""(
        SELECT * FROM payments
        WHERE quoted && ARRAY({references.naming_the_same("SELECT quoted FROM pending")}) OFFSET 0
    ) payments"""  # noqa: S608 - put together from constants

# A statement waits for payments it has not confirmed yet. A notice only recognises what is known already; the next
# one may repeat its lines, because intraday reports grow over the day.
_UNCONFIRMED = """
    state = 'reported' AND confirmed_minor = 0
    AND NOT EXISTS (SELECT 1 FROM statement_lines n WHERE n.payment_id = payments.id AND n.counts)
"""
_TAKEN_BACK = f"""
    state = 'denied' AND confirmed_minor = 0 AND NOT ({UNDONE})
    AND NOT EXISTS (SELECT 1 FROM statement_lines n WHERE n.payment_id = payments.id AND n.counts)
"""  # noqa: S608 - put together from constants, here and below
_UNNOTICED = f"""
    NOT ({UNDONE})
    AND NOT EXISTS (SELECT 1 FROM statement_lines n WHERE n.payment_id = payments.id AND n.statement_id = :statement)
"""  # noqa: S608 - put together from constants

IS_ANY_TAKEN_BACK = "SELECT EXISTS (SELECT 1 FROM payments WHERE source = :bank AND state = 'denied')"


@dataclass(frozen=True, slots=True)
class News:
    """What was heard of a bank's payments while a statement of it is being booked: references, and amounts."""

    references: list[str]
    end_to_end_ids: list[str]
    minors: list[int]


def pair(session: Session, statement: Statement, news: News | None = None) -> None:
    """Find the payment that each pending line proves; given `news`, only for lines that it may be about.

    A reference or an amount is then looked at whole, with all lines and payments that share it.
    """
    values: dict[str, object] = {"statement": statement.id, "bank": statement.bank}
    keys: dict[str, str] = {"bank_reference": "", "end_to_end_id": ""}
    of_minors = ""
    if news is not None:
        keys = {"bank_reference": "AND bank_reference = ANY(:references)",
                "end_to_end_id": "AND end_to_end_id = ANY(:end_to_end_ids)"}  # fmt: skip
        of_minors = "AND minor = ANY(:minors)"
        values |= {
            "references": news.references, "end_to_end_ids": news.end_to_end_ids, "minors": news.minors,
        }  # fmt: skip
    else:
        settling_lumps.set_aside(session, statement.id, statement.bank)
    counts = statement.kind == "statement"
    waiting = _UNCONFIRMED if counts else _UNNOTICED
    if counts and session.scalar(text(lump_sums.IS_ANY_LENT), values):
        waiting = f"(({_UNCONFIRMED}) OR {lump_sums.LENT})"

    # What waits is read whole with a statement of many lines; a few lines, or news, are about few of a bank's payments.
    whole = counts and news is None and statement.lines >= statistics.MANY

    def by_reference(line: str, payment: str, among: str, amount: dict[str, str]) -> None:
        query = _BY_REFERENCE.format(
            line_key=line, payment_key=payment, waiting=among, of_keys=keys[line],
            of_these="" if whole else f"AND {payment} IN (SELECT reference FROM lines)",  # noqa: S608 - a constant
            **amount,
        )  # fmt: skip
        session.execute(text(query), values)

    for line, payment in (
        ("bank_reference", "bank_reference"),
        ("bank_reference", "source_reference"),
        ("end_to_end_id", "end_to_end_id"),
    ):
        by_reference(line, payment, waiting, _SAME_AMOUNT)
    # Before the codes: a bill that was paid again must not lend its new payment to the line of the old one.
    if counts and session.scalar(text(IS_ANY_TAKEN_BACK), values):
        for payment in ("bank_reference", "source_reference"):
            by_reference("bank_reference", payment, _TAKEN_BACK, _SAME_AMOUNT)
    # Lines of a large statement that news may be about quote too much to be looked up by it.
    payments = "payments" if whole or news is not None else _NAMING_THE_SAME
    for line, payment in (("true", "bank_reference = ''"), ("bank_reference = ''", "true")):
        query = _BY_CODE.format(
            line=line, payment=payment, waiting=waiting, of_minors=of_minors, payments=payments,
            of_these="" if whole else "AND minor IN (SELECT minor FROM pending)",
            named_by_lines=references.naming_one_bill("id", "SELECT * FROM pending"),
            named_by_payments=references.naming_one_bill("id", "SELECT * FROM waiting"),
        )  # fmt: skip
        session.execute(text(query), values)
    if counts:
        netted_fees.pair(session, values, waiting)
    by_reference("bank_reference", "bank_reference", waiting, _OTHER_AMOUNT)
