import base64
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from banks.errors import Misconfigured, Unproven, Unreadable
from banks.profile import Asked
from banks.profiles.vietinbank import PROFILE
from banks.records import Outcome, RawRequest
from tests.banks.pairs import OTHER_RSA, P256, RSA, private_pem, public_pem

TOLD = json.loads((Path(__file__).parents[2] / "corpus/vietinbank/paid.callback.json").read_text("utf-8"))
NAMES = ("transId", "transTime", "custCode", "amount", "bankTransId", "remark")
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


@pytest.mark.parametrize("name", NAMES)
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


def signed(**changes):
    """A call that the bank itself signed, and what else its one signature fits."""
    made = PROFILE.sign(request(signature="", **changes), {"bank_private_key": [private_pem(RSA)]}, NOW)
    told = json.loads(made.body)
    return told, {"bank_public_key": [public_pem(RSA)]}


def test_one_signature_never_makes_a_second_payment_by_another_moment_inside():
    true, keys = signed(transId="A20261118091459000481", amount="844")
    forged = {
        **true, "transId": "A", "transTime": "20261118091459", "custCode": "00048120261118091500PC07010912345",
        "amount": "844112", "bankTransId": "T2611180KX481",
    }  # fmt: skip
    for call in (request(**true), request(**forged)):
        assert PROFILE.prove(call, keys, NOW)
        with pytest.raises(Unreadable, match="transTime: expected one moment in the signed text, got several"):
            PROFILE.read(call)


def test_an_id_that_begins_with_a_moment_is_read_and_one_of_nothing_is_not():
    true, keys = signed(transId="20261118091459000481", amount="844")
    assert PROFILE.read(request(**true)).amount.minor == 844
    forged = {
        **true, "transId": "", "transTime": "20261118091459", "custCode": "00048120261118091500PC07010912345",
        "amount": "844112", "bankTransId": "T2611180KX481",
    }  # fmt: skip
    assert PROFILE.prove(request(**forged), keys, NOW)
    with pytest.raises(Unreadable, match="transId: expected an id of the event, got nothing"):
        PROFILE.read(request(**forged))


def test_a_moment_that_is_believed_only_years_later_is_one_as_well():
    true, keys = signed(remark="20291118091500844REF")
    later = NOW.replace(year=2029)
    forged = {
        **true, "transId": "".join(true[name] for name in NAMES[:5]),
        "transTime": "20291118091500", "custCode": "", "amount": "844", "bankTransId": "REF", "remark": "",
    }  # fmt: skip
    assert PROFILE.prove(request(**forged), keys, later)
    for call in (request(**true), replace(request(**forged), received_at=later)):
        with pytest.raises(Unreadable, match="could be read in two ways"):
            PROFILE.read(call)


@given(st.data())
def test_however_a_signed_text_is_cut_anew_it_stays_the_event_that_it_was(data):
    """Between them a true call and any other cut of its text that can be read have one id."""
    numbers = st.from_regex("[A-Z]{0,2}(2026111809|20261118|0)?[0-9]{1,14}", fullmatch=True)
    true, keys = signed(
        transId=data.draw(numbers), amount=str(data.draw(st.integers(1, 10**6))), bankTransId=data.draw(numbers),
        remark=data.draw(st.sampled_from(["", "Tien dien", "20261118091459", "MB 20251118091459 5000 X"])),
    )  # fmt: skip
    text = "".join(true[name] for name in NAMES)
    starts = [match.start() for match in re.finditer(r"(?=202[3-6]1118[0-9]{6})", text)]
    at = data.draw(st.sampled_from(starts))
    rest = text[at + 14 :]
    amounts = [match.span() for match in re.finditer("[1-9][0-9]*", rest)]
    begin, end = data.draw(st.sampled_from(amounts)) if amounts else (0, 0)
    cuts = [text[:at], text[at : at + 14], rest[:begin], rest[begin:end], rest[end:], ""]
    other = {**true, **dict(zip(NAMES, cuts, strict=True))}
    proofs = [PROFILE.prove(request(**told), keys, NOW) for told in (true, other)]
    try:
        for told in (true, other):
            PROFILE.read(request(**told))
    except Unreadable:
        return
    assert proofs[0].event_id == proofs[1].event_id


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
