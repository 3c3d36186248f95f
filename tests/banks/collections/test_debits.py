"""A debit that no bank would take is named when it passes by, and so is a group that is not what its head promised."""

from dataclasses import replace
from datetime import date

import pytest

from banks.collections.debits import (
    NO_LIMITS,
    Creditor,
    GroupHead,
    Limits,
    SequenceType,
    check_end,
    check_file,
    is_bic,
    is_line,
    members,
)
from banks.errors import Misconfigured
from banks.money import Money, dong
from tests.banks.collections.asked import DEBIT, US, heads_of, many

HEAD = GroupHead(DEBIT.collect_on, DEBIT.sequence, 1, DEBIT.amount.minor)


def passed(debits, head=HEAD, limits=NO_LIMITS):
    return list(members(iter(debits), head, 1, "VND", limits))


def refusal(debits, head=HEAD, limits=NO_LIMITS):
    with pytest.raises(Misconfigured) as refused:
        passed(debits, head, limits)
    return str(refused.value)


def test_a_group_passes_as_it_came_and_leaves_the_next_one_in_the_stream():
    debits = many(60)
    stream = iter(debits)
    seen = [list(members(stream, head, number, "VND")) for number, head in enumerate(heads_of(debits), 1)]
    assert [len(one) for one in seen] == [10] * 6
    assert [debit for group in seen for debit in group] == debits
    check_end(stream)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"end_to_end_id": ""}, "debit '', end_to_end_id: expected 1 to 35 plain characters"),
        ({"end_to_end_id": "x" * 36}, "end_to_end_id"),
        ({"end_to_end_id": "HĐ1"}, "end_to_end_id"),
        ({"end_to_end_id": "a&b"}, "end_to_end_id"),
        ({"amount": dong(0)}, "amount: expected more than nothing"),
        ({"amount": dong(-1)}, "amount"),
        ({"amount": Money(5, "USD")}, "amount: expected VND, as the file, got USD"),
        ({"amount": dong(10**15)}, "amount: expected at most 999999999999999 VND, got"),
        ({"mandate_id": "a\nb"}, "mandate_id"),
        ({"mandate_id": "<"}, "mandate_id"),
        ({"mandate_signed_on": date(2026, 11, 21)}, "mandate_signed_on: expected a day before"),
        ({"collect_on": date(2026, 11, 21)}, "collect_on: expected that of its group, 2026-11-20 RCUR, got 2026-11-21"),
        ({"sequence": SequenceType.LAST}, "sequence: expected that of its group, 2026-11-20 RCUR, got FNAL"),
        ({"debtor": " "}, "name"),
        ({"debtor": "x" * 71}, "name"),
        ({"debtor": "x "}, "name"),
        ({"account": "0011-000"}, "account: expected 4 to 34 digits or capital letters"),
        ({"bank": ""}, "bank: expected a BIC or a clearing member id"),
        ({"bank": "<9704>"}, "bank: expected a BIC or a clearing member id"),
        ({"narrative": "a\0b"}, "narrative"),
        ({"narrative": "a\ud800"}, "narrative"),
        ({"narrative": "x" * 141}, "narrative"),
    ],
)
def test_what_no_bank_would_take_is_named(changed, said):
    told = refusal([replace(DEBIT, **changed)])
    assert said in told
    assert told.startswith("debit ")
    assert DEBIT.account not in told
    assert DEBIT.debtor not in told


def test_a_group_has_exactly_what_its_head_promised():
    assert refusal([]) == (
        "group 1 (2026-11-20 RCUR): expected 1 debits of 844960 VND, as its head promised, got 0 of 0 VND"
    )
    assert "expected 1 debits of 844961 VND" in refusal([DEBIT], replace(HEAD, total_minor=844_961))
    assert "got 1 of 844960 VND" in refusal([DEBIT], replace(HEAD, debits=2))
    with pytest.raises(Misconfigured, match="debit 'HD2611000001-1': expected no more debits than the heads promised"):
        check_end([DEBIT])


def test_a_bank_takes_no_debit_beyond_its_limit():
    assert "expected at most 844959 VND, got 844960 VND" in refusal([DEBIT], limits=Limits(debit_minor=844_959))
    assert passed([DEBIT], limits=Limits(debit_minor=844_960)) == [DEBIT]


def test_a_file_is_its_heads_added_up():
    assert check_file("M1", US, heads_of(many(7)), "VND", Limits(7, 700_021, 1)) == (7, dong(700_021))


@pytest.mark.parametrize(
    ("message_id", "heads", "limits", "said"),
    [
        ("x" * 31, [HEAD], NO_LIMITS, "the file, message_id: expected 1 to 30 plain characters"),
        ("M<", [HEAD], NO_LIMITS, "the file, message_id"),
        ("M1", [], NO_LIMITS, "the file: expected at least one debit"),
        ("M1", [HEAD, HEAD], NO_LIMITS, "the file: expected each group once"),
        ("M1", [replace(HEAD, debits=0)], NO_LIMITS, "group 1 (2026-11-20 RCUR): expected at least one debit"),
        ("M1", [replace(HEAD, total_minor=0)], NO_LIMITS, "group 1 (2026-11-20 RCUR): expected a sum of at least"),
        ("M1", [replace(HEAD, debits=3)], Limits(debits=2), "the file: expected at most 2 debits at this bank, got 3"),
        ("M1", [HEAD], Limits(total_minor=844_959), "the file: expected at most 844959 VND at this bank, got 844960"),
    ],
)
def test_a_file_that_no_bank_would_take_is_named(message_id, heads, limits, said):
    with pytest.raises(Misconfigured) as refused:
        check_file(message_id, US, heads, "VND", limits)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("us", "said"),
    [
        (Creditor("", US.account, US.bank, US.scheme_id), "the creditor, name"),
        (Creditor(US.name, "19-00", US.bank, US.scheme_id), "the creditor, account"),
        (Creditor(US.name, US.account, "", US.scheme_id), "the creditor, bank"),
        (Creditor(US.name, US.account, US.bank, "PC&7"), "the creditor, scheme_id"),
    ],
)
def test_the_creditor_is_checked_too(us, said):
    with pytest.raises(Misconfigured, match=said):
        check_file("M1", us, [HEAD], "VND", NO_LIMITS)


@pytest.mark.parametrize(
    ("bank", "is_one"), [("ICBVVNVX", True), ("ICBVVNVX001", True), ("970436", False), ("icbvvnvx", False)]
)
def test_a_bic_is_told_from_a_member_id(bank, is_one):
    assert is_bic(bank) is is_one


@pytest.mark.parametrize(
    ("text", "fits"),
    [("Điện 💡 và nước", True), ("a\u00a0b", True), ("a\u200db", True), ("a\tb", False), ("a\x85b", False)],
)
def test_a_line_is_printable(text, fits):
    assert is_line(text, 20) is fits
