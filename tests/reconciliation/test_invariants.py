"""Each invariant holds on good books and breaks when the tables are tampered with past every guard."""
# ruff: noqa: E501 - a tampering with its number reads best on one line

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from reconciliation import audit, invariants, sending
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at

KEY = b"a" * 32


@pytest.fixture
def lived(books: Books) -> Books:
    """Books in which everything has happened once: paid, part paid, replaced, quarantined, sent, reported, asked."""
    debit = {"charge_on": date(2026, 11, 24), "bank": "standard"}
    books.issue(a_bill(**debit), a_bill("HD0002", code=OTHER_CODE, customer_code=OTHER_CUSTOMER, **debit))
    books.run(lambda s: s.execute(text("UPDATE messages SET body = 'x'")))
    [one, *_] = books.run(
        lambda s: sending.claim(s, carrier="http", of_all=True, limit=1, lease=timedelta(seconds=9), now=books.now)
    )
    books.run(lambda s: sending.sent(s, [(one.id, "R1")], provider="http", now=books.now))
    books.now += timedelta(minutes=1)
    books.issue(a_bill(version=2, kwh=49, **debit))
    books.hear(a_notice(bank_reference="B1"), a_notice("T2", 40_000, OTHER_CODE, paid_at=at(2)))
    books.read(a_line(reference="B1"), a_line(7_000, narrative="?"), a_line(-500), opening=0)
    books.read(a_line(8_000, narrative="?"), a_line(0), id="S2", opening=106_500, on=DAY + timedelta(days=1))
    books.read(a_line(900, reference="N1"), id="N1", kind="notice")
    books.read(opening=1, closing=2, id="S9", on=DAY + timedelta(days=9))
    books.run(lambda s: audit.append(s, actor="lan", action="looked", subject="", facts={}, now=books.now))
    books.run(lambda s: audit.checkpoint(s, KEY, books.now))
    return books


def numbers(books: Books) -> set[int]:
    return {int(one.split()[0]) for one in books.broken()}


def test_every_invariant_holds_on_good_books_with_figures(lived: Books) -> None:
    with lived.owner.connect() as connection, pytest.MonkeyPatch.context():
        assert connection.execute(text("SELECT count(*) FROM payments")).scalar() == 5
    found = lived.run(lambda s: list(invariants.prove(s, KEY)))
    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [one.figures for one in found if not one.holds] == []
    assert all(one.figures and one.says for one in found)
    assert lived.run(invariants.unexplained_vnd) == 0


def test_every_invariant_holds_on_empty_books(books: Books) -> None:
    assert books.broken() == []


SENT = "(SELECT min(id) FROM messages WHERE sent_at IS NOT NULL)"
TAMPERED = {
    "a callback's bytes are gone": ("UPDATE deliveries SET body = NULL WHERE kind = 'callback'", 1),
    "a callback's answer is gone": ("UPDATE deliveries SET answer_status = NULL WHERE kind = 'callback'", 1),
    "a file's bytes are gone": ("UPDATE deliveries SET size = 5 WHERE kind = 'statement'", 1),
    "the deliveries under payments are gone": ("DELETE FROM deliveries WHERE kind = 'callback'", 1),
    "a callback that was told to be kept is asked of nobody": ("UPDATE deliveries SET state = 'unreadable'", 1),
    "one transaction became two payments":
        ("UPDATE payments SET bank_reference = 'B9', minor = 40000 WHERE source_reference LIKE 'line:%';"
         " UPDATE payments SET bank_reference = 'B9' WHERE source_reference = 'T2'", 2),
    "a line is told to be confirmed twice": ("UPDATE payments SET confirmed_minor = 2 * confirmed_minor", 2),
    "a line lost its payment": ("UPDATE statement_lines SET payment_id = NULL WHERE minor = 100000", 2),
    "an entry's amount changed": ("UPDATE entries SET minor = minor + 1 WHERE id = (SELECT min(id) FROM entries)", 5),
    "a bill says it is paid": ("UPDATE bills SET paid_minor = minor WHERE number = 'HD0002'", 4),
    "a payment says it is matched": ("UPDATE payments SET matched_minor = 39999 WHERE source_reference = 'T2'", 4),
    "an allocation is gone": ("DELETE FROM allocations WHERE undone_at IS NULL", 4),
    "an allocation was undone quietly": ("UPDATE allocations SET undone_at = now() WHERE undone_at IS NULL", 4),
    "a bill's amount changed": ("UPDATE bills SET minor = minor + 1, charge_minor = charge_minor + 1 WHERE number = 'HD0002'", 5),
    "a bill is gone": ("DELETE FROM bills WHERE number = 'HD0002'", 5),
    "a line's statement is gone": ("DELETE FROM statements WHERE statement_id = 'S2'", 4),
    "a payment's amount changed": ("UPDATE payments SET minor = minor + 1 WHERE source_reference = 'T2'", 5),
    "a payment is gone": ("DELETE FROM payments WHERE source_reference = 'T2'", 5),
    "a line's amount changed": ("UPDATE statement_lines SET minor = minor - 1 WHERE minor < 0", 5),
    "a whole entry is gone": ("DELETE FROM entries WHERE key LIKE 'bill:HD0002%'", 5),
    "money was moved to an account nobody knows": ("UPDATE entries SET credit = 'pocket' WHERE credit = 'revenue'", 5),
    "money that went out is told less": ("UPDATE entries SET debit = 'expense:x' WHERE debit LIKE '%outgoing'", 5),
    "a balance changed": ("UPDATE statements SET closing_minor = closing_minor + 1 WHERE statement_id = 'S2'", 6),
    "a day does not follow on from the one before":
        ("UPDATE statements SET opening_minor = opening_minor + 1, closing_minor = closing_minor + 1 WHERE statement_id = 'S2'", 6),
    "a line is gone": ("DELETE FROM statement_lines WHERE minor = 0", 6),
    "a statement says another sum": ("UPDATE statements SET credit_minor = credit_minor + 1, debit_minor = debit_minor - 2", 6),
    "nobody is asked about a held statement": ("DELETE FROM mismatches WHERE code = 'M15'", 6),
    "nobody is asked about a line nobody knows": ("DELETE FROM mismatches WHERE code = 'M12'", 7),
    "nobody is asked about a bill left short":
        ("UPDATE payments SET minor = minor + 5 WHERE source_reference = 'T1'", 7),
    "nobody is asked about money going out": ("DELETE FROM mismatches WHERE line_id IS NOT NULL", 7),
    "money going out was set aside quietly":
        ("UPDATE statement_lines SET state = 'rejected' WHERE minor < 0; DELETE FROM mismatches WHERE line_id IS NOT NULL", 7),
    "the question about a line was closed by nobody": ("UPDATE mismatches SET state = 'resolved' WHERE line_id IS NOT NULL", 7),
    "an event was told twice":
        ("UPDATE messages SET event_key = 'one', version = id, bill_id = NULL, payment_id = NULL, sent_at = now()", 9),
    "a notice before the debit left after it": (f"UPDATE messages SET not_after = created_at WHERE id = {SENT}", 9),
    "a payer was told of a debit": (f"UPDATE messages SET bill_id = (SELECT id FROM bills WHERE version = 2) WHERE id = {SENT};"
                                    f" UPDATE transitions SET at = at + interval '1 day' WHERE kind = 'message' AND subject_id = {SENT};"
                                    f" UPDATE messages SET sent_at = sent_at + interval '1 day' WHERE id = {SENT}", 9),
    "a bill's state is not its amount's": ("UPDATE bills SET state = 'open' WHERE state = 'paid'", 10),
    "a payment is confirmed without a line": ("UPDATE payments SET state = 'confirmed' WHERE source_reference = 'T2'", 10),
    "a move left no history": ("UPDATE bills SET moves = moves + 1", 10),
    "history was cut": ("DELETE FROM transitions WHERE kind = 'message'", 10),
    "a statement's history says otherwise": ("UPDATE transitions SET to_state = 'resent' WHERE kind = 'statement'", 10),
    "an SMS was withdrawn quietly": ("UPDATE messages SET state = 'withdrawn' WHERE state = 'queued'", 10),
    "a callback nobody read is called read": ("UPDATE deliveries SET state = 'read', moves = 0", 10),
    "a question was closed without a word": ("UPDATE mismatches SET state = 'resolved' WHERE state = 'open'", 10),
    "a mismatch was closed quietly": ("UPDATE mismatches SET moves = 1", 10),
    "an act was changed": ("UPDATE audit SET actor = 'nobody'", 11),
    "an act is gone": ("DELETE FROM audit", 11),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_shows(lived: Books, what: str) -> None:
    statement, number = TAMPERED[what]
    lived.as_owner(*statement.split("; "))
    assert number in numbers(lived), lived.broken()


@pytest.mark.parametrize(("rule", "damage"), [("positive", "minor = 0"), ("two_accounts", "credit = debit")])
def test_an_entry_without_an_amount_or_a_second_side_shows_even_where_the_rule_was_taken_away(
    lived: Books, rule: str, damage: str
) -> None:
    wanted = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"
    [(meant,)] = lived.rows(wanted, name=f"ck_entries_{rule}")
    first = "WHERE id = (SELECT min(id) FROM entries)"
    lived.as_owner(f"ALTER TABLE entries DROP CONSTRAINT ck_entries_{rule}", f"UPDATE entries SET {damage} {first}")
    try:
        assert 3 in numbers(lived), lived.broken()
    finally:
        lived.as_owner(f"DELETE FROM entries {first}", f"ALTER TABLE entries ADD CONSTRAINT ck_entries_{rule} {meant}")


def test_a_tail_cut_off_with_its_marks_shows_against_what_was_noted_outside(lived: Books) -> None:
    [mark] = lived.run(lambda s: s.execute(text("SELECT last_id, hash FROM audit_checkpoints")).all())
    noted = [audit.Kept(mark.last_id, bytes(mark.hash))]
    assert all(one.holds for one in lived.run(lambda s: list(invariants.prove(s, KEY, kept=noted))))
    lived.as_owner("DELETE FROM audit", "DELETE FROM audit_checkpoints")
    assert 11 not in numbers(lived), "the database alone can't know"
    broken = [one for one in lived.run(lambda s: list(invariants.prove(s, KEY, kept=noted))) if not one.holds]
    assert [one.number for one in broken] == [11]


def test_what_nobody_can_explain_is_counted_in_dong(lived: Books) -> None:
    lived.as_owner("DELETE FROM mismatches WHERE code = 'M12' AND minor = 7000")
    assert lived.run(invariants.unexplained_vnd) == 14_000, "once on the line, once in the payment"


def test_a_bill_quoted_by_a_payment_that_matched_needs_no_question(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(narrative=CODE))
    assert sound_books.asked() == []
