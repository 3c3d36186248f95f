"""Wrapped statement files read like bare ones; what is broken, locked or a bomb is refused at once."""

import gzip
import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.records import StatementClosed
from banks.statements import wrapping

BARE = (Path(__file__).parents[2] / "corpus" / "camt" / "day-with-everything.camt053.v02.xml").read_bytes()
EVENTS = list(statements.read(io.BytesIO(BARE)))


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def read(data):
    return list(statements.read(io.BytesIO(data)))


def refusal(data):
    started = time.monotonic()
    with pytest.raises(Unreadable) as refused:
        read(data)
    assert time.monotonic() - started < 5  # generous: the machine may be busy; a bomb let through takes minutes
    return str(refused.value)


@pytest.mark.parametrize(
    "wrapped",
    [
        gzip.compress(BARE),
        gzip.compress(BARE[:900]) + gzip.compress(BARE[900:]),
        gzip.compress(BARE) + bytes(512),
        zipped(("SK2611.xml", BARE)),
        zipped(("SK2611.xml", BARE), method=zipfile.ZIP_STORED),
        zipped(("SK2611.xml", BARE), method=zipfile.ZIP_LZMA),
        zipped(("SK2611.xml", BARE), method=zipfile.ZIP_BZIP2),
        zipped(("thư mục/", b""), ("__MACOSX/._SK2611.xml", b"\0\5\26\7"), ("thư mục/SK2611.xml", BARE)),
        gzip.compress(zipped(("SK2611.xml.gz", gzip.compress(BARE)))),
    ],
    ids=[
        "gzip",
        "gzip of two members",
        "gzip, padded",
        "zip",
        "zip, stored",
        "zip, LZMA",
        "zip, BZIP2",
        "zip with folders",
        "three deep",
    ],
)
def test_a_wrapped_file_reads_like_the_bare_one(wrapped):
    assert read(wrapped) == EVENTS


def test_every_file_of_a_zip_is_read_in_its_order():
    assert read(zipped(("1.xml", BARE), ("2.xml.gz", gzip.compress(BARE)))) == EVENTS + EVENTS


def test_a_refusal_names_the_file_inside():
    assert refusal(zipped(("tốt.xml", BARE), ("xấu.xml", BARE[:2000]))).startswith("in x*.xml, ")


@pytest.mark.parametrize("length", [11, len(gzip.compress(BARE)) // 2, len(gzip.compress(BARE)) - 1])
def test_a_cut_off_gzip_is_refused(length):
    assert "it ends before its end" in refusal(gzip.compress(BARE)[:length])


def test_a_gzip_with_another_checksum_is_refused():
    packed = bytearray(gzip.compress(BARE))
    packed[-6] ^= 1
    assert "incorrect data check" in refusal(bytes(packed))


def test_what_follows_a_gzip_must_be_a_gzip():
    assert "expected a whole gzip file" in refusal(gzip.compress(BARE) + b"and more")


def test_a_cut_off_zip_is_refused():
    assert "expected a whole zip file" in refusal(zipped(("1.xml", BARE))[:-30])


def test_a_zip_with_another_checksum_is_refused():
    data = bytearray(zipped(("1.xml", BARE), method=zipfile.ZIP_STORED))
    data[300] ^= 1
    with pytest.raises(Unreadable):
        read(bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2], ids=["LZMA", "BZIP2"])
@pytest.mark.parametrize("inside", ["SK2611.xml", "xl/workbook.xml"], ids=["statement", "workbook"])
def test_a_zip_whose_packed_content_is_broken_is_refused(method, inside):
    data = bytearray(zipped((inside, BARE), ("xl/_rels/workbook.xml.rels", BARE), method=method))
    for at in range(60, 300, 7):
        data[at] ^= 0xFF
    assert "expected a whole" in refusal(bytes(data))


def test_no_name_in_a_zip_stands_in_a_refusal():
    name = "SK_0680112233445_NGUYEN-VAN-A.xml"
    whole = zipped((name, BARE), method=zipfile.ZIP_STORED)
    changed = bytearray(whole)
    changed[400] ^= 1
    renamed = whole.replace(b"NGUYEN", b"NGUYEM", 1)
    for data in (zipped((name, BARE[:2000])), bytes(changed), renamed):
        said = refusal(data)
        assert "NGUY" not in said
        assert "0680112233445" not in said
    assert refusal(zipped((name, BARE[:2000]))).startswith("in S*_*445_N*-V*-A.xml, ")


def test_a_locked_zip_is_refused():
    data = bytearray(zipped(("1.xml", BARE)))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(data)) == "1.xml: expected a zip without a password, got a locked one"


@pytest.mark.parametrize("count", [0, wrapping.MAX_FILES + 1])
def test_a_zip_of_no_files_or_of_too_many(count):
    assert f"got {count}" in refusal(zipped(*((f"{n}.xml", b"<a/>") for n in range(count))))


def test_a_file_may_not_be_wrapped_without_end():
    data = BARE
    for _ in range(5):
        data = gzip.compress(data)
    assert "at most 4 wrappers" in refusal(data)


ZEROS = bytes(1 << 20)


def gzip_bomb(head):
    """A hundred megabytes behind `head`, in a thousandth of that: the best gzip can do."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(head) + b"".join(packer.compress(b" " * len(ZEROS)) for _ in range(100)) + packer.flush()


@pytest.mark.parametrize("head", [b"", BARE[:1500]], ids=["nothing but spaces", "begins like a statement"])
def test_a_gzip_bomb_is_refused(head):
    said = refusal(gzip_bomb(head))
    assert "unfolds" in said or "within" in said or "expected" in said


def test_a_gzip_bomb_is_stopped_by_its_proportion():
    part = next(wrapping.parts(io.BytesIO(gzip_bomb(b""))))
    given = []
    with pytest.raises(Unreadable, match=r"unfolds [0-9]{5} bytes into"):
        given.extend(len(piece) for piece in iter(lambda: part.stream.read(65536), b""))
    assert sum(given) < 20 * len(ZEROS)


def drained(data):
    return sum(len(piece) for part in wrapping.parts(io.BytesIO(data)) for piece in iter(part.stream.read, b""))


@pytest.mark.parametrize("outer", [gzip.compress, lambda data: zipped(("1.gz", data))], ids=["gzip", "zip"])
def test_wrappers_in_one_another_do_not_multiply_what_one_may_unfold(outer):
    inner = gzip.compress(BARE) + gzip.compress(b" " * 5_000) * 3_000
    assert drained(inner) > 15_000_000  # so the inner one alone is within its proportion
    with pytest.raises(Unreadable, match="unfolds"):
        drained(outer(inner))


def test_the_files_of_a_zip_are_weighed_together():
    member = gzip.compress(BARE) + gzip.compress(b" " * 60_000) * 50
    assert drained(zipped(("1.gz", member))) > 3_000_000
    with pytest.raises(Unreadable, match="unfolds"):
        drained(zipped(*((f"{number}.gz", member) for number in range(50))))


def test_a_zip_bomb_is_refused_by_what_it_declares():
    assert "unfolds" in refusal(zipped(*((f"{n}.xml", ZEROS * 4) for n in range(5))))


def test_a_zip_that_lies_about_its_size_is_refused():
    data = bytearray(zipped(("1.xml", b"<" + ZEROS)))
    for at in (data.index(b"PK\x03\x04") + 22, data.rindex(b"PK\x01\x02") + 24):
        data[at : at + 4] = struct.pack("<I", 100)
    assert "expected" in refusal(bytes(data))


def test_a_workbook_is_left_to_the_readers_of_tables():
    book = zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"))
    part = next(opened := wrapping.parts(io.BytesIO(book)))
    assert (part.name, part.stream.read(len(book) + 1)) == ("", book)
    assert list(opened) == []


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_changed_wrapper_is_read_as_before_or_refused(data):
    whole = data.draw(st.sampled_from([gzip.compress(BARE, mtime=0), zipped(("1.xml", BARE))]))
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        events = read(bytes(changed))
    except Unreadable:
        return
    feet = [event for event in events if isinstance(event, StatementClosed)]
    assert feet == [event for event in EVENTS if isinstance(event, StatementClosed)]
