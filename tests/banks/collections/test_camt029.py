"""A bank's answers to recalls: every level is told, and a debit inherits what only something above it says."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.money import dong
from banks.records import RecallClosed, RecallOpened, RecallOutcome, RecallVerdict
from tests.banks.collections.others import document

CORPUS = Path(__file__).parents[2] / "corpus" / "camt029"
PARTLY = CORPUS / "partly.camt029.v09.xml"


def read(data):
    return list(statements.read(io.BytesIO(data)))


def answer(body, head="<Assgnmt><Id>A1</Id></Assgnmt><Sts><Conf>CNCL</Conf></Sts>"):
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.09"><RsltnOfInvstgtn>{head}\n{body}'
        "</RsltnOfInvstgtn></Document>"
    ).encode()


def refusal(data):
    with pytest.raises(Unreadable) as refused:
        read(data)
    return str(refused.value)


def test_an_answer_about_parts_of_two_files():
    opened, *outcomes, closed = read(PARTLY.read_bytes())
    assert opened == RecallOpened(
        "camt.029.001.09", "ANS-261119-01", "RECALL-261119-1", datetime(2026, 11, 19, 9, 5, tzinfo=UTC)
    )
    assert [
        (one.level, one.original_message_id, one.payment_group, one.end_to_end_id, one.status, one.verdict, one.reason)
        for one in outcomes
    ] == [
        ("request", "", "", "", "PECR", RecallVerdict.PARTLY, ""),
        ("debit", "RUN-1", "RUN-1-0001", "HD2611000001-1", "ACCR", RecallVerdict.CANCELLED, ""),
        ("debit", "RUN-1", "RUN-1-0001", "HD2611000002-1", "RJCR", RecallVerdict.REJECTED, "PTNA"),
        ("debit", "RUN-1", "RUN-1-0001", "HD2611000003-1", "PACR", RecallVerdict.PENDING, ""),
        ("group", "RUN-1", "RUN-1-0001", "", "PACR", RecallVerdict.PARTLY, ""),
        ("debit", "", "RUN-1-0002", "HD2611000004-1", "RJCR", RecallVerdict.REJECTED, "QUA-GIO"),
        ("debit", "", "RUN-1-0002", "", "PDCR", RecallVerdict.PENDING, ""),
        ("group", "", "RUN-1-0002", "", "RJCR", RecallVerdict.REJECTED, "QUA-GIO"),
        ("debit", "RUN-2", "", "HD2611000005-1", "ACCR", RecallVerdict.CANCELLED, ""),
        ("file", "RUN-2", "", "", "ACCR", RecallVerdict.CANCELLED, ""),
    ]
    assert (outcomes[1].amount, outcomes[2].detail) == (dong(844_960), "Giao dich da thuc hien")
    assert closed == RecallClosed(
        "ANS-261119-01", {RecallVerdict.CANCELLED: 2, RecallVerdict.REJECTED: 2, RecallVerdict.PENDING: 2}
    )


def test_an_answer_to_the_whole_request():
    data = (CORPUS / "rejected.camt029.v03.xml").read_bytes()
    assert read(data) == [
        RecallOpened("camt.029.001.03", "ANS-2", "RECALL-2", datetime(2026, 11, 19, 9, 5, tzinfo=UTC)),
        RecallOutcome("request", "RJCR", RecallVerdict.REJECTED),
        RecallClosed("ANS-2", {}),
    ]


@pytest.mark.parametrize(
    ("name", "message"), [("partly.camt029.v09", "camt.029.001.09"), ("rejected.camt029.v03", "camt.029.001.03")]
)
def test_our_samples_are_of_the_published_form(name, message):
    document((CORPUS / f"{name}.xml").read_bytes(), message)


@pytest.mark.parametrize("version", ["03", "05", "11", "13"])
def test_the_same_answer_in_every_version_says_the_same(version):
    other = PARTLY.read_bytes().replace(b"camt.029.001.09", f"camt.029.001.{version}".encode())
    assert read(other)[1:] == read(PARTLY.read_bytes())[1:]


def test_two_answers_in_one_envelope_are_two():
    one = "<RsltnOfInvstgtn><Assgnmt><Id>{}</Id></Assgnmt><Sts><Conf>{}</Conf></Sts></RsltnOfInvstgtn>"
    events = read(f"<Document>{one.format('A', 'CNCL')}{one.format('B', 'PDCR')}</Document>".encode())
    assert [getattr(one, "message_id", "") or one.status for one in events] == ["A", "CNCL", "A", "B", "PDCR", "B"]


GROUP = "<CxlDtls><OrgnlPmtInfAndSts>{}</OrgnlPmtInfAndSts></CxlDtls>"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (answer("", head=""), "Assgnmt/Id, line 1: expected an id, got none"),
        (answer("", head="<Assgnmt><Id>A</Id><CreDtTm>now</CreDtTm></Assgnmt>"), "Assgnmt/CreDtTm"),
        (answer("", head="<Assgnmt><Id>A</Id></Assgnmt><Sts><Conf>IPAY</Conf></Sts>"),
         "Sts/Conf, line 1: expected a status such as CNCL, RJCR or PDCR, got 'IPAY'"),
        (answer(GROUP.format("<TxInfAndSts><TxCxlSts>DONE</TxCxlSts></TxInfAndSts>")),
         "CxlDtls 1, OrgnlPmtInfAndSts 1, TxInfAndSts 1, TxCxlSts, line 2: expected a status such as CNCL"),
        (answer(GROUP.format("<TxInfAndSts/>"), head="<Assgnmt><Id>A</Id></Assgnmt>"),
         "TxCxlSts, line 2: expected a status of the debit, or of anything above it, got none"),
        (answer(GROUP.format("<PmtInfCxlSts>X</PmtInfCxlSts>")), "CxlDtls 1, OrgnlPmtInfAndSts 1, PmtInfCxlSts"),
        (answer("<CxlDtls/>" + GROUP.format("<TxInfAndSts><OrgnlInstdAmt Ccy='VND'>1.5</OrgnlInstdAmt></TxInfAndSts>")),
         "CxlDtls 2, OrgnlPmtInfAndSts 1, TxInfAndSts 1, OrgnlInstdAmt, line 2: VND has 0 decimal places"),
        (answer("<TxInfAndSts/>"), "expected TxInfAndSts within OrgnlPmtInfAndSts or CxlDtls"),
        (answer("<OrgnlPmtInfAndSts/>"), "expected OrgnlPmtInfAndSts within CxlDtls"),
        (answer(GROUP)[:-40], "expected well-formed XML"),
        (b'<Document xmlns="urn:camt.029.001.09"><Other/></Document>', "with an answer in it, got none"),
        (b'<RsltnOfInvstgtn xmlns="urn:other"><Assgnmt><Id>A</Id></Assgnmt></RsltnOfInvstgtn>', "got 'urn:other'"),
    ],
)  # fmt: skip
def test_what_is_no_answer(data, said):
    assert said in refusal(data)


def test_a_long_answer_is_read_to_its_end():
    one = "<TxInfAndSts><OrgnlEndToEndId>E{:05}</OrgnlEndToEndId><TxCxlSts>ACCR</TxCxlSts></TxInfAndSts>"
    *_, closed = statements.read(io.BytesIO(answer(GROUP.format("".join(map(one.format, range(10_000)))))))
    assert closed.debits == {RecallVerdict.CANCELLED: 10_000}
