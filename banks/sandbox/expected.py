"""The known numbers of a sandbox day: what the gateway must come to, worked out from what was planned."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from banks.sandbox.bills import SandboxBill
from banks.sandbox.faults import Fault
from banks.sandbox.files import PlannedFile
from banks.sandbox.notices import PlannedCallback
from banks.sandbox.transactions import Transaction


class Messages(TypedDict):
    """How many SMS must go out: one before each debit, one after each payment that settles something."""

    before: int
    after: int


class Expected(TypedDict):
    """The known numbers of the day; amounts in đồng.

    `callbacks` counts sendings, `events` the different events among them, `failed_debits` those that moved no money.
    `payments` are bank transactions heard of by any door. `matched` of them settle (a part of) a bill; `unmatched_vnd`
    is what is left over: surplus, second payments, unidentified deposits. `statement_lines` and `files` count what
    arrives, lines only once however often their file comes. Of the bills `part_paid_bills` are neither paid nor unpaid.
    """

    bills: int
    issued_vnd: int
    callbacks: int
    events: int
    failed_debits: int
    payments: int
    payments_vnd: int
    matched: int
    matched_vnd: int
    unmatched_vnd: int
    files: int
    statement_lines: int
    statement_vnd: int
    mismatches: dict[str, int]
    sms: Messages
    paid_bills: int
    part_paid_bills: int
    unpaid_bills: int


def expect(
    bills: Sequence[SandboxBill],
    transactions: Sequence[Transaction],
    sent: Sequence[PlannedCallback],
    files: Sequence[PlannedFile],
    found: Sequence[Fault],
) -> Expected:
    """Count what `transactions`, `sent`, `files` and the faults `found` among them must lead to."""
    payments = [each for each in transactions if each.moved]
    settled: dict[str, int] = {}
    for each in payments:
        if each.bill and each.settles:
            settled[each.bill.number] = settled.get(each.bill.number, 0) + each.settles
    paid = sum(settled.get(bill.number) == bill.amount for bill in bills)
    matched_vnd = sum(each.settles for each in payments)
    payments_vnd = sum(each.minor for each in payments)
    lines = [line for file in files if not file.repeats for line in file.lines]
    told = sum(each.settles > 0 and each.bill is not None and each.bill.reachable for each in payments)
    return Expected(
        bills=len(bills),
        issued_vnd=sum(bill.amount for bill in bills),
        callbacks=len(sent),
        events=len({(each.bank, each.event_id) for each in sent}),
        failed_debits=len(transactions) - len(payments),
        payments=len(payments),
        payments_vnd=payments_vnd,
        matched=sum(each.settles > 0 for each in payments),
        matched_vnd=matched_vnd,
        unmatched_vnd=payments_vnd - matched_vnd,
        files=len(files),
        statement_lines=len(lines),
        statement_vnd=sum(line.amount.minor for line in lines),
        mismatches=dict(sorted(Counter(fault.code for fault in found).items())),
        sms=Messages(before=sum(bill.charge_on is not None and bill.reachable for bill in bills), after=told),
        paid_bills=paid,
        part_paid_bills=len(settled) - paid,
        unpaid_bills=len(bills) - len(settled),
    )
