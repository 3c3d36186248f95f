"""POST /api/v1/bills: who may, what is refused in which form, and that a hand-over is whole, told and repeatable."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from gateway.api import bills as module
from gateway.web import create_app
from tests.gateway.samples import a_bill, a_debit_bill

TOKEN = {"Authorization": "Bearer sandbox-api-token-for-tests"}


@pytest.fixture
def hand_over(web):
    def post(*bills, headers=TOKEN, **more):
        return web.post("/api/v1/bills", **({"json": {"bills": list(bills)}} | more), headers=headers)

    return post


def assert_problem(answer, status, *said):
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    told = json.loads(answer.data)
    assert (told["type"], told["status"], sorted(told)) == (
        "about:blank",
        status,
        ["errors", "status", "title", "type"],
    )
    assert [word for word in said if not any(word in error for error in told["errors"])] == [], told


def test_bills_are_taken_in_and_a_repetition_changes_no_row(hand_over, rows, sound):
    everything = "SELECT id, xmin::text FROM bills UNION ALL SELECT id, xmin::text FROM customers ORDER BY 1"
    answer = hand_over(a_bill(1), a_bill(2))
    assert (answer.status_code, answer.json) == (200, {"new": 2, "replaced": 0, "unchanged": 0, "matched": 0})
    before = rows(everything)
    assert hand_over(a_bill(1), a_bill(2)).json == {"new": 0, "replaced": 0, "unchanged": 2, "matched": 0}
    assert rows(everything) == before
    assert hand_over(a_bill(1, version="2", tax="8000", amount="99000")).json["replaced"] == 1


def test_the_audit_names_whose_token_handed_bills_over(hand_over, rows):
    hand_over(a_bill(1), a_bill(2))
    assert hand_over(a_bill(3, amount="1")).status_code == 422
    assert rows("SELECT actor, subject, facts FROM audit WHERE action = 'bills_taken_in'") == [(
        "api:api_token", "bills", {"bills": 2, "new": 2, "replaced": 0, "unchanged": 0},
    )]  # fmt: skip


def test_values_may_be_numbers_truths_and_nothing(hand_over, rows):
    bill = a_bill(kwh=50, version=1, charge=90_000, tax=9_000, arrears=1_000, amount=100_000, consent=False, phone=None)
    assert hand_over(bill).status_code == 200
    assert rows("SELECT kwh, minor FROM bills") == [(50, 100_000)]
    assert rows("SELECT consent, msisdn_sealed FROM customers") == [(False, None)]


def test_the_notice_is_written_with_the_bill_and_its_sender_is_rung_for(hand_over, wiring, one):
    wiring.valkey.flushall()
    hand_over(a_debit_bill())
    state, body = one("SELECT state, body FROM messages")
    assert state == "queued"
    assert "100.000" in body
    assert wiring.valkey.exists("doisoat:rung:messages")


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": ""}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic sandbox-api-token-for-tests"},
        {"Authorization": "Bearer thẻ".encode().decode("latin-1")},
    ],
)  # fmt: skip
def test_without_the_token_nothing_is_read(hand_over, rows, headers):
    answer = hand_over(a_bill(), headers=headers)
    assert_problem(answer, 401, "expected the header Authorization: Bearer <api token>")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert rows("SELECT id FROM bills") == []


def test_where_no_token_is_set_nobody_is_let_in(hand_over, monkeypatch, caplog, rows):
    monkeypatch.delenv("DOISOAT_SECRET_API_TOKEN")
    for headers in (TOKEN, {}, {"Authorization": "Bearer "}):
        assert_problem(hand_over(a_bill(), headers=headers), 401)
    assert "DOISOAT_SECRET_API_TOKEN" in caplog.text
    assert "Traceback" not in caplog.text


def test_during_a_rotation_both_tokens_are_good(hand_over, monkeypatch):
    monkeypatch.setenv("DOISOAT_SECRET_API_TOKEN", "new-token,sandbox-api-token-for-tests")
    for headers in (TOKEN, {"Authorization": "Bearer new-token"}):
        assert hand_over(a_bill(), headers=headers).status_code == 200


def test_what_is_too_large_is_refused_whether_or_not_its_length_is_told(hand_over, rows, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 2_000)
    body = json.dumps({"bills": [a_bill()]}).encode()
    fits, more = body.ljust(2_000), body.ljust(2_001)
    untold = {"wsgi.input_terminated": True}
    assert_problem(hand_over(json=None, data=more), 413, "expected at most 2000 bytes")
    assert_problem(
        hand_over(json=None, input_stream=io.BytesIO(more), environ_overrides=untold),
        413,
        "expected at most 2000 bytes",
    )
    assert rows("SELECT id FROM bills") == []
    assert hand_over(json=None, data=fits).json["new"] == 1
    assert hand_over(json=None, input_stream=io.BytesIO(fits), environ_overrides=untold).json["unchanged"] == 1


def test_a_body_of_unknown_length_beyond_the_real_limit_is_too_large(hand_over):
    stream = io.BytesIO(b" " * (module.MAX_BYTES + 10))
    assert_problem(hand_over(json=None, input_stream=stream, environ_overrides={"wsgi.input_terminated": True}), 413)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b"[]", "expected a JSON object, got a list"),
        (b"\xff", "byte 0: expected UTF-8"),
        (b"{}", "bills: expected a list of 1 to 5000 bills"),
        (b'{"bills": []}', "bills: expected a list of 1 to 5000 bills"),
        (b'{"bills": {"a": 1}}', "bills: expected a list"),
        (b'{"bills": [1]}', "bills[0]: expected an object"),
        (b'{"bills": [{"colour": 1}]}', "bills[0]: unknown fields colour; known: number, version"),
        (b'{"bills": [{"number": 1, "number": 2}]}', "expected each key once, got 'number' twice"),
        (b'{"bills": [{"kwh": 12.5}]}', "expected a whole number"),
        (b'{"bills": [{"office": "a\\u0000b"}]}', "expected text without a NUL"),
        (b'{"bills": [{"office": {"name": "HD1"}}]}', "bills[0].office: expected a text"),
        (b'{"bills": [{"office": ["HD1"]}]}', "bills[0].office: expected a text"),
        (json.dumps({"bills": [{}] * 5_001}).encode(), "bills: expected a list of 1 to 5000 bills"),
    ],
)
def test_a_body_of_another_form_is_refused_with_the_place(hand_over, body, said):
    assert_problem(hand_over(json=None, data=body), 400, said)


def test_each_bill_that_can_not_be_taken_is_named_and_none_is(hand_over, rows):
    bills = [a_bill(1), a_bill(2, amount=1), a_bill(3, version=40_000), a_bill(4, due_on="soon")]
    assert_problem(
        hand_over(*bills), 422,
        "bills[1]: amount: expected charge + tax + arrears = 100000", "bills[2]: version: expected 1 to 999",
        "bills[3]: due_on: expected a day as 20YY-MM-DD",
    )  # fmt: skip
    assert rows("SELECT id FROM bills UNION ALL SELECT id FROM customers UNION ALL SELECT id FROM entries") == []


def test_a_bank_that_is_not_set_up_is_named_with_its_field(hand_over, rows):
    assert_problem(
        hand_over(a_bill(1), a_bill(2, bank="khongco", charge_on="2026-11-25")), 422,
        "bills[1]: bank: expected one of the banks ", "got 'khongco'",
    )  # fmt: skip
    assert rows("SELECT id FROM bills ORDER BY id") == []


def test_what_contradicts_the_books_is_named_and_nothing_is_taken(hand_over, rows):
    hand_over(a_bill(1))
    assert_problem(
        hand_over(a_bill(1, charge=1, amount=10_001), a_bill(2)), 422,
        "bills[0]: bill HD2611-0000001 version 1 is known with other content",
    )  # fmt: skip
    assert rows("SELECT number FROM bills") == ["HD2611-0000001"]


def test_without_a_database_the_sender_is_asked_to_come_again(cut_off, caplog):
    answer = Client(create_app(cut_off)).post("/api/v1/bills", json={"bills": [a_bill()]}, headers=TOKEN)
    assert_problem(answer, 503, "please send it again")
    assert "0912340001" not in caplog.text


_WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**17), 10**17), st.text(max_size=40), st.just([]), st.just({}),
    st.sampled_from(["1", "0", "-1", "1e3", "2026-12-31", "2099-12-31", "12/2026", "0912345678", "vi", "999", "a/b"]),
)  # fmt: skip
_BILLS = st.lists(
    st.builds(
        lambda number, changes: a_bill(number) | changes,
        st.integers(1, 4),
        st.dictionaries(st.sampled_from(sorted(a_bill())), _WORDS, max_size=3),
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, derandomize=True, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_BILLS)
def test_whatever_is_handed_over_is_taken_or_refused_and_never_breaks_us(web, bills):
    answer = web.post("/api/v1/bills", json={"bills": bills}, headers=TOKEN)
    assert answer.status_code in (200, 400, 422), answer.data
    if answer.status_code != 200:
        assert all("bills[" in error for error in answer.json["errors"])


def test_another_method_is_refused(web):
    answer = web.put("/api/v1/bills", headers=TOKEN)
    assert_problem(answer, 405, "header Allow")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
