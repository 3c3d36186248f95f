"""Kept bytes are opened a window at a time, whatever they are."""

import zlib

import pytest

from gateway.kept_contents import WINDOW, window
from reconciliation.inbox import CHUNK, Delivery, DeliveryChunk
from tests.gateway.admin.conftest import NOW


@pytest.fixture
def kept(session, sealer):
    """Keep bytes as a file, return its delivery."""

    def keep(data: bytes) -> Delivery:
        made = Delivery(source="saomai", kind="statement", name="a.xml", digest=b"d", size=len(data), received_at=NOW)
        session.add(made)
        session.flush()
        for ordinal in range(-(-len(data) // CHUNK)):
            piece = zlib.compress(data[ordinal * CHUNK : (ordinal + 1) * CHUNK])
            body = sealer.seal(piece, "delivery_chunks.body")
            session.add(DeliveryChunk(delivery_id=made.id, ordinal=ordinal, body=body))
        session.flush()
        return made

    return keep


def test_a_long_file_is_seen_window_by_window_to_its_last_byte(session, sealer, kept):
    data = "".join(f"dòng {n}\n" for n in range(200_000)).encode()
    delivery = kept(data)
    found, place, seen = [], 0, 0
    while place is not None:
        one = window(session, sealer, delivery, place)
        assert (one.start, one.size) == (place, len(data))
        found.append(one.text)
        seen, place = seen + one.length, one.after
    assert seen == len(data)
    assert len(found) == -(-len(data) // WINDOW)
    assert found[0].startswith("dòng 0\n")
    assert found[-1].endswith("dòng 199999\n")
    assert not any("\ufffd" in text for text in found), "a letter cut in two is left out, not bent"
    assert window(session, sealer, delivery, WINDOW + 5).before == 0


def test_bytes_that_no_key_opens_say_so(session, sealer, kept):
    delivery = kept(b"")
    session.add(DeliveryChunk(delivery_id=delivery.id, ordinal=0, body=bytes(44)))
    session.flush()
    one = window(session, sealer, delivery, 0)
    assert (one.text, one.kind) == (None, "sealed")


@pytest.mark.parametrize(
    ("data", "text", "kind"),
    [
        ("tiền điện".encode(), "tiền điện", ""),
        ("tiền".encode("utf-16"), "tiền", ""),
        (b"\xef\xbb\xbfa", "a", ""),
        (b"\xe9t\xe9", "été", ""),
        (b"PK\x03\x04rest", None, "zip"),
        (b"a\x00b", None, "binary"),
        (b"", "", ""),
    ],
)
def test_what_is_text_is_shown_and_what_is_not_says_so(session, sealer, kept, data, text, kind):
    one = window(session, sealer, kept(data), 0)
    assert (one.text, one.kind, one.after) == (text, kind, None)
