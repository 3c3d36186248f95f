"""What is read through the API: rows as the books hold them, page by page, narrowed as asked, and nobody's numbers."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from gateway import callback_reading, jobs
from gateway.api import operations
from gateway.api.closes import written as closes_told
from gateway.database import transaction
from reconciliation import closes, mismatches
from tests.gateway.samples import a_bill, a_debit_bill, an_event

LISTS = ["bills", "payments", "mismatches", "closes", "messages"]


def numbers(answer):
    return [one["number"] for one in answer.json["items"]]


def number(n):
    return f"HD2611-{n:07}"


def test_a_bill_is_read_by_its_number_with_what_is_still_owed(ask, issue, paid):
    paid(1)
    issue(a_debit_bill(2))
    told = ask.get(f"/bills/{number(1)}").json
    assert (told["state"], told["amount"], told["paid"], told["owed"], told["currency"]) == (
        "paid", 100_000, 100_000, 0, "VND",
    )  # fmt: skip
    assert told["customer"] == {"code": "PA00000000001", "office": "Điện lực Hồ Sen", "phone_tail": "001"}
    assert ask.get(f"/bills/{number(2)}").json["owed"] == 100_000
    assert ask.get(f"/bills/{number(2)}").json["bank"] == "standard"
    assert ask.get("/bills/HD-NONE").status_code == 404


def test_the_last_version_of_a_bill_is_told_unless_another_is_named(ask, issue):
    issue(a_bill(1))
    issue(a_bill(1, version="2", tax="8000", amount="99000"))
    told = ask.get(f"/bills/{number(1)}").json
    assert (told["version"], told["amount"], told["state"]) == (2, 99_000, "open")
    first = ask.get(f"/bills/{number(1)}?version=1").json
    assert (first["version"], first["state"], first["owed"]) == (1, "replaced", 0)
    assert ask.get(f"/bills/{number(1)}?version=3").status_code == 404
    assert [one["version"] for one in ask.get("/bills?state=replaced").json["items"]] == [1]


def test_a_number_with_slashes_has_its_place(ask, issue):
    issue({**a_bill(1), "number": "HD/26//11"})
    assert ask.get("/bills/HD/26//11").json["number"] == "HD/26//11"
    assert ask.get("/bills/HD%2F26%2F%2F11").json["number"] == "HD/26//11"


def test_pages_follow_on_each_other_whatever_comes_meanwhile(ask, issue):
    issue(*map(a_bill, range(1, 6)))
    first = ask.get("/bills?limit=2")
    assert numbers(first) == [number(5), number(4)]
    issue(a_bill(6))
    second = ask.get(f"/bills?limit=2&after={first.json['next']}")
    assert numbers(second) == [number(3), number(2)]
    third = ask.get(f"/bills?limit=2&after={second.json['next']}")
    assert (numbers(third), third.json["next"]) == ([number(1)], None)
    whole = ask.get("/bills?limit=6")
    assert (len(numbers(whole)), whole.json["next"]) == (6, None)


def test_bills_are_narrowed(ask, issue, paid):
    paid(1)
    issue(a_bill(2, issued_on="2026-11-17"), a_debit_bill(3))
    for narrowed, expected in [
        ("state=paid", [1]),
        ("state=open", [2, 3]),
        ("bank=standard", [3]),
        ("customer=PA00000000002", [2]),
        ("since=2026-11-17", [2]),
        ("until=2026-11-16", [3, 1]),
        ("since=2026-11-16&until=2026-11-17", [2, 3, 1]),
        ("since=0001-01-01&until=9999-12-31", [2, 3, 1]),
        ("state=cancelled", []),
    ]:
        assert numbers(ask.get(f"/bills?{narrowed}")) == [number(n) for n in expected], narrowed


@pytest.mark.parametrize("path", ["bills", "payments", "messages", "mismatches", "closes", "webhook-events"])
def test_days_that_end_before_they_begin_are_refused(ask, path):
    answer = ask.get(f"/{path}?since=2026-11-18&until=2026-11-17")
    assert (answer.status_code, answer.json["errors"]) == (
        422, ["until: expected no day before since = 2026-11-18, got 2026-11-17"],
    )  # fmt: skip
    assert ask.get(f"/{path}?since=2026-11-18&until=2026-11-18").status_code == 200


def test_a_payment_is_read_by_its_number_and_by_its_banks_reference(ask, paid):
    paid(1)
    [told] = ask.get("/payments").json["items"]
    assert (told["bank"], told["reference"], told["amount"], told["matched"], told["state"]) == (
        "standard", "FT1", 100_000, 100_000, "reported",
    )  # fmt: skip
    assert told["paid_at"] == "2026-11-18T01:59:00Z"
    whole = ask.get(f"/payments/{told['id']}").json
    assert whole == ask.get("/payments/standard/FT1").json
    assert [(one["number"], one["amount"], one["rule"]) for one in whole["bills"]] == [
        (number(1), 100_000, "payment_code")
    ]
    for path in ("/payments/999999", "/payments/standard/FT2", "/payments/vnpay/FT1", "/payments/x"):
        assert ask.get(path).status_code == 404, path


def test_payments_are_narrowed(ask, paid, wiring, web):
    paid(1, 2)
    signed = an_event(wiring, "FT9", payment_code="PA99999999999")
    assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
    callback_reading.read(wiring, callback_reading.claim(wiring, limit=10, lease=jobs.LEASE))
    for narrowed, expected in [
        ("bank=standard", ["FT9", "FT2", "FT1"]),
        ("bank=vnpay", []),
        ("customer=PA00000000002", ["FT2"]),
        ("matched=not_wholly", ["FT9"]),
        ("matched=wholly", ["FT2", "FT1"]),
        ("state=confirmed", []),
        ("since=2026-11-18&until=2026-11-18", ["FT9", "FT2", "FT1"]),
        ("since=2026-11-19", []),
        ("until=2026-11-17", []),
    ]:
        assert [one["reference"] for one in ask.get(f"/payments?{narrowed}").json["items"]] == expected, narrowed


@pytest.fixture
def question(wiring):
    with transaction(wiring.engine) as session:
        return mismatches.ask_one(
            session, code="M03", subject="payment:1/amount", source="standard", now=wiring.clock(), minor=20_000,
            facts={"expected": 100_000, "arrived": 120_000, "payer": "190026112233"},
        )  # fmt: skip


def test_a_mismatch_is_read_with_both_amounts_and_nothing_of_the_payer(ask, question):
    [told] = ask.get("/mismatches").json["items"]
    whole = ask.get(f"/mismatches/{question}")
    assert {**whole.json, **told} == whole.json
    assert (told["code"], told["bank"], told["owner"], told["amount"]) == ("M03", "standard", "accountant", 20_000)
    assert (whole.json["expected"], whole.json["arrived"], whole.json["remarks"]) == (100_000, 120_000, [])
    assert b"190026112233" not in whole.data
    assert ask.get("/mismatches/999").status_code == 404


@pytest.mark.parametrize(
    ("code", "facts", "sides"),
    [
        ("M03", {"owed": 675_622, "paid": 200_000}, (675_622, 200_000)),
        ("M11", {"net": 99_000, "quoted": []}, (99_000, None)),
        ("M14", {}, (None, None)),
        ("M06", {"owed": 0, "paid": 5}, (0, 5)),
    ],
)
def test_both_sides_are_told_as_the_page_shows_them(ask, wiring, code, facts, sides):
    with transaction(wiring.engine) as session:
        asked = mismatches.ask_one(
            session, code=code, subject="payment:2", source="standard", now=wiring.clock(), minor=5, facts=facts
        )
    whole = ask.get(f"/mismatches/{asked}").json
    assert (whole["expected"], whole["arrived"]) == sides


def test_the_sides_are_the_bills_and_the_payments_where_no_fact_tells_them(ask, wiring, paid):
    paid(1)
    with transaction(wiring.engine) as session:
        payment = session.execute(text("SELECT id, minor FROM payments ORDER BY id LIMIT 1")).one()
        missing, unknown = (
            mismatches.ask_one(
                session, code=code, subject=f"payment:{payment.id}{end}", source="standard", now=wiring.clock(),
                minor=payment.minor, payment_id=payment.id, facts={},
            )
            for code, end in (("M01", "/other-door"), ("M12", ""))
        )  # fmt: skip
    told = [ask.get(f"/mismatches/{number}").json for number in (missing, unknown)]
    assert [(one["expected"], one["arrived"]) for one in told] == [(payment.minor, None), (None, payment.minor)]


def test_mismatches_are_narrowed(ask, question, wiring):
    with transaction(wiring.engine) as session:
        mismatches.resolve(session, [question], by="lan", resolution="gọi 0912345678", now=wiring.clock())
        mismatches.ask_one(session, code="M13", subject="link:vnpay", source="vnpay", now=wiring.clock())
    for narrowed, expected in [
        ("state=resolved", ["M03"]), ("state=open", ["M13"]), ("bank=vnpay", ["M13"]), ("owner=liaison", ["M13"]),
        ("code=M03", ["M03"]), ("since=2026-11-18", ["M13", "M03"]), ("until=2026-11-17", []),
    ]:  # fmt: skip
        assert [one["code"] for one in ask.get(f"/mismatches?{narrowed}").json["items"]] == expected, narrowed
    assert ask.get(f"/mismatches/{question}").json["resolution"] == "gọi ···678"


def test_a_days_close_is_read_with_every_version(ask, wiring):
    day = date(2026, 11, 17)
    with transaction(wiring.engine) as session:
        for version in (1, 2):
            made = closes.Close(bank="standard", period="day", day=day, version=version, created_at=wiring.clock())
            session.add(made)
            session.flush()
            if version == 1:
                made.maker, made.made_at, made.digest, made.figures = "lan", wiring.clock(), "d1", {"booked": 5}
                session.flush()
                for state, moves in (("balanced", 1), ("withdrawn", 2)):
                    made.state, made.moves = state, moves
                    session.flush()
    told = ask.get("/closes/standard/2026-11-17").json
    assert (told["version"], told["state"], told["digest"], told["figures"]) == (2, "open", None, {})
    assert [(one["version"], one["state"], one["balanced_by"]) for one in told["versions"]] == [
        (1, "withdrawn", "lan"), (2, "open", None),
    ]  # fmt: skip
    assert [one["version"] for one in ask.get("/closes?state=withdrawn&bank=standard&period=day").json["items"]] == [1]
    assert ask.get("/closes?since=2026-11-18").json["items"] == []
    assert told["obstacles"] == []
    for path in ("2026-11-16", "2026-11", "2026-99-99", "9999-12", "9999-12-31", "soon"):
        assert ask.get(f"/closes/standard/{path}").status_code == 404, path


def test_what_keeps_a_month_from_being_closed_is_told_with_its_day(ask, wiring):
    with transaction(wiring.engine) as session:
        mismatches.ask_one(session, code="M13", subject="file:standard:2024-11-15", source="standard",
                           facts={"day": "2024-11-15"}, now=wiring.clock())  # fmt: skip
        session.add(
            closes.Close(bank="standard", period="month", day=date(2024, 11, 1), version=1, created_at=wiring.clock())
        )
    said = "expected the questions of 2024-11 answered that leave a day unknown, got 1 open: M13, 2024-11-15 first"
    assert ask.get("/closes/standard/2024-11").json["obstacles"] == [said]
    answer = ask.get("/closes/standard/2099-03")
    assert (answer.status_code, answer.json["errors"][1:]) == (404, ["expected a month that is over, got 2099-03"])


def test_a_message_is_read_without_its_text_and_number(ask, issue, one):
    issue(a_debit_bill(1))
    [told] = ask.get("/messages?event=before_debit&state=queued").json["items"]
    answer = ask.get(f"/messages/{told['id']}")
    assert answer.json == told
    assert (told["customer"], told["bill"]) == ({"code": "PA00000000001", "phone_tail": "001"}, number(1))
    assert one("SELECT body FROM messages").encode() not in answer.data
    assert b"0912340001" not in answer.data
    assert ask.get("/messages/999").status_code == 404
    for narrowed, many in [
        (f"bill={number(1)}", 1), (f"bill={number(2)}", 0), ("customer=PA00000000001", 1), ("state=sent", 0),
        ("since=2026-11-18&until=2026-11-18", 1), ("until=2026-11-17", 0),
    ]:  # fmt: skip
        assert len(ask.get(f"/messages?{narrowed}").json["items"]) == many, narrowed


def test_days_are_vietnams(ask, wiring, later, question):
    later(datetime(2026, 11, 18, 17, 30, tzinfo=UTC))
    with transaction(wiring.engine) as session:
        mismatches.ask_one(session, code="M13", subject="link:x", source="x", now=wiring.clock())
    assert [one["code"] for one in ask.get("/mismatches?since=2026-11-19").json["items"]] == ["M13"]


@pytest.mark.parametrize("what", LISTS)
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("colour=red", "colour: expected one of the parameters "),
        ("limit=0", "limit: expected a whole number from 1 to 500, got '0'"),
        ("limit=501", "limit: expected a whole number from 1 to 500"),
        ("limit=1&limit=2", "limit: expected it once"),
        ("after=5", "after: expected what `next` said in the answer before"),
        ("state=odd", "state: expected one of "),
        ("since=yesterday", "since: expected a day as 2026-11-18, got 'yesterday'"),
        ("until=2026-02-30", "until: expected a day as 2026-11-18"),
        ("bank=%00", ": expected "),
    ],
)
def test_what_a_list_does_not_know_is_refused_with_what_it_does(ask, what, asked, said):
    answer = ask.get(f"/{what}?{asked}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert said in answer.json["errors"][0]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("GET", "/bills/"), ("POST", "/openapi.json/x")])
def test_addresses_that_are_none_are_problems_too(web, method, path):
    answer = web.open(f"/api/v1{path}", method=method)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_a_problem_that_names_those_there_are(web, method):
    answer = web.open("/api/v1/payments/1", method=method)
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_a_fault_of_ours_is_a_problem_that_tells_nothing(ask, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("0912345678")

    monkeypatch.setattr(operations, "_response", broken)
    answer = ask.web.get("/api/v1/bills", headers={"Authorization": f"Bearer {ask.token}"})
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert b"0912345678" not in answer.data
    assert "RuntimeError" in caplog.text


def test_other_addresses_keep_their_own_errors(web):
    answer = web.get("/nowhere")
    assert (answer.status_code, answer.content_type) == (404, "text/html; charset=utf-8")


def test_answers_stay_out_of_caches(ask):
    for path in ("/bills", "/bills/HD1", "/bills?colour=red"):
        assert ask.get(path).headers["Cache-Control"] == "no-store"


def test_words_of_people_and_carriers_are_told_without_numbers(wiring, ask, paid):
    paid(1)
    close = closes.Close(
        bank="standard", period="day", day=date(2026, 11, 17), version=1, state="reopened", reopened_by="chi",
        reopened_why="khách 0912345678 gọi",
    )  # fmt: skip
    assert closes_told(close)["reopened_why"] == "khách ···678 gọi"
    with transaction(wiring.engine) as session:
        session.execute(text("UPDATE messages SET reason = 'no such number: 84912345678'"))
    assert {one["reason"] for one in ask.get("/messages").json["items"]} == {"no such number: ···678"}
