"""The processes of the gateway, each runnable alone: web, a worker per queue, beat, a daemon per bind.

Each loads its own server when it is run: the command that starts it, and all others, do without.
"""

import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway import bell
from gateway.embedded import Running
from gateway.setting_tables import SettingsError
from gateway.settings import Settings
from gateway.supervisor import Program
from gateway.wiring import Wiring, from_environment


class PortTaken(OSError):
    """Another program listens where the gateway should."""


class AlreadyRunning(OSError):
    """Another gateway works in the same home."""


def check_port(host: str, port: int) -> None:
    """Raise PortTaken when `host`:`port` can't be listened on, saying what to do about it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"can't listen on {host}:{port} ({error.strerror}); stop the other program or set DOISOAT_PORT"
            ) from None


def await_port(host: str, port: int, *, seconds: float) -> None:
    """Return once something listens on `host`:`port`; raise TimeoutError when nothing does in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"expected the web server on {host}:{port} within {seconds:.0f} s, nothing listens there")


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the lock of the one gateway that runs in `home`; raise AlreadyRunning when another holds it."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "gateway.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"a gateway runs in {home} already; stop it first or set DOISOAT_HOME") from None
        yield


def serve_web(settings: Settings) -> None:
    """Serve the web application until told to stop; blocking threads, one request each."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    check_port(settings.host, settings.port)
    _count_together(settings.home)
    Granian(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=settings.web_threads,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,  # one that is told to stop while it still starts does not hear it
        log_level=LogLevels.warning,
        log_access=False,  # an address holds what was searched for, phone numbers among it
    ).serve()


def _count_together(home: Path) -> None:
    """Let the web's processes keep their figures in one folder, so that whichever is asked tells those of all."""
    folder = home / "run" / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # read by the library when a worker process imports it


def run_worker(queue: str) -> None:
    """Work on one queue until told to stop: a worker on several may lose a job between pop and registration."""
    from rq import Queue, Worker
    from rq.serializers import JSONSerializer

    from gateway import jobs

    if queue not in bell.JOBS:
        raise ValueError(f"expected a queue among {', '.join(bell.JOBS)}, got {queue!r}")
    wiring = from_environment()
    jobs.prepare(queue)
    connection = wiring.valkey
    worker = Worker(
        [Queue(queue, connection=connection, serializer=JSONSerializer)],
        connection=connection,
        serializer=JSONSerializer,
        log_job_description=False,
        worker_ttl=60,
    )
    worker.max_connection_wait_time = 5.0  # RQ's minute would be ours of waiting after Valkey is back
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    worker.work(logging_level="WARNING")


def run_beat() -> None:
    """Lead the schedule, or stand by to, until told to stop."""
    from gateway import schedule

    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    schedule.run(from_environment(), stop)


def run_smpp(name: str) -> None:
    """Keep the bind of the SMPP carrier `name`, "" for the only one, up until told to stop, and send by it."""
    from gateway import smpp

    wiring = from_environment()
    linked = wiring.settings.sms.linked
    name = name or next(iter(linked), "") * (len(linked) == 1)
    if name not in linked:
        known = ", ".join(linked) or "none is declared"
        raise SettingsError(f"expected the name of a carrier of kind smpp ({known}), got {name!r}")
    sys.setswitchinterval(0.001)  # the thread of the link must not wait long for those that make SQL
    daemon = smpp.Daemon(wiring, name, linked[name])
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    daemon.run(stop)


def programs(environment: Mapping[str, str], settings: Settings) -> list[Program]:
    """Return every process that makes up the gateway on one machine."""
    own = [str(Path(sys.executable).parent / "doisoat")]
    return [
        Program("web", [*own, "web"], environment),
        Program("beat", [*own, "beat"], environment),
        *(Program(queue, [*own, "worker", queue], environment) for queue in bell.JOBS),
        *(Program(f"smpp {name}", [*own, "smpp", name], environment) for name in settings.sms.linked),
    ]


def addresses(running: Running, settings: Settings) -> dict[str, str]:
    """Return the environment by which a child process finds the running services."""
    return {
        "DOISOAT_DATABASE_URL": running.database_url,
        "DOISOAT_VALKEY_URL": running.valkey_url,
        "DOISOAT_HOME": str(settings.home),
        "DOISOAT_PORT": str(settings.port),
    }


@contextmanager
def as_environment(running: Running, settings: Settings) -> Iterator[Wiring]:
    """Make the running services this process's own for a block, and yield its wiring."""
    before = dict(os.environ)
    os.environ.update(addresses(running, settings))
    try:
        yield Wiring(settings, running.database_url, running.valkey_url)
    finally:
        os.environ.clear()
        os.environ.update(before)
