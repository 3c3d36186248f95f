"""The queue: its orders with their places, what narrows it, and the way from one case to the next."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from gateway.admin import desk_queue
from reconciliation import remarks
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def cases(books, session):
    """Four cases: number → (amount, days open, days until due)."""
    made = {}
    told = (("a", 5_000, 1, 3), ("b", 700_000, 9, None), ("c", 2_000_000, 4, 1), ("d", 700_000, 2, 2))
    for name, minor, opened, due in told:
        payment = books.payment(minor)
        made[name] = books.mismatch(
            "M12", f"payment:{payment.id}", payment_id=payment.id, minor=minor, opened_at=NOW - timedelta(days=opened),
            due_at=NOW + timedelta(days=due) if due else None,
        ).id  # fmt: skip
    session.commit()
    return made


def shown(person, query):
    page = person.page(f"/admin/mismatches/{query}")
    return [int(link["href"].split("/")[3].partition("?")[0]) for link in page.select("tbody a[data-row]")]


ORDERS = {
    "state=unsettled": "bcda",
    "state=unsettled&sort=amount": "cdba",
    "state=unsettled&sort=deadline": "cdab",
    "": "bcda",
    "state=every": "abcd",
    "sort=amount": "cdba",
}


@pytest.mark.parametrize("query", ORDERS)
def test_each_order_is_walked_page_by_page_both_ways(accountant, cases, monkeypatch, query):
    monkeypatch.setattr(desk_queue, "SIZE", 1)
    expected = [cases[one] for one in ORDERS[query]]
    path, seen = f"/admin/mismatches/?{query}", []
    while path:
        page = accountant.page(path)
        seen.append(shown(accountant, "?" + path.partition("?")[2])[0])
        last, link = path, page.select_one("a[rel=next]")
        path = link["href"] if link else None
    assert seen == expected
    back, path = [], last
    while path:
        page = accountant.page(path)
        back.append(shown(accountant, "?" + path.partition("?")[2])[0])
        link = page.select_one("a[rel=prev]")
        path = link["href"] if link else None
    assert back == expected[::-1]


@pytest.mark.parametrize("query", [one for one in ORDERS if one])
def test_a_case_knows_the_ones_before_and_after_it_in_its_queue(accountant, cases, query):
    expected = [cases[one] for one in ORDERS[query]]
    path, seen = f"/admin/mismatches/{expected[0]}?queue=1&{query}", []
    assert not accountant.page(path).select("[data-key=k]")
    while path:
        seen.append(int(path.split("/")[3].partition("?")[0]))
        page = accountant.page(path)
        link = page.select_one("[data-key=j]")
        path = link["href"] if link else None
    assert seen == expected
    before = page.select_one("[data-key=k]")["href"]
    assert f"/{expected[-2]}?" in before
    assert "queue=1" in before


def test_a_case_outside_a_queue_has_no_way_on(accountant, cases):
    page = accountant.page(f"/admin/mismatches/{cases['a']}")
    assert not page.select("[data-key=j], [data-key=k]")


def test_the_queue_is_narrowed_by_amount_and_by_whose_case_it_is(accountant, cases, session):
    assert shown(accountant, "?amount=0-99999") == [cases["a"]]
    assert shown(accountant, "?amount=100000-999999") == [cases["b"], cases["d"]]
    assert shown(accountant, "?amount=1000000-9999999") == [cases["c"]]
    assert shown(accountant, "?amount=10000000-") == []
    remarks.assign(session, cases["a"], "accountant", by="x", now=NOW)
    remarks.assign(session, cases["c"], "chief_accountant", by="x", now=NOW)
    session.commit()
    assert shown(accountant, "?who=mine") == [cases["a"]]
    assert shown(accountant, "?who=nobody") == [cases["b"], cases["d"]]
    assert shown(accountant, "?who=chief_accountant") == [cases["c"]]


def test_what_rests_has_a_queue_of_its_own(accountant, cases, session):
    remarks.expect(session, cases["b"], (NOW + timedelta(days=2)).date(), "why", by="x", now=NOW)
    session.commit()
    assert shown(accountant, "?state=resting") == [cases["b"]]
    assert cases["b"] not in shown(accountant, "?state=unsettled")


def test_after_a_case_is_settled_the_next_one_opens_with_the_way_back(accountant, cases, session):
    session.execute(text("UPDATE payments SET state = 'confirmed', confirmed_minor = minor"))
    session.commit()
    path = f"/admin/mismatches/{cases['d']}?queue=1&state=unsettled&sort=amount"
    form = accountant.page(path).select_one("section.usual form")
    fields = {one["name"]: one["value"] for one in form.select("input") if one["name"] != "csrf_token"}
    answer = accountant.send(form["action"], **fields)
    assert answer.status_code == 303
    assert answer.location == (
        f"/admin/mismatches/{cases['b']}?queue=1&state=unsettled&sort=amount&done={cases['d']}"
    )  # fmt: skip
    undo = accountant.page(answer.location).select_one("form.undo")
    assert f"/{cases['d']}/undo" in undo["action"]
    assert f"#{cases['d']}" in undo.text


def test_behind_the_last_case_stands_the_queue(accountant, cases, session):
    path = f"/admin/mismatches/{cases['a']}"
    until = (NOW + timedelta(days=2)).date().isoformat()
    answer = accountant.send(
        f"{path}/remarks?queue=1&state=unsettled&sort=amount", kind="expected", said="chờ", until=until
    )  # fmt: skip
    assert answer.location == f"/admin/mismatches/?state=unsettled&sort=amount&done={cases['a']}"
    assert accountant.page(answer.location).select_one("form.undo")


def test_a_comment_stays_with_its_case(accountant, cases):
    path = f"/admin/mismatches/{cases['a']}"
    answer = accountant.send(f"{path}/remarks?queue=1&state=unsettled", kind="comment", said="xin chào")
    assert answer.location == f"{path}?queue=1&state=unsettled#remarks-title"


def test_another_amount_says_in_words_whether_it_is_short_or_over(accountant, books, session):
    short, over = books.payment(90_000), books.payment(130_000)
    bill = books.bill(100_000)
    told = {"verdict": "match", "bill": bill.number}
    under = books.mismatch(
        "M03", f"payment:{short.id}", payment_id=short.id, bill_id=bill.id, minor=10_000,
        facts={**told, "paid": 90_000, "matched": 90_000, "owed": 10_000},
    )  # fmt: skip
    books.mismatch(
        "M03", f"payment:{over.id}", payment_id=over.id, bill_id=bill.id, minor=30_000,
        facts={**told, "paid": 130_000, "matched": 100_000, "owed": 0},
    )  # fmt: skip
    books.mismatch("M12", "payment:9", minor=5_000, facts={"paid": 5_000})
    session.commit()
    page = accountant.page("/admin/mismatches/")
    cells = page.select("main tbody td[data-label='Số tiền']")
    assert [" ".join(cell.text.split()) for cell in cells] == [
        "10.000 ₫thiếu", "30.000 ₫thừa", "5.000 ₫",
    ]  # fmt: skip
    assert "tổng 45.000 ₫" in " ".join(page.select_one(".heading").text.split())
    case = accountant.page(f"/admin/mismatches/{under.id}")
    assert "thiếu 10.000 ₫" in " ".join(case.select_one("section[aria-labelledby=arrived-title]").text.split())
