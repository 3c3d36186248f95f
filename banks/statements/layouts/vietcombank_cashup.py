"""Vietcombank's CashUp statement: several accounts one below the other, the day and the document number in one cell.

Seen in third-party readers, not confirmed by the bank: sheets named `VCBACCOUNTDETAIL…`; headers in two languages, with
line breaks inside the cell; "31/10/2026⏎5243.65937" is a day and a document number.
"""

from banks.statements.layout import Layout

_DAY_AND_DOCUMENT = (
    "Ngày GD/ TNX Date Số CT/ Doc No",
    "Ngày giao dịch/ Số chứng từ",
    "Ngày giao dịch Số CT",
    "Ngày giao dịch",
    "Ngày GD",
)

LAYOUT = Layout(
    name="vietcombank_cashup",
    title="Vietcombank CashUp",
    columns={
        "booked_on": _DAY_AND_DOCUMENT,
        "bank_reference": _DAY_AND_DOCUMENT,
        "debit": ("Số tiền ghi nợ",),
        "credit": ("Số tiền ghi có",),
        "balance": ("Số dư",),
        "narrative": ("Nội dung chi tiết", "Nội dung", "Diễn giải"),
    },
    optional=frozenset({"balance"}),
    dates=("dd/mm/yyyy",),
    thousands=",",
    decimal=".",
)
