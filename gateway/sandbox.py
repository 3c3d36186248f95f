"""The sandbox around the gateway: a bank's SFTP server, an SMS carrier to practise on, and settings that use them."""

import base64
import contextlib
import json
import logging
import os
import secrets as random
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from banks.sandbox.debit_month import OTHER
from banks.sandbox.sftp_server import SandboxSftpServer
from banks.sandbox.transactions import SandboxBank, SandboxBanks
from gateway import migrate, settings, staff_desk
from gateway.clock import SandboxClock
from gateway.database import owner_engine
from gateway.minutes import certificate
from gateway.practice import OPENED, Place
from gateway.secrets import ensure_secret, secret
from gateway.settings import Settings
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import audit
from reconciliation.staff import Staff
from sms.sandbox import SmsSandbox

log = logging.getLogger(__name__)

_USER = "doisoat"
_OUTBOX = "to"
"""Where a sandbox bank takes our files, below its own folder."""


class NotASandbox(Exception):
    """The database holds something that no sandbox put there, so the sandbox keeps its hands off it."""


def prepare(given: Settings, *, afresh: bool, month: bool = False) -> Settings:
    """Make secrets, ports and settings for a sandbox below `given.home`; return the settings that use them.

    A sandbox for a month of debits has a second bank that debits.
    """
    place = Place(given.home)
    ensure_own_secrets(given.home)
    for name in ("sms_token", "api_token", "vnpay_hash_secret"):
        ensure_secret(given.home, name)
    ensure_secret(given.home, "standard_webhook_secret", _webhook_key)
    ensure_secret(given.home, certificate.KEY, certificate.make_test)
    password = ensure_secret(given.home, "sandbox_sftp_password").read_text().strip()
    banks = _banks(month)
    for bank in banks:
        ensure_secret(given.home, f"{bank.name}_sftp_password", lambda: password)
        folder = place.files_of(bank.name)
        (folder / _OUTBOX).mkdir(parents=True, exist_ok=True)
        if afresh:
            for old in folder.rglob("*.*"):
                old.unlink()
    SandboxClock(given.home / "run" / "sandbox-clock").clear()
    ports = dict(zip(("sftp", "sms"), _free_ports(2), strict=True))
    place.ports.write_text(json.dumps(ports))
    key = SandboxSftpServer(place.folder / "sftp", place.folder / "host_key", username=_USER).host_key
    place.config.write_text(_config(ports, key, banks))
    # Children read the file themselves; what was set in the environment stays set.
    read = settings.load({**os.environ, "DOISOAT_CONFIG": str(place.config), "DOISOAT_HOME": str(given.home)})
    return replace(read, sandbox=True, database_url=given.database_url, valkey_url=given.valkey_url, port=given.port)


def _banks(month: bool) -> list[SandboxBank]:
    banks = SandboxBanks()
    return [banks.direct, banks.wallet, *[OTHER] * month]


def _config(ports: dict[str, int], host_key: str, banks: Sequence[SandboxBank]) -> str:
    lines = [
        "# Written by the sandbox at each start; edits are lost.",
        "sandbox = true",
        'utility = "Công ty Điện lực Sandbox"',
        'brand = "Dien luc Sandbox"',
        'hotline = "19006769"',
        "[sms]",
        f'url = "http://127.0.0.1:{ports["sms"]}"',
        'brand = "DIENLUC"',
    ]
    for bank in banks:
        lines += [
            f"[banks.{bank.name}]",
            f'title = "{bank.title}"',
            f'accounts = ["{bank.account}"]',
            *([f'profile = "{bank.profile}"', "callbacks = true"] if bank.profile else []),
            f"[banks.{bank.name}.sftp]",
            'host = "127.0.0.1"',
            f"port = {ports['sftp']}",
            f'username = "{_USER}"',
            f'host_key = "{host_key}"',
            f'inbox = "/{bank.name}"',
            'pattern = "*.xml"',
            f'outbox = "/{bank.name}/{_OUTBOX}"',
        ]
        if bank.name != SandboxBanks().wallet.name:
            lines += [
                f"[banks.{bank.name}.debits]",
                'creditor_id = "DIENLUC01"',
                'creditor_name = "CONG TY DIEN LUC SANDBOX"',
                f'creditor_account = "{bank.account}"',
                'creditor_bank = "SBXAVNVX"',
                'debtor_bank = "SBXAVNVX"',
                f'format = "pain.008.001.{"08" if bank is OTHER else "02"}"',
            ]
    return "\n".join(lines) + "\n"


def environment(used: Settings) -> dict[str, str]:
    """Return what a child process needs in its environment to be part of the sandbox."""
    return {"DOISOAT_CONFIG": str(Place(used.home).config), "DOISOAT_SANDBOX": "1"}


def open_database(wiring: Wiring) -> bool:
    """Bring the database up to date with the sandbox's staff; return whether it was empty of any business day."""
    migrate.upgrade(wiring.database_url)
    with Session(wiring.engine) as session:
        if session.scalar(select(Staff.id).limit(1)) is None:
            now = wiring.clock()
            audit.append(session, actor="sandbox", action=OPENED, subject="", facts={}, now=now)
            for one in staff_desk.SANDBOX_STAFF:
                staff_desk.create_person(
                    session, username=one.username, name=one.name, role=one.role,
                    office=one.office, password=staff_desk.SANDBOX_PASSWORD, by="sandbox", now=now,
                )  # fmt: skip
            session.commit()
        return session.scalar(text("SELECT NOT EXISTS (SELECT 1 FROM bills)")) is True


def check_database(url: str, *, empty_it: bool) -> None:
    """Raise NotASandbox, having touched nothing, unless the database is new or a sandbox's; empty it when told to."""
    engine = owner_engine(url)
    with engine.begin() as connection:
        if connection.scalar(text("SELECT to_regclass('public.audit')")) is not None:
            first = connection.scalar(text("SELECT action FROM audit ORDER BY id LIMIT 1"))
            filled = any(
                connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {table})"))  # noqa: S608 - the names stand here
                for table in ("bills", "staff", "deliveries")
            )
            if first != OPENED and filled:
                raise NotASandbox("the database holds data that no sandbox made; the sandbox needs one of its own")
        elif connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")):
            raise NotASandbox("the database holds tables that are not ours; the sandbox needs one of its own")
        if empty_it:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))


def _webhook_key() -> str:
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def free_port() -> int:
    """Return a port nobody listens on."""
    return _free_ports(1)[0]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        probes = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def servers(wiring: Wiring) -> Iterator[SmsSandbox]:
    """Run the sandbox's SFTP server and SMS carrier for a block."""
    place = Place(wiring.settings.home)
    ports = json.loads(place.ports.read_text())
    bank = SandboxSftpServer(
        place.folder / "sftp",
        place.folder / "host_key",
        username=_USER,
        password=secret(wiring.settings, "sandbox_sftp_password")[0],
        port=ports["sftp"],
        writable=True,
    )
    carrier = SmsSandbox(
        clock=wiring.clock,
        port=ports["sms"],
        token=secret(wiring.settings, "sms_token")[0],
        receipts_url=wiring.receipts_url(),
    )
    with bank, carrier:
        yield carrier


def serve(wiring: Wiring) -> None:
    """Run the sandbox's servers until told to stop."""
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    with servers(wiring):
        stop.wait()
