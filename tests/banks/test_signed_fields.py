import pytest

from banks import strict_json
from banks.errors import Unreadable
from banks.signed_fields import check_one_reading, joined


def test_fields_are_joined_as_they_were_sent():
    fields = strict_json.read_object(
        '{"b":"đ & c","a":1.50,"n":null,"t":true,"l":[{"z":1,"a":"é"},[]]}'.encode(), exact_numbers=True
    )
    assert (
        joined(fields, ["a", "b", "n", "t", "l", "absent"])
        == 'a=1.50&b=đ & c&n=&t=true&l=[{"a":"é","z":1},[]]&absent='.encode()
    )


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"a": "x&b=1"}, "data.a"),
        ({"a": "&_9="}, "data.a"),
        ({"a": ["&b="]}, "data.a"),
        ({"a=1&b": "x"}, "data.'a=1&b'"),
        ({"": "x"}, "data.''"),
        ({"é": "x"}, r"data.'\xe9'"),
    ],
)
def test_a_value_or_name_that_could_be_cut_otherwise_is_refused_with_its_place(fields, place):
    with pytest.raises(Unreadable) as caught:
        check_one_reading(fields, fields, place="data")
    assert caught.value.place == place


def test_what_can_be_cut_in_one_way_only_passes():
    check_one_reading({"a": "x & y = z &= a=b", "b_2": None, "C": 5}, ["a", "b_2", "C", "absent"])


def test_a_nested_object_has_no_text():
    with pytest.raises(Unreadable, match=r"data\.a: expected a text"):
        joined({"a": {}}, ["a"], place="data")
