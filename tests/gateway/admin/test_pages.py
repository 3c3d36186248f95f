"""The overview and the pages of single rows."""

from datetime import date, timedelta

from bs4 import BeautifulSoup

from reconciliation import counted_months
from reconciliation.lifecycle import MISMATCH, move
from tests.gateway.admin.conftest import NOW


def _text(tag):
    return " ".join(tag.get_text(" ").split())


def _facts(page):
    return {_text(row.dt): _text(row.dd) for row in page.select("dl.facts div") if row.dt and row.dd}


def test_the_overview_counts_a_day_per_bank(accountant, books, session):
    books.settled(844_960)
    books.settled(100_000, bank="vidien")
    unmatched = books.payment(50_000)
    books.mismatch("M12", f"payment:{unmatched.id}", payment_id=unmatched.id, minor=50_000)
    counted_months.count(session, date(2026, 11, 1), now=NOW)
    session.commit()
    page = accountant.page("/admin/?day=2026-11-18")
    rows = [_text(row) for row in page.select("table.banks tbody tr")]
    assert rows[0] == (
        "Ngân hàng Sao Mai 894.960 ₫ 2 844.960 ₫ 1 844.960 ₫ 1 50.000 ₫ 1 1 0 ₫ 1/1 1 1 0".replace(
            " ₫", "\u00a0₫"
        ).replace("\u00a0", " ")
    )
    assert rows[1].startswith("Ví Điện 100.000 ₫ 1 100.000 ₫ 1 100.000 ₫ 1 – 0")
    assert page.select_one(".verdict.calm")
    assert "994.960" in _text(page.select_one("table.banks tfoot tr"))


def test_open_questions_are_of_any_day_and_their_total_opens_them_all(accountant, books, session):
    books.mismatch("M01", "payment:1", minor=1000)
    books.mismatch("M01", "payment:2", minor=2000, source="vidien")
    session.commit()
    page = accountant.page("/admin/?day=1900-01-01")
    assert "Chênh lệch đang mở, của mọi ngày" in [_text(head) for head in page.select("table.banks thead th")]
    total = page.select_one("table.banks tfoot td[data-label='Chênh lệch'] a")
    assert total.text == "2"
    assert len(accountant.page(total["href"]).select("main tbody tr")) == 2


def test_messages_that_nobody_has_counted_are_no_zero(accountant, books, session):
    books.settled(10_000)
    session.commit()
    told = "table.banks td[data-label^='SMS ']"
    assert {cell.text for cell in accountant.page("/admin/?day=2026-11-18").select(told)} == {"–"}
    counted_months.count(session, date(2026, 11, 1), now=NOW)
    session.commit()
    assert {cell.text for cell in accountant.page("/admin/?day=2026-11-18").select(told)} == {"0", "1"}


def test_money_nobody_can_explain_is_loud_and_leads_to_the_payments(accountant, books, session):
    payment = books.payment(50_000)
    session.commit()
    page = accountant.page("/admin/")
    loud = page.select_one(".verdict.loud")
    assert "50.000" in loud.text
    listed = accountant.page(loud["href"])
    assert payment.source_reference in _text(listed.select_one("main tbody tr"))


def test_what_nobody_can_explain_is_shown_with_its_sum_of_all_banks_or_of_one(accountant, books, session):
    books.payment(50_000)
    books.line(books.statement(), None, 7_000)
    session.commit()
    page = accountant.page("/admin/unexplained/?day=2026-11-18")
    assert "57.000" in page.h1.text
    assert [len(table.select("tbody tr")) for table in page.select("main table")] == [1, 1]
    assert "57.000" in accountant.page("/admin/unexplained/?day=2026-11-18&bank=saomai").h1.text
    assert "0\u00a0₫" in accountant.page("/admin/unexplained/?day=2026-11-18&bank=vidien").h1.text


def test_each_figure_leads_to_as_many_rows_as_it_counts(accountant, books, session):
    for minor in (10_000, 20_000, 30_000):
        books.settled(minor)
    books.settled(40_000, bank="vidien")
    books.payment(5_000)
    counted_months.count(session, date(2026, 11, 1), now=NOW)
    session.commit()
    page = accountant.page("/admin/?day=2026-11-18")
    cells = page.select("table.banks tbody tr:first-child td:has(small)")
    assert len(cells) == 4
    told = page.select("table.banks tbody tr:first-child td a[href*=sms]")
    assert [link.text for link in told] == ["3", "3"]
    for link in told:
        assert len(accountant.page(link["href"]).select("main tbody tr")) == 3
    of_all = page.select("table.banks tfoot td:has(small)")
    for cell in [*cells, *of_all]:
        listed = accountant.page(cell.a["href"])
        assert len(listed.select("main tbody tr")) == int(cell.small.text)
    assert [cell.small.text for cell in of_all] == ["5", "4", "4", "1"]


def test_messages_of_a_month_that_was_not_counted_are_not_told_as_none(accountant, books, session):
    books.settled()
    session.commit()
    page = accountant.page("/admin/?day=2026-11-18")
    assert [page.select_one(f"td[data-label='{name}']").text for name in ("SMS trước", "SMS sau")] == ["–", "–"]


def test_the_overview_opens_on_the_last_day_that_anything_happened(accountant, books, session):
    assert "19/11/2026" in accountant.page("/admin/").h1.text
    books.payment()
    session.commit()
    page = accountant.page("/admin/")
    assert page.h1.text == "Thứ Tư, 18/11/2026"
    assert page.select_one("a[rel=prev]")["href"] == "/admin/?day=2026-11-17"


def test_open_mismatches_are_named_and_aged(accountant, books, session, clock):
    books.mismatch("M01", "payment:1", minor=1000, opened_at=clock() - timedelta(days=9))
    books.mismatch("M01", "payment:2", minor=2000, opened_at=clock() - timedelta(hours=2))
    session.commit()
    row = _text(accountant.page("/admin/").select_one("section[aria-labelledby=codes-title] tbody tr"))
    assert row == "M01 Có thông báo, không có trên sao kê 2 3.000 ₫ 9 ngày 0–1 ngày: 1 trên 7 ngày: 1 1 0 0 1"


def test_the_overview_says_how_many_mismatches_rest_and_leads_to_them(accountant, books, session, clock):
    books.mismatch("M01", "payment:1", minor=1000)
    assert not accountant.page("/admin/").select("section[aria-labelledby=codes-title] p.soft")
    books.mismatch("M01", "payment:2", minor=2000, rests_until=clock() + timedelta(days=3))
    session.commit()
    section = accountant.page("/admin/").select_one("section[aria-labelledby=codes-title]")
    assert _text(section.select_one("tbody tr")).startswith("M01 Có thông báo, không có trên sao kê 1 1.000 ₫")
    rests = section.select_one("p.soft a")
    assert _text(rests) == "1 việc tạm chờ, 2.000 ₫"
    assert len(accountant.page(rests["href"]).select("main tbody tr")) == 1


def test_a_bill_tells_its_whole_story_in_order(accountant, books, session):
    bill, payment = books.settled()
    session.commit()
    page = accountant.page(f"/admin/bills/{bill.id}")
    told = [(item["class"][0], _text(item.select_one(".what"))) for item in page.select(".story > li")]
    kinds = [kind for kind, _ in told]
    assert kinds[0] == "issued"
    for before, after in [
        ("issued", "message"),
        ("delivery", "payment"),
        ("payment", "allocated"),
        ("allocated", "line"),
    ]:
        assert kinds.index(before) < kinds.index(after)
    assert kinds.count("message") == 2
    assert kinds.count("entry") == 3
    story = " ".join(text for _, text in told)
    assert f"Có ghi mã thanh toán {bill.payment_code}." in story
    assert payment.source_reference in story
    assert f"Tien dien {bill.number}" in story
    assert "phải thu" in story
    facts = _facts(page)
    assert facts["Còn nợ"] == "0 ₫"
    assert facts["Điện thoại"] == "···678"


def test_a_replaced_bill_shows_its_versions_and_leads_to_the_newest(accountant, books, session):
    old = books.bill(900_000, state="replaced", number="HD777", payment_code="PA1")
    new = books.bill(90_000, number="HD777", version=2, customer_id=old.customer_id, payment_code="PA2")
    session.commit()
    page = accountant.page(f"/admin/bills/{old.id}")
    assert page.select_one(".alarm a")["href"] == f"/admin/bills/{new.id}"
    assert _facts(page)["Còn nợ"] == "0 ₫"
    assert [item["class"][0] for item in page.select(".story > li")] == ["issued", "issued"]


def test_a_payment_shows_its_links_and_never_a_whole_account_number(accountant, books, session):
    _, payment = books.settled()
    session.commit()
    page = accountant.page(f"/admin/payments/{payment.id}")
    facts = _facts(page)
    assert facts["Đã khớp hoặc đã xếp"] == "844.960 ₫"
    assert facts["Tài khoản người trả"] == "···4321"


def test_a_payment_seen_on_the_statement_alone_is_called_by_the_banks_reference(accountant, books, session):
    books.payment(origin="statement", source_reference="line:7", bank_reference="FTX1", reported_at=None)
    books.payment(origin="statement", source_reference="line:8", reported_at=None)
    session.commit()
    names = [row.a.text for row in accountant.page("/admin/payments/").select("main tbody tr")]
    assert names == ["dòng số 8", "FTX1"]


def test_channels_are_said_in_words_and_unknown_ones_as_their_bank_says_them(accountant, books, session):
    for channel, said in (("qr", "mã QR"), ("kiosk", "kiosk"), ("", "–")):
        payment = books.payment(channel=channel)
        session.commit()
        page = accountant.page(f"/admin/payments/{payment.id}")
        assert page.find("dt", string="Kênh").find_next_sibling("dd").text == said
        listed = accountant.page("/admin/payments/").select_one("main tbody tr")
        assert (said in _text(listed)) == bool(channel)


def test_a_delivery_shows_size_and_digest_and_never_the_sealed_bytes(accountant, books, session):
    one = books.delivery(reason="conflicts with an earlier one", state="conflicting")
    session.commit()
    answer = accountant.get(f"/admin/deliveries/{one.id}")
    assert one.digest.hex() in answer.text
    assert "512" in answer.text
    assert "SEALED-BODY" not in answer.text
    assert "mâu thuẫn" in answer.text


def test_a_mismatch_says_what_was_expected_what_arrived_and_how_it_is_usually_settled(
    accountant, books, session, clock
):
    bill, payment = books.settled()
    facts = {
        "owed": 844_960,
        "paid": 900_000,
        "verdict": "match",
        "quoted": ["PA1", "PA2"],
        "bill": bill.number,
        "new": 7,
    }
    one = books.mismatch("M03", "payment:1", bill_id=bill.id, payment_id=payment.id, minor=55_040, facts=facts)
    move(session, MISMATCH, [one.id], "proposed", by="accountant", why="hoàn tiền", now=clock())
    session.commit()
    page = accountant.page(f"/admin/mismatches/{one.id}")
    shown = _facts(page)
    assert shown["Hóa đơn còn nợ"] == "844.960 ₫"
    assert shown["Đã trả"] == "900.000 ₫"
    assert shown["Mã được ghi"] == "PA1, PA2"
    assert shown["new"] == "7"
    assert "Thu thừa: ghi có cho khách hàng" in page.text
    assert "accountant: hoàn tiền" in _text(page.select_one(".moves"))
    assert not page.select("form[action$='/settle']")


def test_every_code_has_its_page(accountant, books, session):
    ids = [books.mismatch(f"M{n:02}", f"x:{n}", facts={"expected_by": "not a date"}).id for n in range(1, 18)]
    session.commit()
    for one in ids:
        accountant.page(f"/admin/mismatches/{one}")


def test_the_page_of_a_large_file_says_how_far_its_booking_has_come(accountant, books, session, clock):
    delivery = books.delivery(kind="statement", state="received", moves=0)
    books.statement(
        delivery_id=delivery.id, lines=1_000_000, booking_from=1, booked_lines=120_000,
        booking_since=clock() - timedelta(seconds=60),
    )  # fmt: skip
    session.commit()
    said = accountant.page(f"/admin/deliveries/{delivery.id}?language=en").select_one("table tbody").get_text(" ")
    for words in ("120.000", "2.000"):
        assert words in said.replace(",", "."), said


def test_the_overview_says_when_it_shows_another_day_than_today(accountant, books, session):
    books.settled(844_960)
    session.commit()
    page = accountant.page("/admin/")
    assert page.h1.text.endswith("18/11/2026")
    assert "hôm nay là 19/11/2026" in page.select_one("main").text
    today = accountant.page(page.select_one("main p.soft a")["href"])
    assert today.h1.text.endswith("19/11/2026")
    assert "hôm nay là" not in today.select_one("main").text


def test_what_is_no_day_or_month_is_told(accountant):
    for path, got in (
        ("/admin/?day=abc", "abc"), ("/admin/?day=2027-02-30", "2027-02-30"),
        ("/admin/month/?month=2026-13", "2026-13"), ("/admin/closes/?month=zz", "zz"),
        ("/admin/closes/?bank=nobody", "nobody"), ("/admin/messages/costs/?month=soon", "soon"),
        ("/admin/unexplained/?day=20261118", "20261118"),
    ):  # fmt: skip
        answer = accountant.get(path)
        alarm = BeautifulSoup(answer.text, "html.parser").select_one("main [role=alert]").text
        assert (answer.status_code, f"“{got}”" in alarm) == (400, True), path
    for path in ("/admin/?day=2026-11-18", "/admin/", "/admin/month/?month=2026-10", "/admin/closes/?month="):
        assert not accountant.page(path).select("main [role=alert]"), path
