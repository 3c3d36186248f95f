"""The settings of the ways to an SMS provider: `[sms.carriers.<name>]`, what each is, its share and its pace."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from banks.money import Money, dong
from gateway import setting_kinds as kinds
from gateway.origin import Origin
from gateway.setting_kinds import Kind
from gateway.setting_tables import SettingsError, Table
from gateway.smpp_settings import SmppSettings, smpp_settings
from sms.transport import Callback, Receipt
from sms.transports import esms, http, speedsms
from sms.transports.declared import BalanceAsked, Declaration, Meanings, ReceiptFields, receipt_reader

KINDS = ("http", "esms", "speedsms", "declared", "smpp")
SECRETS: Mapping[str, tuple[str, ...]] = {
    "http": ("token",),
    "esms": ("api_key", "secret_key"),
    "speedsms": ("token",),
    "smpp": ("password",),
}
"""What each kind signs in with; a declared carrier says it itself."""
USUAL_ALARM = dong(500_000)
_TELL_BALANCE = frozenset({"http", "esms", "speedsms"})
_USUAL_URLS = {"esms": esms.URL, "speedsms": speedsms.URL}
_USUAL_PACE = {"speedsms": speedsms.PER_SECOND}
_READERS: Mapping[str, Callable[[Callback], Receipt | None]] = {
    "http": http.read_receipt,
    "esms": esms.read_receipt,
    "speedsms": speedsms.read_receipt,
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """One way to customers' phones; `weight` is its share of the messages, 0 takes none but answers for what it has.

    `per_second` is the most it takes, None for no limit; `origin` is where its receipts must come from; `test` has a
    provider that can check everything and send nothing; of one that tells its balance, less than `balance_alarm` is
    low, and nothing ever is where that is 0.
    """

    name: str
    kind: str
    url: str = field(default="", repr=False)
    weight: int = 1
    per_second: int | None = None
    test: bool = False
    origin: Origin = field(default_factory=Origin)
    balance_alarm: Money = USUAL_ALARM
    declaration: Declaration | None = None
    smpp: SmppSettings | None = None
    """The bind of a carrier that is reached over a link, which a daemon of its own keeps."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets it signs in with, as its kind calls them."""
        return tuple(self.declaration.secrets()) if self.declaration else SECRETS.get(self.kind, ())

    def read_receipt(self, callback: Callback) -> Receipt | None:
        """Read what it left at its receipt address; None for what tells of no end. Raises UnreadableReceipt."""
        if self.declaration and self.declaration.receipt:
            return receipt_reader(self.declaration.receipt)(callback)
        return _READERS[self.kind](callback)

    @property
    def tells_balance(self) -> bool:
        """Whether it can be asked what is left of our account."""
        return self.declaration.balance is not None if self.declaration else self.kind in _TELL_BALANCE

    @property
    def reads_receipts(self) -> bool:
        """Whether it may leave receipts at its address."""
        return self.kind in _READERS or bool(self.declaration and self.declaration.receipt)


def _read_codes(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str | int) for each in value):
        raise ValueError('a list of codes such as ["0", "17"]')
    return frozenset(map(str, value))


def _read_path(value: Any) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError('a name, or names with dots between them, such as "data.id"')
    return value


def _read_parts(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(_is_part(each) for each in value.values()):
        raise ValueError("a table of texts, whole numbers, true or false, lists and tables")
    return value


def _read_texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) and each.isprintable() for each in value.values()):
        raise ValueError("a table of texts")
    return value


def _is_part(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_part, value.values()))
    return all(map(_is_part, value)) if isinstance(value, list) else isinstance(value, str | int)


_CODES, _PATH = Kind(_read_codes), Kind(_read_path)
_CARRIER = {
    "kind": kinds.choice(*KINDS),
    "url": kinds.address("http", "https"),
    "weight": kinds.whole(0, 1000),
    "per_second": kinds.whole(1, 10_000),
    "test": kinds.TRUTH,
    "allow_from": kinds.NETWORKS,
    "remembers_hours": kinds.whole(1, 24 * 366),
    "balance_alarm": kinds.whole(0, 10**12),
}
_REQUEST = {
    "method": kinds.choice("POST", "GET", "PUT"),
    "form": kinds.choice("json", "form", "query"),
    "headers": Kind(_read_texts),
    "body": Kind(_read_parts),
}
_BALANCE = {**_REQUEST, "url": kinds.address("http", "https"), "amount": _PATH, "code": _PATH, "accepted": _CODES}
_ANSWER = {
    "code": _PATH, "reference": _PATH, "words": _PATH, "accepted": _CODES, "duplicate": _CODES, "retry": _CODES,
    "halts": _CODES, "permanent": _CODES,
}  # fmt: skip
_RECEIPT = {
    "place": kinds.choice("query", "form", "json"),
    "status": _PATH, "reference": _PATH, "request_id": _PATH, "delivered": _CODES, "undelivered": _CODES,
}  # fmt: skip


def carrier_settings(name: str, table: Table) -> CarrierSettings:
    """Return the carrier `name` that `table` declares; raise SettingsError naming the key."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{table.where}: {table.path}: expected a carrier's name of small letters, digits and _, got {name[:40]!r}"
        )
    plain = table.take(_CARRIER)
    table.need(plain, "kind")
    kind, remembers, networks = plain["kind"], plain.pop("remembers_hours", None), plain.pop("allow_from", ())
    alarm = plain.pop("balance_alarm", None)
    declaration = None
    plain.setdefault("url", _USUAL_URLS.get(kind, ""))
    smpp = smpp_settings(table, plain.get("per_second")) if kind == "smpp" else None
    if smpp is None and not plain["url"]:
        table.need({}, "url")
    if kind == "declared":
        declaration = _declaration(table, plain["url"], remembers)
    elif remembers is not None:
        raise SettingsError(
            f"{table.where}: {table.path_of('remembers_hours')}: expected it of a declared carrier only"
        )
    table.finish()
    usual: dict[str, Any] = {"per_second": _USUAL_PACE.get(kind)}
    if alarm is not None:
        usual["balance_alarm"] = dong(alarm)
    origin = Origin(allow_from=networks)
    made = CarrierSettings(name, **usual | plain, origin=origin, declaration=declaration, smpp=smpp)
    if alarm is not None and not made.tells_balance:
        raise SettingsError(
            f"{table.where}: {table.path_of('balance_alarm')}: expected it of a carrier that tells its balance"
        )
    return made


def _declaration(table: Table, url: str, remembers: int | None) -> Declaration:
    request, answer = table.table("request"), table.table("answer")
    how, meanings = request.take(_REQUEST), answer.take(_ANSWER)
    receipt = _receipt(table.table("receipt")) if "receipt" in table.values else None
    asked = table.table("balance") if "balance" in table.values else None
    request.finish()
    answer.finish()
    try:
        return Declaration(
            url, **how, answer=Meanings(**meanings), receipt=receipt,
            remembers=timedelta(hours=remembers) if remembers else None,
            balance=_balance(asked) if asked else None,
        )  # fmt: skip
    except ValueError as wrong:
        raise SettingsError(f"{table.where}: {table.path}: {wrong}") from None


def _receipt(table: Table) -> ReceiptFields:
    fields = table.take(_RECEIPT)
    table.need(fields, "place", "status", "delivered", "undelivered")
    if not {"reference", "request_id"} & fields.keys():
        table.need(fields, "reference")
    table.finish()
    return ReceiptFields(**fields)


def _balance(table: Table) -> BalanceAsked:
    how = table.take(_BALANCE)
    table.need(how, "url", "amount")
    table.finish()
    return BalanceAsked(**how)
