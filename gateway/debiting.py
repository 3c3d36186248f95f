"""Debiting: approved runs leave by the bank's file, and debits that nothing was heard of are asked after."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from banks.errors import BankError
from gateway import composing, debit_desk, debit_files, handing_over
from gateway.bank_settings import BankSettings
from gateway.database import insist, transaction
from gateway.debit_api import DebitApi
from gateway.debit_settings import DebitSettings
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import debit_asking, debit_recalls, debit_reports, debit_sending
from reconciliation.debit_sending import Left
from reconciliation.debits import DebitFile

log = logging.getLogger(__name__)

_AGAIN = timedelta(minutes=5)
_AGAIN_IN_SANDBOX = timedelta(seconds=4)
_ASKED_AT_ONCE = 1_000


def send_due(wiring: Wiring) -> int:
    """Let every approved run leave whose time has come, and hand over the files that wait; return the files handed."""
    for bank, how in debit_desk.banks(wiring).items():
        _claim_due(wiring, bank, how)
        insist(partial(_claim_recalls, wiring, bank))
    handed, failed = 0, list[str]()
    while (file := _hand_over_one(wiring, failed)) is not None:
        handed += file.state == "handed"
        if file.state != "handed":
            failed.append(file.bank)  # its other files would only fail as well
    return handed


def _claim_due(wiring: Wiring, bank: str, how: DebitSettings) -> None:
    now, lead = wiring.clock(), timedelta(days=how.lead_days)
    with transaction(wiring.engine) as session:
        due = debit_sending.due(session, bank, lead=lead, now=now)
    for run in due:
        left = insist(partial(_claim, wiring, run, how))
        stayed = ", ".join(f"{reason} {count}" for reason, count in sorted(left.dropped.items()))
        log.info(
            "debit run %d of %s: %d files%s", run, bank, len(left.files), f"; stayed behind: {stayed}" * bool(stayed)
        )


def _claim(wiring: Wiring, run: int, how: DebitSettings) -> Left:
    with transaction(wiring.engine) as session:
        left = debit_sending.claim(session, run, how.limits, now=wiring.clock())
        composing.compose_promises(session, wiring.settings)
        return left


def _claim_recalls(wiring: Wiring, bank: str) -> None:
    with transaction(wiring.engine) as session:
        recalled = debit_recalls.claim(session, bank, now=wiring.clock())
    if recalled:
        log.info("%d debits are called back from %s", recalled, bank)


def _hand_over_one(wiring: Wiring, not_at: Sequence[str]) -> DebitFile | None:
    """Hand over one waiting file and return it, None when none waits; nobody else hands it over at the same time."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        file = debit_sending.waiting_file(session, not_at=not_at, now=now)
        if file is None:
            return None
        place = wiring.settings.home / "outgoing" / debit_files.name_of(wiring, file)
        try:
            written = debit_files.build(wiring, session, file, place)
            _give(wiring, debit_files.bank_of(wiring, file), file.message_id, place)
        except (BankError, SettingsError) as error:
            log.warning("debit file %s can't be handed over: %s", file.message_id, error)
            again = _AGAIN_IN_SANDBOX if wiring.settings.sandbox else _AGAIN
            debit_sending.not_handed(session, file, said=str(error)[:500], again_at=now + again)
            session.expunge(file)
            return file
        finally:
            place.unlink(missing_ok=True)
        digest = bytes.fromhex(written.sha256)
        debit_sending.handed(session, file, size=written.size, digest=digest, now=wiring.clock())
        session.expunge(file)
    log.info("debit file %s: %d debits handed over to %s", file.message_id, file.debits, file.bank)
    return file


def _give(wiring: Wiring, bank: BankSettings, message_id: str, place: Path) -> None:
    """Let the bank have the file by its own road; the same call again ends in the same one file."""
    if bank.debits is not None and bank.debits.url is not None:
        with DebitApi(wiring, bank, bank.debits.url) as api:
            api.push(message_id, place)
    else:
        handing_over.hand_over(wiring, bank, place, place.name)


def ask_after(wiring: Wiring) -> int:
    """Call unknown what was not heard of in time, and ask its banks again; return how many were asked after."""
    with transaction(wiring.engine) as session:
        debit_asking.time_out(session, now=wiring.clock())
        debit_asking.close_settled(session, now=wiring.clock())
        debit_asking.ask_of_reopened(session, now=wiring.clock())
        asked = debit_asking.to_ask(session, limit=_ASKED_AT_ONCE, now=wiring.clock())
    for bank, how in debit_desk.banks(wiring).items():
        if how.url is not None:
            of_bank = {one.end_to_end_id: one.id for one in asked if one.bank == bank}
            _ask_bank(wiring, wiring.settings.banks[bank], how.url, of_bank)
    return len(asked)


def _ask_bank(wiring: Wiring, bank: BankSettings, url: str, debits: dict[str, int]) -> None:
    """Ask a bank's interface after debits and note what it says; what is no clear answer is asked again later."""
    if not debits:
        return
    try:
        with DebitApi(wiring, bank, url) as api:
            for debit, number in debits.items():
                answer = api.ask(debit)
                if answer is not None:
                    with transaction(wiring.engine) as session:
                        debit_reports.note(
                            session, number, answer.status, answer.verdict, reason=answer.reason, by="inquiry",
                            now=wiring.clock(),
                        )  # fmt: skip
    except (BankError, SettingsError) as error:
        log.warning("debits of %s can't be asked after: %s", bank.name, error)
