"""Composing: a text is written once, in the customer's language, and one with a hole in it never leaves."""

import pytest

from gateway import composing
from gateway.database import transaction
from tests.gateway.samples import a_debit_bill


@pytest.fixture
def compose(wiring):
    def do():
        with transaction(wiring.engine) as session:
            return composing.compose_promises(session, wiring.settings)

    return do


@pytest.fixture
def blank(change):
    """Take the text of every message away, as if it were promised just now."""
    return lambda: change("UPDATE messages SET body = NULL, template = '', encoding = '', parts = 0")


def test_a_notice_names_brand_bank_usage_amount_and_day(issue, one):
    issue(a_debit_bill(kwh="312", charge="844960", tax="0", arrears="0", amount="844960"))
    body, template, encoding, parts, state = one("SELECT body, template, encoding, parts, state FROM messages")
    for word in ("Dien luc", "312", "844.960", "25/11", "Ngan hang Sao Mai"):
        assert word in body, body
    assert (encoding, parts, state) == ("gsm7", 1, "queued")
    name, _, version = template.rpartition(".")
    assert name
    assert version.isdecimal()


def test_each_customer_reads_their_own_language(issue, rows):
    issue(a_debit_bill(1), a_debit_bill(2, language="en"))
    vi, en = rows("SELECT body FROM messages ORDER BY id")
    assert vi != en
    assert "debit" in en.lower()


def test_a_text_is_written_once_and_stays_as_it_is(issue, compose, blank, rows, change):
    issue(a_debit_bill())
    before = rows("SELECT body, xmin::text FROM messages")
    change("UPDATE customers SET language = 'en'")
    assert compose() == 0
    assert rows("SELECT body, xmin::text FROM messages") == before
    blank()
    assert compose() == 1


def test_however_many_wait_few_are_held_at_once_and_each_is_composed(issue, compose, blank, change, rows, monkeypatch):
    issue(*map(a_debit_bill, range(1, 8)))
    before = rows("SELECT id, body FROM messages ORDER BY id")
    blank()
    change("UPDATE messages SET facts = facts - 'amount' WHERE id = (SELECT min(id) + 1 FROM messages)")
    held, whole = [], composing._compose
    monkeypatch.setattr(composing, "AT_ONCE", 3)
    monkeypatch.setattr(composing, "_compose", lambda *given: held.append(len(given[2])) or whole(*given))
    assert compose() == 6
    assert held == [3, 3, 1]
    left = rows("SELECT id, body FROM messages WHERE state = 'queued' ORDER BY id")
    assert left == [*before[:1], *before[2:]]


def test_only_what_still_waits_is_composed(issue, compose, blank, change, rows):
    issue(a_debit_bill(1), a_debit_bill(2))
    blank()
    change("UPDATE messages SET state = 'withdrawn' WHERE id = (SELECT min(id) FROM messages)")
    assert compose() == 1
    assert rows("SELECT body IS NULL FROM messages ORDER BY id") == [True, False]


@pytest.mark.parametrize(
    ("facts", "field"), [("facts - 'amount'", "amount"), ("facts || '{\"kwh\": 12.5}'", "kwh")], ids=["hole", "float"]
)
def test_a_text_that_can_not_be_right_fails_unsent_and_takes_nobody_with_it(
    issue, compose, blank, change, rows, one, facts, field
):
    issue(a_debit_bill(1), a_debit_bill(2))
    blank()
    change(f"UPDATE messages SET facts = {facts} WHERE id = (SELECT min(id) FROM messages)")
    assert compose() == 1
    assert rows("SELECT state, body IS NULL FROM messages ORDER BY id") == [("failed", True), ("queued", False)]
    by, why = one("SELECT by, why FROM transitions WHERE kind = 'message' AND to_state = 'failed'")
    assert by == "composing"
    assert why.startswith(f"{field}: expected")


def test_a_bank_that_is_no_longer_declared_is_named_as_the_bill_names_it(
    issue, compose, blank, wiring, monkeypatch, one
):
    issue(a_debit_bill())
    blank()
    monkeypatch.delitem(wiring.settings.banks, "standard")
    assert compose() == 1
    state, body = one("SELECT state, body FROM messages")
    assert state == "queued"
    assert "standard" in body


def test_a_notice_of_another_try_says_what_became_of_the_one_before(issue, compose, blank, change, one):
    issue(a_debit_bill())
    blank()
    change("""UPDATE messages SET facts = facts || '{"tried_on": "2026-11-20"}'""")
    assert compose() == 1
    body, template = one("SELECT body, template FROM messages")
    assert template == "before_retry.vi.1"
    assert "ngay 20/11/2026 chua trich duoc" in body
    assert "trich lai ngay 25/11/2026" in body


def test_a_customer_who_wishes_it_reads_vietnamese_signs(issue, compose, blank, change, one):
    issue(a_debit_bill())
    blank()
    change("UPDATE customers SET diacritics = true")
    assert compose() == 1
    body, encoding = one("SELECT body, encoding FROM messages")
    assert "tiền điện" in body
    assert encoding == "ucs2"
