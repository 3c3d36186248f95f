"""Debit files and recalls for the sandbox bank, written by the code that writes them for a real one."""

import io
from datetime import UTC, datetime, time

from banks.collections import camt055, pain008
from banks.collections.debits import Creditor, Debit
from banks.collections.recalls import Recall, RecallHead, RecallReason
from banks.money import dong
from banks.sandbox.transactions import SandboxBank, at_local
from tests.banks.collections.asked import heads_of, in_order

BANK = SandboxBank("standard", "Ngân hàng Sao Mai", "standard", "190026112233", 1_000_000)
US = Creditor("CONG TY DIEN LUC SANDBOX", BANK.account, "BFTVVNVX", "PC07-CREDITOR")
MADE = datetime(2026, 11, 1, tzinfo=UTC)


def debit(number, day, *, minor=500_000, attempt=1):
    """Return one debit of payer `number`, whose account and mandate stay the same."""
    suffix = "" if attempt == 1 else f"/{attempt}"
    return Debit(
        f"HD2611-{number:05}{suffix}", dong(minor), day, f"UQ-{number:05}", MADE.date(), "NGUYỄN THỊ ÁNH",
        f"0011{number:08}", "970436", f"Tiền điện {number}",
    )  # fmt: skip


def debit_file(message_id, debits, creditor=US):
    out = io.BytesIO()
    debits = in_order(debits)
    pain008.write(out, debits, heads_of(debits), message_id=message_id, creditor=creditor, version="08", now=MADE)
    return out.getvalue()


def recall_file(message_id, of, debits):
    """Call off debits of one payment group, the first of the file `of`."""
    group = pain008.group_id(of, 1)
    recalls = [
        Recall(one.end_to_end_id, one.amount, one.collect_on, one.mandate_id, of, group, RecallReason.PAID)
        for one in debits
    ]
    out = io.BytesIO()
    head = RecallHead(of, group, len(recalls), sum(one.amount.minor for one in recalls))
    camt055.write(out, recalls, [head], message_id=message_id, creditor=US, version="08", now=MADE)
    return out.getvalue()


def morning(day):
    return at_local(day, time(7, 0))
