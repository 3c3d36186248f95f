"""Addresses as people type and break them: amounts, days, months and numbers beyond all measure break no page.

Every list refuses in words what it does not know, and lists nothing then.
"""

import pytest

from gateway.admin import access

OTHERS = {"admin.nowhere", "admin.overview.page", "admin.sign_in.form", "admin.second_step.page"}
_DAYS = ("day", "due", "sms_day", "from", "until", "since", "to")
_BIG = "1.000.000.000.000.000.000.000"
ODD = {
    "the last day": {**dict.fromkeys(_DAYS, "9999-12-31"), "month": "9999-12", "year": "9999"},
    "the first day": {**dict.fromkeys(_DAYS, "0001-01-01"), "month": "0001-01", "year": "1"},
    "a sign of no text": {"bank": "\0", "channel": "\0", "q": "\0", "office": "\0"},
    "a large amount": {"q": _BIG},
    "the largest amount": {"q": "999.999.999.999.999.999"},
    "large numbers": dict.fromkeys(("after", "before", "take", "close", "done"), "9" * 18) | {"q": "9" * 60},
    "numbers too large": dict.fromkeys(("after", "before", "take", "close", "done", "year"), "9" * 30),
}


def _addresses(app, role):
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        if rule.endpoint in OTHERS or rule.arguments or "GET" not in rule.methods:
            continue
        if role in access.RULES.get(rule.endpoint, ()):
            yield rule.rule


@pytest.mark.parametrize("role", ["chief_accountant", "administrator"])
@pytest.mark.parametrize("asked", list(ODD))
def test_no_page_breaks_whatever_its_address_asks(app, as_role, books, session, role, asked):
    books.settled()
    session.commit()
    person = as_role(role)
    answers = {
        address: person.get(address, query_string={"bank": "saomai", "queue": "1", **ODD[asked]}).status_code
        for address in _addresses(app, role)
    }
    assert set(answers.values()) <= {200, 303, 400}
    assert len(answers) >= 20


@pytest.mark.parametrize(
    "path",
    [
        "closes/saomai/9999-12", "closes/saomai/9999-12-31", "closes/saomai/0001-01-01",
        f"mandates/1/{'9' * 20}.pdf", f"mandates/1/{'9' * 18}.pdf", f"bills/{'9' * 20}", f"bills/{'9' * 18}",
        f"payments/{'9' * 18}", f"mismatches/{'9' * 18}",
    ],
)  # fmt: skip
def test_what_no_table_can_hold_is_not_there(as_role, path):
    assert as_role("chief_accountant").get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("day=9999-12-31", 400), ("day=0001-01-01", 400), ("day=2999-12-31", 200), (f"q={_BIG}", 200),
        ("after=" + "9" * 30, 400),
    ],
)  # fmt: skip
def test_messages_say_what_they_do_not_know(accountant, asked, status):
    assert accountant.get(f"/admin/messages/?{asked}").status_code == status


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("payments/?state=zzz", "(state): cần"),
        ("payments/?day=abc", "Ngày giao dịch (day): cần một ngày từ 1900-01-01 đến 2999-12-31"),
        ("payments/?colour=red", "nhận được “colour”"),
        (
            "payments/?day=2026-11-18&until=2026-11-17",
            "(until): cần một ngày không trước Ngày giao dịch (day)=2026-11-18",
        ),
        ("bills/?state=zzz", "(state): cần"), ("bills/?due=2026-11-18&due_until=2026-11-01", "(due_until): cần"),
        ("bills/?issued=2026-11-18&issued_until=2026-11-01", "(issued_until): cần"), ("bills/?after=x", "(after): cần"),
        ("messages/?state=abc", "(state): cần"), ("mandates/?state=abc", "(state): cần"),
        ("deliveries/?kind=abc", "(kind): cần"), ("debits/?state=abc", "(state): cần"),
        ("debits/debit/unknown?bank=x", "(bank): cần"),
        ("mismatches/?code=M99", "(code): cần"), ("mismatches/?state=all", "Trạng thái (state): cần unsettled, "),
        ("mismatches/?colour=red", "nhận được “colour”"),
        ("audit/?from=2026-11-18&until=2026-11-17", "(until): cần"),
        ("audit/audit.csv?from=soon", "(from): cần"), ("people/?role=boss", "(role): cần"),
        ("marks/?state=abc", "(state): cần"), ("reports/?bank=x", "(bank): cần"),
        ("reports/ageing.csv?bank=x", "(bank): cần"), ("expected/?kind=x", "(kind): cần"),
    ],
)  # fmt: skip
def test_every_list_says_what_it_does_not_know_and_shows_nothing(as_role, books, session, address, said):
    books.settled()
    session.commit()
    answer = as_role("administrator" if "people" in address else "chief_accountant").get(f"/admin/{address}")
    assert (answer.status_code, said in answer.text.replace("\u00a0", " ")) == (400, True), answer.text
    assert "data-row" not in answer.text


def test_a_queue_keeps_what_its_addresses_carry(accountant):
    assert accountant.get("/admin/mismatches/?queue=1&done=1&undone=2").status_code == 200


def test_an_amount_is_found_up_to_the_largest_that_can_stand(as_role, books, session):
    bill = books.bill(10**15)
    session.commit()
    person = as_role("accountant")
    assert bill.number in person.page("/admin/bills/?q=1.000.000.000.000.000").text
    assert bill.number not in person.page(f"/admin/bills/?q={_BIG}").text
