"""Handing over: one of our files into a bank's outbox, through the same link as everything else."""

import logging
from pathlib import Path

from banks.errors import TransferError
from banks.sftp_upload import Uploaded, upload
from gateway import bank_link
from gateway.bank_settings import BankSettings
from gateway.wiring import Wiring

log = logging.getLogger(__name__)


def hand_over(wiring: Wiring, bank: BankSettings, source: Path, name: str) -> Uploaded:
    """Put `source` into `bank`'s outbox as `name`; the same call again ends in the same one file.

    Raises TransferError (LinkClosed while the link rests or is stopped), Misconfigured or SettingsError; a refusal that
    concerns this file alone leaves the link in good standing.
    """
    refused = None
    with bank_link.contact(wiring, bank) as contact:
        try:
            done = upload(contact.session, source, name)
        except TransferError as error:
            if not contact.session.alive:
                raise
            refused, contact.trouble = error, error.reason
    if refused is not None:
        raise refused
    log.info("handed a file of %d bytes over to %s%s", done.size, bank.name, ", again" if done.already_there else "")
    return done
