"""The month's page: its figures, its curves, its offices, and the rows behind each."""

from datetime import date

from sqlalchemy import text, update

from reconciliation import counted_months
from reconciliation.customers import Customer
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
    assert "50.000" in figures["Đã nhận, chưa gạch nợ"].text
    assert len(accountant.page(figures["Đã nhận, chưa gạch nợ"]["href"]).select("main tbody tr")) == 1
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
    other = books.bill(100_000)
    session.execute(update(Customer).where(Customer.id == other.customer_id).values(office="Điện lực Khác"))
    _count(session, clock)
    section = accountant.page("/admin/month/?month=2026-11").select_one("section[aria-labelledby=offices-title]")
    columns = [[_dong(cell) for cell in row.select("td")[:4]] for row in section.select("tbody tr")]
    assert len(columns) == 2
    assert [sum(column) for column in zip(*columns, strict=True)] == [
        _dong(cell) for cell in section.select("tfoot td")[:4]
    ]


def _dong(cell):
    return int("".join(sign for sign in cell.get_text().partition("₫")[0] if sign.isdigit()))


def _opened(accountant, href):
    """Return how many payments a list shows, what they come to, and how much of that is matched."""
    page = accountant.page(href)
    rows = page.select("main tbody tr")
    amounts, left = ([_dong(row.select_one(f"td[data-label='{label}']")) for row in rows] for label in _COLUMNS)
    return len(rows), sum(amounts), sum(amounts) - sum(left)


_COLUMNS = ("Số tiền", "Còn lại")


def test_every_figure_of_payments_opens_rows_that_add_up_to_it(accountant, books, session, clock):
    books.settled(844_960)
    books.settled(100_000, bank="vidien")
    books.payment(50_000, channel="qr")
    books.payment(70_000, channel="qr", state="denied")
    books.payment(60_000, business_date=date(2026, 11, 17))
    _count(session, clock)
    month, day = accountant.page("/admin/month/?month=2026-11"), accountant.page("/admin/?day=2026-11-18")
    tables = [
        *(month.select_one(f"section[aria-labelledby={name}-title]") for name in ("ways", "curve")),
        day.select_one("section[aria-labelledby=channels-title]"),
    ]
    seen = 0
    for row in (row for table in tables for row in table.select("tbody tr, tfoot tr")):
        for cell in row.select("td.number"):
            if not (link := cell.a):
                continue
            count, amount, matched = _opened(accountant, link["href"])
            expected = {"Thanh toán": count, "Đã khớp": matched}.get(cell["data-label"], amount)
            assert _dong(link) == expected, (cell["data-label"], link["href"])
            seen += 1
    assert seen >= 30
    tile = {_text(one.select_one(".name")): one for one in month.select("main .figure")}["Đã khớp"]
    count, _amount, matched = _opened(accountant, tile["href"])
    assert (count, matched) == (2, 944_960)
    assert _dong(tile.select_one(".amount")) == 944_960


def test_all_offices_together_open_bills_that_add_up_to_them(accountant, books, session, clock):
    books.settled(844_960)
    elsewhere = books.bill(100_000)
    session.execute(text("UPDATE customers SET office = 'ĐL An' WHERE id = :id"), {"id": elsewhere.customer_id})
    _count(session, clock)
    page = accountant.page("/admin/month/?month=2026-11")
    assert len(page.select("section[aria-labelledby=offices-title] tbody tr")) == 2
    cells = page.select("section[aria-labelledby=offices-title] tfoot td")
    assert [_text(cell).split(" ₫")[0] for cell in cells[:4]] == ["2", "944.960", "1", "844.960"]
    for cell, rows in zip(cells, (2, 2, 1, 1), strict=False):
        assert len(accountant.page(cell.a["href"]).select("main tbody tr")) == rows, cell["data-label"]
    assert "89" in _text(cells[4])


def test_an_offices_figures_open_bills_that_add_up_to_them(accountant, books, session, clock):
    bill, _payment = books.settled(844_960)
    bill.state, bill.paid_minor = "paid", 844_960
    part = books.bill(100_000)
    books.allocate(books.payment(40_000), part, 40_000)
    books.bill(30_000, state="cancelled")
    _count(session, clock)
    page = accountant.page("/admin/month/?month=2026-11")
    [row] = page.select("section[aria-labelledby=offices-title] tbody tr")
    cells = {cell["data-label"]: cell for cell in row.select("td")}
    billed = accountant.page(cells["Đã phát hành"].a["href"])
    assert _dong(cells["Đã phát hành"]) == 944_960
    assert "944.960" in _text(billed.select_one(".heading"))
    counted = accountant.page(cells["Hóa đơn"].a["href"])
    assert (_text(cells["Hóa đơn"]), len(counted.select("main tbody tr"))) == ("2", 2)
    brought = accountant.page(cells["Đã thu không dùng tiền mặt"].a["href"])
    assert _dong(cells["Đã thu không dùng tiền mặt"]) == 884_960
    assert "884.960" in _text(brought.select_one(".heading"))
    assert len(brought.select("main tbody tr")) == 2
    paid = accountant.page(cells["Hóa đơn đã thanh toán"].a["href"])
    assert (_text(cells["Hóa đơn đã thanh toán"]), len(paid.select("main tbody tr"))) == ("1", 1)


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
