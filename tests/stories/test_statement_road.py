"""The story of a statement file: seen on the bank's server, fetched, kept sealed, read, paired, matched, booked."""

import io
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks import sftp
from banks.money import dong
from banks.records import StatementLine
from banks.sandbox.bills import SandboxBill
from banks.sandbox.sftp_server import SandboxSftpServer, new_key
from banks.sandbox.statement_writer import write_camt053
from gateway import collecting, jobs, statement_reading
from gateway.bank_settings import BankSettings, SftpSettings
from gateway.settings import Settings
from gateway.wiring import Wiring
from reconciliation import inbox

Issue = Callable[[int], list[SandboxBill]]
Count = Callable[..., int]
SSHD = Path("/usr/sbin/sshd")
ACCOUNT = "190026112233"
PAYER = "TRAN THI MINH HUONG"
DAY = date(2026, 11, 17)


@pytest.fixture(params=["sandbox", pytest.param("openssh", marks=pytest.mark.sshd)])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder over SFTP; yield the folder, and leave the bank's settings in `request.node.sftp`."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    serve = _sandbox if request.param == "sandbox" else _openssh
    for reached, name, value in serve(folder, tmp_path):
        monkeypatch.setenv(f"DOISOAT_SECRET_STANDARD_SFTP_{name}", value)
        request.node.sftp = reached
        yield folder


def _sandbox(folder: Path, place: Path) -> Iterator[tuple[SftpSettings, str, str]]:
    password = secrets.token_hex(8)
    with SandboxSftpServer(folder, place / "host_key", username="doisoat", password=password) as server:
        yield SftpSettings("127.0.0.1", "doisoat", server.host_key, server.port, "/", "*"), "PASSWORD", password


def _openssh(folder: Path, place: Path) -> Iterator[tuple[SftpSettings, str, str]]:
    if not SSHD.exists():
        pytest.skip("expected Debian's openssh-server")
    (host, host_public), (own, own_public) = new_key(), new_key()
    keys = place / "sshd"
    keys.mkdir(mode=0o700)
    for name, content in (("host", host), ("authorized", own_public + "\n")):
        (keys / name).write_text(content)
        (keys / name).chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (keys / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nPermitRootLogin prohibit-password\n"
        f"Subsystem sftp internal-sftp -R -d {folder}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd locks up whom it does not trust yet
    with (keys / "log").open("wb") as log:
        process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(keys / "config")], stderr=log)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (keys / "log").read_text()
                assert time.monotonic() < deadline, (keys / "log").read_text()
                time.sleep(0.05)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        yield SftpSettings("127.0.0.1", user, host_public, port, str(folder), "*"), "KEY", own
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def bank(shelf: Path, request: pytest.FixtureRequest, settings: Settings) -> BankSettings:
    """The bank that leaves its files on the shelf."""
    return replace(settings.banks["standard"], sftp=request.node.sftp)


@pytest.fixture
def road(wiring: Wiring, bank: BankSettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Fetch what is new and read what waits; return how many files were kept."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)

    def walk() -> int:
        kept = collecting.fetch(wiring, bank).kept
        jobs.read_statements()
        return kept

    return walk


def statement(
    *paid: tuple[SandboxBill, int], ref: str = "SK1", day: date = DAY, off: int = 0, opening: int = 0
) -> bytes:
    """Write a camt.053 in which each bill is paid with so many đồng; its closing balance is `off` by so much."""
    lines = [
        StatementLine(
            entry=at, transaction=1, amount=dong(minor), booked_on=day, value_on=day,
            bank_reference=f"{ref}-{at}", counterparty=PAYER, counterparty_account="102030405060",
            narrative=f"TT TIEN DIEN {bill.payment_code}",
        )
        for at, (bill, minor) in enumerate(paid, 1)
    ]  # fmt: skip
    closing = dong(opening + sum(minor for _, minor in paid) + off)
    written = io.BytesIO()
    write_camt053(
        written, message_id=f"M-{ref}", statement_id=ref, account=ACCOUNT, bank_name="Sao Mai", currency="VND",
        sequence=1, from_on=day, to_on=day, created_at=datetime(2026, 11, 18, 0, 30, tzinfo=UTC),
        opening=dong(opening), lines=lines, closing=closing,
    )  # fmt: skip
    return written.getvalue()


def test_from_the_shelf_to_the_books(
    shelf: Path, road: Callable[[], int], issue: Issue, wiring: Wiring, count: Count, all_hold: Callable[[], None]
) -> None:
    bills = issue(20)
    (shelf / "day.xml").write_bytes(statement(*((bill, bill.amount) for bill in bills)))

    assert road() == 1

    with Session(wiring.engine) as session:
        delivery, state = session.execute(text("SELECT id, state FROM deliveries")).one()
        assert state == "read"
        assert inbox.KeptFile(session, delivery, wiring.sealer).read() == (shelf / "day.xml").read_bytes()
        sealed = b"".join(session.scalars(text("SELECT body FROM delivery_chunks ORDER BY ordinal")).all())
        rows = "".join(map(str, session.scalars(text("SELECT statement_lines::text FROM statement_lines")).all()))
    for private in (PAYER, "102030405060", ACCOUNT):
        assert private.encode() not in sealed
        assert private not in rows
    assert b"camt" not in sealed
    assert count("SELECT count(*) FROM statement_lines WHERE state = 'matched'") == 20
    assert count("SELECT count(*) FROM bills WHERE state = 'paid'") == 20
    booked = count("SELECT sum(minor) FROM postings WHERE account = 'bank:standard:confirmed'")
    assert booked == sum(bill.amount for bill in bills)
    assert count("SELECT sum(minor) FROM postings WHERE account = 'receivable'") == 0
    assert list((wiring.settings.home / "incoming" / "standard").iterdir()) == [], "nothing lies about in the clear"
    all_hold()


def test_the_same_file_again_changes_nothing(
    shelf: Path, road: Callable[[], int], issue: Issue, count: Count, all_hold: Callable[[], None]
) -> None:
    bills = issue(20)
    content = statement(*((bill, bill.amount) for bill in bills))
    (shelf / "day.xml").write_bytes(content)
    assert road() == 1
    entries = count("SELECT count(*) FROM entries")

    assert road() == 0, "what was fetched is not fetched again"
    assert count("SELECT count(*) FROM mismatches WHERE code = 'M14'") == 0

    (shelf / "day-copy.xml").write_bytes(content)  # the same bytes under another name
    assert road() == 0
    assert count("SELECT count(*) FROM mismatches WHERE code = 'M14' AND state = 'resolved'") == 1

    (shelf / "day-again.xml").write_bytes(content.replace(b"M-SK1", b"M-SK9"))  # the same statement in other bytes
    assert road() == 1
    assert count("SELECT count(*) FROM mismatches WHERE code = 'M14' AND state = 'resolved'") == 2
    assert count("SELECT count(*) FROM statements WHERE state = 'resent'") == 1
    assert count("SELECT count(*) FROM entries") == entries
    assert count("SELECT count(*) FROM payments") == 20
    all_hold()


def test_a_file_that_does_not_add_up_is_held_with_its_difference(
    shelf: Path, road: Callable[[], int], issue: Issue, wiring: Wiring, count: Count, all_hold: Callable[[], None]
) -> None:
    bill, other, *_ = issue(20)
    (shelf / "day.xml").write_bytes(statement((bill, bill.amount), off=-70_000))

    assert road() == 1

    with Session(wiring.engine) as session:
        state, difference, reason = session.execute(
            text("SELECT state, difference_minor, reason FROM statements")
        ).one()
        assert (state, abs(difference)) == ("quarantined", 70_000)
        assert "70000" in reason
        asked = session.execute(text("SELECT code, minor, state FROM mismatches")).one()
        assert tuple(asked) == ("M15", 70_000, "open")
    assert count("SELECT count(*) FROM entries WHERE key LIKE 'statement%'") == 0
    assert count("SELECT count(*) FROM payments") == 0
    all_hold()

    (shelf / "mended.xml").write_bytes(statement((bill, bill.amount), (other, other.amount)))
    assert road() == 1
    assert count("SELECT count(*) FROM statements WHERE state = 'accepted'") == 1
    assert count("SELECT count(*) FROM payments") == 2
    all_hold()


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00\x01", "bytes"),
        (b"\x00\x01 123", "text"),
        (b"<?xml version='1.0'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.008.001.02'/>", "pain.008"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_statement_is_kept_and_said_so(
    shelf: Path, road: Callable[[], int], wiring: Wiring, count: Count, all_hold: Callable[[], None],
    content: bytes, place: str,
) -> None:  # fmt: skip
    (shelf / "day.xml").write_bytes(content)
    assert road() == 1
    with Session(wiring.engine) as session:
        state, reason, delivery = session.execute(text("SELECT state, reason, id FROM deliveries")).one()
        assert state == "unreadable"
        assert place in reason
        assert inbox.KeptFile(session, delivery, wiring.sealer).read() == content
    assert count("SELECT count(*) FROM statements") == 0
    all_hold()


def test_a_cut_file_leaves_nothing_half_read(
    shelf: Path, road: Callable[[], int], issue: Issue, wiring: Wiring, count: Count, all_hold: Callable[[], None]
) -> None:
    whole = statement(*((bill, bill.amount) for bill in issue(20)))
    (shelf / "day.xml").write_bytes(whole[: len(whole) // 2])
    assert road() == 1
    assert count("SELECT count(*) FROM deliveries WHERE state = 'unreadable'") == 1
    assert count("SELECT count(*) FROM statement_lines") == 0
    all_hold()

    (shelf / "day.xml").write_bytes(whole)  # the bank finishes writing: another size under the same name
    assert road() == 1
    assert count("SELECT count(*) FROM statement_lines WHERE state = 'matched'") == 20
    all_hold()


def test_days_that_come_in_the_wrong_order_end_up_the_same(
    shelf: Path, road: Callable[[], int], issue: Issue, count: Count, all_hold: Callable[[], None]
) -> None:
    one, two, three, *_ = issue(20)
    days = [date(2026, 11, 13), date(2026, 11, 16), DAY]
    files, opening = [], 0
    for bill, day in zip((one, two, three), days, strict=True):
        files.append(statement((bill, bill.amount), ref=f"SK{day:%d}", day=day, opening=opening))
        opening += bill.amount
    for at in (0, 2, 1):
        (shelf / f"day-{at}.xml").write_bytes(files[at])
        assert road() == 1
        all_hold()
    assert count("SELECT count(*) FROM statements WHERE state = 'accepted'") == 3
    assert count("SELECT count(*) FROM payments") == 3
    assert count("SELECT count(*) FROM mismatches WHERE code = 'M15' AND state <> 'resolved'") == 0


def test_one_bad_file_keeps_the_next_ones_from_nobody(
    shelf: Path, road: Callable[[], int], issue: Issue, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = issue(20)[0]
    (shelf / "a-huge.xml").write_bytes(b"x" * 2_000_000)
    (shelf / "b-day.xml").write_bytes(statement((bill, bill.amount)))
    usual = sftp.download.__kwdefaults__
    monkeypatch.setattr(sftp.download, "__kwdefaults__", {**usual, "max_bytes": 1_000_000})
    assert road() == 1
    assert count("SELECT count(*) FROM statement_lines WHERE state = 'matched'") == 1


def test_a_reader_that_was_killed_is_followed_by_another(
    shelf: Path, road: Callable[[], int], issue: Issue, wiring: Wiring, bank: BankSettings, count: Count,
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = issue(20)[0]
    (shelf / "day.xml").write_bytes(statement((bill, bill.amount)))
    collecting.fetch(wiring, bank)
    assert statement_reading.claim(wiring, lease=jobs.LEASE) is not None, "claimed, and its reader ends here"

    jobs.read_statements()
    assert count("SELECT count(*) FROM deliveries WHERE state = 'received'") == 1, "the lease holds"
    wiring.sandbox_clock.set(wiring.clock() + 1.1 * jobs.LEASE)
    jobs.read_statements()
    assert count("SELECT count(*) FROM deliveries WHERE state = 'read'") == 1
    assert count("SELECT count(*) FROM payments") == 1
    all_hold()


def test_two_readers_of_one_file_book_it_once(
    shelf: Path, issue: Issue, wiring: Wiring, bank: BankSettings, count: Count, all_hold: Callable[[], None]
) -> None:
    bill = issue(20)[0]
    (shelf / "day.xml").write_bytes(statement((bill, bill.amount)))
    collecting.fetch(wiring, bank)
    delivery = statement_reading.claim(wiring, lease=jobs.LEASE)
    assert delivery is not None
    with Session(wiring.engine) as session:
        session.execute(text("SELECT 1 FROM deliveries WHERE id = :id FOR UPDATE"), {"id": delivery})
        wiring.sandbox_clock.set(wiring.clock() + 2 * jobs.LEASE)
        assert statement_reading.claim(wiring, lease=jobs.LEASE) is None, "whoever reads holds the row"
    assert statement_reading.read(wiring, delivery) == "read"
    assert statement_reading.read(wiring, delivery) == "read", "reading twice changes nothing"
    assert count("SELECT count(*) FROM payments") == 1
    all_hold()
