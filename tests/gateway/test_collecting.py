"""Collecting from a real SFTP server: each file once, whatever befalls one of them, and nothing left in the clear."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from banks.sandbox.sftp_folder import Fault
from gateway import clock, collecting
from gateway.database import transaction
from gateway.settings import SftpSettings
from gateway.wiring import Wiring
from reconciliation import inbox, links


@pytest.fixture
def bank(server, settings):
    reached = SftpSettings("127.0.0.1", "doisoat", server.host_key, server.port, "/", "*.xml")
    return replace(settings.banks["standard"], sftp=reached)


@pytest.fixture
def fetch(wiring, bank):
    return lambda: collecting.fetch(wiring, bank).kept


@pytest.fixture
def in_the_clear(wiring):
    """Whatever lies in the folder that downloads go to."""
    return lambda: list((wiring.settings.home / "incoming" / "standard").iterdir())


def test_a_new_file_is_kept_once_byte_for_byte_and_noted(fetch, shelf, wiring, session, one, in_the_clear):
    content = os.urandom(3_000)
    (shelf / "day.xml").write_bytes(content)
    (shelf / "notes.txt").write_bytes(b"not of the pattern")
    assert [fetch(), fetch(), fetch()] == [1, 0, 0]
    delivery, source, kind, name, size, state = one("SELECT id, source, kind, name, size, state FROM deliveries")
    assert (source, kind, name, size, state) == ("standard", "statement", "day.xml", 3_000, "received")
    assert inbox.KeptFile(session, delivery, wiring.sealer).read() == content
    modified = int((shelf / "day.xml").stat().st_mtime)
    assert one("SELECT bank, name, size, modified_at, delivery_id FROM remote_files") == (
        "standard", "day.xml", 3_000, modified, delivery
    )  # fmt: skip
    assert in_the_clear() == []


def test_the_same_bytes_under_another_name_are_noted_as_such_once(fetch, shelf, rows, one):
    for name in ("day.xml", "day-copy.xml"):
        (shelf / name).write_bytes(b"the same")
    assert [fetch(), fetch()] == [1, 0]
    code, state, source, subject, by = one("SELECT code, state, source, subject, resolved_by FROM mismatches")
    assert (code, state, source, by) == ("M14", "resolved", "standard", "collecting")
    assert subject.startswith("file:standard:day")
    assert len(rows("SELECT id FROM deliveries")) == 1
    assert rows("SELECT count(*) FROM remote_files GROUP BY delivery_id") == [2]


def test_other_bytes_under_a_known_name_are_another_file(fetch, shelf, rows):
    (shelf / "day.xml").write_bytes(b"half")
    assert fetch() == 1
    (shelf / "day.xml").write_bytes(b"half and the rest")
    assert fetch() == 1
    assert rows("SELECT name, size FROM deliveries ORDER BY id") == [("day.xml", 4), ("day.xml", 17)]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.GROW])
def test_one_file_that_can_not_be_had_keeps_none_of_the_others_away(
    fetch, shelf, server, rows, caplog, in_the_clear, fault
):
    for at, name in enumerate(("a.xml", "b.xml", "c.xml")):
        (shelf / name).write_bytes(name.encode() * 10)
        os.utime(shelf / name, (1_700_000_000 + at,) * 2)
    server.faults.plan(fault, times=1)
    assert fetch() == 2
    assert rows("SELECT name FROM deliveries ORDER BY name") == ["b.xml", "c.xml"]
    assert "a.xml" in caplog.text
    assert in_the_clear() == []
    assert fetch() == 1
    assert len(rows("SELECT name FROM deliveries")) == 3


def test_a_server_that_is_not_the_one_we_know_gets_no_password_and_gives_no_file(fetch, shelf, server, rows, caplog):
    (shelf / "day.xml").write_bytes(b"bait")
    server.present_other_host_key()
    assert fetch() == 0
    assert rows("SELECT id FROM deliveries UNION ALL SELECT id FROM remote_files") == []
    assert "files of standard: " in caplog.text
    assert "HOST KEY" in caplog.text
    assert server.password not in caplog.text


def test_a_refused_sign_in_and_a_missing_secret_are_logged_and_nothing_more(
    fetch, shelf, rows, caplog, monkeypatch, wiring
):
    (shelf / "day.xml").write_bytes(b"x")
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", "wrong-password")
    assert fetch() == 0
    with transaction(wiring.engine) as session:
        assert links.allow(session, "standard", by="liaison", now=clock.real())
    monkeypatch.delenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD")
    assert fetch() == 0
    assert caplog.text.count("files of standard: ") == 2
    assert "wrong-password" not in caplog.text
    assert "Traceback" not in caplog.text
    assert rows("SELECT id FROM deliveries") == []


def test_a_server_that_is_down_is_logged_and_asked_again_later(fetch, shelf, server, caplog):
    (shelf / "day.xml").write_bytes(b"x")
    server.stop()
    assert fetch() == 0
    assert "files of standard: " in caplog.text
    server.faults.stopping.clear()
    server.start()
    assert fetch() == 1


def test_outside_a_sandbox_a_file_must_have_lain_still(settings, wiring, bank, shelf):
    real = Wiring(replace(settings, sandbox=False), wiring.database_url, wiring.valkey_url)
    (shelf / "day.xml").write_bytes(b"still being written")
    assert collecting.fetch(real, bank).kept == 0
    old = clock.real().timestamp() - 11
    os.utime(shelf / "day.xml", (old, old))
    assert collecting.fetch(real, bank).kept == 1


def test_a_file_that_could_not_be_kept_is_not_noted_and_leaves_no_copy(
    fetch, shelf, server, rows, in_the_clear, monkeypatch
):
    (shelf / "day.xml").write_bytes(b"customers' data")

    def fail(*_, **__):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(inbox, "keep_file", fail)
    with pytest.raises(RuntimeError):
        fetch()
    assert in_the_clear() == []
    assert rows("SELECT id FROM remote_files") == []
    monkeypatch.undo()
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", server.password)
    assert fetch() == 1


def test_what_a_killed_download_left_is_removed_after_a_while(fetch, wiring, in_the_clear):
    folder = wiring.settings.home / "incoming" / "standard"
    folder.mkdir(parents=True)
    for name, age in (("fetch-old.part", timedelta(hours=2)), ("fetch-new.part", timedelta(minutes=5))):
        (folder / name).write_bytes(b"customers' data")
        moment = (clock.real() - age).timestamp()
        os.utime(folder / name, (moment, moment))
    fetch()
    assert [left.name for left in in_the_clear()] == ["fetch-new.part"]


def test_only_we_may_look_into_the_folder_of_downloads(fetch, wiring):
    fetch()
    assert (wiring.settings.home / "incoming" / "standard").stat().st_mode & 0o077 == 0


def test_a_bank_without_a_server_has_no_files(wiring, settings):
    assert collecting.fetch(wiring, settings.banks["vnpay"]).kept == 0
    assert not (wiring.settings.home / "incoming").exists()
