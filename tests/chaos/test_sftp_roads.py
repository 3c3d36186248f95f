"""A road to a real sshd that breaks or goes dumb at any byte: a file is had whole or not at all; the next try heals.

CHAOS_CAMPAIGN=1 (`make chaos`) breaks it at a hundred places in each direction instead of three.
"""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from banks.errors import TransferError
from banks.sftp import After, SftpEndpoint, download, list_files, open_session
from banks.sftp_put_away import put_away
from banks.sftp_upload import upload
from tests.banks.sftp_bank import CONTENT, Bank, Relay, sshd_bank

pytestmark = pytest.mark.sshd
BREAKS = 100 if os.environ.get("CHAOS_CAMPAIGN") else 3


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with sshd_bank(tmp_path) as running:
        for name in ("out", "archive"):
            (running.inbox / name).mkdir()
        running.endpoint = replace(
            running.endpoint, outbox=f"{running.inbox}/out", upload_marker=".ok", read_back=True, done_marker=".ok",
            after=After.ARCHIVE, archive=f"{running.inbox}/archive", channel_timeout=1, connect_timeout=3,
        )  # fmt: skip
        yield running


@pytest.fixture
def road(bank: Bank) -> Iterator[Relay]:
    with Relay(bank.endpoint.port) as relay:
        bank.endpoint = replace(bank.endpoint, port=relay.port)
        yield relay


def places(road: Relay, seed: int, start: int) -> Iterator[None]:
    """Let the road break at BREAKS places between `start` and where the whole visit ended; every third time dumbly."""
    whole, rng = road.travelled, random.Random(seed)
    assert whole > start
    for number in range(BREAKS):
        road.limit = rng.randrange(start, whole)
        road.stalls = number % 3 == 2
        yield
    road.limit = None


def visit(endpoint: SftpEndpoint, folder: Path) -> bytes:
    """Fetch the one file that is there and put it away."""
    with open_session(endpoint) as session:
        (remote,) = list_files(session)
        got = download(session, remote, folder)
        content = got.path.read_bytes()
        got.path.unlink()
        put_away(session, remote)
        return content


@pytest.mark.parametrize("towards_us", [True, False])
def test_a_file_is_fetched_whole_or_not_at_all(bank: Bank, road: Relay, tmp_path: Path, towards_us: bool) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    road.towards_us = towards_us

    def put() -> None:
        for name in os.listdir(bank.inbox / "archive"):
            (bank.inbox / "archive" / name).unlink()
        bank.put("a.xml")
        bank.put("a.xml.ok", b"")

    put()
    assert visit(bank.endpoint, folder) == CONTENT
    broken, permanent = 0, list[str]()
    for _ in places(road, seed=1, start=1000):
        put()
        begun = time.monotonic()
        try:
            assert visit(bank.endpoint, folder) == CONTENT
        except TransferError as error:
            broken += 1
            permanent += [str(error)] * error.permanent
        assert time.monotonic() - begun < 10
        assert os.listdir(folder) == []
        there = sorted(os.listdir(bank.inbox) + os.listdir(bank.inbox / "archive"))
        assert there.count("a.xml") == 1, "the bank's file is in one of its places"
    assert permanent == []
    assert broken > BREAKS // 2
    put()
    assert visit(bank.endpoint, folder) == CONTENT


@pytest.mark.parametrize("towards_us", [True, False])
def test_a_file_is_handed_over_whole_or_not_at_all(bank: Bank, road: Relay, tmp_path: Path, towards_us: bool) -> None:
    ours, outbox = tmp_path / "ours.xml", bank.inbox / "out"
    ours.write_bytes(CONTENT)
    road.towards_us = towards_us

    def hand_over() -> None:
        with open_session(bank.endpoint) as session:
            upload(session, ours, "debits.xml")

    hand_over()
    broken, permanent = 0, list[str]()
    for _ in places(road, seed=2, start=1000):
        for left in outbox.iterdir():
            left.unlink()
        try:
            hand_over()
        except TransferError as error:
            broken += 1
            permanent += [str(error)] * error.permanent
        if (outbox / "debits.xml").exists():
            assert (outbox / "debits.xml").read_bytes() == CONTENT
        else:
            assert not (outbox / "debits.xml.ok").exists()
        road.limit = None
        hand_over()
        assert sorted(os.listdir(outbox)) == ["debits.xml", "debits.xml.ok"]
        assert (outbox / "debits.xml").read_bytes() == CONTENT
    assert permanent == []
    assert broken > BREAKS // 2
