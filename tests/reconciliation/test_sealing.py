import hmac

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.sealing import Sealer, mask_name, mask_numbers, tail

OLD, NEW, INDEX = b"o" * 32, b"n" * 32, b"i" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again_and_never_seals_to_the_same_bytes(plain: bytes) -> None:
    sealer = Sealer([NEW], INDEX)
    sealed = sealer.seal(plain, "a.b")
    assert sealer.open(sealed, "a.b") == plain
    assert sealer.seal(plain, "a.b") != sealed


def test_many_are_sealed_in_their_order_and_each_by_a_nonce_of_its_own() -> None:
    sealer = Sealer([NEW], INDEX)
    sealed = sealer.seal_all([b"same", b"same", b""], "a.b")
    assert [sealer.open(one, "a.b") for one in sealed] == [b"same", b"same", b""]
    assert len({one[4:16] for one in sealed}) == 3
    assert sealer.seal_all([], "a.b") == []


def test_an_older_key_still_opens_and_the_newest_seals() -> None:
    before, after = Sealer([OLD], INDEX), Sealer([NEW, OLD], INDEX)
    assert after.open(before.seal(b"x", "p"), "p") == b"x"
    with pytest.raises(KeyError):
        before.open(after.seal(b"x", "p"), "p")
    assert before.blind("x", "p") == after.blind("x", "p")


def test_another_purpose_or_a_changed_byte_does_not_open() -> None:
    sealer = Sealer([NEW], INDEX)
    sealed = sealer.seal(b"x", "customers.msisdn")
    with pytest.raises(InvalidTag):
        sealer.open(sealed, "deliveries.body")
    for place in (4, len(sealed) - 1):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(InvalidTag):
            sealer.open(changed, "customers.msisdn")


def test_the_blind_index_is_the_same_for_the_same_number_and_purpose_only() -> None:
    sealer = Sealer([NEW], INDEX)
    assert sealer.blind("84912345678", "a") == sealer.blind("84912345678", "a")
    assert sealer.blind("84912345678", "a") != sealer.blind("84912345678", "b")
    assert sealer.blind("84912345678", "a") == hmac.digest(INDEX, b"a\x0084912345678", "sha256")[:16]
    assert sealer.blind("84912345678", "a") != Sealer([NEW], b"j" * 32).blind("84912345678", "a")


@pytest.mark.parametrize(("keys", "index"), [([], INDEX), ([b"short"], INDEX), ([NEW], b"short")])
def test_keys_of_another_length_are_refused(keys: list[bytes], index: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys, index)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("chuyen tu 190026112233", "chuyen tu ···233"),
        ("0912 345 678 gui", "···678 gui"),
        ("+84-912.345.678", "···678"),
        ("STK190026112233", "STK···233"),
        ("sdt0912345678", "sdt···678"),
        ("ĐT 0912345678", "ĐT ···678"),
        ("(091)2345678", "···678"),
        ("(024) 3822 1234 goi", "···234 goi"),
        ("0912/345/678", "···678"),
        ("0912_345_678", "···678"),
        ("0912,345,678", "···678"),
        ("0912  345  678", "···678"),
        ("0912\u00a0345\u00a0678", "···678"),
        ("０９１２３４５６７８", "···６７８"),
        ("MOMO0912345678", "MOMO···678"),
        ("so0912345678", "so···678"),
        ("01/11/2026 tra 12,500,000", "01/11/2026 tra 12,500,000"),
        ("PA00000000001", "PA00000000001"),
        ("HD2026110001", "HD2026110001"),
        ("ky 11/2026, 100000 d", "ky 11/2026, 100000 d"),
    ],
)
def test_numbers_are_masked_and_codes_are_not(written: str, shown: str) -> None:
    assert mask_numbers(written) == shown


@given(st.text(alphabet="0123456789 .-+,/_()TKSDabcMO０９", max_size=40))
def test_masking_twice_masks_no_more(text: str) -> None:
    assert mask_numbers(mask_numbers(text)) == mask_numbers(text)


def test_names_and_tails() -> None:
    assert mask_name("NGUYEN VAN AN") == "N··· V·· A·"
    assert (tail("190026112233"), tail("123456")) == ("2233", "")
