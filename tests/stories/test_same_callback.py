"""The story of one callback that comes again and again, and of those that must not be believed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.profile import Signed, find
from banks.records import RawRequest
from banks.sandbox.bills import SandboxBill
from gateway.wiring import Wiring

Issue = Callable[[int], list[SandboxBill]]
Count = Callable[..., int]


@pytest.fixture
def sign(wiring: Wiring, now: datetime) -> Callable[..., Signed]:
    """Sign a `standard` event about a bill, as that bank would."""

    def signed(bill: SandboxBill, *, reference: str = "FT1", amount: int | None = None, ago: int = 0) -> Signed:
        data = {
            "transaction_id": reference, "amount": amount or bill.amount, "currency": "VND",
            "paid_at": "2026-11-18T08:59:00+07:00", "channel": "transfer", "payment_code": bill.payment_code,
        }  # fmt: skip
        body = json.dumps({"type": "payment.received", "data": data}).encode()
        raw = RawRequest("POST", b"", {"webhook-id": f"evt_{reference}"}, body, now)
        return find("standard").sign(raw, wiring.callers["standard"].secrets, wiring.clock() - timedelta(seconds=ago))

    return signed


@pytest.fixture
def ipn(wiring: Wiring, now: datetime) -> Callable[..., bytes]:
    """Return the signed query of a `vnpay` call about a payment code."""

    def query(code: str, amount: int, number: str) -> bytes:
        fields = {
            "vnp_Amount": str(amount * 100), "vnp_TxnRef": code, "vnp_ResponseCode": "00",
            "vnp_TransactionStatus": "00", "vnp_TransactionNo": number, "vnp_PayDate": "20261118085900",
        }  # fmt: skip
        raw = RawRequest("GET", urlencode(fields).encode(), {}, b"", now)
        return find("vnpay").sign(raw, wiring.callers["vnpay"].secrets, now).query

    return query


def post(web: httpx.Client, signed: Signed) -> httpx.Response:
    return web.post("/webhooks/standard", content=signed.body, headers=dict(signed.headers))


def test_fifty_times_the_same_call_is_one_payment(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed], count: Count, read_everything: Callable[[], None],
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = next(bill for bill in issue(20) if bill.reachable)
    signed = sign(bill)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: post(web, signed), range(50)))

    assert {(one.status_code, one.content) for one in answers} == {(200, b'{"status": "accepted"}')}
    read_everything()
    late = post(web, signed)
    assert (late.status_code, late.content) == (200, b'{"status": "accepted"}')
    read_everything()
    assert count("SELECT count(*) FROM deliveries") == 1
    assert count("SELECT count(*) FROM deliveries WHERE state = 'read'") == 1
    assert count("SELECT count(*) FROM payments") == 1
    assert count("SELECT count(DISTINCT entry_id) FROM postings WHERE account = 'bank:standard:reported'") == 1
    assert count("SELECT count(*) FROM messages WHERE event = 'payment_recorded'") == 1
    assert count("SELECT paid_minor FROM bills WHERE number = :number", number=bill.number) == bill.amount
    all_hold()


def test_the_same_id_with_another_body_is_a_conflict(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed], count: Count, read_everything: Callable[[], None],
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = issue(20)[0]
    assert post(web, sign(bill)).status_code == 200
    read_everything()
    booked = count("SELECT count(*) FROM entries")

    answers = [post(web, sign(bill, amount=1)) for _ in range(3)]

    assert {(one.status_code, one.json()["error"]) for one in answers} == {(409, "conflict")}
    read_everything()
    assert count("SELECT count(*) FROM deliveries WHERE state = 'conflicting' AND conflicts_with IS NOT NULL") == 1
    assert count("SELECT count(*) FROM payments") == 1
    assert count("SELECT count(*) FROM entries") == booked
    assert post(web, sign(bill)).status_code == 200, "the first body is still the event's own"
    all_hold()


def test_racing_bodies_under_one_id_leave_one_winner(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed], count: Count, read_everything: Callable[[], None],
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = issue(20)[0]
    bodies = [sign(bill, amount=bill.amount + extra) for extra in range(8)]

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda signed: post(web, signed), bodies * 5))

    # Each body is answered one way throughout, whichever of them came first.
    by_body = {body.body: {a.status_code for a in answers[at::8]} for at, body in enumerate(bodies)}
    assert sorted(by_body.values(), key=min) == [{200}, *[{409}] * 7]
    read_everything()
    assert count("SELECT count(*) FROM payments") == 1
    assert count("SELECT count(*) FROM deliveries WHERE state = 'conflicting'") == 7
    all_hold()


def test_a_stale_event_is_kept_for_a_person(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed], count: Count, read_everything: Callable[[], None],
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    answer = post(web, sign(issue(20)[0], ago=3600))
    assert (answer.status_code, answer.json()["status"]) == (202, "set_aside")
    read_everything()
    assert count("SELECT count(*) FROM deliveries WHERE state = 'set_aside' AND body IS NOT NULL") == 1
    assert count("SELECT count(*) FROM payments") == 0
    all_hold()


def test_what_is_not_proven_or_not_in_form(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed], ipn: Callable[..., bytes], wiring: Wiring,
    count: Count, all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = issue(20)[0]
    signed = sign(bill)
    forged = Signed(signed.method, signed.query, signed.headers, signed.body.replace(b'"FT1"', b'"FT2"'))
    assert post(web, forged).status_code == 401
    assert web.get("/webhooks/vnpay", params={"vnp_TxnRef": bill.payment_code}).json()["RspCode"] == "97"
    tampered = ipn(bill.payment_code, bill.amount, "14000001").replace(b"14000001", b"14000002")
    assert web.get(f"/webhooks/vnpay?{tampered.decode()}").json()["RspCode"] == "97"
    with Session(wiring.engine) as session:
        kept = session.scalars(text("SELECT source FROM refusals WHERE body IS NOT NULL ORDER BY 1")).all()
    assert kept == ["standard", "vnpay", "vnpay"]

    big = web.post("/webhooks/standard", content=b"{" + b" " * 70_000, headers=dict(signed.headers))
    assert (big.status_code, big.json()["error"]) == (413, "too_large")
    long = web.get("/webhooks/vnpay?" + "x" * 9_000)
    assert (long.status_code, long.json()["RspCode"]) == (200, "99")
    for wrong in (web.get("/webhooks/standard"), web.post("/webhooks/vnpay"), web.put("/webhooks/standard")):
        assert wrong.status_code == 405
        assert wrong.headers["Allow"]
    assert web.post("/webhooks/nobody").status_code == 404
    assert count("SELECT count(*) FROM deliveries") == 0
    all_hold()


def test_the_wallet_hears_what_its_form_knows(
    web: httpx.Client, issue: Issue, ipn: Callable[..., bytes], count: Count, read_everything: Callable[[], None],
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill, other, *_ = issue(20)
    right = ipn(bill.payment_code, bill.amount, "14000001")

    def call(query: bytes) -> bytes:
        answer = web.get(f"/webhooks/vnpay?{query.decode()}")
        assert answer.status_code == 200
        return answer.content

    def code(query: bytes) -> str:
        return str(json.loads(call(query))["RspCode"])

    first = call(right)
    assert json.loads(first)["RspCode"] == "00"
    assert {call(right) for _ in range(5)} == {first}
    assert code(ipn("NOBODY000001", 1_000, "14000002")) == "01"
    assert code(ipn(other.payment_code, other.amount - 1, "14000003")) == "04"
    read_everything()
    assert code(ipn(bill.payment_code, bill.amount, "14000004")) == "02"
    assert call(right) == first, "a repetition hears what the first call heard, also once the bill is paid"
    read_everything()
    assert count("SELECT count(*) FROM deliveries WHERE state = 'read'") == 4
    assert count("SELECT count(*) FROM payments") == 4, "money that moved is kept, whatever the answer was"
    all_hold()


def test_whichever_process_is_asked_the_figures_are_those_of_all(
    web: httpx.Client, issue: Issue, sign: Callable[..., Signed]
) -> None:
    bill = issue(3)[0]
    calls = [sign(bill, reference=f"FT{number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda one: called(web, one), calls)) == {200}
    told = {figure(web) for _ in range(12)}
    assert told == {24.0}


def alone(web: httpx.Client) -> httpx.Client:
    """Return a client with a connection of its own, which either process may get."""
    return httpx.Client(base_url=web.base_url, trust_env=False, timeout=30)


def called(web: httpx.Client, signed: Signed) -> int:
    with alone(web) as client:
        return post(client, signed).status_code


def figure(web: httpx.Client) -> float:
    with alone(web) as client:
        lines = client.get("/metrics").text.splitlines()
    ours = [line for line in lines if line.startswith("doisoat_callbacks_total{") and 'status="200"' in line]
    return sum(float(line.split()[-1]) for line in ours)
