"""Every table in one place, for migrations and for tests that compare them with the database."""

from reconciliation import (
    audit,
    bank_days,
    bills,
    closes,
    customers,
    fees,
    inbox,
    ledger,
    lifecycle,
    links,
    lump_choices,
    lump_sums,
    mandate_codes,
    mandate_orders,
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
    "audit", "bank_days", "bills", "closes", "customers", "fees", "inbox", "ledger", "lifecycle", "links",
    "lump_choices", "lump_sums", "mandate_codes", "mandate_orders", "mandates", "marks", "metadata", "mismatches",
    "outbox", "payments", "placements", "policies", "remarks", "returns", "settlements", "staff", "statements",
    "tariffs",
]  # fmt: skip
