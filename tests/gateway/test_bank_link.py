"""The way to a bank's file server: it rests after failures, stops at a refusal, and hands files over."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from banks.errors import Misconfigured, TransferError
from banks.sandbox import sftp_server
from banks.sandbox.sftp_folder import Fault
from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import bank_link, clock, collecting, link_metrics
from gateway.bank_link import LinkClosed
from gateway.bank_settings import SftpSettings
from gateway.database import transaction
from gateway.handing_over import hand_over
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import links


@pytest.fixture
def bank(server, settings):
    reached = SftpSettings("127.0.0.1", "doisoat", server.host_key, server.port, "/", "*.xml")
    return replace(settings.banks["standard"], sftp=reached)


@pytest.fixture
def visit(wiring, bank):
    """Open the link for nothing but to see whether it opens."""

    def do(**changes):
        with bank_link.contact(wiring, replace(bank, sftp=replace(bank.sftp, **changes))) as contact:
            assert contact.session.alive

    return do


@pytest.fixture
def visitors(monkeypatch):
    """Whoever knocks at the server, and every password that reaches it."""
    seen = []
    welcome, check = SandboxSftpServer._welcome, sftp_server._Account.check_auth_password

    def note_visit(self):
        seen.append("visit")
        welcome(self)

    def note_password(self, username, password):
        seen.append("password")
        return check(self, username, password)

    monkeypatch.setattr(SandboxSftpServer, "_welcome", note_visit)
    monkeypatch.setattr(sftp_server._Account, "check_auth_password", note_password)
    return seen


def allow(wiring, name="standard"):
    with transaction(wiring.engine) as session:
        return links.allow(session, name, by="liaison", now=clock.real())


@pytest.fixture
def at(monkeypatch):
    """Let real time stand at so long after now."""
    began = clock.real()

    def move(later):
        monkeypatch.setattr(clock, "real", lambda: began + later)

    return move


def test_a_server_that_is_down_is_left_alone_after_the_allowed_failures(visit, server, visitors, at, one):
    server.stop()
    for number in range(3):
        with pytest.raises(TransferError, match="connecting"):
            visit(failures_allowed=3)
        assert one("SELECT failures FROM bank_links") == number + 1
    server.faults.stopping.clear()
    server.start()
    with pytest.raises(LinkClosed, match=r"rests until .* after 3 failures") as caught:
        visit()
    assert not caught.value.permanent
    assert visitors == []
    at(timedelta(seconds=5))
    visit()
    assert one("SELECT failures, rests_until FROM bank_links") == (0, None)


def test_outside_a_sandbox_a_link_rests_for_minutes(settings, wiring, bank, server, at):
    house = Wiring(replace(settings, sandbox=False), wiring.database_url, wiring.valkey_url)
    server.stop()
    bank = replace(bank, sftp=replace(bank.sftp, failures_allowed=1))
    for later, expected in ((timedelta(), TransferError), (timedelta(minutes=4), LinkClosed)):
        at(later)
        with pytest.raises(expected), bank_link.contact(house, bank):
            pass


def test_another_host_key_stops_the_link_before_any_password_and_asks_a_person(
    visit, server, visitors, wiring, bank, one, rows, caplog, at
):
    server.present_other_host_key()
    with pytest.raises(TransferError, match="HOST KEY") as caught:
        visit()
    assert caught.value.permanent
    assert "THE LINK IS STOPPED" in caplog.text
    [(code, subject, source, facts)] = rows("SELECT code, subject, source, facts FROM mismatches")
    assert (code, subject, source) == ("M13", "link:standard", "standard")
    assert "HOST KEY IS NOT THE PINNED ONE" in facts["reasons"][0]
    visitors.clear()
    at(timedelta(days=3))
    for _ in range(3):
        assert collecting.fetch(wiring, bank) == collecting.Polled()
        with pytest.raises(LinkClosed) as caught:
            visit()
        assert caught.value.permanent
    assert visitors == []
    assert allow(wiring)
    visit(host_key=server.host_key)
    assert visitors == ["visit", "password"]
    assert one("SELECT state, resolution FROM mismatches") == ("resolved", "the link works again")


def test_a_refused_password_is_sent_once_and_never_again_until_a_person_s_word(
    visit, visitors, wiring, monkeypatch, server, rows
):
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", "wrong-password")
    for expected in (TransferError, LinkClosed, LinkClosed):
        with pytest.raises(expected):
            visit()
    assert visitors.count("password") == 1
    assert allow(wiring)
    with pytest.raises(TransferError, match="sign-in"):
        visit()
    assert visitors.count("password") == 2
    assert len(rows("SELECT id FROM mismatches")) == 1, "the same question is not asked twice"
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", server.password)
    assert allow(wiring)
    visit()
    assert rows("SELECT actor, action FROM audit") == [("liaison", "link.allowed")] * 2


def test_a_missing_secret_or_inbox_is_a_failure_that_may_mend_itself(visit, wiring, bank, monkeypatch, one):
    missing = replace(bank, sftp=replace(bank.sftp, inbox="/nowhere"))
    assert collecting.fetch(wiring, missing) == collecting.Polled()
    monkeypatch.delenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD")
    with pytest.raises(Misconfigured, match="got neither"):
        visit()
    assert one("SELECT failures, stopped_at FROM bank_links") == (2, None)


def test_a_secret_that_can_not_be_read_is_named_and_not_taken_for_none(visit, settings, monkeypatch, one):
    monkeypatch.delenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD")
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD_FILE", str(settings.home / "nowhere"))
    with pytest.raises(SettingsError, match="STANDARD_SFTP_PASSWORD_FILE: expected a file that can be read"):
        visit()
    assert one("SELECT failures, stopped_at FROM bank_links") == (1, None)


def test_a_bank_without_a_server_has_no_link(wiring, settings, rows):
    with pytest.raises(Misconfigured, match="none is declared"), bank_link.contact(wiring, settings.banks["vnpay"]):
        pass
    assert rows("SELECT bank FROM bank_links") == []


# ── handing over ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def outbox(shelf, tmp_path, server):
    """An outbox on a server that may be written to."""
    (shelf / "out").mkdir()
    with SandboxSftpServer(
        shelf, tmp_path / "host_key", username="doisoat", password=server.password, writable=True
    ) as it:
        yield (
            it,
            SftpSettings(
                "127.0.0.1", "doisoat", it.host_key, it.port, outbox="/out", upload_marker=".sha256", read_back=True
            ),
        )


def test_a_file_is_handed_over_once_with_its_marker(wiring, bank, outbox, shelf, tmp_path, one):
    ours = tmp_path / "debits.xml"
    ours.write_bytes(b"debits")
    reached = replace(bank, sftp=outbox[1])
    assert not hand_over(wiring, reached, ours, "debits.xml").already_there
    assert hand_over(wiring, reached, ours, "debits.xml").already_there
    assert sorted(os.listdir(shelf / "out")) == ["debits.xml", "debits.xml.sha256"]
    assert (shelf / "out" / "debits.xml").read_bytes() == b"debits"
    assert one("SELECT failures, last_error FROM bank_links") == (0, "")


def test_a_refusal_of_one_file_is_no_failure_of_the_link(wiring, bank, outbox, shelf, tmp_path, one):
    ours = tmp_path / "debits.xml"
    ours.write_bytes(b"debits")
    (shelf / "out" / "debits.xml").write_bytes(b"something else")
    with pytest.raises(TransferError, match="other file under this name") as caught:
        hand_over(wiring, replace(bank, sftp=outbox[1]), ours, "debits.xml")
    assert caught.value.permanent
    failures, error = one("SELECT failures, last_error FROM bank_links")
    assert failures == 0
    assert "other file under this name" in error


def test_a_link_that_breaks_while_handing_over_counts_and_a_stopped_one_is_not_used(
    wiring, bank, outbox, shelf, tmp_path, one
):
    ours = tmp_path / "debits.xml"
    ours.write_bytes(b"debits" * 10_000)
    reached = replace(bank, sftp=outbox[1])
    outbox[0].faults.plan(Fault.DROP)
    with pytest.raises(TransferError):
        hand_over(wiring, reached, ours, "debits.xml")
    assert one("SELECT failures FROM bank_links") == 1
    with transaction(wiring.engine) as session:
        links.stop(session, "standard", error="test", now=clock.real())
    with pytest.raises(LinkClosed):
        hand_over(wiring, reached, ours, "debits.xml")
    assert allow(wiring)
    assert not hand_over(wiring, reached, ours, "debits.xml").already_there
    assert sorted(os.listdir(shelf / "out")) == ["debits.xml", "debits.xml.sha256"]


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_metrics_tell_how_each_link_goes(web, wiring, visit, server):
    visit()
    with transaction(wiring.engine) as session:
        links.stop(session, "other", error="the host key is another", now=clock.real())
    text = web.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).get_data(as_text=True)
    assert 'doisoat_bank_link_stopped{bank="other"} 1.0' in text
    assert 'doisoat_bank_link_stopped{bank="standard"} 0.0' in text
    assert 'doisoat_bank_link_failures{bank="standard"} 0.0' in text
    assert 'doisoat_bank_link_last_success_seconds{bank="other"} 0.0' in text
    assert "host key" not in text
    server.stop()
    with pytest.raises(TransferError):
        visit(failures_allowed=1)
    text = link_metrics.written(wiring).decode()
    assert 'doisoat_bank_link_failures{bank="standard"} 1.0' in text
    assert 'doisoat_bank_link_rests_until_seconds{bank="standard"} 0.0' not in text


def test_metrics_come_without_the_links_while_the_database_is_away(cut_off):
    assert link_metrics.written(cut_off) == b""
