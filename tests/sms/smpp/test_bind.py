"""A bind against carriers nobody here wrote: each submit has its word, each receipt is heard, no link is dead long."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import gsm0338  # type: ignore[import-untyped]  # the wheel carries no types
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sms.smpp import STOPPING, statuses
from sms.smpp.receipts import Said
from sms.transport import Accepted, Refused, Unsure
from tests.sms.smpp.conftest import Link
from tests.sms.smpp.peers import Carrier, Road, node_carrier, rust_carrier, wait

Begin = Callable[..., Link]
DAY = timedelta(days=1)
VIETNAMESE = "Điện lực TP thông báo tiền điện tháng 11/2026 của Quý khách là 844.960 đ. Hotline 19001000. " * 3
PLAIN = "Dien luc TP thong bao tien dien thang 11/2026 cua Quy khach: [844.960 d] {PC07} ~ 19001000. " * 4


def joined(submits: list[dict[str, Any]], coding: int) -> str:
    """Join parts as a phone does, by the element in the header of each: all of one reference, each place once."""
    heads = [bytes.fromhex(one["header"]) for one in submits]
    assert {one["coding"] for one in submits} == {coding}
    assert {one["esm"] for one in submits} == {0x40}
    assert len({head[:-1] for head in heads}) == 1
    assert all((head[0], head[1], head[3]) == (0, 3, len(heads)) for head in heads)
    assert sorted(head[4] for head in heads) == [*range(1, len(heads) + 1)]
    return "".join(one["text"] for one in sorted(submits, key=lambda one: one["header"]))


@pytest.mark.parametrize(("text", "coding", "parts"), [(VIETNAMESE, 8, 5), (PLAIN, 0, 3)], ids=["UCS-2", "GSM-7"])
def test_a_long_text_is_joined_by_the_carrier_as_it_was(
    carrier: Carrier, link: Begin, text: str, coding: int, parts: int
) -> None:
    ours = link(carrier.port)
    ours.send(text)
    words = ours.words(text)
    assert words == tuple(Accepted(str(number)) for number in range(1, parts + 1))
    submits = carrier.of("submit")
    assert joined(submits, coding) == text
    assert {(one["submit"], one["from"], one["registered"]) for one in submits} == {("84912345678", "DIENLUC", 1)}
    wait(lambda: len(ours.told) == parts, "a receipt for each part")
    assert {told.ref for told in ours.told if told} == {word.provider_ref for word in words}
    assert all(told and told.said is Said.DELIVERED and told.number == "+84912345678" for told in ours.told)


@pytest.mark.parametrize("text", [VIETNAMESE, PLAIN], ids=["UCS-2", "GSM-7"])
def test_another_carrier_takes_the_same_octets(link: Begin, text: str) -> None:
    with rust_carrier("--keep", "--receipts") as carrier:
        ours = link(carrier.port)
        ours.send(text)
        words = ours.words(text)
        wait(lambda: len(ours.told) == len(words), "a receipt for each part")
        ours.bind.stop()
    octets = [bytes.fromhex(one[1])[6:] for one in carrier.seen[-1]["taken"]]
    if text is VIETNAMESE:
        assert b"".join(octets).decode("utf-16-be") == text
    else:
        assert gsm0338.Codec().decode(b"".join(octets))[0] == text


def test_references_count_up_for_each_number(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port, window=1)
    for number in range(3):
        ours.send(f"{number}{PLAIN}")
        ours.words(f"{number}{PLAIN}")
    references = [int(one["header"][4:6], 16) for one in carrier.of("submit") if one["header"].endswith("01")]
    assert all((second - first) % 256 == 1 for first, second in pairwise(references))


@pytest.mark.parametrize(
    ("ways", "refs"),
    [
        ({}, ["305419896"]),
        ({"before": True}, ["305419896"]),
        ({"twice": True}, ["305419896", "305419896"]),
        ({"ids": "hex"}, ["12345678"]),
        ({"ids": "hex", "receiptIds": "decimal"}, ["305419896"]),
        ({"receiptIds": "hex"}, ["12345678"]),
        ({"receipts": "tlv"}, ["305419896"]),
        ({"bare": True}, ["305419896"]),
        ({"done": "0000000000"}, ["305419896"]),
        ({"done": "20261118090203"}, ["305419896"]),
        ({"done": "hôm qua"}, ["305419896"]),
        ({"receipts": "never"}, []),
    ],
    ids=[
        "after",
        "before",
        "twice",
        "hex",
        "hex-decimal",
        "decimal-hex",
        "tlv",
        "bare",
        "zeros",
        "long",
        "words",
        "never",
    ],
)
def test_receipts_are_heard_however_they_are_told(
    carrier: Carrier, link: Begin, ways: dict[str, Any], refs: list[str]
) -> None:
    carrier.ways(first=0x12345678, **ways)
    ours = link(carrier.port)
    ours.send("Da nhan")
    [word] = ours.words("Da nhan")
    assert word == Accepted("12345678" if ways.get("ids") == "hex" else "305419896")
    wait(lambda: len(ours.told) == len(refs) == len(carrier.of("acknowledged")), "the receipts")
    assert [told.ref for told in ours.told if told] == refs
    assert {one["acknowledged"] for one in carrier.of("acknowledged")} <= {0}
    for told in ours.told:
        assert told is not None
        assert (told.said, told.number) == (Said.DELIVERED, "+84912345678")
        seconds = 3 if ways.get("done") == "20261118090203" else 0
        odd = {"0000000000", "hôm qua"} & {ways.get("done")} or ways.get("bare") or ways.get("receipts")
        assert told.at == (None if odd else datetime(2026, 11, 18, 2, 2, seconds, tzinfo=UTC))


def test_receipts_in_another_order_are_heard_too(carrier: Carrier, link: Begin) -> None:
    carrier.ways(reversed=3)
    ours = link(carrier.port, window=1)
    ours.send("mot", "hai", "ba")
    wait(lambda: len(ours.told) == 3, "three receipts")
    assert [told.ref for told in ours.told if told] == ["3", "2", "1"]


def test_what_is_not_kept_is_told_so(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port)
    ours.keeps = False
    ours.send("Da nhan")
    wait(lambda: ours.unkept, "the receipt")
    assert carrier.of("acknowledged") == [], "nobody has kept it yet"
    ours.bind.acknowledge(ours.unkept, statuses.TRY_AGAIN)
    wait(lambda: carrier.of("acknowledged"), "the acknowledgement")
    assert carrier.of("acknowledged") == [{"acknowledged": 0x64}]


def test_a_message_to_us_is_no_receipt(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port)
    carrier.tell(deliver={"source_addr": "84912345678", "destination_addr": "DIENLUC", "short_message": "id cua toi?"})
    wait(lambda: carrier.of("acknowledged"), "the acknowledgement")
    assert ours.told == [None]


def test_a_storm_of_throttling_slows_us_and_passes_and_every_message_arrives_once(
    carrier: Carrier, link: Begin
) -> None:
    carrier.ways(refuse=[0x58, 0x14] * 4, receipts="never")
    ours = link(carrier.port)
    texts = [f"tin {number}" for number in range(80)]
    ours.send(*texts)
    assert all(isinstance(ours.words(text)[0], Accepted) for text in texts)
    taken = [one["text"] for one in carrier.of("submit") if "id" in one]
    assert sorted(taken) == sorted(texts)
    assert ours.bind.slowed == 8
    assert ours.bind.pace.gap < 0.01, "recovered"


def test_a_carrier_that_stays_full_gives_the_message_back_unsent(carrier: Carrier, link: Begin) -> None:
    carrier.ways(refuse=[0x14] * 1000)
    ours = link(carrier.port, patience_seconds=0.1)
    ours.send("Da nhan")
    [word] = ours.words("Da nhan")
    assert isinstance(word, Refused)
    assert (word.permanent, word.code) == (False, "0x14")


def test_a_refusal_tells_whether_it_is_for_good_and_meets_the_first_part_alone(carrier: Carrier, link: Begin) -> None:
    carrier.ways(refuse=[0x0B, 0x08])
    ours = link(carrier.port, window=1)
    ours.send(PLAIN, "Da nhan")
    assert [(word.permanent, word.code) for word in (*ours.words(PLAIN), *ours.words("Da nhan"))] == [
        *[(True, "0x0B")] * 3, (False, "0x08"),
    ]  # fmt: skip
    assert len(carrier.of("submit")) == 2


def test_a_half_open_link_is_noticed_and_what_was_out_is_unsure(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port, idle_seconds=0.1, answer_seconds=0.3)
    wait(lambda: carrier.of("enquire"), "a question whether the carrier is there")
    carrier.freeze()
    ours.send("Da nhan")
    [word] = ours.words("Da nhan")
    assert isinstance(word, Unsure)
    whys = ("enquire_link", "connect", "bind")  # it ends, is told why, and may have tried again meanwhile
    wait(lambda: any(why in ours.bind.trouble for why in whys), "the end of the link")
    carrier.thaw()
    wait(lambda: ours.bind.is_bound, "another bind")
    ours.send("Lan nua")
    assert isinstance(ours.words("Lan nua")[0], Accepted)
    assert [one["text"] for one in carrier.of("submit")].count("Da nhan") <= 1


def test_an_answer_that_comes_late_counts_after_all(carrier: Carrier, link: Begin) -> None:
    carrier.ways(late=250, receipts="never")
    ours = link(carrier.port, answer_seconds=0.1)
    ours.send("Da nhan")
    assert isinstance(ours.words("Da nhan")[0], Unsure)
    wait(lambda: len(ours.outcomes["Da nhan"]) == 2, "the late answer")
    assert ours.words("Da nhan") == (Accepted("1"),)
    assert len(carrier.of("submit")) == 1


def test_what_was_out_when_the_link_broke_is_unsure_and_the_rest_goes_out_on_the_next(
    carrier: Carrier, link: Begin
) -> None:
    carrier.ways(silent=True)
    ours = link(carrier.port, window=3)
    texts = [f"tin {number}" for number in range(8)]
    ours.send(*texts)
    wait(lambda: len(carrier.of("submit")) == 3, "a full window")
    carrier.ways(silent=False)
    carrier.tell(drop=True)
    words = [ours.words(text)[0] for text in texts]
    assert [type(word) for word in words] == [Unsure] * 3 + [Accepted] * 5
    assert len({one["text"] for one in carrier.of("submit")}) == len(carrier.of("submit")) == 8


def test_a_pdu_in_pieces_with_a_pause_inside_is_one_pdu(carrier: Carrier, link: Begin) -> None:
    carrier.ways(receipts="never")
    road = Road(carrier.port)
    try:
        ours = link(road.port, answer_seconds=0.1)
        ours.send(VIETNAMESE)
        assert all(isinstance(word, Accepted) for word in ours.words(VIETNAMESE))
        road.hold_after = road._passed + 10  # in the middle of what comes next
        road.held.set()
        ours.send("Da nhan")
        assert isinstance(ours.words("Da nhan")[0], Unsure), "the pause was longer than our patience"
        assert road.stopped_inside.is_set()
        road.held.clear()
        wait(lambda: len(ours.outcomes["Da nhan"]) == 2, "the rest of the answer")
        assert isinstance(ours.words("Da nhan")[0], Accepted)
        assert ours.bind.binds == 1
    finally:
        ours.bind.stop(0.5)
        road.close()


def test_a_carrier_that_unbinds_is_answered_and_bound_again(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port)
    carrier.tell(unbind=True)
    wait(lambda: carrier.of("unbound"), "our answer")
    wait(lambda: ours.bind.binds == 2, "another bind")
    ours.send("Da nhan")
    assert isinstance(ours.words("Da nhan")[0], Accepted)


def test_stopping_finishes_what_is_out_gives_the_rest_back_and_unbinds(carrier: Carrier, link: Begin) -> None:
    carrier.ways(late=50, receipts="never")
    ours = link(carrier.port, window=2)
    texts = [f"tin {number}" for number in range(6)]
    ours.send(*texts)
    wait(lambda: len(carrier.of("submit")) == 2, "a full window")
    ours.bind.stop()
    words = [ours.words(text)[0] for text in texts]
    assert [type(word) for word in words] == [Accepted] * 2 + [Refused] * 4
    assert not any(word.permanent for word in words[2:])
    wait(lambda: carrier.of("unbind"), "our goodbye")
    assert len(carrier.of("submit")) == 2


def test_who_leaves_while_it_connects_gives_back_at_once_what_waits(link: Begin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it takes a connection, and never a word of TLS
        ours = link(mute.getsockname()[1], bound=False, tls=ssl.create_default_context(), connect_seconds=2.0)
        ours.send("Da nhan")
        wait(lambda: not ours.bind._at_work.locked(), "connecting")
        began = time.monotonic()
        ours.bind.leave()
        [word] = ours.words("Da nhan")
        assert (type(word), word.reason) == (Refused, STOPPING)
        assert (ours.bind.in_hand, ours.bind._thread.is_alive()) == (0, True)
        assert time.monotonic() - began < 2
        ours.bind.stop()  # while the other side is there: what breaks a handshake off is another test's


def test_sequence_numbers_begin_again_after_the_last(carrier: Carrier, link: Begin) -> None:
    ours = link(carrier.port, first_sequence=0x7FFFFFFE, window=1)
    texts = [f"tin {number}" for number in range(4)]
    ours.send(*texts)
    assert all(isinstance(ours.words(text)[0], Accepted) for text in texts)
    assert [one["sequence"] for one in carrier.of("submit")] == [0x7FFFFFFF, 1, 2, 3]


def test_a_wrong_password_is_said_clearly_and_not_tried_again_soon(
    carrier: Carrier, link: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    ours = link(carrier.port, bound=False, password="falsch", patience_seconds=0.05)
    wait(lambda: "password" in ours.bind.trouble.lower(), "the refusal")
    ours.send("Da nhan")
    [word] = ours.words("Da nhan")
    assert isinstance(word, Refused)
    assert re.search(r"refuses the bind: Invalid Password \(0x0E\)", word.reason)
    assert "trying again in 300 s" in caplog.text
    assert "falsch" not in caplog.text
    assert carrier.of("bind") == [{"bind": "doisoat", "right": False}]


def test_the_pace_stays_below_what_is_agreed(carrier: Carrier, link: Begin) -> None:
    carrier.ways(receipts="never")
    ours = link(carrier.port, per_second=100)
    texts = [f"tin {number}" for number in range(21)]
    began = time.monotonic()
    ours.send(*texts)
    for text in texts:
        ours.words(text)
    assert time.monotonic() - began >= 0.19  # a loop that came by late catches up with one gap


@pytest.fixture
def tls_carrier(tmp_path: Path) -> Iterator[tuple[Carrier, Path]]:
    """A carrier that speaks TLS under a certificate of its own making, which is the second one of the two."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    pem, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    with node_carrier(pem, certificate) as running:
        yield running, certificate


def test_over_tls_a_certificate_must_be_known(tls_carrier: tuple[Carrier, Path], link: Begin) -> None:
    carrier, certificate = tls_carrier
    ours = link(carrier.port, tls=ssl.create_default_context(cafile=str(certificate)), host="localhost")
    ours.send(VIETNAMESE)
    assert all(isinstance(word, Accepted) for word in ours.words(VIETNAMESE))
    stranger = link(carrier.port, tls=ssl.create_default_context(), host="localhost", bound=False)
    wait(lambda: "certificate" in stranger.bind.trouble.lower(), "the refusal of an unknown certificate")
