"""BIDV's account statement: the day it counts from, two columns of amounts, and a line with the old account number.

Seen in third-party readers, not confirmed by the bank: `Ngày hiệu lực`, `Ghi nợ`, `Ghi có`, `Mô tả`; the line `số tài
khoản cũ` names a number that is no account any more.
"""

from banks.statements.layout import Layout

LAYOUT = Layout(
    name="bidv",
    title="BIDV",
    columns={
        "booked_on": ("Ngày hiệu lực",),
        "debit": ("Ghi nợ",),
        "credit": ("Ghi có",),
        "balance": ("Số dư",),
        "bank_reference": ("Số tham chiếu", "Số CT", "Mã giao dịch"),
        "narrative": ("Mô tả",),
    },
    optional=frozenset({"balance", "bank_reference"}),
    dates=("dd/mm/yyyy",),
    thousands=",",
    decimal=".",
    ignored=("số tài khoản cũ",),
)
