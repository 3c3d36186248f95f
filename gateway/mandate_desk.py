"""The mandate desk: what a customer, or a person who helps one, types becomes codes, terms and mandates."""

import secrets
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from gateway.mandate_import import account_of
from gateway.settings import Settings
from reconciliation import mandate_codes
from reconciliation.mandate_codes import VALID, Letter, Question, Tried
from reconciliation.mandate_openings import Terms
from reconciliation.mandates import HOLDER_SEALED, SEALED
from reconciliation.roles import BANK_LIAISONS, KEEPERS_OF_MANDATES
from reconciliation.sealing import Sealer, tail
from sms import numbers, templates

if TYPE_CHECKING:
    from gateway.wiring import Wiring

MAY: Mapping[str, frozenset[str]] = {
    "confirm": BANK_LIAISONS,
    "refuse": BANK_LIAISONS,
    "pause": KEEPERS_OF_MANDATES,
    "resume": KEEPERS_OF_MANDATES,
    "end": KEEPERS_OF_MANDATES,
    "renew": KEEPERS_OF_MANDATES,
}
"""Act → the roles that may do it."""
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Those that nobody takes for another when a reference is read out."""
_LONGEST_HOLDER = 70


class NotTerms(ValueError):
    """Terms that can't be read; `field` names which, and what was typed is not repeated."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"{field}: expected another value")


def banks(settings: Settings) -> Mapping[str, str]:
    """Return the banks whose accounts can be debited: name → title; all of them while none is told how to debit."""
    known = settings.banks.values()
    return {one.name: one.title for one in [bank for bank in known if bank.debits is not None] or known}


def ask_code(
    session: Session, wiring: "Wiring", customer_code: str, phone: str, language: str
) -> tuple[UUID, datetime | None]:
    """Promise a code to a customer whose phone this is; return what a browser knows the question by, and any wait.

    Raises sms.numbers.Unreachable for what is no mobile number at all.
    """
    number = numbers.to_e164(phone)
    sealer, handle = wiring.sealer, uuid4()
    code = f"{secrets.randbelow(1_000_000):06}"
    facts = {
        "brand": wiring.settings.brand, "code": code, "customer_code": customer_code,
        "minutes": VALID // timedelta(minutes=1), "hotline": wiring.settings.hotline,
    }  # fmt: skip
    made = templates.compose("mandate_code", language, facts)
    question = Question(
        handle, customer_code, code_hash(sealer, customer_code), sealer.blind(number, "msisdn"),
        _digest(sealer, handle, code),
    )  # fmt: skip
    letter = Letter(f"{made.template}.{made.version}", made.text, made.encoding.value, made.parts)
    return handle, mandate_codes.ask(session, question, letter, now=wiring.clock())


def try_code(session: Session, wiring: "Wiring", handle: UUID, code: str) -> tuple[Tried, int]:
    """Try a code and keep that it was tried, whatever comes after; return what became of it, and how many are left."""
    tried = mandate_codes.try_code(session, handle, _digest(wiring.sealer, handle, code), now=wiring.clock())
    session.commit()
    return tried


def code_hash(sealer: Sealer, customer_code: str) -> bytes:
    """Return by what the codes asked for a customer code are counted."""
    return sealer.blind(customer_code, "mandate_codes.customer")


def terms(sealer: Sealer, *, account: str, holder: str, cap: int, valid_from: date, valid_to: date | None) -> Terms:
    """Return terms with account and holder sealed; raises NotTerms."""
    try:
        number = account_of(account.upper())
    except ValueError:
        raise NotTerms("account") from None
    name = " ".join(unicodedata.normalize("NFC", holder).upper().split())
    if not name or len(name) > _LONGEST_HOLDER or not all(one.isalpha() or one in " .-'&,()" for one in name):
        raise NotTerms("holder")
    return Terms(
        sealer.seal(number.encode(), SEALED), sealer.blind(number, "account"), tail(number),
        sealer.seal(name.encode(), HOLDER_SEALED), checked_cap(cap), valid_from, valid_to,
    )  # fmt: skip


def checked_cap(cap: int) -> int:
    """Return a cap in đồng that is more than nothing; raises NotTerms."""
    if cap <= 0:
        raise NotTerms("cap")
    return cap


def new_reference(day: date) -> str:
    """Return a mandate's reference for its bank: UQ, the day, eight letters by chance."""
    return f"UQ{day:%y%m%d}-" + "".join(secrets.choice(_LETTERS) for _ in range(8))


def _digest(sealer: Sealer, handle: UUID, code: str) -> bytes:
    return sealer.blind(f"{handle}:{code}", "mandate_codes.code")
