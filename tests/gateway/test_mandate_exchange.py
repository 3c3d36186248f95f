"""The road to the bank and back: every order told once though killed anywhere, answers taken from fetched files."""

import csv
import os
from dataclasses import replace

import pytest

from banks.errors import TransferError
from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import collecting, jobs, mandate_desk, mandate_exchange
from gateway.bank_settings import SftpSettings
from gateway.database import transaction
from reconciliation import mandate_openings, mandates
from reconciliation.business_days import local_day
from reconciliation.mandate_openings import Consent
from tests.gateway.samples import a_bill

NAME = "UQ-standard-20261118-0001.csv"


@pytest.fixture
def bank(settings, shelf, tmp_path, server):
    """The bank with an outbox on its server, which the settings know."""
    (shelf / "out").mkdir()
    with SandboxSftpServer(
        shelf, tmp_path / "host_key", username="doisoat", password=server.password, writable=True
    ) as it:
        reached = SftpSettings("127.0.0.1", "doisoat", it.host_key, it.port, pattern="*.csv", outbox="/out")
        made = replace(settings.banks["standard"], sftp=reached)
        settings.banks["standard"] = made
        yield made


@pytest.fixture
def opened(wiring, issue, rows):
    """A mandate of each of three customers, by its reference."""
    issue(a_bill(1), a_bill(2), a_bill(3))
    today = local_day(wiring.clock())
    with transaction(wiring.engine) as session:
        return {
            f"UQ-{at}": mandate_openings.submit(
                session, customer,
                mandate_desk.terms(wiring.sealer, account=f"19002611{at:04}", holder="Lê Văn An", cap=1_500_000,
                                   valid_from=today, valid_to=None),
                Consent("TN-2026-11/vi", "web"), bank="standard", reference=f"UQ-{at}", by="customer",
                now=wiring.clock(),
            )
            for at, customer in enumerate(rows("SELECT id FROM customers ORDER BY id"), 1)
        }  # fmt: skip


@pytest.fixture
def hand(wiring, bank):
    return lambda **more: mandate_exchange.hand_orders_over(wiring, bank, by="chau", **more)


@pytest.fixture
def act(wiring, opened):
    def do(reference, name, **more):
        with transaction(wiring.engine) as session:
            mandates.carry_out(
                session, opened[reference], name, by="mai", why="the customer asked", now=wiring.clock(), **more
            )

    return do


def told(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return [(one["action"], one["reference"], one["account"], one["holder"]) for one in csv.DictReader(lines)]


def test_what_waits_is_told_once_and_an_end_is_told_to_a_bank_that_may_know(
    wiring, hand, act, opened, shelf, one, rows, sound
):
    act("UQ-3", "end")  # before anybody was told of it
    assert hand() == [(NAME, 2, 0)]
    assert hand() == []
    assert told(shelf / "out" / NAME) == [
        ("register", "UQ-1", "190026110001", "LÊ VĂN AN"), ("register", "UQ-2", "190026110002", "LÊ VĂN AN"),
    ]  # fmt: skip
    act("UQ-2", "end")
    with transaction(wiring.engine) as session:
        terms = mandate_openings.terms_of(session, opened["UQ-1"])
        mandate_openings.renew(
            session, opened["UQ-1"], terms._replace(cap_minor=9_000_000), Consent("TN-2026-11/vi", "phone", "mai"),
            by="mai", now=wiring.clock(),
        )  # fmt: skip
    assert hand() == [("UQ-standard-20261118-0002.csv", 1, 1)]
    second = (shelf / "out" / "UQ-standard-20261118-0002.csv").read_text("utf-8")
    assert "9000000" in second
    assert "cancel,UQ-2" in second
    assert rows("SELECT facts->>'register', actor FROM audit WHERE action = 'mandates_handed_over' ORDER BY id") == [
        ("2", "chau"), ("1", "chau"),
    ]  # fmt: skip
    assert not (wiring.settings.home / "outgoing" / "standard").exists(), "nothing is left in the clear"


@pytest.mark.parametrize("at", ["_write", "_hold_to_digest", "hand_over", "handed_over"])
def test_killed_anywhere_the_next_try_ends_in_the_same_one_file(
    wiring, hand, opened, act, shelf, monkeypatch, rows, at
):
    place = mandate_exchange.mandate_orders if at == "handed_over" else mandate_exchange
    with monkeypatch.context() as broken:
        broken.setattr(place, at, lambda *_a, **_k: (_ for _ in ()).throw(TransferError("cut off")))
        with pytest.raises(TransferError):
            hand()
    act("UQ-2", "end")  # what happens meanwhile goes into a file of its own
    assert hand() == [(NAME, 3, 0), ("UQ-standard-20261118-0002.csv", 0, 1)]
    assert sorted(os.listdir(shelf / "out")) == [NAME, "UQ-standard-20261118-0002.csv"]
    assert len(told(shelf / "out" / NAME)) == 3
    assert rows("SELECT count(*) FROM mandate_files WHERE handed_at IS NULL") == [0]


def test_other_bytes_under_the_same_name_never_leave(wiring, hand, opened, monkeypatch, shelf):
    with monkeypatch.context() as broken:
        broken.setattr(mandate_exchange, "hand_over", lambda *_: (_ for _ in ()).throw(TransferError("cut off")))
        with pytest.raises(TransferError):
            hand()
    monkeypatch.setattr(mandate_exchange, "HEADER", ("other",))
    with pytest.raises(mandate_exchange.NotAsBefore, match="as it was first tried, got other bytes"):
        hand()
    assert os.listdir(shelf / "out") == []


def test_a_file_for_another_road_is_its_owner_s_alone(hand, opened, tmp_path):
    target = tmp_path / "for-the-bank.csv"
    assert hand(to=target) == [(NAME, 3, 0)]
    assert target.stat().st_mode & 0o777 == 0o600
    assert len(told(target)) == 3
    assert hand() == []


def test_answers_that_lie_on_the_bank_s_server_are_fetched_and_carried_out(
    wiring, bank, opened, shelf, monkeypatch, rows, one
):
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    (shelf / "answers.csv").write_text("reference,answer,reason\nUQ-1,confirmed,\nUQ-2,refused,AC04\nUQ-9,ended,\n")
    os.utime(shelf / "answers.csv", (1_700_000_000, 1_700_000_000))
    assert collecting.fetch(wiring, bank).kept == 1
    assert jobs.read_statements() == 1
    assert one("SELECT state, reason FROM deliveries") == (
        "read", "line 4: expected a mandate of standard that we know, got UQ-9",
    )  # fmt: skip
    assert rows("SELECT reference, state FROM mandates ORDER BY reference") == [
        ("UQ-1", "active"), ("UQ-2", "refused"), ("UQ-3", "submitted"),
    ]  # fmt: skip
    assert rows("SELECT subject FROM mismatches") == ["mandate_answer:standard:UQ-9"]
    assert one("SELECT by FROM transitions WHERE to_state = 'active'") == "reader"
