"""Undoing an import on the delivery's page: who may, what is said before, what is done, and what is refused."""

from datetime import date

import pytest
from sqlalchemy import text


@pytest.fixture
def imported(books, session):
    """A statement file whose one line settles a bill, booked in full; return its delivery's id."""
    bill = books.bill(100_000)
    delivery = books.delivery(kind="statement", state="read", moves=0)
    statement = books.statement(delivery_id=delivery.id, lines=1, credit_minor=100_000, opening_minor=0,
                                closing_minor=100_000, statement_id="SK17", closing_on=date(2026, 11, 17))  # fmt: skip
    payment = books.payment(100_000, origin="statement", state="confirmed", confirmed_minor=100_000)
    line = books.line(statement, payment, 100_000)
    session.flush()
    session.execute(
        text("UPDATE payments SET source_reference = :own, bank_reference = 'B1' WHERE id = :id"),
        {"own": f"line:{line.id}", "id": payment.id},
    )
    books.entry(f"line:{line.id}", "bank:saomai:confirmed", "suspense", 100_000)
    books.allocate(payment, bill, 100_000)
    session.commit()
    return delivery.id


def state_of(session, table="statements"):
    session.rollback()
    return session.scalars(text(f"SELECT state FROM {table} ORDER BY id")).all()


def test_the_page_says_what_goes_back_and_changes_nothing(accountant, imported, session):
    page = accountant.page(f"/admin/deliveries/{imported}")
    assert page.select_one(f"a[href='/admin/deliveries/{imported}/undo']")
    page = accountant.page(f"/admin/deliveries/{imported}/undo")
    assert [one.text for one in page.select("dl.facts dd")] == ["1", "1", "0", "1", "0"]
    assert state_of(session) == ["accepted"]
    assert session.scalar(text("SELECT count(*) FROM audit WHERE action = 'import_undone'")) == 0


def test_an_accountant_undoes_an_import_and_lets_the_file_be_read_anew(accountant, imported, session):
    path = f"/admin/deliveries/{imported}/undo"
    assert accountant.post(path, token_from=path, why="a wrong file").status_code == 303
    assert state_of(session) == ["withdrawn"]
    assert state_of(session, "payments") == ["denied"]
    told = session.execute(text("SELECT actor, facts->>'why' FROM audit WHERE action = 'import_undone'")).all()
    assert told == [("accountant", "a wrong file")]

    page = accountant.page(f"/admin/deliveries/{imported}")
    assert not page.select_one(f"a[href='{path}']")
    assert "a wrong file" in page.text
    anew = f"/admin/deliveries/{imported}/read-anew"
    assert page.select_one(f"form[action='{anew}']")
    assert accountant.post(anew, token_from=f"/admin/deliveries/{imported}").status_code == 400
    assert accountant.post(anew, token_from=f"/admin/deliveries/{imported}", why="again").status_code == 303
    assert session.scalar(text("SELECT state FROM deliveries WHERE id = :id"), {"id": imported}) == "received"
    assert accountant.post(anew, token_from=f"/admin/deliveries/{imported}", why="again").status_code == 409
    assert "Không có gì" in accountant.page(path).text, "nothing is left to undo"


def test_without_a_reason_nothing_is_undone(accountant, imported, session):
    path = f"/admin/deliveries/{imported}/undo"
    answer = accountant.post(path, token_from=path, why="  ")
    assert answer.status_code == 400
    assert "Hãy ghi lý do" in answer.text
    assert state_of(session) == ["accepted"]


def test_what_follows_on_is_named_and_must_be_meant(accountant, imported, books, session):
    later = books.delivery(kind="statement", state="read", moves=0)
    books.statement(delivery_id=later.id, lines=0, opening_minor=100_000, closing_minor=100_000, credit_minor=0,
                    statement_id="SK18", closing_on=date(2026, 11, 18))  # fmt: skip
    session.commit()
    path = f"/admin/deliveries/{imported}/undo"
    page = accountant.page(path)
    assert "SK18" in page.text
    assert page.select_one("input[name=following]")
    answer = accountant.post(path, token_from=path, why="wrong")
    assert answer.status_code == 409
    assert "nối tiếp" in answer.text
    assert state_of(session) == ["accepted", "accepted"]
    assert accountant.post(path, token_from=path, why="wrong", following="yes").status_code == 303
    assert state_of(session) == ["withdrawn", "withdrawn"]


@pytest.mark.parametrize("role", ["liaison", "auditor", "administrator", "care", "office_manager"])
def test_nobody_else_undoes_an_import(as_role, imported, session, role):
    person = as_role(role)
    path = f"/admin/deliveries/{imported}/undo"
    assert person.get(path).status_code == 403
    assert person.post(path, token_from="/admin/bills/", why="x").status_code == 403
    assert (
        person.post(f"/admin/deliveries/{imported}/read-anew", token_from="/admin/bills/", why="x").status_code == 403
    )
    assert state_of(session) == ["accepted"]
    if role in ("liaison", "auditor", "administrator"):
        assert not person.page(f"/admin/deliveries/{imported}").select_one(f"a[href='{path}']")


def test_a_form_without_its_token_is_refused(accountant, imported, session):
    answer = accountant.client.post(f"/admin/deliveries/{imported}/undo", data={"why": "forged"})
    assert answer.status_code == 400
    assert state_of(session) == ["accepted"]


def test_a_delivery_without_statements_has_nothing_to_undo(accountant, books, session):
    callback = books.delivery()
    session.commit()
    assert accountant.get(f"/admin/deliveries/{callback.id}/undo").status_code == 404
    assert accountant.get("/admin/deliveries/999999/undo").status_code == 404
