"""The words of a bank's page: how its calls are proven, when its statements are due, how its file server does."""

from datetime import datetime

from banks.declared import Declared
from gateway.bank_settings import BankSettings
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from reconciliation.links import BankLink

_SCHEMES = {
    "casso": "HMAC-SHA512",
    "momo": "HMAC-SHA256",
    "payos": "HMAC-SHA256",
    "sepay": "HMAC-SHA256",
    "standard": "Standard Webhooks, HMAC-SHA256",
    "viettel": "ECDSA P-256 / HMAC-SHA1",
    "vnpay": "HMAC-SHA512",
    "zalopay": "HMAC-SHA256",
}
"""How the profiles that are written in code prove a call; a declared one says so itself."""
WEEKDAYS = (
    _("Monday"),
    _("Tuesday"),
    _("Wednesday"),
    _("Thursday"),
    _("Friday"),
    _("Saturday"),
    _("Sunday"),
)
LINK_STATES = {
    "none": _("no file server"),
    "new": _("never tried"),
    "well": _("well"),
    "rests": _("rests after failures"),
    "stopped": _("stopped: a person has to act"),
}
LINK_TONES = {"well": "good", "rests": "warn", "stopped": "bad"}
MANDATE_ANSWERS = {"confirmed": _("confirmed"), "refused": _("refused"), "ended": _("ended")}
OTHERS = {
    "reports": _("Status reports on debits"),
    "outcomes": _("Outcomes of debits"),
    "recalls": _("Answers to recalls"),
    "recall_outcomes": _("Outcomes of recalls"),
    "mandate_answers": _("Answers on mandates"),
}
"""What a file may hold beside statements."""
OUTCOMES = {"unproven": _("not proven"), "too_large": _("too large")}


def scheme(bank: BankSettings) -> str:
    """Return how a bank's calls are proven, "" for one that does not call."""
    if not bank.profile:
        return ""
    profile = bank.caller_profile()
    if isinstance(profile, Declared):
        return profile.declaration.signature.algorithm
    return _SCHEMES.get(profile.name, profile.name)


def origin(bank: BankSettings) -> list[str]:
    """Return where a bank's calls must come from, a line for each condition."""
    asked = [gettext("only from %(networks)s", networks=", ".join(map(str, bank.origin.allow_from)))]
    said = asked if bank.origin.allow_from else []
    if bank.origin.mtls_header:
        said.append(gettext("with the certificate of %(identity)s", identity=bank.origin.mtls_identity))
    return said


def statement_days(bank: BankSettings) -> str:
    """Return for which days a bank owes a statement."""
    if isinstance(bank.statement_days, str):
        return gettext("every day") if bank.statement_days == "daily" else gettext("bank business days")
    return ", ".join(str(WEEKDAYS[one]) for one in sorted(bank.statement_days))


def link_state(bank: BankSettings, link: BankLink | None, now: datetime) -> str:
    """Return which of LINK_STATES the exchange with a bank's file server is in."""
    if bank.sftp is None:
        return "none"
    if link is None:
        return "new"
    if link.stopped_at is not None:
        return "stopped"
    return "rests" if link.closed_because(now) else "well"
