import io
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from banks import xml
from banks.errors import Unreadable


def texts(data, *names):
    return [(xml.split(element.tag)[1], element.text) for element in xml.ended(io.BytesIO(data), names)]


def refusal(data):
    with pytest.raises(Unreadable) as caught:
        texts(data, "b")
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        b"<a><b>1000</b></a>",
        b"<a><b>1<!-- grouping -->000</b></a>",
        b"<a><b>1<?grouping?>000</b></a>",
        b"<a><b>1<![CDATA[000]]></b></a>",
        b"<a><b>1&#48;00</b></a>",
        b"<x:a xmlns:x='urn:x'><x:b>1000</x:b></x:a>",
        b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a><b>1000</b></a>",
        '<?xml version="1.0" encoding="UTF-16"?><a><b>1000</b></a>'.encode("utf-16"),
        '<?xml version="1.0" encoding="UTF-16BE"?><a><b>1000</b></a>'.encode("utf-16-be"),
    ],
)
def test_one_text_however_it_is_written(data):
    assert texts(data, "b") == [("b", "1000")]


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE a>",
        b'<!DOCTYPE a SYSTEM "file:///etc/hostname">',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>',
        b'<!DOCTYPE a [<!ENTITY x "1"><!ENTITY y "&x;&x;&x;&x;&x;">]>',
    ],
)
def test_a_doctype_is_refused_as_such(doctype):
    for data in (doctype + b"<a><b>&x;</b></a>", doctype + b"<a><b>1</b></a>"):
        assert refusal(data).reason == "expected XML without a DOCTYPE, got one"
        with pytest.raises(Unreadable, match="DOCTYPE"):
            xml.started(data)


def test_an_external_dtd_is_never_opened(tmp_path):
    # Content that is no DTD would show up in the reason, had anyone read it.
    (tmp_path / "secret").write_text("no DTD at all")
    data = b'<!DOCTYPE a SYSTEM "file://%s"><a><b/></a>' % str(tmp_path / "secret").encode()
    assert "DOCTYPE" in refusal(data).reason


@pytest.mark.parametrize(
    ("data", "reason", "place"),
    [
        (b"", "no element found", ""),
        (b"plain text", "'<' not found", "line 1"),
        (b"<a>\n<b>1</b>\n", "Premature end", "line 3"),
        (b"<a>\n\n<b>1</c></a>", "mismatch", "line 3"),
        (b"<a>\n&undeclared;</a>", "not defined", "line 2"),
        (b"<a/>\n<b>1</b>", "Extra content", "line 2"),
        (b"<a><b>\xff\xfe</b></a>", "Invalid bytes", "line 1"),
        (b"<a><b>1\x00</b></a>", "Invalid character", "line 1"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "Unsupported encoding", "line 1"),
        (b"<a>" * 300 + b"</a>" * 300, "Excessive depth", "line 1"),
        (b"<a><b>" + b"1" * 5_000_000 + b"</b></a>", "expected one of b within 4194304 bytes", ""),
        (b"<!--" + b"x" * 100_000 + b"--><a/>", "root element within 65536 bytes", ""),
        (b"<a>" + b"<junk>x</junk>" * 400_000 + b"<b/></a>", "expected one of b within 4194304 bytes", ""),
    ],
)
def test_what_is_refused_and_where(data, reason, place):
    refused = refusal(data)
    assert reason in refused.reason
    assert refused.place == place


def test_nothing_after_an_undeclared_entity_is_taken_for_another_file():
    # At the edge between two chunks libxml2's push parser can be led to start anew.
    for size in range(xml.PIECE - 40, xml.PIECE + 3):
        data = b"<a>" + b"x" * size + b"&foo;</a><c><b>7</b></c>"
        assert "not defined" in refusal(data).reason


def test_forgetting_keeps_the_tree_small():
    seen = 0
    for element in xml.ended(io.BytesIO(b"<a>" + b"<b><c>text</c></b>\n" * 20_000 + b"</a>"), ["b"]):
        xml.forget(element)
        seen += 1
        # One chunk's worth of elements ahead may hang there already, none behind.
        assert element.getprevious() is None
    assert seen == 20_000


def test_what_ended_before_the_damage_is_given_first_however_the_bytes_come():
    data = b"<a>" + b"<b>1</b>" * 300 + b"</c><b>2</b></a>"
    for chunk in (xml.CHUNK, 7):
        found = []
        with mock.patch.object(xml, "CHUNK", chunk), pytest.raises(Unreadable, match="mismatch"):
            found.extend(xml.ended(io.BytesIO(data), ["b"]))
        assert len(found) == 300


def test_lines_read_elsewhere_are_counted_and_leave_nothing_in_the_tree():
    forward = xml.Forward(["b"])
    (first,) = forward.feed(b"<a>\n<b>1</b>")
    forward.skip(200_000)
    (second,) = forward.feed(b"<b>2</b>")
    assert (xml.line(first), xml.line(second)) == (2, 200_002)
    assert first.tail is None
    assert [one.tag for one in second.itersiblings(preceding=True)] == ["b"]
    with pytest.raises(Unreadable, match="line 200003"):
        list(forward.feed(b"\n</c>"))


def test_skipping_nothing_feeds_nothing():
    forward = xml.Forward(["b"])
    forward.skip(0)
    assert [one.text for one in forward.feed(b"<?xml version='1.0'?><a><b>1</b></a>")] == ["1"]
    forward.close()


def test_hollowing_spares_the_elements_of_other_names():
    data = b"<a><keep>1</keep>" + b"<b>x</b>" * 3 + b"</a>"
    for element in xml.ended(io.BytesIO(data), ["b", "a"]):
        if element.tag == "b":
            xml.hollow(element)
        else:
            assert [(child.tag, child.text) for child in element] == [("keep", "1"), ("b", None)]


def test_gather_follows_paths_and_nothing_else():
    shape = xml.shape(
        {"Amt": "amount", "Amt/@Ccy": "currency", "Sts": "status", "Sts/Cd": "status", "D/N": "name"}, "u"
    )
    element = etree.fromstring(
        "<E xmlns='u'><Amt Ccy=' VND '> 5 </Amt><Sts>\n<Cd>BOOK</Cd></Sts><D><N>An</N><X><N>no</N></X></D>"
        "<D><N>Binh</N></D><N>no</N><Amt2>9</Amt2><Amt xmlns='other' Ccy='USD'>7</Amt></E>"
    )
    found = xml.gather(element, shape, {})
    assert found == {"amount": "5", "currency": "VND", "status": "BOOK", "name": "An Binh"}


def test_gather_stops_before_a_child():
    element = etree.fromstring("<E><N>An</N><Stop/><N>Binh</N></E>")
    wanted = xml.shape({"N": "name"}, "")
    assert xml.gather(element, wanted, {}, until=element[1]) == {"name": "An"}
    assert xml.gather(element, wanted, {}) == {"name": "An Binh"}


def test_gather_refuses_elements_inside_an_amount_and_endless_text():
    shape = xml.shape({"Amt": "amount", "Amt/@Ccy": "currency", "N": "name"}, "")
    with pytest.raises(Unreadable, match="elements inside"):
        xml.gather(etree.fromstring("<E><Amt Ccy='VND'>1<x/>000</Amt></E>"), shape, {})
    for long in ("<N>" + "x" * 100_001 + "</N>", "<N>xxxxxxxxx</N>" * 10_001):
        with pytest.raises(Unreadable, match="100000 characters"):
            xml.gather(etree.fromstring(f"<E>{long}</E>"), shape, {})


def test_line_names_the_deepest_element_there_is():
    element = etree.fromstring("<a>\n<b>\n<c>1</c></b></a>")
    assert [xml.line(element, path) for path in ("", "b", "b/c", "b/nothing", "nothing/c")] == [1, 2, 3, 2, 1]


def test_started_reads_a_head_that_ends_anywhere():
    data = b"<?xml version='1.0'?><!-- a --><a xmlns='u'><b at='1'><c>text</c></b></a>"
    full = xml.started(data)
    assert full == ["{u}a", "{u}b", "{u}c"]
    for cut in range(len(data)):
        assert xml.started(data[:cut]) == full[: len(xml.started(data[:cut]))]


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 60))
def test_what_is_read_to_the_end_is_well_formed(noise, at, skip):
    sound = b"<?xml version='1.0'?><a xmlns:p='u'><p:b k='1'>text</p:b><b>2</b></a>"
    data = sound[:at] + noise + sound[at + skip :]
    try:
        found = texts(data, "b")
    except Unreadable:
        return
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False))
    assert len(found) == len(root.findall(".//{*}b")) + (xml.split(root.tag)[1] == "b")
