"""The way to a bank's file server: opened with its secrets, unless it rests or is stopped, and how each try went."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from banks import sftp
from banks.errors import BankError, Misconfigured, TransferError
from gateway import clock
from gateway.bank_settings import BankSettings, SftpSettings
from gateway.database import transaction
from gateway.secrets import optional_secret
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import links

log = logging.getLogger(__name__)

_FIRST_REST = timedelta(minutes=10)
"""Twice as long as banks are left alone between polls anyway."""
_FIRST_REST_IN_SANDBOX = timedelta(seconds=4)


@dataclass(slots=True)
class Contact:
    """An open session; `trouble` is what single files met with, to be noted although the bank was reached."""

    session: sftp.SftpSession
    trouble: str = ""


class LinkClosed(TransferError):
    """The link rests after failures, or is stopped until a person says otherwise; nothing was sent."""


@contextmanager
def contact(wiring: Wiring, bank: BankSettings) -> Iterator[Contact]:
    """Open a session with `bank`'s file server for a block, and note how it went.

    Whatever BankError leaves the block counts as a failure of the link. Raises LinkClosed without touching the network
    while the link rests or is stopped; a changed host key or a refused sign-in stops it, and asks a person.
    """
    if bank.sftp is None:
        raise Misconfigured(f"banks.{bank.name}: expected a file server under sftp, none is declared")
    with transaction(wiring.engine) as session:
        link = links.known(session).get(bank.name)
    # A link's times are real, whatever day a sandbox plays: the other side's clock was not moved.
    reason = link.closed_because(clock.real()) if link else ""
    if link and reason:
        raise LinkClosed(f"the link {reason}", permanent=link.stopped_at is not None)
    opened = None
    try:
        with sftp.open_session(_endpoint(wiring, bank, bank.sftp)) as session_with_bank:
            opened = Contact(session_with_bank)
            yield opened
    except (BankError, SettingsError) as error:
        refused_us = opened is None and isinstance(error, TransferError) and error.permanent
        _note_failure(wiring, bank, bank.sftp, str(error), final=refused_us)
        raise
    with transaction(wiring.engine) as session:
        links.succeed(session, bank.name, trouble=opened.trouble, now=clock.real())


def _note_failure(wiring: Wiring, bank: BankSettings, reached: SftpSettings, error: str, *, final: bool) -> None:
    now = clock.real()
    with transaction(wiring.engine) as session:
        if final:
            links.stop(session, bank.name, error=error, now=now)
        else:
            first_rest = _FIRST_REST_IN_SANDBOX if wiring.settings.sandbox else _FIRST_REST
            failures = links.fail(
                session, bank.name, error=error, allowed=reached.failures_allowed, first_rest=first_rest, now=now
            )
    if final:
        log.error("files of %s: THE LINK IS STOPPED until somebody runs `doisoat banks retry`: %s", bank.name, error)
    else:
        log.warning("files of %s: %s (failure %d in a row)", bank.name, error, failures)


def _endpoint(wiring: Wiring, bank: BankSettings, reached: SftpSettings) -> sftp.SftpEndpoint:
    return sftp.SftpEndpoint(
        host=reached.host,
        port=reached.port,
        username=reached.username,
        host_key=reached.host_key,
        password=_newest(wiring, f"{bank.name}_sftp_password"),
        private_key=_newest(wiring, f"{bank.name}_sftp_key"),
        inbox=reached.inbox,
        pattern=reached.pattern,
        done_marker=reached.done_marker,
        after=sftp.After(reached.after),
        archive=reached.archive,
        outbox=reached.outbox,
        staging=reached.staging,
        upload_marker=reached.upload_marker,
        read_back=reached.read_back,
        deadline=reached.deadline,
    )


def _newest(wiring: Wiring, name: str) -> str | None:
    return next(iter(optional_secret(wiring.settings, name)), None)
