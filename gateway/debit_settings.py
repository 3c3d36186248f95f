"""How one bank is asked to debit: the form of its file, in whose name, what it takes at once, what its codes mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from banks.collections.debit_table import DebitTable
from banks.collections.debit_table_declared import debit_table_from, recall_table_from
from banks.collections.debits import Creditor
from banks.collections.reasons import own_reasons_from
from banks.errors import Misconfigured
from gateway import setting_kinds as kinds
from gateway.setting_tables import SettingsError, Table
from reconciliation.debit_limits import FileLimits

PAIN_008 = "pain.008.001."
TABLE = "table"
FORMATS = (f"{PAIN_008}02", f"{PAIN_008}08", TABLE)


@dataclass(frozen=True, slots=True)
class DebitSettings:
    """`creditor_id` is what the bank knows us by, `debtor_bank` its own BIC or clearing member id.

    `max_debits`, `max_total` and `max_debit` (đồng) are what it takes in a file and in a debit; None where it sets no
    limit. A file leaves from `lead_days` before its day on. `table` and `recall_table` are the forms of a bank that
    takes no pain.008 and no camt.055, `reasons` maps codes of the bank's own to those of ISO 20022. With
    a `url` files are pushed to the bank's interface, and debits asked after there, instead of put on its server.
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
    url: str | None = field(default=None, repr=False)
    table: DebitTable | None = None
    recall_table: DebitTable | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def creditor(self) -> Creditor:
        """Who collects."""
        return Creditor(self.creditor_name, self.creditor_account, self.creditor_bank, self.creditor_id)

    @property
    def limits(self) -> FileLimits:
        """What the bank takes at once."""
        return FileLimits(self.max_debits, self.max_total, self.max_debit)


_KEYS = {
    "creditor_id": kinds.LINE,
    "creditor_name": kinds.LINE,
    "creditor_account": kinds.LINE,
    "creditor_bank": kinds.LINE,
    "debtor_bank": kinds.LINE,
    "format": kinds.choice(*FORMATS),
    "lead_days": kinds.whole(0, 5),
    "url": kinds.address("http", "https"),
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
    form, recalls, reasons = (inner.table(key).values for key in ("table", "recall_table", "reasons"))
    inner.finish()
    for key, given in (("table", form), ("recall_table", recalls)):
        if bool(given) != (values.get("format") == TABLE):
            raise SettingsError(
                f'{table.where}: {inner.path}.{key}: expected a table together with format = "{TABLE}", got'
                f" {'one' if given else 'none'} with {values.get('format', FORMATS[0])!r}"
            )
    try:
        return DebitSettings(
            table=debit_table_from(form) if form else None,
            recall_table=recall_table_from(recalls) if recalls else None,
            reasons=own_reasons_from(reasons),
            **values,
        )
    except Misconfigured as wrong:
        raise SettingsError(f"{table.where}: {table.path}.{wrong}") from None
