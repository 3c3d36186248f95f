"""A story per wallet and aggregator at `/webhooks/<name>`: heard once, answered in its own form, repeated, tampered."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from banks import profile
from banks.profile import Signed
from banks.records import RawRequest
from gateway import callback_reading
from gateway.bank_settings import BankSettings
from gateway.settings import Settings
from gateway.wiring import Wiring
from tests.gateway.samples import a_bill, code_of

MS = 1794967200000  # 2026-11-18 09:00 in Vietnam, the moment these tests play at
KEYS = {  # public sandbox keys
    "MOMO_ACCESS_KEY": "F8BBA842ECF85",
    "MOMO_SECRET_KEY": "K951B6PE1waDMi640xX08PD3vg6EkVlz",
    "ZALOPAY_KEY2": "kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz",
    "PAYOS_CHECKSUM_KEY": "1a54716c8f0efb2744fb28b6e38b25da7f67a925d98bc1c18bd8faaecadd7675",
    "SEPAY_WEBHOOK_SECRET": "sandbox-sepay-webhook-secret-0001",
    "SHOP_API_KEY": "SANDBOXSEPAYAPIKEY0001",
    "CASSO_CHECKSUM_KEY": "sandbox-casso-checksum-key-0001",
    "CASSO_OLD_SECURE_TOKEN": "sandbox-casso-secure-token-0001",
}
BANKS = {"momo": "momo", "zalopay": "zalopay", "payos": "payos", "sepay": "sepay", "casso": "casso"}
BANKS |= {"shop": "sepay", "casso_old": "casso"}
Rows = Callable[..., list[Any]]
Issue = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("sound")


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The usual settings and a bank per wallet; `shop` and `casso_old` are proven by tokens."""
    for name, key in KEYS.items():
        monkeypatch.setenv(f"DOISOAT_SECRET_{name}", key)
    wallets = {name: BankSettings(name, name, used, callbacks=True) for name, used in BANKS.items()}
    return replace(settings, banks={**settings.banks, **wallets})


@pytest.fixture
def sign(wiring: Wiring) -> Callable[..., Signed]:
    """Sign a body as the bank called so would, `ago` seconds ago."""

    def do(bank: str, body: Mapping[str, object], *, ago: int = 0) -> Signed:
        raw = RawRequest("POST", b"", {}, json.dumps(body).encode(), wiring.clock())
        caller = wiring.callers[bank]
        return profile.find(BANKS[bank]).sign(raw, caller.secrets, wiring.clock() - timedelta(seconds=ago))

    return do


@pytest.fixture
def read(wiring: Wiring) -> Callable[[], None]:
    """Do what the worker of callbacks would do by now."""

    def do() -> None:
        callback_reading.read(wiring, callback_reading.claim(wiring, limit=50, lease=timedelta(minutes=1)))

    return do


def post(web: Client, bank: str, signed: Signed, tampered: tuple[bytes, bytes] = (b"", b"")) -> TestResponse:
    return web.post(f"/webhooks/{bank}", data=signed.body.replace(*tampered), headers=dict(signed.headers))


def momo_body(**changes: object) -> dict[str, object]:
    return {
        "partnerCode": "MOMO", "orderId": code_of(1), "requestId": "r1", "amount": 100_000, "orderInfo": "Tien dien",
        "orderType": "momo_wallet", "transId": 4088878653, "resultCode": 0, "message": "Successful.",
        "payType": "qr", "responseTime": MS, "extraData": "",
    } | changes  # fmt: skip


def zalopay_body(**changes: object) -> dict[str, object]:
    data = {
        "app_trans_id": f"261118_{code_of(1)}", "amount": 100_000, "zp_trans_id": 261118000000481, "server_time": MS,
        "embed_data": "{}", "item": "[]",
    } | changes  # fmt: skip
    return {"data": json.dumps(data), "type": 1}


def payos_body(**changes: object) -> dict[str, object]:
    data = {
        "orderCode": 481, "amount": 100_000, "description": f"TT {code_of(1)}", "reference": "FT26322000481",
        "transactionDateTime": "2026-11-18 09:00:00", "currency": "VND", "paymentLinkId": "9d8c7b6a", "code": "00",
        "desc": "success", "counterAccountNumber": None,
    } | changes  # fmt: skip
    return {"code": "00", "success": True, "data": data}


def sepay_body(**changes: object) -> dict[str, object]:
    return {
        "id": 92704, "transferType": "in", "transferAmount": 100_000, "transactionDate": "2026-11-18 09:00:00",
        "code": code_of(1), "content": "tien dien", "referenceCode": "MBVCB.3278907687",
    } | changes  # fmt: skip


def casso_one(**changes: object) -> dict[str, object]:
    return {
        "id": 218897, "reference": "FT26322000481", "description": f"{code_of(1)} tien dien", "amount": 100_000,
        "transactionDateTime": "2026-11-18 09:00:00", "counterAccountNumber": "",
    } | changes  # fmt: skip


TAKEN = b'{"success": true}'
REFUSED = {"success": False, "message": "The proof of the sender is missing or wrong."}
STORIES = [
    ("momo", momo_body(), 204, b"", 401, REFUSED, "4088878653"),
    (
        "zalopay", zalopay_body(), 200, b'{"return_code": 1, "return_message": "success"}', 200,
        {"return_code": -1, "return_message": "mac not equal"}, "261118000000481",
    ),
    ("payos", payos_body(), 200, TAKEN, 401, REFUSED, "9d8c7b6a:FT26322000481"),
    ("sepay", sepay_body(), 200, TAKEN, 401, REFUSED, "92704"),
    ("casso", {"error": 0, "data": casso_one()}, 200, TAKEN, 401, REFUSED, "218897"),
]  # fmt: skip


@pytest.mark.parametrize(("bank", "body", "status", "answer", "refused", "said", "reference"), STORIES)
def test_a_payment_is_booked_once_answered_alike_and_never_believed_when_tampered(
    web: Client, issue: Issue, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows, bank: str,
    body: dict[str, object], status: int, answer: bytes, refused: int, said: dict[str, object], reference: str,
) -> None:  # fmt: skip
    issue(a_bill(1))
    signed = sign(bank, body)

    tampered = post(web, bank, signed, (b"100000", b"900000"))
    assert (tampered.status_code, tampered.json) == (refused, said)
    assert rows("SELECT source FROM refusals") == [bank]

    first = post(web, bank, signed)
    assert (first.status_code, first.data) == (status, answer)
    read()
    again = [post(web, bank, signed) for _ in range(3)]
    assert {(one.status_code, one.data) for one in again} == {(status, answer)}
    read()

    assert rows("SELECT state FROM deliveries") == ["read"]
    assert rows("SELECT source, source_reference, minor, matched_minor FROM payments") == [
        (bank, reference, 100_000, 100_000)
    ]
    assert rows("SELECT state FROM bills") == ["paid"]


@pytest.mark.parametrize(
    ("bank", "first", "other"),
    [
        ("momo", momo_body(), momo_body(amount=1)),
        ("zalopay", zalopay_body(), zalopay_body(amount=1)),
        ("payos", payos_body(), payos_body(amount=1)),
        ("sepay", sepay_body(), sepay_body(transferAmount=1)),
        ("casso", {"error": 0, "data": casso_one()}, {"error": 0, "data": casso_one(amount=1)}),
    ],
)
def test_the_same_event_with_other_content_waits_for_a_person(
    web: Client, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows, bank: str,
    first: dict[str, object], other: dict[str, object],
) -> None:  # fmt: skip
    taken, conflicting = post(web, bank, sign(bank, first)), post(web, bank, sign(bank, other))
    assert conflicting.data != taken.data
    assert b"arrived before with other content" in conflicting.data
    read()
    assert rows("SELECT state FROM deliveries ORDER BY id") == ["read", "conflicting"]
    assert rows("SELECT minor FROM payments") == [100_000]


@pytest.mark.parametrize(
    ("bank", "first", "again"),
    [
        ("momo", momo_body(), momo_body(userFee=5)),
        ("payos", payos_body(), {**payos_body(), "desc": "again"}),
        ("zalopay", zalopay_body(), {**zalopay_body(), "type": 9}),
    ],
)
def test_an_event_sent_again_with_other_unsigned_fields_is_the_same(
    web: Client, sign: Callable[..., Signed], rows: Rows, bank: str, first: dict[str, object], again: dict[str, object]
) -> None:
    answers = [post(web, bank, sign(bank, body)) for body in (first, again)]
    assert answers[0].data == answers[1].data
    assert answers[0].status_code == answers[1].status_code
    assert rows("SELECT count(*) FROM deliveries") == [1]


@pytest.mark.parametrize(
    ("bank", "body"),
    [
        ("momo", momo_body(resultCode=1006)),
        ("payos", payos_body(orderCode=123, description="VQRIO123")),
        ("payos", payos_body(code="01")),
        ("sepay", sepay_body(transferType="out")),
        ("casso", {"error": 0, "data": casso_one(amount=-100_000)}),
        ("casso", {"error": 0, "data": casso_one(id=0, reference="MA_GIAO_DICH_THU_NGHIEM")}),
    ],
)
def test_what_brought_no_money_in_is_taken_and_books_nothing(
    web: Client, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows, bank: str, body: dict[str, object]
) -> None:
    assert post(web, bank, sign(bank, body)).status_code in (200, 204)
    read()
    assert rows("SELECT state FROM deliveries") == ["read"]
    assert rows("SELECT id FROM payments") == []


@pytest.mark.parametrize(
    ("bank", "body", "status", "place"),
    [
        ("momo", momo_body(amount="100000"), 422, "amount"),
        ("zalopay", zalopay_body(amount="100000"), 200, "data.amount"),
        ("payos", payos_body(amount="100000"), 422, "data.amount"),
        ("sepay", sepay_body(transferAmount="100000"), 422, "transferAmount"),
        ("casso", {"error": 0, "data": casso_one(amount="100000")}, 422, "data.amount"),
        ("shop", sepay_body(transferAmount=1e300), 422, "transferAmount"),
        ("casso_old", {"error": 0, "data": [casso_one(), casso_one(id="2")]}, 422, "data[2].id"),
    ],
)
def test_what_is_proven_and_not_readable_is_kept_with_its_place(
    web: Client, sign: Callable[..., Signed], rows: Rows, bank: str, body: dict[str, object], status: int, place: str
) -> None:
    answer = post(web, bank, sign(bank, body))
    assert answer.status_code == status
    assert f"{place}: expected" in answer.text
    [(state, reason)] = rows("SELECT state, reason FROM deliveries")
    assert state == "unreadable"
    assert reason.startswith(f"{place}: expected")


def test_zalopay_hears_that_a_bill_is_paid_already_and_the_money_is_kept_all_the_same(
    web: Client, issue: Issue, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows
) -> None:
    issue(a_bill(1))
    codes = []
    for number in (1, 2):
        codes.append(post(web, "zalopay", sign("zalopay", zalopay_body(zp_trans_id=number))).json["return_code"])
        read()
    unknown = zalopay_body(zp_trans_id=3, app_trans_id="261118_NOBODY0001")
    codes.append(post(web, "zalopay", sign("zalopay", unknown)).json["return_code"])
    read()
    assert codes == [1, 2, 1]
    assert rows("SELECT source_reference, matched_minor FROM payments ORDER BY id") == [
        ("1", 100_000), ("2", 0), ("3", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("ago", "state"), [(290, "received"), (310, "set_aside"), (-320, "set_aside")])
def test_a_signature_of_sepay_beyond_five_minutes_is_true_and_set_aside(
    web: Client, sign: Callable[..., Signed], rows: Rows, ago: int, state: str
) -> None:
    answer = post(web, "sepay", sign("sepay", sepay_body(), ago=ago))
    assert (answer.status_code, answer.data) == (200, TAKEN)
    assert rows("SELECT state FROM deliveries") == [state]


def test_an_api_key_of_sepay_proves_its_sender(
    web: Client, issue: Issue, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows
) -> None:
    issue(a_bill(1))
    signed = sign("shop", sepay_body())
    assert signed.headers["authorization"] == "Apikey SANDBOXSEPAYAPIKEY0001"
    wrong = replace(signed, headers={"authorization": "Apikey SANDBOXSEPAYAPIKEY0002"})
    assert post(web, "shop", wrong).status_code == 401
    assert post(web, "sepay", signed).status_code == 401, "a bank that signs is not believed by a key"
    assert post(web, "shop", signed).data == post(web, "shop", signed).data == TAKEN
    read()
    assert rows("SELECT source, matched_minor FROM payments") == [("shop", 100_000)]


def test_a_list_of_casso_books_each_payment_once_whatever_lists_it_comes_in(
    web: Client, issue: Issue, sign: Callable[..., Signed], read: Callable[[], None], rows: Rows
) -> None:
    issue(a_bill(1), a_bill(2))
    first, out, second = (
        casso_one(id=1), casso_one(id=2, amount=-20_000, description="phi"),
        casso_one(id=3, description=code_of(2)),
    )  # fmt: skip
    for listed in ([first, out], [first, out], [out, first, second], [second]):
        assert post(web, "casso_old", sign("casso_old", {"error": 0, "data": listed})).data == TAKEN
        read()
    assert rows("SELECT state FROM deliveries") == ["read"] * 3
    assert rows("SELECT source_reference, matched_minor FROM payments ORDER BY id") == [("1", 100_000), ("3", 100_000)]
    assert rows("SELECT state FROM bills") == ["paid", "paid"]
