"""Casso's webhook of transactions on linked bank accounts: a POST of `{"error": 0, "data": …}`.

Version 2, by `checksum_key`: `X-Casso-Signature: t=<milliseconds>,v1=<hex>` is the HMAC-SHA512 of t, a full stop and
the body written as compact JSON with its keys sorted at every depth; `data` is one transaction. Version 1, by
`secure_token`: the header `Secure-Token` is the token, which tells who sends and neither what nor when; `data` is a
list. Each configured secret opens its way; a request that carries a signature is judged by it whenever we hold a
checksum key. Fields of a transaction, version 1's name behind the bar:

    id                                            required  Casso's own number
    amount                                        required  whole đồng; negative goes out: no payment to us, and the
                                                            statement books it
    transactionDateTime | when                    optional  local time, "2026-11-18 09:15:00"
    description                                   optional  what the transfer says
    reference | tid                               optional  the bank's own reference
    counterAccountNumber | corresponsiveAccount   optional  the payer's account
    accountNumber, bankName, runningBalance, virtualAccount… and their like are signed but not needed here.

The trial event of Casso's page is referred to as "MA_GIAO_DICH_THU_NGHIEM": it is answered and counts as no money.
Casso's own samples of code differ on letters with accents: the one for JavaScript signs them as they are, the one for
Python escaped. Both texts are the same JSON, so either is taken. How old a call may be is not published; a day leaves
room for every retry, and an event is taken once whenever it comes.
Sources: https://developer.casso.vn/webhook/thiet-lap-webhook-thu-cong and
https://github.com/CassoHQ/casso-webhook-v2-verify-signature
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from banks import strict_json, vietnam_time
from banks.errors import Misconfigured, Unproven, Unreadable
from banks.money import dong
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys, match_token
from banks.success_answers import success_answer

_SIGNING, _TOKEN = "checksum_key", "secure_token"
_SCHEME = Hmac("sha512", "hex", small=True)
_SIGNATURE = re.compile(r"t=([0-9]{1,15}),v1=([0-9a-f]{128})")
_MOST = 10**15 - 1
_TRIAL = "MA_GIAO_DICH_THU_NGHIEM"


class Casso:
    """Casso's webhook, both versions; see the module's docstring for the form."""

    name = "casso"
    method = "POST"
    secrets: tuple[str, ...] = (_SIGNING, _TOKEN)
    any_secret = True
    max_bytes = 256 * 1024
    max_age: timedelta | None = timedelta(days=1)
    asks_bill = False
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Check the signature or the token; the age of a signature is for the caller to judge, a token has none."""
        given = request.headers.get("x-casso-signature", "")
        if _SIGNING in secrets and (given or _TOKEN not in secrets):
            return self._prove_signature(request, given, live_keys(secrets, _SIGNING), now)
        if _TOKEN not in secrets:
            raise Misconfigured(f"expected the secret {_SIGNING} or {_TOKEN}, got neither")
        keys = live_keys(secrets, _TOKEN)
        token = request.headers.get("secure-token", "")
        if not token:
            raise Unproven("expected the header Secure-Token, got none")
        if match_token(token, keys) is None:
            raise Unproven("the token in Secure-Token is not ours")
        return Proof(self._event_id(request, request.body), b"")

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise a delivery of one transaction; raise Unreadable naming the field, such as "data.amount"."""
        notices = self.read_all(request)
        if len(notices) != 1:
            raise Unreadable(f"expected one transaction, got {len(notices)}", "data")
        return notices[0]

    def read_all(self, request: RawRequest) -> Sequence[PaymentNotice]:
        """Normalise every transaction, all or none; raise Unreadable naming the field, such as "data[2].amount"."""
        return [_notice(one, place) for place, one in _transactions(self._body(request))]

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `{"success": true}` for what is kept, else false under an HTTP status that says why."""
        return success_answer(outcome, detail)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Sign the body at `now` with the newest checksum key, or show the newest token when there is none."""
        headers = {"content-type": "application/json"}
        if _SIGNING in secrets:
            milliseconds = str(int(now.timestamp()) * 1000)
            text, _ = _texts(milliseconds, self._body(request))
            signature = _SCHEME.sign(text, live_keys(secrets, _SIGNING)[0])
            headers["x-casso-signature"] = f"t={milliseconds},v1={signature}"
        else:
            headers["secure-token"] = live_keys(secrets, _TOKEN)[0]
        return Signed("POST", request.query, headers, request.body)

    def _prove_signature(self, request: RawRequest, given: str, keys: Sequence[str], now: datetime) -> Proof:
        if not given:
            raise Unproven("expected the header X-Casso-Signature, got none")
        parts = _SIGNATURE.fullmatch(given)
        if parts is None:
            raise Unproven(
                "expected the header X-Casso-Signature to be t=<milliseconds>,v1=<128 small hex digits>, "
                f"got {given[:40]!a}"
            )
        try:
            texts = _texts(parts[1], self._body(request))
        except Unreadable as error:
            raise Unproven(str(error)) from None
        for signed in texts:
            if _SCHEME.match(signed, parts[2], keys) is not None:
                age = round(now.timestamp() * 1000) - int(parts[1])
                content = texts[0].partition(b".")[2]
                return Proof(self._event_id(request, content), signed, age / 1000, content)
        raise Unproven("X-Casso-Signature is not the HMAC-SHA512 of t and the sorted body by our key", texts[0])

    def _event_id(self, request: RawRequest, content: bytes) -> str:
        try:
            [(place, one)] = _transactions(self._body(request))
            number = "" if _is_trial(one) else str(strict_json.whole(one, "id", place=place, most=_MOST))
        except (Unreadable, ValueError):  # a list of several has an id of its own, and so has what is not of the form
            number = ""
        return event_id(number, content)

    def _body(self, request: RawRequest) -> dict[str, Any]:
        return strict_json.read_object(request.body, max_bytes=self.max_bytes, exact_numbers=True)


def _texts(milliseconds: str, body: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return what may have been signed: accents as they are, and escaped."""
    plain, escaped = (strict_json.compact(body, sort_keys=True, escape=escape) for escape in (False, True))
    return f"{milliseconds}.{plain}".encode(), f"{milliseconds}.{escaped}".encode()


def _transactions(body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    error = strict_json.whole(body, "error", least=-_MOST)
    if error:
        raise Unreadable(f"expected 0, got {error}", "error")
    data = body.get("data")
    listed = [("data", data)] if not isinstance(data, list) else [(f"data[{n}]", one) for n, one in enumerate(data, 1)]
    if not listed:
        raise Unreadable("expected at least one transaction, got none", "data")
    return [(place, strict_json.member({place: one}, place)) for place, one in listed]


def _notice(one: Mapping[str, Any], place: str) -> PaymentNotice:
    trial = _is_trial(one)
    number = strict_json.whole(one, "id", place=place, least=0 if trial else 1, most=_MOST)
    amount = strict_json.whole(one, "amount", place=place, least=-_MOST)
    if not amount:
        raise Unreadable("expected an amount other than 0, got 0", f"{place}.amount")
    reference = _either(one, "reference", "tid", place, 128)
    return PaymentNotice(
        source_reference=str(number),
        amount=dong(amount),
        paid=amount > 0 and not trial,
        paid_at=vietnam_time.moment(one, "transactionDateTime", place=place)
        or vietnam_time.moment(one, "when", place=place),
        bank_reference=reference,
        channel="transfer",
        narrative=strict_json.text(one, "description", place=place, longest=1000),
        payer_account=_either(one, "counterAccountNumber", "corresponsiveAccount", place, 64),
    )


def _either(one: Mapping[str, Any], new: str, old: str, place: str, longest: int) -> str:
    return strict_json.text(one, new, place=place, longest=longest) or strict_json.text(
        one, old, place=place, longest=longest
    )


def _is_trial(one: Mapping[str, Any]) -> bool:
    return _TRIAL in (one.get("reference"), one.get("tid"))


PROFILE: CallbackProfile = Casso()
