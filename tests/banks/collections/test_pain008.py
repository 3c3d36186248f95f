"""Debit files are valid against the published schema, say what was asked field by field, and keep a bank's limits."""

import hashlib
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from banks.collections import pain008
from banks.collections.pain008 import Creditor, Debit, Limits, SequenceType
from banks.errors import Misconfigured
from banks.money import Money, dong

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
US = Creditor("CONG TY DIEN LUC SANDBOX", "190026112233", "BFTVVNVX", "PC07-CREDITOR")
DEBIT = Debit(
    end_to_end_id="HD2611000001-1", amount=dong(844_960), collect_on=date(2026, 11, 20), mandate_id="UQ-0001",
    mandate_signed_on=date(2025, 3, 1), debtor="NGUYỄN THỊ ÁNH", account="0011000999888", bank="970436",
    narrative="Tiền điện kỳ 11/2026 <PC07010912345> & thuế",
)  # fmt: skip


def schema(version):
    path = files("sepaxml") / "schemas" / f"pain.008.001.{version}.xsd"
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


SCHEMAS = {version: schema(version) for version in pain008.VERSIONS}


def made(debits, version="08", creditor=US):
    out = io.BytesIO()
    written = pain008.write(out, debits, message_id="DOISOAT-261118-0001", creditor=creditor, version=version, now=NOW)
    return out.getvalue(), written


def many(count):
    return [
        replace(
            DEBIT, end_to_end_id=f"HD26110{number:05}-1", amount=dong(100_000 + number),
            collect_on=date(2026, 11, 20 + number % 3), sequence=list(SequenceType)[number % 2],
        )
        for number in range(count)
    ]  # fmt: skip


def read_back(data):
    """Read a file by the standard library alone, sharing no code with what wrote it."""
    root = ElementTree.fromstring(data)
    found = []
    for group in root.findall("{*}CstmrDrctDbtInitn/{*}PmtInf"):
        for one in group.findall("{*}DrctDbtTxInf"):
            bank = one.find("{*}DbtrAgt/{*}FinInstnId")
            found.append(
                Debit(
                    end_to_end_id=one.findtext("{*}PmtId/{*}EndToEndId"),
                    amount=Money.parse(one.findtext("{*}InstdAmt"), one.find("{*}InstdAmt").get("Ccy")),
                    collect_on=date.fromisoformat(group.findtext("{*}ReqdColltnDt")),
                    mandate_id=one.findtext(".//{*}MndtId"),
                    mandate_signed_on=date.fromisoformat(one.findtext(".//{*}DtOfSgntr")),
                    debtor=one.findtext("{*}Dbtr/{*}Nm"),
                    account=one.findtext("{*}DbtrAcct/{*}Id/{*}Othr/{*}Id"),
                    bank="".join(bank.itertext()),
                    narrative=one.findtext("{*}RmtInf/{*}Ustrd"),
                    sequence=SequenceType(group.findtext("{*}PmtTpInf/{*}SeqTp")),
                )
            )
    return root, found


@pytest.mark.parametrize("version", pain008.VERSIONS)
def test_a_file_is_valid_and_says_what_was_asked(version):
    debits = many(50)
    data, written = made(debits, version)
    SCHEMAS[version].assertValid(etree.fromstring(data))
    root, found = read_back(data)
    assert sorted(found, key=lambda one: one.end_to_end_id) == debits
    total = sum(one.amount.minor for one in debits)
    assert root.findtext(".//{*}GrpHdr/{*}NbOfTxs") == "50"
    assert root.findtext(".//{*}GrpHdr/{*}CtrlSum") == str(total)
    assert root.findtext(".//{*}GrpHdr/{*}CreDtTm") == "2026-11-18T09:00:00+07:00"
    for group in root.findall("{*}CstmrDrctDbtInitn/{*}PmtInf"):
        members = group.findall("{*}DrctDbtTxInf")
        assert group.findtext("{*}NbOfTxs") == str(len(members))
        assert group.findtext("{*}CtrlSum") == str(sum(int(one.findtext("{*}InstdAmt")) for one in members))
    assert len({group.findtext("{*}PmtInfId") for group in root.findall("{*}CstmrDrctDbtInitn/{*}PmtInf")}) == 6
    assert written == pain008.Written(
        "DOISOAT-261118-0001", 50, dong(total), 6, len(data), hashlib.sha256(data).hexdigest()
    )


@pytest.mark.parametrize("version", pain008.VERSIONS)
def test_a_bank_may_be_a_bic(version):
    data, _ = made([replace(DEBIT, bank="ICBVVNVX")], version)
    SCHEMAS[version].assertValid(etree.fromstring(data))
    tag = {"02": b"<BIC>", "08": b"<BICFI>"}[version]
    assert data.count(tag + b"ICBVVNVX") == 1


def test_the_same_debits_make_the_same_bytes():
    assert made(many(20)) == made(many(20))


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=70)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXTS, st.integers(1, 10**12), st.sampled_from(SequenceType)), min_size=1, max_size=5))
def test_any_name_and_amount_survive(told):
    debits = []
    for number, (text, minor, sequence) in enumerate(told):
        line = " ".join(text.split()) or "x"
        debits.append(
            replace(
                DEBIT, end_to_end_id=f"E{number}", debtor=line, narrative=line, amount=dong(minor), sequence=sequence
            )
        )
    for version in pain008.VERSIONS:
        data, _ = made(debits, version)
        SCHEMAS[version].assertValid(etree.fromstring(data))
        _, found = read_back(data)
        assert sorted(found, key=lambda one: one.end_to_end_id) == debits


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"end_to_end_id": ""}, "end_to_end_id: expected 1 to 35 plain characters"),
        ({"end_to_end_id": "x" * 36}, "end_to_end_id"),
        ({"end_to_end_id": "HĐ1"}, "end_to_end_id"),
        ({"amount": dong(0)}, "amount: expected more than nothing"),
        ({"amount": dong(-1)}, "amount"),
        ({"mandate_id": "a\nb"}, "mandate_id"),
        ({"mandate_signed_on": date(2026, 11, 21)}, "mandate_signed_on"),
        ({"debtor": " "}, "name"),
        ({"debtor": "x" * 71}, "name"),
        ({"account": "0011-000"}, "account: expected 4 to 34 digits or capital letters"),
        ({"bank": ""}, "bank: expected a BIC or a clearing member id"),
        ({"narrative": "a\0b"}, "narrative"),
        ({"narrative": "x" * 141}, "narrative"),
    ],
)
def test_what_no_bank_would_take_is_refused_before_a_byte_is_written(changed, said):
    out = io.BytesIO()
    with pytest.raises(Misconfigured, match=r"^debit ") as refused:
        pain008.write(
            out, [DEBIT, replace(DEBIT, **{"end_to_end_id": "E2", **changed})], message_id="M1", creditor=US,
            version="08", now=NOW,
        )  # fmt: skip
    assert said in str(refused.value)
    assert DEBIT.account not in str(refused.value)
    assert out.getvalue() == b""


def test_one_end_to_end_id_is_one_debit():
    with pytest.raises(Misconfigured, match="expected one debit under it"):
        made([DEBIT, DEBIT])


def test_a_file_has_one_currency_and_at_least_one_debit():
    with pytest.raises(Misconfigured, match="expected VND"):
        made([DEBIT, replace(DEBIT, end_to_end_id="E2", amount=Money(5, "USD"))])
    with pytest.raises(Misconfigured, match="expected at least one"):
        made([])
    with pytest.raises(Misconfigured, match=r"expected pain\.008\.001\.02 or \.08, got \.05"):
        made([DEBIT], "05")


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (Limits(), [10]),
        (Limits(debits=4), [4, 4, 2]),
        (Limits(total_minor=300_002), [2, 2, 2, 2, 2]),
        (Limits(debits=3, total_minor=10**9, debit_minor=200_000), [3, 3, 3, 1]),
    ],
)
def test_a_run_is_split_by_the_banks_limits(limits, sizes):
    debits = many(10)
    files_ = list(pain008.split(debits, limits))
    assert [len(one) for one in files_] == sizes
    assert [debit for one in files_ for debit in one] == debits


@pytest.mark.parametrize("limits", [Limits(debit_minor=844_959), Limits(total_minor=844_959)])
def test_a_debit_beyond_the_limits_by_itself_is_named(limits):
    with pytest.raises(Misconfigured, match="debit HD2611000001-1: expected at most 844959 VND a debit at this bank"):
        list(pain008.split([DEBIT], limits))
    assert list(pain008.split([replace(DEBIT, amount=dong(844_959))], limits))
