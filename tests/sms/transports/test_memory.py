"""The carrier in memory fails in each of the ways it is told to, and counts as a real one would."""

from datetime import UTC, datetime

import pytest

from sms.transport import OutgoingSms, Receipt, Refused, Transport, Unsure
from sms.transports.memory import MemoryTransport, Outcome


def message(request_id: str) -> OutgoingSms:
    return OutgoingSms(request_id, "+84912345678", "text", "EVN")


def test_each_outcome_once_then_the_usual() -> None:
    carrier = MemoryTransport()
    carrier.plan(Outcome.REFUSE, Outcome.REFUSE_FOR_GOOD, Outcome.LOSE_REQUEST, Outcome.LOSE_ANSWER)
    with pytest.raises(Refused) as caught:
        carrier.send(message("a"))
    assert not caught.value.permanent
    with pytest.raises(Refused) as caught:
        carrier.send(message("a"))
    assert caught.value.permanent
    with pytest.raises(Unsure):
        carrier.send(message("a"))
    assert carrier.taken == []
    with pytest.raises(Unsure):
        carrier.send(message("a"))
    assert carrier.taken == [message("a")]
    assert carrier.send(message("b")).provider_ref == "memory-2"
    assert carrier.attempts == 5


@pytest.mark.parametrize(("dedupes", "sms"), [(True, 1), (False, 2)])
def test_a_repeat_is_a_second_sms_unless_the_carrier_dedupes(dedupes: bool, sms: int) -> None:
    carrier: Transport = MemoryTransport(dedupes=dedupes)
    assert isinstance(carrier, MemoryTransport)
    references = {carrier.send(message("a")).provider_ref, carrier.send(message("a")).provider_ref}
    assert len(carrier.taken) == len(references) == sms


def test_the_usual_outcome_can_be_changed() -> None:
    carrier = MemoryTransport()
    carrier.usual = Outcome.REFUSE
    for _ in range(2):
        with pytest.raises(Refused):
            carrier.send(message("a"))


def test_a_receipt_names_what_was_taken() -> None:
    carrier, at = MemoryTransport("m"), datetime(2026, 6, 25, tzinfo=UTC)
    carrier.send(message("a"))
    assert carrier.receipt("a", at, delivered=False, code="absent") == Receipt("m-1", "a", False, "absent", at)
    with pytest.raises(KeyError):
        carrier.receipt("b", at)
