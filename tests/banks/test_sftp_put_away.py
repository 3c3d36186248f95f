import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from banks.errors import Misconfigured, TransferError
from banks.sftp import After, RemoteFile, download, list_files, open_session
from banks.sftp_put_away import put_away
from banks.sftp_writing import WritingClient
from tests.banks.sftp_bank import CONTENT, OLD, Bank, sandbox_bank, sshd_bank


@pytest.fixture(params=["sandbox", pytest.param("sshd", marks=pytest.mark.sshd)])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bank]:
    """A bank that lets us change its folder, with an archive inside the inbox."""
    made = sandbox_bank(tmp_path, writable=True) if request.param == "sandbox" else sshd_bank(tmp_path)
    with made as running:
        (running.inbox / "archive").mkdir()
        running.endpoint = replace(
            running.endpoint, after=After.ARCHIVE, archive=f"{running.endpoint.inbox.rstrip('/')}/archive"
        )
        yield running


def names(bank: Bank) -> tuple[list[str], list[str]]:
    """What the inbox and the archive hold."""
    archive = sorted(os.listdir(bank.inbox / "archive")) if (bank.inbox / "archive").is_dir() else []
    return sorted(path.name for path in bank.inbox.iterdir() if path.is_file()), archive


def put_all_away(bank: Bank) -> list[bool]:
    with open_session(bank.endpoint) as session:
        return [put_away(session, file) for file in [*list_files(session), *session.unmarked]]


def test_a_file_moves_to_the_archive(bank: Bank) -> None:
    bank.put("a.xml")
    assert put_all_away(bank) == [True]
    assert names(bank) == ([], ["a.xml"])
    assert (bank.inbox / "archive" / "a.xml").read_bytes() == CONTENT


def test_a_file_is_deleted_with_its_marker(bank: Bank) -> None:
    bank.put("a.xml")
    bank.put("a.ok", b"")
    bank.put("b.xml")
    bank.endpoint = replace(bank.endpoint, after=After.DELETE, done_marker=".ok")
    with open_session(bank.endpoint) as session:
        assert [put_away(session, file) for file in list_files(session)] == [True]
    assert names(bank) == (["b.xml"], [])


def test_a_file_stays_where_nothing_else_is_agreed(bank: Bank) -> None:
    bank.put("a.xml")
    bank.endpoint = replace(bank.endpoint, after=After.LEAVE)
    assert put_all_away(bank) == [False]
    assert names(bank) == (["a.xml"], [])


def test_the_archive_never_loses_a_file_to_another_of_the_same_name(bank: Bank) -> None:
    for number, content in enumerate((b"first", b"second")):
        bank.put("a.xml", content, OLD + number)
        assert put_all_away(bank) == [True]
    assert names(bank) == ([], ["a.xml", f"a.xml.{OLD + 1}"])
    assert (bank.inbox / "archive" / "a.xml").read_bytes() == b"first"
    bank.put("a.xml", b"other", OLD + 1)
    with pytest.raises(TransferError, match="a file has that name already") as caught:
        put_all_away(bank)
    assert not caught.value.permanent
    assert names(bank) == (["a.xml"], ["a.xml", f"a.xml.{OLD + 1}"])


def test_a_file_that_changed_since_it_was_fetched_stays(bank: Bank, tmp_path: Path) -> None:
    bank.put("a.xml")
    with open_session(bank.endpoint) as session:
        (remote,) = list_files(session)
        download(session, remote, tmp_path)
        bank.put("a.xml", b"corrected", OLD + 9)
        assert put_away(session, remote) is False
        (bank.inbox / "a.xml").unlink()
        assert put_away(session, remote) is False
    assert names(bank) == ([], [])


def test_a_file_replaced_in_the_very_moment_is_given_back(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.put("a.xml")
    give_name = WritingClient.give_name

    def replaced_first(self: WritingClient, old: str, new: str) -> None:
        if old.endswith("/a.xml") and new.endswith("archive/a.xml"):
            bank.put("a.xml", b"corrected", OLD + 9)
        give_name(self, old, new)

    monkeypatch.setattr(WritingClient, "give_name", replaced_first)
    assert put_all_away(bank) == [False]
    assert names(bank) == (["a.xml"], [])
    assert (bank.inbox / "a.xml").read_bytes() == b"corrected"


@pytest.mark.parametrize("after", [After.ARCHIVE, After.DELETE])
def test_what_was_cut_short_between_marker_and_file_is_done_again(
    bank: Bank, after: After, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.put("a.xml")
    bank.put("a.xml.ok", b"")
    bank.endpoint = replace(bank.endpoint, after=after, done_marker=".ok")
    verb = "give_name" if after is After.ARCHIVE else "erase"
    act: Callable[..., object] = getattr(WritingClient, verb)

    def cut_short(self: WritingClient, path: str, *more: str) -> object:
        if path.endswith(".xml"):
            raise OSError("the process ended here")
        return act(self, path, *more)

    with monkeypatch.context() as patched:
        patched.setattr(WritingClient, verb, cut_short)
        with pytest.raises(TransferError):
            put_all_away(bank)
    assert names(bank)[0] == ["a.xml"], "without its marker nobody takes it for a new one"
    assert put_all_away(bank) == [True]
    assert names(bank)[0] == []


def test_a_missing_archive_is_for_a_person(bank: Bank) -> None:
    bank.put("a.xml")
    (bank.inbox / "archive").rmdir()
    with pytest.raises(TransferError, match=r"putting a\.xml away") as caught:
        put_all_away(bank)
    assert caught.value.permanent
    bank.endpoint = replace(bank.endpoint, archive=bank.endpoint.inbox.rstrip("/") + "/archive/..")
    with pytest.raises(Misconfigured, match="other than the inbox"):
        put_all_away(bank)
    assert names(bank) == (["a.xml"], [])


@pytest.mark.sshd
@pytest.mark.parametrize("after", [After.ARCHIVE, After.DELETE])
def test_a_read_only_server_is_for_a_person(tmp_path: Path, after: After) -> None:
    with sshd_bank(tmp_path, options="-R") as bank:
        bank.put("a.xml")
        (bank.inbox / "archive").mkdir()
        bank.endpoint = replace(bank.endpoint, after=after, archive=f"{bank.inbox}/archive")
        with pytest.raises(TransferError) as caught:
            put_all_away(bank)
    assert caught.value.permanent
    assert names(bank) == (["a.xml"], [])


def test_a_file_s_name_is_all_that_is_asked_for(bank: Bank) -> None:
    bank.put("a.xml")
    with open_session(bank.endpoint) as session:
        assert put_away(session, RemoteFile("b.xml", len(CONTENT), OLD)) is False
    assert names(bank) == (["a.xml"], [])
