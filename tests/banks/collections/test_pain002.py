"""Status reports on debits: every level is told, a debit inherits what only its group or file says."""

import io
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.money import dong
from banks.records import DebitOutcome, ReportClosed, ReportOpened, Verdict

CORPUS = Path(__file__).parents[2] / "corpus" / "pain002"
PARTLY = CORPUS / "partly.pain002.v10.xml"


def read(data):
    return list(statements.read(io.BytesIO(data)))


def report(body, head="<MsgId>R1</MsgId>", version="03"):
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}"><CstmrPmtStsRpt>\n'
        f"<GrpHdr>{head}</GrpHdr>\n{body}</CstmrPmtStsRpt></Document>"
    ).encode()


FILE = "<OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId>{}</OrgnlGrpInfAndSts>\n"


def refusal(data):
    with pytest.raises(Unreadable) as refused:
        read(data)
    return str(refused.value)


def test_a_report_on_part_of_a_file():
    opened, *outcomes, closed = read(PARTLY.read_bytes())
    assert opened == ReportOpened(
        format="pain.002.001.10", message_id="RPT-261118-01", original_message_id="DOISOAT-261118-0001",
        original_format="pain.008.001.08", created_at=datetime(2026, 11, 18, 9, 5, tzinfo=UTC),
        original_count=5, original_sum="2500000",
    )  # fmt: skip
    assert [(one.level, one.payment_group, one.end_to_end_id, one.status, one.verdict) for one in outcomes] == [
        ("file", "", "", "PART", Verdict.PARTLY),
        ("debit", "RUN-1", "HD2611000001-1", "ACSC", Verdict.ACCEPTED),
        ("debit", "RUN-1", "HD2611000002-1", "RJCT", Verdict.REJECTED),
        ("debit", "RUN-1", "HD2611000003-1", "PART", Verdict.PENDING),
        ("group", "RUN-1", "", "PART", Verdict.PARTLY),
        ("debit", "RUN-2", "HD2611000004-1", "RJCT", Verdict.REJECTED),
        ("debit", "RUN-2", "", "PDNG", Verdict.PENDING),
        ("group", "RUN-2", "", "RJCT", Verdict.REJECTED),
    ]
    paid, short, _, _, inherited = outcomes[1:6]
    assert (paid.amount, paid.bank_reference, paid.mandate_id) == (dong(844960), "FT26322900001", "UQ-0001")
    assert (short.reason, short.detail) == ("AM04", "So du khong du ma loi NH: 51")
    assert (inherited.reason, inherited.detail) == ("HAN-MUC", "Vuot han muc cua lo")
    assert closed == ReportClosed("RPT-261118-01", {Verdict.ACCEPTED: 1, Verdict.REJECTED: 2, Verdict.PENDING: 2})


def test_the_same_report_in_every_version_says_the_same():
    later = read(PARTLY.read_bytes())
    for version in ("03", "12", "14"):
        earlier = read(PARTLY.read_bytes().replace(b"pain.002.001.10", f"pain.002.001.{version}".encode()))
        assert earlier[1:] == later[1:]


def test_a_refused_file_of_which_nothing_was_tried():
    events = read(report(FILE.format("<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>AM10</Cd></Rsn></StsRsnInf>")))
    assert events[1:] == [
        DebitOutcome("file", "RJCT", Verdict.REJECTED, reason="AM10"), ReportClosed("R1", {})
    ]  # fmt: skip


def test_a_debit_without_a_status_anywhere_is_refused_with_its_place():
    body = (
        FILE.format("")
        + "<OrgnlPmtInfAndSts><TxInfAndSts><OrgnlEndToEndId>E</OrgnlEndToEndId></TxInfAndSts></OrgnlPmtInfAndSts>"
    )
    assert refusal(report(body)) == (
        "OrgnlPmtInfAndSts 1, TxInfAndSts 1, TxSts, line 4:"
        " expected a status of the debit, of its group or of its file, got none"
    )


def test_a_status_nobody_knows_is_refused_with_its_place():
    assert refusal((CORPUS / "unreadable-status.pain002.v03.xml").read_bytes()) == (
        "OrgnlPmtInfAndSts 1, TxInfAndSts 2, TxSts, line 5:"
        " expected a status such as ACCP, PDNG, PART or RJCT, got 'DONE'"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (report(""), "expected OrgnlGrpInfAndSts in the report, got none"),
        (report(FILE.format(""), head=""), "GrpHdr/MsgId, line 3: expected an id, got none"),
        (report("<OrgnlGrpInfAndSts/>"), "OrgnlMsgId, line 3: expected an id, got none"),
        (report(FILE.format("") * 2), "expected one report on one file, got a second"),
        (report(FILE.format("<OrgnlNbOfTxs>five</OrgnlNbOfTxs>")), "OrgnlNbOfTxs, line 3: expected a whole number"),
        (report(FILE.format(""), head="<MsgId>R</MsgId><CreDtTm>yesterday</CreDtTm>"), "GrpHdr/CreDtTm"),
        (report("<OrgnlPmtInfAndSts><TxInfAndSts/></OrgnlPmtInfAndSts>"), "expected OrgnlGrpInfAndSts before"),
        (report(FILE.format("") + "<TxInfAndSts/>"), "expected TxInfAndSts within OrgnlPmtInfAndSts"),
        (report(FILE.format("<GrpSts>RJCT"))[:-60], "expected well-formed XML"),
        (b'<Document xmlns="urn:pain.002.001.03"><Other/></Document>', "with a report in it, got none"),
        (b'<CstmrPmtStsRpt xmlns="urn:other"><OrgnlGrpInfAndSts/></CstmrPmtStsRpt>', "expected an id"),
    ],
)  # fmt: skip
def test_what_is_no_report(data, said):
    assert said in refusal(data)


def test_an_amount_must_be_one():
    body = FILE.format("<GrpSts>ACCP</GrpSts>") + (
        "<OrgnlPmtInfAndSts><TxInfAndSts><OrgnlTxRef><Amt><InstdAmt Ccy='VND'>1.5</InstdAmt></Amt></OrgnlTxRef>"
        "</TxInfAndSts></OrgnlPmtInfAndSts>"
    )
    assert "OrgnlTxRef/Amt/InstdAmt" in refusal(report(body))


def test_a_long_report_needs_no_more_memory_than_a_short_one():
    one = "<TxInfAndSts><OrgnlEndToEndId>E{:07}</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>"
    groups = FILE.format("") + "<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>"
    data = report(groups + "".join(map(one.format, range(30_000))) + "</OrgnlPmtInfAndSts>")
    *_, closed = statements.read(io.BytesIO(data))
    assert closed.debits == {Verdict.ACCEPTED: 30_000}


@pytest.mark.parametrize(
    "junk",
    ["<a/>" * 20_000 + "<TxInfAndSts><TxSts>ACSC</TxSts></TxInfAndSts>", "<a/>" * 20_000 + "<OrgnlPmtInfAndSts/>"],
)
def test_what_stands_between_debits_and_groups_is_not_kept(junk):
    inside = junk * 100
    data = report(FILE.format("") + (f"<OrgnlPmtInfAndSts>{inside}</OrgnlPmtInfAndSts>" if "TxSts" in junk else inside))
    start = resident()
    for _ in statements.read(io.BytesIO(data)):
        assert resident() - start < 60_000_000


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
