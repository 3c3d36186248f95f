"""Who belongs to an office sees its customers alone, on every page their role may open; read from the routes."""

from urllib.parse import quote, quote_plus

import pytest
from flask_login import login_user
from sqlalchemy import select, update

from gateway.admin import access, office_scope
from gateway.request_session import db
from reconciliation.customers import Customer
from reconciliation.mandates import Mandate
from reconciliation.staff import Staff
from tests.gateway.admin.conftest import NOW

OURS, THEIRS = "Điện lực Hồ Sen", "Điện lực Bến Đá"
PHONES = {OURS: "+84912000111", THEIRS: "+84912000222"}


class Office:
    """One office's rows, and the texts by which each would show."""

    def __init__(self, books, session, sealer, name):
        self.bill, self.payment = books.settled()
        self.customer = session.get_one(Customer, self.bill.customer_id)
        self.customer.office = name
        self.customer.msisdn_hash = sealer.blind(PHONES[name], "msisdn")
        self.message = books.message(self.bill, "payment_recorded", body=f"Da thanh toan {self.bill.number}")
        self.question = books.mismatch(
            "M12", f"payment:{self.payment.id}", payment_id=self.payment.id, bill_id=self.bill.id,
        )  # fmt: skip
        self.mandate = Mandate(
            bank="saomai",
            reference=f"UQ{self.bill.number}",
            customer_id=self.customer.id,
            state="draft",
            created_at=NOW,
        )
        session.add(self.mandate)
        session.flush()
        self.ids = {
            "bill_id": self.bill.id, "customer_id": self.customer.id, "mandate_id": self.mandate.id,
            "message_id": self.message.id, "mismatch_id": self.question.id, "payment_id": self.payment.id,
        }  # fmt: skip
        self.marks = {
            self.bill.number, self.bill.payment_code, self.customer.code, self.payment.source_reference,
            self.mandate.reference, self.message.body, name,
        }  # fmt: skip


@pytest.fixture
def offices(books, session, sealer):
    books.bill()  # rows come before theirs, so that no number of one kind is that of another
    found = Office(books, session, sealer, OURS), Office(books, session, sealer, THEIRS)
    session.commit()
    return found


@pytest.fixture(params=["care", "office_manager", "accountant", "liaison"])
def person(request, as_role, staff, session, offices):
    session.execute(update(Staff).where(Staff.role == request.param).values(office=OURS))
    session.commit()
    found = as_role(request.param)
    found.role = request.param
    found.kept = found.token("/admin/account/")
    return found


def _open(app, role, method):
    """Yield the rules a person of the office may open by a method."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        if rule.endpoint in access.OF_AN_OFFICE and role in access.RULES[rule.endpoint] and method in rule.methods:
            yield rule


def _address(app, rule, ids):
    numbers = {name: 1 for name in rule.arguments if name == "version" or name.endswith("_id")}
    values = {name: ids.get(name, numbers.get(name, "none")) for name in rule.arguments}
    return app.url_map.bind("localhost").build(rule.endpoint, values)


def test_nothing_of_another_office_shows_on_any_page(app, person, offices):
    ours, theirs = offices
    listed = set()
    for rule in _open(app, person.role, "GET"):
        if rule.endpoint == "admin.nowhere":
            continue
        address = _address(app, rule, ours.ids)
        searches = ["", "?q=", *(f"?q={one}" for one in sorted(theirs.marks | {PHONES[THEIRS]}))]
        for search in searches if not rule.arguments else [""]:
            answer = person.get(address + search)
            if "version" not in rule.arguments:
                assert answer.status_code in (200, 303), (address, search, answer.status_code)
            if search.startswith("?q=") and answer.status_code == 303:
                pytest.fail(f"{address}{search} leads to {answer.location}")
            shown = answer.text
            if typed := search.removeprefix("?q="):  # a page may say what was typed, in an address of its own as well
                for written in (typed, quote(typed), quote_plus(typed)):
                    shown = shown.replace(written, "")
            assert not [mark for mark in theirs.marks if mark in shown], (address, search)
            listed |= {mark for mark in ours.marks if mark in answer.text}
    needs_finance = {ours.payment.source_reference}
    assert listed >= ours.marks - (needs_finance if person.role not in access.FINANCE else set())


def test_single_rows_of_another_office_are_not_there(app, person, offices):
    _ours, theirs = offices
    asked = 0
    for method in ("GET", "POST"):
        for rule in _open(app, person.role, method):
            if not any(name.endswith("_id") for name in rule.arguments):
                continue
            address = _address(app, rule, theirs.ids)
            fields = {"csrf_token": person.kept, "unmask_why": "khách hàng gọi đến hỏi", "why": "khách hàng yêu cầu"}
            answer = person.get(address) if method == "GET" else person.client.post(address, data=fields)
            assert answer.status_code == 404, (method, address)
            asked += 1
    assert asked >= 5


def test_own_rows_are_there(app, person, offices):
    ours, _theirs = offices
    for rule in _open(app, person.role, "GET"):
        if rule.arguments and "version" not in rule.arguments and rule.endpoint != "admin.nowhere":
            assert person.get(_address(app, rule, ours.ids)).status_code == 200, rule.rule


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "?queue=1",
        "?state=unsettled",
        "?state=open",
        "?state=resolved",
        "?age=0-1",
        "?amount=0-99999",
        "?sort=amount",
        "?sort=deadline",
        "?due=overdue",
        "?code=M12",
        "?who=nobody",
        "?bank=saomai",
        "?owner=accountant",
        "?q=M12",
    ],
)
def test_the_desk_of_an_office_shows_its_own_cases_alone(as_role, session, offices, asked):
    ours, theirs = offices
    session.execute(update(Staff).where(Staff.role == "accountant").values(office=OURS))
    session.commit()
    person = as_role("accountant")
    listed = person.page(f"/admin/mismatches/{asked}").text
    assert not [mark for mark in theirs.marks if mark in listed]
    if asked in (
        "",
        "?queue=1",
        "?state=unsettled",
        "?state=open",
        "?sort=deadline",
        "?code=M12",
        "?who=nobody",
        "?q=M12",
    ):
        assert ours.bill.number in listed
    case = person.page(f"/admin/mismatches/{ours.question.id}{asked or '?'}&queue=1".replace("?&", "?"))
    assert ours.bill.number in case.text
    assert not [mark for mark in theirs.marks if mark in case.text]


def test_searching_for_ones_own_customer_leads_to_them(person, offices):
    ours, _theirs = offices
    assert ours.bill.number in person.page(f"/admin/trace/?q={ours.customer.code}").text
    assert person.get(f"/admin/sms-wishes/?q={PHONES[OURS]}").location == f"/admin/sms-wishes/{ours.customer.id}"


def test_who_has_no_office_sees_every_office(as_role, offices):
    text = as_role("care").page("/admin/bills/").text
    assert all(one.bill.number in text for one in offices)


def test_an_office_manager_without_an_office_sees_nothing_but_their_own_account(app, as_role, session, offices):
    ours, _theirs = offices
    session.execute(update(Staff).where(Staff.role == "office_manager").values(office=""))
    session.commit()
    person = as_role("office_manager")
    assert person.get("/admin/").location == "/admin/account/"
    assert person.get("/admin/account/").status_code == 200
    for rule in _open(app, "office_manager", "GET"):
        assert person.get(_address(app, rule, ours.ids)).status_code == 403, rule.rule


def test_a_payment_of_two_offices_and_one_of_nobody_belong_to_none(as_role, session, books, offices):
    ours, theirs = offices
    both, nobodys = books.payment(200_000), books.payment(300_000)
    more, others = books.bill(100_000), books.bill(100_000)
    session.execute(update(Customer).where(Customer.id == more.customer_id).values(office=OURS))
    session.execute(update(Customer).where(Customer.id == others.customer_id).values(office=THEIRS))
    books.allocate(both, more, 100_000)
    books.allocate(both, others, 100_000)
    asked = books.mismatch("M12", f"payment:{both.id}", payment_id=both.id, bill_id=more.id)
    loose = books.mismatch("M12", f"payment:{nobodys.id}", payment_id=nobodys.id)
    session.execute(update(Staff).where(Staff.role == "accountant").values(office=OURS))
    session.commit()
    person = as_role("accountant")
    for path in (f"payments/{both.id}", f"payments/{nobodys.id}", f"mismatches/{asked.id}", f"mismatches/{loose.id}"):
        assert person.get(f"/admin/{path}").status_code == 404, path
    shown = person.page("/admin/payments/").text
    assert ours.payment.source_reference in shown
    assert not [one for one in (both, nobodys, theirs.payment) if one.source_reference in shown]


def test_questions_show_no_suggestions_of_other_customers(as_role, session, books, offices):
    ours, theirs = offices
    ours.question.facts = {"candidates": [theirs.bill.number], "ranked": [], "paid": 5}
    session.execute(update(Staff).where(Staff.role == "accountant").values(office=OURS))
    session.commit()
    assert theirs.bill.number not in as_role("accountant").page(f"/admin/mismatches/{ours.question.id}").text


def _shared(books, session, ours, theirs):
    """Return a bill of the office, and the payment that settles it and a bill of another one."""
    payment, mine, others = books.payment(200_000), books.bill(100_000), books.bill(100_000)
    session.execute(update(Customer).where(Customer.id == mine.customer_id).values(office=OURS))
    session.execute(update(Customer).where(Customer.id == others.customer_id).values(office=THEIRS))
    books.allocate(payment, mine, 100_000)
    books.allocate(payment, others, 100_000)
    return mine, payment, others


def test_the_story_beside_a_case_is_not_of_another_offices_customer(as_role, session, books, offices):
    _ours, theirs = offices
    payment, bill = books.payment(70_000, quoted=[theirs.customer.code]), books.bill(70_000)
    session.execute(update(Customer).where(Customer.id == bill.customer_id).values(office=OURS))
    link = books.allocate(payment, bill, 70_000)
    link.undone_at, link.undone_by, link.undone_why = NOW, "lan", "nhầm mã"
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id)
    session.commit()
    assert theirs.bill.number in as_role("chief_accountant").page(f"/admin/mismatches/{asked.id}").text
    session.execute(update(Staff).where(Staff.role == "accountant").values(office=OURS))
    session.commit()
    shown = as_role("accountant").page(f"/admin/mismatches/{asked.id}").text
    assert payment.source_reference in shown
    assert not [
        one for one in (theirs.bill.number, theirs.payment.source_reference, theirs.message.body) if one in shown
    ]


def test_a_bills_story_tells_an_office_no_questions_of_another(as_role, session, books, offices):
    mine, payment, others = _shared(books, session, *offices)
    about = {"payment_id": payment.id, "state": "resolved", "resolved_at": NOW, "resolved_by": "lan"}
    books.mismatch("M03", f"payment:{payment.id}", bill_id=others.id, resolution="chị Tư gọi về nợ cũ", **about)
    books.mismatch("M02", f"bill:{mine.id}", bill_id=mine.id, **{**about, "payment_id": None}, resolution="đã thu đủ")
    session.commit()
    whole = as_role("chief_accountant").page(f"/admin/bills/{mine.id}").text
    assert "chị Tư gọi" in whole
    assert "đã thu đủ" in whole
    session.execute(update(Staff).where(Staff.role == "accountant").values(office=OURS))
    session.commit()
    cut = as_role("accountant").page(f"/admin/bills/{mine.id}").text
    assert "chị Tư gọi" not in cut
    assert "đã thu đủ" in cut


def test_a_row_of_a_kind_that_no_office_has_is_nobodys(app, staff, session):
    session.execute(update(Staff).where(Staff.role == "care").values(office=OURS))
    session.commit()
    with app.test_request_context("/admin/bills/"):
        login_user(access.person_of(db().scalar(select(Staff).where(Staff.role == "care"))))
        assert office_scope.sees("delivery_id", 1) is False
