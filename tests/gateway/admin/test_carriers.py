"""The carriers' page: what each does, an alarm for one that needs a person, and who may have it tried again."""

from datetime import timedelta

import pytest

from gateway import bell
from reconciliation import carriers
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
