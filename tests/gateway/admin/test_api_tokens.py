"""The page of API tokens: made and shown once by an administrator, revoked, seen by auditors, closed to others."""

from reconciliation import api_tokens
from tests.gateway.admin.conftest import NOW


def test_an_administrator_makes_a_token_and_sees_it_this_once(as_role, session):
    visitor = as_role("administrator")
    answer = visitor.send("/admin/api/", name="Tính hóa đơn", days="30", scope="marks")
    assert answer.status_code == 201
    token = next(word for word in answer.text.replace("<", " ").replace(">", " ").split() if word.startswith("dst_"))
    found = api_tokens.find(session, token, now=NOW)
    assert (found.name, found.scopes, found.made_by) == ("Tính hóa đơn", ["marks"], "administrator")
    assert answer.headers["Cache-Control"] == "no-store"
    page = visitor.page("/admin/api/")
    assert token not in page.text
    [row] = page.select("tbody tr")
    assert "lấy và xác nhận lệnh chấm nợ" in row.text
    assert "còn hiệu lực" in row.text


def test_it_is_revoked_and_stays_on_the_page(as_role, session):
    made, _ = api_tokens.make(session, "billing", ["marks"], by="test", now=NOW)
    session.commit()
    visitor = as_role("administrator")
    assert visitor.send(f"/admin/api/{made.id}/revoke").status_code == 303
    assert visitor.send(f"/admin/api/{made.id + 1}/revoke").status_code == 404
    [row] = visitor.page("/admin/api/").select("tbody tr")
    assert "đã thu hồi" in row.text
    assert not row.select("form")


def test_what_can_not_be_made_is_said_in_words(as_role, session):
    api_tokens.make(session, "billing", ["marks"], by="test", now=NOW)
    session.commit()
    visitor = as_role("administrator")
    for fields, status, said in [
        ({"name": "x"}, 400, "Hãy chọn những việc được phép làm."),
        ({"name": " ", "scope": "marks"}, 400, "Hãy đặt tên từ 1 đến 60 ký tự"),
        ({"name": "x", "scope": "marks", "days": "-1"}, 400, "Hãy nhập số ngày hiệu lực"),
        ({"name": "x", "scope": "marks", "days": "0"}, 400, "Hãy nhập số ngày hiệu lực"),
        ({"name": "billing", "scope": "marks"}, 409, "Đã có mã truy cập còn hiệu lực mang tên này."),
    ]:
        answer = visitor.send("/admin/api/", **fields)
        assert answer.status_code == status, fields
        assert said in answer.text
    assert len(api_tokens.every(session)) == 1


def test_auditors_see_and_change_nothing_and_others_see_nothing(as_role):
    auditor = as_role("auditor")
    assert not auditor.page("/admin/api/").select("main form")
    assert auditor.send("/admin/api/", name="x", scope="marks").status_code == 403
    for role in ("accountant", "chief_accountant", "liaison", "care", "office_manager"):
        assert as_role(role).get("/admin/api/").status_code == 403
