"""Collecting: new files from a bank's server, each proven complete, kept byte for byte, and noted as fetched."""

import logging
from datetime import timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from banks import sftp
from banks.errors import BankError, TransferError
from gateway import clock
from gateway.database import transaction
from gateway.secrets import secret
from gateway.settings import BankSettings, SettingsError, SftpSettings
from gateway.wiring import Wiring
from reconciliation import inbox, mismatches
from reconciliation.inbox import RemoteFile

log = logging.getLogger(__name__)

_SETTLED_SECONDS = 10
_LEFT_BEHIND = timedelta(hours=1)
"""No download takes so long: a part as old as this is a killed one's, and customers' data should not lie about."""


def fetch(wiring: Wiring, bank: BankSettings) -> int:
    """Fetch what is new on `bank`'s server; return how many files were kept. A failure is logged and left for later."""
    if bank.sftp is None:
        return 0
    folder = wiring.settings.home / "incoming" / bank.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sftp.remove_leftovers(folder, clock.real(), _LEFT_BEHIND)  # a file's age is real, whatever a sandbox plays at
    # The sandbox's files appear whole, by a rename; of others nobody knows, so they must have lain still for a while.
    settled = 0 if wiring.settings.sandbox else _SETTLED_SECONDS
    kept = 0
    try:
        with sftp.open_session(_endpoint(wiring, bank, bank.sftp)) as session:
            for remote in _unseen(wiring, bank, sftp.list_files(session)):
                try:
                    fetched = sftp.download(session, remote, folder, settled_seconds=settled, now=clock.real())
                except TransferError as error:  # one file that can't be had keeps none of the others away
                    log.warning("files of %s: %s", bank.name, error)
                else:
                    kept += _take(wiring, bank, fetched)
    except (BankError, SettingsError) as error:
        log.warning("files of %s: %s", bank.name, error)
    return kept


def _endpoint(wiring: Wiring, bank: BankSettings, reached: SftpSettings) -> sftp.SftpEndpoint:
    return sftp.SftpEndpoint(
        host=reached.host,
        port=reached.port,
        username=reached.username,
        host_key=reached.host_key,
        password=_optional(wiring, f"{bank.name}_sftp_password"),
        private_key=_optional(wiring, f"{bank.name}_sftp_key"),
        inbox=reached.inbox,
        pattern=reached.pattern,
    )


def _optional(wiring: Wiring, name: str) -> str | None:
    try:
        return secret(wiring.settings, name)[0]
    except SettingsError:
        return None


def _unseen(wiring: Wiring, bank: BankSettings, listed: list[sftp.RemoteFile]) -> list[sftp.RemoteFile]:
    with transaction(wiring.engine) as session:
        rows = session.execute(
            select(RemoteFile.name, RemoteFile.size, RemoteFile.modified_at).where(RemoteFile.bank == bank.name)
        )
        seen = {(name, size, modified) for name, size, modified in rows}
    return [one for one in listed if (one.name, one.size, one.mtime) not in seen]


def _take(wiring: Wiring, bank: BankSettings, fetched: sftp.Downloaded) -> int:
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
        session.execute(
            insert(RemoteFile).values(
                bank=bank.name, name=fetched.remote.name, size=fetched.size, modified_at=fetched.remote.mtime,
                delivery_id=delivery, fetched_at=now,
            )
        )  # fmt: skip
        if delivery is None:
            _note_repetition(session, wiring, bank, fetched)
    return 1 if delivery is not None else 0


def _note_repetition(session: Session, wiring: Wiring, bank: BankSettings, fetched: sftp.Downloaded) -> None:
    now = wiring.clock()
    name = fetched.remote.name
    asked = mismatches.ask_one(
        session, code="M14", subject=f"file:{bank.name}:{name}:{fetched.remote.mtime}", source=bank.name, now=now,
        facts={"file": name, "sha256": fetched.sha256},
    )  # fmt: skip
    if asked:
        resolution = "the same bytes as a file kept before; not read again"
        mismatches.resolve(session, [asked], by="collecting", resolution=resolution, now=now)
