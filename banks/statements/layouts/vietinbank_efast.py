"""VietinBank eFAST's transaction history: headers in two languages, balances above the table, a zero for no amount.

Seen in third-party readers, not confirmed by the bank: days as 31-03-2026 with a time, or with slashes; amounts as
numbers, or as text with commas. The running balance follows the transaction numbers, not the rows, so it is not
checked row by row.
"""

from banks.statements.layout import Layout

LAYOUT = Layout(
    name="vietinbank_efast",
    title="VietinBank eFAST",
    columns={
        "booked_on": ("Ngày hạch toán/Accounting date", "Ngày hạch toán"),
        "debit": ("Nợ/Debit", "Nợ"),
        "credit": ("Có/Credit", "Có"),
        "balance": ("Số dư TK", "Số dư"),
        "bank_reference": ("Số giao dịch",),
        "counterparty_account": ("Số tài khoản đối ứng",),
        "counterparty": ("Tên tài khoản đối ứng",),
        "narrative": ("Mô tả giao dịch",),
    },
    optional=frozenset({"balance", "counterparty", "counterparty_account"}),
    dates=("dd/mm/yyyy", "dd-mm-yyyy"),
    thousands=",",
    decimal=".",
    balance_by_row=False,
)
