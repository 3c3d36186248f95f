"""ISO 20022 camt.055.001.01 and .08: the file that calls debits back, written as a stream.

Our message id stands as the id of the case as well: a bank's answer names the case it resolves.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO
from xml.sax.saxutils import escape

from banks.collections.debits import Creditor, check_end
from banks.collections.message_parts import institution, moment
from banks.collections.recalls import Recall, RecallHead, check_request, recalls_of
from banks.collections.written import Output, Written
from banks.errors import Misconfigured
from banks.money import Money

VERSIONS = ("01", "08")
_CODED_IN_01 = ("CUST", "DUPL")
"""Of our reasons those that the first version has a code for; the others stand there in words of our own."""


def write(
    out: BinaryIO,
    recalls: Iterable[Recall],
    heads: Sequence[RecallHead],
    *,
    message_id: str,
    creditor: Creditor,
    version: str,
    now: datetime,
    currency: str = "VND",
) -> Written:
    """Write one request of `recalls`, which come in the order of `heads`; it goes to the creditor's bank.

    Raise Misconfigured naming the debit and the field. A fault is found when its recall passes by, so `out` must be a
    file that the caller throws away then.
    """
    if version not in VERSIONS:
        raise Misconfigured(f"expected camt.055.001.{' or .'.join(VERSIONS)}, got .{version}")
    count, total = check_request(message_id, creditor, heads, currency)
    file = Output(out)
    bank = institution(creditor.bank, "BIC" if version == "01" else "BICFI")
    us = f"<Pty><Nm>{escape(creditor.name)}</Nm></Pty>"
    file.write(
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.055.001.{version}"><CstmrPmtCxlReq>'
        f"<Assgnmt><Id>{message_id}</Id><Assgnr>{us}</Assgnr><Assgne><Agt>{bank}</Agt></Assgne>"
        f"<CreDtTm>{moment(now)}</CreDtTm></Assgnmt>"
        f"<Case><Id>{message_id}</Id><Cretr>{us}</Cretr></Case>"
        f"<CtrlData><NbOfTxs>{count}</NbOfTxs><CtrlSum>{total.decimal()}</CtrlSum></CtrlData><Undrlyg>\n"
    )
    stream = iter(recalls)
    for number, head in enumerate(heads, 1):
        file.write(
            f"<OrgnlPmtInfAndCxl><OrgnlPmtInfId>{head.payment_group}</OrgnlPmtInfId>"
            f"<OrgnlGrpInf><OrgnlMsgId>{head.message_id}</OrgnlMsgId><OrgnlMsgNmId>{escape(head.format)}</OrgnlMsgNmId>"
            f"</OrgnlGrpInf><NbOfTxs>{head.debits}</NbOfTxs>"
            f"<CtrlSum>{Money(head.total_minor, currency).decimal()}</CtrlSum><PmtInfCxl>false</PmtInfCxl>\n"
        )
        for recall in recalls_of(stream, head, number, currency):
            tag = "Prtry" if version == "01" and recall.reason not in _CODED_IN_01 else "Cd"
            file.write(
                f"<TxInf><OrgnlEndToEndId>{recall.end_to_end_id}</OrgnlEndToEndId>"
                f'<OrgnlInstdAmt Ccy="{currency}">{recall.amount.decimal()}</OrgnlInstdAmt>'
                f"<OrgnlReqdColltnDt>{recall.collect_on}</OrgnlReqdColltnDt>"
                f"<CxlRsnInf><Rsn><{tag}>{recall.reason}</{tag}></Rsn></CxlRsnInf></TxInf>\n"
            )
        file.write("</OrgnlPmtInfAndCxl>\n")
    check_end(stream)
    file.write("</Undrlyg></CstmrPmtCxlReq></Document>\n")
    size, digest = file.finish()
    return Written(message_id, count, total, len(heads), size, digest)
