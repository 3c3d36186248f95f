"""Keeping what was fetched: its bytes, its name so that it comes once, and the questions a repeated name raises."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from banks import sftp
from banks.sftp_names import shown
from gateway.bank_settings import BankSettings
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import inbox, mismatches
from reconciliation.inbox import Delivery, RemoteFile

log = logging.getLogger(__name__)


def seen(wiring: Wiring, bank: BankSettings, listed: Sequence[sftp.RemoteFile]) -> set[sftp.RemoteFile]:
    """Return those of `listed` that are kept already: known by name, size and time."""
    with transaction(wiring.engine) as session:
        rows = session.execute(
            select(RemoteFile.name, RemoteFile.size, RemoteFile.modified_at).where(
                RemoteFile.bank == bank.name,
                # one array, however many names: a parameter each would be too many for PostgreSQL
                RemoteFile.name == any_(literal([one.name for one in listed], ARRAY(Text))),
            )
        )
        known = {(name, size, modified) for name, size, modified in rows}
    return {one for one in listed if (one.name, one.size, one.mtime) in known}


def take(wiring: Wiring, bank: BankSettings, fetched: sftp.Downloaded) -> int:
    """Keep one fetched file and note it, in one transaction; the copy on disk, in the clear, goes either way."""
    try:
        return _keep(wiring, bank, fetched)
    finally:
        fetched.path.unlink(missing_ok=True)


def _keep(wiring: Wiring, bank: BankSettings, fetched: sftp.Downloaded) -> int:
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        delivery = inbox.keep_file(
            session, source=bank.name, name=fetched.remote.name, path=fetched.path, sealer=wiring.sealer, now=now
        )
        noted = session.scalar(
            insert(RemoteFile)
            .values(
                bank=bank.name, name=fetched.remote.name, size=fetched.size, modified_at=fetched.remote.mtime,
                delivery_id=delivery or _delivery_of(session, bank, fetched.sha256), fetched_at=now,
            )
            .on_conflict_do_nothing()
            .returning(RemoteFile.id)
        )  # fmt: skip
        if noted is not None:  # otherwise another poll noted the same file a moment ago, with all that follows
            _ask_about_overwriting(session, bank, fetched, noted, now)
            if delivery is None:
                _note_repetition(session, bank, fetched, now)
    return 1 if delivery is not None else 0


def _delivery_of(session: Session, bank: BankSettings, sha256: str) -> int | None:
    return session.scalar(
        select(Delivery.id).where(
            Delivery.source == bank.name, Delivery.kind == "statement", Delivery.digest == bytes.fromhex(sha256)
        )
    )


def _ask_about_overwriting(
    session: Session, bank: BankSettings, fetched: sftp.Downloaded, noted: int, now: datetime
) -> None:
    """Ask a person when a name that stood for other bytes comes again: the bank has overwritten a file."""
    name = fetched.remote.name
    before = session.scalar(
        select(Delivery.digest)
        .join(RemoteFile, RemoteFile.delivery_id == Delivery.id)
        .where(RemoteFile.bank == bank.name, RemoteFile.name == name, RemoteFile.id != noted)
        .order_by(RemoteFile.id.desc())
        .limit(1)
    )
    if before is None or before.hex() == fetched.sha256:
        return
    log.warning("files of %s: %s came again with other content", bank.name, shown(name))
    mismatches.ask_one(
        session, code="M14", subject=f"overwritten:{bank.name}:{noted}", source=bank.name, now=now,
        facts={
            "reasons": ["the bank put other content under a name it had used before"],
            "file": name, "first_sha256": before.hex(), "sha256": fetched.sha256,
        },
    )  # fmt: skip


def _note_repetition(session: Session, bank: BankSettings, fetched: sftp.Downloaded, now: datetime) -> None:
    name = fetched.remote.name
    asked = mismatches.ask_one(
        session, code="M14", subject=f"file:{bank.name}:{name}:{fetched.remote.mtime}", source=bank.name, now=now,
        facts={"file": name, "sha256": fetched.sha256},
    )  # fmt: skip
    if asked:
        resolution = "the same bytes as a file kept before; not read again"
        mismatches.resolve(session, [asked], by="collecting", resolution=resolution, now=now)
