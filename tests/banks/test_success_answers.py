import json

import pytest

from banks.records import Outcome
from banks.success_answers import is_taken, success_answer


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.ACCEPTED, 200),
        (Outcome.ALREADY_PAID, 200),
        (Outcome.UNKNOWN_BILL, 200),
        (Outcome.WRONG_AMOUNT, 200),
        (Outcome.STALE, 200),
        (Outcome.UNPROVEN, 401),
        (Outcome.CONFLICT, 409),
        (Outcome.TOO_LARGE, 413),
        (Outcome.UNREADABLE, 422),
        (Outcome.BUSY, 503),
    ],
)
def test_every_outcome_has_its_status_and_says_why_it_is_refused(outcome, status):
    usual, detailed = success_answer(outcome), success_answer(outcome, 'tiền "sai"\n')
    for answer in (usual, detailed):
        assert (answer.status, answer.content_type) == (status, "application/json")
    assert is_taken(outcome) is (status == 200)
    if is_taken(outcome):
        assert usual.body == detailed.body == b'{"success": true}'
    else:
        assert json.loads(usual.body)["message"].endswith(".")
        assert json.loads(detailed.body) == {"success": False, "message": 'tiền "sai"\n'}
