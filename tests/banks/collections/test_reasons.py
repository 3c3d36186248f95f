"""Every code a debit can meet has one kind and a meaning in both languages; an unknown one claims nothing."""

import pytest

from banks.collections import reasons_listed
from banks.collections.reasons import ReasonKind, own_reasons_from, reason, refused_recall
from banks.errors import Misconfigured

LISTED = [code for codes in reasons_listed.CODES.values() for code in codes]


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("insufficient_funds", "AM04"),
        ("account", "AC01 AC04 AC06 AC13 AG01"),
        ("mandate", "MD01 MD02 MD07"),
        ("amount", "AM02 AM09 AM14 SL14"),
        ("refused_by_payer", "MS02 SL01 CUST SL12"),
        ("refund_by_payer", "MD06 SVNR"),
        ("duplicate", "AM05 DUPL DU04"),
        ("recalled", "FOCR DS02"),
        ("technical", "AG02 BE05 FF01 FF05 RC01 RC03 RR01 RR02 RR03 DNOR CNOR DS0B DS24 DT01 AB05 CH21 ED05 TM01 TS01"),
        ("unspecified", "MS03 RR04 NARR AG07"),
    ],
)
def test_kinds(kind, codes):
    assert {code: reason(code).kind for code in codes.split()} == dict.fromkeys(codes.split(), ReasonKind(kind))
    assert all(reason(code).known for code in codes.split())


def test_each_code_stands_once_and_speaks_both_languages():
    assert set(reasons_listed.CODES) == set(ReasonKind)
    assert len(set(LISTED)) == len(LISTED)
    for code in LISTED:
        found = reason(code)
        assert found.code == code
        for words in (found.vi, found.en):
            assert words == words.strip(" .")
            assert words
        assert found.en.isascii()
        assert not found.vi.isascii()


def test_only_want_of_money_is_worth_another_try():
    assert [code for code in LISTED if reason(code).may_be_retried] == ["AM04"]
    assert not reason("51").may_be_retried


@pytest.mark.parametrize("code", ["", "  "])
def test_no_code_is_no_reason(code):
    found = reason(code)
    assert (found.code, found.kind, found.known) == ("", ReasonKind.UNSPECIFIED, False)
    assert found.en == "the bank gave no reason"


@pytest.mark.parametrize("code", ["51", "ZZ99", "HAN-MUC", "DS", "am04", "DSTOOLONG"])
def test_a_code_nobody_knows_claims_nothing(code):
    found = reason(code)
    assert (found.code, found.kind, found.known) == (code, ReasonKind.UNSPECIFIED, False)
    assert found.en == "a code of the bank's own; what it means is not known"


def test_a_banks_own_code_is_what_its_declaration_says():
    own = own_reasons_from({"51": "AM04", "E14": "AC01", "SIG": "DS0B"})
    found = reason("51", own)
    assert (found.code, found.kind, found.may_be_retried, found.known) == ("51", "insufficient_funds", True, True)
    assert found.en == reason("AM04").en
    assert reason("SIG", own).kind is ReasonKind.TECHNICAL
    assert reason("AM04", own) == reason("AM04")
    assert not reason("52", own).known


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"51": "ZZ99"}, "debits.reasons.51: expected a reason code of ISO 20022 such as AM04, got 'ZZ99'"),
        ({"51": 4}, "debits.reasons.51: expected a text"),
        (["51"], "debits.reasons: expected a table, got ['51']"),
    ],
)
def test_a_mistake_names_its_key(values, said):
    with pytest.raises(Misconfigured) as refused:
        own_reasons_from(values)
    assert str(refused.value).startswith(said)


def test_a_refused_recall_has_words_of_its_own():
    assert refused_recall("CUST")[1] == "the customer refuses to have it cancelled"
    assert refused_recall("AC04") == (reason("AC04").vi, reason("AC04").en)
    assert refused_recall("X")[1] == "a code of the bank's own; what it means is not known"
