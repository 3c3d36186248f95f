"""How a declared callback becomes a payment notice: which field is the reference, the amount, the moment, the codes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from banks.declared_fields import Fields
from banks.declared_moments import MomentForm
from banks.errors import Unreadable
from banks.money import MAX_MINOR, Money, check_currency
from banks.records import PaymentNotice
from banks.strict_json import ExactNumber

Channel = Literal["", "auto_debit", "transfer", "wallet", "counter"]
AmountWritten = Literal["number", "text", "either", "decimal"]
TEXTS: Mapping[str, int] = {
    "payment_code": 64,
    "customer_code": 64,
    "end_to_end_id": 64,
    "bank_reference": 64,
    "narrative": 500,
    "payer_account": 64,
    "failure_code": 35,
}
"""The texts of a notice that a field may give, and how many characters they may have."""

_REFERENCE = re.compile(r"[!-~]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"[1-9][0-9]{0,16}")
_SINCE, _AHEAD = timedelta(days=3 * 365), timedelta(days=2)
"""No bank tells of older money, and none of tomorrow's: such a moment has lost or won a digit."""


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How an amount is written: a JSON number, a text of digits, either of them, or a decimal text as "844960.00".

    All but the last count the currency's smallest unit, or its hundredths where `times` is 100.
    """

    field: str
    written: AmountWritten
    times: int = 1

    def read(self, fields: Fields, currency: str) -> Money:
        """Return the amount, above zero; raise Unreadable naming the field."""
        value = fields.value(self.field)
        if value is None or value == "":
            raise Unreadable("expected an amount, got nothing", self.field)
        if self.written == "decimal":
            minor = self._decimal(value, currency)
        else:
            minor, rest = divmod(self._whole(value), self.times)
            if rest:
                raise Unreadable(f"expected {currency} × {self.times}, got a part of the smallest unit", self.field)
        if not 0 < minor < MAX_MINOR:
            raise Unreadable(f"expected 1 to {MAX_MINOR - 1}, got {minor}", self.field)
        return Money(minor, currency)

    def _decimal(self, value: object, currency: str) -> int:
        if not isinstance(value, str) or isinstance(value, ExactNumber):
            raise Unreadable(f"expected a text such as '844960.00', got {_arrived(value)}", self.field)
        try:
            return Money.parse(value, currency).minor
        except Unreadable as error:
            raise Unreadable(error.reason, self.field) from None

    def _whole(self, value: object) -> int:
        if type(value) is int and self.written != "text":  # bool is an int to isinstance
            return value
        # A JSON number that is no whole number is a str to Python as well, but never one of digits alone.
        if isinstance(value, str) and self.written != "number" and _DIGITS.fullmatch(value):
            return int(value)
        expected = {"number": "a whole number", "text": "a text of 1 to 17 digits"}.get(self.written, "1 to 17 digits")
        raise Unreadable(f"expected {expected}, got {_arrived(value)}", self.field)


@dataclass(frozen=True, slots=True)
class NoticeForm:
    """Where each part of a notice stands; `texts` maps the names of TEXTS to fields.

    Every field is named by its path. `currency` is fixed unless `currency_field` names where it stands; a notice
    counts as paid when each field of `paid_when` has one of its values, always when there is none.
    """

    source_reference: str
    amount: AmountForm
    currency: str = "VND"
    currency_field: str = ""
    paid_at: str = ""
    paid_at_form: MomentForm | None = None
    channel: Channel = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    paid_when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def fields(self) -> dict[str, str]:
        """Return the field behind each part of the notice, for whoever must see that all of them are signed."""
        named = {
            "source_reference": self.source_reference,
            "amount": self.amount.field,
            "currency_field": self.currency_field,
            "paid_at": self.paid_at,
            **self.texts,
            **{f"paid_when.{path}": path for path in self.paid_when},
        }
        return {name: path for name, path in named.items() if path}

    def read(self, fields: Fields, received_at: datetime) -> PaymentNotice:
        """Return what `fields` tell; raise Unreadable naming the field."""
        reference = fields.text(self.source_reference)
        if not _REFERENCE.fullmatch(reference):
            raise Unreadable("expected 1 to 64 visible ASCII characters", self.source_reference)
        texts = {name: _line(fields, path, TEXTS[name]) for name, path in self.texts.items()}
        paid = all(fields.text(path) in values for path, values in self.paid_when.items())
        if paid:
            texts.pop("failure_code", "")  # the field says then that nothing failed, as "00" does
        return PaymentNotice(
            source_reference=reference,
            amount=self.amount.read(fields, self._currency(fields)),
            paid=paid,
            paid_at=self._paid_at(fields, received_at),
            channel=self.channel,
            **{**texts, "bank_reference": texts.get("bank_reference") or reference},
        )

    def _currency(self, fields: Fields) -> str:
        if not self.currency_field:
            return self.currency
        try:
            return check_currency(fields.text(self.currency_field))
        except Unreadable as error:
            raise Unreadable(error.reason, self.currency_field) from None

    def _paid_at(self, fields: Fields, received_at: datetime) -> datetime | None:
        if self.paid_at_form is None:
            return None
        moment = self.paid_at_form.read(fields.text(self.paid_at), self.paid_at)
        if not received_at - _SINCE <= moment <= received_at + _AHEAD:
            raise Unreadable(f"expected a moment of the last three years, got {moment:%Y-%m-%d}", self.paid_at)
        return moment


def _arrived(value: object) -> str:
    """Return what arrived for a person, a number told from a text of the same digits."""
    told = str(value)[:40]
    return f"the number {told}" if type(value) is int or isinstance(value, ExactNumber) else ascii(told)


def _line(fields: Fields, path: str, longest: int) -> str:
    text = fields.text(path)
    if len(text) > longest:
        raise Unreadable(f"expected at most {longest} characters, got {len(text)}", path)
    if _CONTROL.search(text):
        raise Unreadable("expected text without control characters", path)
    return text
