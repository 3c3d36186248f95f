"""SpeedSMS against a server that plays it: its codes, its pace, and that nothing there is ever asked twice."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from sms.receipts import UnreadableReceipt
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Transport, Unsure
from sms.transports import speedsms
from sms.transports.speedsms import SpeedSmsTransport
from tests.sms.transports.servers import Asked, provider

MESSAGE = OutgoingSms("r-1", "+84912345678", "Dien luc TP Vinh: 844.960 d", "EVNNPC")
NOON = datetime(2026, 11, 29, 5, tzinfo=UTC)


def taken(**data: object) -> dict[str, object]:
    usual = {"tranId": 123456, "totalSMS": 1, "totalPrice": 250, "invalidPhone": []}
    return {"status": "success", "code": "00", "data": usual | data}


def send(url: str, *, read_seconds: float = 5) -> Accepted:
    with SpeedSmsTransport("t0ken", url=url, connect_seconds=2, read_seconds=read_seconds) as account:
        return account.send(MESSAGE)


def test_the_request_names_the_brand_and_signs_in_by_its_token() -> None:
    with provider(lambda _: (200, taken())) as server:
        assert send(server.url) == Accepted("123456")
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/index.php/sms/send")
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(b't0ken:x').decode()}"
    assert asked.content == {
        "to": ["84912345678"], "content": MESSAGE.text, "sms_type": 3, "sender": "EVNNPC",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "permanent", "halts"),
    [(code, False, True) for code in ("007", "008", "009", "300")]
    + [(code, True, False) for code in ("101", "105", "110", "113")],
)
def test_a_code_tells_a_message_at_fault_from_an_account(code: str, permanent: bool, halts: bool) -> None:
    answer = {"status": "error", "code": code, "message": "phone 84912345678", "invalidPhone": []}
    with provider(lambda _: (200, answer)) as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert (caught.value.permanent, caught.value.halts, caught.value.code) == (permanent, halts, code)
    assert "912345" not in str(caught.value)


def test_a_number_they_call_invalid_is_a_refusal() -> None:
    answer = taken(totalSMS=0, invalidPhone=["84912345678"])
    with provider(lambda _: (200, answer)) as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"status": "error", "code": "500", "message": "Internal error, please try again"}),
        (200, {"status": "success", "code": "00"}),
        (200, taken(tranId=None)),
        (200, {"code": "105"}),
        (200, b"<html>"),
        (500, b""),
        (422, b""),
    ],
)
def test_any_other_answer_proves_nothing(status: int, answer: object) -> None:
    with provider(lambda _: (status, answer)) as server, pytest.raises(Unsure):
        send(server.url)


def test_too_many_requests_are_refused_with_the_time_to_stay_away() -> None:
    said = {"name": "Too Many Requests", "message": "Rate limit exceeded.", "code": 0, "status": 429}
    asked: list[Asked] = []

    def answer(one: Asked) -> tuple[int, object]:
        asked.append(one)
        return (200, taken()) if len(asked) <= 60 else (429, said)

    with provider(answer, X_Rate_Limit_Reset="42") as server, SpeedSmsTransport("t0ken", url=server.url) as account:
        for _ in range(60):
            account.send(MESSAGE)
        with pytest.raises(Refused) as caught:
            account.send(MESSAGE)
    assert (caught.value.permanent, caught.value.wait) == (False, timedelta(seconds=42))
    assert caught.value.reason == "Rate limit exceeded."


def test_a_time_out_after_acceptance_is_unsure_for_good() -> None:
    with provider(lambda _: None) as server, pytest.raises(Unsure, match="ReadTimeout"):
        send(server.url, read_seconds=0.2)
    with SpeedSmsTransport("t0ken") as account:
        seen: Transport = account
        assert (seen.name, seen.dedupes) == ("speedsms", False)


def read(**content: object) -> Receipt | None:
    told = {"type": "report", "tranId": "123456", "phone": "84912345678", "status": 0} | content
    return speedsms.read_receipt(Callback("", json.dumps(told).encode(), NOON))


@pytest.mark.parametrize(("status", "delivered"), [(0, True), (64, False), (255, False)])
def test_a_report_tells_what_became_of_it(status: int, delivered: bool) -> None:
    assert read(status=status, tranId=123456) == Receipt("123456", "", delivered, str(status), NOON)


def test_what_may_still_arrive_and_what_is_no_report_tell_nothing() -> None:
    assert read(status=1) is None
    assert read(status=63) is None
    assert read(type="incoming", content="STOP") is None


@pytest.mark.parametrize(
    "content", [{"status": "x"}, {"status": -1}, {"tranId": ""}, {"tranId": None}, {"type": None}, {"status": 0.0}]
)
def test_an_odd_report_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(UnreadableReceipt):
        read(**content)
