"""The supervisor with real processes: what dies returns without its orphans; nothing outlives a stop or a kill."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import supervisor
from gateway.supervisor import Program, run
from gateway.supervisor_guard import members

ROOT = Path(__file__).resolve().parents[2]
# A program that leaves a worker in a process group of its own, as RQ does, and tells who they are.
WITH_WORKER = """
import os, sys, time
child = os.fork()
if not child:
    os.setpgid(0, 0)
    time.sleep(60)
print(f"main {os.getpid()} worker {child}")
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"


def python(name: str, code: str, **env: str) -> Program:
    return Program(name, [sys.executable, "-I", "-S", "-u", "-c", code], env)


class Lines(io.RawIOBase):
    """An output that can be waited on."""

    def __init__(self):
        self.text = ""
        self.more = threading.Condition()

    def write(self, data):
        with self.more:
            self.text += bytes(data).decode()
            self.more.notify_all()
        return len(data)

    def wait_for(self, wanted, seconds=10):
        with self.more:
            assert self.more.wait_for(lambda: wanted(self.text), seconds), self.text


@contextmanager
def running(*programs, **options):
    """Run the supervisor on a thread; yields its output and its result, which is there after the block."""
    out, stop, result = Lines(), threading.Event(), []
    thread = threading.Thread(target=lambda: result.append(run(programs, stop_event=stop, out=out, **options)))
    thread.start()
    try:
        yield out, result
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def gone(pids, seconds=5):
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False


def pids(text):
    """(main, worker) pairs, in the order in which they were told."""
    return [(int(main), int(worker)) for main, worker in re.findall(r"main (\d+) worker (\d+)\n", text)]


def test_output_is_told_apart_and_a_stop_ends_everything():
    with running(
        python(
            "web",
            "import os, time; print(os.environ['GREETING']); print('two\\nlines'); time.sleep(60)",
            GREETING="xin chào",
        ),
        python("beat", WITH_WORKER),
    ) as (out, result):
        out.wait_for(lambda text: "lines" in text and pids(text))
    assert result == [0]
    assert "web     │ xin chào\nweb     │ two\nweb     │ lines\n" in out.text
    assert "beat    │ main" in out.text
    assert gone(pids(out.text)[0])


def test_a_killed_program_comes_back_and_its_worker_does_not_live_beside_the_new_one():
    with running(python("worker", WITH_WORKER)) as (out, _):
        out.wait_for(pids)
        main, worker = pids(out.text)[0]
        os.kill(main, signal.SIGKILL)
        out.wait_for(lambda text: len(pids(text)) == 2)
        assert not is_alive(worker)
        assert "worker  │ ended (SIGKILL), starting it again" in out.text


def test_last_words_without_a_line_break_are_not_lost():
    with running(python("web", "import sys, time; sys.stdout.write('last words'); sys.exit(3)")) as (out, _):
        out.wait_for(lambda text: "exit status 3" in text)
    assert "web     │ last words\n" in out.text


@pytest.mark.parametrize("program", [python("bad", "raise SystemExit(3)"), Program("bad", ["/nowhere/program"])])
def test_a_program_that_can_not_live_stops_everything(monkeypatch, program):
    monkeypatch.setattr(supervisor, "_FIRST_DELAY", 0.01)
    out = Lines()
    assert run([program, python("good", WITH_WORKER)], out=out) == 1
    assert "doisoat │ bad died 5 times within its first second: stopping everything" in out.text
    assert gone([pid for pair in pids(out.text) for pid in pair])


def test_the_pause_between_restarts_grows_and_health_forgives():
    child = supervisor._Child(python("x", ""))
    pauses = []
    for start in (0, 100.5, 200.5):
        child.started_at = start
        child.died(start + 0.5)
        pauses.append(round(child.due_at - start - 0.5, 3))
    assert (pauses, child.quick_deaths) == ([0.2, 0.4, 0.8], 3)
    for _ in range(9):
        child.died(child.started_at + 2)
    assert (child.due_at - child.started_at - 2, child.quick_deaths) == (5.0, 0)
    child.died(child.started_at + 10)
    assert round(child.due_at - child.started_at - 10, 3) == 0.2


def test_a_deaf_program_is_killed_when_patience_ends():
    with running(python("web", DEAF), grace_seconds=0.2) as (out, result):
        out.wait_for(lambda text: "deaf" in text)
    assert "web     │ does not stop, killing it" in out.text
    assert result == [0]


def test_the_watch_is_called_and_its_failure_ends_nothing(monkeypatch):
    monkeypatch.setattr(supervisor, "_WATCH_SECONDS", 0.05)
    calls = []

    def watch():
        calls.append(1)
        if len(calls) < 3:
            raise OSError("the disk is full")

    with running(python("web", "import time; time.sleep(60)"), watch=watch) as (out, result):
        out.wait_for(lambda text: "doisoat │ OSError: the disk is full" in text)
        deadline = time.monotonic() + 10
        while len(calls) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(calls) >= 3
    assert out.text.count("the disk is full") == 1
    assert result == [0]


@pytest.fixture
def standalone(tmp_path):
    """A supervisor in a process of its own, running one program with a worker and one that is deaf to SIGTERM."""
    script = f"""
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup has it ignored
sys.path.insert(0, {str(ROOT)!r})
from gateway import supervisor_guard
from gateway.supervisor import Program, run
argv = [sys.executable, "-I", "-S", "-u", "-c"]
sys.exit(run([Program("a", [*argv, {WITH_WORKER!r}]), Program("b", [*argv, {DEAF!r}])], grace_seconds=1.0))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    text = ""
    while "deaf" not in text or not pids(text):
        text += process.stdout.readline().decode()
    yield process, pids(text)[0]
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_terminal_leaves_nothing(standalone, number):
    process, family = standalone
    os.killpg(process.pid, number)
    assert process.wait(10) == 0
    assert not [pid for pid in family if is_alive(pid)]
    assert not members(process.pid)


def test_a_killed_supervisor_takes_its_programs_along(standalone, monkeypatch):
    process, family = standalone
    main_and_worker = list(family)
    process.kill()
    process.wait()
    assert gone(main_and_worker, seconds=15)


def test_a_killed_guard_is_replaced(standalone):
    process, family = standalone
    guards = children(process.pid, b"supervisor_guard.py")
    assert len(guards) == 1
    os.kill(guards[0], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while children(process.pid, b"supervisor_guard.py") in ([], guards) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert children(process.pid, b"supervisor_guard.py") not in ([], guards)
    process.kill()
    process.wait()
    assert gone(family, seconds=15)


def children(parent, word):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == parent and word in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
