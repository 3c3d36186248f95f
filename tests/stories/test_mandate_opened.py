"""The story of a mandate: the portal's first page, a code by SMS, consent, the bank's file and its answer, the end."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import bill_import, collecting, jobs, mandate_exchange
from gateway.bank_settings import SftpSettings
from gateway.database import owner_engine, transaction
from gateway.settings import Settings, SmsSettings
from gateway.web import create_app
from gateway.wiring import Wiring
from reconciliation.tables import metadata
from sms.sandbox import SmsSandbox
from sms.transports.http import HttpTransport
from tests.conftest import NOW
from tests.gateway.portal.browsing import CODE, PHONE, TERMS, Browser
from tests.gateway.samples import a_bill

LONG_PAST = (1_700_000_000, 1_700_000_000)
CLEAR = ("190026112233", "NGUYỄN THỊ LAN", "912340001")
"""What must stand in no table: account, holder, phone."""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    made = tmp_path / "shelf"
    (made / "out").mkdir(parents=True)
    return made


@pytest.fixture
def carrier() -> Iterator[SmsSandbox]:
    with SmsSandbox(clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def settings(
    settings: Settings, shelf: Path, tmp_path: Path, carrier: SmsSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    password = secrets.token_hex(8)
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", password)
    with SandboxSftpServer(shelf, tmp_path / "key", username="doisoat", password=password, writable=True) as it:
        reached = SftpSettings("127.0.0.1", "doisoat", it.host_key, it.port, pattern="*.csv", outbox="/out")
        bank = replace(settings.banks["standard"], sftp=reached)
        yield replace(settings, banks={"standard": bank}, sms=SmsSettings(carrier.url, "DIENLUC"))


@pytest.fixture
def browser(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    with transaction(wiring.engine) as session:
        list(bill_import.take_in(session, wiring, [("line 2", a_bill(1, customer_name="Nguyễn Thị Lan"))]))
    yield Browser(Client(create_app(wiring)))
    opened = wiring.carriers["http"].transport
    assert isinstance(opened, HttpTransport)
    opened.close()


def everything(wiring: Wiring) -> str:
    """Return every row of every table as text."""
    with Session(owner_engine(wiring.database_url)) as session:
        told = (session.scalars(text(f"SELECT t::text FROM {table.name} t")).all() for table in metadata.sorted_tables)
        return "\n".join(row for rows in told for row in rows)


def test_from_the_first_page_to_a_mandate_in_force_and_to_its_end(
    browser: Browser, wiring: Wiring, carrier: SmsSandbox, shelf: Path, all_hold: Callable[[], None], tmp_path: Path
) -> None:
    bank = wiring.settings.banks["standard"]
    assert "Mã khách hàng" in browser.page("/").text
    assert browser.ask(CODE, PHONE).location == "/mandate/code"
    assert jobs.send_messages() == 1
    [message] = carrier.messages()
    assert message["to"] == "+84912340001"
    code = re.findall(r"\b\d{6}\b", message["text"])[0]
    assert browser.enter(code).location == "/mandate/"
    assert "N··· T·· L··" in browser.page("/mandate/").text
    assert browser.post("/mandate/", **TERMS).location == "/mandate/"
    assert "chờ ngân hàng" in browser.page("/mandate/").text
    assert browser.client.get("/mandate/paper.pdf").data.startswith(b"%PDF-")

    [went] = mandate_exchange.hand_orders_over(wiring, bank, by="chau")
    _header, row = (shelf / "out" / went.name).read_text("utf-8").splitlines()
    reference = row.split(",")[1]
    assert row.startswith(f"register,{reference},{CODE},190026112233,NGUYỄN THỊ LAN,1500000,2026-11-18,,TN-2026-11/vi,")

    (shelf / "answers.csv").write_text(f"reference,answer\n{reference},confirmed\n", "utf-8")
    os.utime(shelf / "answers.csv", LONG_PAST)
    assert collecting.fetch(wiring, bank).kept == 1
    assert jobs.read_statements() == 1
    assert "đang hiệu lực" in browser.page("/mandate/").text
    all_hold()

    assert browser.post("/mandate/end").location == "/mandate/"
    assert "đã chấm dứt" in browser.page("/mandate/").text
    [went] = mandate_exchange.hand_orders_over(wiring, bank, by="chau")
    assert (went.registered, went.cancelled) == (0, 1)
    (shelf / "late.csv").write_text(f"reference,answer\n{reference},ended\n", "utf-8")
    os.utime(shelf / "late.csv", LONG_PAST)
    assert collecting.fetch(wiring, bank).kept == 1
    assert jobs.read_statements() == 1
    all_hold()
    kept = everything(wiring)
    assert reference in kept
    assert [one for one in (*CLEAR, code) if re.search(rf"(?<!\d){one}(?!\d)", kept)] == []
    with Session(wiring.engine) as session:
        moves = session.execute(text("SELECT to_state, by FROM transitions WHERE kind = 'mandate' ORDER BY id")).all()
    assert moves == [("submitted", "customer"), ("active", "reader"), ("ended", "customer")]
