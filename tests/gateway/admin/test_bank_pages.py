"""The banks' pages: how calls and files go, keys by their fingerprints, and samples that leave no trace."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from banks import profile as bank_profile
from banks.records import RawRequest
from gateway import bank_keys
from gateway.admin import bank_trying, bank_words
from gateway.bank_settings import BankSettings
from reconciliation import secret_sightings
from reconciliation.inbox import Delivery, Refusal
from reconciliation.statements import Statement
from tests.gateway.admin.conftest import DAY, NOW

KEY = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _calls(page_settings, monkeypatch):
    page_settings.banks["saomai"] = replace(page_settings.banks["saomai"], profile="vnpay", callbacks=True)
    monkeypatch.setenv("DOISOAT_SECRET_SAOMAI_HASH_SECRET", KEY)


@pytest.fixture
def refused(session):
    row = Refusal(
        source="saomai", outcome="unproven", reason="expected another signature", remote="203.0.113.9",
        head=b"SEALED-HEAD", body=b"SEALED-BODY", received_at=NOW - timedelta(minutes=5),
    )  # fmt: skip
    session.add(row)
    session.commit()


def said(tag):
    return " ".join(tag.get_text(" ").split())


def row_of(page, name):
    return next(said(row) for row in page.select("tbody tr") if name in row.text)


@pytest.mark.usefixtures("refused")
def test_each_bank_has_a_line(accountant, books, session):
    books.delivery(received_at=NOW - timedelta(minutes=10))
    books.statement()
    books.mismatch("M15", "delivery:1")
    session.commit()
    page = accountant.page("/admin/banks/")
    assert row_of(page, "saomai") == (
        "Ngân hàng Sao Mai saomai vnpay HMAC-SHA512 19/11/2026 08:50 1 1 chưa kết nối lần nào 18/11/2026 1"
    )
    assert "không gửi bản tin" in row_of(page, "vidien")
    assert accountant.get("/admin/banks/nobody").status_code == 404


def test_without_a_bank_the_page_teaches(accountant, page_settings):
    page_settings.banks.clear()
    text = accountant.page("/admin/banks/").select_one(".empty").text
    assert "[banks.NAME]" in text
    assert "docs/adding-a-bank.md" in text


@pytest.mark.usefixtures("refused")
def test_the_last_calls_and_refusals_are_told_and_their_bytes_are_not(accountant, books, session):
    delivery = books.delivery(state="unreadable", reason="expected an amount")
    session.commit()
    page = accountant.page("/admin/banks/saomai")
    assert page.select_one(f"a[href='/admin/deliveries/{delivery.id}']")
    text = said(page.select_one("main"))
    for told in ("expected an amount", "203.0.113.9", "expected another signature", "GET /webhooks/saomai"):
        assert told in text
    assert "SEALED" not in str(page)


def test_keys_are_told_by_fingerprints_and_an_old_one_warns(accountant, session):
    name, prints = "saomai_hash_secret", [bank_keys.fingerprint(KEY)]
    secret_sightings.note(session, {name: ["0ld0ld00"]}, now=NOW - timedelta(days=800))
    secret_sightings.note(session, {name: prints}, now=NOW - timedelta(days=366))
    session.commit()
    page = accountant.page("/admin/banks/saomai")
    assert prints[0] in page.text
    assert KEY not in str(page)
    assert "thay khóa ngày 18/11/2025" in said(page)
    assert "0ld0ld00" not in page.text, "a key that lives no more"
    assert "đã dùng hơn một năm" in page.select_one(".alarm").text


def test_a_statement_that_does_not_follow_on_and_a_missing_one_are_marked(accountant, books, session):
    first = DAY - timedelta(days=8)
    after = first + timedelta(days=1)
    late = first + timedelta(days=7)
    books.statement(statement_id="S1", opening_minor=0, closing_minor=500, closing_on=first, sequence=1)
    books.statement(statement_id="S2", opening_minor=500, closing_minor=700, closing_on=after, sequence=2)
    books.statement(statement_id="S3", opening_minor=701, closing_minor=900, closing_on=late, sequence=4)
    session.commit()
    page = accountant.page("/admin/banks/saomai")
    marked = {name: "không nối tiếp" in row_of(page, name) for name in ("S1", "S2", "S3")}
    assert marked == {"S1": False, "S2": False, "S3": True}
    text = said(page)
    assert "Tài khoản ···2233 thiếu sao kê số 3" in text
    assert "Thiếu sao kê ngày 12/11/2026" in text
    assert "Thiếu sao kê ngày 11/11/2026" not in text


@pytest.mark.usefixtures("refused")
def test_the_overview_tells_each_callers_health_and_leads_on(accountant, books, session):
    waiting = books.delivery(state="set_aside", received_at=NOW - timedelta(minutes=1))
    books.delivery(state="set_aside", received_at=NOW - timedelta(days=1))
    books.delivery(state="read", received_at=NOW)
    session.commit()
    page = accountant.page("/admin/")
    table = page.select_one("section[aria-labelledby=health-title]")
    assert said(table.select_one("tbody")) == "Ngân hàng Sao Mai 19/11/2026 09:00 2 1 1"
    links = [link["href"] for link in table.select("a")]
    assert links[:2] == ["/admin/banks/saomai", "/admin/banks/saomai#refused"]
    listed = accountant.page(links[2]).select("tbody tr")
    assert [row.select_one("a")["href"] for row in listed] == [f"/admin/deliveries/{waiting.id}"]


def signed(**changed):
    fields = {
        "vnp_Amount": "84496000", "vnp_BankCode": "NCB", "vnp_PayDate": "20261118091500", "vnp_ResponseCode": "00",
        "vnp_TmnCode": "DIENLUC", "vnp_TransactionNo": "14422574", "vnp_TransactionStatus": "00",
        "vnp_TxnRef": "PA0000000000111126", "vnp_OrderInfo": "tien dien",
    }  # fmt: skip
    profile = bank_profile.find("vnpay")
    query = "&".join(f"{key}={value}" for key, value in {**fields, **changed}.items()).replace(" ", "+").encode()
    moment = datetime(2026, 11, 18, 2, 15, tzinfo=UTC)
    return profile.sign(RawRequest("GET", query, {}, b"", moment), {"hash_secret": [KEY]}, moment).query.decode()


def tried(visitor, path="/admin/banks/saomai/try-callback", **fields):
    visitor.kept = visitor.kept or visitor.token("/admin/banks/saomai")
    answer = visitor.client.post(path, data={"csrf_token": visitor.kept, **fields})
    assert answer.status_code == 200, answer.text[:300]
    assert KEY not in answer.text
    return answer.text


def test_a_proven_sample_shows_what_it_would_book_and_leaves_nothing(as_role, session):
    text = tried(as_role("liaison"), query="https://pay.example/ipn?" + signed())
    assert "Đã xác thực" in text
    assert "844.960" in text
    assert "14422574" in text
    assert "vnp_Amount=84496000&amp;" in text, "the text that was signed"
    for table in (Delivery, Refusal):
        assert session.scalar(select(func.count()).select_from(table)) == 0


def test_an_unproven_sample_shows_why_and_its_signed_text(as_role):
    text = tried(as_role("administrator"), query=signed().replace("84496000", "84496001"))
    assert "Không xác thực được" in text
    assert "vnp_Amount=84496001&amp;" in text
    assert "Nội dung sẽ ghi nhận" not in text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "hãy nhập phần truy vấn"),
        ({"query": "a=1", "headers": "Bearer abc"}, "tiêu đề 1: phải là dòng"),
        ({"query": "a=1", "received_at": "yesterday"}, "Cần thời điểm nhận"),
        ({"query": "a=1", "received_at": "9999-12-31T09:15"}, "Cần thời điểm nhận"),
    ],
)
def test_what_can_not_be_tried_is_said(as_role, fields, why):
    text = tried(as_role("chief_accountant"), **fields)
    assert "Chưa thử được" in text
    assert why in text
    assert "Bearer abc</" in text or "headers" not in fields, "the form keeps what was typed"


MT940 = (
    ":20:S1\r\n:25:190026112233\r\n:28C:1/1\r\n:60F:C261118VND0,\r\n:61:2611181118C100000,NTRFB1\r\n:86:TIEN DIEN\r\n"
    ":62F:C261118VND100000,\r\n-"
)


def test_a_statement_file_is_recognised_and_its_lines_are_shown(as_role, session):
    text = tried(
        as_role("liaison"), "/admin/banks/saomai/try-statement", file=(io.BytesIO(MT940.encode()), "sao-ke.txt")
    )
    for told in ("MT940", "···2233", "100.000", "TIEN DIEN", ">khớp<"):
        assert told in text
    assert "190026112233" not in text
    assert session.scalar(select(func.count()).select_from(Statement)) == 0


def test_a_sample_of_an_account_that_is_not_ours_at_the_bank_is_said_to_be_held(as_role, page_settings):
    held, path = "sẽ bị cách ly", "/admin/banks/saomai/try-statement"
    for accounts, says in (((), False), (("19002.6112233",), False), (("190099",), True)):
        page_settings.banks["saomai"] = replace(page_settings.banks["saomai"], accounts=accounts)
        text = tried(as_role("liaison"), path, file=(io.BytesIO(MT940.encode()), "sao-ke.txt"))
        assert (held in text) is says, accounts


def test_payers_are_named_by_first_letters_in_a_sample_as_everywhere(as_role):
    liaison = as_role("liaison")
    named = MT940.replace("TIEN DIEN", "NGUYEN VAN BINH tien dien")
    text = tried(liaison, "/admin/banks/saomai/try-statement", file=(io.BytesIO(named.encode()), "sao-ke.txt"))
    assert "BINH" not in text
    assert "N··· V·· B··· tien dien" in text


def test_why_a_file_can_not_be_read_is_said_in_vietnamese_with_what_is_technical_quoted(as_role):
    other = (io.BytesIO(b"%PDF-1.7"), "sao-ke.pdf")
    text = tried(as_role("liaison"), "/admin/banks/saomai/try-statement", file=other)
    assert "Không đọc được: phải là “" in text
    assert "nhận được “" in text
    assert "expected" not in text.partition('id="tried"')[2].partition("</div>")[0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Choose a file"),
        (b"x" * 2_001, "5 MB"),
        (MT940.replace("100000,NTRF", "1x0,NTRF").encode(), "line 5"),
    ],
)
def test_a_file_that_can_not_be_read_is_said_with_its_place(as_role, data, why, monkeypatch):
    monkeypatch.setattr(bank_trying, "MOST_BYTES", 2_000)
    visitor = as_role("liaison")
    visitor.send("/admin/language", language="en", back="/admin/")
    text = tried(visitor, "/admin/banks/saomai/try-statement", file=(io.BytesIO(data), "sao-ke.txt"))
    assert "Not readable" in text
    assert why in text


@pytest.mark.parametrize("role", ["accountant", "auditor", "care"])
def test_others_may_try_nothing(as_role, role):
    visitor = as_role(role)
    for act in ("try-callback", "try-statement"):
        assert visitor.send(f"/admin/banks/saomai/{act}").status_code == 403
    if role != "care":
        assert "Thử một mẫu" not in visitor.page("/admin/banks/saomai").text


def test_every_profile_says_how_it_proves_a_call():
    for name in bank_profile.names():
        assert bank_words.scheme(BankSettings("b1", "B", profile=name)) not in ("", name)
    assert bank_words.scheme(BankSettings("b1", "B")) == ""
