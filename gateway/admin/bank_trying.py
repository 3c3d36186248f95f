"""Samples tried against a bank's profile: is a callback proven, what would it book, what is in a file; none is kept."""

import io
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Blueprint, current_app, request

from banks import profile as bank_profile
from banks import statements
from banks.errors import Misconfigured, Unreadable
from banks.profile import CallbackProfile
from banks.records import MandateAnswer, Notice, Proof, RawRequest
from gateway import callback_trying, statement_trying
from gateway.admin import machine_words
from gateway.admin.bank_pages import bank_of, shown
from gateway.bank_settings import BankSettings
from gateway.callback_preview import account_shown, notices_of
from gateway.callback_trying import Unusable
from gateway.languages import gettext
from gateway.secrets import bank_secrets
from gateway.setting_tables import SettingsError
from gateway.written_days import a_moment
from reconciliation.statement_loading import is_ours

blueprint = Blueprint("bank_trying", __name__, url_prefix="/banks")
MOST_BYTES = 5 << 20
LINES = 20
MOST_EVENTS = 50_000
"""A small file can be unpacked to a very long one, and a page has no time for it."""
_ROOM = MOST_BYTES + 64 * 1024
"""What a form with a sample may hold: the file and the fields around it."""


@dataclass(frozen=True, slots=True)
class TriedCallback:
    """What is shown of a tried callback: texts have their secrets masked; `problem` says why it could not be tried."""

    problem: str = ""
    proof: Proof | None = None
    reason: str = ""
    signed: str = ""
    event_id: str = ""
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Secret → by which of how many keys it was signed."""
    payments: list[Notice] = field(default_factory=list)
    mandates: list[Notice] = field(default_factory=list)
    unreadable: str = ""
    stale: bool = False


def give_room() -> None:
    """Let the forms with a sample be as large as one may be; called before any form is read."""
    if request.endpoint in ("admin.bank_trying.callback", "admin.bank_trying.statement"):
        request.max_content_length = request.max_form_memory_size = _ROOM  # a body may be pasted as a text


@blueprint.post("/<name>/try-callback")
def callback(name: str) -> str:
    """Show whether a callback is proven, over which text, and what would be booked of it."""
    bank = bank_of(name)
    try:
        tried = _try_callback(bank)
    except Unusable as error:
        tried = TriedCallback(problem=machine_words.known(str(error)) or str(error))
    except (SettingsError, Misconfigured) as error:
        tried = TriedCallback(problem=machine_words.said(str(error)))
    return shown(bank, tried=tried, account_shown=account_shown)


@blueprint.post("/<name>/try-statement")
def statement(name: str) -> str:
    """Show what is recognised in a statement file, or where it can't be read."""
    bank = bank_of(name)
    data, wrong, found = _uploaded("file"), "", None
    if not data:
        wrong = gettext("Choose a file that is not empty.")
    elif len(data) > MOST_BYTES:
        wrong = _too_large()
    else:
        try:
            keys, own = statement_trying.reading_of(current_app.extensions["doisoat"].settings, bank)
            found = statement_trying.try_file(
                statements.read(io.BytesIO(data), keys, own), first=LINES, most=MOST_EVENTS
            )
        except (Unreadable, SettingsError) as error:
            wrong = machine_words.said(str(error))
    return shown(bank, file=found, file_wrong=wrong, account_shown=account_shown, is_ours=is_ours)


def callback_too_large(name: str) -> str:
    """Return the bank's page for a callback so large that its form was not read."""
    return shown(bank_of(name), tried=TriedCallback(problem=_too_large()), account_shown=account_shown)


def statement_too_large(name: str) -> str:
    """Return the bank's page for a statement file so large that its form was not read."""
    return shown(bank_of(name), file=None, file_wrong=_too_large(), account_shown=account_shown)


def _try_callback(bank: BankSettings) -> TriedCallback:
    if not bank.profile:
        raise Unusable(gettext("This bank does not call back."))
    profile, settings = bank.caller_profile(), current_app.extensions["doisoat"].settings
    raw = _sample(profile)
    names = bank_profile.proof_secrets(profile)
    secrets = bank_secrets(settings, bank, names, any_one=profile.any_secret)
    tried = callback_trying.prove(profile, raw, secrets)

    def masked(text: str) -> str:
        return callback_trying.readable(text.encode("utf-8", "backslashreplace"), secrets)

    signed = callback_trying.readable(tried.signed, secrets)
    if tried.proof is None:
        return TriedCallback(reason=masked(tried.reason), signed=signed)
    told, unreadable = [], ""
    try:
        told = list(notices_of(profile, raw))
    except Unreadable as error:
        unreadable = masked(str(error))
    age, limit = tried.proof.age_seconds, profile.max_age
    used = callback_trying.which_keys(profile, raw, secrets)
    return TriedCallback(
        proof=tried.proof,
        signed=signed,
        event_id=masked(tried.proof.event_id),
        keys={name: (position, len(secrets[name])) for name, position in used.items()},
        payments=[one for one in told if not isinstance(one, MandateAnswer)],
        mandates=[one for one in told if isinstance(one, MandateAnswer)],
        unreadable=unreadable,
        stale=limit is not None and age is not None and abs(age) > limit.total_seconds(),
    )


def _sample(profile: CallbackProfile) -> RawRequest:
    """Return the sample of the form; raise Unusable for none, or one that is too large."""
    headers = callback_trying.headers_of(line for line in request.form.get("headers", "").splitlines() if line.strip())
    query = callback_trying.query_of(request.form.get("query", "").strip())
    # A browser sends the line ends of a text field as CR LF, whatever was pasted; a file comes as it is.
    body = _uploaded("body_file") or os.fsencode(request.form.get("body", "").replace("\r\n", "\n"))
    carried = query if profile.method == "GET" else body
    if not carried:
        raise Unusable(
            gettext("This bank calls by GET: give the query.")
            if profile.method == "GET"
            else gettext("This bank calls by POST: give the body.")
        )
    if len(carried) > MOST_BYTES:
        raise Unusable(_too_large())
    return RawRequest(profile.method, query, headers, body, _received())


def _received() -> datetime:
    """Return when the sample is said to have come, by Vietnam's clock, else now: its age is told from then."""
    said = request.form.get("received_at", "")
    if not said:
        now: datetime = current_app.extensions["doisoat"].clock()
        return now
    found = a_moment(said)
    if found is None:
        raise Unusable(gettext("Expected a time of receipt such as 2026-11-18T09:15."))
    return found.astimezone(UTC)


def _uploaded(name: str) -> bytes:
    sent = request.files.get(name)
    if sent is None:
        return b""
    with sent.stream:  # a large one stands in a file of its own until then
        return sent.stream.read(MOST_BYTES + 1)


def _too_large() -> str:
    return gettext("A sample may have 5 MB at most.")
