"""Debits to write in tests: the one they vary, and runs of them in the order of their heads."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import groupby

from banks.collections.debits import Creditor, Debit, GroupHead, SequenceType
from banks.money import dong

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
US = Creditor("CONG TY DIEN LUC SANDBOX", "190026112233", "BFTVVNVX", "PC07-CREDITOR")
DEBIT = Debit(
    end_to_end_id="HD2611000001-1", amount=dong(844_960), collect_on=date(2026, 11, 20), mandate_id="UQ-0001",
    mandate_signed_on=date(2025, 3, 1), debtor="NGUYỄN THỊ ÁNH", account="0011000999888", bank="970436",
    narrative="Tiền điện kỳ 11/2026 <PC07010912345> & thuế",
)  # fmt: skip
BANKS = ("970436", "ICBVVNVX", "BFTVVNVX001")


def many(count):
    """Return so many different debits of six groups, in the order of their groups."""
    return in_order(
        replace(
            DEBIT, end_to_end_id=f"HD26110{number:05}-1", amount=dong(100_000 + number), bank=BANKS[number % 3],
            collect_on=date(2026, 11, 20 + number % 3), sequence=list(SequenceType)[number % 2],
        )
        for number in range(count)
    )  # fmt: skip


def in_order(debits):
    return sorted(debits, key=_group)


def heads_of(debits):
    """Return what a database would know of `debits` beforehand."""
    found = [(group, list(members)) for group, members in groupby(debits, key=_group)]
    return [GroupHead(*group, len(members), sum(one.amount.minor for one in members)) for group, members in found]


def _group(debit):
    return debit.collect_on, debit.sequence
