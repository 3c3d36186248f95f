import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding

from banks.errors import Misconfigured
from banks.key_pairs import EcdsaP256, Ed25519, KeyPair, Rsa, decode
from tests.banks.pairs import ED, OTHER_ED, OTHER_P256, OTHER_RSA, P256, PSS, RSA, private_pem, public_pem, raw_of

TEXT = "đối soát|844960".encode()


def der_of(raw):
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


KINDS = {
    "rsa": (
        Rsa("pkcs1v15"), RSA, OTHER_RSA,
        lambda text: RSA.sign(text, padding.PKCS1v15(), SHA256()),
        lambda text, made: RSA.public_key().verify(made, text, padding.PKCS1v15(), SHA256()),
    ),
    "rsa-pss": (
        Rsa("pss"), RSA, OTHER_RSA,
        lambda text: RSA.sign(text, PSS, SHA256()),
        lambda text, made: RSA.public_key().verify(made, text, PSS, SHA256()),
    ),
    "ecdsa": (
        EcdsaP256(), P256, OTHER_P256,
        lambda text: P256.sign(text, ec.ECDSA(SHA256())),
        lambda text, made: P256.public_key().verify(made, text, ec.ECDSA(SHA256())),
    ),
    "ecdsa-raw": (
        EcdsaP256(raw=True), P256, OTHER_P256,
        lambda text: raw_of(P256.sign(text, ec.ECDSA(SHA256()))),
        lambda text, made: P256.public_key().verify(der_of(made), text, ec.ECDSA(SHA256())),
    ),
    "ed25519": (Ed25519(), ED, OTHER_ED, ED.sign, lambda text, made: ED.public_key().verify(made, text)),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_library_signs_we_prove_and_what_we_sign_it_proves(kind, encoding):
    scheme, key, other, sign, verify = KINDS[kind]
    pair = KeyPair(scheme, encoding)
    written = sign(TEXT).hex() if encoding == "hex" else base64.b64encode(sign(TEXT)).decode()
    assert pair.match(TEXT, written, [public_pem(key)]) == 0
    assert pair.match(TEXT, written, [public_pem(other), public_pem(key)]) == 1
    assert pair.match(TEXT, written, [public_pem(other)]) is None
    assert pair.match(TEXT + b"0", written, [public_pem(key)]) is None
    if encoding == "hex":
        assert pair.match(TEXT, written.upper(), [public_pem(key)]) == 0
    made = pair.sign(TEXT, private_pem(key))
    verify(TEXT, decode(made, encoding))
    assert pair.match(TEXT, made, [public_pem(key)]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_bit_anywhere_in_a_signature_matters(kind):
    scheme, key, _, sign, _ = KINDS[kind]
    made = sign(TEXT)
    for position in range(0, len(made), 7):
        bent = made[:position] + bytes([made[position] ^ 1]) + made[position + 1 :]
        assert KeyPair(scheme, "hex").match(TEXT, bent.hex(), [public_pem(key)]) is None
    for cut in (made[:-1], made + b"\0", made[1:]):
        assert KeyPair(scheme, "hex").match(TEXT, cut.hex(), [public_pem(key)]) is None


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"rsa-pss"}))
def test_the_same_text_and_key_give_the_same_signature(kind):
    scheme, key, *_ = KINDS[kind]
    pair = KeyPair(scheme, "hex")
    assert pair.sign(TEXT, private_pem(key)) == pair.sign(TEXT, private_pem(key))


def test_padding_of_one_kind_is_no_signature_of_the_other():
    made = RSA.sign(TEXT, padding.PKCS1v15(), SHA256()).hex()
    assert KeyPair(Rsa("pss"), "hex").match(TEXT, made, [public_pem(RSA)]) is None


@pytest.mark.parametrize(
    ("given", "encoding"),
    [
        ("", "hex"), ("abc", "hex"), ("0g", "hex"), ("ab cd", "hex"), ("ａｂ", "hex"), ("ab\n", "hex"),
        ("", "base64"), ("YQ", "base64"), ("YR==", "base64"), ("YQ==\n", "base64"), (" YQ==", "base64"),
        ("Y-_=", "base64"), ("đ===", "base64"),
    ],
)  # fmt: skip
def test_a_signature_has_one_way_to_be_written(given, encoding):
    assert decode(given, encoding) is None
    assert KeyPair(Rsa("pkcs1v15"), encoding).match(TEXT, given, ["no key is looked at"]) is None


def test_a_certificate_stands_for_its_public_key():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a bank")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(RSA.public_key()).serial_number(1)
        .not_valid_before(begin).not_valid_after(datetime(2021, 1, 1, tzinfo=UTC)).sign(RSA, SHA256())
    )  # fmt: skip
    pem = made.public_bytes(Encoding.PEM).decode()
    signature = RSA.sign(TEXT, padding.PKCS1v15(), SHA256()).hex()
    assert KeyPair(Rsa("pkcs1v15"), "hex").match(TEXT, signature, [pem]) == 0


SMALL = rsa.generate_private_key(65537, 1024)
P384 = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    ("scheme", "key", "said"),
    [
        (Rsa("pkcs1v15"), SMALL, "at least 2048 bits, got 1024"),
        (Rsa("pkcs1v15"), P256, "expected an RSA key, got EC"),
        (EcdsaP256(), RSA, "expected a key on P-256, got RSA"),
        (EcdsaP256(), P384, "expected a key on P-256, got one on secp384r1"),
        (Ed25519(), P256, "expected an Ed25519 key, got EC"),
    ],
)
def test_a_key_of_another_kind_or_too_weak_is_our_fault(scheme, key, said):
    with pytest.raises(Misconfigured, match=said):
        KeyPair(scheme, "hex").sign(TEXT, private_pem(key))
    with pytest.raises(Misconfigured, match=said):
        KeyPair(scheme, "hex").match(TEXT, "00", [public_pem(key)])


@pytest.mark.parametrize("key", ["", "no pem", private_pem(RSA)[:-60], "-----BEGIN CERTIFICATE-----\nAA\n", "\ud800"])
def test_a_key_that_can_not_be_read_is_not_repeated(key):
    for use in (
        lambda: KeyPair(Rsa("pss"), "hex").sign(TEXT, key),
        lambda: KeyPair(Rsa("pss"), "hex").match(TEXT, "00", [key]),
    ):
        with pytest.raises(Misconfigured) as caught:
            use()
        assert not key.strip() or key not in str(caught.value)
        assert caught.value.__cause__ is None


def test_an_encrypted_private_key_and_a_public_one_for_signing_are_refused():
    locked = private_pem(RSA, BestAvailableEncryption(b"x"))
    for key in (locked, public_pem(RSA)):
        with pytest.raises(Misconfigured, match="unencrypted private key"):
            KeyPair(Rsa("pss"), "hex").sign(TEXT, key)
