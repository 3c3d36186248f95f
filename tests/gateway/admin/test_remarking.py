"""Remarks on a question's page: words, files, rests, and who may read what was attached."""

import pytest
from sqlalchemy import text

PDF = b"%PDF-1.7\n a receipt"


@pytest.fixture
def path(books, session):
    asked = books.mismatch("M12", "payment:1", minor=5)
    session.commit()
    return f"/admin/mismatches/{asked.id}"


def attach(person, path, body, name="bien-lai.pdf"):
    # By hand: the client's own encoder leaves the temporary file of a large form open.
    head = f'--end\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{person.token(path)}\r\n--end\r\n'
    head += f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    form = head.encode() + body + b"\r\n--end--\r\n"
    return person.client.post(f"{path}/evidence", data=form, content_type="multipart/form-data; boundary=end")


def test_a_comment_stays_with_its_author(accountant, path):
    assert accountant.post(f"{path}/remarks", token_from=path, kind="comment", said="đã gọi khách").status_code == 303
    page = accountant.page(path).text
    assert "đã gọi khách" in page
    assert accountant.post(f"{path}/remarks", token_from=path, kind="comment", said=" ").status_code == 400
    assert accountant.post(f"{path}/remarks", token_from=path, kind="other", said="x").status_code == 400


def test_evidence_larger_than_other_forms_is_taken_and_handed_out_as_a_download(accountant, as_role, path):
    body = PDF + bytes(2 << 20)
    assert attach(accountant, path, body).status_code == 303
    link = accountant.page(path).select_one("a[href*='/evidence/']")["href"]
    answer = as_role("auditor").get(link)
    assert (answer.data, answer.headers["Content-Disposition"]) == (body, "attachment; filename=bien-lai.pdf")
    assert answer.content_type == "application/octet-stream"
    assert as_role("care").get(link).status_code == 403
    assert attach(as_role("auditor"), path, PDF).status_code == 403
    assert accountant.get(link + "9").status_code == 404


def test_what_was_attached_by_mistake_is_taken_back_by_who_attached_it(accountant, as_role, path):
    assert attach(accountant, path, PDF).status_code == 303
    page = accountant.page(path)
    link = page.select_one("a[href*='/evidence/']")["href"]
    take_back = page.select_one("form[action*='/withdraw']")["action"]
    assert as_role("chief_accountant").page(path).select_one("form[action*='/withdraw']") is None
    assert accountant.post(take_back, token_from=path, why=" ").status_code == 400
    assert accountant.post(take_back, token_from=path, why="nhầm hồ sơ").status_code == 303
    page = accountant.page(path)
    assert [one.text for one in page.select("ul.rows s")] == ["bien-lai.pdf", "bien-lai.pdf"]
    assert page.select_one("a[href*='/evidence/'], form[action*='/withdraw']") is None
    assert "Rút lại: nhầm hồ sơ" in " ".join(page.text.split())
    answer = as_role("auditor").get(link)
    assert (answer.status_code, answer.text) == (410, "Nội dung này đã được rút lại.")


def test_words_stand_apart_where_evidence_is_listed(accountant, path):
    assert attach(accountant, path, PDF).status_code == 303
    row = " ".join(accountant.page(path).select_one("ul.rows li:has(a[href*='/evidence/'])").text.split())
    assert "bien-lai.pdf bien-lai.pdf Người accountant," in row


def test_what_is_no_evidence_is_refused_in_words(accountant, path):
    refused = attach(accountant, path, b"MZ\0\0", "x.exe")
    assert refused.status_code == 400
    assert "đuôi pdf, png, jpg, xlsx, csv, txt, eml hoặc zip" in refused.text
    disguised = attach(accountant, path, b"MZ\0\0", "bien-lai.pdf")
    assert disguised.status_code == 400
    assert "không đúng như tên gọi" in disguised.text


def test_a_question_rests_until_a_day_and_leaves_the_queue(accountant, path, session):
    refused = accountant.post(f"{path}/remarks", token_from=path, kind="expected", said="chờ", until="2031-01-01")
    assert refused.status_code == 400
    assert accountant.post(f"{path}/remarks", token_from=path, kind="expected", said="chờ").status_code == 400
    made = accountant.post(f"{path}/remarks", token_from=path, kind="expected", said="chờ", until="2026-11-25")
    assert made.status_code == 303
    assert path not in str(accountant.page("/admin/mismatches/?state=unsettled"))
    assert path in str(accountant.page("/admin/mismatches/?state=resting"))
    assert accountant.page(path).select_one(".heading .state").text == "đang chờ đến hạn"
    assert "đang mở" not in accountant.page("/admin/mismatches/?state=every").select_one("tbody").text
    session.execute(text("UPDATE mismatches SET rests_until = '2026-11-18'"))
    session.commit()
    assert path in str(accountant.page("/admin/mismatches/?state=unsettled"))


def test_a_trace_request_and_the_banks_answer(accountant, as_role, path):
    liaison = as_role("liaison")
    assert "trace_answer" not in str(liaison.page(path))
    assert liaison.post(f"{path}/remarks", token_from=path, kind="trace", said="tra soát T1").status_code == 303
    assert liaison.post(f"{path}/remarks", token_from=path, kind="trace_answer", said="không có").status_code == 303
    assert "không có" in accountant.page(path).text


def test_a_file_over_the_limit_brings_the_question_back_with_the_limit_named(accountant, as_role, path):
    for size in (6 << 20, (5 << 20) + 9):  # the larger one is refused before the form is read
        refused = attach(accountant, path, PDF + bytes(size))
        assert refused.status_code in (400, 413)
        assert "Mỗi tệp tối đa 5 MB." in refused.text
        assert f'action="{path}/evidence"' in refused.text
    assert "Mỗi tệp" not in attach(as_role("auditor"), path, PDF + bytes(6 << 20)).text
    visitor = as_role("accountant")
    visitor.client.delete_cookie("session")
    assert visitor.client.post(f"{path}/evidence", data=b"x" * (6 << 20)).status_code in (303, 413)


def test_a_missing_files_page_has_no_empty_heading_and_says_when_the_banks_answer_is_noted(accountant, books, session):
    asked = books.mismatch("M13", "file:saomai:2026-11-18", source="saomai", owner="liaison")
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    page = accountant.page(path)
    assert "Cách xử lý khác" not in page.text
    said = "Sau khi đã ghi yêu cầu tra soát, trả lời của ngân hàng được ghi ngay tại đây."
    assert said in page.text
    assert page.select_one("button[value=trace_answer]") is None
    accountant.send(f"{path}/remarks", kind="trace", said="xin gửi tệp")
    page = accountant.page(path)
    assert page.select_one("button[value=trace_answer]") is not None
    assert said not in page.text


def test_another_settlement_is_headed_where_there_is_one(accountant, books, session):
    payment = books.payment(90_000, state="confirmed", confirmed_minor=90_000)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=90_000)
    session.commit()
    page = accountant.page(f"/admin/mismatches/{asked.id}")
    assert page.select_one("#usually-title").text == "Cách xử lý khác"
