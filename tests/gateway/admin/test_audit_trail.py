"""The audit page: newest first, found by who, what and when, its chain told as it is, and all of it as a file."""

import csv
import io

import psycopg
import pytest
from sqlalchemy import select

from reconciliation import audit, audit_state
from tests.gateway.admin.conftest import NOW

KEY = b"a" * 32


@pytest.fixture
def acts(session, staff):
    for number in range(1, 61):
        audit.append(
            session, actor="ketoan" if number % 2 else "nganhang", action="remarked", subject=f"mismatch:{number}",
            facts={"why": "gọi 0912345678", "minor": 1_234_567_890}, now=NOW,
        )  # fmt: skip
    audit.append(session, actor="=cmd", action="@act", subject="+1", facts={"why": "=1+1"}, now=NOW)
    session.commit()


def test_entries_stand_newest_first_and_are_turned_by_pages(as_role, acts, session):
    auditor = as_role("auditor")
    last = session.scalar(select(audit.AuditEntry.id).order_by(audit.AuditEntry.id.desc()))
    page = auditor.page("/admin/audit/")
    numbers = [int(one.text) for one in page.select("tbody th")]
    assert numbers == list(range(last, last - 50, -1))
    following = auditor.page(page.select_one("a[rel=next]")["href"])
    assert int(following.select_one("tbody th").text) == last - 50


def test_entries_are_found_by_who_what_and_day(as_role, acts):
    auditor = as_role("auditor")
    for query, rows in [
        ("q=ketoan", 30), ("q=mismatch:7", 1), ("q=nobody", 0), ("act=staff_created", 7), ("from=2026-11-20", 0),
        ("until=2026-11-18", 0), ("from=2026-11-19&until=2026-11-19&q=nganhang", 30),
    ]:  # fmt: skip
        assert len(auditor.page(f"/admin/audit/?{query}").select("tbody tr")) == rows, query


def test_numbers_people_typed_are_masked_and_amounts_are_not(as_role, acts):
    shown = as_role("auditor").page("/admin/audit/?q=mismatch:7").select_one("tbody").text
    assert "gọi ···678" in shown
    assert "1.234.567.890" in shown


def test_the_file_holds_what_the_list_asks_for_and_no_formula(as_role, acts):
    auditor = as_role("auditor")
    answer = auditor.get("/admin/audit/audit.csv?q=ketoan")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert len(rows) == 31
    assert [int(one[0]) for one in rows[1:]] == sorted(int(one[0]) for one in rows[1:])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-20261119.csv"'
    last = list(csv.reader(io.StringIO(auditor.get("/admin/audit/audit.csv?q=%3Dcmd").data.decode("utf-8-sig"))))[1]
    assert last[2:5] == ["'=cmd", "'@act", "'+1"]
    assert auditor.get("/admin/audit/audit.csv").data.count(b"0912345678") == 0


def test_the_chain_is_told_from_its_last_checkpoint_on(as_role, acts, session):
    assert audit_state.state(session, KEY).signed_at is None
    made = audit.checkpoint(session, KEY, NOW)
    session.commit()
    auditor = as_role("auditor")  # one entry more
    state = audit_state.state(session, KEY)
    assert (state.whole, state.signed_entry, state.intact_until) == (True, made.last_id, made.last_id + 1)
    assert state.key in auditor.page("/admin/audit/").select_one(".chain").text
    assert "nguyên vẹn" in auditor.page("/admin/audit/").select_one(".chain").text
    other = audit_state.state(session, b"b" * 32)
    assert (other.whole, other.signed_by_us) == (False, False)


@pytest.mark.parametrize("what", ["changed after", "changed at", "missing"])
def test_a_broken_chain_shows(as_role, acts, session, as_superuser, what):
    made = audit.checkpoint(session, KEY, NOW)
    for _ in range(3):
        audit.append(session, actor="a", action="b", subject="c", facts={}, now=NOW)
    session.commit()
    number = made.last_id + (0 if what == "changed at" else 2)
    act = "DELETE FROM audit" if what == "missing" else "UPDATE audit SET actor = 'x'"
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"{act} WHERE id = {number}")
    session.expire_all()
    state = audit_state.state(session, KEY)
    assert (state.whole, state.broken_at) == (False, number + (1 if what == "missing" else 0))
    assert "không nối tiếp" in as_role("auditor").page("/admin/audit/").select_one(".chain").text


def test_more_than_a_page_can_look_at_is_said(session, acts):
    state = audit_state.state(session, KEY, most=10)
    assert (state.whole, state.broken_at, state.intact_until) == (False, None, 10)
