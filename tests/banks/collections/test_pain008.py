"""Debit files are valid against the published schema and say what was asked, as a library of others reads them."""

import hashlib
import io
from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files
from itertools import islice

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from banks.collections import pain008
from banks.collections.debits import Debit, GroupHead, Limits, SequenceType
from banks.collections.written import Written
from banks.errors import Misconfigured
from banks.money import Money, dong
from tests.banks.collections.asked import DEBIT, NOW, US, heads_of, in_order, many
from tests.memory import forget_peak, peak


def xsd(version):
    return files("sepaxml") / "schemas" / f"pain.008.001.{version}.xsd"


SCHEMAS = {version: etree.XMLSchema(etree.fromstring(xsd(version).read_bytes())) for version in pain008.VERSIONS}
READERS = {version: xmlschema.XMLSchema(xsd(version).read_text(encoding="utf-8")) for version in pain008.VERSIONS}


def made(debits, version="08", heads=None, **more):
    out = io.BytesIO()
    heads = heads_of(debits) if heads is None else heads
    written = pain008.write(
        out, iter(debits), heads, message_id="DOISOAT-261118-0001", creditor=US, version=version, now=NOW, **more
    )
    return out.getvalue(), written


def read_back(data, version):
    """Read a file by xmlschema, which knows the schema and nothing of us; return its head, groups and debits."""
    SCHEMAS[version].assertValid(etree.fromstring(data))
    told = READERS[version].to_dict(data.decode())["CstmrDrctDbtInitn"]
    found = [
        Debit(
            end_to_end_id=one["PmtId"]["EndToEndId"],
            amount=Money.parse(str(one["InstdAmt"]["$"]), one["InstdAmt"]["@Ccy"]),
            collect_on=date.fromisoformat(group["ReqdColltnDt"]),
            mandate_id=one["DrctDbtTx"]["MndtRltdInf"]["MndtId"],
            mandate_signed_on=date.fromisoformat(one["DrctDbtTx"]["MndtRltdInf"]["DtOfSgntr"]),
            debtor=one["Dbtr"]["Nm"],
            account=one["DbtrAcct"]["Id"]["Othr"]["Id"],
            bank=bank_of(one["DbtrAgt"]),
            narrative="".join(one["RmtInf"]["Ustrd"]),
            sequence=SequenceType(group["PmtTpInf"]["SeqTp"]),
        )
        for group in told["PmtInf"]
        for one in group["DrctDbtTxInf"]
    ]
    return told["GrpHdr"], told["PmtInf"], found


def bank_of(agent):
    named = agent["FinInstnId"]
    ((name, value),) = named.items()
    assert name in ("BIC", "BICFI", "ClrSysMmbId")
    return value["MmbId"] if name == "ClrSysMmbId" else value


@pytest.mark.parametrize("version", pain008.VERSIONS)
def test_a_file_is_valid_and_says_what_was_asked(version):
    debits = many(60)
    total = sum(one.amount.minor for one in debits)
    data, written = made(debits, version)
    head, groups, found = read_back(data, version)
    assert found == debits
    assert head == {
        "MsgId": "DOISOAT-261118-0001", "CreDtTm": "2026-11-18T09:00:00+07:00", "NbOfTxs": "60",
        "CtrlSum": head["CtrlSum"], "InitgPty": {"Nm": US.name},
    }  # fmt: skip
    assert int(head["CtrlSum"]) == total
    for number, group in enumerate(groups, 1):
        assert group["PmtInfId"] == pain008.group_id("DOISOAT-261118-0001", number)
        assert int(group["NbOfTxs"]) == len(group["DrctDbtTxInf"]) == 10
        assert int(group["CtrlSum"]) == sum(int(one["InstdAmt"]["$"]) for one in group["DrctDbtTxInf"])
        assert (group["PmtMtd"], group["ChrgBr"]) == ("DD", "SLEV")
        assert (group["Cdtr"]["Nm"], bank_of(group["CdtrAgt"])) == (US.name, US.bank)
        assert group["CdtrAcct"]["Id"]["Othr"]["Id"] == US.account
        assert group["CdtrSchmeId"]["Id"]["PrvtId"]["Othr"][0]["Id"] == US.scheme_id
    assert written == Written(
        "DOISOAT-261118-0001", 60, dong(total), 6, len(data), hashlib.sha256(data).hexdigest()
    )  # fmt: skip


@pytest.mark.parametrize(("version", "tag"), [("02", b"<BIC>"), ("08", b"<BICFI>")])
def test_a_bank_may_be_a_bic(version, tag):
    data, _ = made([replace(DEBIT, bank="ICBVVNVX")], version)
    assert data.count(tag + b"ICBVVNVX") == 1


def test_the_same_debits_make_the_same_bytes():
    assert made(many(20)) == made(many(20))


DAY = DEBIT.collect_on
WORDS = st.sampled_from(["NGUYỄN", "Thị Ánh", "ươ đ", "&", "&amp;", "<b>", "]]>", "'", '"', "💡", "👩‍🔧", "điện\u0323"])
TEXTS = st.lists(
    WORDS | st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=12),
    min_size=1, max_size=5,
).map(lambda words: " ".join(" ".join(words).split()) or "x")  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    version=st.sampled_from(pain008.VERSIONS),
    told=st.lists(
        st.tuples(
            TEXTS, TEXTS, st.integers(1, 10**12), st.sampled_from(SequenceType), st.dates(DAY, DAY + timedelta(30)),
            st.from_regex(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?|9704[0-9]{2}", fullmatch=True),
            st.from_regex(r"[A-Z0-9]{4,34}", fullmatch=True),
        ),
        min_size=1, max_size=5,
    ),
)  # fmt: skip
def test_any_debit_survives(version, told):
    debits = in_order(
        replace(
            DEBIT, end_to_end_id=f"E{number}", debtor=name, narrative=text, amount=dong(minor), sequence=sequence,
            collect_on=day, bank=bank, account=account,
        )
        for number, (name, text, minor, sequence, day, bank, account) in enumerate(told)
    )  # fmt: skip
    data, _ = made(debits, version)
    assert read_back(data, version)[2] == debits


def test_amounts_of_other_currencies_keep_their_places():
    data, written = made([replace(DEBIT, amount=Money(1205, "USD"))], currency="USD")
    assert b'<InstdAmt Ccy="USD">12.05</InstdAmt>' in data
    assert data.count(b"<CtrlSum>12.05</CtrlSum>") == 2
    assert written.total == Money(1205, "USD")


@pytest.mark.parametrize(
    ("debits", "heads", "said"),
    [
        ([DEBIT, replace(DEBIT, account="-")], heads_of([DEBIT, DEBIT]), "debit 'HD2611000001-1', account: expected"),
        ([DEBIT, DEBIT], heads_of([DEBIT]), "expected no more debits than the heads promised"),
        ([DEBIT], heads_of([DEBIT, DEBIT]), "expected 2 debits of 1689920 VND, as its head promised, got 1"),
        ([], [], "the file: expected at least one debit"),
        (list(reversed(many(6))), heads_of(many(6)), "collect_on: expected that of its group"),
    ],
)  # fmt: skip
def test_a_fault_is_named(debits, heads, said):
    with pytest.raises(Misconfigured) as refused:
        made(debits, heads=heads)
    assert said in str(refused.value)


def test_a_file_keeps_the_banks_limits():
    with pytest.raises(Misconfigured, match="expected at most 1 debits at this bank"):
        made([DEBIT, DEBIT], limits=Limits(debits=1))
    with pytest.raises(Misconfigured, match="expected at most 1 VND, got"):
        made([DEBIT], limits=Limits(debit_minor=1))


def test_a_version_nobody_declared_is_refused():
    with pytest.raises(Misconfigured, match=r"expected pain\.008\.001\.02 or \.08, got \.05"):
        made([DEBIT], "05")


def test_a_long_run_needs_no_more_memory_than_a_short_one():
    class Nowhere:
        def write(self, data):
            return len(data)

    def debits():
        number = 0
        while True:
            number += 1
            yield replace(DEBIT, end_to_end_id=f"E{number}")

    head = GroupHead(DEBIT.collect_on, DEBIT.sequence, 30_000, 30_000 * DEBIT.amount.minor)
    start = forget_peak()
    written = pain008.write(
        Nowhere(), islice(debits(), 30_000), [head], message_id="M1", creditor=US, version="08", now=NOW
    )
    assert written.size > 15_000_000
    assert peak() - start < 4_000
