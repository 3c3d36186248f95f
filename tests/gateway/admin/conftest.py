"""The finance pages on a real database: an app, people who may sign in, a browser-like visitor, and a day's rows."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from argon2 import PasswordHasher
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from gateway import admin, request_session, staff_desk
from gateway.bank_settings import BankSettings, SftpSettings
from gateway.carrier_settings import CarrierSettings
from gateway.database import app_engine
from gateway.settings import SmsSettings
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.inbox import Delivery
from reconciliation.ledger import Entry
from reconciliation.lifecycle import BILL, move
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Allocation, Payment
from reconciliation.roles import OF_ONE_OFFICE, ROLES
from reconciliation.sealing import Sealer
from reconciliation.sending_hours import Times
from reconciliation.statements import Line, Statement
from tests import emptied

DAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
PASSWORD = "mat khau cua toi"
_NAME = "test_pages"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: int) -> None:
        self.now += timedelta(**time)


@pytest.fixture(scope="session")
def _pages(template: str) -> Iterator[str]:
    """A database without guards: the pages are shown rows in the states they tell of, not the moves that led there."""
    with emptied.made(template, _NAME) as url, emptied.any_state(url):
        yield url


@pytest.fixture(scope="session")
def _engine(_pages: str) -> Iterator[Engine]:
    made = app_engine(_pages, pooled=12)
    yield made
    made.dispose()


@pytest.fixture
def database_url(_pages: str) -> str:
    """The database of these tests, emptied."""
    emptied.empty(_NAME)
    return _pages


@pytest.fixture
def engine(_engine: Engine, database_url: str) -> Engine:
    """Connections in the application's role to the emptied database, kept from test to test."""
    return _engine


@pytest.fixture(autouse=True)
def _quick_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real costs are checked once, in the test of the staff desk.
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(staff_desk, "hasher", lambda: quick)
    monkeypatch.setattr(staff_desk, "_nobody", lru_cache(lambda: quick.hash("nobody has this password")))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def page_settings(tmp_path: Path) -> SimpleNamespace:
    sftp = SftpSettings("127.0.0.1", "doisoat", "ssh-ed25519 AAAA")
    banks = {
        "saomai": BankSettings("saomai", "Ngân hàng Sao Mai", sftp=sftp),
        "vidien": BankSettings("vidien", "Ví Điện", callbacks=False),
    }
    sms = SmsSettings(
        price=350,
        declared={"esms": CarrierSettings("esms", "esms", weight=3), "fast": CarrierSettings("fast", "speedsms")},
    )
    return SimpleNamespace(
        home=tmp_path, sandbox=True, banks=banks, utility="Công ty Điện lực", brand="Điện lực", hotline="19001000",
        billing_url=None, sms=sms, web_origin=None, second_factor_roles=None,
    )  # fmt: skip


@pytest.fixture
def app(engine: Engine, clock: Clock, page_settings: SimpleNamespace, sealer: Sealer) -> Flask:
    made = Flask("pages", static_folder=None)
    made.extensions["doisoat"] = SimpleNamespace(
        settings=page_settings, clock=clock, engine=engine, sealer=sealer, carriers={}, times=Times(), wall_clock=clock,
        audit_key=b"a" * 32,
    )  # fmt: skip
    made.secret_key = "a key for tests only"
    request_session.install(made)
    admin.register(made)
    return made


@pytest.fixture
def staff(session: Session) -> dict[str, int]:
    """One person per role, named after it; all share PASSWORD."""
    ids = {}
    for role in ROLES:
        person = staff_desk.create_person(
            session, username=role, name=f"Người {role}", role=role, password=PASSWORD, by="test", now=NOW,
            office="Điện lực Hồ Sen" if role in OF_ONE_OFFICE else "",
        )  # fmt: skip
        ids[role] = person.id
    session.commit()
    return ids


_TOKEN = re.compile(r'<input type="hidden" name="csrf_token" value="([^"<>]+)">')


class Visitor:
    """A browser without a screen: keeps cookies and fills in the forms' tokens."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.kept = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def page(self, path: str) -> BeautifulSoup:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:400])
        return BeautifulSoup(answer.text, "lxml")

    def token(self, path: str = "/admin/sign-in") -> str:
        found = _TOKEN.search(self.client.get(path, follow_redirects=True).text)
        assert found is not None, path
        return found[1]

    def post(self, path: str, *, token_from: str = "/admin/sign-in", **fields: str) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(token_from), **fields})

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form under the token of the first one: it holds as long as the session."""
        self.kept = self.kept or self.token("/admin/bills/")
        return self.client.post(path, data={"csrf_token": self.kept, **fields})

    def sign_in(self, username: str = "accountant", password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/admin/sign-in", username=username, password=password, **fields)


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app.test_client())


@pytest.fixture
def as_role(app: Flask, staff: dict[str, int]) -> Callable[[str], Visitor]:
    """Return a visitor signed in with a role."""

    def signed_in(role: str) -> Visitor:
        made = Visitor(app.test_client())
        assert made.sign_in(role).status_code == 303
        return made

    return signed_in


@pytest.fixture
def accountant(as_role: Callable[[str], Visitor]) -> Visitor:
    return as_role("accountant")


class Books:
    """Writes rows of a business day the way the rules would."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.numbers = iter(range(1, 100_000))

    def bill(self, minor: int = 844_960, *, bank: str = "saomai", **columns: Any) -> Bill:
        n = next(self.numbers)
        customer = Customer(
            code=f"PA{n:011}", office="Điện lực Hồ Sen", msisdn_tail="678", created_at=NOW, updated_at=NOW
        )
        self.session.add(customer)
        self.session.flush()
        values: dict[str, Any] = {
            "number": f"HD{n:06}", "version": 1, "payment_code": f"PA{n:011}11126", "customer_id": customer.id,
            "period": "11-1/2026", "kwh": 312, "charge_minor": minor, "tax_minor": 0,
            "arrears_minor": 0, "minor": minor,
            "issued_on": DAY, "due_on": DAY + timedelta(days=7), "charge_on": DAY, "bank": bank,
            "created_at": NOW - timedelta(days=2),
        }  # fmt: skip
        return self._add(Bill(**values | columns))

    def payment(self, minor: int = 844_960, *, bank: str = "saomai", **columns: Any) -> Payment:
        n = next(self.numbers)
        values: dict[str, Any] = {
            "source": bank, "source_reference": f"FT{n:010}", "minor": minor, "currency": "VND",
            "business_date": DAY, "paid_at": NOW - timedelta(hours=20), "origin": "callback", "payer_tail": "4321",
            "reported_at": NOW - timedelta(hours=20), "created_at": NOW - timedelta(hours=20),
        }  # fmt: skip
        return self._add(Payment(**values | columns))

    def delivery(self, *, bank: str = "saomai", kind: str = "callback", **columns: Any) -> Delivery:
        n = next(self.numbers)
        values: dict[str, Any] = {
            "source": bank, "kind": kind, "event_id": f"evt-{n}", "digest": bytes([n % 256]) * 32, "size": 512,
            "head": b"sealed head" if kind == "callback" else None,
            "body": b"SEALED-BODY" if kind == "callback" else None,
            "answer_status": 200 if kind == "callback" else None,
            "answer_body": b"{}" if kind == "callback" else None, "received_at": NOW - timedelta(hours=20),
        }  # fmt: skip
        return self._add(Delivery(**values | columns))

    def statement(self, *, bank: str = "saomai", **columns: Any) -> Statement:
        delivery = self.delivery(bank=bank, kind="statement", event_id=None, name=f"{bank}-20261118.xml")
        values: dict[str, Any] = {
            "delivery_id": delivery.id, "bank": bank, "account_hash": b"h", "account_tail": "2233", "kind": "statement",
            "format": "camt.053", "statement_id": f"SK{next(self.numbers)}", "currency": "VND", "closing_on": DAY,
            "opening_minor": 0, "closing_minor": 0, "state": "accepted", "created_at": NOW - timedelta(hours=3),
        }  # fmt: skip
        return self._add(Statement(**values | columns))

    def line(self, statement: Statement, payment: Payment | None, minor: int, **columns: Any) -> Line:
        values: dict[str, Any] = {
            "statement_id": statement.id, "entry": next(self.numbers), "transaction": 1, "direction": "in",
            "counts": True, "minor": minor, "currency": "VND", "booked_on": DAY, "reversal": False,
            "payment_id": payment.id if payment else None, "state": "matched" if payment else "pending",
        }  # fmt: skip
        return self._add(Line(**values | columns))

    def allocate(self, payment: Payment, bill: Bill, minor: int, **columns: Any) -> Allocation:
        values: dict[str, Any] = {
            "payment_id": payment.id, "bill_id": bill.id, "minor": minor, "rule": "payment_code",
            "quoted": bill.payment_code, "evidence": "The code is quoted", "by": "matching",
            "at": NOW - timedelta(hours=19),
        }  # fmt: skip
        made = self._add(Allocation(**values | columns))
        self.session.refresh(payment)
        self.session.refresh(bill)
        if bill.paid_minor == bill.minor:
            move(self.session, BILL, [bill.id], "paid", by="matching", why="matched", now=made.at)
        return made

    def mismatch(self, code: str, subject: str, **columns: Any) -> Mismatch:
        values: dict[str, Any] = {"code": code, "subject": subject, "source": "saomai", "opened_at": NOW}
        return self._add(Mismatch(**values | columns))

    def message(self, bill: Bill, event: str, **columns: Any) -> Message:
        values: dict[str, Any] = {
            "event_key": f"{event}:{next(self.numbers)}", "version": 1, "event": event,
            "customer_id": bill.customer_id, "bill_id": bill.id, "facts": {}, "body": f"Tien dien {bill.number}",
            "not_after": NOW, "created_at": NOW - timedelta(hours=21), "state": "delivered",
        }  # fmt: skip
        return self._add(Message(**values | columns))

    def entry(self, key: str, debit: str, credit: str, minor: int, on: date = DAY) -> Entry:
        named = [one.split(":")[1] for one in (debit, credit) if one.startswith("bank:")]
        bank = [*named, "saomai"][0] if named or "suspense" in (debit, credit) else ""
        return self._add(
            Entry(key=key, bank=bank, business_date=on, at=NOW - timedelta(hours=19), debit=debit, credit=credit,
                  minor=minor, currency="VND")
        )  # fmt: skip

    def settled(self, minor: int = 844_960, bank: str = "saomai") -> tuple[Bill, Payment]:
        """A bill paid by callback, matched, told, confirmed by a statement."""
        bill, delivery = self.bill(minor, bank=bank), self.delivery(bank=bank)
        payment = self.payment(minor, bank=bank, delivery_id=delivery.id, state="confirmed", confirmed_minor=minor)
        self.message(bill, "before_debit", created_at=NOW - timedelta(hours=21))
        link = self.allocate(payment, bill, minor)
        self.message(bill, "payment_recorded", payment_id=payment.id, created_at=NOW - timedelta(hours=19))
        self.line(self.statement(bank=bank), payment, minor)
        self.entry(f"bill:{bill.number}/1", "receivable", "revenue", minor)
        self.entry(f"payment:{payment.id}:reported", f"bank:{bank}:reported", "suspense", minor)
        self.entry(f"allocation:{link.id}", "suspense", "receivable", minor)
        return bill, payment

    def _add(self, row: Any) -> Any:
        self.session.add(row)
        self.session.flush()
        return row


@pytest.fixture
def books(session: Session) -> Books:
    return Books(session)
