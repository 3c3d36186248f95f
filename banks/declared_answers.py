"""What a declared bank hears for each outcome: a status and a JSON body that may repeat the request, maybe signed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from banks.declared_fields import Fields
from banks.declared_signing import Said, Signature
from banks.profile import Secrets
from banks.records import Answer, Outcome

_ECHO = re.compile(r"\$\{([^{}]*)\}")
_LONGEST_ECHO = 128
_DETAILS = {Outcome.CONFLICT: "known already with other content; a person looks at both"}
"""What is wrong, where nobody but the outcome says it."""
_NOT_PROVEN = (Outcome.UNPROVEN, Outcome.TOO_LARGE)

SAME_AS: Mapping[Outcome, Outcome] = {
    # The bank has moved the money and can't undo it because of us: we take note, and people settle the difference.
    Outcome.ALREADY_PAID: Outcome.ACCEPTED,
    Outcome.UNKNOWN_BILL: Outcome.ACCEPTED,
    Outcome.WRONG_AMOUNT: Outcome.ACCEPTED,
    # Kept for a person: sending the same event again would only make it older.
    Outcome.STALE: Outcome.ACCEPTED,
    Outcome.CONFLICT: Outcome.UNREADABLE,
    Outcome.TOO_LARGE: Outcome.UNREADABLE,
}
"""Which answer an outcome without one of its own is told by; the others must be declared."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """One answer: JSON, or a plain text, in which "${path}" repeats a field of the request.

    "${detail}" says what is wrong.
    """

    status: int
    body: Mapping[str, Any] | str
    content_type: str = "application/json"

    def echoes(self) -> Iterator[str]:
        """Yield the path of every field that the body repeats."""
        return echoes(self.body)


@dataclass(frozen=True, slots=True)
class Answers:
    """The answer to each outcome, every one declared or told by another; `signature` signs them with a key of ours."""

    forms: Mapping[Outcome, AnswerForm] = field(default_factory=dict)
    signature: Signature | None = None

    @property
    def each(self) -> bool:
        """Whether an answer depends on what it answers."""
        return self.signature is not None or any(path for form in self.forms.values() for path in form.echoes())

    def write(self, outcome: Outcome, detail: str, asked: Fields, secrets: Secrets | None) -> Answer:
        """Say `outcome` to the request whose fields are `asked`; signed when there are `secrets` to do it with.

        A call that is not proven gets no signature: its sender could choose a text for us to sign, and with a shared
        key that would be a callback.
        """
        form, detail = self.form(outcome), detail or _DETAILS.get(outcome, "")
        if isinstance(form.body, str):
            return Answer(form.status, form.content_type, _text(form.body, asked, detail).encode())
        body = _filled(form.body, asked, detail)
        if self.signature is not None and secrets is not None and outcome not in _NOT_PROVEN:
            made = self.signature.make(Said(Fields(body)), secrets)
            put(body, self.signature.stands_in.name, made)
        return Answer(form.status, form.content_type, json.dumps(body, ensure_ascii=False).encode())

    def form(self, outcome: Outcome) -> AnswerForm:
        """Return the form that tells `outcome`."""
        while outcome not in self.forms:
            outcome = SAME_AS[outcome]
        return self.forms[outcome]


def echoes(body: Any) -> Iterator[str]:
    """Yield the path of every field that `body` repeats."""
    return (path for path in _placeholders(body) if path != "detail")


def put(tree: dict[str, Any], path: str, value: str) -> None:
    """Set `path` in `tree`, making the objects on the way."""
    *way, last = path.split(".")
    for name in way:
        inner = tree.get(name)
        tree[name] = inner = inner if isinstance(inner, dict) else {}
        tree = inner
    tree[last] = value


def _placeholders(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield from _ECHO.findall(body)
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _placeholders(value)
    elif isinstance(body, list):
        for value in body:
            yield from _placeholders(value)


def _filled(body: Any, asked: Fields, detail: str) -> Any:
    if isinstance(body, Mapping):
        return {name: _filled(value, asked, detail) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, asked, detail) for value in body]
    if not isinstance(body, str):
        return body
    whole = _ECHO.fullmatch(body)
    if whole and whole[1] != "detail" and type(asked.value(whole[1])) is int:
        return asked.value(whole[1])  # a number is repeated as a number
    return _text(body, asked, detail)


def _text(template: str, asked: Fields, detail: str) -> str:
    return _ECHO.sub(lambda match: detail if match[1] == "detail" else _echo(asked, match[1]), template)


def _echo(asked: Fields, path: str) -> str:
    value = asked.value(path)
    # What is no text, or too long for a reference, is nothing a sender needs back.
    return str(value)[:_LONGEST_ECHO] if isinstance(value, str | int) and not isinstance(value, bool) else ""
