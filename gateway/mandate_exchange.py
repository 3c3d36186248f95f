"""Our orders on mandates to a bank, in files; what it answers is read by `mandate_answering`."""

import csv
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from gateway.bank_settings import BankSettings
from gateway.clock import LOCAL
from gateway.database import transaction
from gateway.handing_over import hand_over
from gateway.wiring import Wiring
from reconciliation import mandate_orders
from reconciliation.mandate_orders import Handed, MandateFile
from reconciliation.mandates import HOLDER_SEALED, SEALED

HEADER = (
    "action", "reference", "customer_code", "account", "holder", "cap", "valid_from", "valid_to", "consent_text",
    "consent_at",
)  # fmt: skip


class NotAsBefore(RuntimeError):
    """A file that would go out with other bytes than at first."""


def hand_orders_over(wiring: Wiring, bank: BankSettings, *, by: str, to: Path | None = None) -> list[Handed]:
    """Give `bank` all that waits for it, into its outbox or into the file `to`; return the files that went.

    Killed anywhere, the next call goes on with the same file, whose bytes are the same. Raises what `hand_over` does,
    NotAsBefore, and OSError.
    """
    folder = wiring.settings.home / "outgoing" / bank.name
    with transaction(wiring.engine) as held:
        mandate_orders.hold(held)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed one left is in the clear
        folder.mkdir(mode=0o700, parents=True)
        try:
            return list(_all(wiring, bank, folder, by, to))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _all(wiring: Wiring, bank: BankSettings, folder: Path, by: str, to: Path | None) -> Iterator[Handed]:
    while True:
        with transaction(wiring.engine) as session:
            number = mandate_orders.next_file(session, bank.name, by=by, now=wiring.clock())
        if number is None:
            return
        with transaction(wiring.engine) as session:
            file = session.get_one(MandateFile, number)
            path = folder / file.name
            _write(session, wiring, number, path)
            _hold_to_digest(file, path)
        if to is None:
            hand_over(wiring, bank, path, file.name)
        else:
            _put(path, to)
        with transaction(wiring.engine) as session:
            yield mandate_orders.handed_over(session, session.get_one(MandateFile, number), by=by, now=wiring.clock())
        if to is not None:
            return  # one path holds one file


def _write(session: Session, wiring: Wiring, number: int, path: Path) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
    ) as out:
        written = csv.writer(out, lineterminator="\r\n")
        written.writerow(HEADER)
        for one in mandate_orders.rows(session, number):
            holder = wiring.sealer.open(one.holder_sealed, HOLDER_SEALED).decode() if one.holder_sealed else ""
            written.writerow([
                one.action, one.reference, one.code, wiring.sealer.open(one.account_sealed, SEALED).decode(), holder,
                one.cap_minor, one.valid_from, one.valid_to or "", one.consent_text,
                f"{one.consent_at.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}",
            ])  # fmt: skip


def _hold_to_digest(file: MandateFile, path: Path) -> None:
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").digest()
    if file.digest is not None and file.digest != digest:
        raise NotAsBefore(f"expected {file.name} as it was first tried, got other bytes")
    file.digest = digest


def _put(path: Path, to: Path) -> None:
    """Copy a file for its owner alone, whole or not at all."""
    part = to.with_name(f"{to.name}.part")
    with path.open("rb") as whole, os.fdopen(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
    ) as copy:  # fmt: skip
        shutil.copyfileobj(whole, copy)
        copy.flush()
        os.fsync(copy.fileno())
    part.replace(to)
