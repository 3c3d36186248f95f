import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from banks.profile import Asked, is_weak
from banks.profiles.vietcombank import PROFILE
from banks.records import Outcome, RawRequest

TOLD = json.loads((Path(__file__).parents[2] / "corpus/vietcombank/paid.callback.json").read_text("utf-8"))
NOW = datetime.fromisoformat(TOLD["received_at"])
REQUEST = RawRequest("POST", b"", TOLD["headers"], TOLD["body"].encode(), NOW)
(SECRET,) = TOLD["secrets"]["secret_key"]


def test_its_proof_may_not_stand_alone():
    assert is_weak(PROFILE)


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (Outcome.ACCEPTED, "SUCCESS", 0), (Outcome.ALREADY_PAID, "FAILURE", 1), (Outcome.WRONG_AMOUNT, "FAILURE", 3),
        (Outcome.UNKNOWN_BILL, "FAILURE", 10), (Outcome.UNPROVEN, "FAILURE", 18), (Outcome.CONFLICT, "FAILURE", 99),
    ],
)  # fmt: skip
def test_each_outcome_has_its_code(outcome, status, code):
    said = json.loads(PROFILE.answer(outcome, "", Asked(REQUEST, TOLD["secrets"])).body)
    head = said["context"]
    assert (head["status"], head["errorCode"]) == (status, code)
    assert (head["channelId"], head["channelRefNumber"]) == ("6014", "VCB2611180000481")
    assert said["payload"] == {"providerId": "EVN", "serviceId": "ELECTRICITY"}
    text = f"6014|VCB2611180000481|VCB2611180000481|{SECRET}"
    expected = None if outcome is Outcome.UNPROVEN else hashlib.md5(text.encode()).hexdigest()
    assert said.get("signature") == expected


def test_the_answer_to_a_bad_signature_can_not_be_turned_into_a_call():
    """Eight parts are signed in a call and three in an answer; separators inside them would make up the difference."""
    body = json.loads(TOLD["body"])
    body["context"] |= {"channelId": "6014|R|EVN|E|PC0701091234511126|844960", "channelRefNumber": "X"}
    asked = Asked(RawRequest("POST", b"", {}, json.dumps(body).encode(), NOW), TOLD["secrets"])
    assert "signature" not in json.loads(PROFILE.answer(Outcome.UNPROVEN, "", asked).body)
