"""Lines that were odd before anything listed them are listed when their books come over."""

from collections.abc import Callable

from tests.migrations.conftest import OldBooks

STATEMENT = """
    INSERT INTO statements (delivery_id, bank, account_hash, kind, format, statement_id, currency, closing_on, state,
        created_at)
    VALUES (1, 'x', 'h', 'statement', 'camt', 'S1', 'VND', '2026-11-18', 'accepted', now())
"""
PAYMENTS = """
    INSERT INTO payments (source, source_reference, minor, currency, business_date, origin, created_at)
    SELECT 'x', 'T' || minor, minor, 'VND', '2026-11-18', 'callback', now() FROM (VALUES (100), (200), (300)) m (minor)
"""
LINES = """
    INSERT INTO statement_lines (statement_id, entry, transaction, direction, counts, minor, currency, booked_on,
        reversal, payment_id, state)
    SELECT s.id, n, 1, 'in', counts, v.minor, 'VND', CAST(day AS date), false, p.id, v.state
    FROM (VALUES
        (1, true, 100, NULL, 'T100', 'matched'), (2, true, 190, '2026-11-17', 'T200', 'matched'),
        (3, true, 70, NULL, NULL, 'mismatch'), (4, true, 80, NULL, NULL, 'pending'),
        (5, true, 0, NULL, NULL, 'rejected'), (6, false, 90, NULL, NULL, 'mismatch'),
        (7, true, 300, NULL, 'T300', 'matched')
    ) v (n, counts, minor, day, reference, state)
    CROSS JOIN statements s LEFT JOIN payments p ON p.source_reference = v.reference
"""
FEE = """
    INSERT INTO fees (bank, charged, tariff_id, line_id, payment_id, from_on, to_on, minor, vat_minor, credit, at)
    SELECT 'x', 'netted', 1, id, payment_id, '2026-11-18', '2026-11-18', 1, 0, 'suspense', now()
    FROM statement_lines WHERE entry = 7
"""


def test_lines_without_a_payment_of_their_amount_are_listed(books_at: Callable[[str], OldBooks]) -> None:
    books = books_at("0064")
    books.have(STATEMENT, PAYMENTS, LINES, FEE)
    books.migrate("head")
    listed = "SELECT entry, CAST(day AS text) FROM odd_lines JOIN statement_lines ON id = line_id ORDER BY 1"
    assert books.rows(listed) == [(2, "2026-11-17"), (3, "2026-11-18"), (7, "2026-11-18")]
