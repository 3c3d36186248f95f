"""Collecting from a real SFTP server: each file once, whatever befalls one of them, and nothing left in the clear."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from banks.sandbox.sftp_folder import Fault
from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import clock, collecting, keeping
from gateway.bank_settings import SftpSettings
from gateway.collecting import Polled
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import inbox, links

OLD = 1_700_000_000
"""Seconds since 1970: long past, so that no file is too young."""


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


# ── many files ───────────────────────────────────────────────────────────────────────────────────────────────────────


def put(shelf, name, content, at=0):
    path = shelf / name
    path.write_bytes(content)
    os.utime(path, (OLD + at,) * 2)
    return path


@pytest.fixture
def poll(wiring, bank):
    """Poll with other settings of the link."""

    def do(**changes):
        return collecting.fetch(wiring, replace(bank, sftp=replace(bank.sftp, **changes)))

    return do


def test_a_poll_takes_the_oldest_up_to_its_share_and_says_that_more_wait(poll, shelf, rows):
    for number in range(5):
        put(shelf, f"{number}.xml", b"%d" % number, at=-number)
    assert [poll(per_poll=2) for _ in range(4)] == [
        Polled(2, True),
        Polled(2, True),
        Polled(1, False),
        Polled(0, False),
    ]
    assert rows("SELECT name FROM deliveries ORDER BY id") == [f"{number}.xml" for number in (4, 3, 2, 1, 0)]


def test_ten_thousand_files_are_listed_and_told_apart_within_seconds(poll, shelf, rows, change):
    for number in range(10_000):
        put(shelf, f"{number:05}.xml", b"", at=number)
    put(shelf, "newest.xml", b"new", at=10_001)
    change(
        "INSERT INTO remote_files (bank, name, size, modified_at, fetched_at)"
        " SELECT 'standard', lpad(n::text, 5, '0') || '.xml', 0, :old + n, now() FROM generate_series(0, 9999) n"
        " UNION ALL SELECT 'standard', 'gone-' || n || '.xml', 0, n, now() FROM generate_series(1, 5000) n",
        old=OLD,
    )
    began = time.monotonic()
    assert poll() == Polled(1, False)
    assert time.monotonic() - began < 10
    assert rows("SELECT name FROM deliveries") == ["newest.xml"]


def test_banks_take_turns_and_those_with_more_come_again(settings, wiring, bank, shelf, server, rows):
    shares = {}
    for name, files in (("big", 5), ("small", 1), ("standard", 2)):
        (shelf / name).mkdir()
        for number in range(files):
            put(shelf / name, f"{name}{number}.xml", f"{name}{number}".encode())
        shares[name] = replace(bank, name=name, sftp=replace(bank.sftp, inbox=f"/{name}", per_poll=2))
    for name in shares:
        os.environ[f"DOISOAT_SECRET_{name.upper()}_SFTP_PASSWORD"] = server.password
    try:
        house = Wiring(replace(settings, banks=shares), wiring.database_url, wiring.valkey_url)
        assert collecting.poll_all(house) == Polled(8, False)
    finally:
        for name in ("BIG", "SMALL"):
            del os.environ[f"DOISOAT_SECRET_{name}_SFTP_PASSWORD"]
    assert rows("SELECT source FROM deliveries ORDER BY id") == [
        "big", "big", "small", "standard", "standard", "big", "big", "big",
    ]  # fmt: skip


def test_the_bank_that_waited_longest_comes_first_and_a_full_round_leaves_the_rest(settings, wiring, bank, monkeypatch):
    banks = {name: replace(bank, name=name) for name in ("a", "b", "c")}
    house = Wiring(replace(settings, banks=banks), wiring.database_url, wiring.valkey_url)
    with transaction(wiring.engine) as session:
        for number, name in enumerate(("c", "a")):
            links.succeed(session, name, now=clock.real() + timedelta(seconds=number))
    asked = []
    monkeypatch.setattr(collecting, "fetch", lambda _, one: asked.append(one.name) or Polled())
    assert collecting.poll_all(house) == Polled(0, False)
    assert asked == ["b", "c", "a"]
    asked.clear()
    moments = iter([0, 0, 300, 400])
    monkeypatch.setattr(collecting, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    assert collecting.poll_all(house) == Polled(0, True)
    assert asked == ["b", "c"]


# ── after fetching ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def writable(shelf, tmp_path, server, monkeypatch):
    """The same shelf on a server that lets us change it."""
    (shelf / "archive").mkdir()
    with SandboxSftpServer(
        shelf, tmp_path / "host_key", username="doisoat", password=server.password, writable=True
    ) as it:
        yield {"port": it.port, "after": "archive", "archive": "/archive"}


def test_a_kept_file_moves_to_the_archive_with_its_marker(poll, shelf, writable, rows):
    put(shelf, "a.xml", b"a")
    put(shelf, "a.xml.ok", b"")
    put(shelf, "b.xml", b"b")
    assert poll(**writable, done_marker=".ok").kept == 1
    assert sorted(os.listdir(shelf)) == ["archive", "b.xml"]
    assert sorted(os.listdir(shelf / "archive")) == ["a.xml", "a.xml.ok"]
    assert rows("SELECT name FROM deliveries") == ["a.xml"]


def test_a_marker_of_two_files_stays_until_both_are_kept(poll, shelf, writable):
    put(shelf, "day.xml", b"1", 3)
    put(shelf, "day.csv", b"2", 4)
    put(shelf, "day.ok", b"", 5)
    agreed = {**writable, "done_marker": ".ok", "pattern": "day.*"}
    assert poll(**agreed, per_poll=1).kept == 1
    assert set(os.listdir(shelf)) == {"archive", "day.xml", "day.csv", "day.ok"}
    assert poll(**agreed).kept == 1
    assert os.listdir(shelf) == ["archive"]
    assert set(os.listdir(shelf / "archive")) == {"day.xml", "day.csv", "day.ok"}


def test_a_file_whose_marker_never_comes_is_told(poll, shelf, one, caplog):
    put(shelf, "a.xml", b"a")
    (shelf / "b.xml").write_bytes(b"just come")
    assert poll(done_marker=".ok").kept == 0
    error = one("SELECT last_error FROM bank_links")
    assert error == "a.xml: no marker has come, though it has lain still for an hour"
    assert error in caplog.text


def test_a_full_disk_of_ours_ends_the_poll_at_the_first_file(poll, shelf, one, monkeypatch, rows):
    for number in range(3):
        put(shelf, f"{number}.xml", b"%d" % number)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert poll() == Polled(0, False)
    failures, error = one("SELECT failures, last_error FROM bank_links")
    assert failures == 1
    assert "0.xml: can't be stored here: No space left" in error
    assert poll().kept == 3


def test_a_kept_file_is_deleted_where_that_is_agreed(poll, shelf, writable):
    put(shelf, "a.xml", b"a")
    assert poll(**{**writable, "after": "delete"}).kept == 1
    assert os.listdir(shelf) == ["archive"]


def test_a_file_that_could_not_be_kept_stays_on_the_server(poll, shelf, writable, monkeypatch):
    put(shelf, "a.xml", b"a")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):  # noqa: PT012 - patched only for this
        patched.setattr(inbox, "keep_file", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no database")))
        poll(**{**writable, "after": "delete"})
    assert "a.xml" in os.listdir(shelf)


def test_a_poll_killed_between_commit_and_archive_is_finished_by_the_next(poll, shelf, writable, monkeypatch, rows):
    put(shelf, "a.xml", b"a")

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(collecting, "put_away", killed)
        with pytest.raises(Killed):
            poll(**writable)
    assert (os.listdir(shelf / "archive"), rows("SELECT name FROM deliveries")) == ([], ["a.xml"])
    assert poll(**writable) == Polled(0, False)
    assert os.listdir(shelf / "archive") == ["a.xml"]
    assert rows("SELECT name FROM deliveries") == ["a.xml"]


def test_an_archive_that_refuses_is_told_and_tried_again_and_costs_no_file(poll, shelf, writable, one, caplog):
    for number in range(6):
        put(shelf, f"{number}.xml", b"%d" % number)
    assert poll(**{**writable, "archive": "/nowhere"}).kept == 6
    failures, error = one("SELECT failures, last_error FROM bank_links")
    assert failures == 0
    assert caplog.text.count("putting") == error.count("putting") == 3
    assert "more" not in error, "it is not tried for thousands of files"
    assert poll(**writable).kept == 0
    assert len(os.listdir(shelf / "archive")) == 6
    assert one("SELECT last_error FROM bank_links") == ""


# ── the same name again ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_comes_with_other_content_is_another_delivery_and_a_question(fetch, shelf, rows):
    first, second = b"first", b"second"
    put(shelf, "day.xml", first)
    assert fetch() == 1
    put(shelf, "day.xml", second, at=60)
    assert [fetch(), fetch()] == [1, 0]
    [(code, state, source, facts)] = rows("SELECT code, state, source, facts FROM mismatches")
    assert (code, state, source) == ("M14", "open", "standard")
    assert facts["file"] == "day.xml"
    assert facts["first_sha256"] == hashlib.sha256(first).hexdigest()
    assert facts["sha256"] == hashlib.sha256(second).hexdigest()
    put(shelf, "day.xml", first, at=120)
    assert fetch() == 0, "bytes that are kept already"
    states = rows("SELECT state FROM mismatches ORDER BY id")
    assert sorted(states) == ["open", "open", "resolved"], "back to the first content is overwriting too"
    assert len(rows("SELECT id FROM deliveries")) == 2


def test_the_same_content_touched_again_is_no_question(fetch, shelf, rows):
    put(shelf, "day.xml", b"same")
    assert fetch() == 1
    put(shelf, "day.xml", b"same", at=60)
    assert fetch() == 0
    assert rows("SELECT state FROM mismatches") == ["resolved"]


def test_another_bank_s_file_of_that_name_is_no_question(wiring, bank, shelf, server, monkeypatch, rows, fetch):
    monkeypatch.setenv("DOISOAT_SECRET_OTHER_SFTP_PASSWORD", server.password)
    put(shelf, "day.xml", b"one bank's")
    assert fetch() == 1
    put(shelf, "day.xml", b"another bank's", at=60)
    assert collecting.fetch(wiring, replace(bank, name="other")).kept == 1
    assert rows("SELECT id FROM mismatches") == []


def test_two_polls_at_once_keep_one_file_and_ask_nothing(wiring, bank, shelf, rows):
    put(shelf, "day.xml", b"x")
    listed, together = keeping.seen, threading.Barrier(2)

    def seen(*args):
        found = listed(*args)
        together.wait(20)
        return found

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(keeping, "seen", seen)
        kept = list(pool.map(lambda _: collecting.fetch(wiring, bank).kept, range(2)))
    assert sorted(kept) == [0, 1]
    assert rows("SELECT name FROM deliveries") == rows("SELECT name FROM remote_files") == ["day.xml"]
    assert rows("SELECT id FROM mismatches") == []


# ── the link ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_that_breaks_after_some_files_is_progress_and_before_any_a_failure(poll, shelf, server, one):
    for number in range(3):
        put(shelf, f"{number}.xml", b"%d" % number * 50_000, at=number)
    server.faults.plan(Fault.DROP)
    assert poll() == Polled(0, False)
    assert one("SELECT failures, last_success_at IS NULL FROM bank_links") == (1, True)
    usual = keeping.take

    def drop_afterwards(*args):
        server.faults.plan(Fault.DROP)
        return usual(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keeping, "take", drop_afterwards)
        assert poll() == Polled(1, True)
    failures, error = one("SELECT failures, last_error FROM bank_links")
    assert failures == 0
    assert "fetching 1.xml" in error
    server.faults.plan(Fault.DROP, after=10**9)
    assert poll() == Polled(2, False)


def test_refused_names_stand_in_the_link_s_trouble(poll, shelf, server, one):
    server.faults.phantom_names = [b"a\nb.xml", b"bad\xff.xml", b"../x.xml", b"n" * 300]
    assert poll() == Polled(0, False)
    error = one("SELECT last_error FROM bank_links")
    assert "control characters" in error
    assert error.endswith("and 1 more")
