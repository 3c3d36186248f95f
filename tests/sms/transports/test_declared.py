"""A declared carrier against servers of three kinds: what is sent, what its codes and receipts mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from sms.receipts import UnreadableReceipt
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Unsure
from sms.transports.declared import Declaration, DeclaredTransport, Meanings, ReceiptFields, receipt_reader
from tests.sms.transports.servers import provider

MESSAGE = OutgoingSms("r-1", "+84912345678", 'Tien dien "844.960 d" {to} & phi', "EVN HN")
NOON = datetime(2026, 11, 29, 5, tzinfo=UTC)
ANSWER = Meanings(
    code="result.code", reference="result.ids.0", words="result.text", accepted=frozenset({"0"}),
    duplicate=frozenset({"17"}), retry=frozenset({"5"}), halts=frozenset({"9"}), permanent=frozenset({"3"}),
)  # fmt: skip
JSON = Declaration(
    "http://carrier.example/send",
    headers={"X-Key": "k {secret.key}"},
    body={"sms": [{"id": "{request_id}", "to": "{to}", "text": "{text}", "u": "{unicode}"}], "user": 7, "test": False},
    answer=ANSWER,
    remembers=timedelta(hours=1),
)


def send(declaration: Declaration, url: str, **options: float) -> Accepted:
    declaration = replace(declaration, url=declaration.url.replace("http://carrier.example", url))
    secrets = {"key": "s3cret"}
    with DeclaredTransport(declaration, secrets, name="vnpt", callback="https://us.example/r", **options) as carrier:
        return carrier.send(MESSAGE)


def result(code: object, **more: object) -> dict[str, object]:
    return {"result": {"code": code, **more}}


def test_json_is_filled_in_wherever_a_hole_stands_and_nowhere_twice() -> None:
    with provider(lambda _: (200, result(0, ids=[77]))) as server:
        assert send(JSON, server.url) == Accepted("77")
    [asked] = server.asked
    assert asked.headers["X-Key"] == "k s3cret"
    assert asked.content == {
        "sms": [{"id": "r-1", "to": "+84912345678", "text": MESSAGE.text, "u": "0"}], "user": 7, "test": False,
    }  # fmt: skip


def test_a_form_and_a_query_carry_the_same() -> None:
    form = replace(
        JSON, form="form", headers={}, body={"m": "{to84}", "t": "{text}", "b": "{brand}", "r": "{request_id}"}
    )
    query = replace(form, method="GET", form="query", url="http://carrier.example/{secret.key}/{to0}")
    with provider(lambda _: (200, result("0", ids=["x"]))) as server:
        send(form, server.url)
        send(query, server.url)
    [posted, got] = server.asked
    fields = {"m": ["84912345678"], "t": [MESSAGE.text], "b": ["EVN HN"], "r": ["r-1"]}
    assert (posted.method, parse_qs(posted.body.decode())) == ("POST", fields)
    assert (got.method, parse_qs(urlsplit(got.path).query)) == ("GET", fields)
    assert urlsplit(got.path).path == "/s3cret/0912345678"


@pytest.mark.parametrize(("code", "permanent", "halts"), [("5", False, False), ("9", False, True), ("3", True, False)])
def test_a_declared_code_is_the_refusal_it_was_declared_to_be(code: str, permanent: bool, halts: bool) -> None:
    with provider(lambda _: (500, result(code, text="no 0912345678"))) as server, pytest.raises(Refused) as caught:
        send(JSON, server.url)
    assert (caught.value.permanent, caught.value.halts, caught.value.reason) == (permanent, halts, "no *678")


def test_a_duplicate_is_accepted_even_without_a_reference() -> None:
    with provider(lambda _: (200, result(17))) as server:
        assert send(JSON, server.url) == Accepted("")


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, result(0)), (200, result(1)), (200, {}), (200, b"<html>"), (500, b""), (404, b""), (200, {"result": [0]})],
)
def test_any_other_answer_proves_nothing(status: int, answer: object) -> None:
    with provider(lambda _: (status, answer)) as server, pytest.raises(Unsure):
        send(JSON, server.url)


def test_silence_is_unsure_and_a_busy_door_is_not() -> None:
    with provider(lambda _: None) as server, pytest.raises(Unsure):
        send(JSON, server.url, read_seconds=0.2)
    with provider(lambda _: (429, b""), Retry_After="9") as server, pytest.raises(Refused) as caught:
        send(JSON, server.url)
    assert caught.value.wait == timedelta(seconds=9)


def test_a_status_may_be_the_code() -> None:
    by_status = replace(JSON, answer=Meanings(accepted=frozenset({"201"}), duplicate=frozenset({"409"})))
    with provider(lambda _: (201, b"")) as server:
        assert send(by_status, server.url) == Accepted("")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "ftp://x/"}, "https://"),
        ({"body": {"to": "{to}", "text": "{words}"}}, r"expected holes of .* got \{words\}"),
        ({"body": {"to": "{secret.Key}", "text": "{text}"}}, r"got \{secret.Key\}"),
        ({"body": {"text": "{text}"}, "remembers": None, "answer": replace(ANSWER, duplicate=frozenset())}, "number"),
        ({"body": {"to": "{to}", "text": "{text}"}}, r"place for \{request_id\}"),
        ({"remembers": None}, "both, or neither"),
        ({"answer": replace(ANSWER, retry=frozenset({"0"}))}, "each code under one meaning"),
        ({"answer": replace(ANSWER, accepted=frozenset())}, "means accepted"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(JSON, **change)  # type: ignore[arg-type]  # one field at a time, by name


FIELDS = ReceiptFields("query", "st", frozenset({"1"}), frozenset({"2", "3"}), reference="id", request_id="ref")


def test_receipts_are_read_where_they_were_declared_to_stand() -> None:
    delivered = Receipt("77", "r-1", True, "1", NOON)
    assert receipt_reader(FIELDS)(Callback("id=77&ref=r-1&st=1", b"", NOON)) == delivered
    assert receipt_reader(replace(FIELDS, place="form"))(Callback("", b"id=77&ref=r-1&st=1", NOON)) == delivered
    in_json = receipt_reader(replace(FIELDS, place="json", request_id=""))
    assert in_json(Callback("", b'{"id": 77, "st": 3}', NOON)) == Receipt("77", "", False, "3", NOON)
    assert receipt_reader(FIELDS)(Callback("id=77&ref=r-1&st=8", b"", NOON)) is None
    with pytest.raises(UnreadableReceipt, match="id: expected a text, got nothing"):
        receipt_reader(FIELDS)(Callback("ref=r-1&st=1", b"", NOON))
