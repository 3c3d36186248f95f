"""Debit files: the bytes of what a bank is asked to debit, or to call back, made from the books and always the same."""

from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Row
from sqlalchemy.orm import Session

from banks.collections import camt055, debit_table, pain008
from banks.collections.debits import Debit, GroupHead, SequenceType
from banks.collections.recalls import Recall, RecallHead, RecallReason
from banks.collections.written import Written
from banks.errors import Misconfigured
from banks.money import Money
from gateway.bank_settings import BankSettings
from gateway.debit_settings import PAIN_008, DebitSettings
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import debit_recalls, debit_sending
from reconciliation.debits import DebitFile
from reconciliation.mandates import SEALED

_CAMT_055 = {"02": "01", "08": "08"}
"""The version of a recall that goes with the version of what is called back."""


def build(wiring: Wiring, session: Session, file: DebitFile, place: Path) -> Written:
    """Write a file's bytes to `place`; raises Misconfigured, SettingsError for a bank whose form nobody declared."""
    how = _how(wiring, file)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with place.open("wb") as out:
        write = _write_debits if file.kind == "debits" else _write_recalls
        written = write(out, wiring, session, file, how)
    if (written.debits, written.total.minor) != (file.debits, file.total_minor):
        raise Misconfigured(f"file {file.message_id}: expected {file.debits} debits, got {written.debits}")
    return written


def name_of(wiring: Wiring, file: DebitFile) -> str:
    """Return the name under which a file lies at its bank."""
    bank = wiring.settings.banks.get(file.bank)
    return f"{file.message_id}.{'csv' if bank and bank.debits and bank.debits.table else 'xml'}"


def bank_of(wiring: Wiring, file: DebitFile) -> BankSettings:
    """Return the settings of a file's bank; raise SettingsError when there are none any more."""
    bank = wiring.settings.banks.get(file.bank)
    if bank is None:
        raise SettingsError(f"banks.{file.bank}: expected the settings of the bank of a debit file, got none")
    return bank


def _how(wiring: Wiring, file: DebitFile) -> DebitSettings:
    how = bank_of(wiring, file).debits
    if how is None:
        raise SettingsError(f"banks.{file.bank}.debits: expected how this bank is asked to debit, got nothing")
    return how


def _write_debits(out: BinaryIO, wiring: Wiring, session: Session, file: DebitFile, how: DebitSettings) -> Written:
    heads = [
        GroupHead(one.charge_on, SequenceType(one.sequence), one.debits, one.minor)
        for one in debit_sending.heads(session, file.id)
    ]
    debits = (_debit(wiring, how, row) for row in debit_sending.debits_of(session, file.id))
    if how.table is not None:
        return debit_table.write(
            out, debits, heads, message_id=file.message_id, creditor=how.creditor, table=how.table
        )  # fmt: skip
    return pain008.write(
        out, debits, heads, message_id=file.message_id, creditor=how.creditor, version=_version(how), now=file.made_at
    )


def _debit(wiring: Wiring, how: DebitSettings, row: "Row[tuple[object, ...]]") -> Debit:
    account = wiring.sealer.open(row.account_sealed, SEALED).decode()
    return Debit(
        row.end_to_end_id, Money(row.minor, "VND"), row.charge_on, row.reference, row.signed_on, row.customer, account,
        how.debtor_bank, f"TIEN DIEN KY {row.period} {row.payment_code}", SequenceType(row.sequence),
    )  # fmt: skip


def _write_recalls(out: BinaryIO, _wiring: Wiring, session: Session, file: DebitFile, how: DebitSettings) -> Written:
    form = how.format if how.table is None else "table"
    heads = [
        RecallHead(one.message_id, pain008.group_id(one.message_id, one.number), one.debits, one.minor, form)
        for one in debit_recalls.heads(session, file.id)
    ]
    recalls = (
        Recall(
            row.end_to_end_id, Money(row.minor, "VND"), row.charge_on, row.reference, row.message_id,
            pain008.group_id(row.message_id, row.number),
            RecallReason.PAID if row.paid else RecallReason.AMOUNT,
        )
        for row in debit_recalls.recalls_of(session, file.id)
    )  # fmt: skip
    if how.recall_table is not None:
        return debit_table.write_recalls(
            out, recalls, heads, message_id=file.message_id, creditor=how.creditor, table=how.recall_table
        )
    return camt055.write(
        out, recalls, heads, message_id=file.message_id, creditor=how.creditor, version=_CAMT_055[_version(how)],
        now=file.made_at,
    )  # fmt: skip


def _version(how: DebitSettings) -> str:
    return how.format.removeprefix(PAIN_008)
