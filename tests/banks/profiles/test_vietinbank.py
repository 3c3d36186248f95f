import base64
import json
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from banks.errors import Misconfigured, Unproven
from banks.profile import Asked
from banks.profiles.vietinbank import PROFILE
from banks.records import Outcome, RawRequest
from tests.banks.pairs import OTHER_RSA, P256, RSA, private_pem, public_pem

TOLD = json.loads((Path(__file__).parents[2] / "corpus/vietinbank/paid.callback.json").read_text("utf-8"))
NOW = datetime.fromisoformat(TOLD["received_at"])
SECRETS = {**TOLD["secrets"], "our_private_key": [private_pem(RSA)]}


def request(**changes):
    body = json.loads(TOLD["body"]) | changes
    return RawRequest("POST", b"", TOLD["headers"], json.dumps(body, ensure_ascii=False).encode(), NOW)


@pytest.mark.parametrize(
    ("name", "value"), [("currency", "USD"), ("account", "9" * 13), ("transType", "D"), ("new", 1)]
)
def test_what_is_not_signed_is_not_believed(name, value):
    told, bent = request(), request(**{name: value})
    assert PROFILE.prove(bent, SECRETS, NOW) == PROFILE.prove(told, SECRETS, NOW), "to us it is the same event"
    assert PROFILE.read(bent) == PROFILE.read(told)
    assert PROFILE.read(bent).amount.currency == "VND"


@pytest.mark.parametrize("name", "transId transTime custCode amount bankTransId remark".split())
def test_what_is_signed_can_not_be_changed(name):
    with pytest.raises(Unproven):
        PROFILE.prove(request(**{name: json.loads(TOLD["body"])[name] + "0"}), SECRETS, NOW)


def test_digits_moved_between_amount_and_reference_make_no_second_event():
    moved = request(amount="8449601", bankTransId="12T2611180KX481")
    true = PROFILE.prove(request(), SECRETS, NOW)
    proof = PROFILE.prove(moved, SECRETS, NOW)
    assert PROFILE.read(moved).amount.minor == 8449601, "the signature can't tell"
    assert proof.event_id == true.event_id
    assert proof.content != true.content, "so it is the same event with other content, which is for a person"


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Outcome.ACCEPTED, "00", "Success"),
        (Outcome.STALE, "00", "Success"),
        (Outcome.CONFLICT, "05", "Duplicate transaction"),
        (Outcome.UNREADABLE, "99", "Invalid data"),
        (Outcome.BUSY, "99", "Please send again"),
    ],
)
def test_our_answer_is_signed_with_our_key(outcome, code, words):
    secrets = {**SECRETS, "our_private_key": [private_pem(RSA), private_pem(OTHER_RSA)]}
    said = json.loads(PROFILE.answer(outcome, "", Asked(request(), secrets)).body)
    signature = base64.b64decode(said.pop("signature"))
    assert said == {"transId": "CTG2611180000481", "errorCode": code, "errorDesc": words}
    text = f"CTG2611180000481{code}{words}".encode()
    RSA.public_key().verify(signature, text, padding.PKCS1v15(), SHA256())


def test_who_proves_nothing_gets_no_signature_of_ours():
    said = json.loads(PROFILE.answer(Outcome.UNPROVEN, "", Asked(request(signature="x"), SECRETS)).body)
    assert said == {"transId": "CTG2611180000481", "errorCode": "99", "errorDesc": "Invalid signature"}


def test_keys_are_of_the_right_kind():
    PROFILE.check_keys(SECRETS)
    for name, key in (("bank_public_key", public_pem(P256)), ("our_private_key", private_pem(P256))):
        with pytest.raises(Misconfigured, match=f"vietinbank: secret {name}: expected an RSA key"):
            PROFILE.check_keys({**SECRETS, name: [key]})
