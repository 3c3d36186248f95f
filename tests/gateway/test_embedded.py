"""The embedded servers: shared by commands, stopped by the last, found again after a kill, honest when they fail."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from gateway.embedded import Embedded, StartError, erase, services
from gateway.embedded.place import SHARED, find_place
from gateway.embedded.postgres import Postgres
from gateway.embedded.valkey import Valkey
from gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the programs in the wheels are recognised by /proc")
AS_ROOT = os.geteuid() == 0
USER = """
import os, sys
from pathlib import Path
import redis
from gateway.embedded import Embedded
if len(sys.argv) > 2:  # become somebody else only now: the interpreter may live where he can't read
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
with Embedded(Path(sys.argv[1]), print) as embedded:
    print(embedded.database_url, embedded.valkey_url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def home():
    """One cluster for the tests that don't hurt it; open to the servers' user, as a clone's `var` is."""
    folder = Path(tempfile.mkdtemp(prefix="doisoat-test-"))
    folder.chmod(0o755)
    yield folder / "var"
    erase(folder / "var", lambda line: None)
    shutil.rmtree(folder)


@pytest.fixture
def said():
    return []


def server_pids(home):
    place = find_place(home, lambda line: None)
    return Postgres(place, print).living() + Valkey(place, print).living()


class Command:
    """Another command that uses the same home, in a process of its own."""

    def __init__(self, home, *user_and_group):
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home), *map(str, user_and_group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.said = ""
        while "unix://" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line

    def leave(self):
        said, _ = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0, said

    def kill(self):
        self.process.kill()
        self.process.communicate()


def rows(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_both_servers_come_up_private_and_durable(home, said):
    with services(Settings(home=home), said.append) as servers:
        assert rows(servers.database_url, "SELECT current_user, current_database()") == [("doisoat", "doisoat")]
        wanted = {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "max_connections": "100",
            "TimeZone": "UTC",
        }
        found = dict(rows(servers.database_url, "SELECT name, setting FROM pg_settings"))
        assert {key: found.get(key) for key in wanted} == wanted
        # Names in capital letters must be found by their small ones, and sort the same on every machine.
        assert rows(servers.database_url, "SELECT lower('NGUYỄN THỊ ĐÀO'), 'Z' < 'a'") == [("nguyễn thị đào", True)]
        assert rows(servers.database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
        with redis.Redis.from_url(servers.valkey_url) as valkey:
            assert valkey.config_get("port")["port"] == "0"
            assert (valkey.config_get("save")["save"], valkey.config_get("appendonly")["appendonly"]) == ("", "no")
        sockets = find_place(home, said.append).sockets
        assert sockets.stat().st_mode & 0o777 == 0o700
        if AS_ROOT:
            assert all(
                Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("doisoat").pw_uid for pid in server_pids(home)
            )
    assert server_pids(home) == []


def test_the_owner_may_become_the_roles_it_creates(home, said):
    with services(Settings(home=home), said.append) as servers, psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE ROLE doisoat_test_app NOLOGIN")
        connection.execute("SET ROLE doisoat_test_app")
        connection.rollback()


def test_the_last_one_out_stops_the_servers(home, said):
    first = Command(home)
    before = server_pids(home)
    with Embedded(home, said.append) as embedded:
        assert set(server_pids(home)) >= {pid for pid in before if Path(f"/proc/{pid}").exists()}
        assert embedded.database_url in first.said
        first.leave()
        assert rows(embedded.database_url, "SELECT 1") == [(1,)], "the first one leaves, the second one works on"
    assert server_pids(home) == []


def test_many_that_start_at_once_share_one_server(home):
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    urls = {command.stdout.readline() for command in commands}
    assert len(urls) == 1
    place = find_place(home, print)
    assert len(Valkey(place, print).living()) == 1
    for command in commands:
        command.communicate("\n", timeout=60)
    assert [command.returncode for command in commands] == [0, 0, 0, 0]
    assert server_pids(home) == []


def test_a_killed_command_leaves_servers_that_the_next_one_finds(home, said):
    command = Command(home)
    place = find_place(home, said.append)
    postmaster = Postgres(place, said.append).main_pid()
    command.kill()
    assert Postgres(place, said.append).main_pid() == postmaster
    with Embedded(home, said.append):
        assert Postgres(place, said.append).main_pid() == postmaster
    assert server_pids(home) == []


def test_killed_servers_are_started_again_with_what_was_committed(home, said):
    with Embedded(home, said.append) as embedded:
        with psycopg.connect(embedded.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        place = find_place(home, said.append)
        os.kill(Postgres(place, said.append).main_pid(), signal.SIGKILL)
        os.kill(Valkey(place, said.append).main_pid(), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not any("is gone" in line for line in said) and time.monotonic() < deadline:
            embedded.ensure_alive()
        embedded.ensure_alive()
        assert rows(embedded.database_url, "TABLE kept") == [(42,)]
        with redis.Redis.from_url(embedded.valkey_url) as valkey:
            assert valkey.ping()
    assert [line for line in said if "is gone" in line] == [
        "PostgreSQL is gone, starting it again",
        "Valkey is gone, starting it again",
    ]


def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(home, said):
    with Embedded(home, said.append):
        pass
    place = find_place(home, said.append)
    data = Postgres(place, said.append).folder
    run_as = place.run_as()
    stranger = subprocess.Popen(["sleep", "60"], **run_as)
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1\n5432\n{place.sockets}\n\n1 1\nready\n")
        with Embedded(home, said.append) as embedded:
            assert rows(embedded.database_url, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_initdb_is_done_again(home, said):
    place = find_place(home, said.append)
    half = Postgres(place, said.append).folder.parent / "data.new.0123"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with Embedded(home, said.append) as embedded:
        assert rows(embedded.database_url, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_cluster_of_another_version_is_one_clear_line(home, said):
    version = Postgres(find_place(home, said.append), said.append).folder / "PG_VERSION"
    with Embedded(home, said.append):
        pass
    version.write_text("17\n")
    try:
        with (
            pytest.raises(StartError, match="expected a cluster of PostgreSQL 18, got one of 17"),
            Embedded(home, print),
        ):
            pass
        assert server_pids(home) == [], "what did start is stopped again"
    finally:
        version.write_text("18\n")


def test_the_servers_own_last_word_is_in_the_error(home, said):
    with Embedded(home, said.append):
        pass
    control = Postgres(find_place(home, said.append), said.append).folder / "global" / "pg_control"
    away = control.with_name("away")
    control.rename(away)
    try:
        with (
            pytest.raises(StartError, match=r"PostgreSQL ended while starting: .*pg_control.*") as caught,
            Embedded(home, print),
        ):
            pass
        assert "\n" not in str(caught.value)
    finally:
        away.rename(control)


def test_an_interrupted_start_leaves_nothing_running(home, said, monkeypatch):
    def interrupted(self):
        assert server_pids(home), "PostgreSQL is up already"
        raise KeyboardInterrupt

    monkeypatch.setattr(Valkey, "ensure", interrupted)
    with pytest.raises(KeyboardInterrupt), Embedded(home, said.append):
        pass
    assert server_pids(home) == []


def test_a_home_that_can_not_be_made_is_one_clear_line(tmp_path, said):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StartError, match="/file/var: Not a directory"),
        Embedded(tmp_path / "file" / "var", said.append),
    ):
        pass


def test_a_full_disk_is_one_clear_line(said):
    """Uses a tmpfs of 8 MB, which only root can mount, and not in every container."""
    folder = Path(tempfile.mkdtemp(prefix="doisoat-test-"))
    folder.chmod(0o755)
    mounted = (
        AS_ROOT
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "tmpfs", folder], check=False, capture_output=True
        ).returncode
    )
    try:
        if not mounted:
            pytest.skip("can't mount a small file system here")
        with (
            pytest.raises(StartError, match=r"initdb failed in .*: No space left on device") as caught,
            Embedded(folder, said.append),
        ):
            pass
        assert "\n" not in str(caught.value)
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)
        shutil.rmtree(folder)


def test_urls_from_the_settings_start_nothing(tmp_path, said):
    settings = Settings(home=tmp_path / "var", database_url="postgresql://db/x", valkey_url="redis://v")
    with services(settings, said.append) as servers:
        assert (servers.database_url, servers.valkey_url) == ("postgresql://db/x", "redis://v")
        servers.ensure_alive()
    assert not (tmp_path / "var").exists()


def test_only_the_missing_one_is_started(home, said):
    with services(Settings(home=home, database_url="postgresql://db/x"), said.append) as servers:
        assert servers.database_url == "postgresql://db/x"
        with redis.Redis.from_url(servers.valkey_url) as valkey:
            assert valkey.ping()
        assert not Postgres(find_place(home, said.append), said.append).living()


def test_erase_refuses_while_a_command_uses_the_servers(home, said):
    with Embedded(home, said.append), pytest.raises(StartError, match="another command is still running"):
        erase(home, said.append)


def test_a_path_too_long_for_a_socket_gets_a_short_one(said):
    folder = Path(tempfile.mkdtemp(prefix="doisoat-test-"))
    folder.chmod(0o755)
    home = folder / ("thư mục " + "dài" * 30)
    try:
        with services(Settings(home=home, database_url="postgresql://db/x"), said.append) as servers:
            assert servers.valkey_url.startswith("unix:///tmp/doisoat-")
            with redis.Redis.from_url(servers.valkey_url) as valkey:
                assert valkey.ping()
        erase(home, said.append)
        assert not Path(servers.valkey_url.removeprefix("unix://")).parent.exists()
    finally:
        shutil.rmtree(folder)


def test_a_strangers_folder_in_the_way_of_the_sockets_is_refused(home, said):
    place = find_place(home, said.append)
    place.sockets.chmod(0o777)
    try:
        with pytest.raises(StartError, match=r"expected a folder of user .* mode 0700, got .* mode 0777"):
            find_place(home, said.append)
    finally:
        place.sockets.chmod(0o700)


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the servers as somebody else")
def test_a_home_closed_to_the_servers_user_is_served_from_elsewhere(tmp_path, said):
    home = tmp_path / "closed" / "var"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    try:
        with Embedded(home, said.append) as embedded:
            assert rows(embedded.database_url, "SELECT 1") == [(1,)]
            folder = find_place(home, said.append).folder
            assert folder.parent == SHARED
        home.parent.chmod(0o755)
        assert find_place(home, said.append).folder == folder, "data stays where it is when rights change"
        assert home.parent.stat().st_mode & 0o777 == 0o755
    finally:
        erase(home, said.append)
    assert not folder.exists()
    assert [line for line in said if "is closed to user" in line]


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_an_ordinary_user_runs_the_servers_as_himself_and_root_joins_in(said):
    folder = Path(tempfile.mkdtemp(prefix="doisoat-test-"))
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    home = folder / "var"
    try:
        if find_place(folder, said.append).programs.postgres.is_relative_to(SHARED):
            pytest.skip("an ordinary user can't reach the programs of this clone")
        shutil.rmtree(folder / "sockets")
        command = Command(home, nobody.pw_uid, nobody.pw_gid)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in server_pids(home)} == {nobody.pw_uid}
        with Embedded(home, said.append) as embedded:
            assert rows(embedded.database_url, "SELECT 1") == [(1,)]
            command.leave()
        assert server_pids(home) == []
        with Embedded(home, said.append) as embedded:
            assert rows(embedded.database_url, "SELECT 1") == [(1,)], "root may also be the one who starts them"
        Command(home, nobody.pw_uid, nobody.pw_gid).leave()
        erase(home, said.append)
    finally:
        shutil.rmtree(folder)
