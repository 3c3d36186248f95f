"""The story of a day two people close: its minutes signed and verified, a late line, reopened, both versions kept."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import bill_import, jobs, staff_desk
from gateway.cli import main
from gateway.database import transaction
from gateway.minutes import certificate
from gateway.secrets import ensure_secret
from gateway.wiring import Wiring
from reconciliation import inbox
from tests.gateway.samples import a_bill, a_statement
from tests.unordered import as_found

DAY = date(2026, 11, 17)


@pytest.fixture
def run(wiring: Wiring, monkeypatch: pytest.MonkeyPatch, now: datetime) -> Callable[..., Result]:
    """Run a command as a person on this machine does."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    named = {"HOME": wiring.settings.home, "SANDBOX": 1, "DATABASE_URL": wiring.database_url,
             "VALKEY_URL": wiring.valkey_url}  # fmt: skip
    for name, value in named.items():
        monkeypatch.setenv(f"DOISOAT_{name}", str(value))
    with transaction(wiring.engine) as session:
        for name, role in (("ketoan", "accountant"), ("truong", "chief_accountant"), ("quantri", "administrator")):
            staff_desk.create_person(
                session, username=name, name=f"Người {name}", role=role, password="mat khau cua toi", by="test", now=now
            )
        bills = [a_bill(1), a_bill(2)]
        list(bill_import.take_in(session, wiring, ((f"line {at}", bill) for at, bill in enumerate(bills, 2))))
    ensure_secret(wiring.settings.home, certificate.KEY, certificate.make_test)

    def do(*words: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(main, words)
        assert (result.exit_code != 0) is fails, result.output
        return result

    return do


def bring(wiring: Wiring, content: bytes) -> None:
    path = wiring.settings.home / "day.xml"
    path.write_bytes(content)
    with transaction(wiring.engine) as session:
        inbox.keep_file(session, source="standard", name="day.xml", path=path, sealer=wiring.sealer, now=wiring.clock())
    assert jobs.read_statements() == 1


def rows(wiring: Wiring, query: str) -> list[Any]:
    with Session(wiring.engine) as session:
        return as_found(query, session.execute(text(query)))


def test_a_day_closed_by_two_a_late_line_and_a_second_version(
    run: Callable[..., Result], wiring: Wiring, all_hold: Callable[[], None], tmp_path: Path
) -> None:
    day = DAY.isoformat()
    bring(wiring, a_statement((1, 100_000), on=DAY))
    assert "got 'nobank'" in run("close", "balance", "nobank", day, "--by", "ketoan", fails=True).output
    assert "who may balance" in run("close", "balance", "standard", day, "--by", "quantri", fails=True).output
    run("close", "balance", "standard", day, "--by", "truong")
    assert "another person to sign" in run("close", "sign", "standard", day, "--by", "truong", fails=True).output
    run("close", "withdraw", "standard", day, "--by", "truong", "--why", "another makes it")
    run("close", "balance", "standard", day, "--by", "ketoan")
    run("close", "sign", "standard", day, "--by", "truong")
    first = tmp_path / "first.pdf"
    run("minutes", "make", "standard", day, "--to", str(first))
    assert "says the same; this version is signed" in run("minutes", "verify", str(first)).output

    # The day after, the bank sends a line it had left out: the signed day stays, the line is booked where it was heard.
    wiring.sandbox_clock.set(wiring.clock() + timedelta(days=1))
    bring(wiring, a_statement((2, 70_000), ref="SK2", on=DAY).replace(b"<Cd>OPBD</Cd>", b"<Cd>OPBD</Cd>"))
    dates = rows(wiring, "SELECT DISTINCT business_date, late_for FROM entries WHERE key LIKE 'line:%' ORDER BY 1")
    assert dates == [(DAY, None), (DAY + timedelta(days=1), DAY)]
    all_hold()

    assert "who may reopen" in run(
        "close", "reopen", "standard", day, "--by", "truong", "--why", "late line", fails=True
    ).output  # fmt: skip
    run("close", "reopen", "standard", day, "--by", "quantri", "--why", "a line of the day came late")
    run("close", "balance", "standard", day, "--by", "ketoan")
    run("close", "sign", "standard", day, "--by", "truong")
    second = tmp_path / "second.pdf"
    run("minutes", "make", "standard", day, "--to", str(second))
    run("minutes", "make", "standard", day, "--to", str(tmp_path / "second.xlsx"))
    assert "this version is signed" in run("minutes", "verify", str(second)).output
    # What was signed first is still what it was, and says so itself.
    assert "this version is reopened" in run("minutes", "verify", str(first)).output
    assert rows(wiring, "SELECT version, state, figures->'sides'->0->'shown' FROM closes ORDER BY id") == [
        (1, "withdrawn", 100_000), (2, "reopened", 100_000), (3, "signed", 170_000),
    ]  # fmt: skip
    listed = run("close", "list", "standard").stdout
    assert f"{day}\t3\tsigned" in listed
    all_hold()
