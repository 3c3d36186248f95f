"""How the sandbox banks tell a transaction: the unsigned callback in each bank's form, and the line on a statement."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from banks.money import dong
from banks.records import RawRequest, StatementLine
from banks.sandbox.transactions import LOCAL, Transaction


@dataclass(frozen=True, slots=True)
class PlannedCallback:
    """One sending of one event. Repeats have the same `event_id` and the very same `request`; `at` is in UTC.

    `event_id` tells the sandbox's events apart; what a profile calls the event is for the profile to say.
    `request` is unsigned: the caller signs it when it sends it. `paid` is False for an attempt that moved no money.
    """

    at: datetime
    bank: str
    profile: str
    event_id: str
    reference: str
    paid: bool
    request: RawRequest


def callback(transaction: Transaction) -> PlannedCallback:
    """Return the first sending of what `transaction`'s bank says of it; ValueError when the bank never calls."""
    if transaction.called_at is None:
        raise ValueError(f"expected a transaction that is called, got {transaction.reference}")
    event_id, request = _FORMS[transaction.bank.profile](transaction, transaction.called_at)
    return PlannedCallback(
        at=transaction.called_at,
        bank=transaction.bank.name,
        profile=transaction.bank.profile,
        event_id=event_id,
        reference=transaction.reference,
        paid=transaction.moved,
        request=request,
    )


def line(transaction: Transaction, entry: int) -> StatementLine:
    """Return `transaction` as the statement's entry number `entry`; ValueError when it was never booked."""
    if transaction.booked_on is None:
        raise ValueError(f"expected a booked transaction, got {transaction.reference}")
    return StatementLine(
        entry=entry,
        transaction=1,
        amount=dong(transaction.minor),
        booked_on=transaction.booked_on,
        value_on=transaction.booked_on,
        bank_reference=transaction.reference,
        end_to_end_id=transaction.end_to_end_id,
        counterparty=transaction.payer_name,
        counterparty_account=transaction.payer_account,
        narrative=transaction.narrative,
    )


def _standard(transaction: Transaction, at: datetime) -> tuple[str, RawRequest]:
    # A bank knows the bill only where it was told it: in a debit's order. A payer's transfer has nothing but its text.
    bill = transaction.bill if transaction.end_to_end_id else None
    data = {
        "transaction_id": transaction.reference,
        "amount": transaction.minor,
        "currency": "VND",
        "paid_at": transaction.paid_at.astimezone(LOCAL).isoformat(),
        "channel": transaction.channel,
        "payment_code": bill.payment_code if bill else "",
        "customer_code": bill.customer_code if bill else "",
        "end_to_end_id": transaction.end_to_end_id,
        "bank_reference": transaction.reference,
        "narrative": transaction.narrative,
        "payer_account": transaction.payer_account,
    }
    event = {"type": "payment.received" if transaction.moved else "payment.failed", "data": data}
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    event_id = f"evt_{transaction.reference}"
    return event_id, RawRequest("POST", b"", {"webhook-id": event_id}, body, at)


def _vnpay(transaction: Transaction, at: datetime) -> tuple[str, RawRequest]:
    if transaction.bill is None or not transaction.moved:
        raise ValueError(f"expected a wallet payment of a bill, got {transaction.reference}")
    fields = {
        "vnp_Amount": str(transaction.minor * 100),
        "vnp_BankCode": "NCB",  # the test bank of the wallet's own sandbox
        "vnp_BankTranNo": f"VNP{transaction.reference}",
        "vnp_CardType": "ATM",
        "vnp_OrderInfo": transaction.order_info,
        "vnp_PayDate": f"{transaction.paid_at.astimezone(LOCAL):%Y%m%d%H%M%S}",
        "vnp_ResponseCode": "00",
        "vnp_TmnCode": "DIENLUC1",
        "vnp_TransactionNo": transaction.reference,
        "vnp_TransactionStatus": "00",
        "vnp_TxnRef": transaction.bill.payment_code,
    }
    event_id = f"{transaction.bill.payment_code}:{transaction.reference}"
    return event_id, RawRequest("GET", urlencode(fields).encode("ascii"), {}, b"", at)


_FORMS: Mapping[str, Callable[[Transaction, datetime], tuple[str, RawRequest]]] = {
    "standard": _standard,
    "vnpay": _vnpay,
}
