"""How one bank is asked to debit: which form its file has, in whose name, and what it takes at once."""

from dataclasses import dataclass

from gateway import setting_kinds as kinds
from gateway.setting_tables import Table

FORMATS = ("pain.008.001.02", "pain.008.001.08")


@dataclass(frozen=True, slots=True)
class DebitSettings:
    """`creditor_id` is what the bank knows us by, `debtor_bank` its own BIC or clearing member id.

    `max_debits`, `max_total` and `max_debit` (đồng) are what it takes in a file and in a debit; None where it sets no
    limit. A file leaves from `lead_days` before its day on.
    """

    creditor_id: str
    creditor_name: str
    creditor_account: str
    creditor_bank: str
    debtor_bank: str
    format: str = FORMATS[0]
    lead_days: int = 0
    max_debits: int | None = None
    max_total: int | None = None
    max_debit: int | None = None


_KEYS = {
    "creditor_id": kinds.LINE,
    "creditor_name": kinds.LINE,
    "creditor_account": kinds.LINE,
    "creditor_bank": kinds.LINE,
    "debtor_bank": kinds.LINE,
    "format": kinds.choice(*FORMATS),
    "lead_days": kinds.whole(0, 5),
    "max_debits": kinds.whole(1, 1_000_000),
    "max_total": kinds.whole(1, 10**15),
    "max_debit": kinds.whole(1, 10**12),
}
_NEEDED = ("creditor_id", "creditor_name", "creditor_account", "creditor_bank", "debtor_bank")


def debit_settings(table: Table) -> DebitSettings:
    """Read the sub-table `debits` of a bank's table; raise SettingsError."""
    inner = table.table("debits")
    values = inner.take(_KEYS)
    inner.need(values, *_NEEDED)
    inner.finish()
    return DebitSettings(**values)
