"""SFTP: 200 MB from and to a local sshd, ours with all its proofs, against the OpenSSH client without any.

Prints one JSON object; `ratio` (fetching) is to be at least 0.35. Each side signs in anew for every run, and they take
turns. BENCH_SFTP_MB sets another size.
"""

import hashlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from banks.sandbox import sftp_openssh
from banks.sandbox.sftp_openssh import OpenSshServer
from banks.sandbox.sftp_server import new_key
from banks.sftp import SftpEndpoint, download, list_files, open_session
from banks.sftp_upload import upload

MEGABYTES = int(os.environ.get("BENCH_SFTP_MB", "200"))
TURNS = 5


def main() -> None:
    private, public = new_key()
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as place:
        keys, served, taken = (Path(place) / name for name in ("keys", "served", "taken"))
        for folder in (keys, served, served / "out", taken):
            folder.mkdir()
        source = served / "statement.xml"
        block = os.urandom(1 << 20)
        with source.open("wb") as file:
            for _ in range(MEGABYTES):
                file.write(block)
        with sftp_openssh.serving(keys, public) as server:
            print(json.dumps(measure(server, private, keys, served, taken), indent=1))


def measure(server: OpenSshServer, private: str, keys: Path, served: Path, taken: Path) -> dict[str, object]:
    endpoint = SftpEndpoint(
        "127.0.0.1", server.port, server.username, server.host_key, private_key=private, inbox=str(served),
        outbox=str(served / "out"),
    )  # fmt: skip
    identity = keys / "identity"
    identity.touch(mode=0o600)
    identity.write_text(private)
    (keys / "known").write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    theirs = [
        "sftp", "-q", "-b", "-", "-i", str(identity), "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={keys / 'known'}", "-P", str(server.port), f"{server.username}@127.0.0.1",
    ]  # fmt: skip

    def ask_theirs(command: str) -> None:
        subprocess.run(theirs, input=command.encode(), check=True, stdout=subprocess.DEVNULL)

    expected = hashlib.sha256((served / "statement.xml").read_bytes()).hexdigest()

    def fetch() -> None:
        with open_session(endpoint) as session:
            (remote,) = list_files(session)
            got = download(session, remote, taken)
        assert got.sha256 == expected
        got.path.unlink()

    def give() -> None:
        with open_session(endpoint) as session:
            assert not upload(session, served / "statement.xml", "ours.xml").already_there
        (served / "out" / "ours.xml").unlink()

    fetched = race(fetch, lambda: ask_theirs(f"get {served}/statement.xml {taken}/theirs.xml\n"))
    given = race(give, lambda: ask_theirs(f"put {served}/statement.xml {served}/out/theirs.xml\n"))
    return {
        "megabytes": MEGABYTES,
        "fetch_mb_per_second": round(fetched[0]),
        "openssh_fetch_mb_per_second": round(fetched[1]),
        "ratio": round(fetched[0] / fetched[1], 2),
        "upload_mb_per_second": round(given[0]),
        "openssh_upload_mb_per_second": round(given[1]),
        "upload_ratio": round(given[0] / given[1], 2),
    }


def race(ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[float, float]:
    """Run both in turn and return the medians, in megabytes a second."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for side, act in zip(seconds, (ours, theirs), strict=True):
            began = time.monotonic()
            act()
            side.append(time.monotonic() - began)
    mine, other = (MEGABYTES / statistics.median(side) for side in seconds)
    return mine, other


if __name__ == "__main__":
    main()
