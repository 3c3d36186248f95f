"""eSMS against a server that plays it: its codes, its memory of a RequestId, and receipts that must be counted."""

from datetime import UTC, datetime, timedelta

import pytest

from sms.receipts import UnreadableReceipt
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Transport, Unsure
from sms.transports import esms
from sms.transports.esms import EsmsTransport
from tests.sms.transports.servers import Asked, http, provider, scripted

KEY = "0b6e1c52-6d0e-4f0c-9d6e-0c9c9a5f1e11"
MESSAGE = OutgoingSms(KEY, "+84912345678", "Dien luc TP Vinh: 844.960 d", "EVNNPC")
NOON = datetime(2026, 11, 29, 5, tzinfo=UTC)
SMSID = "d533459ee42b2b9525ba9eabf6a8156"


def send(url: str, message: OutgoingSms = MESSAGE, *, read_seconds: float = 5, sandbox: bool = False) -> Accepted:
    account = EsmsTransport(
        "api-key", "secret-key", url=url, callback="https://us.example/sms/receipts/esms/t0ken", sandbox=sandbox,
        connect_seconds=2, read_seconds=read_seconds,
    )  # fmt: skip
    with account:
        return account.send(message)


def test_the_request_is_a_customer_care_message() -> None:
    with provider(lambda _: (200, {"CodeResult": "100", "CountRegenerate": 0, "SMSID": SMSID})) as server:
        assert send(server.url) == Accepted(SMSID)
        assert send(server.url, OutgoingSms(KEY, MESSAGE.to, "Điện lực", "EVN"), sandbox=True) == Accepted(SMSID)
    [asked, other] = server.asked
    assert (asked.method, asked.path) == ("POST", "/MainService.svc/json/SendMultipleMessage_V4_post_json/")
    assert asked.content == {
        "ApiKey": "api-key", "SecretKey": "secret-key", "SmsType": "2", "Sandbox": "0", "Brandname": "EVNNPC",
        "CallbackUrl": "https://us.example/sms/receipts/esms/t0ken", "Phone": "0912345678", "IsUnicode": "0",
        "Content": "Dien luc TP Vinh: 844.960 d", "RequestId": KEY,
    }  # fmt: skip
    assert (other.content["IsUnicode"], other.content["Sandbox"], other.content["Content"]) == ("1", "1", "Điện lực")


@pytest.mark.parametrize(
    ("code", "permanent", "halts"),
    [(code, False, True) for code in ("101", "102", "103", "104", "140")]
    + [(code, True, False) for code in ("108", "110", "146", "177", "300")],
)
def test_a_code_tells_a_message_at_fault_from_an_account(code: str, permanent: bool, halts: bool) -> None:
    answer = {"CodeResult": code, "ErrorMessage": "no 0912345678"}
    with provider(lambda _: (200, answer)) as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert (caught.value.permanent, caught.value.halts, caught.value.code) == (permanent, halts, code)
    assert caught.value.reason.endswith("(no *678)")


def test_a_request_accepted_before_a_time_out_is_known_when_repeated() -> None:
    taken: dict[str, int] = {}

    def answer(asked: Asked) -> tuple[int, object] | None:
        key = asked.content["RequestId"]
        taken[key] = taken.get(key, 0) + 1
        if taken[key] == 1:
            return None  # accepted, and never said
        return 200, {"CodeResult": "124", "CountRegenerate": 0, "ErrorMessage": "Request exist 1", "SendStatus": "5"}

    with provider(answer) as server:
        with pytest.raises(Unsure, match="ReadTimeout"):
            send(server.url, read_seconds=0.2)
        assert send(server.url) == Accepted(""), "they repeat no SMSID: receipts will name our key"
    assert taken == {KEY: 2}


def test_a_known_request_that_was_rejected_did_not_leave() -> None:
    answer = {"CodeResult": "124", "ErrorMessage": "Request exist 1", "SendStatus": "4"}
    with provider(lambda _: (200, answer)) as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"CodeResult": "99", "ErrorMessage": "?"}),
        (200, {"error": "Invalid request"}),
        (200, {"CodeResult": "777"}),
        (200, {"CodeResult": ["100"]}),
        (200, b""),
        (200, b"<html>"),
        (500, {"CodeResult": "103"}),
        (400, {"CodeResult": "146"}),
        (302, b""),
    ],
)
def test_any_other_answer_proves_nothing(status: int, answer: object) -> None:
    with provider(lambda _: (status, answer)) as server, pytest.raises(Unsure):
        send(server.url)


def test_an_answer_cut_off_proves_nothing() -> None:
    with scripted(http(200, b'{"CodeResult": "100"}').replace(b": 21", b": 90")) as server, pytest.raises(Unsure):
        send(server.url)


def test_a_busy_door_is_a_refusal_that_says_for_how_long() -> None:
    with provider(lambda _: (429, b""), Retry_After="7") as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert (caught.value.permanent, caught.value.halts, caught.value.wait) == (False, False, timedelta(seconds=7))


def read(query: str) -> Receipt | None:
    return esms.read_receipt(Callback(query, b"", NOON))


CARE = "SMSID=dc71&SendFailed={failed}&SendStatus={status}&SendSuccess={arrived}&TotalPrice=0.0000&TotalReceiver=2"
CARE += f"&TotalSent=2&RequestId={KEY}&TypeId=2&telcoid=1&phonenumber=0901888484&switchsmsid="


@pytest.mark.parametrize(
    ("status", "arrived", "failed", "delivered"),
    [("5", 1, 0, True), ("5", 0, 2, False), ("5", 1, 1, False), ("4", 0, 0, False)],
)
def test_the_counts_tell_what_arrived(status: str, arrived: int, failed: int, delivered: bool) -> None:
    told = read(CARE.format(status=status, arrived=arrived, failed=failed))
    assert told == Receipt("dc71", KEY, delivered, f"{status}: {arrived} arrived, {failed} failed", NOON)


@pytest.mark.parametrize("status", ["1", "2", "7", "5"])
def test_a_callback_before_the_end_tells_nothing(status: str) -> None:
    assert read(CARE.format(status=status, arrived=0, failed=0)) is None


def test_a_receipt_without_our_key_still_has_theirs() -> None:
    told = read(CARE.format(status="5", arrived=1, failed=0).replace(KEY, ""))
    assert told is not None
    assert (told.provider_ref, told.request_id) == ("dc71", "")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "SendStatus: expected a text, got nothing"),
        (CARE.format(status="9", arrived=1, failed=0), "SendStatus: expected 1, 2, 4, 5 or 7, got '9'"),
        (CARE.format(status="5", arrived="-1", failed=0), "SendSuccess: expected a whole number"),
        (CARE.format(status="5", arrived="٣", failed=0), "SendSuccess: expected at most 100 printable ASCII"),
        (CARE.format(status="5", arrived=1, failed=0) + "&SendFailed=1", "occurs twice"),
        (CARE.format(status="5", arrived=1, failed=0).replace("dc71", ""), "SMSID: expected a text, got an empty one"),
        ("&".join(f"a{n}=1" for n in range(99)), "fields as name=value"),
        ("a=" + "1" * 20_000, "at most 16384 signs"),
    ],
)
def test_an_odd_callback_is_refused_with_its_reason(query: str, why: str) -> None:
    with pytest.raises(UnreadableReceipt, match=why):
        read(query)


def test_it_is_a_transport_that_forgets_after_a_day() -> None:
    with EsmsTransport("a", "b") as account:
        seen: Transport = account
        assert (seen.name, seen.dedupes, seen.remembers) == ("esms", True, timedelta(hours=23))
