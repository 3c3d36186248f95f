"""Settling on the question's page: what is offered, what is done, who approves, and what is refused in words."""

import pytest
from sqlalchemy import select, text

from reconciliation.lifecycle import BILL, move
from reconciliation.mismatches import Mismatch
from tests.gateway.admin.conftest import NOW
from tests.unordered import as_found

LIMIT = 2_000_000


@pytest.fixture
def deposit(books, session):
    """Return (question's page, the bill that would fit) of a payment nobody could place."""

    def made(minor=100_000, owed=100_000):
        bill, payment = books.bill(owed), books.payment(minor)
        payment.quoted = [bill.payment_code[:13]]
        asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=minor)
        session.commit()
        return f"/admin/mismatches/{asked.id}", bill

    return made


def rows(session, query):
    session.rollback()
    return as_found(query, session.execute(text(query)))


def answer(person, path, **fields):
    return person.post(f"{path}/settle", token_from=path, **{"why": "giấy báo có", **fields})


def test_the_one_bill_that_fits_is_offered_and_settled_with_one_press(accountant, deposit, session):
    path, bill = deposit()
    page = accountant.page(path)
    form = page.select_one(f"form[action='{path}/settle']")
    assert form.select_one("[name=bill1]")["value"] == bill.number
    assert form.select_one("[name=amount1]")["value"] == "100000"
    assert answer(accountant, path, bill1=bill.number, amount1="100.000").status_code == 303
    assert rows(session, "SELECT state, paid_minor FROM bills") == [("paid", 100_000)]
    assert rows(session, "SELECT maker, checker, state FROM settlements") == [("accountant", "accountant", "applied")]
    page = accountant.page(path)
    assert "đã thực hiện" in page.text
    assert not page.select_one(f"form[action='{path}/settle']")
    assert "Do người đối soát khớp." in accountant.page(f"/admin/bills/{bill.id}").text


def test_a_match_is_undone_on_the_page(accountant, books, session):
    bill, payment = books.settled(100_000)
    asked = books.mismatch("M05", f"payment:{payment.id}", payment_id=payment.id, bill_id=bill.id, minor=100_000)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    undo = accountant.page(path).select_one("[name=undo]")["value"]
    assert answer(accountant, path, undo=undo).status_code == 303
    assert rows(session, "SELECT barred, undone_by FROM allocations") == [(True, "accountant")]
    assert rows(session, "SELECT state, paid_minor FROM bills") == [("open", 0)]


def test_above_the_limit_the_chief_accountant_approves_and_nobody_else(as_role, accountant, deposit, session):
    path, bill = deposit(LIMIT + 1, LIMIT + 1)
    chief = as_role("chief_accountant")
    assert answer(chief, path, bill1=bill.number, amount1="2000001").status_code == 303
    made = rows(session, "SELECT id FROM settlements")[0][0]
    approval, refusal = f"{path}/approve/{made}", f"{path}/refuse/{made}"
    page = chief.page(path)
    assert "chờ duyệt" in page.text
    assert "1 cách xử lý đang chờ duyệt" in " ".join(chief.page("/admin/").text.split())
    assert not page.select_one(f"form[action='{approval}']"), "nobody is offered to approve their own"
    refused = chief.post(approval, token_from=path)
    assert refused.status_code == 409
    assert "Người duyệt phải khác người đề xuất." in refused.text
    assert accountant.post(approval, token_from=path).status_code == 403
    assert accountant.post(refusal, token_from=path, why="no").status_code == 403
    assert chief.post(refusal, token_from=path).status_code == 400
    assert chief.post(refusal, token_from=path, why="nhầm").status_code == 303

    assert answer(accountant, path, bill1=bill.number, amount1="2 000 001").status_code == 303
    again = made + 1
    assert chief.page(path).select_one(f"form[action='{path}/approve/{again}']")
    assert chief.post(f"{path}/approve/{again}", token_from=path).status_code == 303
    assert rows(session, "SELECT state, maker, checker FROM settlements ORDER BY id") == [
        ("withdrawn", "chief_accountant", "chief_accountant"),
        ("applied", "accountant", "chief_accountant"),
    ]
    assert rows(session, "SELECT state FROM bills") == [("paid",)]


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"why": " "}, 400, "Hãy ghi lý do"),
        ({"bill1": "HD9"}, 400, "Không có hóa đơn nào mang số hoặc mã thanh toán HD9."),
        ({"amount1": "5"}, 400, "Hãy ghi hóa đơn nhận số tiền 5."),
        ({"bill1": "{bill}"}, 400, "Hãy ghi số tiền trả cho hóa đơn "),
        ({"bill1": "{bill}", "amount1": "1,5"}, 400, "bằng số đồng nguyên lớn hơn 0; nhận được “1,5”."),
        ({"bill1": "{bill}", "amount1": "-5"}, 400, "bằng số đồng nguyên"),
        ({"bill1": "{bill}", "amount1": "0"}, 400, "bằng số đồng nguyên"),
        ({"bill1": "{bill}", "amount1": "9" * 18}, 400, "“999999999999999999” quá lớn: số tiền có tối đa 15 chữ số."),
        ({"place1": "refund", "sum1": "9.999" + ".999" * 5}, 400, "quá lớn: số tiền có tối đa 15 chữ số."),
        ({"bill1": "{bill}", "amount1": "5", "undo": "abc"}, 400, ""),
        ({"bill1": "{bill}", "amount1": "5", "bill2": "{bill}", "amount2": "5"}, 400, "nằm ở hai dòng"),
        ({"place1": "refund"}, 400, "Hãy ghi số tiền cho mục: hoàn tiền"),
        ({"place1": "refund", "sum1": "x"}, 400, "lớn hơn 0; nhận được “x”."),
        ({"place1": "credit", "sum1": "5"}, 400, "Hãy ghi mã khách hàng được ghi có."),
        ({"place1": "credit", "sum1": "5", "whose1": "PA9"}, 400, "Không có khách hàng nào mang mã “PA9”."),
        ({}, 409, "Hãy chọn lần khớp cần hủy"),
        ({"undo": "999"}, 409, "đã bị gỡ"),
        ({"bill1": "{bill}", "amount1": "100.001"}, 409, "chỉ nhận tối đa 100.000"),
    ],
)
def test_what_can_not_be_is_said_in_words_and_what_was_typed_stays(accountant, deposit, session, fields, status, said):
    path, bill = deposit(500_000)
    typed = {name: value.format(bill=bill.number) for name, value in fields.items()}
    refused = answer(accountant, path, **typed)
    assert refused.status_code == status
    assert said in refused.text.replace("\u00a0", " ")
    for name in ("bill1", "amount1") if said else ():
        assert f'value="{typed.get(name, "")}"' in refused.text
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_a_bill_that_is_paid_is_told_as_paid_and_spent_money_as_spent(accountant, deposit, books, session):
    path, bill = deposit(500_000)
    paid, payment = books.settled(70_000)
    asked = books.mismatch("M05", f"payment:{payment.id}", payment_id=payment.id, bill_id=paid.id, minor=70_000)
    session.commit()
    refused = answer(accountant, path, bill1=paid.number, amount1="5")
    assert refused.status_code == 409
    assert f"Hóa đơn {paid.number} đã thanh toán đủ, không còn nợ." in refused.text
    spent = answer(accountant, f"/admin/mismatches/{asked.id}", bill1=bill.number, amount1="5")
    assert spent.status_code == 409
    assert "Khoản thanh toán này đã dùng hết" in spent.text


def test_a_bill_is_named_by_its_payment_code_too_and_no_sign_breaks_the_page(accountant, deposit, session):
    path, bill = deposit()
    assert answer(accountant, path, bill1="\0\ud7ff%00", amount1="5").status_code == 400
    assert answer(accountant, path, bill1=bill.payment_code.lower(), amount1="100.000 ₫").status_code == 303
    assert rows(session, "SELECT state FROM bills") == [("paid",)]


def test_only_questions_about_a_payments_money_are_answered_by_matches(accountant, books, session):
    payment = books.payment(100_000)
    asked = books.mismatch("M01", f"payment:{payment.id}/other-door", payment_id=payment.id, minor=100_000)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    assert not accountant.page(path).select_one(f"form[action='{path}/settle']")
    assert answer(accountant, path, undo="1").status_code == 409


def test_readers_see_the_question_and_no_form(as_role, deposit):
    path, bill = deposit()
    for role in ("auditor", "liaison", "administrator"):
        reader = as_role(role)
        assert not reader.page(path).select_one(f"form[action='{path}/settle']")
        assert answer(reader, path, bill1=bill.number, amount1="1").status_code == 403


def test_a_settlement_is_approved_on_its_own_questions_page_only(as_role, accountant, deposit, session):
    path, bill = deposit(LIMIT + 1, LIMIT + 1)
    answer(accountant, path, bill1=bill.number, amount1="2000001")
    made = rows(session, "SELECT id FROM settlements")[0][0]
    assert as_role("chief_accountant").post(f"/admin/mismatches/999/approve/{made}", token_from=path).status_code == 404


def test_money_is_put_elsewhere_on_the_page(accountant, deposit, session):
    path, bill = deposit(130_000)
    session.execute(text("UPDATE payments SET state = 'confirmed'"))
    session.commit()
    fields = {"bill1": bill.number, "amount1": "100000", "place1": "credit", "sum1": "20.000"}
    assert "mã khách hàng" in answer(accountant, path, **fields).text.lower()
    owner = rows(session, "SELECT code FROM customers")[0][0]
    fields |= {"whose1": owner, "place2": "difference", "sum2": "5 000", "account2": "income:differences"}
    assert answer(accountant, path, **fields).status_code == 303
    assert rows(session, "SELECT kind, minor, account FROM placements ORDER BY id") == [
        ("credit", 20_000, "customer_credit"),
        ("difference", 5_000, "income:differences"),
    ]
    assert "ghi có cho khách hàng" in accountant.page(path).text


def test_a_payment_is_doubted_on_its_page_and_its_placement_lifted(accountant, deposit, session):
    path, _bill = deposit(30_000, 100_000)
    session.execute(text("UPDATE payments SET state = 'confirmed'"))
    session.commit()
    assert answer(accountant, path, place1="refund", sum1="30000").status_code == 303
    payment = rows(session, "SELECT id FROM payments")[0][0]
    page = f"/admin/payments/{payment}"
    asked = accountant.post(f"/admin/mismatches/payment/{payment}/doubt", token_from=page, why="khách gọi lại")
    assert asked.status_code == 303
    lifted = accountant.page(asked.location).select_one("[name=lift]")["value"]
    assert answer(accountant, asked.location, lift=lifted).status_code == 303
    assert rows(session, "SELECT undone_by FROM placements") == [("accountant",)]


def test_that_money_never_came_is_said_on_the_page(accountant, books, session):
    _bill, payment = books.settled(100_000)
    asked = books.mismatch("M01", f"payment:{payment.id}/other-door", payment_id=payment.id, minor=100_000)
    session.execute(text("UPDATE payments SET state = 'reported'"))
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    assert accountant.post(f"{path}/deny", token_from=path).status_code == 400
    assert accountant.post(f"{path}/deny", token_from=path, why="ngân hàng báo không có").status_code == 303
    assert rows(session, "SELECT state FROM payments") == [("denied",)]
    assert rows(session, "SELECT state, paid_minor FROM bills") == [("open", 0)]


def test_a_suggestion_is_taken_into_the_answer_with_one_click(accountant, deposit, books, session):
    path, bill = deposit(150_000)
    other = books.bill(50_000)
    both = [{"bill": one.number, "minor": one.minor} for one in (bill, other)]
    gone = [{"bill": bill.number, "minor": bill.minor + 1}]
    asked = session.scalars(select(Mismatch)).one()
    asked.facts = {"ranked": [{"rule": "sum", "bills": both}, {"rule": "named", "bills": gone}]}
    session.commit()
    page = accountant.page(path)
    assert "cộng lại đúng bằng số tiền" in page.text
    assert [link["href"] for link in page.select("a[href*='take=']")] == [f"{path}?take=0"]
    form = accountant.page(f"{path}?take=0").select_one(f"form[action='{path}/settle']")
    fields = {name: form.select_one(f"[name={name}]")["value"] for name in ("bill1", "amount1", "bill2", "amount2")}
    assert fields == {"bill1": bill.number, "amount1": "100000", "bill2": other.number, "amount2": "50000"}
    assert "ranked" not in page.text
    assert accountant.page(f"{path}?take=7").select_one("[name=bill2]")["value"] == ""
    assert answer(accountant, path, **fields).status_code == 303
    assert rows(session, "SELECT DISTINCT state FROM bills") == [("paid",)]


def test_money_is_written_to_suspense_on_the_page(accountant, deposit, session):
    path, _bill = deposit(30_000, 100_000)
    session.execute(text("UPDATE payments SET state = 'confirmed'"))
    session.commit()
    assert answer(accountant, path, place1="held", sum1="30.000").status_code == 303
    assert "treo chờ xử lý" in accountant.page(path).text
    assert rows(session, "SELECT kind, account FROM placements") == [("held", "suspense:held")]


def test_a_bills_story_names_the_matching_only_where_a_rule_moved_it(accountant, deposit, books, session):
    path, bill = deposit()
    assert answer(accountant, path, bill1=bill.number, amount1="100.000").status_code == 303
    [(made,)] = rows(session, "SELECT id FROM settlements")
    moved = "SELECT by, why FROM transitions WHERE kind = 'bill'"
    assert rows(session, moved) == [("accountant", f"settlement {made}: giấy báo có")]

    def told(one):
        page = accountant.page(f"/admin/bills/{one.id}")
        return " ".join(" ".join(each.text for each in page.select(".story .moved")).split())

    assert f"đã trả Người accountant: xử lý số {made}: giấy báo có" in told(bill)
    before = books.bill(5)
    move(session, BILL, [before.id], "paid", by="matching", why="settlement 7: nộp bù", now=NOW)  # as it was noted once
    session.commit()
    assert "đã trả xử lý số 7: nộp bù" in told(before)
    by_rule, _payment = books.settled(70_000)
    session.commit()
    assert "đã trả việc khớp: đã khớp" in told(by_rule)


def test_who_decides_on_a_proposal_is_told_what_was_done(as_role, accountant, deposit, session):
    chief, said = as_role("chief_accountant"), []

    def lead(person, path, act, **fields):
        made = rows(session, "SELECT max(id) FROM settlements")[0][0]
        led = person.send(f"{path}/{act}/{made}?queue=1&state=unsettled", **fields).location
        return " ".join(line.text for line in person.page(led).select("p.undo"))

    for _time in range(2):
        path, bill = deposit(LIMIT + 1, LIMIT + 1)
        assert answer(accountant, path, bill1=bill.number, amount1="2000001").status_code == 303
        said.append(path.rpartition("/")[2])
    assert lead(chief, path, "refuse", why="nhầm") == f"Bạn đã từ chối cách xử lý của #{said[1]}: việc này mở lại."
    assert answer(accountant, path, bill1=bill.number, amount1="2000001").status_code == 303
    assert lead(chief, path, "approve") == f"Bạn đã duyệt cách xử lý của #{said[1]}: đã thực hiện."
    assert "Bạn đã duyệt" not in accountant.page(f"{path}?done={said[1]}").text, "it was not theirs"
    assert "Bạn đã duyệt" not in chief.page(path).text, "it is said once"
    path, bill = deposit(LIMIT + 1, LIMIT + 1)
    assert answer(accountant, path, bill1=bill.number, amount1="2000001").status_code == 303
    assert "Bạn đã rút lại đề xuất" in lead(accountant, path, "refuse", why="gõ sai")
