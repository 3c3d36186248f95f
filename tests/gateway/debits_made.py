"""A bank that debits, at a real SFTP server: its settings, customers' mandates, and notices that were accepted."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import mandate_import
from gateway.bank_settings import BankSettings, SftpSettings
from gateway.database import transaction
from gateway.debit_settings import DebitSettings
from gateway.wiring import Wiring
from reconciliation import debit_runs
from reconciliation.debit_choice import Wanted
from reconciliation.lifecycle import MESSAGE, move

DEBITS = DebitSettings("EVN001", "CONG TY DIEN LUC", "190026112233", "STANVNVX", "STANVNVX")
_COLUMNS = "bank,reference,customer_code,account,cap,valid_from,consent_text,consent_at,consent_channel\n"


def debiting_bank(wiring: Wiring, server: SandboxSftpServer, how: DebitSettings = DEBITS) -> Wiring:
    """Return the same gateway with a bank `standard` that is asked to debit by files in its folder `to`."""
    reached = SftpSettings("127.0.0.1", "doisoat", server.host_key, server.port, "/", "*.xml", outbox="/to")
    bank = replace(wiring.settings.banks["standard"], sftp=reached, debits=how)
    return with_bank(wiring, bank)


def with_bank(wiring: Wiring, bank: BankSettings) -> Wiring:
    """Return the same gateway, on the same connections, that knows `bank`."""
    made = replace(wiring, settings=replace(wiring.settings, banks={**wiring.settings.banks, bank.name: bank}))
    made.__dict__["engine"], made.__dict__["valkey"] = wiring.engine, wiring.valkey
    return made


def mandate(wiring: Wiring, folder: Path, numbers: Iterable[int]) -> None:
    """Take in a mandate in force of each of these customers."""
    agreed = "5000000,2026-11-01,UQ-2026-1,2026-11-01 09:00,paper"
    rows = [f"standard,UQ{n},PA{n:011},19003333{n:04},{agreed}\n" for n in numbers]
    file = folder / "mandates.csv"
    file.write_text(_COLUMNS + "".join(rows))
    with transaction(wiring.engine) as session:
        mandate_import.take_in(session, wiring, file, by="nganhang")


def accept_notices(wiring: Wiring) -> None:
    """Let the carrier accept every queued word, now."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        found = session.scalars(text("SELECT id FROM messages WHERE state = 'queued'")).all()
        move(session, MESSAGE, found, "sending", by="t", why="", now=now)
        move(session, MESSAGE, found, "sent", by="t", why="", now=now, noting="sent_at = :now")


def approved_run(wiring: Wiring, wanted: Wanted) -> int:
    """Let one person propose a run and another approve it."""
    with transaction(wiring.engine) as session:
        run = debit_runs.propose(session, wanted, by="ketoan", now=wiring.clock())
        debit_runs.approve(session, run.id, by="ketoantruong", why="looked at", now=wiring.clock())
        return run.id
