"""The utility at work, for stories: the whole web on a database of its own, its bank's calls and files, its people."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from gateway import bill_import, jobs, staff_desk
from gateway.database import transaction
from gateway.minutes import certificate
from gateway.secrets import ensure_secret
from gateway.staff_desk import SandboxPerson
from gateway.web import create_app
from gateway.wiring import Wiring
from reconciliation import inbox, invariants
from tests.browser.conftest import PASSWORD, Seats, listening, quick_passwords
from tests.gateway.samples import a_bill, an_event
from tests.unordered import as_found

DAY = date(2026, 11, 17)
REFERENCE = "FT26321004417"
"""How the bank calls the one payment that it tells by a call."""
PEOPLE = (*staff_desk.SANDBOX_STAFF, SandboxPerson("phoketoan", "Hoàng Thị Ngọc", "chief_accountant"))


@dataclass(kw_only=True)
class Company(Seats):
    """The utility at work: its gateway, and what its bank tells it."""

    wiring: Wiring
    web: Any

    def hear(self, reference: str, **told: Any) -> None:
        """Let the bank call about a payment of the first bill, and read the call."""
        told = {"paid_at": "2026-11-17T08:59:00+07:00", **told}
        signed = an_event(self.wiring, reference, **told)
        answer = Client(self.web).post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
        assert answer.status_code == 200, answer.text
        assert jobs.read_callbacks() == 1

    def read(self, content: bytes) -> None:
        """Take in a statement file of the bank, and read it."""
        path = self.wiring.settings.home / "sao-ke.xml"
        path.write_bytes(content)
        with transaction(self.wiring.engine) as session:
            inbox.keep_file(
                session, source="standard", name=path.name, path=path, sealer=self.wiring.sealer,
                now=self.wiring.clock(),
            )  # fmt: skip
        assert jobs.read_statements() == 1

    def sleep(self) -> None:
        """Let it be the same hour of the day after; whoever comes then signs in anew."""
        self.leave()
        self.seats.clear()
        self.wiring.sandbox_clock.set(self.wiring.clock() + timedelta(days=1))

    def rows(self, query: str) -> list[Any]:
        with Session(self.wiring.engine) as session:
            return as_found(query, session.execute(text(query)))


@contextmanager
def at_work(wiring: Wiring, browser: Any) -> Iterator[Company]:
    """Open the company on the morning after the day, with two bills; every invariant holds when it shuts.

    Whoever opens it lets `jobs` run on the same wiring.
    """
    ensure_secret(wiring.settings.home, certificate.KEY, certificate.make_test)
    web = create_app(wiring)
    with quick_passwords(), listening(web) as address:
        with transaction(wiring.engine) as session:
            for one in PEOPLE:
                staff_desk.create_person(
                    session, username=one.username, name=one.name, role=one.role, office=one.office,
                    password=PASSWORD, by="test", now=wiring.clock(),
                )  # fmt: skip
            list(bill_import.take_in(session, wiring, ((f"line {n + 1}", a_bill(n)) for n in (1, 2))))
        made = Company(address, browser, wiring=wiring, web=web)
        yield made
        made.leave()
    with Session(wiring.engine) as session:
        assert [one for one in invariants.prove(session, wiring.audit_key) if not one.holds] == []
    assert [one for one in made.complaints if not re.search(r"status of (403|409)", one)] == []


def words(page: Any) -> str:
    """Return what stands on a page, with plain spaces."""
    return str(page.locator("main").inner_text()).replace("\u00a0", " ")


def post(page: Any, path: str, **fields: str) -> tuple[int, str]:
    """Send a form that the page does not offer; return status and text, as an insistent person would see them."""
    status, said = page.evaluate(
        """async ([path, fields]) => {
            const csrf_token = document.querySelector("[name=csrf_token]").value;
            const body = new URLSearchParams({ csrf_token, ...fields });
            const answer = await fetch(path, { method: "POST", body });
            return [answer.status, await answer.text()];
        }""",
        [path, fields],
    )
    return int(status), str(said)


def open_case(page: Any) -> str:
    """Go by the menu to the first open case of the desk; return its path."""
    page.locator("nav.menu").get_by_role("link", name="Chênh lệch").click()
    page.locator("tbody tr", has_text="đang mở").locator("[data-row]").first.click()
    page.wait_for_url(re.compile(r"/admin/mismatches/\d+"))
    return str(re.search(r"/admin/mismatches/\d+", page.url)[0])  # type: ignore[index]  # a case is open


def open_day(page: Any, day: str = "Thứ Ba, 17/11/2026") -> None:
    """Go by the menu to the close of a bank's day."""
    page.locator("nav.menu").get_by_role("link", name="Khóa sổ").click()
    page.get_by_role("link", name=day).click()
    page.get_by_role("heading", name=day).wait_for()


def fetched(page: Any, name: str) -> bytes:
    """Press a link that hands out a file; return what was handed out."""
    with page.expect_download() as coming:
        page.get_by_role("link", name=name).click()
    return Path(coming.value.path()).read_bytes()
