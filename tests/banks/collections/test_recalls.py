"""A recall names a debit as it was sent; what no bank could find again is refused."""

from dataclasses import replace
from datetime import date

import pytest

from banks.collections.debits import check_end
from banks.collections.recalls import Recall, RecallHead, RecallReason, check_request, recalls_of
from banks.errors import Misconfigured
from banks.money import Money, dong
from tests.banks.collections.asked import US

RECALL = Recall(
    "HD2611000001-1", dong(844_960), date(2026, 11, 20), "UQ-0001", "RUN-1", "RUN-1-0001", RecallReason.PAID
)
HEAD = RecallHead("RUN-1", "RUN-1-0001", 1, 844_960)


def test_recalls_pass_as_they_came():
    stream = iter([RECALL, replace(RECALL, payment_group="RUN-1-0002")])
    heads = [HEAD, replace(HEAD, payment_group="RUN-1-0002")]
    assert check_request("R1", US, heads, "VND") == (2, dong(1_689_920))
    seen = [one for number, head in enumerate(heads, 1) for one in recalls_of(stream, head, number, "VND")]
    assert [one.payment_group for one in seen] == ["RUN-1-0001", "RUN-1-0002"]
    check_end(stream)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"end_to_end_id": "<"}, "debit '<', end_to_end_id: expected 1 to 35 plain characters"),
        ({"mandate_id": ""}, "mandate_id"),
        ({"amount": dong(0)}, "amount: expected more than nothing"),
        ({"amount": Money(1, "USD")}, "amount: expected VND, as the file, got USD"),
        ({"message_id": "RUN-2"}, "payment_group: expected RUN-1 RUN-1-0001"),
        ({"payment_group": "RUN-1-0002"}, "payment_group: expected RUN-1 RUN-1-0001"),
        (
            {"amount": dong(1)},
            "group 1 (RUN-1 RUN-1-0001): expected 1 debits of 844960 VND, as its head promised, got 1",
        ),
    ],
)
def test_a_recall_that_names_no_debit_of_its_group_is_refused(changed, said):
    with pytest.raises(Misconfigured) as refused:
        list(recalls_of(iter([replace(RECALL, **changed)]), HEAD, 1, "VND"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        ([], "the file: expected at least one debit"),
        ([HEAD, HEAD], "the file: expected each group once"),
        ([replace(HEAD, message_id="")], "expected the ids of a file that was sent"),
        ([replace(HEAD, payment_group="<")], "expected the ids of a file that was sent"),
        ([replace(HEAD, debits=0)], "group 1 (RUN-1 RUN-1-0001): expected at least one debit"),
    ],
)
def test_a_request_is_about_files_that_were_sent(heads, said):
    with pytest.raises(Misconfigured) as refused:
        check_request("R1", US, heads, "VND")
    assert said in str(refused.value)
