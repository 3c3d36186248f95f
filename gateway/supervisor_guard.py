"""A small process beside the supervisor that ends its programs when the supervisor itself is killed.

It runs as a plain script. The supervisor tells it the sessions it started, "+PID" and "-PID" a line, through a pipe
that only the supervisor holds open: however the supervisor ends, the pipe ends with it. PR_SET_PDEATHSIG would reach
only a program's first process, not the workers it forked; a session holds them all, even those in groups of their own.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def members(session: int) -> list[int]:
    """Return the processes of `session` that still run."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):  # it ended while we looked
                # The name in brackets may hold anything, so the fields are counted from the last bracket.
                fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == session and fields[0] not in b"ZX":
                    found.append(int(entry))
    return found


def kill_session(session: int, seconds: float = 5.0) -> bool:
    """Kill all of `session`, also what it forks meanwhile; tell whether nothing is left."""
    deadline = time.monotonic() + seconds
    while left := members(session):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def main() -> None:
    """Read sessions until the pipe ends, ask the rest to stop, and after the seconds of argument 1 make them."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # meant for the supervisor; the end of the pipe is our signal
    sessions: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            sessions.add(number)
        else:
            sessions.discard(number)
    for session in sessions:
        with suppress(ProcessLookupError):
            os.kill(session, signal.SIGTERM)
    deadline = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < deadline and any(session in members(session) for session in sessions):
        time.sleep(0.05)
    for session in sessions:
        kill_session(session)


if __name__ == "__main__":
    main()
