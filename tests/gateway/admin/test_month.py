"""The month's page: its figures, its curves, its offices, and the rows behind each."""

from datetime import date

from reconciliation import counted_months
from tests.gateway.admin.test_pages import _text

FIRST = date(2026, 11, 1)


def _count(session, clock):
    session.commit()
    counted_months.count(session, FIRST, now=clock())
    session.commit()


def test_a_month_that_was_not_counted_says_so(accountant):
    page = accountant.page("/admin/month/?month=2020-01")
    assert "chưa được tính" in _text(page.select_one(".empty"))


def test_a_month_tells_what_is_due_what_came_and_leads_to_the_rows(accountant, books, session, clock):
    books.settled(844_960)
    books.settled(100_000, bank="vidien")
    books.payment(50_000)
    _count(session, clock)
    page = accountant.page("/admin/month/?month=2026-11")
    assert page.h1.text == "Tháng 11/2026"
    figures = {_text(one.select_one(".name")): one for one in page.select("main .figure")}
    assert "994.960" in figures["Đã nhận"].text
    assert len(accountant.page(figures["Đã nhận"]["href"]).select("main tbody tr")) == 3
    assert "50.000" in figures["Còn lại"].text
    assert len(accountant.page(figures["Còn lại"]["href"]).select("main tbody tr")) == 1
    due = accountant.page(figures["Đến hạn trong tháng"]["href"])
    assert len(due.select("main tbody tr")) == 2
    banks = page.select("section[aria-labelledby=ways-title] tr.sum")
    assert [_text(row.th) for row in banks] == ["Ngân hàng Sao Mai", "Ví Điện"]
    assert "94,4\u00a0%" in banks[0].text, "844,960 of 894,960"


def test_the_curve_and_the_table_beside_it_say_the_same(accountant, books, session, clock):
    books.settled(844_960)
    _count(session, clock)
    page = accountant.page("/admin/month/?month=2026-11")
    table = page.select("section[aria-labelledby=curve-title] tbody tr")
    points = page.select("figure.chart a")
    assert len(points) == len(table) == 19, "up to today"
    assert "844.960" in points[-1]["aria-label"]
    assert "844.960" in table[-1].select("td")[-1].text
    assert points[17]["href"] == "/admin/?day=2026-11-18"


def test_each_office_has_its_cashless_share(accountant, books, session, clock):
    books.settled(844_960)
    _count(session, clock)
    page = accountant.page("/admin/month/?month=2026-11")
    rows = page.select("section[aria-labelledby=offices-title] tbody tr")
    assert "100,0\u00a0%" in rows[0].text


def test_a_month_in_which_nothing_is_due_says_so_beside_its_curve(accountant, books, session, clock):
    hint = "Không có hóa đơn đến hạn trong tháng này"
    books.bill(844_960, due_on=date(2026, 12, 5))
    _count(session, clock)
    counted_months.count(session, date(2026, 12, 1), now=clock())
    session.commit()
    assert hint in accountant.page("/admin/month/?month=2026-11").text
    following = accountant.page("/admin/month/?month=2026-12")
    assert "844.960" in following.select_one("main .figure").text
    assert hint not in following.text
    books.bill(100_000)
    _count(session, clock)
    assert hint not in accountant.page("/admin/month/?month=2026-11").text
