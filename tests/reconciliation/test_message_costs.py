"""What messages cost: those that left within a month by Vietnam's clock, in parts, by office."""

from datetime import UTC, date, datetime

from sqlalchemy import text

from reconciliation import message_costs
from tests.reconciliation.books import Books, a_bill
from tests.reconciliation.test_debit_runs import tamper

FIRST, NEXT = datetime(2026, 10, 31, 17, tzinfo=UTC), datetime(2026, 11, 30, 17, tzinfo=UTC)
"""The first moments of November and December in Vietnam."""


def cost(books: Books, month: date = date(2026, 11, 1)) -> list[tuple[str, int, int]]:
    return [tuple(row) for row in books.run(lambda session: message_costs.of_month(session, month))]


def test_what_left_is_counted_in_its_month_and_its_office(books: Books) -> None:
    for number, office in enumerate(("Đông Hà", "Đông Hà", "Hồ Sen"), 1):
        books.issue(
            a_bill(f"HD000{number}", code=f"PA{number:011}11126", customer_code=f"PA{number:011}", office=office,
                   charge_on=date(2026, 11, 24), bank="standard")
        )  # fmt: skip
    assert cost(books) == []
    tamper(books, "UPDATE messages SET state = 'sent', parts = 2, sent_at = '2026-11-18T02:00+00'")
    assert cost(books) == [("Đông Hà", 2, 4), ("Hồ Sen", 1, 2)]
    moments = {"first": FIRST, "next": NEXT}
    with books.owner.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(
            text("UPDATE messages SET sent_at = :first WHERE id = (SELECT min(id) FROM messages)"), moments
        )
        connection.execute(
            text("UPDATE messages SET sent_at = :next WHERE id = (SELECT max(id) FROM messages)"), moments
        )
    assert cost(books, date(2026, 11, 9)) == [("Đông Hà", 2, 4)]
    assert cost(books, date(2026, 12, 1)) == [("Hồ Sen", 1, 2)]
    tamper(books, "UPDATE messages SET provider_ref = 'test-1' WHERE id = (SELECT min(id) FROM messages)")
    assert cost(books) == [("Đông Hà", 1, 2)]
    tamper(
        books,
        "INSERT INTO message_parts (message_id, ordinal, provider, provider_ref, ref_key, state, answered_at)"
        " SELECT id, 1, 'smpp', CASE office WHEN 'Đông Hà' THEN 'test-2' ELSE 'A2' END, id, 'accepted', now()"
        " FROM (SELECT m.id, c.office FROM messages m JOIN customers c ON c.id = m.customer_id) left_for_nobody",
    )
    assert cost(books) == []
    assert cost(books, date(2026, 12, 1)) == [("Hồ Sen", 1, 2)], "what left in parts counts"
