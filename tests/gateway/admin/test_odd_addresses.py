"""Addresses as people type and break them: amounts, days, months and numbers beyond all measure break no page.

Messages refuse in words what their list does not know; every other list leaves it out.
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
    refused = {one: status for one, status in answers.items() if status not in (200, 303)}
    assert refused.items() <= {"/admin/messages/": 400, "/admin/texts/": 400}.items()
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


def test_an_amount_is_found_up_to_the_largest_that_can_stand(as_role, books, session):
    bill = books.bill(10**15)
    session.commit()
    person = as_role("accountant")
    assert bill.number in person.page("/admin/bills/?q=1.000.000.000.000.000").text
    assert bill.number not in person.page(f"/admin/bills/?q={_BIG}").text
