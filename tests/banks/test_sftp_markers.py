import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from banks.errors import TransferError, Unreadable
from banks.sftp import download, list_files, open_session
from banks.sftp_markers import algorithm_of, marker_of, promised, written
from tests.banks.sftp_bank import CONTENT, OLD, Bank, sandbox_bank, sshd_bank

MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["sandbox", pytest.param("sshd", marks=pytest.mark.sshd)])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bank]:
    with (sandbox_bank if request.param == "sandbox" else sshd_bank)(tmp_path) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "taken"
    path.mkdir()
    return path


def test_only_files_with_their_marker_are_complete(bank: Bank) -> None:
    bank.put("a.xml")
    bank.put("a.xml.ok", b"")
    bank.put("b.xml", mtime=OLD + 1)
    bank.put("b.ok", b"", OLD + 2)
    bank.put("c.xml")
    bank.put("d.ok", b"")
    with open_session(replace(bank.endpoint, done_marker=".ok", pattern="*.xml")) as session:
        assert [(file.name, file.marker) for file in list_files(session)] == [("a.xml", "a.xml.ok"), ("b.xml", "b.ok")]
        assert [file.name for file in session.unmarked] == ["c.xml"]
        bank.put("c.xml.ok", b"")
        assert [file.name for file in list_files(session)] == ["a.xml", "c.xml", "b.xml"]
        assert session.unmarked == []


def test_a_marker_older_than_its_file_was_another_file_s(bank: Bank) -> None:
    bank.put("a.xml", mtime=OLD + 5)
    bank.put("a.xml.ok", b"", OLD + 4)
    with open_session(replace(bank.endpoint, done_marker=".ok")) as session:
        assert list_files(session) == []
        bank.put("a.xml.ok", b"", OLD + 5)
        assert [file.name for file in list_files(session)] == ["a.xml"]


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".md5", f"{MD5}  a.xml\n"),
        (".md5", f"{MD5.upper()} *a.xml\r\n"),
        (".md5", MD5),
        (".md5", f"MD5 (a.xml) = {MD5}\n"),
        (".sha256", f"\ufeff{SHA256}\n"),
        (".sha256", f"{'0' * 64}  other.xml\n{SHA256}  ./out/a.xml\n"),
        (".sha256", f"SHA256(a.xml)= {SHA256}\n"),
    ],
)
def test_a_digest_that_agrees_lets_the_file_in(bank: Bank, folder: Path, ending: str, content: str) -> None:
    bank.put("a.xml")
    bank.put("a.xml" + ending, content.encode())
    with open_session(replace(bank.endpoint, done_marker=ending)) as session:
        (remote,) = list_files(session)
        assert download(session, remote, folder).sha256 == SHA256


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"0" * 32 + b"  a.xml\n", "its marker gives"),
        (b"", "got 0 that fit in 0 lines"),
        (MD5.encode()[:31], "got 0 that fit"),
        (MD5.encode() + b"  b.xml", "got 0 that fit"),
        (MD5.encode() + b"\n" + b"0" * 32, "got 2 that fit"),
        (b"\xff\xfe" + MD5.encode(), "no text"),
        (b"x" * 5000, "at most 4096 bytes, it has 5000"),
    ],
)
def test_a_digest_that_does_not_keeps_it_out_for_now(bank: Bank, folder: Path, content: bytes, said: str) -> None:
    bank.put("a.xml")
    bank.put("a.xml.md5", content)
    with open_session(replace(bank.endpoint, done_marker=".md5")) as session:
        (remote,) = list_files(session)
        with pytest.raises(TransferError, match=said) as caught:
            download(session, remote, folder)
        assert not caught.value.permanent
        assert "a.xml" in str(caught.value)
        assert os.listdir(folder) == []
        bank.put("a.xml.md5", MD5.encode())
        assert download(session, remote, folder).size == len(CONTENT)


def test_a_marker_that_went_away_keeps_its_file_out(bank: Bank, folder: Path) -> None:
    bank.put("a.xml")
    bank.put("a.xml.md5", MD5.encode())
    with open_session(replace(bank.endpoint, done_marker=".md5")) as session:
        (remote,) = list_files(session)
        (bank.inbox / "a.xml.md5").unlink()
        with pytest.raises(TransferError, match=r"reading a\.xml\.md5"):
            download(session, remote, folder)
    assert os.listdir(folder) == []


def test_endings_and_their_digests() -> None:
    assert [algorithm_of(ending) for ending in (".md5", ".SHA256", ".xml.sha512", ".ok", ".done", "md5")] == [
        "md5", "sha256", "sha512", "", "", "md5",
    ]  # fmt: skip


def test_a_marker_beside_is_preferred_over_one_in_place_of_the_extension() -> None:
    assert marker_of("a.xml", 5, ".ok", {"a.ok": 5, "a.xml.ok": 5}) == "a.xml.ok"
    assert marker_of("a.xml", 5, ".ok", {"a.ok": 5, "a.xml.ok": 4}) == "a.ok"
    assert marker_of("a.xml", 5, ".ok", {"b.ok": 5}) == ""


@example("*0", "md5")
@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40), st.sampled_from(["md5", "sha512"])
)
def test_what_we_write_we_read(name: str, algorithm: str) -> None:
    name = name.replace("/", "_")
    digest = hashlib.new(algorithm, name.encode()).hexdigest()
    assert promised(written(name, algorithm, digest), name, algorithm) == digest


@given(st.binary(max_size=200))
def test_any_marker_gives_a_digest_or_is_refused(content: bytes) -> None:
    try:
        found = promised(content, "a.xml", "md5")
    except Unreadable:
        return
    assert len(found) == 32
