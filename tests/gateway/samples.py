"""Bills as billing writes them, callbacks and statements as banks make them: each is valid until a test changes it."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from banks.money import dong
from banks.profile import Signed, find
from banks.records import RawRequest, StatementLine
from banks.sandbox.statement_writer import write_camt053
from gateway.carrier_settings import CarrierSettings
from gateway.wiring import Carrier, Wiring
from sms.transport import Transport


def use_carriers(wiring: Wiring, *carriers: Transport, **settings: Any) -> None:
    """Have the gateway send by these carriers, with the same `settings` each."""
    made = {one.name: Carrier(CarrierSettings(one.name, "http", **settings), one) for one in carriers}
    wiring.__dict__["carriers"] = made


def code_of(number: int) -> str:
    """Return the payment code of the bill that `a_bill(number)` makes."""
    return f"PA{number:011}11126"


def a_bill(number: int = 1, **changes: object) -> dict[str, object]:
    """Return one row of the import: 100,000 đồng, no debit, a customer of its own."""
    row: dict[str, object] = {
        "number": f"HD2611-{number:07}", "version": "1", "customer_code": f"PA{number:011}",
        "office": "Điện lực Hồ Sen", "language": "vi", "phone": f"091234{number:04}", "consent": "1",
        "period": "11/2026", "kwh": "50", "charge": "90000", "tax": "9000", "arrears": "1000", "amount": "100000",
        "issued_on": "2026-11-16", "due_on": "2026-11-25", "charge_on": "", "bank": "", "payment_code": code_of(number),
    }  # fmt: skip
    return row | changes


def a_debit_bill(number: int = 1, **changes: object) -> dict[str, object]:
    """Return a bill that a bank is going to debit, so that its customer is owed a notice."""
    return a_bill(number, **{"bank": "standard", "charge_on": "2026-11-25", **changes})


def an_event(
    wiring: Wiring, reference: str = "FT1", *, ago: float = 0, event: str = "", top: dict[str, Any] | None = None,
    **changes: Any,
) -> Signed:  # fmt: skip
    """Sign a `standard` callback that reports a payment of the first bill."""
    data = {
        "transaction_id": reference, "amount": 100_000, "currency": "VND", "paid_at": "2026-11-18T08:59:00+07:00",
        "channel": "transfer", "payment_code": code_of(1),
    } | changes  # fmt: skip
    body = json.dumps({"type": "payment.received", "data": data, **(top or {})}).encode()
    raw = RawRequest("POST", b"", {"webhook-id": event or f"evt_{reference}"}, body, wiring.clock())
    secrets = wiring.callers["standard"].secrets
    return find("standard").sign(raw, secrets, wiring.clock() - timedelta(seconds=ago))


def an_ipn(wiring: Wiring, code: str, amount: int, number: str = "14000001", **changes: str) -> str:
    """Return the signed query of a `vnpay` callback."""
    fields = {
        "vnp_Amount": str(amount * 100), "vnp_TxnRef": code, "vnp_ResponseCode": "00", "vnp_TransactionStatus": "00",
        "vnp_TransactionNo": number, "vnp_PayDate": "20261118085900",
    } | changes  # fmt: skip
    raw = RawRequest("GET", urlencode(fields).encode(), {}, b"", datetime.fromisoformat("2026-11-18T02:00:00+00:00"))
    return find("vnpay").sign(raw, wiring.callers["vnpay"].secrets, raw.received_at).query.decode()


def a_statement(*paid: tuple[int, int], ref: str = "SK1", off: int = 0, on: date = date(2026, 11, 17)) -> bytes:
    """Write a camt.053 in which bills, by number, are paid with so many đồng; its closing is `off` by so much."""
    lines = [
        StatementLine(
            entry=at, transaction=1, amount=dong(minor), booked_on=on, value_on=on, bank_reference=f"{ref}-{at}",
            counterparty="TRAN THI MINH HUONG", narrative=f"TT TIEN DIEN {code_of(number)}",
        )
        for at, (number, minor) in enumerate(paid, 1)
    ]  # fmt: skip
    written = io.BytesIO()
    write_camt053(
        written, message_id=f"M-{ref}", statement_id=ref, account="190026112233", bank_name="Sao Mai", currency="VND",
        sequence=1, from_on=on, to_on=on, created_at=datetime(2026, 11, 18, 0, 30, tzinfo=UTC), opening=dong(0),
        lines=lines, closing=dong(sum(minor for _, minor in paid) + off),
    )  # fmt: skip
    return written.getvalue()
