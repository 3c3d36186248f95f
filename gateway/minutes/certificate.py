"""The certificate that minutes are signed with: from the secrets, as PEM or PKCS#12, or a sandbox's own to try with."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from gateway.secrets import optional_secret
from gateway.setting_tables import SettingsError
from gateway.settings import Settings

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.sign.signers import SimpleSigner

KEY, PASSPHRASE = "minutes_key", "minutes_passphrase"
"""Secrets: the key with its certificate and chain (PEM blocks, or PKCS#12 in base64); what opens it, if locked."""


def signer(settings: Settings) -> "SimpleSigner | None":
    """Return who signs minutes; None where no certificate is given. Raises SettingsError for one that can't be used."""
    given = optional_secret(settings, KEY)
    if not given:
        return None
    locked = optional_secret(settings, PASSPHRASE)
    passphrase = locked[0].encode() if locked else None
    try:
        if given[0].startswith("-----BEGIN"):
            return _of_pem(given, passphrase)
        return _of_pkcs12(base64.b64decode("".join(given), validate=True), passphrase)
    except (ValueError, TypeError, binascii.Error) as wrong:
        expected = "a private key and its certificate, as PEM blocks or as PKCS#12 in base64, and what opens them"
        raise SettingsError(f"secret {KEY}: expected {expected}: {type(wrong).__name__}") from None


def own(settings: Settings) -> "list[Certificate]":
    """Return the certificates that minutes of ours are trusted by: the end of our own chain; none without a key."""
    ours = signer(settings)
    if ours is None:
        return []
    chain = [one for one in ours.cert_registry if one != ours.signing_cert and one.self_signed != "no"]
    return chain or [ours.signing_cert]


def read(data: bytes) -> "list[Certificate]":
    """Return the certificates of a file, PEM or DER; raises ValueError when it holds none."""
    from asn1crypto.x509 import Certificate

    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", data, re.DOTALL)
    found = [x509.load_pem_x509_certificate(one) for one in blocks] or [x509.load_der_x509_certificate(data)]
    return [Certificate.load(one.public_bytes(serialization.Encoding.DER)) for one in found]


def make_test() -> str:
    """Return a key with a certificate signed by itself, as PEM, for a sandbox to sign with for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "doisoat sandbox, not a person")])
    since = datetime.now(UTC) - timedelta(days=366)  # a sandbox's clock may stand before ours
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=3653))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode() + made.public_bytes(serialization.Encoding.PEM).decode()


def _of_pem(blocks: list[str], passphrase: bytes | None) -> "SimpleSigner":
    keys = [one for one in blocks if "PRIVATE KEY" in one.partition("\n")[0]]
    certificates = [x509.load_pem_x509_certificate(one.encode()) for one in blocks if one not in keys]
    if len(keys) != 1 or not certificates:
        raise ValueError(f"expected one private key and its certificate, got {len(keys)} and {len(certificates)}")
    key = serialization.load_pem_private_key(keys[0].encode(), passphrase)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError(f"expected a key of RSA, an elliptic curve or Ed25519, got {type(key).__name__}")
    mine = [one for one in certificates if one.public_key() == key.public_key()]
    if not mine:
        raise ValueError("expected the certificate of the private key")
    others = [one for one in certificates if one is not mine[0]]
    # pyHanko takes keys apart best from PKCS#12, whatever their kind.
    packed = pkcs12.serialize_key_and_certificates(None, key, mine[0], others, serialization.NoEncryption())
    return _of_pkcs12(packed, None)


def _of_pkcs12(data: bytes, passphrase: bytes | None) -> "SimpleSigner":
    from pyhanko.sign.signers import SimpleSigner

    found: SimpleSigner | None = SimpleSigner.load_pkcs12_data(data, other_certs=[], passphrase=passphrase)
    if found is None or found.signing_cert is None:
        raise ValueError("expected a private key and its certificate in the PKCS#12")
    return found
