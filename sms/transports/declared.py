"""A carrier declared as a table instead of code: how its request is written, what its answers and receipts mean.

Texts of the request may hold `{request_id}`, `{to}` (+84…), `{to84}`, `{to0}`, `{text}`, `{brand}`, `{unicode}` (1
where the text needs UCS-2, else 0), `{receipts}` (our receipt address) and `{secret.NAME}`. A code that is not declared
to mean anything proves nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote

from sms import receipts
from sms.encoding import Encoding, choose
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Unsure
from sms.transports.exchange import Answer, Exchange, checked_secret, checked_url, reference, refused_by_code, spoken

_HOLE = re.compile(r"\{([^{}]*)\}")
HOLES = ("request_id", "to", "to84", "to0", "text", "brand", "unicode", "receipts")
_SECRET = re.compile(r"secret\.([a-z][a-z0-9_]{0,30})", re.ASCII)
Written = str | int | bool | list["Written"] | Mapping[str, "Written"]
"""A part of a request as TOML gives it."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the carrier's codes mean; `code` is a dotted path into its JSON answer, "" for the HTTP status itself."""

    code: str = ""
    reference: str = ""
    words: str = ""
    accepted: frozenset[str] = frozenset()
    duplicate: frozenset[str] = frozenset()
    retry: frozenset[str] = frozenset()
    halts: frozenset[str] = frozenset()
    permanent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReceiptFields:
    """Where a receipt's facts stand: in the "query", a "form" or a "json" body; other statuses tell of no end yet."""

    place: str
    status: str
    delivered: frozenset[str]
    undelivered: frozenset[str]
    reference: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One carrier's protocol; `form` is how the body is written: "json", "form" or "query".

    `remembers` is for how long it knows our key again; None where it never does.
    """

    url: str
    method: str = "POST"
    form: str = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Written] = field(default_factory=dict)
    answer: Meanings = field(default_factory=Meanings)
    receipt: ReceiptFields | None = None
    remembers: timedelta | None = None

    def __post_init__(self) -> None:
        checked_url(self.url)
        unknown = sorted(hole for hole in self._holes() if hole not in HOLES and not _SECRET.fullmatch(hole))
        if unknown:
            known = ", ".join([*HOLES, "secret.NAME"])
            raise ValueError(f"request: expected holes of {known}, got {{{unknown[0][:40]}}}")
        if not {"to", "to84", "to0"} & self._holes() or "text" not in self._holes():
            raise ValueError("request: expected a place for the number ({to}, {to84} or {to0}) and for the {text}")
        if self.answer.duplicate and "request_id" not in self._holes():
            raise ValueError("request: expected a place for {request_id}, since answers tell of its duplicates")
        if bool(self.answer.duplicate) != (self.remembers is not None):
            raise ValueError("expected codes of duplicates and remembers_hours both, or neither")
        said = [*self.answer.accepted, *self.answer.duplicate, *self.answer.retry, *self.answer.halts,
                *self.answer.permanent]  # fmt: skip
        if len(said) != len(set(said)):
            raise ValueError("answer: expected each code under one meaning")
        if not self.answer.accepted:
            raise ValueError("answer: expected at least one code that means accepted")

    def secrets(self) -> list[str]:
        """Return the names of the secrets that its requests need."""
        return sorted(match[1] for hole in self._holes() if (match := _SECRET.fullmatch(hole)))

    def _holes(self) -> set[str]:
        found: set[str] = set()

        def look(text: str) -> str:
            found.update(_HOLE.findall(text))
            return text

        _filled({"url": self.url, "headers": dict(self.headers), "body": self.body}, look)
        return found


class DeclaredTransport(Exchange):
    """A declared carrier; `secrets` are by the names that its declaration uses, `callback` is our receipt address."""

    def __init__(
        self,
        declaration: Declaration,
        secrets: Mapping[str, str],
        *,
        name: str,
        callback: str = "",
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
    ) -> None:
        self.name = name
        self.dedupes = declaration.remembers is not None
        self.remembers = declaration.remembers
        self._how = declaration
        self._usual = {f"secret.{each}": checked_secret(secrets[each]) for each in declaration.secrets()}
        self._usual["receipts"] = callback
        super().__init__(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; see `sms.transport` for Refused and Unsure."""
        national = message.to.removeprefix("+84")
        values = self._usual | {
            "request_id": message.request_id,
            "to": message.to,
            "to84": f"84{national}",
            "to0": f"0{national}",
            "text": message.text,
            "brand": message.brand,
            "unicode": str(int(choose(message.text) is Encoding.UCS2)),
        }

        def fill(text: str) -> str:
            return _HOLE.sub(lambda hole: values[hole[1]], text)

        url = _HOLE.sub(lambda hole: quote(values[hole[1]], safe=""), self._how.url)
        headers = {name: fill(text) for name, text in self._how.headers.items()}
        part = {"json": "json", "form": "data", "query": "params"}[self._how.form]
        body = {part: _filled(self._how.body, fill)} if self._how.body else {}
        return _judge(self.ask(self._how.method, url, headers=headers, **body), self._how.answer)


def receipt_reader(fields: ReceiptFields) -> Callable[[Callback], Receipt | None]:
    """Return what reads a declared carrier's receipts; it raises UnreadableReceipt."""

    def read(callback: Callback) -> Receipt | None:
        content: Mapping[str, object]
        if fields.place == "json":
            content = receipts.json_object(callback.body)
        elif fields.place == "form":
            content = receipts.form(callback.body.decode("utf-8", "replace"))
        else:
            content = receipts.form(callback.query)
        status = receipts.short(content, fields.status)
        if status not in fields.delivered | fields.undelivered:
            return None
        return Receipt(
            receipts.short(content, fields.reference) if fields.reference else "",
            receipts.short(content, fields.request_id) if fields.request_id else "",
            status in fields.delivered, status, callback.at,
        )  # fmt: skip

    return read


def _filled(part: Written, fill: Callable[[str], str]) -> Written:
    if isinstance(part, str):
        return fill(part)
    if isinstance(part, list):
        return [_filled(each, fill) for each in part]
    if isinstance(part, Mapping):
        return {name: _filled(each, fill) for name, each in part.items()}
    return part


def _judge(answer: Answer, meanings: Meanings) -> Accepted:
    code = reference(_at(answer.content, meanings.code)) if meanings.code else str(answer.status)
    name = reference(_at(answer.content, meanings.reference))
    words = _at(answer.content, meanings.words)
    if code in meanings.accepted | meanings.duplicate:
        if name is None and meanings.reference and code in meanings.accepted:
            raise Unsure(f"expected {meanings.reference}, got {len(answer.body)} bytes without one")
        return Accepted(name or "")
    if code in meanings.retry:
        raise Refused(spoken(words) or "not now", permanent=False, code=code or "", wait=answer.wait)
    refusal = refused_by_code(
        code or "", words, halts=dict.fromkeys(meanings.halts, ""), for_good=dict.fromkeys(meanings.permanent, "")
    )
    if refusal is not None:
        raise refusal
    if code is None and answer.status in (401, 403, 429):  # from what stands before the carrier itself
        refusal = answer.refusal()
        if refusal is not None:
            raise refusal
    raise Unsure(f"expected a declared code, got {(code or 'none')[:20]} with status {answer.status}")


def _at(content: object, path: str) -> object:
    """Return what stands at a dotted `path`, list places as numbers; None where there is nothing."""
    if not path:
        return None
    for name in path.split("."):
        if isinstance(content, Mapping):
            content = content.get(name)
        elif isinstance(content, list) and name.isdigit() and int(name) < len(content):
            content = content[int(name)]
        else:
            return None
    return content
