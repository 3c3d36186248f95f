import json
from datetime import datetime
from pathlib import Path

import pytest

from banks.declared_alternatives import Alternatives
from banks.errors import Misconfigured, Unproven
from banks.profile import Asked
from banks.profiles.viettel import PROFILE
from banks.records import Outcome, RawRequest
from tests.banks.declarations import declared

CORPUS = Path(__file__).parents[2] / "corpus" / "viettel"


def sample(name):
    told = json.loads((CORPUS / f"{name}.callback.json").read_text("utf-8"))
    now = datetime.fromisoformat(told["received_at"])
    return RawRequest("POST", b"", told["headers"], told["body"].encode(), now), told["secrets"]


OLDER, OLDER_SECRETS = sample("older-paid")
NEWER, NEWER_SECRETS = sample("newer-paid")


def test_each_form_is_proven_when_both_are_in_use():
    both = {**OLDER_SECRETS, **NEWER_SECRETS}
    assert PROFILE.prove(OLDER, both, OLDER.received_at).event_id.startswith("sha256:")
    assert PROFILE.prove(NEWER, both, NEWER.received_at).event_id == "VTR2611180000481:1"
    PROFILE.check_keys(both)


def test_nobody_falls_back_to_a_form_that_is_not_in_use():
    with pytest.raises(Unproven, match="expected a call with the header signature"):
        PROFILE.prove(OLDER, NEWER_SECRETS, OLDER.received_at)
    with pytest.raises(Unproven, match="expected a call without the header signature"):
        PROFILE.prove(NEWER, OLDER_SECRETS, NEWER.received_at)


def test_a_form_of_which_a_secret_is_missing_is_our_fault():
    for secrets, lost in ((OLDER_SECRETS, "hash_key"), (NEWER_SECRETS, "bearer_token")):
        part = {name: keys for name, keys in secrets.items() if name != lost}
        with pytest.raises(Misconfigured, match=lost):
            PROFILE.check_keys(part)
    for secrets in ({}, {"hash_key": ["x"]}):
        with pytest.raises(Misconfigured, match="viettel_private_key and bearer_token or hash_key and access_code"):
            PROFILE.sign(NEWER, secrets, NEWER.received_at)


def test_each_form_hears_its_own_answer():
    older = json.loads(PROFILE.answer(Outcome.ACCEPTED, "", Asked(OLDER, OLDER_SECRETS)).body)
    check_sum = older.pop("check_sum")
    assert older == {
        "merchant_code": "EVN", "order_id": "PC0701091234511126-2", "return_url": "", "return_bill_code": "",
        "error_code": "00",
    }  # fmt: skip
    assert len(check_sum) == 28
    newer = PROFILE.answer(Outcome.ACCEPTED, "", Asked(NEWER, NEWER_SECRETS))
    assert json.loads(newer.body) == {"orderId": "PC0701091234511126-2", "code": "00", "message": "Success"}
    refused = PROFILE.answer(Outcome.UNPROVEN, "", Asked(OLDER, NEWER_SECRETS))
    assert json.loads(refused.body)["error_code"] == "02"
    assert "check_sum" not in json.loads(refused.body)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": "query"}, "share method and asks_bill"),
        ({"asks_bill": True}, "share method and asks_bill"),
        (
            {
                "time": {"stands_in": "header:x-time", "format": "unix", "max_age": 9},
                "signature/covers": ["header:x-time", "id", "ref", "sum", "code"],
            },
            "two forms without a time",
        ),
    ],
)
def test_two_forms_of_one_bank_have_much_in_common(changes, said):
    with pytest.raises(Misconfigured, match=said):
        Alternatives("saomai", "signature", declared(changes), declared())
