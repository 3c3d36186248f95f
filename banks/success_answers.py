"""Answers as `{"success": true}`, or `{"success": false, "message": …}` under an HTTP status that says why."""

import json

from banks.records import Answer, Outcome

_REFUSED = {
    Outcome.CONFLICT: (409, "This event arrived before with other content; a person will look at both."),
    Outcome.UNREADABLE: (422, "The body does not have the documented form."),
    Outcome.UNPROVEN: (401, "The proof of the sender is missing or wrong."),
    Outcome.TOO_LARGE: (413, "The body is larger than we accept."),
    Outcome.BUSY: (503, "We can't store the event at the moment; please send it again."),
}


def is_taken(outcome: Outcome) -> bool:
    """Tell whether the event is kept and needs no repeat.

    The bank has moved the money and can't undo it because of us: whatever the bill, we take note. A stale event is
    kept for a person, and sending it again would only make it older.
    """
    return outcome not in _REFUSED


def success_answer(outcome: Outcome, detail: str = "") -> Answer:
    """Say `outcome`; `detail` replaces the usual message of a refusal."""
    if is_taken(outcome):
        return Answer(200, "application/json", b'{"success": true}')
    status, usual = _REFUSED[outcome]
    said = {"success": False, "message": detail or usual}
    return Answer(status, "application/json", json.dumps(said, ensure_ascii=False).encode())
