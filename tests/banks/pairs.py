"""Key pairs of this test run, two of each kind, and their texts as a secret store holds them."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def private_pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
P256, OTHER_P256 = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ED, OTHER_ED = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
PSS = padding.PSS(padding.MGF1(SHA256()), 32)


def raw_of(der):
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
