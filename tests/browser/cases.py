"""Cases for the desk's pages: they come up the way they do in a house, one of nearly every code."""

from datetime import date, time
from typing import Any

from sqlalchemy import text

from reconciliation import deadlines, issuing, matching, mismatches
from reconciliation.deadlines import ExpectedFile
from tests.reconciliation.books import Books, a_bill, a_line, a_notice, at


def customer(n: int) -> str:
    return f"PA{n:011}"


def bill(books: Books, n: int, minor: int = 100_000, **more: Any) -> str:
    """Issue the n-th customer's bill; return its payment code."""
    code = f"{customer(n)}11126"
    books.issue(a_bill(f"HD{n:04}", minor, code, customer_code=customer(n), **more))
    return code


def seed(books: Books) -> None:
    """Let 24 cases come up the way they do: callbacks, statements, deadlines and files that do not agree."""
    lines = []
    for n in (1, 2, 3):  # too little: the bill is left part paid
        books.hear(a_notice(f"FT26322001{n:03}", 90_000, bill(books, n)))
        lines.append(a_line(90_000, f"FT26322001{n:03}"))
    for n in (4, 5):  # too much
        books.hear(a_notice(f"FT26322002{n:03}", 130_000 + n, bill(books, n)))
        lines.append(a_line(130_000 + n, f"FT26322002{n:03}"))
    for n in (6, 7):  # twice through the same door
        code = bill(books, n)
        books.hear(
            a_notice(f"FT26322003{n:03}", 100_000, code), a_notice(f"FT26322004{n:03}", 100_000, code, paid_at=at(2))
        )
        lines += [a_line(100_000, f"FT26322003{n:03}"), a_line(100_000, f"FT26322004{n:03}")]
    for n in (8, 9):  # twice through two doors
        code = bill(books, n)
        books.hear(a_notice(f"FT26322005{n:03}", 100_000, code))
        books.hear(a_notice(f"VD26322006{n:03}", 100_000, code, paid_at=at(2)), source="wallet")
        lines.append(a_line(100_000, f"FT26322005{n:03}"))
    for n in (10, 11):  # a bill and a customer that do not belong together
        bill(books, n + 20)
        books.hear(a_notice(f"FT26322007{n:03}", 100_000, bill(books, n), narrative=f"KH {customer(n + 20)}"))
        lines.append(a_line(100_000, f"FT26322007{n:03}"))
    for n in (12, 13):  # a bill that is no longer owed
        code = bill(books, n)
        books.run(lambda s, n=n: _cancel(s, books, f"HD{n:04}"))
        books.hear(a_notice(f"FT26322008{n:03}", 100_000, code))
        lines.append(a_line(100_000, f"FT26322008{n:03}"))
    for n in (14, 15):  # deposits that name a customer, of another amount
        bill(books, n)
        lines.append(a_line(70_000 + n, f"FT26322009{n:03}", f"tien dien {customer(n)}"))
    lines.append(a_line(55_000, "FT26322010001", "NGUYEN THI HOA tien dien thang 11"))
    lines.append(a_line(65_000, "FT26322010002", "TRAN VAN NAM chuyen khoan"))
    lines.append(a_line(45_000, "FT26322011001", "hoan lai", reversal=True))
    books.hear(
        a_notice("FT26322012001", 80_000, code="", narrative="LE MINH CHAU ung ho", bank_reference="MB26322013001")
    )
    lines.append(
        a_line(75_000, "MB26322013001", "LE MINH CHAU ung ho")
    )  # the statement shows another amount than the callback
    books.agree(source="purse")
    lines.append(a_line(98_000, "FT26322014001", "Quyet toan vi ngay 17/11"))  # the settlement of no day
    lines.append(a_line(-5_000, "FT26322015001", "rut tien"))
    books.hear(a_notice("FT26322016001", 100_000, bill(books, 16)))  # never on a statement
    books.read(*lines, id="SK181126", opening=0)
    books.read(a_line(1_000, "FT26322017001"), id="SK181126-2", opening=2_003_038, closing=2_003_038)
    books.now = books.now.replace(day=25)
    books.run(lambda s: deadlines.pass_deadlines(s, now=books.now))
    owed = ExpectedFile("standard", date(2026, 11, 23), time(9, 0))
    books.run(lambda s: deadlines.missing_files(s, [owed], now=books.now))
    books.run(lambda s: mismatches.ask_one(s, code="M16", subject="debit:1", minor=5_000, now=books.now))
    number = bill(books, 17)
    books.run(lambda s: mismatches.ask_one(s, code="M17", subject="bill:HD0017", minor=100_000, now=books.now,
        bill_id=s.scalar(text("SELECT id FROM bills WHERE payment_code = :code"), {"code": number})))  # fmt: skip


def _cancel(session: Any, books: Books, number: str) -> None:
    ids = list(session.scalars(text("SELECT id FROM bills WHERE number = :number"), {"number": number}))
    freed = issuing.withdraw(session, ids, to="cancelled", by="lan", why="misread", now=books.now)
    matching.match(session, freed, now=books.now)
