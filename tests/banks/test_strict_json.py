import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks import strict_json
from banks.errors import Unreadable
from banks.strict_json import MAX_DEPTH, ExactNumber, read_object


def nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b'{"a":1.0}', "a"),
        (b'{"a":{"b":[0,9007199254740993.0]}}', "a.b[2]"),
        (b'{"a":1e3}', "a"),
        (b'{"a":1E400}', "a"),
        (b'{"a":NaN}', "a"),
        (b'{"a":-Infinity}', "a"),
        (b'{"a":-0}', "a"),
        (b'{"a":' + b"9" * 19 + b"}", "a"),
        (b'{"a":' + b"9" * 5000 + b"}", "a"),
        (b'{"a":1,"a":1}', ""),
        (b'{"a":{"b":1,"\\u0062":2}}', "a"),
        (b'{"a":"\\u0000"}', "a"),
        (b'{"a":{"x":["\\ud800"]}}', "a.x[1]"),
        (b'{"a":"\\udc00\\ud800"}', "a"),
        (b'{"\\u0000":1}', r"'\x00'"),
        (b'{"\\ud800":1}', r"'\ud800'"),
        (b'{"a":"\xff"}', "byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "byte 6"),
        (b'\xef\xbb\xbf{"a":1}', "line 1, column 1"),
        ('{"a":1}'.encode("utf-16"), "byte 0"),
        ('{"a":１}'.encode(), "line 1, column 6"),
        (b'{"a":1_000}', "line 1, column 7"),
        (b'{"a":+1}', "line 1, column 6"),
        (b'{"a":01}', "line 1, column 7"),
        (b'{\n "a":"b\nc"}', "line 2, column 8"),
        (b'{"a":1}{', "line 1, column 8"),
        (b"", "line 1, column 1"),
        (b"[]", ""),
        (b'"a"', ""),
        (b"1.5", ""),
        (b"null", ""),
        (nested(MAX_DEPTH + 1), ""),
        (b"[" * 60_000, ""),
        (b'{"a":"' + b"x" * 65536 + b'"}', ""),
    ],
)
def test_refused_with_its_place(raw, place):
    with pytest.raises(Unreadable) as caught:
        read_object(raw)
    assert caught.value.place == place


def test_read():
    raw = '{"tiền":[true,false,null,-12,0,999999999999999999],"kỳ":{"\\ud83d\\ude00":"[{\\"[[[["}}'.encode()
    assert read_object(raw) == {
        "tiền": [True, False, None, -12, 0, 999999999999999999],
        "kỳ": {"😀": '[{"[[[['},
    }
    assert read_object(nested(MAX_DEPTH))
    assert read_object(b'{"a":1}', max_bytes=7) == {"a": 1}
    with pytest.raises(Unreadable, match="at most 6 bytes"):
        read_object(b'{"a":1}', max_bytes=6)


def test_exact_numbers_stay_the_text_they_were():
    read = read_object(b'{"a":1.50,"b":1e2,"c":-0,"d":12345678901234567890,"e":7,"f":"1.50"}', exact_numbers=True)
    assert [str(value) for value in read.values()] == ["1.50", "1e2", "-0", "12345678901234567890", "7", "1.50"]
    assert [type(value) for value in read.values()] == [ExactNumber] * 4 + [int, str]
    with pytest.raises(Unreadable):
        read_object(b'{"a":NaN}', exact_numbers=True)
    with pytest.raises(Unreadable, match="got a number"):
        strict_json.text(read, "a")


storable = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | storable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(storable, values, max_size=4), st.booleans())
def test_whatever_may_be_kept_is_read_back(tree, escaped):
    assert read_object(json.dumps(tree, ensure_ascii=escaped).encode()) == tree


@given(st.dictionaries(storable, values, max_size=4), st.booleans())
def test_compact_json_reads_back_and_stands_as_python_writes_it(tree, escape):
    written = strict_json.compact(tree, escape=escape)
    assert written == json.dumps(tree, ensure_ascii=escape, separators=(",", ":"))
    assert read_object(strict_json.compact(tree, sort_keys=True, escape=escape).encode()) == tree


def test_compact_json_keeps_numbers_as_they_were_and_sorts_as_javascript_does():
    read = read_object('{"😀":[1.50,-0,1e2],"\ufffd":{"b":1,"a":"/\\u001f\\"\\u2028"}}'.encode(), exact_numbers=True)
    # JavaScript sorts by UTF-16 code units, so that a pair of surrogates stands before U+FFFD.
    assert strict_json.compact(read, sort_keys=True) == '{"😀":[1.50,-0,1e2],"\ufffd":{"a":"/\\u001f\\"\u2028","b":1}}'
    assert strict_json.compact(read) == '{"😀":[1.50,-0,1e2],"\ufffd":{"b":1,"a":"/\\u001f\\"\u2028"}}'
    assert strict_json.compact({"đ": "đ"}, escape=True) == r'{"\u0111":"\u0111"}'


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"true", "true"), (b"false", "false"), (b"null", ""), (b"12", "12"), (b"1.50", "1.50"), (b'"x"', "x")],
)
def test_a_scalar_is_written_as_it_was_sent(raw, text):
    assert strict_json.written(read_object(b'{"a":%b}' % raw, exact_numbers=True)["a"]) == text


@pytest.mark.parametrize("value", [{}, []])
def test_what_is_no_scalar_is_not_written(value):
    with pytest.raises(Unreadable, match=r"data\.x: expected a text, a number"):
        strict_json.written(value, "data.x")


@given(st.binary(max_size=60) | st.text('{}[]",:\\ue0123456789.-ntrfalse', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_unreadable(raw):
    try:
        tree = read_object(raw)
    except Unreadable:
        return
    assert tree == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [b'"' + b'\\"' * 32_000, b'{"' + b"a" * 65_000, b"{" + b",".join(b'"%d":1' % n for n in range(7000)) + b',"0":1}'],
)
def test_hostile_bytes_cost_linear_time(raw):
    started = time.process_time()
    with pytest.raises(Unreadable):
        read_object(raw)
    assert time.process_time() - started < 0.5


def test_fields():
    fields = {"text": "chữ", "empty": "", "null": None, "number": 5, "true": True, "object": {"a": 1}}
    assert strict_json.text(fields, "text", required=True) == "chữ"
    assert [strict_json.text(fields, name) for name in ("empty", "null", "absent")] == ["", "", ""]
    assert strict_json.whole(fields, "number", least=5, most=5) == 5
    assert strict_json.member(fields, "object") == {"a": 1}


@pytest.mark.parametrize(
    "ask",
    [
        lambda fields: strict_json.text(fields, "x", place="data", required=True),
        lambda fields: strict_json.text({"x": 5}, "x", place="data"),
        lambda fields: strict_json.text({"x": "four"}, "x", place="data", longest=3),
        lambda fields: strict_json.whole(fields, "x", place="data"),
        lambda fields: strict_json.whole({"x": True}, "x", place="data"),
        lambda fields: strict_json.whole({"x": "5"}, "x", place="data"),
        lambda fields: strict_json.whole({"x": ExactNumber("1.5")}, "x", place="data"),
        lambda fields: strict_json.whole({"x": 0}, "x", place="data"),
        lambda fields: strict_json.whole({"x": 10**15}, "x", place="data"),
        lambda fields: strict_json.member({"x": []}, "x", place="data"),
    ],
)
def test_fields_name_their_place(ask):
    with pytest.raises(Unreadable) as caught:
        ask({})
    assert caught.value.place == "data.x"
