"""Collecting: polls of the banks' servers, fair to each; new files are fetched, kept, and put away."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from banks import sftp
from banks.errors import BankError, TransferError
from banks.sftp_names import shown
from banks.sftp_put_away import put_away
from gateway import bank_link, clock, keeping
from gateway.bank_link import Contact, LinkClosed
from gateway.bank_settings import BankSettings
from gateway.database import transaction
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import links

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
        seen = keeping.seen(self.wiring, self.bank, [*listed, *session.unmarked])
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
            polled.kept += keeping.take(self.wiring, self.bank, fetched)
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
