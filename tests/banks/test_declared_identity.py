"""A signed text without bounds holds one moment, or nobody can say where its id ends."""

from datetime import UTC, datetime

import pytest

from banks.declared_fields import Fields
from banks.declared_identity import check_ids_told, check_one_moment
from banks.declared_moments import MomentForm, zone
from banks.errors import Unreadable

NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
DIGITS = MomentForm("%Y%m%d%H%M%S", zone("+07:00"))
SIGNS = MomentForm("%d/%m/%Y %H:%M:%S", zone("+07:00"))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (DIGITS, "E120261118091500PC07"),
        (DIGITS, "2026111809150020261118091500"),  # an id that is a moment, and the moment
        (DIGITS, "E12026111809150020261318091500"),  # month 13
        (DIGITS, "E12026111809150000261118091500"),  # year 26
        (DIGITS, "E12026111809150020381118091500"),  # in twelve years
        (SIGNS, "E118/11/2026 09:15:00PC07"),
        (SIGNS, "E118/11/2026 09:15:0018-11-2026 09:15:00"),
    ],
)
def test_one_moment_leaves_one_id(form, text):
    check_one_moment(text, form, "when", NOW)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (DIGITS, "E12026111809150020261118091459"),
        (DIGITS, "E1202611180915002026111809145X20251118091459"),
        (DIGITS, "E120261118091500 on 20310101000000"),
        (DIGITS, "E12026112020261120101010"),  # two that overlap
        (SIGNS, "E118/11/2026 09:15:00tiền điện 01/01/2020 00:00:00"),
    ],
)
def test_a_second_moment_is_for_a_person(form, text):
    with pytest.raises(Unreadable, match="when: expected one moment in the signed text, got several"):
        check_one_moment(text, form, "when", NOW)


def test_each_field_of_an_id_says_something():
    check_ids_told(Fields({"a": "1", "b": {"c": 0}}), ["a", "b.c"])
    for fields in ({"a": "1"}, {"a": "1", "b": {"c": ""}}, {"b": {"c": "1"}}):
        with pytest.raises(Unreadable, match="expected an id of the event, got nothing"):
            check_ids_told(Fields(fields), ["a", "b.c"])
