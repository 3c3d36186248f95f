"""The log of tries to sign in, as pages show it: what came of each, and with which device."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import signing_in
from gateway.languages import lazy_gettext as _
from reconciliation.factors import SignIn

SHOWN = 30
OUTCOMES = {
    "signed_in": _("signed in"),
    "half": _("password right, second step asked for"),
    "wrong": _("refused: not right"),
    "expired": _("refused: one-time password expired"),
    "locked": _("refused: paused after too many tries"),
    "inactive": _("refused: no longer works here"),
    "unknown": _("refused: nobody has this name"),
}
FACTORS = {
    "password": _("password"),
    "totp": _("one-time code"),
    "passkey": _("passkey"),
    "recovery": _("recovery code"),
}
_OF_FACTOR = {"wrong": _("wrong %(factor)s"), "expired": _("expired %(factor)s")}
_REFUSALS = {
    why.format(factor=factor): (outcome, factor) for outcome, why in signing_in.WHY.items() for factor in FACTORS
}
"""Why a try was refused, as the audit keeps it → what came of it, with which factor."""
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


def tries_of(session: Session, person_id: int) -> Sequence[SignIn]:
    """Return the latest tries under a person's name, the newest first."""
    wanted = select(SignIn).where(SignIn.staff_id == person_id).order_by(SignIn.id.desc()).limit(SHOWN)
    return session.scalars(wanted).all()


def refusal(why: str) -> str:
    """Return in words why the audit says that a try was refused; "" for what it says of no try."""
    outcome, factor = _REFUSALS.get(why, ("", ""))
    if outcome in _OF_FACTOR:
        return str(_OF_FACTOR[outcome]) % {"factor": FACTORS[factor]}
    return str(OUTCOMES.get(outcome, ""))


def device(agent: str) -> str:
    """Return what a browser says of itself in two words ("Firefox, Windows"), or its own beginning."""
    found = [
        next((name for mark, name in known if mark in agent), "") for known in (_BROWSERS, _SYSTEMS)
    ]  # fmt: skip
    return ", ".join(one for one in found if one) or agent[:40]
