"""Rows that name something which is not there: queries for the proof, where triggers stand in for foreign keys."""

_NAMES = (
    ("allocations", "payment_id", "payments"),
    ("allocations", "bill_id", "bills"),
    ("bills", "customer_id", "customers"),
    ("statement_lines", "payment_id", "payments"),
    ("messages", "customer_id", "customers"),
    ("messages", "bill_id", "bills"),
    ("messages", "payment_id", "payments"),
    ("statement_lines", "statement_id", "statements"),
)

BROKEN = {
    f"{table} of no {named}": f"""SELECT count(*) FROM {table} r LEFT JOIN {named} n ON n.id = r.{column}
        WHERE r.{column} IS NOT NULL AND n.id IS NULL"""  # noqa: S608 - from the constants above
    for table, column, named in _NAMES
}
