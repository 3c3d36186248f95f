"""Vietcombank's account history as a workbook: one column of amounts, and a sign beside it.

Seen in third-party readers, not confirmed by the bank: a header row `Ngày giao dịch`, a table that ends at `Tổng`,
amounts as text with commas. The sheet has no running balance; opening and closing stand outside the table, if at all.
"""

from banks.statements.layout import Layout

LAYOUT = Layout(
    name="vietcombank",
    title="Vietcombank (account history)",
    columns={
        "booked_on": ("Ngày giao dịch",),
        "bank_reference": ("Số tham chiếu", "Số chứng từ"),
        "mark": ("Thay đổi", "+/-", "Loại giao dịch"),
        "amount": ("Số tiền",),
        "narrative": ("Mô tả", "Diễn giải", "Nội dung"),
    },
    dates=("dd/mm/yyyy",),
    thousands=",",
    decimal=".",
)
