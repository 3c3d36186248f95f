import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko import AuthenticationException, SFTPClient, SSHException, Transport

from banks.sandbox.sftp_folder import _names
from banks.sandbox.sftp_server import SandboxSftpServer, new_key, serve
from banks.sftp import SftpEndpoint, list_files, open_session

PRIVATE, PUBLIC = new_key()
Connect = Callable[[], SFTPClient]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxSftpServer]:
    folder = tmp_path / "served"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.xml").write_bytes(b"hello")
    (folder / "sub" / "b.xml").write_bytes(b"deep")
    (tmp_path / "secret.txt").write_text("outside")
    with SandboxSftpServer(folder, tmp_path / "host_key", username="evn", password="right") as running:
        yield running


@pytest.fixture
def connect(server: SandboxSftpServer) -> Iterator[Connect]:
    """paramiko's own client: what others would use."""
    transports = []

    def client() -> SFTPClient:
        transport = Transport(socket.create_connection(("127.0.0.1", server.port)))
        transports.append(transport)
        transport.connect(username="evn", password="right")
        found = SFTPClient.from_transport(transport)
        assert found is not None
        return found

    yield client
    for transport in transports:
        transport.close()
        transport.join()


def test_serves_folder_and_subfolder(connect: Connect) -> None:
    client = connect()
    assert sorted(client.listdir()) == ["a.xml", "sub"]
    assert client.open("/sub/b.xml").read() == b"deep"
    assert client.stat("a.xml").st_size == 5
    assert client.normalize("sub/..") == "/"
    assert "a.xml" in str(client.listdir_attr()[0])


@pytest.mark.parametrize("path", ["../secret.txt", "/../../secret.txt", "sub/../../secret.txt", "/etc/passwd", "a\0b"])
def test_no_path_leads_outside(connect: Connect, path: str) -> None:
    client = connect()
    for ask in (client.open, client.stat, client.lstat, client.listdir):
        with pytest.raises(OSError):  # noqa: PT011 - which code the server picks is of no interest
            ask(path)


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/passwd", ".."])
def test_no_link_leads_outside(server: SandboxSftpServer, connect: Connect, target: str) -> None:
    (server.folder / "link").symlink_to(target)
    client = connect()
    for path in ("link", "link/secret.txt", "link/served/a.xml"):
        with pytest.raises(OSError):  # noqa: PT011 - which code the server picks is of no interest
            client.open(path)
    assert stat.S_ISLNK(client.stat("link").st_mode or 0)
    with pytest.raises(OSError):  # noqa: PT011 - which code the server picks is of no interest
        client.listdir("link")


@given(st.text(st.sampled_from("./\\a"), max_size=30))
def test_walked_names_never_climb(path: str) -> None:
    assert not {"", ".", ".."} & set(_names(path))
    assert not any("/" in name for name in _names(path))


def test_nothing_can_be_changed(server: SandboxSftpServer, connect: Connect) -> None:
    client = connect()
    attempts: list[Callable[[], object]] = [
        lambda: client.open("new.xml", "w"),
        lambda: client.open("a.xml", "a"),
        lambda: client.open("a.xml", "r+"),
        lambda: client.remove("a.xml"),
        lambda: client.rename("a.xml", "c.xml"),
        lambda: client.posix_rename("a.xml", "c.xml"),
        lambda: client.mkdir("more"),
        lambda: client.rmdir("sub"),
        lambda: client.chmod("a.xml", 0),
        lambda: client.truncate("a.xml", 0),
        lambda: client.symlink("a.xml", "l.xml"),
    ]
    for attempt in attempts:
        with pytest.raises(OSError):  # noqa: PT011 - which code the server picks is of no interest
            attempt()
    assert (server.folder / "a.xml").read_bytes() == b"hello"
    assert sorted(os.listdir(server.folder)) == ["a.xml", "sub"]


def test_a_pipe_is_not_opened(server: SandboxSftpServer, connect: Connect) -> None:
    os.mkfifo(server.folder / "pipe")
    with pytest.raises(PermissionError):
        connect().open("pipe")


def test_wrong_password_and_no_shell(server: SandboxSftpServer, connect: Connect) -> None:
    stranger = Transport(socket.create_connection(("127.0.0.1", server.port)))
    with stranger, pytest.raises(AuthenticationException):
        stranger.connect(username="evn", password="wrong")
    stranger.join()
    with pytest.raises(SSHException):
        connect().sock.get_transport().open_session().exec_command("id")


def test_several_clients_at_once(server: SandboxSftpServer) -> None:
    endpoint = SftpEndpoint("127.0.0.1", server.port, "evn", server.host_key, password="right", inbox="/")
    together = threading.Barrier(6)

    def visit(_: int) -> list[str]:
        with open_session(endpoint) as session:
            together.wait(20)  # everybody is signed in at the same time
            return [file.name for file in list_files(session)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(visit, range(6))) == [["a.xml"]] * 6


def test_host_key_is_kept_and_private(tmp_path: Path) -> None:
    key = tmp_path / "host_key"
    first, second = (SandboxSftpServer(tmp_path, key, username="evn", password="x").host_key for _ in range(2))
    assert first == second
    assert first.startswith("ssh-ed25519 ")
    assert key.stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path) == ["host_key"]


def test_stopping_leaves_no_thread_and_no_port(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with SandboxSftpServer(tmp_path, tmp_path / "key", username="evn", password="x") as server:
        endpoint = SftpEndpoint("127.0.0.1", server.port, "evn", server.host_key, password="x")
        halfway = socket.create_connection(("127.0.0.1", server.port))  # a client that never says anything
        with open_session(endpoint):
            pass
    assert [thread for thread in threading.enumerate() if thread not in before] == []
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", server.port))
    halfway.close()


def test_serve_blocks_until_told_to_stop(tmp_path: Path) -> None:
    stopping, ready = threading.Event(), threading.Event()
    servers: list[SandboxSftpServer] = []

    def note(server: SandboxSftpServer) -> None:
        servers.append(server)
        ready.set()

    options = {"username": "evn", "authorized_keys": [PUBLIC], "ready": note, "stopping": stopping}
    thread = threading.Thread(target=serve, args=(tmp_path, tmp_path / "key"), kwargs=options)
    thread.start()
    try:
        assert ready.wait(10)
        endpoint = SftpEndpoint("127.0.0.1", servers[0].port, "evn", servers[0].host_key, private_key=PRIVATE)
        with open_session(endpoint) as session:
            assert [file.name for file in list_files(session)] == ["key"]
    finally:
        stopping.set()
        thread.join(10)
    assert not thread.is_alive()
