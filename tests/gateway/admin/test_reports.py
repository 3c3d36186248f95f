"""Reports are listed and downloaded by those who may, in their language."""

from gateway.reports import FORMATS
from reconciliation.reports import REPORTS


def test_every_report_is_downloaded_in_every_format(accountant, books, session):
    books.payment(120_000)
    books.payment(130_000, bank="vidien")
    session.commit()
    links = [link["href"] for link in accountant.page("/admin/reports/").select("a[download]")]
    assert len(links) == len(REPORTS) * len(FORMATS)
    for link in links:
        answer = accountant.get(link)
        assert answer.status_code == 200, link
        assert "attachment" in answer.headers["Content-Disposition"]
    text = accountant.get("/admin/reports/suspense.csv").data.decode("utf-8")
    assert text.startswith("\ufeffNgân hàng,")
    assert len(text.splitlines()) == 3
    assert len(accountant.get("/admin/reports/suspense.csv?bank=vidien").text.splitlines()) == 2
    assert accountant.get("/admin/reports/suspense.xlsx").data.startswith(b"PK")
    for path in ("suspense.pdf", "nothing.csv"):
        assert accountant.get(f"/admin/reports/{path}").status_code == 404
