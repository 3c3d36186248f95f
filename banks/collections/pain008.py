"""ISO 20022 pain.008.001.02 and .08: the file that asks a bank to debit our customers, written as a stream.

Vietnamese accounts have no IBAN, so every account stands as `Othr/Id`. A file states its count and sum before its
debits; a bank's limits decide how many files a run becomes. Debits of one collection day and one sequence type form a
payment group.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from typing import BinaryIO
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from banks.errors import Misconfigured
from banks.money import Money

VERSIONS = ("02", "08")
_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_ID = re.compile(r"[A-Za-z0-9+?/:().,'-][A-Za-z0-9+?/:().,' -]{0,34}", re.ASCII)
"""Max35Text in the letters every bank takes; ids come back in reports, so nothing in them may be lost on the way."""
_ACCOUNT = re.compile(r"[A-Z0-9]{4,34}", re.ASCII)
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class SequenceType(StrEnum):
    """Where a debit stands in the life of its mandate."""

    FIRST = "FRST"
    RECURRENT = "RCUR"
    LAST = "FNAL"
    ONE_OFF = "OOFF"


@dataclass(frozen=True, slots=True)
class Debit:
    """One debit asked for; `bank` is the debtor's bank, as a BIC or a clearing member id (a NAPAS BIN)."""

    end_to_end_id: str
    amount: Money
    collect_on: date
    mandate_id: str
    mandate_signed_on: date
    debtor: str
    account: str
    bank: str
    narrative: str
    sequence: SequenceType = SequenceType.RECURRENT


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects: name, account, bank (as in `Debit`), and the id the bank knows us by as a creditor."""

    name: str
    account: str
    bank: str
    scheme_id: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one bank takes at once; None where it sets no limit. Amounts are in the debits' currency."""

    debits: int | None = None
    total_minor: int | None = None
    debit_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a file: for the books, and for the comparison with what the bank says it got."""

    message_id: str
    debits: int
    total: Money
    groups: int
    size: int
    sha256: str


def split(debits: Iterable[Debit], limits: Limits) -> Iterator[list[Debit]]:
    """Yield the debits of one file after another, in their order, none beyond `limits`.

    Raise Misconfigured naming the debit that alone is beyond them: it must not be asked for at this bank.
    """
    most, most_minor = limits.debits or 10**9, limits.total_minor or 10**18
    alone = min(limits.debit_minor or 10**18, most_minor)
    file: list[Debit] = []
    total = 0
    for debit in debits:
        if debit.amount.minor > alone:
            raise Misconfigured(
                f"debit {debit.end_to_end_id}: expected at most {Money(alone, debit.amount.currency)} a debit at this"
                f" bank, got {debit.amount}"
            )
        if file and (len(file) == most or total + debit.amount.minor > most_minor):
            yield file
            file, total = [], 0
        file.append(debit)
        total += debit.amount.minor
    if file:
        yield file


def write(
    out: BinaryIO, debits: Sequence[Debit], *, message_id: str, creditor: Creditor, version: str, now: datetime
) -> Written:
    """Write one file, or raise Misconfigured, having written nothing, naming the field that no bank would take."""
    if version not in VERSIONS:
        raise Misconfigured(f"expected pain.008.001.{' or .'.join(VERSIONS)}, got .{version}")
    total = _check(debits, message_id, creditor)
    ordered = sorted(debits, key=_group_of)
    file = _Counted(out)
    file.write(
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.{version}"><CstmrDrctDbtInitn>'
        f"<GrpHdr><MsgId>{escape(message_id)}</MsgId><CreDtTm>{now.astimezone(_LOCAL).isoformat(timespec='seconds')}</CreDtTm>"
        f"<NbOfTxs>{len(ordered)}</NbOfTxs><CtrlSum>{total.decimal()}</CtrlSum>"
        f"<InitgPty><Nm>{escape(creditor.name)}</Nm></InitgPty></GrpHdr>\n"
    )
    sums = _sums(ordered)
    for number, ((day, sequence), members) in enumerate(groupby(ordered, key=_group_of), 1):
        count, minor = sums[day, sequence]
        file.write(
            f"<PmtInf><PmtInfId>{escape(message_id)[:30]}-{number:04}</PmtInfId><PmtMtd>DD</PmtMtd>"
            f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{Money(minor, total.currency).decimal()}</CtrlSum>"
            f"<PmtTpInf><SeqTp>{sequence}</SeqTp></PmtTpInf><ReqdColltnDt>{day.isoformat()}</ReqdColltnDt>"
            f"<Cdtr><Nm>{escape(creditor.name)}</Nm></Cdtr>{_account('Cdtr', creditor.account)}"
            f"{_agent('Cdtr', creditor.bank, version)}<ChrgBr>SLEV</ChrgBr><CdtrSchmeId><Id><PrvtId><Othr>"
            f"<Id>{escape(creditor.scheme_id)}</Id></Othr></PrvtId></Id></CdtrSchmeId>\n"
        )
        for debit in members:
            file.write(_debit(debit, version))
        file.write("</PmtInf>\n")
    file.write("</CstmrDrctDbtInitn></Document>\n")
    return Written(message_id, len(ordered), total, len(sums), file.size, file.digest.hexdigest())


class _Counted:
    def __init__(self, out: BinaryIO) -> None:
        self._out, self.size, self.digest = out, 0, sha256()

    def write(self, text: str) -> None:
        data = text.encode()
        self._out.write(data)
        self.digest.update(data)
        self.size += len(data)


def _group_of(debit: Debit) -> tuple[date, SequenceType]:
    return debit.collect_on, debit.sequence


def _sums(debits: Iterable[Debit]) -> dict[tuple[date, SequenceType], tuple[int, int]]:
    """Return the count and the sum of each payment group: they stand before its debits."""
    sums: dict[tuple[date, SequenceType], tuple[int, int]] = {}
    for debit in debits:
        count, minor = sums.get(_group_of(debit), (0, 0))
        sums[_group_of(debit)] = (count + 1, minor + debit.amount.minor)
    return sums


def _debit(debit: Debit, version: str) -> str:
    return (
        f"<DrctDbtTxInf><PmtId><EndToEndId>{escape(debit.end_to_end_id)}</EndToEndId></PmtId>"
        f'<InstdAmt Ccy="{debit.amount.currency}">{debit.amount.decimal()}</InstdAmt>'
        f"<DrctDbtTx><MndtRltdInf><MndtId>{escape(debit.mandate_id)}</MndtId>"
        f"<DtOfSgntr>{debit.mandate_signed_on.isoformat()}</DtOfSgntr></MndtRltdInf></DrctDbtTx>"
        f"{_agent('Dbtr', debit.bank, version)}<Dbtr><Nm>{escape(debit.debtor)}</Nm></Dbtr>"
        f"{_account('Dbtr', debit.account)}<RmtInf><Ustrd>{escape(debit.narrative)}</Ustrd></RmtInf></DrctDbtTxInf>\n"
    )


def _account(role: str, number: str) -> str:
    return f"<{role}Acct><Id><Othr><Id>{number}</Id></Othr></Id></{role}Acct>"


def _agent(role: str, bank: str, version: str) -> str:
    if _BIC.fullmatch(bank):
        tag = "BIC" if version == "02" else "BICFI"
        inner = f"<{tag}>{bank}</{tag}>"
    else:
        inner = f"<ClrSysMmbId><MmbId>{escape(bank)}</MmbId></ClrSysMmbId>"
    return f"<{role}Agt><FinInstnId>{inner}</FinInstnId></{role}Agt>"


def _check(debits: Sequence[Debit], message_id: str, creditor: Creditor) -> Money:
    """Refuse what would make the bank refuse the whole file; return the sum."""
    _expect(_ID.fullmatch(message_id), "the file", "message_id", "1 to 35 plain characters")
    _expect_party("the creditor", creditor.name, creditor.account, creditor.bank)
    _expect(_ID.fullmatch(creditor.scheme_id), "the creditor", "scheme_id", "1 to 35 plain characters")
    _expect(debits, "the file", "debits", "at least one")
    currency = debits[0].amount.currency
    seen: set[str] = set()
    for debit in debits:
        place = f"debit {debit.end_to_end_id[:35]!a}"
        _expect(_ID.fullmatch(debit.end_to_end_id), place, "end_to_end_id", "1 to 35 plain characters")
        _expect(debit.end_to_end_id not in seen, place, "end_to_end_id", "one debit under it")
        seen.add(debit.end_to_end_id)
        _expect(_ID.fullmatch(debit.mandate_id), place, "mandate_id", "1 to 35 plain characters")
        _expect(debit.amount.minor > 0, place, "amount", "more than nothing")
        _expect(debit.amount.currency == currency, place, "amount", f"{currency}, as the debits before it")
        _expect(debit.mandate_signed_on <= debit.collect_on, place, "mandate_signed_on", "a day before the collection")
        _expect_party(place, debit.debtor, debit.account, debit.bank)
        _expect(_is_line(debit.narrative, 140), place, "narrative", "a line of 1 to 140 characters")
    return Money(sum(debit.amount.minor for debit in debits), currency)


def _expect_party(place: str, name: str, account: str, bank: str) -> None:
    _expect(_is_line(name, 70), place, "name", "a line of 1 to 70 characters")
    _expect(_ACCOUNT.fullmatch(account), place, "account", "4 to 34 digits or capital letters")
    _expect(_BIC.fullmatch(bank) or _ID.fullmatch(bank), place, "bank", "a BIC or a clearing member id")


def _is_line(text: str, longest: int) -> bool:
    return 1 <= len(text) <= longest and text == text.strip() and not _UNPRINTABLE.search(text)


def _expect(holds: object, place: str, field: str, expected: str) -> None:
    # What arrived stays unsaid: it may be a name or an account number.
    if not holds:
        raise Misconfigured(f"{place}, {field}: expected {expected}")
