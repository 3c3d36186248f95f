"""What a bind's carrier said, in the terms of the tables: of its own health, and of a part of a message."""

from collections.abc import Sequence

from reconciliation.carriers import Words
from reconciliation.message_parts import PartAnswer
from sms.smpp import receipts
from sms.transport import Accepted, Refused


def of_carrier(said: Sequence[Sequence[object]]) -> Words:
    """Return what the carrier's words on some messages say of its own health."""
    accepted = sum(all(isinstance(word, Accepted) for word in words) for words in said)
    at_fault = sum(any(isinstance(word, Refused) and word.permanent for word in words) for words in said)
    troubles = [str(word) for words in said for word in words if not isinstance(word, Accepted)]
    return Words(
        accepted=accepted, refused=at_fault, troubled=len(said) - accepted - at_fault,
        last=troubles[-1] if troubles else "accepted",
    )  # fmt: skip


def of_part(number: int, ordinal: int, word: object) -> PartAnswer:
    """Return what the carrier's word on one part says of it."""
    if isinstance(word, Accepted):
        return PartAnswer(number, ordinal, "accepted", word.provider_ref, receipts.key(word.provider_ref))
    return PartAnswer(number, ordinal, "refused" if isinstance(word, Refused) else "unsure", why=str(word))
