"""Mandates to practise on: one for each customer who pays by auto-debit, as the CSV an importer reads."""

import csv
import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import TextIO

from banks.sandbox.bills import SandboxBill

COLUMNS = (
    "bank,reference,customer_code,account,cap,valid_from,valid_to,consent_text,consent_at,consent_channel,assisted_by,"
    "state"
).split(",")
_CHANNELS = ("app", "counter", "paper", "web")
_ROUND = 500_000


def write_mandates_csv(stream: TextIO, bills: Iterable[SandboxBill]) -> int:
    """Write the mandates by which `bills` are to be debited, always the same ones for the same bills; return how many.

    A cap is three times the customer's first bill, rounded up to half a million đồng. One in twenty is paused.
    """
    written = csv.writer(stream, lineterminator="\n")
    written.writerow(COLUMNS)
    payers = {bill.customer_code: bill for bill in reversed(list(bills)) if bill.bank}
    for number, (code, bill) in enumerate(sorted(payers.items())):
        account = f"19{int.from_bytes(hashlib.blake2b(code.encode(), digest_size=5).digest()) % 10**10:010}"
        agreed = bill.issued_on - timedelta(days=300 + number % 60)
        channel = _CHANNELS[number % len(_CHANNELS)]
        written.writerow([
            bill.bank, f"UQ-{code}", code, account, -(-3 * bill.amount // _ROUND) * _ROUND, agreed + timedelta(days=7),
            "", "UQ-2026-1", f"{agreed} 09:{number % 60:02}", channel, "Điện lực" if channel == "counter" else "",
            "paused" if number % 20 == 19 else "active",
        ])  # fmt: skip
    return len(payers)
