"""Every table in one place, for migrations and for tests that compare them with the database."""

from reconciliation import (
    audit,
    bank_days,
    bill_holds,
    bills,
    closes,
    customers,
    debit_days,
    debit_notices,
    debit_recalls,
    debit_rules,
    debits,
    fees,
    inbox,
    ledger,
    lifecycle,
    links,
    lump_choices,
    lump_sums,
    mandates,
    marks,
    mismatches,
    outbox,
    payments,
    placements,
    policies,
    remarks,
    returns,
    settlements,
    staff,
    statements,
    tariffs,
)
from reconciliation.db import metadata

__all__ = [
    "audit", "bank_days", "bill_holds", "bills", "closes", "customers", "debit_days", "debit_notices", "debit_recalls",
    "debit_rules", "debits", "fees", "inbox", "ledger", "lifecycle", "links", "lump_choices", "lump_sums", "mandates",
    "marks", "metadata", "mismatches", "outbox", "payments", "placements", "policies", "remarks", "returns",
    "settlements", "staff", "statements", "tariffs",
]  # fmt: skip
