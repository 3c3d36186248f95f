"""The sandbox bank reads what was ordered by itself, field by field."""

from datetime import date

import pytest

from banks.sandbox.debit_orders import Order, RecallItem, read_orders, read_recall
from tests.banks.sandbox.debit_files import BANK, debit, debit_file, recall_file

DAY = date(2026, 11, 2)


def test_orders():
    file = read_orders(debit_file("RUN-1", [debit(1, DAY), debit(2, DAY, minor=7)]), BANK.account)
    assert (file.message_id, file.format, file.count, file.total, file.fault) == (
        "RUN-1", "pain.008.001.08", "2", "500007", "",
    )  # fmt: skip
    assert file.orders[1] == Order(
        "RUN-1", "RUN-1-0001", "HD2611-00002", 7, DAY, "UQ-00002", "NGUYỄN THỊ ÁNH", "001100000002", "Tiền điện 2"
    )


def test_recalls():
    file = read_recall(recall_file("R-1", "RUN-1", [debit(1, DAY)]))
    assert file.message_id == "R-1"
    assert file.items == (RecallItem("RUN-1", "RUN-1-0001", "HD2611-00001", "PAID"),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<Document/>", "expected CstmrDrctDbtInitn within Document, got none"),
        (debit_file("R", [debit(1, DAY)]).replace(b"VND", b"USD"), "expected debits in VND, got USD"),
        (debit_file("R", [debit(1, DAY)]).replace(b"MndtId", b"Id"), "expected DrctDbtTx/MndtRltdInf/MndtId within"),
    ],
)
def test_what_is_no_order_is_named(data, said):
    with pytest.raises(ValueError, match=said):
        read_orders(data, BANK.account)


def test_a_recall_keeps_its_count():
    data = recall_file("R-1", "RUN-1", [debit(1, DAY)]).replace(b"<NbOfTxs>1<", b"<NbOfTxs>2<", 1)
    with pytest.raises(ValueError, match="expected 2 debits to call off, got 1"):
        read_recall(data)
