"""Signature schemes of key pairs: the sender signs with a private key, and a public one proves it.

A key is a PEM text as the secret store holds it: for proving a public key, or the certificate a bank hands out in its
place; for signing an unencrypted private key. A certificate's dates are not asked: a pair ends when its key is retired.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from banks.errors import Misconfigured

Encoding = Literal["hex", "base64"]
_MIN_RSA_BITS = 2048
_P256_BYTES = 32
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


def encode(signature: bytes, encoding: Encoding) -> str:
    """Return `signature` as it stands on the wire: hex in small letters, or padded base64."""
    return signature.hex() if encoding == "hex" else base64.b64encode(signature).decode("ascii")


def decode(given: str, encoding: Encoding) -> bytes | None:
    """Return the bytes of a signature from the wire, hex in either case; None when it is written any other way."""
    if encoding == "hex":
        return bytes.fromhex(given.lower()) if _HEX.fullmatch(given.lower()) else None
    try:
        signature = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Surplus bits at the end would be a second way to write the same signature.
    return signature if signature and encode(signature, "base64") == given else None


class _Kind(Protocol):
    """How one kind of key pair signs and proves raw bytes."""

    def make(self, text: bytes, key: str) -> bytes: ...

    def check(self, text: bytes, signature: bytes, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A scheme of `banks.signatures.Scheme`'s shape: one kind of key pair, and the encoding of its signatures."""

    kind: _Kind
    encoding: Encoding

    def sign(self, text: bytes, key: str) -> str:
        """Return the signature of `text` by the private PEM `key`; raise Misconfigured for an unusable one."""
        return encode(self.kind.make(text, key), self.encoding)

    def match(self, text: bytes, given: str, keys: Sequence[str]) -> int | None:
        """Return the position in the public PEMs `keys` of the one that proves `given`, or None."""
        signature = decode(given, self.encoding)
        if signature is None:
            return None
        fits = [self._fits(text, signature, key) for key in keys]
        return fits.index(True) if any(fits) else None

    def _fits(self, text: bytes, signature: bytes, key: str) -> bool:
        try:
            self.kind.check(text, signature, key)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Rsa:
    """RSA of at least 2048 bits over SHA-256, padded by PKCS #1 v1.5 or by PSS with a salt of the hash's length."""

    padded: Literal["pkcs1v15", "pss"]

    def make(self, text: bytes, key: str) -> bytes:
        """Sign."""
        loaded = _private(key)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise _other_kind("an RSA key", loaded)
        return loaded.sign(text, self._padding(), SHA256())

    def check(self, text: bytes, signature: bytes, key: str) -> None:
        """Prove, or raise InvalidSignature."""
        loaded = _public(key)
        if not isinstance(loaded, rsa.RSAPublicKey):
            raise _other_kind("an RSA key", loaded)
        loaded.verify(signature, text, self._padding(), SHA256())

    def _padding(self) -> padding.AsymmetricPadding:
        if self.padded == "pkcs1v15":
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)


@dataclass(frozen=True, slots=True)
class EcdsaP256:
    """ECDSA on P-256 over SHA-256: as DER (Java, OpenSSL), or `raw` as r and s of 32 bytes each (JOSE)."""

    raw: bool = False

    def make(self, text: bytes, key: str) -> bytes:
        """Sign, by RFC 6979: the same text and key give the same signature."""
        loaded = _private(key)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise _other_kind("a key on P-256", loaded)
        der = loaded.sign(text, ec.ECDSA(SHA256(), deterministic_signing=True))
        if not self.raw:
            return der
        return b"".join(number.to_bytes(_P256_BYTES, "big") for number in decode_dss_signature(der))

    def check(self, text: bytes, signature: bytes, key: str) -> None:
        """Prove, or raise InvalidSignature."""
        loaded = _public(key)
        if not isinstance(loaded, ec.EllipticCurvePublicKey):
            raise _other_kind("a key on P-256", loaded)
        if self.raw:
            if len(signature) != 2 * _P256_BYTES:
                raise InvalidSignature
            r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
            signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        loaded.verify(signature, text, ec.ECDSA(SHA256()))


@dataclass(frozen=True, slots=True)
class Ed25519:
    """Ed25519 (RFC 8032) over the text itself."""

    def make(self, text: bytes, key: str) -> bytes:
        """Sign."""
        loaded = _private(key)
        if not isinstance(loaded, ed25519.Ed25519PrivateKey):
            raise _other_kind("an Ed25519 key", loaded)
        return loaded.sign(text)

    def check(self, text: bytes, signature: bytes, key: str) -> None:
        """Prove, or raise InvalidSignature."""
        loaded = _public(key)
        if not isinstance(loaded, ed25519.Ed25519PublicKey):
            raise _other_kind("an Ed25519 key", loaded)
        loaded.verify(signature, text)


@lru_cache(maxsize=64)  # reading a key costs more than using it
def _private(pem: str) -> object:
    try:
        return _strong(load_pem_private_key(pem.encode("utf-8", "replace"), None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the cause could carry a piece of the key into a log.
        raise Misconfigured("expected an unencrypted private key as PEM") from None


@lru_cache(maxsize=64)
def _public(pem: str) -> object:
    data = pem.encode("utf-8", "replace")
    try:
        if b" CERTIFICATE--" in data:
            return _strong(load_pem_x509_certificate(data).public_key())
        return _strong(load_pem_public_key(data))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured("expected a public key or a certificate as PEM") from None


def _strong(key: object) -> object:
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise Misconfigured(f"expected an RSA key of at least {_MIN_RSA_BITS} bits, got {key.key_size}")
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        raise Misconfigured(f"expected a key on P-256, got one on {key.curve.name}")
    return key


def _other_kind(expected: str, key: object) -> Misconfigured:
    return Misconfigured(f"expected {expected}, got {type(key).__name__}")
