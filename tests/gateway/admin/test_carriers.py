"""The carriers' page: what each does, an alarm for one that needs a person, and who may have it tried again."""

from datetime import timedelta

import pytest

from gateway import bell
from reconciliation import carrier_balances, carriers
from reconciliation.carriers import Words
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def stopped(session):
    carriers.heard(session, "fast", Words(accepted=30, milliseconds=3000, last="accepted"), now=NOW, at=NOW)
    words = Words(troubled=1, milliseconds=50, last="refused (103): poor", halts="the balance is used up (103)")
    carriers.heard(session, "esms", words, now=NOW - timedelta(minutes=3), at=NOW)
    session.commit()


@pytest.mark.usefixtures("stopped")
def test_each_carrier_has_a_line_and_one_without_balance_an_alarm(as_role):
    page = as_role("accountant").page("/admin/carriers/")
    esms, fast = [row.text for row in page.select("tbody tr")]
    assert "dừng: cần người xử lý" in esms
    assert "từ chối (103): “poor”" in esms
    assert "tốt" in fast
    assert "100 ms" in fast
    assert (
        "esms không nhận tin nào cho tới khi có người xử lý: đã hết tiền trong tài khoản (103)"
        in page.select_one(".alarm").text
    )
    assert page.select("form[action*=retry]") == [], "not this role's word"


@pytest.mark.usefixtures("stopped")
def test_a_liaison_has_it_tried_again_and_it_is_kept_who(as_role, session, monkeypatch):
    rung = []
    monkeypatch.setattr(bell, "ring", lambda _valkey, queue: rung.append(queue))
    visitor = as_role("liaison")
    visitor.client.application.extensions["doisoat"].valkey = None
    assert visitor.send("/admin/carriers/esms/retry").status_code == 303
    assert carriers.may_take(session, ["esms"], now=NOW) == ([], ["esms"])
    assert rung == ["messages"]
    assert visitor.send("/admin/carriers/nobody/retry").status_code == 404
    assert as_role("accountant").send("/admin/carriers/esms/retry").status_code == 403


@pytest.mark.usefixtures("stopped")
def test_the_overview_says_what_waits_for_somebody(as_role, books, session):
    books.message(books.bill(), "before_debit", state="unsure", carrier="esms", asked_at=NOW - timedelta(minutes=20))
    books.message(books.bill(), "before_debit", state="unsure", carrier="esms", asked_at=NOW)
    session.commit()
    links = {link["href"]: link.text for link in as_role("accountant").page("/admin/").select("ul.rows a")}
    assert "esms không nhận tin nào cho tới khi có người xử lý" in links["/admin/carriers/"]
    assert links["/admin/messages/?state=unsure"] == "1 tin chưa rõ kết quả"


def tell(session, name, minor, *, alarm=500_000, before=timedelta()):
    carrier_balances.told(session, name, minor, alarm_minor=alarm, now=NOW - before)
    session.commit()


def refuse(session, name, *, before=timedelta()):
    carrier_balances.not_told(session, name, "the carrier answered 500", now=NOW - before)
    session.commit()


def balances(page):
    return [" ".join(cell.text.split()) for cell in page.select("tbody td[data-label='Số dư']")]


def alarms(page):
    return [one.text.strip() for one in page.select(".alarm")]


def on_overview(visitor):
    return [link.text for link in visitor.page("/admin/").select("ul.rows a[href='/admin/carriers/']")]


def test_a_low_balance_is_an_alarm_on_the_page_and_on_the_overview(as_role, session):
    tell(session, "esms", 1_234_567)
    tell(session, "fast", 499_999)
    visitor = as_role("accountant")
    page = visitor.page("/admin/carriers/")
    said = "Số dư tại fast sắp hết: còn 499.999\xa0₫, dưới mức 500.000\xa0₫. Hãy nạp tiền trước khi tin bị từ chối."
    assert alarms(page) == [said]
    esms, fast = balances(page)
    assert "1.234.567" in esms
    assert "sắp hết" not in esms
    assert "499.999" in fast
    assert "sắp hết" in fast
    assert on_overview(visitor) == [said]


def test_a_balance_that_is_well_or_not_asked_yet_alarms_nobody(as_role, session):
    tell(session, "esms", 500_000)
    visitor = as_role("accountant")
    page = visitor.page("/admin/carriers/")
    esms, fast = balances(page)
    assert "hỏi lúc 19/11/2026 09:00" in esms
    assert fast == "chưa hỏi"
    assert alarms(page) == on_overview(visitor) == []


def test_a_balance_not_told_for_an_hour_is_shown_as_such_and_not_as_nothing(as_role, session):
    tell(session, "esms", 900_000, before=timedelta(minutes=61))
    refuse(session, "esms")
    refuse(session, "fast", before=timedelta(minutes=61))
    visitor = as_role("accountant")
    page = visitor.page("/admin/carriers/")
    esms, fast = balances(page)
    assert esms.startswith("không rõ cho biết lúc 19/11/2026 07:59: 900.000")
    assert esms.endswith("hỏi lúc 19/11/2026 09:00, không cho biết: nhà cung cấp trả lời 500")
    assert fast.startswith("không rõ hỏi lúc")
    assert "₫" not in fast
    said = ["esms không cho biết số dư đã hơn một giờ: nhà cung cấp trả lời 500"]
    assert alarms(page) == said, "one that never told is no news"
    assert on_overview(visitor) == said


def test_a_balance_not_told_once_still_counts(as_role, session):
    tell(session, "esms", 900_000, before=timedelta(minutes=20))
    refuse(session, "esms")
    page = as_role("accountant").page("/admin/carriers/")
    assert balances(page)[0].startswith("900.000")
    assert "không cho biết: nhà cung cấp trả lời 500" in balances(page)[0]
    assert alarms(page) == []


def test_a_low_balance_stays_an_alarm_while_it_is_not_told(as_role, session):
    tell(session, "esms", 5, before=timedelta(hours=3))
    refuse(session, "esms")
    page = as_role("accountant").page("/admin/carriers/")
    assert "sắp hết" in alarms(page)[0]
    assert balances(page)[0].startswith("không rõ sắp hết")


@pytest.mark.usefixtures("stopped")
def test_the_page_is_in_english_too(as_role, session):
    tell(session, "fast", 5)
    visitor = as_role("accountant")
    visitor.send("/admin/language", language="en", back="/admin/carriers/")
    assert "The balance of fast is low: 5" in alarms(visitor.page("/admin/carriers/"))[-1]
