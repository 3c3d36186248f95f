"""ISO 20022 pain.008.001.02 and .08: the file that asks a bank to debit our customers, written as a stream.

Vietnamese accounts have no IBAN, so every account stands as `Othr/Id`. Debits of one collection day and one sequence
type form a payment group.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO
from xml.sax.saxutils import escape

from banks.collections.debits import (
    NO_LIMITS,
    Creditor,
    Debit,
    GroupHead,
    Limits,
    check_end,
    check_file,
    members,
)
from banks.collections.message_parts import institution, moment
from banks.collections.written import Output, Written
from banks.errors import Misconfigured
from banks.money import Money

VERSIONS = ("02", "08")


def write(
    out: BinaryIO,
    debits: Iterable[Debit],
    heads: Sequence[GroupHead],
    *,
    message_id: str,
    creditor: Creditor,
    version: str,
    now: datetime,
    currency: str = "VND",
    limits: Limits = NO_LIMITS,
) -> Written:
    """Write one file of `debits`, which come in the order of `heads`, or raise Misconfigured naming debit and field.

    A fault is found when its debit passes by, so `out` must be a file that the caller throws away then. That no two
    debits share an end-to-end id is for the database to know. The same input makes the same bytes.
    """
    if version not in VERSIONS:
        raise Misconfigured(f"expected pain.008.001.{' or .'.join(VERSIONS)}, got .{version}")
    count, total = check_file(message_id, creditor, heads, currency, limits)
    file = Output(out)
    file.write(
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.{version}"><CstmrDrctDbtInitn>'
        f"<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>{moment(now)}</CreDtTm>"
        f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total.decimal()}</CtrlSum>"
        f"<InitgPty><Nm>{escape(creditor.name)}</Nm></InitgPty></GrpHdr>\n"
    )
    shape = _Shape(version, currency)
    stream = iter(debits)
    for number, head in enumerate(heads, 1):
        file.write(_head(head, group_id(message_id, number), creditor, currency, shape))
        for debit in members(stream, head, number, currency, limits):
            file.write(shape.debit(debit))
        file.write("</PmtInf>\n")
    check_end(stream)
    file.write("</CstmrDrctDbtInitn></Document>\n")
    size, digest = file.finish()
    return Written(message_id, count, total, len(heads), size, digest)


def group_id(message_id: str, number: int) -> str:
    """Return the id of a file's payment group, by which a report names it; groups are numbered from 1."""
    return f"{message_id}-{number:04}"


def _head(head: GroupHead, group: str, creditor: Creditor, currency: str, shape: "_Shape") -> str:
    return (
        f"<PmtInf><PmtInfId>{group}</PmtInfId><PmtMtd>DD</PmtMtd>"
        f"<NbOfTxs>{head.debits}</NbOfTxs><CtrlSum>{Money(head.total_minor, currency).decimal()}</CtrlSum>"
        f"<PmtTpInf><SeqTp>{head.sequence}</SeqTp></PmtTpInf><ReqdColltnDt>{head.collect_on}</ReqdColltnDt>"
        f"<Cdtr><Nm>{escape(creditor.name)}</Nm></Cdtr>"
        f"<CdtrAcct><Id><Othr><Id>{creditor.account}</Id></Othr></Id></CdtrAcct>"
        f"<CdtrAgt>{shape.agent(creditor.bank)}</CdtrAgt><ChrgBr>SLEV</ChrgBr><CdtrSchmeId><Id><PrvtId><Othr>"
        f"<Id>{escape(creditor.scheme_id)}</Id></Othr></PrvtId></Id></CdtrSchmeId>\n"
    )


class _Shape:
    """What is the same in every debit of a file; agents are made once a bank, of which there are few."""

    def __init__(self, version: str, currency: str) -> None:
        self._bic = "BIC" if version == "02" else "BICFI"
        self._amount = f'</EndToEndId></PmtId><InstdAmt Ccy="{currency}">'
        self._agents: dict[str, str] = {}

    def debit(self, debit: Debit) -> str:
        # Ids, accounts and days hold nothing that XML would take for markup: they were checked.
        return (
            f"<DrctDbtTxInf><PmtId><EndToEndId>{debit.end_to_end_id}{self._amount}{debit.amount.decimal()}</InstdAmt>"
            f"<DrctDbtTx><MndtRltdInf><MndtId>{debit.mandate_id}</MndtId><DtOfSgntr>{debit.mandate_signed_on}</DtOfSgntr>"
            f"</MndtRltdInf></DrctDbtTx><DbtrAgt>{self._agents.get(debit.bank) or self.agent(debit.bank)}</DbtrAgt>"
            f"<Dbtr><Nm>{escape(debit.debtor)}</Nm></Dbtr>"
            f"<DbtrAcct><Id><Othr><Id>{debit.account}</Id></Othr></Id></DbtrAcct>"
            f"<RmtInf><Ustrd>{escape(debit.narrative)}</Ustrd></RmtInf></DrctDbtTxInf>\n"
        )

    def agent(self, bank: str) -> str:
        return self._agents.setdefault(bank, institution(bank, self._bic))
