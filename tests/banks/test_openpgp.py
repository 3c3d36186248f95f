"""OpenPGP messages are told by their first bytes, opened with our key, and believed only when signed as declared."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from pysequoia import Profile, SignatureMode, Tsk, encrypt, sign

from banks import openpgp, statements
from banks.errors import Misconfigured, Unreadable
from banks.openpgp import OpenPgpKeys

BARE = (Path(__file__).parents[1] / "corpus" / "camt" / "without-namespace.camt052.xml").read_bytes()
OURS = Tsk.generate("Sandbox utility <utility@example.invalid>", profile=Profile.RFC4880)
NEWER = Tsk.generate("Sandbox utility <utility@example.invalid>")
BANK = Tsk.generate("Sandbox bank <bank@example.invalid>", profile=Profile.RFC4880)
STRANGER = Tsk.generate("Stranger <stranger@example.invalid>", profile=Profile.RFC4880)


def armoured(key):
    return str(key)


def keys(*own, signers=(), passphrase=None):
    return OpenPgpKeys([armoured(one) for one in own], passphrase, [str(one.extract_certificate()) for one in signers])


def message(to=OURS, *, by=None, armor=True):
    signer = by.signer() if by else None
    return bytes(encrypt(BARE, [to.extract_certificate()], signer, armor=armor))


def read(data, with_keys):
    return list(statements.read(io.BytesIO(data), with_keys))


EVENTS = list(statements.read(io.BytesIO(BARE)))


@pytest.mark.parametrize("armor", [True, False], ids=["armour", "packets"])
@pytest.mark.parametrize("to", [OURS, NEWER], ids=["RFC 4880", "RFC 9580"])
def test_a_message_to_our_key_reads_like_the_bare_file(to, armor):
    assert read(message(to, armor=armor), keys(to)) == EVENTS


def test_either_of_two_keys_opens_it_during_a_rotation():
    assert read(message(OURS), keys(NEWER, OURS)) == EVENTS


def test_a_message_under_a_passphrase_opens_with_it():
    data = bytes(encrypt(BARE, passwords=["correct horse"]))
    assert read(data, OpenPgpKeys(passphrase="correct horse")) == EVENTS
    with pytest.raises(Unreadable, match="whole and rightly signed"):
        read(data, OpenPgpKeys(passphrase="wrong horse"))


def test_with_signers_declared_only_theirs_will_do():
    assert read(message(by=BANK), keys(OURS, signers=[BANK])) == EVENTS
    assert read(message(by=BANK), keys(OURS, signers=[STRANGER, BANK])) == EVENTS
    for forged in (message(by=STRANGER), message()):
        with pytest.raises(Unreadable, match="sign"):
            read(forged, keys(OURS, signers=[BANK]))


def zipped(name, data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [BARE, gzip.compress(BARE), zipped("SK.xml", BARE), zipped("xl/workbook.xml", b"<workbook/>")],
    ids=["bare", "gzip", "zip", "workbook"],
)
def test_with_signers_declared_a_file_in_the_clear_is_refused(data):
    with pytest.raises(Unreadable, match="expected a file signed by the bank's OpenPGP key, got one in the clear"):
        read(data, keys(OURS, signers=[BANK]))


def test_a_signed_message_counts_wherever_it_stands_among_the_wrappers():
    packed = gzip.compress(zipped("SK.xml.pgp", message(by=BANK)))
    assert read(packed, keys(OURS, signers=[BANK])) == EVENTS


def test_a_signed_message_may_hold_a_zip_of_a_gzip():
    data = zipped("SK.xml.gz", gzip.compress(BARE))
    sealed = bytes(encrypt(data, [OURS.extract_certificate()], BANK.signer()))
    assert read(sealed, keys(OURS, signers=[BANK])) == EVENTS


def test_without_a_key_the_refusal_says_which_secret_is_missing():
    with pytest.raises(Unreadable, match="secret pgp_key"):
        read(message(), None)


def test_a_message_to_another_key_is_refused():
    with pytest.raises(Unreadable, match=r"expected an OpenPGP message for our key.*got: No key to decrypt message$"):
        read(message(STRANGER), keys(OURS))


def test_a_broken_key_of_ours_is_our_fault_and_stays_unsaid():
    with pytest.raises(Misconfigured) as refused:
        read(message(), OpenPgpKeys(["-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nsecret stuff\n"]))
    assert "secret stuff" not in str(refused.value)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_cut_off_message_is_refused(keep):
    data = message(armor=False)
    with pytest.raises(Unreadable):
        read(data[: int(len(data) * keep)], keys(OURS))


def test_a_changed_message_is_refused_and_nothing_of_it_is_read():
    data = bytearray(message(armor=False))
    data[-40] ^= 1
    with pytest.raises(Unreadable, match="whole and rightly signed"):
        read(bytes(data), keys(OURS))


def test_what_unfolds_beyond_the_limit_is_refused(tmp_path):
    source, target = tmp_path / "message", tmp_path / "content"
    source.write_bytes(message())
    target.touch()
    with pytest.raises(Unreadable, match=r"at most 100 bytes inside|whole and rightly signed"):
        openpgp.decrypt(source, target, keys(OURS), max_bytes=100)
    assert target.stat().st_size <= 101


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"PK\x03\x04", b":20:ST", b"\xff\xfe<\x00", b"\xef\xbb\xbf<x", "Ánh sáng,1,2".encode("cp1258"),
     b"\x85 khong phai PGP", b"-----BEGIN PGP PUBLIC KEY BLOCK-----"],
)  # fmt: skip
def test_other_files_are_not_taken_for_messages(data):
    assert not openpgp.is_message(data)


def test_a_message_that_is_only_signed_is_told_and_refused():
    data = bytes(sign(BANK.signer(), BARE, mode=SignatureMode.CLEAR))
    assert openpgp.is_message(data)
    with pytest.raises(Unreadable):
        read(data, keys(OURS))
