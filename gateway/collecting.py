"""Collecting: new files from the banks' servers, each proven complete, kept byte for byte, and noted as fetched."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from banks import sftp
from banks.errors import BankError, TransferError
from banks.sftp_names import shown
from banks.sftp_put_away import put_away
from gateway import bank_link, clock
from gateway.bank_link import Contact, LinkClosed
from gateway.database import transaction
from gateway.settings import BankSettings, SettingsError
from gateway.wiring import Wiring
from reconciliation import inbox, links, mismatches
from reconciliation.inbox import Delivery, RemoteFile

log = logging.getLogger(__name__)

_SETTLED_SECONDS = 10
_MARKER_SECONDS = 3600
_LEFT_BEHIND = timedelta(hours=1)
"""No fetch takes so long: a file as old as this is a killed one's, and customers' data should not lie about."""
_ROUND_SECONDS = 560
"""A round begins no bank whose deadline would lead beyond this: the job that runs it ends after ten minutes."""
_TOLD_EVERY = 20
_TOLD_TROUBLES = 3
_MAX_PUT_AWAY_FAILURES = 3


@dataclass(slots=True)
class Polled:
    """What a poll, or a round of them, brought: files kept, and whether more are waiting."""

    kept: int = 0
    more: bool = False


@dataclass(slots=True)
class _Troubles:
    """What single files met with: the first ones are told, all are counted."""

    bank: str
    told: list[str] = field(default_factory=list)
    untold: int = 0

    def add(self, trouble: str) -> None:
        if self.note(trouble):
            log.warning("files of %s: %s", self.bank, trouble)

    def note(self, trouble: str) -> bool:
        if len(self.told) == _TOLD_TROUBLES:
            self.untold += 1
            return False
        self.told.append(trouble)
        return True

    def __str__(self) -> str:
        return "; ".join([*self.told, f"and {self.untold} more"] if self.untold else self.told)


def poll_all(wiring: Wiring) -> Polled:
    """Poll every bank, the one that waited longest first, and those with more to give again, a share of each in turn.

    One bank's failure costs the others nothing. What does not fit into one job is left for the next.
    """
    began, total = time.monotonic(), Polled()
    waiting = deque(_in_turn(wiring))
    while waiting:
        bank = waiting.popleft()
        if bank.sftp is not None and time.monotonic() - began + bank.sftp.deadline > _ROUND_SECONDS:
            log.info("files of %s and %d other banks are left for the next round", bank.name, len(waiting))
            total.more = True
            break
        try:
            polled = fetch(wiring, bank)
        except Exception:  # the next bank's files must not wait until somebody has mended this one's
            log.exception("the files of %s could not be fetched; it will be tried again", bank.name)
            continue
        total.kept += polled.kept
        if polled.more:
            waiting.append(bank)
    return total


def _in_turn(wiring: Wiring) -> Sequence[BankSettings]:
    with transaction(wiring.engine) as session:
        tried = {bank: link.last_try_at for bank, link in links.known(session).items()}
    banks = [bank for bank in wiring.settings.banks.values() if bank.sftp is not None]
    return sorted(banks, key=lambda bank: tried.get(bank.name, datetime.min.replace(tzinfo=UTC)))


def fetch(wiring: Wiring, bank: BankSettings) -> Polled:
    """Fetch what is new on `bank`'s server, oldest first and at most `per_poll` files, and put away what is kept.

    A failure is noted and left for later; whatever is cut short is done again by the next poll.
    """
    if bank.sftp is None:
        return Polled()
    folder = wiring.settings.home / "incoming" / bank.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sftp.remove_leftovers(folder, clock.real(), _LEFT_BEHIND)  # a file's age is real, whatever a sandbox plays at
    try:
        with bank_link.contact(wiring, bank) as contact:
            return _Poll(wiring, bank, contact, folder, bank.sftp.per_poll).run()
    except LinkClosed as closed:
        log.info("files of %s: %s", bank.name, closed.reason)
    except (BankError, SettingsError):
        pass  # noted and told by the contact
    return Polled()


@dataclass(slots=True)
class _Poll:
    """One visit to one bank's server."""

    wiring: Wiring
    bank: BankSettings
    contact: Contact
    folder: Path
    most: int

    def run(self) -> Polled:
        """Take what is new, then put away what is kept."""
        troubles, session = _Troubles(self.bank.name), self.contact.session
        listed = sftp.list_files(session)
        seen = _seen(self.wiring, self.bank, [*listed, *session.unmarked])
        # The sandbox's files appear whole, by a rename; of others nobody knows, so they must have lain still a while.
        quiet = 0 if self.wiring.settings.sandbox else _SETTLED_SECONDS
        now = clock.real()
        fresh = [one for one in listed if one not in seen and one.settled(quiet, now)]
        polled, taken = self._take_all(fresh, troubles)
        kept = seen.union(taken)
        # A marker may stand for several files: it stays until all of them are kept.
        needed = {one.marker for one in listed if one not in kept} - {""}
        done = [one for one in [*listed, *session.unmarked] if one in kept and one.marker not in needed]
        self._put_all_away(done, troubles)
        for refused in session.refused:
            troubles.note(f"{refused.shown}: {refused.reason}")  # the listing has logged them
        for unmarked in session.unmarked:
            if unmarked not in seen and unmarked.settled(_MARKER_SECONDS, now):
                troubles.add(f"{shown(unmarked.name)}: no marker has come, though it has lain still for an hour")
        self.contact.trouble = str(troubles)
        return polled

    def _take_all(self, fresh: list[sftp.RemoteFile], troubles: _Troubles) -> tuple[Polled, list[sftp.RemoteFile]]:
        """Fetch and keep up to `most` of `fresh`; a file that can't be had keeps none of the others away."""
        polled, taken = Polled(), list[sftp.RemoteFile]()
        if fresh:
            log.info("files of %s: %d new, taking up to %d", self.bank.name, len(fresh), self.most)
        for remote in fresh:
            if len(taken) == self.most:
                polled.more = True
                log.info("files of %s: %d wait for the next poll", self.bank.name, len(fresh) - len(taken))
                break
            try:
                fetched = sftp.download(self.contact.session, remote, self.folder)
            except sftp.NotStored:
                raise
            except TransferError as error:
                if not self.contact.session.alive:
                    # Files that came before the link broke are progress: it rests only when nothing moves any more.
                    if not taken:
                        raise
                    polled.more = True
                    troubles.add(error.reason)
                    break
                troubles.add(error.reason)
                continue
            polled.kept += _take(self.wiring, self.bank, fetched)
            taken.append(remote)
            if len(taken) % _TOLD_EVERY == 0:
                log.info("files of %s: %d of %d taken", self.bank.name, len(taken), min(len(fresh), self.most))
        return polled, taken

    def _put_all_away(self, done: list[sftp.RemoteFile], troubles: _Troubles) -> None:
        """Archive or delete what is committed here, as declared; what fails is done again at the next poll."""
        session, failures = self.contact.session, 0
        if session.link.endpoint.after is sftp.After.LEAVE:
            return
        for remote in done:
            if failures == _MAX_PUT_AWAY_FAILURES or not session.alive:
                return
            try:
                put_away(session, remote)
            except BankError as error:
                failures += 1
                troubles.add(str(error))


def _seen(wiring: Wiring, bank: BankSettings, listed: list[sftp.RemoteFile]) -> set[sftp.RemoteFile]:
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
