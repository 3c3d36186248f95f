"""Books to play with: bills, callbacks and statements taken in as the shell does it, one fact a transaction."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from banks.money import Money
from banks.records import (
    PaymentNotice,
    StatementClosed,
    StatementKind,
    StatementLine,
    StatementOpened,
)
from reconciliation import (
    invariants,
    issuing,
    lump_sums,
    matching,
    payments,
    statement_booking,
    statement_loading,
    tariffs,
)
from reconciliation.issuing import BillIn, Issued
from reconciliation.sealing import Sealer
from reconciliation.statement_loading import Loaded
from tests import emptied
from tests.unordered import as_found

DAY = date(2026, 11, 18)
ACCOUNT = "190026112233"
CUSTOMER = "PA00000000001"
OTHER_CUSTOMER = "PA00000000002"
CODE = CUSTOMER + "11126"
OTHER_CODE = OTHER_CUSTOMER + "11126"


def at(hour: int, minute: int = 0) -> datetime:
    """A moment on the day the tests play, in UTC: 0 is seven in the morning in Vietnam."""
    return datetime(2026, 11, 18, hour, minute, tzinfo=UTC)


def a_bill(number: str = "HD0001", minor: int = 100_000, code: str = CODE, **more: Any) -> BillIn:
    """A bill as billing hands it over."""
    values: dict[str, Any] = {
        "place": f"line {number}/{more.get('version', 1)}", "number": number, "version": 1, "customer_code": CUSTOMER,
        "office": "HD1", "language": "vi", "consent": True, "period": "11/2026", "kwh": 50, "charge_minor": minor,
        "tax_minor": 0, "arrears_minor": 0, "minor": minor, "issued_on": date(2026, 11, 16),
        "due_on": date(2026, 11, 25), "charge_on": None, "bank": "", "payment_code": code,
        "phone_sealed": b"sealed", "phone_hash": b"h" * 16, "phone_tail": "321",
    }  # fmt: skip
    return BillIn(**{**values, **more})


def a_notice(reference: str = "T1", minor: int = 100_000, code: str = CODE, **more: Any) -> PaymentNotice:
    """A payment as a callback tells it."""
    currency = more.pop("currency", "VND")
    values: dict[str, Any] = {"source_reference": reference, "amount": Money(minor, currency), "paid": True,
                              "paid_at": at(1), "payment_code": code}  # fmt: skip
    return PaymentNotice(**{**values, **more})


def a_line(minor: int = 100_000, reference: str = "", narrative: str = "", **more: Any) -> StatementLine:
    """A booked transaction; its ordinals are given by the statement."""
    currency = more.pop("currency", "VND")
    values: dict[str, Any] = {"entry": 1, "transaction": 1, "amount": Money(minor, currency), "booked_on": DAY,
                              "bank_reference": reference, "narrative": narrative}  # fmt: skip
    return StatementLine(**{**values, **more})


@dataclass
class Books:
    """A house with a database of its own."""

    engine: Engine
    owner: Engine
    sealer: Sealer
    now: datetime
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    kept: dict[tuple[str, str], int] = field(default_factory=dict)

    def run(self, act: Callable[[Session], Any]) -> Any:
        """Do one thing in a transaction of its own."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            return act(session)

    def issue(self, *bills: BillIn) -> Issued:
        """Take bills in."""
        issued: Issued = self.run(lambda session: issuing.issue(session, bills, now=self.now))
        return issued

    def agree(self, **more: Any) -> None:
        """Declare that a wallet pays a day's payments by one line, less one percent and VAT on that."""
        agreed = {"source": "wallet", "bank": "standard", "words": ["QUYET TOAN VI"], **more}
        with Session(self.owner) as session, session.begin():
            session.execute(text("SET LOCAL ROLE doisoat"))
            lump_sums.declare(session, [agreed], by="ketoan", now=self.now)
        self.tariff(agreed["source"])

    def tariff(self, bank: str, **more: Any) -> None:
        """Declare that a bank keeps one percent of each payment, and VAT on that."""
        contract = {"bank": bank, "charged": "netted", "valid_from": date(2026, 1, 1), "basis_points": 100,
                    "vat_basis_points": 1_000, **more}  # fmt: skip
        with Session(self.owner) as session, session.begin():
            session.execute(text("SET LOCAL ROLE doisoat"))
            tariffs.declare(session, [contract], by="ketoan", now=self.now)

    def delivery(self, source: str = "standard", kind: str = "callback") -> int:
        """Return a kept delivery for payments and statements to point at."""
        if (source, kind) in self.kept:
            return self.kept[source, kind]
        number = next(self.numbers)
        made: int = self.run(
            lambda session: session.scalar(
                text(
                    "INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, answer_status,"
                    " answer_body, received_at)"
                    " VALUES (:source, :kind, :event, :digest, 0, '', '', 200, '', :now) RETURNING id"
                ),
                {"source": source, "kind": kind, "event": f"{kind}{number}", "digest": f"{number}".encode(),
                 "now": self.now},
            )
        )  # fmt: skip
        self.kept[source, kind] = made
        return made

    def hear(self, *notices: PaymentNotice, source: str = "standard") -> list[int]:
        """Hear callbacks, together, as the reader of callbacks does."""
        delivery = self.delivery(source)

        def act(session: Session) -> list[int]:
            heard = [payments.Heard(source, delivery, notice) for notice in notices]
            touched = payments.report(session, heard, sealer=self.sealer, now=self.now)
            matching.match(session, touched, now=self.now)
            return touched

        found: list[int] = self.run(act)
        return found

    def read(
        self, *lines: StatementLine, id: str = "S1", bank: str = "standard", kind: str = "statement",
        opening: int | None = None, closing: int | None = None, on: date = DAY, callbacks: bool = True,
        faults: tuple[str, ...] = (), currency: str = "VND", account: str = ACCOUNT, accounts: tuple[str, ...] = (),
        before: tuple[object, ...] = (), **head: Any,
    ) -> Loaded:  # fmt: skip
        """Read one statement (or notice), as the reader of files does; its balances agree unless `closing` is told.

        `before` are the events of statements that stand before it in the same file.
        """
        total = sum(line.amount.minor for line in lines)
        if opening is not None and closing is None:
            closing = opening + total
        opened = StatementOpened(
            format="test", kind=StatementKind(kind), id=id, account=account, currency=currency, closing_on=on,
            opening=None if opening is None else Money(opening, currency),
            closing=None if closing is None else Money(closing, currency), **head,
        )  # fmt: skip
        difference = None
        if opening is not None and closing is not None:
            difference = Money(closing - opening - total, currency)
        credit = sum(line.amount.minor for line in lines if line.amount.minor > 0)
        closed = StatementClosed(
            id=id, lines=len(lines), credit_total=Money(credit, currency), debit_total=Money(total - credit, currency),
            balanced=None if difference is None else not difference, difference=difference, faults=faults,
        )  # fmt: skip
        numbered = [line._replace(entry=number) for number, line in enumerate(lines, 1)]
        delivery = self.delivery(bank, "statement")

        def act(session: Session) -> Loaded:
            loaded = statement_loading.load(
                session, [*before, opened, *numbered, closed], bank=bank, delivery_id=delivery, sealer=self.sealer,
                now=self.now, accounts=accounts,
            )  # fmt: skip
            statement_booking.book(session, loaded, callbacks=callbacks, now=self.now)
            return loaded

        found: Loaded = self.run(act)
        return found

    def clear(self) -> None:
        """Begin anew with empty books."""
        emptied.empty(str(self.owner.url.database))
        self.kept.clear()

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a query, as plain tuples."""
        return as_found(query, self.run(lambda session: session.execute(text(query), values).all()))

    def one(self, query: str, **values: Any) -> Any:
        """The single value of a query."""
        return self.run(lambda session: session.execute(text(query), values).scalar_one())

    def awake_owner(self, statement: str) -> None:
        """Try something as the owner of the tables, with every guard awake."""
        with self.owner.begin() as connection:
            connection.execute(text("SET LOCAL ROLE doisoat"))
            connection.execute(text(statement))

    def as_owner(self, *statements: str, **values: Any) -> None:
        """Do what only a tamperer does: as the owner, with every guard asleep."""
        with self.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                connection.execute(text(statement), values)

    def open_questions(self) -> set[tuple[str, str]]:
        """(code, what it is about), for every question nobody has answered; payments by their reference."""
        return {
            (code, subject)
            for code, subject in self.rows(
                "SELECT m.code, coalesce(p.source_reference, m.subject) FROM mismatches m"
                " LEFT JOIN payments p ON p.id = m.payment_id WHERE m.state <> 'resolved'"
            )
        }

    def asked(self) -> list[str]:
        """The codes of open questions, sorted."""
        return [row[0] for row in self.rows("SELECT code FROM mismatches WHERE state <> 'resolved' ORDER BY code")]

    def balances(self) -> dict[str, int]:
        """Ledger balances in đồng."""
        found = self.rows("SELECT account, sum(minor)::bigint FROM postings WHERE currency = 'VND' GROUP BY 1")
        return {account: minor for account, minor in found if minor}

    def paid(self, number: str = "HD0001") -> tuple[str, int]:
        """State and paid amount of a bill's newest version."""
        row = self.rows("SELECT state, paid_minor FROM bills WHERE number = :n ORDER BY version DESC LIMIT 1", n=number)
        state, minor = row[0]
        return state, minor

    def matched(self) -> dict[str, int]:
        """Matched đồng per payment, by its reference."""
        return dict(self.rows("SELECT source_reference, matched_minor FROM payments"))

    def broken(self) -> list[str]:
        """What is wrong by the invariants, in words."""
        # Committed, as all else: a rollback lets go of every prepared statement of its connection.
        found: list[str] = self.run(
            lambda session: [
                f"{one.number} {one.figures}" for one in invariants.prove(session, b"a" * 32) if not one.holds
            ]
        )
        return found

    def facts_of(self, code: str) -> dict[str, Any]:
        """What the latest question of this code says."""
        found = self.one("SELECT facts::text FROM mismatches WHERE code = :code ORDER BY id DESC LIMIT 1", code=code)
        read: dict[str, Any] = json.loads(found)
        return read
