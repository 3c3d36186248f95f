"""Alike cases in one go: a preview with its sum, each case in a savepoint of its own, and those that stay named."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from werkzeug.datastructures import MultiDict

from tests.gateway.admin.conftest import NOW
from tests.unordered import as_found

PATH = "/admin/mismatches/together"


@pytest.fixture
def deposits(books, session):
    """Return cases of confirmed money that nobody could place, one for each amount."""

    def made(*amounts):
        found = []
        for minor in amounts:
            payment = books.payment(minor, state="confirmed", confirmed_minor=minor)
            found.append(books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=minor).id)
        session.commit()
        return found

    return made


def rows(session, query):
    session.rollback()
    return as_found(query, session.execute(text(query)))


def send(person, act, cases=(), **fields):
    person.kept = person.kept or person.token("/admin/bills/")
    pairs = [("csrf_token", person.kept), *fields.items(), *(("case", str(one)) for one in cases)]
    return person.client.post(f"{PATH}/{act}", data=MultiDict(pairs))


def previewed(person, cases):
    from bs4 import BeautifulSoup

    answer = send(person, "preview", cases)
    assert answer.status_code == 200
    page = BeautifulSoup(answer.text, "html.parser")
    several = ("case", "left")
    fields = {one["name"]: one["value"] for one in page.select("form.usual input") if one["name"] not in several}
    chosen = [one["value"] for one in page.select("form.usual [name=case]")]
    fields.pop("csrf_token", None)
    return page, chosen, fields


def test_a_preview_says_what_is_booked_for_each_and_the_sum(accountant, deposits, books, session):
    cases = deposits(30_000, 2_500_000)
    other = books.mismatch("M13", "file:saomai:2026-11-18")
    closed = books.mismatch("M14", "statement:1", state="resolved")
    session.commit()
    page, chosen, _fields = previewed(accountant, [*cases, other.id, closed.id])
    assert chosen == [str(one) for one in cases]
    told = " ".join(page.select_one("main").text.replace("\u00a0", " ").split())
    assert "2 việc, tổng cộng 2.530.000 ₫" in told
    assert "Ghi 30.000 ₫: treo chờ xử lý." in told
    assert told.count("Phải có người khác duyệt.") == 1
    assert "Cách xử lý khác với việc đầu tiên. Việc này thường xử lý: " in told
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_those_that_can_be_are_settled_and_the_others_are_named_and_stay(accountant, as_role, deposits, session):
    cases = deposits(30_000, 40_000, 2_500_000)
    _page, chosen, fields = previewed(accountant, cases)
    as_role("chief_accountant").send(f"/admin/mismatches/{cases[1]}/remarks", kind="comment", said="khoan đã")
    answer = send(accountant, "settle", chosen, **fields)
    assert answer.status_code == 200
    assert "Việc này đã thay đổi từ khi bạn mở" in answer.text
    assert rows(session, "SELECT mismatch_id, state FROM settlements ORDER BY id") == [
        (cases[0], "applied"), (cases[2], "proposed"),
    ]  # fmt: skip
    assert rows(session, "SELECT id FROM mismatches WHERE state = 'open'") == [(cases[1],)]


def test_the_result_says_how_many_stayed_and_offers_them_again(accountant, deposits, books, session):
    from bs4 import BeautifulSoup

    cases = deposits(30_000, 40_000, 50_000)
    other = books.mismatch("M13", "file:saomai:2026-11-18")
    closed = books.mismatch("M14", "statement:1", state="resolved")
    session.commit()
    page, chosen, fields = previewed(accountant, [*cases, other.id, closed.id])
    left = [int(one["value"]) for one in page.select("form.usual [name=left]")]
    assert sorted(left) == [other.id, closed.id]
    given = MultiDict([*fields.items(), *(("left", str(one)) for one in left)])
    given.pop(f"usual{cases[2]}")  # what was not shown for it stays as well
    pairs = [("csrf_token", accountant.kept), *given.items(multi=True), *(("case", one) for one in chosen)]
    page = BeautifulSoup(accountant.client.post(f"{PATH}/settle", data=MultiDict(pairs)).text, "html.parser")
    told = " ".join(page.select_one("main").text.split())
    assert "Bạn đã xử lý 2 việc. 3 việc giữ nguyên." in told
    again = page.select_one(f"form[action^='{PATH}/preview']")
    assert [int(one["value"]) for one in again.select("[name=case]")] == [cases[2], other.id]
    assert again.button.text == "Xem tiếp 2 việc còn lại"


def test_an_answer_that_was_not_shown_is_not_given(accountant, deposits, session):
    cases = deposits(30_000)
    _page, chosen, fields = previewed(accountant, cases)
    assert send(accountant, "settle", chosen, why="x").status_code == 200
    assert send(accountant, "settle", chosen, **fields | {f"usual{cases[0]}": "0"}).status_code == 200
    assert send(accountant, "settle", chosen, **fields | {"why": " "}).status_code == 400
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_cases_are_given_away_and_let_rest_together(accountant, deposits, session):
    cases = deposits(1_000, 2_000)
    assert send(accountant, "assign", cases, to="accountant").status_code == 303
    assert rows(session, "SELECT DISTINCT assignee FROM mismatches") == [("accountant",)]
    until = (NOW + timedelta(days=2)).date().isoformat()
    assert send(accountant, "rest", cases, until="x", why="chờ").status_code == 400
    assert send(accountant, "rest", cases, until=until, why="").status_code == 400
    assert send(accountant, "rest", cases, until=until, why="chờ khách").status_code == 303
    assert rows(session, "SELECT count(*) FROM mismatches WHERE rests_until IS NOT NULL") == [(2,)]
    late = (NOW + timedelta(days=90)).date().isoformat()
    refused = send(accountant, "rest", cases, until=late, why="chờ khách")
    assert refused.status_code == 409
    assert f"#{cases[0]}:" in refused.text


def test_nothing_chosen_and_readers(accountant, as_role, deposits):
    cases = deposits(1_000)
    assert "Chưa chọn việc nào" in send(accountant, "preview").text
    assert send(as_role("auditor"), "preview", cases).status_code == 403
    assert "Việc này dành cho kế toán." in send(as_role("liaison"), "preview", cases).text


def test_a_preview_shows_bill_payment_both_amounts_and_their_difference(accountant, books, session):
    cases, numbers = [], []
    for owed, minor in ((100_000, 60_000), (80_000, 50_000)):
        bill, payment = books.bill(owed), books.payment(minor, state="confirmed", confirmed_minor=minor)
        books.allocate(payment, bill, minor)
        facts = {"verdict": "match", "owed": owed - minor, "matched": minor, "paid": minor}
        asked = books.mismatch("M03", f"payment:{payment.id}", payment_id=payment.id, bill_id=bill.id,
                               minor=owed - minor, facts=facts)  # fmt: skip
        cases.append(asked.id)
        numbers.append((bill.number, payment.source_reference))
    session.commit()
    page, chosen, _fields = previewed(accountant, cases)
    assert chosen == [str(one) for one in cases]
    shown = [[cell.text.strip().replace("\u00a0", " ") for cell in row.select("td")] for row in page.select("tbody tr")]
    assert [tuple(row[:5]) for row in shown] == [
        (*numbers[0], "100.000 ₫", "60.000 ₫", "−40.000 ₫"),
        (*numbers[1], "80.000 ₫", "50.000 ₫", "−30.000 ₫"),
    ]
    assert "2 việc, không phải ghi sổ" in " ".join(page.text.split())


def test_all_that_was_settled_together_is_undone_by_one_press(accountant, deposits, session):
    from bs4 import BeautifulSoup

    cases = deposits(30_000, 40_000)
    _page, chosen, fields = previewed(accountant, cases)
    page = BeautifulSoup(send(accountant, "settle", chosen, **fields).text, "html.parser")
    form = page.select_one(f"form[action^='{PATH}/undo']")
    assert "Bạn đã xử lý 2 việc." in form.text
    acts = {one["name"]: one["value"] for one in form.select("input") if one["name"].startswith("act")}
    answer = send(accountant, "undo", cases, **acts)
    assert answer.status_code == 200
    assert answer.text.count("Việc đang thay chỗ:") == 2
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.select_one("h1").text == "Đã hoàn tác cùng lúc"
    assert page.select_one("[role=status].undo").text == "Bạn đã hoàn tác 2 việc."
    assert rows(session, "SELECT count(*) FROM placements WHERE undone_at IS NULL") == [(0,)]
    again = send(accountant, "undo", cases, **acts)
    assert again.text.count("Không hoàn tác được nữa") == 2
    assert "Bạn đã hoàn tác" not in again.text
    assert "2 việc giữ nguyên." in again.text


def test_the_headline_tells_the_settled_from_what_waits_rests_and_stays(accountant, as_role, deposits, books, session):
    cases = deposits(30_000, 40_000, 2_500_000)
    _page, chosen, fields = previewed(accountant, cases)
    as_role("chief_accountant").send(f"/admin/mismatches/{cases[1]}/remarks", kind="comment", said="khoan đã")
    said = send(accountant, "settle", chosen, **fields).text
    assert "Bạn đã xử lý 1 việc. 1 cách xử lý được đề nghị và chờ duyệt. 1 việc giữ nguyên." in said
    resting = [books.mismatch("M12", f"payment:{one.id}", payment_id=one.id, minor=one.minor).id
               for one in (books.payment(50_000), books.payment(60_000))]  # fmt: skip
    session.commit()
    _page, chosen, fields = previewed(accountant, resting)
    said = " ".join(send(accountant, "settle", chosen, **fields).text.split())
    assert "Bạn đã cho 2 việc tạm chờ." in said
    assert "Bạn đã xử lý" not in said
    assert said.count("chờ đến hạn</span>") == 2, "in the words of the case's own page"


def test_what_waits_for_approval_is_not_said_to_be_taken_back(accountant, as_role, deposits, session):
    [case] = deposits(2_500_000)
    _page, chosen, fields = previewed(accountant, [case])
    send(accountant, "settle", chosen, **fields)
    [(made,)] = rows(session, "SELECT id FROM settlements")
    assert as_role("chief_accountant").send(f"/admin/mismatches/{case}/approve/{made}").status_code == 303
    said = send(accountant, "undo", [case], **{f"act{case}": f"applied-{made}"}).text
    assert "Việc rút lại cách xử lý đang chờ người khác duyệt:" in said
    assert "Đã rút lại." not in said
    assert "Việc rút lại 1 cách xử lý đang chờ duyệt." in said
    assert "Bạn đã hoàn tác" not in said
    assert rows(session, "SELECT state FROM settlements ORDER BY id") == [("applied",), ("proposed",)]
