import hashlib
import os
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paramiko import Message
from paramiko.sftp import CMD_STATUS, CMD_VERSION

from banks.errors import Misconfigured, TransferError
from banks.sandbox.sftp_folder import Fault
from banks.sftp import open_session
from banks.sftp_protocol import BLOCK, WINDOW
from banks.sftp_upload import Uploaded, upload
from banks.sftp_writing import FSYNC, POSIX_RENAME, WritingClient
from tests.banks.sftp_bank import CONTENT, Bank, sandbox_bank, sshd_bank

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Bank]:
    """A plain server that may be written to, with faults."""
    with sandbox_bank(tmp_path, writable=True) as running:
        yield with_outbox(running)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Bank]:
    with sshd_bank(tmp_path) as running:
        yield with_outbox(running)


@pytest.fixture(params=["sandbox", pytest.param("sshd", marks=pytest.mark.sshd)])
def bank(request: pytest.FixtureRequest) -> Bank:
    found: Bank = request.getfixturevalue(request.param)
    return found


def with_outbox(bank: Bank) -> Bank:
    (bank.inbox / "out").mkdir()
    (bank.inbox / "tmp").mkdir()
    root = bank.endpoint.inbox.rstrip("/")
    bank.endpoint = replace(bank.endpoint, outbox=f"{root}/out")
    return bank


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "debits.xml"
    path.write_bytes(CONTENT)
    return path


def send(bank: Bank, ours: Path, name: str = "debits.xml") -> Uploaded:
    with open_session(bank.endpoint) as session:
        return upload(session, ours, name)


def refused(bank: Bank, ours: Path) -> TransferError:
    with pytest.raises(TransferError) as caught:
        send(bank, ours)
    return caught.value


def outbox(bank: Bank) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((bank.inbox / "out").iterdir())}


# --- what goes well


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK * WINDOW + 1])
def test_a_file_arrives_whole_under_its_name(bank: Bank, ours: Path, size: int) -> None:
    content = (CONTENT * (size // len(CONTENT) + 1))[:size]
    ours.write_bytes(content)
    done = send(bank, ours, "ghi nợ 01.xml")
    assert done == Uploaded("ghi nợ 01.xml", size, hashlib.sha256(content).hexdigest(), already_there=False)
    assert outbox(bank) == {"ghi nợ 01.xml": content}


def test_the_same_upload_again_changes_nothing(bank: Bank, ours: Path) -> None:
    send(bank, ours)
    before = (bank.inbox / "out" / "debits.xml").stat()
    assert send(bank, ours).already_there
    after = (bank.inbox / "out" / "debits.xml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert outbox(bank) == {"debits.xml": CONTENT}


@pytest.mark.parametrize("staging", ["", "tmp"])
def test_what_an_earlier_try_left_is_replaced(bank: Bank, ours: Path, staging: str) -> None:
    bank.endpoint = replace(bank.endpoint, staging=bank.endpoint.inbox.rstrip("/") + "/" + staging if staging else "")
    part = bank.inbox / (staging or "out") / "debits.xml.part"
    part.write_bytes(CONTENT + b"longer than what comes now")
    assert not send(bank, ours).already_there
    assert outbox(bank) == {"debits.xml": CONTENT}
    part.write_bytes(b"left between the two steps of a rename")
    assert send(bank, ours).already_there
    assert not part.exists()


def test_twenty_megabytes_leave_in_bounded_memory(bank: Bank, ours: Path) -> None:
    content = os.urandom(1 << 20) * 20
    ours.write_bytes(content)
    with open_session(bank.endpoint) as session:
        tracemalloc.start()
        try:
            done = upload(session, ours, "large.xml")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert (bank.inbox / "out" / "large.xml").read_bytes() == content
    assert peak < 12 << 20


@pytest.mark.sshd
def test_openssh_is_asked_to_flush_before_the_name_is_given(
    sshd: Bank, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[list[str]] = []
    request = WritingClient._request

    def noting(self: WritingClient, kind: int, *args: object) -> tuple[int, Message]:
        assert {FSYNC, POSIX_RENAME} <= self.extensions
        answer = request(self, kind, *args)
        if args[0] == FSYNC:
            flushed.append(list(outbox(sshd)))
        return answer

    monkeypatch.setattr(WritingClient, "_request", noting)
    send(sshd, ours)
    assert flushed == [["debits.xml.part"]]


def test_a_server_without_extensions_is_not_asked_for_them(sandbox: Bank, ours: Path) -> None:
    with open_session(sandbox.endpoint) as session:
        assert FSYNC not in session.link.client.extensions
        assert not upload(session, ours, "debits.xml").already_there


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".ok", b""),
        (".md5", hashlib.md5(CONTENT).hexdigest().encode() + b"  debits.xml\n"),
        (".sha256", SHA256.encode() + b"  debits.xml\n"),
    ],
)
def test_our_marker_follows_the_file(bank: Bank, ours: Path, ending: str, content: bytes) -> None:
    bank.endpoint = replace(bank.endpoint, upload_marker=ending)
    for _ in range(2):
        send(bank, ours)
        assert outbox(bank) == {"debits.xml": CONTENT, "debits.xml" + ending: content}
    (bank.inbox / "out" / ("debits.xml" + ending)).unlink()
    assert send(bank, ours).already_there
    assert ("debits.xml" + ending) in outbox(bank), "a try that was cut off before the marker is completed"


def test_no_marker_stands_before_its_file_does(sandbox: Bank, ours: Path) -> None:
    assert sandbox.server is not None
    sandbox.endpoint = replace(sandbox.endpoint, upload_marker=".ok")
    sandbox.server.faults.plan(Fault.FULL, after=60_000)
    refused(sandbox, ours)
    assert outbox(sandbox) == {}


def test_reading_back_finds_what_the_server_garbled(sandbox: Bank, ours: Path) -> None:
    assert sandbox.server is not None
    for read_back in (False, True):
        sandbox.endpoint = replace(sandbox.endpoint, read_back=read_back)
        sandbox.server.faults.plan(Fault.GARBLE, after=40_000)
        if not read_back:
            send(sandbox, ours)
            assert outbox(sandbox)["debits.xml"] != CONTENT, "the size alone does not tell"
            (sandbox.inbox / "out" / "debits.xml").unlink()
        else:
            error = refused(sandbox, ours)
            assert "expected to read back" in str(error)
            assert not error.permanent
            assert outbox(sandbox) == {}
    assert not send(sandbox, ours).already_there


# --- a name that is taken


@pytest.mark.parametrize(
    ("theirs", "said"),
    [(b"short", "one of 5 bytes where ours has 102400"), (bytes(len(CONTENT)), "same size and other content")],
)
def test_another_file_of_that_name_is_never_overwritten(bank: Bank, ours: Path, theirs: bytes, said: str) -> None:
    (bank.inbox / "out" / "debits.xml").write_bytes(theirs)
    error = refused(bank, ours)
    assert error.permanent
    assert said in str(error)
    assert outbox(bank) == {"debits.xml": theirs}


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_name_taken_by_something_else_is_left_alone(bank: Bank, ours: Path, kind: str) -> None:
    target = bank.inbox / "out" / "debits.xml"
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    error = refused(bank, ours)
    assert error.permanent
    assert "no regular file" in str(error)
    assert os.listdir(bank.inbox / "out") == ["debits.xml"]


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    bank: Bank, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = WritingClient.finish

    def finish_late(self: WritingClient, handle: bytes) -> None:
        finish(self, handle)
        (bank.inbox / "out" / "debits.xml").write_bytes(b"another")

    with monkeypatch.context() as patched:
        patched.setattr(WritingClient, "finish", finish_late)
        assert "a file has that name already" in str(refused(bank, ours))
    assert outbox(bank) == {"debits.xml": b"another"}
    assert refused(bank, ours).permanent


@pytest.mark.sshd
def test_a_server_that_knows_only_the_other_rename_is_asked_for_that(
    sshd: Bank, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = WritingClient._request

    def without_rename(self: WritingClient, kind: int, *args: object) -> tuple[int, Message]:
        if kind == 18:
            raise OSError("Operation unsupported")
        return request(self, kind, *args)

    monkeypatch.setattr(WritingClient, "_request", without_rename)
    send(sshd, ours)
    assert outbox(sshd) == {"debits.xml": CONTENT}
    (sshd.inbox / "out" / "debits.xml").write_bytes(b"another")
    with open_session(sshd.endpoint) as session, pytest.raises(FileExistsError):
        session.link.client.give_name(f"{sshd.inbox}/out/nothing", f"{sshd.inbox}/out/debits.xml")


# --- what goes wrong on the way


@pytest.mark.parametrize("after", [0, 60_000, len(CONTENT) - 1])
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.FULL, Fault.LOSE])
def test_a_try_that_fails_leaves_no_file_and_the_next_one_succeeds(
    sandbox: Bank, ours: Path, fault: Fault, after: int
) -> None:
    assert sandbox.server is not None
    # A write lost in the middle leaves a hole, and the right size.
    sandbox.endpoint = replace(sandbox.endpoint, read_back=fault is Fault.LOSE and after < len(CONTENT) - 1)
    sandbox.server.faults.plan(fault, after=after)
    error = refused(sandbox, ours)
    assert not error.permanent
    assert set(outbox(sandbox)) <= ({"debits.xml.part"} if fault is Fault.DROP else set())
    assert not send(sandbox, ours).already_there
    assert outbox(sandbox) == {"debits.xml": CONTENT}


def test_a_stall_ends_in_time(sandbox: Bank, ours: Path) -> None:
    assert sandbox.server is not None
    sandbox.server.faults.plan(Fault.STALL, after=60_000)
    usual = sandbox.endpoint
    sandbox.endpoint = replace(usual, channel_timeout=1)
    begun = time.monotonic()
    error = refused(sandbox, ours)
    assert "no answer in time" in str(error)
    assert not error.permanent
    assert time.monotonic() - begun < 5
    sandbox.endpoint = usual
    assert not send(sandbox, ours).already_there
    assert outbox(sandbox) == {"debits.xml": CONTENT}


def test_the_overall_deadline_ends_an_upload(sandbox: Bank, ours: Path) -> None:
    now = 100.0
    with open_session(sandbox.endpoint, clock=lambda: now) as session:
        now += sandbox.endpoint.deadline
        with pytest.raises(TransferError, match="whole exchange within 900 s"):
            upload(session, ours, "debits.xml")
    assert outbox(sandbox) == {}


STEPS = ["create", "write", "flush_to_disk", "finish", "give_name", "erase", "state_of_name"]


class Killed(BaseException):
    """The process ends here, as far as the upload can tell."""


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_a_try_killed_at_any_step_is_finished_by_the_next(
    bank: Bank, ours: Path, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    bank.endpoint = replace(bank.endpoint, upload_marker=".ok", read_back=True)
    act: Callable[..., object] = getattr(WritingClient, step)

    def killed(self: WritingClient, *args: object) -> object:
        if not before:
            act(self, *args)
        self.get_channel().get_transport().close()  # nothing the process would still say reaches the bank
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(WritingClient, step, killed)
        with pytest.raises(Killed):
            send(bank, ours)
    assert outbox(bank).get("debits.xml") in (None, CONTENT)
    send(bank, ours)
    assert outbox(bank) == {"debits.xml": CONTENT, "debits.xml.ok": b""}


def test_our_own_file_changing_is_noticed(bank: Bank, ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = WritingClient.create

    def change_then_create(self: WritingClient, path: str) -> bytes:
        ours.write_bytes(CONTENT[::-1])
        return create(self, path)

    monkeypatch.setattr(WritingClient, "create", change_then_create)
    assert "our own file changed" in str(refused(bank, ours))
    assert outbox(bank) == {}


def test_our_own_file_missing_is_told(bank: Bank, ours: Path) -> None:
    ours.unlink()
    assert "our own file can't be read: No such file" in str(refused(bank, ours))
    assert outbox(bank) == {}


@pytest.mark.sshd
def test_a_disk_that_is_really_full_keeps_no_part_and_takes_the_file_once_there_is_room(sshd: Bank, ours: Path) -> None:
    place = sshd.inbox / "out"
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk; the sandbox's server plays a full one")
    try:
        (place / "other").write_bytes(CONTENT[:60_000])
        error = refused(sshd, ours)
        assert not error.permanent
        assert os.listdir(place) == ["other"]
        (place / "other").unlink()
        assert not send(sshd, ours).already_there
        assert outbox(sshd) == {"debits.xml": CONTENT}
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.sshd
def test_a_read_only_outbox_is_for_a_person(tmp_path: Path, ours: Path) -> None:
    with sshd_bank(tmp_path, options="-R") as running:
        error = refused(with_outbox(running), ours)
        assert error.permanent
        assert "ermission denied" in str(error)
        assert outbox(running) == {}


def test_a_missing_outbox_is_for_a_person(bank: Bank, ours: Path) -> None:
    bank.endpoint = replace(bank.endpoint, outbox=bank.endpoint.outbox + "/nowhere")
    assert refused(bank, ours).permanent
    bank.endpoint = replace(bank.endpoint, outbox="")
    with pytest.raises(Misconfigured, match="outbox"):
        send(bank, ours)


@pytest.mark.parametrize("name", ["../debits.xml", "a/b", "a\\b", "", "..", "a\nb", "n" * 251])
def test_a_name_that_could_harm_is_refused(sandbox: Bank, ours: Path, name: str) -> None:
    with pytest.raises(TransferError) as caught:
        send(sandbox, ours, name)
    assert caught.value.permanent
    assert outbox(sandbox) == {}


def test_only_one_of_two_uploads_at_once_can_write_a_part(bank: Bank) -> None:
    with open_session(bank.endpoint) as first, open_session(bank.endpoint) as second:
        handle = first.link.client.create(f"{bank.endpoint.outbox}/x.part")
        with pytest.raises(OSError):  # noqa: PT011 - which code the server picks is of no interest
            second.link.client.create(f"{bank.endpoint.outbox}/x.part")
        first.link.client.finish(handle)


# --- replies


@given(st.lists(st.binary(max_size=20), max_size=8), st.binary(max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_list_of_extensions_is_read_or_ignored(names: list[bytes], rest: bytes) -> None:
    reply = Message()
    reply.add_int(3)
    for name in names:
        reply.add_string(name)
        reply.add_string(b"1")
    client = WritingClient.__new__(WritingClient)
    client._send_packet = lambda *_: None
    client._read_packet = lambda: (CMD_VERSION, reply.asbytes() + rest)
    assert client._send_version() == 3
    assert {name.decode("ascii", "replace") for name in names} <= client.extensions


def test_a_reply_that_is_no_status_is_refused(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def data_for(self: WritingClient, replies: object, number: int) -> tuple[int, Message]:
        return CMD_STATUS + 2, Message()

    monkeypatch.setattr(WritingClient, "_answer", data_for)
    with open_session(bank.endpoint) as session, pytest.raises(TransferError, match="expected a status"):  # noqa: PT012
        client = session.link.client
        with session.link.speaking("writing"):
            client.write(client.create(f"{bank.endpoint.outbox}/x.part"), iter([b"x"]))


def test_a_window_of_writes_is_all_that_is_under_way(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most = 0, 0
    ask, answer = WritingClient._async_request, WritingClient._answer

    def asking(self: WritingClient, receiver: object, kind: int, *args: object) -> int:
        nonlocal under_way, most
        under_way += kind == 6
        most = max(most, under_way)
        return ask(self, receiver, kind, *args)

    def answered(self: WritingClient, *args: object) -> tuple[int, Message]:
        nonlocal under_way
        under_way -= 1
        return answer(self, *args)  # type: ignore[arg-type]  # whatever it is asked with

    monkeypatch.setattr(WritingClient, "_async_request", asking)
    monkeypatch.setattr(WritingClient, "_answer", answered)
    blocks: Iterable[bytes] = (b"x" * 100 for _ in range(3 * WINDOW))
    with open_session(bank.endpoint) as session:
        client = session.link.client
        assert client.write(client.create(f"{bank.endpoint.outbox}/x.part"), blocks) == 300 * WINDOW
    assert most == WINDOW
    assert under_way == 0


def test_uploads_leave_no_thread_behind(bank: Bank, ours: Path) -> None:
    before = set(threading.enumerate())
    send(bank, ours)
    begun = [thread for thread in threading.enumerate() if thread not in before]
    for thread in begun:
        thread.join(2)
    assert [thread for thread in begun if thread.is_alive()] == []
