"""What banks say, as frozen records: the only shapes that leave a reader or a callback profile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from banks.money import Money


class Outcome(StrEnum):
    """What became of a callback; each profile says it to its sender in the sender's own form."""

    ACCEPTED = "accepted"
    ALREADY_PAID = "already_paid"
    UNKNOWN_BILL = "unknown_bill"
    WRONG_AMOUNT = "wrong_amount"
    CONFLICT = "conflict"
    UNREADABLE = "unreadable"
    UNPROVEN = "unproven"
    TOO_LARGE = "too_large"
    STALE = "stale"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came over the wire; `query` and `body` are untouched bytes, header names are lower case."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The evidence that a callback is its sender's: event id, the exact bytes signed, and the age at arrival.

    `signed` is empty where a shared token is the proof: it tells who sent the bytes and nothing about them.
    `content` is what makes two sendings of one event the same; None where the whole body, or the signed query, does.
    """

    event_id: str
    signed: bytes
    age_seconds: float | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender gets back, word for word."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """One payment as a callback tells it.

    `paid` is False for what brought no money in: a failed attempt, a sender's trial event, or a transfer going out,
    whose amount is negative; the statement books what goes out. `failure_code` tells then why, by the sender's code.
    """

    source_reference: str
    amount: Money
    paid: bool
    paid_at: datetime | None = None
    payment_code: str = ""
    customer_code: str = ""
    end_to_end_id: str = ""
    bank_reference: str = ""
    channel: str = ""
    narrative: str = ""
    payer_account: str = ""
    failure_code: str = ""


class StatementKind(StrEnum):
    """A statement decides what was booked; a notice (intraday report, single notification) only tells early."""

    STATEMENT = "statement"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class StatementOpened:
    """The head of one statement: everything known before its lines.

    Balances are None where the format has none; a format that tells the closing one after the lines leaves it to
    `StatementClosed`.
    """

    format: str
    kind: StatementKind
    id: str
    account: str
    currency: str
    message_id: str = ""
    sequence: int | None = None
    page: int | None = None
    last_page: bool | None = None
    copy: str = ""
    from_on: date | None = None
    to_on: date | None = None
    created_at: datetime | None = None
    opening: Money | None = None
    closing: Money | None = None
    closing_on: date | None = None


class StatementLine(NamedTuple):
    """One booked transaction; its identity is (account, statement id, entry, transaction), both ordinals from 1.

    `amount` is signed: positive came in. A batch becomes one line per transaction only when the parts add up to the
    entry; otherwise it stays one line. A named tuple, as a file makes millions: a frozen dataclass costs three times
    as much to build.
    """

    entry: int
    transaction: int
    amount: Money
    booked_on: date | None = None
    value_on: date | None = None
    reversal: bool = False
    bank_reference: str = ""
    end_to_end_id: str = ""
    mandate_id: str = ""
    return_reason: str = ""
    counterparty: str = ""
    counterparty_account: str = ""
    structured_reference: str = ""
    narrative: str = ""


@dataclass(frozen=True, slots=True)
class StatementClosed:
    """The foot of one statement: what its lines add up to, and whether the balances agree.

    `credit_total` ≥ 0 and `debit_total` ≤ 0, so that opening + credit + debit = closing when `balanced` is True;
    `balanced` is None when the file gives no pair of balances; `difference` = closing − opening − lines.
    `left_out` counts entries that are pending or for information: not money yet, so not lines.
    `faults` names control totals of the file (counts, sums, dates) that its lines contradict.
    `closing` and `closing_on` are set by formats that tell them after the lines; others tell them in the head.
    """

    id: str
    lines: int
    credit_total: Money
    debit_total: Money
    balanced: bool | None
    difference: Money | None = None
    left_out: int = 0
    faults: tuple[str, ...] = field(default=())
    closing: Money | None = None
    closing_on: date | None = None


StatementEvent = StatementOpened | StatementLine | StatementClosed


class Verdict(StrEnum):
    """What a bank's status of a debit means to us."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    PARTLY = "partly"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ReportOpened:
    """The head of a status report on a debit file of ours: which file, and what the bank says it held."""

    format: str
    message_id: str
    original_message_id: str
    original_format: str = ""
    created_at: datetime | None = None
    original_count: int | None = None
    original_sum: str = ""
    """A plain decimal as the bank wrote it: a report names no currency for it."""


@dataclass(frozen=True, slots=True)
class DebitOutcome:
    """What became of a whole file, of one payment group in it, or of one debit: `level` tells which.

    A debit the report does not name shares the verdict of its group, and a group that of its file. `reason` is an ISO
    20022 code such as AM04 (or the bank's own), `detail` the bank's words on it.
    """

    level: str
    """"file", "group" or "debit"."""
    status: str
    verdict: Verdict
    payment_group: str = ""
    end_to_end_id: str = ""
    instruction_id: str = ""
    mandate_id: str = ""
    bank_reference: str = ""
    amount: Money | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportClosed:
    """The foot of a status report: how many outcomes it told, by verdict, of single debits only."""

    message_id: str
    debits: Mapping[Verdict, int]


class RecallVerdict(StrEnum):
    """What a bank's answer to a recall means to us."""

    CANCELLED = "cancelled"
    PENDING = "pending"
    PARTLY = "partly"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RecallOpened:
    """The head of a bank's answer to a recall; `request_id` is our request's id, where the answer names the case."""

    format: str
    message_id: str
    request_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecallOutcome:
    """What became of a recall: of all of it, of what it names of one file or payment group, or of one debit.

    A debit the answer does not name shares the verdict of its group, a group that of its file, a file that of the
    request. `reason` is an ISO 20022 code such as ARDT (or the bank's own), `detail` the bank's words on it.
    """

    level: str
    """"request", "file", "group" or "debit"."""
    status: str
    verdict: RecallVerdict
    original_message_id: str = ""
    payment_group: str = ""
    end_to_end_id: str = ""
    amount: Money | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecallClosed:
    """The foot of an answer to a recall: how many outcomes it told, by verdict, of single debits only."""

    message_id: str
    debits: Mapping[RecallVerdict, int]


ReportEvent = ReportOpened | DebitOutcome | ReportClosed
RecallEvent = RecallOpened | RecallOutcome | RecallClosed


@dataclass(frozen=True, slots=True)
class MandateAnswersOpened:
    """The head of a file in which a bank answers on mandates."""

    format: str


@dataclass(frozen=True, slots=True)
class MandateAnswer:
    """What a bank says of one mandate: confirmed, refused or ended; `fault` tells why a row can't be read, if so.

    `place` is where it stands in its file, "" where it came alone.
    """

    place: str
    reference: str
    answer: str
    reason: str = ""
    fault: str = ""


Notice = PaymentNotice | MandateAnswer
"""What a callback may tell of."""
FileEvent = StatementEvent | ReportEvent | RecallEvent | MandateAnswersOpened | MandateAnswer


class StatementReader(Protocol):
    """A reader of one file format: yields Opened, its Lines (or Outcomes), Closed, once per statement, as a stream."""

    def __call__(self, stream: "Readable") -> Iterator[FileEvent]:
        """Read `stream` to its end; raise Unreadable, naming the place, for what can't be read."""
        ...


class Readable(Protocol):
    """A binary stream that is read forward only."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""
        ...
