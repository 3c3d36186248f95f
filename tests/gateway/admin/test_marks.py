"""The page of marks: what was told, what waits, and each batch as a file."""

from reconciliation import marks
from tests.gateway.admin.conftest import NOW


def test_what_was_told_and_what_waits_is_shown_and_given_as_a_file(accountant, books, session):
    books.settled(500_000)
    session.commit()
    assert "Chưa đánh số" in accountant.get("/admin/marks/").text
    marks.number(session, now=NOW)
    books.settled(700_000)
    marks.number(session, now=NOW)
    marks.acknowledge(session, 1, by="billing", how="HTTP 204", now=NOW)
    session.commit()
    page = accountant.page("/admin/marks/")
    rows = [" ".join(row.get_text(" ").split()) for row in page.select("main tbody tr")]
    heads = [one.text for one in page.select("thead th")]
    assert len(set(heads)) == len(heads)
    assert [row.split()[0] for row in rows] == ["#2", "#1"]
    assert "700.000" in rows[0]
    assert rows[1].endswith("đã xác nhận")
    facts = " ".join(page.select_one("dl.facts").get_text(" ").split())
    assert "bản ghi số 1, #1" in facts
    assert "1 lô, 1 bản ghi" in facts
    assert len(accountant.page("/admin/marks/?state=waiting").select("main tbody tr")) == 1
    assert len(accountant.page("/admin/marks/?q=2").select("main tbody tr")) == 1
    assert not accountant.page("/admin/marks/?q=x").select("main tbody tr")
    file = accountant.get("/admin/marks/2.csv")
    assert "attachment" in file.headers["Content-Disposition"]
    assert [line.split(",")[0] for line in file.text.splitlines()] == ["record", "item", "total"]
    assert accountant.get("/admin/marks/3.csv").status_code == 404
