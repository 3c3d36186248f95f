"""A real OpenSSH server on this machine, to practise against what most banks run; needs Debian's openssh-server."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paramiko import ECDSAKey

from banks.sandbox.sftp_server import new_key

SSHD = Path("/usr/sbin/sshd")
_STARTING = 10.0  # seconds it gets to listen


@dataclass(frozen=True, slots=True)
class OpenSshServer:
    """A running sshd, as a client needs to know it: two host keys of different types, either of which may be pinned."""

    port: int
    username: str
    host_key: str
    ecdsa_host_key: str


@contextmanager
def serving(keys: Path, authorized_key: str, *, options: str = "") -> Iterator[OpenSshServer]:
    """Run sshd on 127.0.0.1 as whoever runs this, for the holder of `authorized_key` ("ssh-ed25519 AAAA…").

    Its keys, settings and log go to the folder `keys`; `options` are those of sftp-server ("-R" for read-only). Raises
    OSError when there is no sshd, or it does not start.
    """
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where a privileged sshd locks its unprivileged half in
    host_private, host_public = new_key()
    ecdsa = ECDSAKey.generate()
    own, other, allowed, config = (keys / name for name in ("host_key", "ecdsa_key", "authorized", "sshd_config"))
    for file in (own, other):
        file.touch(mode=0o600)
    own.write_text(host_private)
    ecdsa.write_private_key_file(str(other))
    allowed.write_text(authorized_key + "\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {own}\nHostKey {other}\nPidFile none\n"
        f"AuthorizedKeysFile {allowed}\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        f"Subsystem sftp internal-sftp {options}\nLogLevel INFO\n"
    )
    log = keys / "sshd.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(config)], stderr=stream)
    try:
        _await_start(process, log)
        yield OpenSshServer(port, getpass.getuser(), host_public, f"{ecdsa.get_name()} {ecdsa.get_base64()}")
    finally:
        process.terminate()
        process.wait()


def _await_start(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _STARTING
    while "Server listening" not in (said := log.read_text("utf-8", "replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise OSError(f"sshd did not start: {said[-400:]}")
        time.sleep(0.02)
