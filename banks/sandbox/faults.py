"""The faults of a sandbox day: which mismatch codes are provoked, how often for N bills, and what each one looks like.

Every fault falls on a bill of its own (M12, M13 and M14 on none), so the gateway must count exactly these numbers:

| code | what the banks do | what the gateway must count |
|---|---|---|
| M01 | a callback, and no line on any statement (half auto-debit, half wallet) | one per payment, once its deadline has passed; the bill is paid and the customer told |
| M02 | a line quoting the payment code at a bank that calls back, and no callback | one per line; the bill is paid and the customer told |
| M03 | a transfer quoting the payment code with 1,000 đồng or more too little (first half) or too much; callback and line agree | one per payment; a short one leaves its bill part paid, an over one leaves the surplus unmatched; the customer is told |
| M04 | an auto-debit and hours later a wallet payment of the same bill, both called and booked | one per second payment, whose money stays unmatched; one SMS |
| M06 | an auto-debit and hours later a transfer at the same bank, both called and booked | as M04 |
| M08 | a transfer after the cut-off of D, booked on the next business day | one per payment, which clears itself with that day's statement; the customer is told |
| M12 | a deposit with no usable reference (a name, "chuyen tien", a code nobody has) and an open bill's amount; no callback | one per line and no M02; the money stays unmatched; no SMS |
| M13 | the wallet's statement of the next business day never arrives (no payment would be on it) | one, once the deadline has passed |
| M14 | the bank's statement of D again: byte for byte under another name, then with a new message id | one per file; no line and no đồng more |
"""  # noqa: E501 - a table's rows can't be wrapped

from collections.abc import Mapping
from dataclasses import dataclass

_PER_2000 = {"M01": 6, "M02": 8, "M03": 10, "M04": 4, "M06": 3, "M08": 12, "M12": 5}
# Two M03 at least: one short, one over.
_LEAST = {"M03": 2}
_FIXED = {"M13": 1, "M14": 2}
_PER = 2_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One provoked fault: its bill's number ("" for none), and the transactions or files that show it."""

    code: str
    bill: str
    references: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def counts(bills: int) -> Mapping[str, int]:
    """Return code → how many for a day of `bills` bills; never none of any kind."""
    scaled = {code: (bills * many + _PER // 2) // _PER for code, many in _PER_2000.items()}
    return {code: max(_LEAST.get(code, 1), many) for code, many in scaled.items()} | _FIXED
