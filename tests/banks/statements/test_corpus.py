"""Public samples of many banks, kept beside the project: each reads to known figures or is refused as it should be."""

import io
import os
import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.records import StatementClosed, StatementLine, StatementOpened

FOLDER = Path(os.environ.get("DOISOAT_CORPUS") or Path(__file__).parents[4] / "shared" / "corpus")
CAMT = re.compile(rb"(?i)\bcamt\.05[234]\.001")

# file → one (lines, credit total, debit total, balanced) a statement, or the beginning of the refusal
EXPECTED = {
    "genkgo-camt/camt052.v2.other-account.xml": [(1, "0.00", "-200000.00", None)],
    "genkgo-camt/camt052.v6.Amt-zero.xml": [(0, "0.00", "0.00", None)],
    "genkgo-camt/camt053.v2.all-balance-types.xml": [(1, "8.85", "0.00", False)],
    "genkgo-camt/camt053.v2.minimal.ultimate.xml": [(1, "8.85", "0.00", None)],
    "genkgo-camt/camt053.v2.with-account-name.xml": [(1, "8.85", "0.00", None)],
    "genkgo-camt/camt053.v2.with-party-ids.xml": [(1, "8.85", "0.00", None)],
    "genkgo-camt/camt053.v2.wrong.xml": "expected ISO 20022 camt.052, camt.053 or camt.054 with a statement in it",
    "genkgo-camt/camt053.v3.xml": [(1, "8.85", "0.00", None)],
    "genkgo-camt/camt054.v4.xml": [(1, "0.00", "-200000.00", None)],
    "genkgo-camt/camt054.v8-with-UETR.xml": [(1, "0.00", "-200000.00", None)],
    "genkgo-camt/camt054.v8-with-financial-institution.xml": [(1, "0.00", "-200000.00", None)],
    "moov-io-iso20022/200519_camt.054-Debit_P_CH2909000000250094239_1110092692_0_2019042401501580.xml": [
        (1, "0.00", "-913.00", None)
    ],
    "moov-io-iso20022/200924_camt.054_P_CH2909000000250094239_1111091335_0_2020061900081727.xml": [
        (2, "1692.22", "0.00", None)
    ],
    "moov-io-iso20022/FI_camt_053_sample.xml.xml": [(13, "23075.00", "-9430.17", True)],
    "moov-io-iso20022/FI_camt_054_sample.xml.xml": [(11, "5500.00", "-5230.05", None)],
    "moov-io-iso20022/camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml": [
        (5, "4733.72", "-77.70", False)
    ],
    "moov-io-iso20022/camt054-returns_p_ch5109000000250092291_1110097606_0_2020112500512470.xml": [
        (1, "500.00", "0.00", None)
    ],
    "svapnil-iso20022.js/goldman_sachs/camt_053_uk_v2_virtual_accounts.xml": [
        (0, "0.00", "0.00", True),
        (6, "200.00", "-400.00", False),
    ],
    "svapnil-iso20022.js/goldman_sachs/camt_053_us_v2_sample.xml": (
        "Stmt 1, Ntry 8, Amt, line 462: expected an amount in USD, the account's currency, got EUR"
    ),
    "svapnil-iso20022.js/nordea/example_camt.xml": [(6, "10100.50", "-1500.50", True)],
    "viafintech-camt_parser/general/invalid_namespace.xml": (
        "expected ISO 20022 camt.052, camt.053 or camt.054 with a statement in it"
    ),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public samples are not beside this project")


def read(data):
    return list(statements.read(io.BytesIO(data)))


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict(name):
    data, expected = (FOLDER / name).read_bytes(), EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(Unreadable) as refused:
            read(data)
        assert str(refused.value).startswith(expected)
    else:
        feet = [event for event in read(data) if isinstance(event, StatementClosed)]
        assert [(f.lines, f.credit_total.decimal(), f.debit_total.decimal(), f.balanced) for f in feet] == expected


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if not isinstance(expected, str)])
def test_entries_and_net_sum_agree_with_a_count_that_shares_no_code(name):
    root = ElementTree.parse(FOLDER / name).getroot()
    counted = []
    for statement in root.findall("./*/*"):
        entries = [
            entry
            for entry in statement.findall("{*}Ntry")
            if "BOOK" in "".join(entry.find("{*}Sts").itertext())  # text in old versions, Cd in new ones
        ]
        if statement.tag.endswith(("}Stmt", "}Rpt", "}Ntfctn")):
            net = sum(
                (1 if entry.findtext("{*}CdtDbtInd") == "CRDT" else -1) * Decimal(entry.findtext("{*}Amt"))
                for entry in entries
            )
            counted.append((len(entries), net))

    ours, entries, net = [], set(), Decimal(0)
    for event in read((FOLDER / name).read_bytes()):
        if isinstance(event, StatementOpened):
            entries, net = set(), Decimal(0)
        elif isinstance(event, StatementLine):
            entries.add(event.entry)
            net += Decimal(event.amount.decimal())
        else:
            assert net == Decimal(event.credit_total.decimal()) + Decimal(event.debit_total.decimal())
            ours.append((len(entries), net))
    assert ours == counted


def test_no_camt_sample_is_left_out_of_the_table():
    found = {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.xml") if CAMT.search(path.read_bytes()[:2000])
    }
    assert found == set(EXPECTED)


def test_what_is_no_camt_is_refused_as_such():
    others = [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix in (".xml", ".sta", ".txt")]
    others = [path for path in others if not CAMT.search(path.read_bytes()[:2000])]
    assert others
    for path in others:
        # Formats read by other readers may be recognised one day; none may be taken for camt.
        assert not statements.camt.recognise(path.read_bytes())
