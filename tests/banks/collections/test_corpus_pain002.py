"""Public status reports of several banks, kept beside the project: each reads to known outcomes."""

import re
from xml.etree import ElementTree

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.records import DebitOutcome, ReportOpened
from tests.banks.statements.test_corpus import FOLDER

# file → (level, status, reason, end-to-end id) an outcome
EXPECTED = {
    "moov-io-iso20022/invalid_pain_v11.xml": [],
    "moov-io-iso20022/pain002-epo_p_0_0_0_2018031510491259.xml": [("file", "ACTC", "", "")],
    "moov-io-iso20022/pain002-epo_p_0_0_0_2018032614401842.xml": [("file", "RJCT", "AM10", "")],
    "moov-io-iso20022/pain002-epo_p_ch2909000000250094239_1109800799_0_2018032612092784.xml": [
        ("debit", "RJCT", "AC01", "EndToEndId-006-01-01"),
        ("group", "RJCT", "NARR", ""),
    ],
    "moov-io-iso20022/pain002-epo_p_ch5109000000250092291_1110097605_0_2018031511252307.xml": [
        ("debit", "RJCT", "AC01", "EndToEndId-001-03-04"),
        ("group", "PART", "", ""),
    ],
    "svapnil-iso20022.js/goldman_sachs/pain_002_v3_accepted.xml": [("debit", "ACCP", "NARR", "GSDGFKfLURaHb")],
    "svapnil-iso20022.js/goldman_sachs/pain_002_v3_payment_accepted.xml": [("group", "ACCP", "NARR", "")],
    "svapnil-iso20022.js/nordea/pain_002_v3_payment_reject.xml": [("group", "RJCT", "NARR", "")],
    "svapnil-iso20022.js/nordea/pain_002_v3_txn_reject.xml": [
        ("debit", "RJCT", "NARR", "ENDTOENDID-950-TEST2-2807-02"),
        ("debit", "RJCT", "NARR", "ENDTOENDID-950-TEST2-2807-01"),
        ("group", "RJCT", "", ""),
    ],
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public samples are not beside this project")


def read(name):
    with (FOLDER / name).open("rb") as stream:
        return list(statements.read(stream))


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict(name):
    outcomes = [event for event in read(name) if isinstance(event, DebitOutcome)]
    assert [(one.level, one.status, one.reason, one.end_to_end_id) for one in outcomes] == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_count_that_shares_no_code_agrees(name):
    root = ElementTree.parse(FOLDER / name).getroot()
    counted = [len(root.findall(f".//{{*}}{tag}")) for tag in ("TxInfAndSts", "PmtInfSts", "GrpSts")]
    outcomes = [event.level for event in read(name) if isinstance(event, DebitOutcome)]
    assert [outcomes.count(level) for level in ("debit", "group", "file")] == counted
    opened = next(event for event in read(name) if isinstance(event, ReportOpened))
    assert opened.original_message_id == root.findtext(".//{*}OrgnlMsgId").strip()


def test_no_report_is_left_out_of_the_table():
    found = {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*.xml")
        if re.search(rb"<CstmrPmtStsRpt", path.read_bytes())
    }
    assert found == set(EXPECTED)


def test_a_debit_file_is_no_report_and_refused_as_what_it_is():
    with pytest.raises(Unreadable, match=r"got XML of <Document> \(.*pain\.008\.001\.02"):
        read("moov-io-iso20022/pain008-musterfile.xml")
