"""The words for the audit: what an act is called, and its facts as people read them.

An act or a fact that is not here is shown by its code.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from gateway.admin import debit_words, key_words, settling_words, sign_in_log, words
from gateway.admin.api_tokens import SCOPE_WORDS
from gateway.admin.banks import bank_title
from gateway.admin.key_words import Titles
from gateway.languages import day, gettext, moment, money, number
from gateway.languages import lazy_gettext as _
from reconciliation.sealing import mask_numbers

ACTS = {
    "sign_in": _("signed in"),
    "sign_in_refused": _("sign-in refused"),
    "sign_out": _("signed out"),
    "sessions_ended": _("ended sessions"),
    "password_set": _("set a password"),
    "totp_set": _("took up an authenticator app"),
    "totp_removed": _("gave up the authenticator app"),
    "passkey_added": _("made a passkey"),
    "passkey_removed": _("removed a passkey"),
    "recovery_codes_made": _("made recovery codes"),
    "factors_reset": _("reset second factors"),
    "staff_created": _("took on a person"),
    "staff_changed": _("changed a person's role or office"),
    "unmasked": _("looked at personal data in full"),
    "mandate_shown_in_full": _("made the bank's copy of a mandate"),
    "approval_limit_set": _("set an approval limit"),
    "import_undone": _("took an import back"),
    "file_read_anew": _("let a file be read anew"),
    "file_taken_in": _("took in a file"),
    "bills_taken_in": _("handed bills over"),
    "marks_acknowledged": _("acknowledged marks"),
    "remarked": _("remarked on a mismatch"),
    "question_raised": _("raised a question about a payment"),
    "refund_paid_out": _("noted a refund as paid out"),
    "sms_wishes": _("noted wishes of SMS"),
    "message.resolved": _("said whether a message arrived"),
    "message.sent_again": _("sent a message again"),
    "carrier.allowed": _("let a carrier be tried again"),
    "debit_answered": _("noted a bank's answer to a debit"),
    "debits_postponed": _("put debits off"),
    "notice_printed": _("noted a printed notice"),
    "sandbox.opened": _("opened the sandbox"),
    "acknowledgement_undone": _("asked a closed case again"),
    "agreement_declared": _("declared an agreement on lump sums"),
    "agreement_ended": _("ended an agreement on lump sums"),
    "api_token.made": _("made an API token"),
    "api_token.revoked": _("revoked an API token"),
    "bank_day_noted": _("noted whether banks book on a day"),
    "bank_day_forgotten": _("took back what was noted of a day"),
    "bill_held": _("held a bill back from debiting"),
    "bill_released": _("let a bill be debited again"),
    "close_open": _("opened a period anew"),
    "close_balanced": _("drew up a close"),
    "close_signed": _("signed a close"),
    "close_withdrawn": _("withdrew a close"),
    "close_reopened": _("reopened a signed close"),
    "debit_rule_set": _("set a rule of debiting"),
    "debits_proposed": _("proposed a debit run"),
    "debits_approved": _("approved a debit run"),
    "debits_refused": _("refused a debit run"),
    "debits_withdrawn": _("withdrew a debit run"),
    "debits_sent": _("noted a debit run as sent"),
    "link.allowed": _("let a bank's file server be tried again"),
    "mandate_codes_released": _("let a customer ask for codes again"),
    "mandate_opened": _("opened a mandate"),
    "mandate_renewed": _("renewed a mandate"),
    "mandate_confirmed": _("noted a mandate as confirmed by the bank"),
    "mandate_refused": _("noted a mandate as refused by the bank"),
    "mandate_paused": _("paused a mandate"),
    "mandate_resumed": _("resumed a mandate"),
    "mandate_ended": _("ended a mandate"),
    "mandates_answered": _("took in a bank's answers on mandates"),
    "mandates_handed_over": _("handed mandates over to a bank"),
    "mandates_imported": _("took in mandates from a file"),
    "matching_policy_set": _("set a policy of matching"),
    "overlap_accepted": _("accepted a statement that overlaps"),
    "settlement_made": _("answered a mismatch"),
    "settlement_approved": _("approved an answer"),
    "settlement_refused": _("refused an answer"),
    "settlement_withdrawn": _("took an answer back before it was approved"),
    "settlement_choice_made": _("said what a lump sum is of"),
    "settlement_choice_applied": _("carried out what a lump sum is of"),
    "settlement_choice_refused": _("refused what was said of a lump sum"),
    "settlement_choice_withdrawn": _("took back what was said of a lump sum"),
    "tariff_declared": _("declared a bank's tariff"),
    "webhook_endpoint.added": _("added a webhook endpoint"),
    "webhook_endpoint.rotated": _("renewed a webhook endpoint's secret"),
    "webhook_endpoint.disabled": _("turned a webhook endpoint off"),
    "webhook_endpoint.enabled": _("turned a webhook endpoint on"),
    "webhook_event.replayed": _("sent a webhook event again"),
}


def act(code: str) -> str:
    """Return what an act is called."""
    return str(ACTS.get(code, code))


FACTS: Mapping[str, tuple[Any, str]] = {
    "account": (_("Account"), "text"),
    "active": (_("Works here"), "text"),
    "after": (_("After"), "text"),
    "again": (_("Case that is asked again"), "row"),
    "arrived": (_("Arrived"), "text"),
    "as": (_("New message"), "row"),
    "bank": (_("Bank"), "bank"),
    "batches": (_("Batches"), "number"),
    "before": (_("Before that"), "text"),
    "bill": (_("Bill"), "text"),
    "bills": (_("Bills"), "rows"),
    "charge_on": (_("Debit on"), "day"),
    "choice": (_("Answer"), "row"),
    "codes": (_("Codes"), "number"),
    "cancel": (_("Mandates cancelled"), "number"),
    "day": (_("Day"), "day"),
    "debit": (_("The debit"), "text"),
    "debits": (_("Debits"), "number"),
    "denies": (_("The money never came"), "text"),
    "diacritics": (_("Diacritics"), "text"),
    "digest": (_("Fingerprint"), "text"),
    "error": (_("Error"), "text"),
    "expires_at": (_("Valid until"), "moment"),
    "events": (_("Events"), "list"),
    "factor": (_("Second factor"), "factor"),
    "failures": (_("Failures"), "number"),
    "file": (_("File"), "text"),
    "from": (_("Came from"), "text"),
    "handed_at": (_("Handed over at"), "moment"),
    "held": (_("Why it was held"), "text"),
    "kind": (_("Kind"), "kind"),
    "lifts": (_("Money taken back from elsewhere, by number"), "rows"),
    "limit": (_("Limit"), "money"),
    "line": (_("Statement line"), "row"),
    "lines": (_("Lines"), "number"),
    "minor": (_("Amount"), "money"),
    "minors": (_("Each part"), "amounts"),
    "name": (_("Name"), "text"),
    "new": (_("New bills"), "number"),
    "note": (_("Note"), "typed"),
    "number": (_("No."), "text"),
    "office": (_("Office"), "text"),
    "open": (_("Banks book"), "text"),
    "page": (_("Page"), "text"),
    "payment": (_("Payment"), "row"),
    "payments": (_("Payments"), "number"),
    "period": (_("Period"), "period"),
    "placement": (_("Money put elsewhere"), "row"),
    "places": (_("Put elsewhere"), "places"),
    "policy": (_("Policy"), "text"),
    "problems": (_("Problems"), "number"),
    "reason": (_("Reason"), "text"),
    "reference": (_("Reference"), "text"),
    "refused": (_("Not told of"), "events"),
    "register": (_("Mandates registered"), "number"),
    "remark": (_("Remark"), "row"),
    "replaced": (_("Replaced bills"), "number"),
    "role": (_("Role"), "role"),
    "rule": (_("Rule"), "text"),
    "scopes": (_("What it may do"), "scopes"),
    "sendings": (_("Sendings"), "number"),
    "sessions": (_("Sessions ended"), "number"),
    "settlement": (_("Answer"), "row"),
    "since": (_("Since"), "moment"),
    "statement": (_("Statement"), "text"),
    "stopped": (_("Stopped"), "text"),
    "to": (_("Became"), "text"),
    "tries": (_("Failed tries in a row"), "number"),
    "unchanged": (_("Unchanged"), "number"),
    "undoes": (_("Undone matches, by number"), "rows"),
    "url": (_("Address"), "text"),
    "username": (_("User name"), "text"),
    "verdict": (_("Finding"), "text"),
    "version": (_("Version"), "text"),
    "what": (_("What"), "personal"),
    "why": (_("Reason"), "typed"),
}
"""A fact → what it is called and how it is written; facts of other kinds are written as they are."""
_NUMBERED = {
    "mismatch": _("case #%(number)s"),
    "delivery": _("file #%(number)s"),
    "close": _("close #%(number)s"),
    "staff": _("person #%(number)s"),
    "debit_run": _("debit run #%(number)s"),
    "mandate": _("mandate #%(number)s"),
    "message": _("message #%(number)s"),
    "webhook_endpoint": _("webhook endpoint #%(number)s"),
    "webhook_event": _("webhook event %(number)s"),
    "api_token": _("API token #%(number)s"),
    "tariff": _("tariff #%(number)s"),
    "agreement": _("agreement on lump sums #%(number)s"),
    "customer": _("customer %(number)s"),
    "carrier": _("carrier %(number)s"),
}
_WHOLE = {
    "bills": _("bills that were handed over"),
    "marks": _("marks of payments"),
    "settle": _("what one person may settle alone"),
    "difference": _("small difference"),
}
_KINDS: Mapping[str, Any] = {
    **settling_words.REMARKS,
    **debit_words.HOLDS,
    "not_day": _("not the settlement of that day"),
    "day_again": _("may be the settlement of that day again"),
    "no_settlement": _("no settlement"),
    "settlement_again": _("a settlement after all"),
}
"""What a remark, a hold on a bill, or a word on a lump sum is."""
_PERIODS = {"day": _("day"), "month": _("month")}
_PERSONAL = {
    "phone": _("Phone"), "account": _("Account"), "holder": _("Holder"), "narrative": _("What was written"),
    "contents": _("What came, as it came"),
}  # fmt: skip
"""What of people somebody looked at in full."""


def subject(key: str, titles: Titles) -> str:
    """Return what an act was done to ("mismatch:20", "bill:HD1") in words; as it is if nobody knows it."""
    kind, _colon, rest = key.partition(":")
    if kind in _NUMBERED and rest:
        return str(_NUMBERED[kind]) % {"number": rest}
    if kind == "bank" and rest:
        return titles.get(rest, rest)
    if kind == "bank_day":
        with suppress(ValueError):
            return gettext("bank day %(day)s", day=day(date.fromisoformat(rest)))
    return str(_WHOLE[key]) if key in _WHOLE else key_words.subject(key, titles)


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def facts(told: Mapping[str, Any]) -> dict[str, str]:
    """Return an act's facts as name → value in words; what is empty is left out."""
    found: dict[str, str] = {}
    for name, value in told.items():
        if value in _EMPTY or (name == "denies" and value is False):
            continue
        label, kind = FACTS.get(name, (name, "text"))
        written = _written(value, kind)
        known = found.get(str(label))
        found[str(label)] = f"{known}, {written}" if known else written
    return found


def _written(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    with suppress(TypeError, ValueError, KeyError, AttributeError):  # of another shape than its name promises
        return _WAYS[kind](value)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in facts(value).items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _place(one: Mapping[str, Any]) -> str:
    said = f"{settling_words.PLACES[one['kind']]} {money(one['minor'])}"
    account = settling_words.ACCOUNTS.get(str(one.get("account", "")))
    return f"{said} ({account})" if account else said


def _several(value: Any) -> Sequence[Any]:
    found: Sequence[Any] = [value] if isinstance(value, str) else value
    return found


def _day(value: str) -> str:
    return day(date.fromisoformat(value))


_WAYS: Mapping[str, Callable[[Any], str]] = {
    "amounts": lambda value: ", ".join(money(int(one)) for one in value),
    "bank": bank_title,
    "day": _day,
    "factor": lambda value: str(sign_in_log.FACTORS.get(value, value)),
    "events": lambda value: ", ".join(str(words.EVENTS.get(one, one)) for one in value),
    "kind": lambda value: str(_KINDS.get(value, value)),
    "list": lambda value: ", ".join(str(one) for one in _several(value)),
    "moment": lambda value: moment(datetime.fromisoformat(value)),
    "money": lambda value: money(int(value)),
    "number": lambda value: number(int(value)),
    "period": lambda value: str(_PERIODS.get(value, value)),
    "personal": lambda value: ", ".join(str(_PERSONAL.get(one, one)) for one in _several(value)),
    "places": lambda value: ", ".join(_place(one) for one in value),
    "role": lambda value: str(words.ROLES.get(value, value)),
    "row": lambda value: f"#{value}",
    "rows": lambda value: ", ".join(f"#{one}" for one in value),
    "scopes": lambda value: ", ".join(str(SCOPE_WORDS.get(one, one)) for one in _several(value)),
    "text": _plain,
    "typed": lambda value: sign_in_log.refusal(value) or words.why(mask_numbers(value)),
}
