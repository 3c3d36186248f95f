"""Public MT940 and MT942 samples of many banks, kept beside the project: each with the verdict it must have."""

import io
import os
import re
import warnings
from decimal import Decimal
from pathlib import Path

import mt940
import pytest

from banks import statements
from banks.errors import Unreadable
from banks.records import StatementClosed, StatementLine

FOLDER = Path(os.environ.get("DOISOAT_CORPUS") or Path(__file__).parents[4] / "shared" / "corpus")
PROJECTS = ("sandermarechal-jejik-mt940", "wolph-mt940")
JEJIK, WOLPH = PROJECTS

FAMILY_BANK = [
    (2, "145.00", "0.00", True), (1, "80.00", "0.00", True), (2, "120.00", "0.00", True), (3, "190.00", "0.00", True),
    (1, "65.00", "0.00", True), (1, "50.00", "0.00", True), (1, "40.00", "0.00", True), (1, "55.00", "0.00", True),
]  # fmt: skip
MANY_ACCOUNTS = [
    (7, "997241.96", "-1000151.83", True), (2, "15000.05", "-500250.00", True), (5, "125180.81", "-653219.32", True),
    (3, "1050000.00", "0.00", True), (5, "204.88", "-726899.15", True), (1, "50990.05", "0.00", True),
    (4, "19990.05", "-10061.68", True), (4, "0.00", "-70350.62", True), (8, "201202.10", "-7650.24", True),
    (3, "0.00", "-944525.59", True), (6, "915646.88", "-18163.85", True), (6, "0.00", "-2087703.12", True),
    (6, "171052.00", "-411579.81", True), (3, "0.00", "-2826312.00", True), (1, "13990.05", "0.00", True),
    (5, "0.00", "-20066.02", True), (5, "0.00", "-182316.43", True), (2, "0.00", "-1298692.05", True),
    (1, "50990.05", "0.00", True), (3, "92990.19", "0.00", True), (4, "360093.91", "-1500.00", True),
    (7, "1070951.81", "-3572569.03", True), (3, "52900.10", "-125300.10", True), (1, "0.00", "-150.00", True),
    (1, "0.00", "-150.00", True), (1, "50.05", "0.00", True),
]  # fmt: skip
SPARE = [(1, "0.00", "-233.15", False)]
FEBRUARY = [(1, "0.00", "-6.00", True)]
ING = [(7, "4.68", "-50.27", False)]
POSTFINANCE = [(2, "229.20", "0.00", True), (2, "10.10", "-79.90", False)]

# file → one (lines, credit total, debit total, balanced) a statement, or the refusal
EXPECTED = {
    f"{JEJIK}/K4262927_20200905-080000-952.txt": [(1, "230.00", "0.00", None)],
    f"{JEJIK}/bug-core-5401.txt": [(1, "50.00", "0.00", False)],
    f"{JEJIK}/generic.txt": [(1, "0.00", "-10.00", True), (1, "0.00", "-10.00", True)],
    f"{JEJIK}/ing-dos.txt": ING,
    f"{JEJIK}/ing-unix.txt": ING,
    f"{JEJIK}/knab.txt": [(1, "500.00", "0.00", True), (2, "500.00", "-7260.00", False)],
    f"{JEJIK}/lbbw.txt": [(2, "0.01", "-0.01", True)],
    f"{JEJIK}/oldenburgischelandesbank2.txt": [(1, "230.00", "0.00", None)],
    f"{JEJIK}/postfinance.txt": POSTFINANCE,
    f"{JEJIK}/rabobank-iban.txt": [(2, "0.00", "-35.00", True), (2, "0.00", "-35.00", True)],
    f"{JEJIK}/rabobank.txt": [
        (1, "0.00", "-1213.28", False), (0, "0.00", "0.00", True), (2, "0.00", "-281.51", False),
        (2, "0.00", "-94.30", True),
    ],
    f"{JEJIK}/sns.txt": [(2, "0.00", "-25.00", True), (0, "0.00", "0.00", True)],
    # A reversed debit is money in, a reversed credit money out; neither of the two closes at what its bank says.
    f"{JEJIK}/sparkasse2.txt": [(1, "1027.25", "0.00", False)],
    f"{JEJIK}/sparkasse3.txt": [(1, "0.00", "-1027.25", False)],
    f"{JEJIK}/sparkasse_interim_balance.txt": [
        (1, "0.00", "-20.00", True), (1, "0.00", "-20.00", True), (0, "0.00", "0.00", True),
    ],
    f"{JEJIK}/triodos.txt": [(2, "0.00", "-715.70", False)],
    f"{JEJIK}/volksbankenraiffeisenbanken.txt": FAMILY_BANK,
    f"{WOLPH}/betterplace/empty_86.sta": "line 1: expected :20:, the beginning of a message, got :86:",
    f"{WOLPH}/betterplace/empty_line.sta": "message 1, line 2: expected balances or lines in the message, got neither",
    f"{WOLPH}/betterplace/sepa_mt9401.sta": MANY_ACCOUNTS,
    # Two of the accounts of the file above; in the second a line was changed so that it no longer adds up.
    f"{WOLPH}/betterplace/sepa_snippet.sta": [
        (4, "360093.91", "-1500.00", True), (7, "1070651.81", "-3572569.11", False),
    ],
    f"{WOLPH}/betterplace/with_binary_character.sta": [
        (3, "13095.30", "-193282.05", True), (1, "1120.00", "0.00", True),
    ],
    f"{WOLPH}/cmxl/account_identification_iban.sta": "line 1: expected :20:, the beginning of a message, got :25:",
    f"{WOLPH}/cmxl/account_identification_legacy.sta": "line 1: expected :20:, the beginning of a message, got :25:",
    f"{WOLPH}/cmxl/mt940.sta": [
        (11, "49396.74", "-49309.44", True), (2, "3000.00", "-800.00", True), (3, "20040.00", "-10000.00", True),
    ],
    f"{WOLPH}/cmxl/reference.sta": "message 1, line 1: expected balances or lines in the message, got neither",
    f"{WOLPH}/cmxl/statement_details.sta": "line 1: expected :20:, the beginning of a message, got :61:",
    f"{WOLPH}/cmxl/statement_line.sta": "line 1: expected :20:, the beginning of a message, got :61:",
    f"{WOLPH}/jejik/abnamro.sta": [(8, "0.00", "-321.44", False), (2, "0.00", "-24.49", False)],
    f"{WOLPH}/jejik/ing.sta": ING,
    f"{WOLPH}/jejik/postfinance.sta": POSTFINANCE,
    f"{WOLPH}/jejik/triodos.sta": [(2, "0.00", "-715.70", False)],
    f"{WOLPH}/mBank/mt942.sta": [(3, "0.03", "0.00", None)],
    f"{WOLPH}/mBank/with_newline_in_tnr.sta": [(2, "89.00", "0.00", False)],
    f"{WOLPH}/sberbank/171011_01234945.sta": [(3, "0.00", "-9437.00", True)],
    f"{WOLPH}/self-provided/account_identification.sta": (
        "message 1, line 1: expected balances or lines in the message, got neither"
    ),
    f"{WOLPH}/self-provided/details_60-63.sta": SPARE,
    f"{WOLPH}/self-provided/empty_non_swift.sta": "expected SWIFT MT940 or MT942 with a message in it, got none",
    f"{WOLPH}/self-provided/february_30.sta": FEBRUARY,
    f"{WOLPH}/self-provided/gv_codes.sta": [(2, "0.00", "-257.45", None)],
    f"{WOLPH}/self-provided/malformed_details.sta": SPARE,
    f"{WOLPH}/self-provided/mt942.sta": [(1, "0.00", "-0.42", None)],
    # A line after the end of the only message belongs to no account, so the whole file is refused.
    f"{WOLPH}/self-provided/multiline.sta": (
        "after message 1, line 38: expected :20:, the beginning of a message, got :61:"
    ),
    f"{WOLPH}/self-provided/overly_long_details.sta": SPARE,
    f"{WOLPH}/self-provided/raphaelm.sta": [
        (6, "105000.00", "0.00", True), (2, "40000.00", "0.00", True), (1, "0.00", "-50000.00", True),
    ],
    f"{WOLPH}/self-provided/sparkassen.sta": "line 1: expected :20:, the beginning of a message, got :61:",
    f"{WOLPH}/self-provided/transaction_details_wrapped.sta": FEBRUARY,
    f"{WOLPH}/self-provided/whitespace.sta": SPARE,
    f"{WOLPH}/self-provided/wrapped_timestamp.sta": FEBRUARY,
}  # fmt: skip
READABLE = [name for name, expected in EXPECTED.items() if not isinstance(expected, str)]

# Their :65F: tag, "Dnullnull7414,3", is no balance; we have no use for it and pass it over.
PEER_REFUSES = {f"{JEJIK}/K4262927_20200905-080000-952.txt", f"{JEJIK}/oldenburgischelandesbank2.txt"}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public samples are not beside this project")


def read(name):
    return list(statements.read(io.BytesIO((FOLDER / name).read_bytes())))


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict(name):
    expected = EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(Unreadable) as refused:
            read(name)
        assert str(refused.value) == expected
    else:
        feet = [event for event in read(name) if isinstance(event, StatementClosed)]
        assert [(f.lines, f.credit_total.decimal(), f.debit_total.decimal(), f.balanced) for f in feet] == expected


@pytest.mark.parametrize("name", READABLE)
def test_lines_and_net_sum_agree_with_a_count_that_shares_no_code(name):
    text = (FOLDER / name).read_bytes().decode("latin-1")
    found = re.findall(r"(?m)^:61:\d{6}(?:\d{4})?(RC|RD|C|D)[A-Z]?(\d+),?(\d*)", text)
    assert len(found) == len(re.findall(r"(?m)^:61:", text))
    net = sum((1 if mark in ("C", "RD") else -1) * Decimal(f"{whole}.{part}0") for mark, whole, part in found)
    lines = [event for event in read(name) if isinstance(event, StatementLine)]
    assert len(lines) == len(found)
    assert sum(Decimal(line.amount.decimal()) for line in lines) == net


@pytest.mark.parametrize("name", sorted(set(READABLE) - PEER_REFUSES))
def test_amounts_and_value_dates_agree_with_another_reader(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mt940.parse((FOLDER / name).read_bytes().decode("utf-8", "replace").replace("\r\n", "\n"))
    lines = [event for event in read(name) if isinstance(event, StatementLine)]
    assert len(lines) == len(theirs.transactions)
    for line, other in zip(lines, theirs.transactions, strict=True):
        if line.reversal:
            continue  # judged above, by the balances of the file they stand in
        assert Decimal(line.amount.decimal()) == other.data["amount"].amount
        assert line.value_on in (None, other.data["date"])


def test_no_sample_is_left_out_of_the_table():
    found = {
        path.relative_to(FOLDER).as_posix()
        for each in PROJECTS
        for path in (FOLDER / each).rglob("*")
        if path.is_file()
    }
    assert found == set(EXPECTED)
