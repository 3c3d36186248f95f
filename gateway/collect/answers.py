"""Answers of `/collect/v1`: every code with its HTTP status and its words, in one table, and the bodies around them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from banks.errors import Unreadable
from banks.records import Answer
from banks.vietnam_time import VIETNAM
from reconciliation.counter import Owing, Paid, Refused, Reversing

OK = "ok"
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Said:
    """How a code is said: its HTTP status, and one sentence in each language."""

    status: int
    vi: str
    en: str


CODES: Mapping[str, Said] = {
    "nothing_due": Said(200, "Khách hàng không còn nợ hóa đơn nào.", "The customer owes no bill."),
    "unreadable": Said(400, "Nội dung yêu cầu không đúng mẫu.", "The request does not have the documented form."),
    "unproven": Said(
        401,
        "Không chữ ký nào khớp với yêu cầu, hoặc thời điểm ký quá xa.",
        "No signature fits the request, or it was signed too long ago.",
    ),
    "unknown_customer": Said(404, "Không có mã khách hàng này.", "There is no such customer code."),
    "unknown_bill": Said(404, "Không có hóa đơn này.", "There is no such bill."),
    "unknown_payment": Said(404, "Không có giao dịch nào với số tham chiếu này.", "No payment has this reference."),
    "already_paid": Said(409, "Hóa đơn đã được thanh toán.", "The bill is paid already."),
    "bill_withdrawn": Said(409, "Hóa đơn đã bị hủy hoặc thay thế.", "The bill was cancelled or replaced."),
    "conflict": Said(
        409,
        "Số tham chiếu đã dùng cho nội dung khác.",
        "The reference was used before with other content.",
    ),
    "reversed": Said(409, "Giao dịch với số tham chiếu này đã bị hủy.", "The payment of this reference was reversed."),
    "not_settled": Said(
        409,
        "Không thể ghi nhận khoản này cho hóa đơn; chưa ghi nhận gì.",
        "The bill can't be settled by this payment; nothing was booked.",
    ),
    "confirmed": Said(
        409,
        "Sao kê đã có giao dịch này, không hủy được nữa.",
        "A statement has shown the payment; it can't be reversed here any more.",
    ),
    "too_late": Said(
        409,
        "Chỉ hủy được trong ngày thanh toán.",
        "A payment can be reversed only on the day it was made.",
    ),
    "too_large": Said(413, "Yêu cầu quá lớn.", "The request is larger than we accept."),
    "wrong_amount": Said(422, "Số tiền không đúng với số còn nợ.", "The amount is not exactly what is owed."),
    "too_many": Said(429, "Vấn tin quá nhiều, vui lòng chờ.", "Too many inquiries; please wait."),
    "busy": Said(
        503,
        "Hệ thống đang bận, vui lòng gửi lại đúng yêu cầu này.",
        "We can't answer at the moment; please send the same request again.",
    ),
}


def refusal(code: str, language: str, *, expected: str = "", got: str = "", where: str = "") -> Answer:
    """Return a refusal; `where` names the field it is about."""
    return _said(code, language, {"where": where, "expected": expected, "got": got})


def refused(error: Refused, language: str) -> Answer:
    """Return how the rules' refusal is told."""
    return refusal(error.code, language, expected=error.expected, got=error.got)


def unreadable(error: Unreadable, language: str) -> Answer:
    """Return what is wrong with a request's form, and where."""
    expected, _, got = error.reason.removeprefix("expected ").partition(", got ")
    if error.reason == expected:  # such as "not JSON: …": it names no wish of its own
        expected, got = "a JSON object in UTF-8", error.reason
    return refusal("unreadable", language, expected=expected, got=got, where=error.place)


def owing(found: Owing, language: str) -> Answer:
    """Return what a customer owes, oldest bill first."""
    customer = {"code": found.customer_code, "name": found.name, "office": found.office}
    bills = [
        {
            "number": bill.number,
            "payment_code": bill.payment_code,
            "period": bill.period,
            "kwh": bill.kwh,
            "amount": bill.minor,
            "due_on": bill.due_on.isoformat(),
        }
        for bill in found.owed
    ]
    if bills:
        return _answer(200, {"code": OK, "customer": customer, "bills": bills})
    return _said("nothing_due", language, {"customer": customer, "bills": []})


def paid(done: Paid) -> Answer:
    """Return the word that a payment is taken: the same in every language, because it is repeated word for word."""
    bill = {"number": done.bill_number, "payment_code": done.payment_code}
    return _answer(
        200,
        {
            "code": OK,
            "state": "paid",
            "reference": done.reference,
            "bill": bill,
            "amount": done.minor,
            "paid_at": done.paid_at.astimezone(VIETNAM).isoformat(),
        },
    )


def reversed_(done: Reversing) -> Answer:
    """Return the word that a payment is taken back."""
    return _answer(200, {"code": OK, "state": "reversed", "reference": done.reference, "reason": done.reason})


def unknown(reference: str) -> Answer:
    """Return the word that a reference was never paid under."""
    return _answer(200, {"code": OK, "state": "unknown", "reference": reference})


def _said(code: str, language: str, content: Mapping[str, object]) -> Answer:
    said = CODES[code]
    message = said.en if language == "en" else said.vi
    return _answer(said.status, {"code": code, "message": message, **content})


def _answer(status: int, content: Mapping[str, object]) -> Answer:
    return Answer(status, _JSON, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
