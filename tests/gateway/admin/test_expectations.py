"""The page of what is expected, and questions by owner and deadline."""

from datetime import UTC, datetime, timedelta

from tests.gateway.admin.conftest import NOW


def test_what_is_expected_is_listed_the_overdue_first(accountant, books, session):
    books.settled(500_000)
    books.payment(130_000, due_at=NOW + timedelta(days=1))
    books.payment(120_000, due_at=NOW - timedelta(hours=1))
    session.commit()
    rows = [" ".join(row.get_text(" ").split()) for row in accountant.page("/admin/expected/").select("tbody tr")]
    money = [row for row in rows if "Sao Mai" in row and "₫" in row]
    assert ["quá hạn" in row for row in money] == [True, False]
    assert "120.000" in money[0]
    assert "130.000" in money[1]
    assert not accountant.page("/admin/expected/?kind=answer").select("tbody tr")
    assert not accountant.page("/admin/expected/?bank=vidien").select("tbody tr")


def test_a_deadline_names_the_day_by_whose_end_it_is_due_and_a_file_its_day(accountant, books, session):
    books.settled(500_000)
    midnight = datetime(2026, 12, 8, 17, tzinfo=UTC)
    books.payment(130_000, due_at=midnight)
    asked = books.mismatch("M12", "payment:2", owner="accountant", due_at=midnight, rests_until=midnight)
    session.commit()
    rows = [" ".join(row.get_text(" ").split()) for row in accountant.page("/admin/expected/").select("tbody tr")]
    assert any("130.000" in row and "hết ngày 08/12/2026" in row for row in rows)
    files = accountant.page("/admin/expected/?kind=file").select("tbody th")
    assert files
    assert all("của ngày" in one.get_text() for one in files)
    assert "hết ngày 08/12/2026" in accountant.page("/admin/mismatches/?state=resting").select_one("tbody").get_text(
        " "
    )
    told = accountant.page(f"/admin/mismatches/{asked.id}").select_one("main").get_text(" ")
    assert told.count("hết ngày 08/12/2026") == 2
    assert "09/12/2026" not in told


def test_questions_are_found_by_owner_and_by_a_passed_deadline(accountant, books, session):
    late = books.mismatch("M13", "file:saomai:2026-11-18", owner="liaison", due_at=NOW - timedelta(hours=1))
    books.mismatch("M12", "payment:2", owner="accountant", due_at=NOW + timedelta(hours=1))
    session.commit()

    def codes(query: str) -> list[str]:
        page = accountant.page(f"/admin/mismatches/{query}")
        return [code.get_text() for code in page.select("tbody .code")]

    assert codes("") == ["M13", "M12"]
    assert codes("?due=overdue") == ["M13"]
    assert codes("?owner=accountant") == ["M12"]
    assert codes("?owner=accountant&due=overdue") == []
    told = " ".join(accountant.page(f"/admin/mismatches/{late.id}").select_one("main").get_text(" ").split())
    assert "Đầu mối ngân hàng" in told
    assert "liaison" not in told.replace("Người liaison", ""), "the person is named, the role is put in words"
    assert "quá hạn" in told
