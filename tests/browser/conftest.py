"""One browser per module; apps served on this machine; and one seeded house, for tests that only look."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from banks.records import Verdict
from gateway import admin, close_desk, request_session, staff_desk
from gateway.bank_settings import BankSettings
from gateway.close_desk import Period
from gateway.database import app_engine, owner_engine
from gateway.minutes import certificate
from gateway.secrets import ensure_secret
from gateway.settings import Settings, SmsSettings
from reconciliation import (
    api_tokens,
    counted_months,
    inbox,
    marks,
    webhook_endpoints,
    webhook_events,
    webhook_sending,
)
from reconciliation.sealing import Sealer
from reconciliation.sending_hours import ANY_TIME, Times
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_sending import Answered
from tests import emptied
from tests.browser.cases import customer, seed
from tests.conftest import NOW
from tests.gateway.debits_made import DEBITS
from tests.reconciliation import debits_made
from tests.reconciliation.books import DAY, Books

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CHROMIUM = Path("/usr/bin/chromium")
SAMPLE = Path(__file__).parents[1] / "corpus" / "camt" / "day-with-everything.camt053.v02.xml"
PASSWORD = staff_desk.SANDBOX_PASSWORD
_BANKS = {
    "standard": BankSettings("standard", "Ngân hàng Sao Mai", debits=DEBITS),
    "wallet": BankSettings("wallet", "Ví Điện"),
    "purse": BankSettings("purse", "Ví Sông Hồng"),
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's browser, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def quick_passwords() -> Iterator[None]:
    """Let passwords cost next to nothing while the block runs: argon2id with the least it takes."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staff_desk, "hasher", lambda: quick)
        patch.setattr(staff_desk, "_nobody", lru_cache(lambda: quick.hash("nobody has this password")))
        yield


@contextmanager
def listening(app: "WSGIApplication") -> Iterator[str]:
    """Serve an app on this machine while the block runs; yield its address, by a name, as passkeys ask for."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def finance_app(settings: Settings, **wired: Any) -> Flask:
    """Return the finance pages alone, on a wiring of what is named; what nobody names is there, and empty."""
    usual: dict[str, Any] = {"carriers": {}, "times": ANY_TIME, "valkey": None, "audit_key": b"a" * 32}
    app = Flask("pages", static_folder=None)
    app.extensions["doisoat"] = SimpleNamespace(settings=settings, **{**usual, **wired})
    app.secret_key = "a key for tests only"
    request_session.install(app)
    admin.register(app)
    return app


@dataclass
class Seats:
    """Finance pages at an address of this machine, and a seat for each person who asks."""

    address: str
    browser: Any
    seats: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """What pages told their console, each behind the address it stood at."""

    def seat(self, username: str) -> Any:
        """Return the page of a person of the sandbox who is signed in: "ketoan"; one browser context each."""
        if username not in self.seats:
            page = self.page()
            self.enter(page, username)
            page.locator("nav.menu").wait_for()
            self.seats[username] = page
        return self.seats[username]

    def page(self, **more: Any) -> Any:
        """Return an empty page in a context of its own, at a desk and in Vietnamese; complaints are noted."""
        context = self.browser.new_context(
            viewport={"width": 1280, "height": 800}, base_url=self.address, locale="vi-VN", reduced_motion="reduce",
            **more,
        )  # fmt: skip
        context.set_default_timeout(60_000)  # a limit, not a measure: machines that do much else are slow
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda one: self.complaints.append(f"{page.url}: {one.text}"))
        return page

    def enter(self, page: Any, username: str) -> None:
        """Type a person's name and password on the sign-in page."""
        page.goto("/admin/sign-in")
        page.get_by_label("Tên đăng nhập").fill(username)
        page.get_by_label("Mật khẩu").fill(PASSWORD)
        page.keyboard.press("Enter")

    def leave(self) -> None:
        """Close what everybody has open."""
        for page in self.seats.values():
            page.context.close()


@dataclass(kw_only=True)
class Served(Seats):
    """The finance app itself too, and the books behind it."""

    app: Flask
    books: Books


@pytest.fixture(scope="module")
def served(chromium: Any, template: str, sealer: Sealer, tmp_path_factory: pytest.TempPathFactory,
           request: pytest.FixtureRequest) -> Iterator[Served]:  # fmt: skip
    """The finance app over a house in which something of every kind has happened."""
    name = request.module.__name__.rpartition(".")[2]
    with emptied.made(template, f"of_{name}") as url, quick_passwords():
        engine, owner = app_engine(url, pooled=16), owner_engine(emptied.as_superuser(url))
        books = Books(engine, owner, sealer, NOW)
        settings = Settings(
            tmp_path_factory.mktemp("home"), sandbox=True, banks=_BANKS, sms=SmsSettings("http://carrier.example"),
        )  # fmt: skip
        app = finance_app(
            settings, clock=lambda: books.now, wall_clock=lambda: books.now, engine=engine, sealer=sealer, times=Times()
        )
        ensure_secret(settings.home, certificate.KEY, certificate.make_test)
        _fill(books, app.extensions["doisoat"])
        with listening(app) as address:
            found = Served(address, chromium, app=app, books=books)
            yield found
            found.leave()
        engine.dispose()
        owner.dispose()


def _fill(books: Books, wiring: Any) -> None:
    for one in staff_desk.SANDBOX_STAFF:
        books.run(
            lambda s, one=one: staff_desk.create_person(
                s,
                username=one.username,
                name=one.name,
                role=one.role,
                office=one.office,
                password=PASSWORD,
                by="sandbox",
                now=books.now,
            )
        )
    books.read(id="V1", bank="purse", on=DAY - timedelta(days=1), opening=0)
    books.run(
        lambda s: close_desk.balance(s, wiring, Period("purse", close_desk.DAY, DAY - timedelta(days=1)), by="ketoan")
    )
    debits_made.sent(books, 6, first=101)
    _answer(books)
    seed(books)
    _propose_a_run(books)
    books.run(lambda s: marks.number(s, now=books.now))
    books.run(lambda s: inbox.keep_file(
        s, source="standard", name="SK-20261118.xml", path=SAMPLE, sealer=books.sealer, now=books.now
    ))  # fmt: skip
    books.run(lambda s: _interfaces(s, books))
    books.run(lambda s: counted_months.count(s, counted_months.first_of(DAY), now=books.now))


def _answer(books: Books) -> None:
    """Let the bank accept one debit, refuse one for too small a balance, and say nothing of the others."""
    ids = [one for (one,) in books.rows("SELECT end_to_end_id FROM debits ORDER BY id")]
    debits_made.report(
        books, debits_made.outcome(ids[0], Verdict.ACCEPTED), debits_made.outcome(ids[1], Verdict.REJECTED, "AM04")
    )


def _propose_a_run(books: Books) -> None:
    day = date(2026, 11, 27)
    debits_made.issue(books, 3, first=201, charge_on=day, issued_on=date(2026, 11, 24))
    books.now += timedelta(days=2)
    debits_made.propose(books, day, by="ketoan")


def _interfaces(session: Session, books: Books) -> None:
    """Make a token and an endpoint that refused one event."""
    api_tokens.make(session, "Báo cáo", api_tokens.SCOPES, by="quantri", now=books.now)
    made, _key = webhook_endpoints.add(
        session, "https://hooks.example.vn/doisoat", ["day.closed"], sealer=books.sealer, by="quantri", now=books.now
    )
    webhook_events.ping(session, session.get_one(Endpoint, made.id), now=books.now)
    for one in webhook_sending.claim(session, each=9, most=9, lease=timedelta(), now=books.now):
        webhook_sending.record(session, one, Answered(410, "gone", 12), now=books.now)


__all__ = ["CHROMIUM", "PASSWORD", "Seats", "Served", "chromium", "customer", "finance_app", "listening",
           "quick_passwords", "served"]  # fmt: skip
