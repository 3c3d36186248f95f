"""MB's account statement: a running balance beside each row, and a last row of totals that has no day.

Seen in third-party readers, not confirmed by the bank: `Ngày hạch toán`, `Phát sinh nợ`, `Phát sinh có`, `Số dư`,
`Nội dung` or `Diễn giải`.
"""

from banks.statements.layout import Layout

LAYOUT = Layout(
    name="mb",
    title="MB",
    columns={
        "booked_on": ("Ngày hạch toán",),
        "debit": ("Phát sinh nợ",),
        "credit": ("Phát sinh có",),
        "balance": ("Số dư",),
        "bank_reference": ("Số bút toán", "Số tham chiếu"),
        "counterparty": ("Đơn vị thụ hưởng/Đơn vị chuyển", "Đơn vị thụ hưởng"),
        "counterparty_account": ("Tài khoản",),
        "narrative": ("Nội dung", "Diễn giải"),
    },
    optional=frozenset({"bank_reference", "counterparty", "counterparty_account"}),
    dates=("dd/mm/yyyy",),
    thousands=",",
    decimal=".",
)
