import base64
import hashlib
import logging
import os
import random
import shutil
import socket
import stat
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko import Message, SFTPError
from paramiko.packet import Packetizer
from paramiko.sftp import CMD_DATA

from banks import sftp_protocol
from banks.errors import Misconfigured, TransferError
from banks.sandbox import sftp_folder, sftp_server
from banks.sandbox.sftp_folder import Fault
from banks.sandbox.sftp_server import new_key
from banks.sftp import (
    RemoteFile,
    SftpEndpoint,
    SftpSession,
    download,
    list_files,
    open_session,
    remove_leftovers,
)
from banks.sftp_link import fingerprint, read_public_keys
from banks.sftp_listing import MAX_ENTRIES
from banks.sftp_names import fault_of, shown
from banks.sftp_protocol import BLOCK, WINDOW, ReadingClient
from tests.banks.sftp_bank import CONTENT, OLD, PRIVATE, PUBLIC, Bank, sandbox_bank, sshd_bank


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Bank]:
    with sandbox_bank(tmp_path) as bank:
        yield bank


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Bank]:
    with sshd_bank(tmp_path) as bank:
        yield bank


@pytest.fixture(params=["sandbox", pytest.param("sshd", marks=pytest.mark.sshd)])
def bank(request: pytest.FixtureRequest) -> Bank:
    found: Bank = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "taken"
    path.mkdir()
    return path


def only(session: SftpSession) -> RemoteFile:
    (file,) = list_files(session)
    return file


def refused(bank: Bank, folder: Path, **options: object) -> TransferError:
    """Fetch the only file, expect a refusal that leaves nothing behind, and return it."""
    with pytest.raises(TransferError) as caught, open_session(bank.endpoint) as session:
        download(session, only(session), folder, **options)
    assert list(folder.iterdir()) == []
    return caught.value


def lingering(before: set[threading.Thread]) -> list[threading.Thread]:
    """Threads begun since `before` that do not end by themselves within two seconds."""
    begun = [thread for thread in threading.enumerate() if thread not in before]
    for thread in begun:
        thread.join(2)
    return [thread for thread in begun if thread.is_alive()]


def after_first_block(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let the world change while a file is being read."""
    blocks = ReadingClient.blocks

    def disturbed(self: ReadingClient, handle: bytes, size: int) -> Iterator[bytes]:
        for number, block in enumerate(blocks(self, handle, size)):
            yield block
            if number == 0:
                act()

    monkeypatch.setattr(ReadingClient, "blocks", disturbed)


# --- what goes well


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK * WINDOW + 1])
def test_download_is_the_same_bytes(bank: Bank, folder: Path, size: int) -> None:
    content = (CONTENT * (size // len(CONTENT) + 1))[:size]
    bank.put("sao kê 01.xml", content)
    with open_session(bank.endpoint) as session:
        remote = only(session)
        got = download(session, remote, folder)
    assert remote == RemoteFile("sao kê 01.xml", size, OLD)
    assert got.remote == remote
    assert got.size == size
    assert got.sha256 == hashlib.sha256(content).hexdigest()
    assert got.path.read_bytes() == content
    assert list(folder.iterdir()) == [got.path]
    assert got.path.stat().st_mode & 0o077 == 0


def test_only_matching_regular_files_are_listed_oldest_first(bank: Bank) -> None:
    bank.put("b.xml", b"1", OLD + 5)
    bank.put("a.xml", b"22", OLD + 9)
    bank.put("c.txt")
    (bank.inbox / "folder.xml").mkdir()
    (bank.inbox / "link.xml").symlink_to("a.xml")
    os.mkfifo(bank.inbox / "pipe.xml")
    with open_session(replace(bank.endpoint, pattern="*.xml")) as session:
        assert list_files(session) == [RemoteFile("b.xml", 1, OLD + 5), RemoteFile("a.xml", 2, OLD + 9)]
        assert session.refused == []


def test_ten_thousand_files(bank: Bank) -> None:
    for number in range(10_000):
        os.close(os.open(bank.inbox / f"{number:05}.xml", os.O_CREAT | os.O_WRONLY))
    with open_session(bank.endpoint) as session:
        assert sorted(file.name for file in list_files(session)) == [f"{number:05}.xml" for number in range(10_000)]


def test_twenty_megabytes_in_bounded_memory(bank: Bank, folder: Path) -> None:
    content = os.urandom(1 << 20) * 20
    bank.put("large.xml", content)
    with open_session(bank.endpoint) as session:
        remote = only(session)
        tracemalloc.start()
        try:
            got = download(session, remote, folder)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert got.sha256 == hashlib.sha256(content).hexdigest()
    assert peak < 8 << 20


def test_same_name_with_new_content_is_kept_beside_the_old(bank: Bank, folder: Path) -> None:
    bank.put("day.xml", b"first")
    with open_session(bank.endpoint) as session:
        first = download(session, only(session), folder)
        bank.put("day.xml", b"other", OLD + 60)
        second = download(session, only(session), folder)
    assert first.path.read_bytes() == b"first"
    assert second.path.read_bytes() == b"other"
    assert first.remote != second.remote


def test_several_files_in_one_session_after_a_failure(sandbox: Bank, folder: Path) -> None:
    assert sandbox.server is not None
    sandbox.put("1.xml", CONTENT + b"1")
    sandbox.put("2.xml", CONTENT + b"2")
    with open_session(sandbox.endpoint) as session:
        first, second = list_files(session)
        sandbox.server.faults.plan(Fault.CUT, after=50_000)
        with pytest.raises(TransferError, match="ended after 50000"):
            download(session, first, folder)
        for remote in (second, first):
            assert download(session, remote, folder).path.read_bytes() == CONTENT + remote.name[:1].encode()


def test_short_answers_are_completed(sandbox: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_folder, "_MAX_READ", 1000)
    sandbox.put("a.xml")
    with open_session(sandbox.endpoint) as session:
        assert download(session, only(session), folder).path.read_bytes() == CONTENT


# --- signing in


def test_password_key_and_both(sandbox: Bank) -> None:
    by_key = replace(sandbox.endpoint, password=None, private_key=PRIVATE)
    for endpoint in (sandbox.endpoint, by_key, replace(by_key, password="right")):
        with open_session(endpoint) as session:
            assert list_files(session) == []


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "other"}, {"private_key": new_key()[0]}])
def test_refused_sign_in_is_permanent(sandbox: Bank, wrong: dict[str, str]) -> None:
    endpoint = replace(sandbox.endpoint, **({"password": None} if "private_key" in wrong else {}), **wrong)
    with pytest.raises(TransferError, match="sign-in as") as caught, open_session(endpoint):
        pass
    assert caught.value.permanent
    assert "wrong" not in str(caught.value)


def test_changed_host_key_is_loud_permanent_and_learns_no_password(
    sandbox: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sandbox.server is not None
    sandbox.server.present_other_host_key()
    monkeypatch.setattr(sftp_server._Account, "check_auth_password", lambda *_: pytest.fail("a password was sent"))
    with pytest.raises(TransferError) as caught, open_session(sandbox.endpoint):
        pass
    assert caught.value.permanent
    assert "THE HOST KEY IS NOT THE PINNED ONE" in str(caught.value)
    for line in (sandbox.endpoint.host_key, sandbox.server.host_key):
        assert fingerprint(base64.b64decode(line.split()[1])) in str(caught.value)


@pytest.mark.sshd
def test_changed_host_key_of_sshd(sshd: Bank) -> None:
    endpoint = replace(sshd.endpoint, host_key=new_key()[1])
    with pytest.raises(TransferError, match="NOT THE PINNED ONE") as caught, open_session(endpoint):
        pass
    assert caught.value.permanent


@pytest.mark.sshd
def test_key_that_sshd_does_not_know(sshd: Bank) -> None:
    endpoint = replace(sshd.endpoint, private_key=new_key()[0])
    with pytest.raises(TransferError, match="sign-in as") as caught, open_session(endpoint):
        pass
    assert caught.value.permanent


def test_any_of_several_pins_will_do(bank: Bank) -> None:
    pins = f"# old and new\n{new_key()[1]}\n\nbank.example {bank.endpoint.host_key} comment\n"
    with open_session(replace(bank.endpoint, host_key=pins)) as session:
        assert list_files(session) == []


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAA", "ssh-rsa " + PUBLIC.split()[1]],
    ids=["empty", "no key", "half a key", "another kind", "not of its kind"],
)
def test_unreadable_pin_is_our_mistake(sandbox: Bank, line: str) -> None:
    with pytest.raises(Misconfigured, match="expected"), open_session(replace(sandbox.endpoint, host_key=line)):
        pass


@pytest.mark.parametrize("key", [None, "", "secret text", PRIVATE[: len(PRIVATE) // 2]])
def test_unreadable_private_key_is_our_mistake_and_stays_secret(sandbox: Bank, key: str | None) -> None:
    endpoint = replace(sandbox.endpoint, password=None, private_key=key)
    with pytest.raises(Misconfigured) as caught, open_session(endpoint):
        pass
    assert "secret text" not in str(caught.value)


def test_nothing_secret_is_shown_or_logged(sandbox: Bank, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.put("a.xml")
    with open_session(replace(sandbox.endpoint, private_key=PRIVATE)) as session:
        download(session, only(session), folder)
    assert "right" not in repr(sandbox.endpoint) + str(sandbox.endpoint)
    assert caplog.records
    assert "right" not in caplog.text
    assert PRIVATE.splitlines()[2] not in caplog.text


# --- what goes wrong on the way


@pytest.mark.parametrize("after", [0, 60_000, len(CONTENT) - 1])
def test_dropped_link(sandbox: Bank, folder: Path, after: int) -> None:
    assert sandbox.server is not None
    sandbox.put("a.xml")
    sandbox.server.faults.plan(Fault.DROP, after=after)
    assert not refused(sandbox, folder).permanent


def test_stalled_server(sandbox: Bank, folder: Path) -> None:
    assert sandbox.server is not None
    sandbox.put("a.xml")
    sandbox.server.faults.plan(Fault.STALL, after=60_000)
    begun = time.monotonic()
    error = refused(replace(sandbox, endpoint=replace(sandbox.endpoint, channel_timeout=0.3)), folder)
    assert not error.permanent
    assert "no answer in time" in str(error)
    assert time.monotonic() - begun < 5


def test_a_link_that_stalled_or_dropped_is_not_asked_again(sandbox: Bank, folder: Path) -> None:
    assert sandbox.server is not None
    sandbox.put("a.xml")
    for fault in (Fault.STALL, Fault.DROP):
        sandbox.server.faults.plan(fault)
        with open_session(replace(sandbox.endpoint, channel_timeout=1)) as session:
            remote = only(session)
            assert session.alive
            with pytest.raises(TransferError):
                download(session, remote, folder)
            begun = time.monotonic()
            assert not session.alive
            with pytest.raises(TransferError):
                download(session, remote, folder)
            assert time.monotonic() - begun < 0.9


def test_a_link_that_closes_while_a_request_leaves_is_no_end_of_a_file_or_a_listing(
    sandbox: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.put("a.xml")
    for asking in (lambda session, remote: download(session, remote, folder), lambda session, _: list_files(session)):
        with open_session(sandbox.endpoint) as session, monkeypatch.context() as patched:
            remote = only(session)
            # What a channel answers whose other end closed while a sender waited for room.
            patched.setattr(session.link.client.get_channel(), "send", lambda _: 0)
            with pytest.raises(TransferError, match=r"(fetching a\.xml|listing).*closed while a request was sent"):
                asking(session, remote)
            assert not session.alive


def test_a_link_that_is_found_broken_while_it_is_closed_is_told_as_broken(
    sandbox: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """paramiko's reader may not have seen yet what its writers run into: the goodbye fails as the request did."""
    sandbox.put("a.xml")

    def broken(_self: Packetizer, _out: bytes) -> None:
        raise EOFError

    for asking in (lambda session, remote: download(session, remote, folder), lambda session, _: list_files(session)):
        with open_session(sandbox.endpoint) as session, monkeypatch.context() as patched:
            remote = only(session)
            patched.setattr(Packetizer, "write_all", broken)
            with pytest.raises(TransferError, match="closed while a request was sent"):
                asking(session, remote)
            assert not session.alive


def test_a_file_s_own_failure_leaves_the_link_alive(bank: Bank, folder: Path) -> None:
    bank.put("a.xml")
    with open_session(bank.endpoint) as session:
        remote = only(session)
        (bank.inbox / "a.xml").unlink()
        with pytest.raises(TransferError):
            download(session, remote, folder)
        assert session.alive


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SHRINK, Fault.GROW, Fault.REPLACE])
@pytest.mark.parametrize("after", [0, 60_000, len(CONTENT)])
def test_file_that_changes_on_the_server(sandbox: Bank, folder: Path, fault: Fault, after: int) -> None:
    assert sandbox.server is not None
    sandbox.put("a.xml")
    if after == len(CONTENT) and fault in (Fault.CUT, Fault.SHRINK):
        after -= 1
    sandbox.server.faults.plan(fault, after=after)
    assert not refused(sandbox, folder).permanent


@pytest.mark.parametrize("change", ["shrink", "grow", "touch", "replace", "disguise", "remove"])
def test_file_that_changes_while_it_is_read(
    bank: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = bank.put("a.xml", CONTENT * 100)

    def put_another() -> None:
        other = path.with_suffix(".new")
        other.write_bytes(b"x" * path.stat().st_size)
        other.replace(path)

    def disguise() -> None:
        os.utime(path, (OLD, OLD + 1))
        put_another()
        os.utime(path, (OLD, OLD))  # only the open file tells

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")
        os.utime(path, (OLD, OLD))  # only the size tells

    acts: dict[str, Callable[[], object]] = {
        "shrink": lambda: os.truncate(path, 60_000),
        "grow": grow,
        "touch": lambda: os.utime(path, (OLD, OLD + 1)),
        "replace": put_another,
        "disguise": disguise,
        "remove": path.unlink,
    }
    after_first_block(monkeypatch, acts[change])
    assert not refused(bank, folder).permanent


def test_file_that_changed_since_it_was_listed(bank: Bank, folder: Path) -> None:
    bank.put("a.xml")
    with open_session(bank.endpoint) as session:
        remote = only(session)
        bank.put("a.xml", CONTENT + b"more", OLD + 1)
        with pytest.raises(TransferError, match="as listed"):
            download(session, remote, folder)
        (bank.inbox / "a.xml").unlink()
        with pytest.raises(TransferError) as caught:
            download(session, remote, folder)
    assert not caught.value.permanent
    assert list(folder.iterdir()) == []


def test_overall_deadline_ends_a_download(sandbox: Bank, folder: Path) -> None:
    sandbox.put("a.xml")
    now = 100.0
    with open_session(sandbox.endpoint, clock=lambda: now) as session:
        remote = only(session)
        now += sandbox.endpoint.deadline
        with pytest.raises(TransferError, match="whole exchange within 900 s") as caught:
            download(session, remote, folder)
    assert not caught.value.permanent
    assert list(folder.iterdir()) == []


def test_overall_deadline_cuts_a_link_that_hangs(sandbox: Bank, folder: Path) -> None:
    assert sandbox.server is not None
    sandbox.put("a.xml")
    sandbox.server.faults.plan(Fault.STALL)
    begun = time.monotonic()
    error = refused(replace(sandbox, endpoint=replace(sandbox.endpoint, channel_timeout=60, deadline=1.5)), folder)
    assert not error.permanent
    assert "within 1.5 s" in str(error)
    assert time.monotonic() - begun < 30


def test_server_that_never_starts_sftp(sandbox: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()
    monkeypatch.setattr(sftp_server._Account, "check_channel_subsystem_request", lambda *_: gone.wait(5), raising=False)
    endpoint = replace(sandbox.endpoint, channel_timeout=1)
    try:
        with pytest.raises(TransferError, match="within 1 s"), open_session(endpoint):
            pass
    finally:
        gone.set()


def test_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = SftpEndpoint("127.0.0.1", silent.getsockname()[1], "evn", PUBLIC, password="x", connect_timeout=0.3)
        before = set(threading.enumerate())
        with pytest.raises(TransferError) as caught, open_session(endpoint):
            pass
    assert not caught.value.permanent
    assert lingering(before) == []


def test_server_that_breaks_off_the_handshake_leaves_no_timer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_off() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-brief\r\n")
                while connection.recv(4096).find(b"SSH-") < 0:
                    pass

        thread = threading.Thread(target=break_off)
        before = set(threading.enumerate())
        thread.start()
        endpoint = SftpEndpoint("127.0.0.1", server.getsockname()[1], "evn", PUBLIC, password="x")
        with pytest.raises(TransferError) as caught, open_session(endpoint):
            pass
        thread.join()
    assert not caught.value.permanent
    assert lingering(before) == []


def test_server_that_never_decides_on_a_sign_in(sandbox: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()
    monkeypatch.setattr(sftp_server._Account, "check_auth_password", lambda *_: gone.wait(20))
    endpoint = replace(sandbox.endpoint, connect_timeout=2)
    begun = time.monotonic()
    try:
        with pytest.raises(TransferError, match=r"sign-in as|shaking hands") as caught, open_session(endpoint):
            pass
    finally:
        gone.set()
    assert not caught.value.permanent
    assert time.monotonic() - begun < 10


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    endpoint = SftpEndpoint("127.0.0.1", port, "evn", PUBLIC, password="x")
    with pytest.raises(TransferError, match="connecting") as caught, open_session(endpoint):
        pass
    assert not caught.value.permanent


def test_missing_inbox_is_permanent(bank: Bank) -> None:
    endpoint = replace(bank.endpoint, inbox=f"{bank.endpoint.inbox}/nowhere")
    with open_session(endpoint) as session, pytest.raises(TransferError, match="listing the inbox") as caught:
        list_files(session)
    assert caught.value.permanent


def test_our_own_disk_failing_is_told_apart(sandbox: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.put("a.xml")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "can't be stored here: No space left" in str(refused(sandbox, folder))


def test_file_and_folder_reach_the_disk_before_the_answer(
    sandbox: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.put("a.xml")
    synced = []

    def note(number: int) -> None:
        state = os.fstat(number)
        synced.append((stat.S_ISDIR(state.st_mode), [path.suffix for path in folder.iterdir()]))

    monkeypatch.setattr(os, "fsync", note)
    with open_session(sandbox.endpoint) as session:
        download(session, only(session), folder)
    assert synced == [(False, [".part"]), (True, [""])]


# --- limits


def test_file_above_the_limit(bank: Bank, folder: Path) -> None:
    bank.put("a.xml")
    assert refused(bank, folder, max_bytes=len(CONTENT) - 1).permanent


def test_a_file_is_settled_when_it_has_lain_still_long_enough() -> None:
    just_after = datetime.fromtimestamp(OLD + 59, UTC)
    assert not RemoteFile("a.xml", 1, OLD).settled(60, just_after)
    assert RemoteFile("a.xml", 1, OLD).settled(60, just_after + timedelta(seconds=1))
    assert RemoteFile("a.xml", 1, OLD).settled(0, just_after)


def test_folder_with_too_many_entries(sandbox: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banks.sftp_listing.MAX_ENTRIES", 3)
    assert MAX_ENTRIES >= 10_000
    for number in range(4):
        sandbox.put(f"{number}.xml", b"")
    with open_session(sandbox.endpoint) as session, pytest.raises(TransferError, match="at most 3") as caught:
        list_files(session)
    assert caught.value.permanent


# --- names

HOSTILE = [
    b"../../etc/cron.d/x.xml",
    b"..\\x.xml",
    b"/etc/passwd",
    b"a/b.xml",
    b"bad\xff.xml",
    b"nul\0.xml",
    b"new\nline.xml",
    b"\x1b[2J.xml",
    "\u202elmx.exe".encode(),
    b"n" * 252 + b".xml",
]


def test_hostile_names_are_left_alone_and_reported(
    sandbox: Bank, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert sandbox.server is not None
    sandbox.put("good.xml")
    sandbox.server.faults.phantom_names = [b".", b"..", *HOSTILE]
    with open_session(sandbox.endpoint) as session:
        assert only(session).name == "good.xml"
        assert len(session.refused) == len(HOSTILE)
        assert all(entry.shown.isascii() and entry.shown.isprintable() for entry in session.refused)
        for raw in HOSTILE:
            remote = RemoteFile(raw.decode("utf-8", "surrogateescape"), 1, OLD)
            with pytest.raises(TransferError) as caught:
                download(session, remote, folder)
            assert caught.value.permanent
    assert "left 10 inbox entries alone" in caplog.text
    assert list(folder.iterdir()) == []


def a_hostile_name(rng: random.Random) -> bytes:
    """A name of random bytes, or a decent one spoilt in one place."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(1, 300))
    spoilt = rng.choice(
        [b"/", b"\\", b"\0", b"\n", b"\x1b[2J", b"\xff", "\u202e".encode(), "\u200b".encode(), b"../", b"n" * 300]
    )
    name = f"SK{rng.randrange(10**6)}.xml".encode()
    at = rng.randrange(len(name) + 1)
    return name[:at] + spoilt + name[at:]


def test_a_thousand_hostile_names_harm_nothing(sandbox: Bank, folder: Path) -> None:
    assert sandbox.server is not None
    sandbox.put("good.xml")
    rng = random.Random(48)
    names = {a_hostile_name(rng) for _ in range(1000)}
    sandbox.server.faults.phantom_names = sorted(names)
    with open_session(sandbox.endpoint) as session:
        taken = list_files(session)
        assert len(session.refused) + len(taken) == len(names) + 1
        assert len(session.refused) > 900
        assert all(os.path.basename(file.name) == file.name and file.name.isprintable() for file in taken)
        for raw in names:
            with pytest.raises(TransferError):
                download(session, RemoteFile(raw.decode("utf-8", "surrogateescape"), 1, OLD), folder)
        assert session.alive
    assert list(folder.iterdir()) == []


@pytest.mark.sshd
def test_hostile_names_on_a_real_disk(sshd: Bank) -> None:
    for raw in (b"bad\xff.xml", b"new\nline.xml", b"back\\slash.xml"):
        Path(os.fsdecode(os.fsencode(sshd.inbox) + b"/" + raw)).touch()
    sshd.put("good.xml")
    with open_session(sshd.endpoint) as session:
        assert only(session).name == "good.xml"
        assert len(session.refused) == 3


def test_empty_name_in_a_listing_is_refused(sandbox: Bank) -> None:
    assert sandbox.server is not None
    sandbox.server.faults.phantom_names = [b""]
    with open_session(sandbox.endpoint) as session, pytest.raises(TransferError, match="expected a name"):
        list_files(session)


@given(st.text(max_size=300))
def test_a_trusted_name_stays_in_its_folder(name: str) -> None:
    if fault_of(name) == "":
        assert os.path.normpath(f"/in/{name}") == f"/in/{name}"
        assert os.path.basename(f"/in/{name}") == name
        assert len(name.encode()) <= 255
        assert name.isprintable() or any(character.isspace() or ord(character) > 0x7F for character in name)


@given(st.binary(max_size=300))
def test_a_shown_name_is_safe_in_a_log(raw: bytes) -> None:
    assert shown(raw).isascii()
    assert shown(raw).isprintable()
    assert len(shown(raw)) <= 80


def test_a_shown_name_hides_account_numbers() -> None:
    assert shown("SK_0011002233445_20250131.xml") == "S*_*445_20250131.xml"


# --- housekeeping


def test_leftovers_of_killed_downloads_are_removed(folder: Path) -> None:
    now = datetime.fromtimestamp(OLD + 7200, UTC)
    for name, age in (("fetch-old.part", 3601), ("fetch-young.part", 60), ("a" * 64, 9999), ("b" * 64, 5)):
        (folder / name).touch()
        os.utime(folder / name, (now.timestamp() - age,) * 2)
    assert remove_leftovers(folder, now, timedelta(hours=1)) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["b" * 64, "fetch-young.part"]


def test_sessions_leave_no_thread_behind(bank: Bank, folder: Path) -> None:
    before = set(threading.enumerate())
    bank.put("a.xml")
    for _ in range(3):
        with open_session(bank.endpoint) as session:
            download(session, only(session), folder)
        assert lingering(before) == []


def test_fingerprint_is_openssh_s(tmp_path: Path) -> None:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        pytest.skip("ssh-keygen is not installed")
    (tmp_path / "key.pub").write_text(PUBLIC + "\n")
    said = subprocess.run([tool, "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True).stdout
    (blob,) = read_public_keys(PUBLIC)
    assert said.split()[1] == fingerprint(blob)


def test_hostile_attribute_counts_are_refused() -> None:
    message = Message()
    message.add_int(0x80000000)
    message.add_int(2**32 - 1)
    message.rewind()
    with pytest.raises(SFTPError, match="extended attributes"):
        sftp_protocol.state_of(message)


@pytest.mark.parametrize(("claimed", "present"), [(100, 5), (0, 0), (101, 101), (2**31, 100)])
def test_data_that_is_not_what_it_claims_is_refused(claimed: int, present: int) -> None:
    message = Message(claimed.to_bytes(4, "big") + bytes(present))
    replies = sftp_protocol.Replies()
    replies._async_response(CMD_DATA, message, 1)
    with pytest.raises(SFTPError, match="expected 1 to 100 bytes"):
        ReadingClient._block(ReadingClient.__new__(ReadingClient), replies, 1, 100)
