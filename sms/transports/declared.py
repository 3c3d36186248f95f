"""A carrier declared as a table instead of code: how its request is written, what its answers and receipts mean.

Texts of the request may hold `{request_id}`, `{to}` (+84…), `{to84}`, `{to0}`, `{text}`, `{brand}`, `{unicode}` (1
where the text needs UCS-2, else 0), `{receipts}` (our receipt address) and `{secret.NAME}`. A code that is not declared
to mean anything proves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sms import receipts
from sms.balances import NotTold, whole_dong
from sms.encoding import Encoding, choose
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Unsure
from sms.transports import filling
from sms.transports.exchange import Answer, Exchange, checked_secret, checked_url, reference, refused_by_code, spoken
from sms.transports.filling import Written, at

HOLES = ("request_id", "to", "to84", "to0", "text", "brand", "unicode", "receipts")


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
class BalanceAsked:
    """How it is asked for its balance; `amount` is a dotted path into its JSON answer.

    Where it answers trouble with an amount too, `code` is a path at which one of `accepted` must stand.
    """

    url: str
    amount: str
    method: str = "GET"
    form: str = "query"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Written] = field(default_factory=dict)
    code: str = ""
    accepted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checked_url(self.url)
        filling.check_holes(self.holes(), (), "balance")
        if bool(self.code) != bool(self.accepted):
            raise ValueError("balance: expected code and accepted both, or neither")

    def holes(self) -> set[str]:
        """Return the names of all holes in its request."""
        return filling.holes({"url": self.url, "headers": dict(self.headers), "body": self.body})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One carrier's protocol; `form` is how the body is written: "json", "form" or "query".

    `remembers` is for how long it knows our key again; None where it never does. `balance` None where it tells none.
    """

    url: str
    method: str = "POST"
    form: str = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Written] = field(default_factory=dict)
    answer: Meanings = field(default_factory=Meanings)
    receipt: ReceiptFields | None = None
    remembers: timedelta | None = None
    balance: BalanceAsked | None = None

    def __post_init__(self) -> None:
        checked_url(self.url)
        filling.check_holes(self._holes(), HOLES, "request")
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
        return sorted(filling.secrets_of(self._holes() | (self.balance.holes() if self.balance else set())))

    def _holes(self) -> set[str]:
        return filling.holes({"url": self.url, "headers": dict(self.headers), "body": self.body})


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
        how = self._how
        url, parts = filling.request(how.url, how.headers, how.body, how.form, values)
        return _judge(self.ask(how.method, url, **parts), how.answer)

    def balance(self) -> int:
        """Return what is left of our account in whole đồng; raise NotTold."""
        how = self._how.balance
        if how is None:
            raise NotTold("how it is asked for is not declared")
        url, parts = filling.request(how.url, how.headers, how.body, how.form, self._usual)
        said = self.inquire(how.method, url, **parts)
        if how.code and reference(at(said, how.code)) not in how.accepted:
            raise NotTold(f"{how.code}: expected a code that means accepted, got another")
        return whole_dong(at(said, how.amount), how.amount)


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


def _judge(answer: Answer, meanings: Meanings) -> Accepted:
    code = reference(at(answer.content, meanings.code)) if meanings.code else str(answer.status)
    name = reference(at(answer.content, meanings.reference))
    words = at(answer.content, meanings.words)
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
