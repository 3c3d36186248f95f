"""What `benchmarks.reconcile` is compared with on its own rows: psql, bare SQL, another matcher, an ORM loop."""

import subprocess
import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from bankstatementparser.reconciliation import reconcile_payments_and_statements
from sqlalchemy import BigInteger, ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from banks import statements
from banks.records import StatementLine, StatementOpened
from benchmarks import reconcile_books as books
from benchmarks.reconcile import on_cpu
from gateway.embedded.place import find_place
from gateway.wiring import Wiring
from reconciliation import statement_loading

ORM_LINES = 2_000


def race(wiring: Wiring, folder: Path, *, bills: int, lines: int, sample: int) -> dict[str, Any]:
    """Return the figures of each peer, over the database that holds the whole run."""
    url = wiring.database_url
    rows, prepared = _rows(wiring, folder / "statement.xml", sample)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE copied (LIKE statement_lines INCLUDING ALL)")
        ours, theirs = list[float](), list[float]()
        for _ in range(3):
            ours.append(_copy_ours(connection, rows))
            theirs.append(_copy_psql(wiring, connection, folder))
        bare, worked = _bare_sql(connection)
        indexed, worked_indexed = _bare_sql(connection, indexes=_INDEXES)
    return {
        "sampled_lines": len(rows),
        "prepared_per_second": round(len(rows) / prepared),
        "loaded_per_second": round(len(rows) / min(ours)),
        "psql_copy_per_second": round(len(rows) / min(theirs)),
        "bare_sql_seconds": round(sum(bare.values()), 2),
        "bare_sql_on_cpu": round(worked, 2),
        "bare_sql": bare,
        "indexed_sql_seconds": round(sum(indexed.values()), 2),
        "indexed_sql_on_cpu": round(worked_indexed, 2),
        "indexed_sql": indexed,
        "bankstatementparser_per_line": _other_matcher(sample, bills * sample // lines),
        "orm_lines": ORM_LINES,
        "orm_per_line": _orm_loop(url),
    }


def _rows(wiring: Wiring, path: Path, sample: int) -> tuple[list[tuple[object, ...]], float]:
    """Return the first rows of the file as they are copied, and the seconds of masking and finding codes."""
    with path.open("rb") as stream:
        events = statements.read(stream)
        head = next(events)
        assert isinstance(head, StatementOpened)
        told = [one for one in islice(events, sample) if isinstance(one, StatementLine)]
    start = time.perf_counter()
    rows = [statement_loading._row(1, head, one, wiring.sealer) for one in told]
    return rows, time.perf_counter() - start


def _copy_ours(connection: psycopg.Connection[Any], rows: Sequence[tuple[object, ...]]) -> float:
    connection.execute("TRUNCATE copied")
    start = time.perf_counter()
    said = f"COPY copied ({statement_loading.COLUMNS}) FROM STDIN".encode()
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(said) as copy:
        for row in rows:
            copy.write_row(row)
    return time.perf_counter() - start


def _copy_psql(wiring: Wiring, connection: psycopg.Connection[Any], folder: Path) -> float:
    """Copy the rows that ours has just copied once more, from a file and by psql."""
    path = folder / "rows.txt"
    out = f"COPY (SELECT {statement_loading.COLUMNS} FROM copied ORDER BY id) TO STDOUT".encode()
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(out) as copy:
        for piece in copy:
            file.write(piece)
    connection.execute("TRUNCATE copied")
    psql = find_place(wiring.settings.home, print).programs.postgres / "psql"
    command = f"\\copy copied ({statement_loading.COLUMNS}) FROM '{path}'"
    start = time.perf_counter()
    subprocess.run([str(psql), "--quiet", wiring.database_url, "--command", command], check=True)
    return time.perf_counter() - start


# The joins of matching and all rows of booking, over tables without an index, a constraint or a trigger: payments,
# decisions, matches, entries, moves, marks for the billing system, questions and promised texts.
# What it leaves out is what only a history asks for: rivals, guesses, payments heard before, versions of a bill.
_BARE_TABLES = """
    CREATE TABLE bare_bills WITH (fillfactor = 70) AS
    SELECT b.id, b.number, b.payment_code, c.code AS customer, b.minor,
        CAST(0 AS bigint) AS paid, 'open' AS state, b.period, c.consent
        FROM bills b JOIN customers c ON c.id = b.customer_id;
    CREATE TABLE bare_lines AS SELECT id, minor, bank_reference, narrative, quoted, CAST(NULL AS bigint) AS payment_id,
        'pending' AS state FROM statement_lines;
    CREATE TABLE bare_payments (id bigint, source text, reference text, minor bigint, matched bigint, narrative text,
        quoted text[], day date, state text) WITH (fillfactor = 70);
    CREATE TABLE bare_matches (payment_id bigint, bill_id bigint, minor bigint, rule text, evidence text);
    CREATE TABLE bare_entries (id bigint GENERATED ALWAYS AS IDENTITY, key text, day date, memo text, debit text,
        credit text, minor bigint, currency text);
    CREATE TABLE bare_moves (kind text, id bigint, was text, became text, why text);
    CREATE TABLE bare_decisions (payment_id bigint, bill_id bigint, verdict text, candidates text[]);
    CREATE TABLE bare_marks (bill_id bigint, change bigint);
    CREATE TABLE bare_questions (code text, payment_id bigint, minor bigint, facts jsonb);
    CREATE TABLE bare_texts (key text, bill_id bigint, payment_id bigint, facts jsonb);
    ANALYZE bare_bills; ANALYZE bare_lines;
"""
# As many indexes, of the same kinds and as wide, as the books keep of these rows, and room to change rows in place:
# still no constraint and no trigger.
_INDEXES = """
    CREATE UNIQUE INDEX ON bare_bills (id); CREATE INDEX ON bare_bills (number, id);
    CREATE INDEX ON bare_bills ((number || '-1')); CREATE INDEX ON bare_bills (number);
    CREATE INDEX ON bare_bills (payment_code); CREATE INDEX ON bare_bills (payment_code, id);
    CREATE INDEX ON bare_bills (customer);
    CREATE UNIQUE INDEX ON bare_lines (id); CREATE INDEX ON bare_lines (minor, id);
    CREATE INDEX ON bare_lines (payment_id) WHERE payment_id IS NOT NULL; CREATE INDEX ON bare_lines (bank_reference);
    CREATE UNIQUE INDEX ON bare_payments (id); CREATE INDEX ON bare_payments (source, ('line:' || id));
    CREATE INDEX ON bare_payments (source, reference); CREATE INDEX ON bare_payments (source, minor);
    CREATE INDEX ON bare_payments (sha256(reference::bytea)); CREATE INDEX ON bare_payments (day, source);
    CREATE INDEX ON bare_payments USING gin (quoted) WITH (fastupdate = off);
    CREATE INDEX ON bare_matches (payment_id, bill_id); CREATE INDEX ON bare_matches (bill_id, minor);
    CREATE INDEX ON bare_matches (payment_id);
    CREATE UNIQUE INDEX ON bare_entries (id); CREATE UNIQUE INDEX ON bare_entries (key);
    CREATE INDEX ON bare_entries (day);
    CREATE INDEX ON bare_moves (kind, id); CREATE INDEX ON bare_moves (id);
    CREATE INDEX ON bare_marks (bill_id); CREATE UNIQUE INDEX ON bare_texts (key);
    CREATE INDEX ON bare_texts (bill_id); CREATE INDEX ON bare_texts (payment_id);
    CREATE INDEX ON bare_texts ((sha256(key::bytea))); CREATE INDEX ON bare_texts (bill_id, payment_id);
    CREATE INDEX ON bare_texts (payment_id, bill_id)
"""
_POST = """
    INSERT INTO bare_entries (key, day, memo, debit, credit, minor, currency)
    SELECT {key}, current_date, {memo}, '{debit}', '{credit}', minor, 'VND' FROM {rows}
"""
_EXACT = """
    INSERT INTO bare_matches SELECT p.id, b.id, least(p.minor, b.minor), '{rule}',
        'The code ' || code || ' of bill ' || b.number || ' is quoted; ' || p.minor || ' of ' || b.minor
    FROM (SELECT id, minor, unnest(quoted) AS code FROM bare_payments) p JOIN bare_bills b ON b.{column} = p.code
    WHERE {more}
"""
_BARE = {
    "payments": """
        INSERT INTO bare_payments
        SELECT id, 'bank', bank_reference, minor, 0, narrative, quoted, current_date, 'confirmed'
        FROM bare_lines WHERE minor > 0""",
    "by payment code": _EXACT.format(rule="payment_code", column="payment_code", more="true"),
    "by bill number": _EXACT.format(
        rule="bill_number", column="number", more="p.id NOT IN (SELECT payment_id FROM bare_matches)"
    ),
    "by customer and amount": _EXACT.format(
        rule="customer", column="customer",
        more="b.minor = p.minor AND p.id NOT IN (SELECT payment_id FROM bare_matches)"
             " AND b.id NOT IN (SELECT bill_id FROM bare_matches)",
    ),
    "decisions": """
        INSERT INTO bare_decisions
        SELECT p.id, m.bill_id, CASE WHEN m.bill_id IS NULL THEN 'unknown' ELSE 'match' END, p.quoted
        FROM bare_payments p LEFT JOIN bare_matches m ON m.payment_id = p.id""",
    "marks": "INSERT INTO bare_marks SELECT bill_id, sum(minor) FROM bare_matches GROUP BY 1",
    "questions": """
        INSERT INTO bare_questions
        SELECT 'M02', p.id, p.minor, jsonb_build_object('verdict', d.verdict, 'paid', p.minor, 'quoted', p.quoted)
        FROM bare_decisions d JOIN bare_payments p ON p.id = d.payment_id WHERE d.bill_id IS NULL""",
    "texts": """
        INSERT INTO bare_texts
        SELECT 'payment:' || p.id, b.id, p.id, jsonb_build_object('customer_code', b.customer, 'period', b.period,
            'amount', m.minor, 'paid_on', p.day, 'reference', p.reference)
        FROM bare_matches m JOIN bare_payments p ON p.id = m.payment_id JOIN bare_bills b ON b.id = m.bill_id
        WHERE b.consent""",
    "balances of bills": """
        UPDATE bare_bills b SET paid = least(b.minor, m.minor), state = 'paid'
        FROM (SELECT bill_id, sum(minor) AS minor FROM bare_matches GROUP BY 1) m WHERE m.bill_id = b.id""",
    "balances of payments": """
        UPDATE bare_payments p SET matched = m.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM bare_matches GROUP BY 1) m WHERE m.payment_id = p.id""",
    "lines": "UPDATE bare_lines SET payment_id = id, state = 'matched' WHERE minor > 0",
    "moves": """
        INSERT INTO bare_moves SELECT 'payment', id, 'reported', 'confirmed', 'statement' FROM bare_payments
        UNION ALL SELECT 'bill', bill_id, 'open', 'paid', 'matched' FROM bare_matches""",
    "entries of lines": _POST.format(
        key="'line:' || id", memo="'statement line ' || id", rows="bare_lines", debit="confirmed", credit="suspense"
    ),
    "entries of matches": _POST.format(
        key="'match:' || payment_id || '/' || bill_id", memo="'payment settles ' || bill_id", rows="bare_matches",
        debit="suspense", credit="receivable",
    ),
}  # fmt: skip


def _bare_sql(connection: psycopg.Connection[Any], indexes: str = "") -> tuple[dict[str, float], float]:
    """Return the seconds of each statement, and those that all of them were on a CPU."""
    kinds = ("bills", "lines", "payments", "matches", "entries", "moves", "decisions", "marks", "questions")
    for kind in (*kinds, "texts"):
        connection.execute(f"DROP TABLE IF EXISTS bare_{kind}".encode())
    for one in f"{_BARE_TABLES};{indexes}".split(";"):
        if one.strip():
            connection.execute(one.encode())
    seconds, worked = {}, 0.0
    for name, said in _BARE.items():
        start, began = time.perf_counter(), on_cpu(connection.info.backend_pid)
        connection.execute(said.encode())
        seconds[name] = round(time.perf_counter() - start, 2)
        worked += on_cpu(connection.info.backend_pid) - began
        connection.execute("ANALYZE bare_matches")
    return seconds, worked


def _other_matcher(lines: int, bills: int) -> float:
    """Return the seconds per line of bankstatementparser's matcher over so many lines and bills."""
    owed = [{"reference": books.code(n), "Amount": Decimal(books.minor(n)), "Currency": "VND"} for n in range(bills)]
    told = [
        {"reference": narrative.rpartition(" ")[2], "Amount": Decimal(signed), "Currency": "VND"}
        for _, signed, narrative in books.lines(lines, bills)
    ]
    start = time.perf_counter()
    report = reconcile_payments_and_statements(owed, told)
    seconds = time.perf_counter() - start
    assert report.matched_count > lines // 2, report.matched_count
    return seconds / lines


class _Base(DeclarativeBase):
    pass


class _Bill(_Base):
    __tablename__ = "orm_bills"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    payment_code: Mapped[str] = mapped_column(index=True)
    minor: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(default="open")


class _Payment(_Base):
    __tablename__ = "orm_payments"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    minor: Mapped[int] = mapped_column(BigInteger)
    matched: Mapped[int] = mapped_column(BigInteger, default=0)


class _Match(_Base):
    __tablename__ = "orm_matches"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("orm_payments.id"), index=True)
    bill_id: Mapped[int] = mapped_column(ForeignKey("orm_bills.id"), index=True)
    minor: Mapped[int] = mapped_column(BigInteger)


class _Entry(_Base):
    __tablename__ = "orm_entries"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[str]
    debit: Mapped[str]
    credit: Mapped[str]
    minor: Mapped[int] = mapped_column(BigInteger)


def _orm_loop(url: str) -> float:
    """Return the seconds per line of a loop that does the least of it: one payment, one bill, two entries a line."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    _Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.connection().exec_driver_sql(
            "INSERT INTO orm_bills SELECT id, payment_code, minor, 0, 'open' FROM bills"
        )
        told = session.connection().exec_driver_sql(
            f"SELECT bank_reference, minor, quoted FROM statement_lines WHERE minor > 0 ORDER BY id LIMIT {ORM_LINES}"
        ).all()  # fmt: skip
        session.commit()
        start = time.perf_counter()
        for n, (reference, minor, quoted) in enumerate(told):
            payment = _Payment(reference=reference, minor=minor)
            session.add(payment)
            session.flush()
            _book(session, f"line:{n}", "confirmed", "suspense", minor)
            bill = session.scalars(select(_Bill).where(_Bill.payment_code.in_(quoted))).first()
            if bill is not None and bill.paid < bill.minor:
                part = min(minor, bill.minor - bill.paid)
                session.add(_Match(payment_id=payment.id, bill_id=bill.id, minor=part))
                bill.paid += part
                bill.state = "paid" if bill.paid == bill.minor else "part_paid"
                payment.matched = part
                _book(session, f"match:{n}", "suspense", "receivable", part)
            session.flush()
            if n % 500 == 499:
                session.commit()
        session.commit()
        seconds = time.perf_counter() - start
    engine.dispose()
    return seconds / len(told)


def _book(session: Session, key: str, debit: str, credit: str, minor: int) -> None:
    session.add(_Entry(key=key, debit=debit, credit=credit, minor=minor))
