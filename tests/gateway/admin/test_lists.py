"""Lists: search, filters and paging that keeps both."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup

from gateway.admin import listing
from gateway.admin.listing import Asked, Filter
from reconciliation import overview
from tests.gateway.admin.conftest import NOW


def _rows(page):
    return [" ".join(row.get_text(" ").split()) for row in page.select("main tbody tr")]


def _walk(visitor, path, rel):
    link = visitor.page(path).select_one(f"a[rel={rel}]")
    return link["href"] if link else None


def test_pages_follow_each_other_and_keep_the_filters(accountant, books, session, monkeypatch):
    monkeypatch.setattr(listing.page_of, "__kwdefaults__", {"newest_first": True, "size": 2})
    for n in range(5):
        books.payment(1000 + n)
    books.payment(7, bank="vidien")
    session.commit()
    path, seen = "/admin/payments/?bank=saomai", []
    while path:
        seen.append([row.split()[-6] for row in _rows(accountant.page(path))])
        here, path = path, _walk(accountant, path, "next")
        assert path is None or "bank=saomai" in path
    assert [len(page) for page in seen] == [2, 2, 1]
    first = _walk(accountant, _walk(accountant, here, "prev"), "prev")
    assert [row.split()[-6] for row in _rows(accountant.page(first))] == seen[0]
    assert _walk(accountant, first, "prev") is None


def test_rows_that_arrive_meanwhile_shift_no_page(accountant, books, session, monkeypatch):
    monkeypatch.setattr(listing.page_of, "__kwdefaults__", {"newest_first": True, "size": 2})
    made = [books.payment(1000 + n) for n in range(4)]
    session.commit()
    following = _walk(accountant, "/admin/payments/", "next")
    books.payment(9999)
    session.commit()
    assert [made[1].source_reference, made[0].source_reference] == [
        row.split()[0] for row in _rows(accountant.page(following))
    ]


def test_a_payment_is_found_by_amount_code_customer_or_reference(accountant, books, session):
    bill, payment = books.settled()
    books.settled(500_000)
    session.commit()
    code, reference = bill.payment_code, payment.source_reference
    for words in ("844.960 ₫", "844,960", "844960", code.lower(), code[:13], bill.number, reference):
        rows = _rows(accountant.page(f"/admin/payments/?q={words}"))
        assert [row.split()[0] for row in rows] == [reference], words


def test_a_bill_is_found_by_number_code_customer_or_amount(accountant, books, session):
    bill = books.bill()
    books.bill(500_000)
    session.commit()
    for words in (bill.number, bill.number.lower(), bill.payment_code, bill.payment_code[:13], "844.960"):
        assert [row.split()[0] for row in _rows(accountant.page(f"/admin/bills/?q={words}"))] == [bill.number]


def test_deliveries_are_found_by_number_event_file_or_reference(accountant, books, session):
    callback = books.delivery()
    payment = books.payment(delivery_id=callback.id)
    file = books.statement()
    session.commit()
    for words in (f"%23{callback.id}", callback.event_id, payment.source_reference, callback.digest.hex()):
        assert [row.split()[0] for row in _rows(accountant.page(f"/admin/deliveries/?q={words}"))] == [
            f"#{callback.id}"
        ]
    rows = _rows(accountant.page("/admin/deliveries/?q=saomai-20261118.xml"))
    assert [row.split()[0] for row in rows] == [f"#{file.delivery_id}"]


def test_the_age_of_mismatches_is_summed_and_filtered(accountant, books, session):
    for days, code in ((0, "M12"), (3, "M03"), (30, "M06")):
        books.mismatch(code, f"s{days}", minor=1000 + days, opened_at=NOW - timedelta(days=days))
    session.commit()
    page = accountant.page("/admin/mismatches/")
    spans = page.select(".spans .figure")
    assert [one.select_one(".soft").text for one in spans] == [
        "1 chênh lệch đang mở", "1 chênh lệch đang mở", "0 chênh lệch đang mở", "1 chênh lệch đang mở",
    ]  # fmt: skip
    for span, code in zip(spans, ("M12", "M03", None, "M06"), strict=True):
        found = _rows(accountant.page(span["href"]))
        assert [row[:3] for row in found] == ([code] if code else [])


def test_the_age_of_mismatches_is_summed_within_what_is_asked_for(accountant, books, session):
    for days, code, state in ((0, "M12", "open"), (3, "M12", "open"), (30, "M06", "open"), (30, "M12", "resolved")):
        books.mismatch(code, f"s{days}{state}", minor=1000, opened_at=NOW - timedelta(days=days), state=state)
    session.commit()

    def counts(asked):
        spans = accountant.page(f"/admin/mismatches/?{asked}").select(".spans .figure")
        return [int(one.select_one(".soft").text.split()[0]) for one in spans], [one["href"] for one in spans]

    assert counts("code=M15")[0] == [0, 0, 0, 0]
    found, links = counts("code=M12&age=2-3")
    assert found == [1, 1, 0, 0], "of whatever age is asked for"
    assert all("code=M12" in one and "state=unsettled" in one for one in links)
    assert counts("code=M12&state=every")[0] == found, "what is settled ages no more"
    assert all("state=unsettled" in one for one in counts("code=M12&state=every")[1])
    assert counts("state=resolved") == ([], [])
    assert counts("q=M06")[0] == [0, 0, 0, 1]


def test_mismatches_come_oldest_first_and_are_filtered_by_code_and_state(accountant, books, session):
    bill, payment = books.settled()
    books.mismatch("M03", "payment:1", bill_id=bill.id, payment_id=payment.id, minor=8418)
    books.mismatch("M12", "payment:2")
    books.mismatch("M14", "statement:1", state="resolved")
    session.commit()
    assert [row[:3] for row in _rows(accountant.page("/admin/mismatches/"))] == ["M03", "M12"]
    every = accountant.page("/admin/mismatches/").select_one("p a[href*='state=every']")["href"]
    assert [row[:3] for row in _rows(accountant.page(every))] == ["M03", "M12", "M14"]
    counts = {
        query: " ".join(accountant.page(f"/admin/mismatches/{query}").select_one(".count").get_text(" ").split())
        for query in ("?state=every", "", "?code=M12")
    }
    assert counts == {"?state=every": "3 trong đó 1 đã xử lý", "": "2", "?code=M12": "1"}
    choices = accountant.page("/admin/mismatches/").select("select[name=sort] option")
    assert [one.text for one in choices] == ["cũ nhất trước", "số tiền lớn trước", "hạn gần nhất trước"]
    assert accountant.page("/admin/mismatches/").select_one("select[name=code] option").text == "tất cả"
    assert "Hiện tất cả, kể cả đã xử lý" not in accountant.page("/admin/mismatches/?state=every").text
    assert [row[:3] for row in _rows(accountant.page("/admin/mismatches/?state=unsettled"))] == ["M03", "M12"]
    assert [row[:3] for row in _rows(accountant.page("/admin/mismatches/?code=M12"))] == ["M12"]
    for words in (bill.number, payment.source_reference, bill.payment_code[:13], "8.418"):
        assert [row[:3] for row in _rows(accountant.page(f"/admin/mismatches/?q={words}"))] == ["M03"]


def test_an_empty_list_teaches_and_a_fruitless_search_says_so(accountant):
    assert "ngân hàng gửi thông báo" in accountant.page("/admin/payments/").text
    page = accountant.page("/admin/payments/?q=nothing-like-this")
    assert "Không có kết quả phù hợp" in page.text
    assert page.select_one("input[name=q]")["value"] == "nothing-like-this"


def test_an_address_that_makes_no_sense_lists_nothing_and_says_so(accountant, books, session):
    books.payment()
    session.commit()
    for query in ("state=nonsense", "day=2026-13-40", "after=x", "before=-1", "bank='--", f"after={10**30}"):
        answer = accountant.get(f"/admin/payments/?{query}")
        assert (answer.status_code, f"({query.partition('=')[0]}): cần" in answer.text) == (400, True), query
        assert "data-row" not in answer.text
    assert len(_rows(accountant.page("/admin/payments/?q=%00"))) == 1


def test_what_people_type_is_shown_as_text(accountant):
    page = accountant.page("/admin/bills/?q=<script>alert(1)</script>")
    assert not page.select("main script")
    assert page.select_one("input[name=q]")["value"] == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("search", "amount"),
    [
        ("844.960", 844960),
        ("844,960 ₫", 844960),
        ("1 200 000", 1200000),
        ("12.5", None),
        ("1.2345", None),
        ("PA12", None),
    ],
)
def test_a_search_is_an_amount_only_when_it_is_written_as_one(search, amount):
    assert Asked(search, [Filter("x", "x")], {}).amount() == amount


def test_a_count_beyond_the_limit_says_more_than(accountant, books, session, monkeypatch):
    monkeypatch.setattr(listing, "COUNTED", 3)
    for _ in range(5):
        books.payment()
    session.commit()
    assert accountant.page("/admin/payments/").select_one(".count").text == "hơn 3"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("bills", "Hóa đơn"),
        ("payments", "Thanh toán"),
        ("mismatches", "Chênh lệch"),
        ("deliveries", "Bản tin đến"),
    ],
)
def test_a_list_is_named_in_its_heading_and_its_window(accountant, path, title):
    page = accountant.page(f"/admin/{path}/")
    assert page.h1.get_text(strip=True) == title
    assert page.title.text.startswith(f"{title} · ")


def test_what_is_matched_comes_to_what_settles_bills_and_what_is_placed_to_what_went_elsewhere(
    accountant, books, session
):
    _bill, first = books.settled(100_000)
    books.settled(30_000)
    more = books.payment(90_000, state="confirmed", confirmed_minor=90_000)
    other = books.bill(40_000)
    asked = books.mismatch("M12", f"payment:{more.id}", payment_id=more.id, minor=90_000)
    loose = books.payment(8_000, state="confirmed", confirmed_minor=8_000)
    suspended = books.mismatch("M12", f"payment:{loose.id}", payment_id=loose.id, minor=8_000)
    session.commit()
    for case, fields in (
        (asked, {"bill1": other.number, "amount1": "40000", "place1": "held", "sum1": "50000"}),
        (suspended, {"place1": "held", "sum1": "8000"}),
    ):
        assert accountant.send(f"/admin/mismatches/{case.id}/settle", why="chờ", **fields).status_code == 303

    def told(view):
        return accountant.page(f"/admin/payments/?view={view}").select_one(".heading").text.replace("\u00a0", " ")

    assert "tổng 170.000 ₫" in told("matched")
    assert "tổng 58.000 ₫" in told("placed")
    [day] = overview.of_day(session, first.business_date, {}, now=NOW).banks
    assert (day.matched_minor, day.placed_minor) == (170_000, 58_000)


def test_a_list_without_rows_says_how_searches_look_only_where_one_was_made(accountant):
    whole = "Ô tìm kiếm tìm đúng toàn bộ mã"
    assert whole in accountant.page("/admin/bills/?q=HD0").text
    filtered = accountant.page("/admin/bills/?state=open").select_one(".empty").text
    assert whole not in filtered
    assert "Không có dòng nào khớp với tất cả các điều kiện đã chọn" in filtered


def test_what_an_address_asks_wrongly_is_left_out_by_one_press(accountant):
    answer = accountant.get("/admin/bills/?due=2026-12-31&due_until=2026-01-01&state=open")
    page = BeautifulSoup(answer.text, "html.parser")
    pressed = page.select_one("a.button:-soup-contains('Bỏ điều kiện không hợp lệ')")
    assert pressed["href"] == "/admin/bills/?state=open&due=2026-12-31"


def test_a_days_payments_are_summed_however_many_they_are(accountant, books, session, monkeypatch):
    monkeypatch.setattr(listing, "COUNTED", 1)
    for minor in (10_000, 20_000, 30_000):
        books.settled(minor)
    session.commit()

    def told(asked):
        page = accountant.page(f"/admin/payments/?{asked}")
        return " ".join(page.select_one(".heading").text.split())

    assert told("day=2026-11-18") == "Thanh toán 3 tổng 60.000 ₫"
    assert told("day=2026-11-18&bank=saomai&view=matched") == "Thanh toán 3 tổng 60.000 ₫"
    assert told("day=2026-11-18&view=matched") == "Thanh toán hơn 1", "payment by payment: by bank only"
    assert told("") == told("day=2026-11-17&until=2026-11-18") == "Thanh toán hơn 1"
