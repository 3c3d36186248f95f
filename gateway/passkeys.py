"""Passkeys (WebAuthn): what a browser is asked to make or to sign, and what its answer proves.

Every challenge is kept in the session and answered once. A device must have recognised its owner (PIN, finger, face),
so that a passkey alone is two factors: something one has, and something one knows or is.
"""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway import second_factors
from reconciliation.factors import Passkey
from reconciliation.sealing import Sealer
from reconciliation.staff import Staff

LASTS = timedelta(minutes=5)
MOST_NAME = 60
_LONGEST_ANSWER = 16_384
_KEPT = "passkey_challenge"


class NotProven(Exception):
    """A browser's answer that proves nothing; says why, for the log and not for the page."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where passkeys hold: the host they are bound to, and the origin browsers name."""

    host: str
    origin: str

    @classmethod
    def of(cls, address: str) -> "Place | None":
        """Return the place of an address, or None where browsers make no passkeys: a bare number, or plain http."""
        parts = urlsplit(address)
        host = parts.hostname or ""
        try:
            ip_address(host)
        except ValueError:
            safe = parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
            return cls(host, f"{parts.scheme}://{parts.netloc}") if host and safe else None
        return None


Kept = MutableMapping[str, Any]


def ask_to_make(session: Session, kept: Kept, place: Place, person: Staff, *, sealer: Sealer, now: datetime) -> str:
    """Return, as JSON, what the browser needs to make a passkey for `person`; the challenge goes into `kept`."""
    options = webauthn.generate_registration_options(
        rp_id=place.host,
        rp_name=place.host,
        user_id=sealer.blind(str(person.id), "passkey"),
        user_name=person.username,
        user_display_name=person.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(session, person),
    )
    _keep(kept, options.challenge, "make", now)
    return webauthn.options_to_json(options)


def make(
    session: Session, kept: Kept, place: Place, person: Staff, answer: str, *, name: str, now: datetime
) -> Passkey:
    """Take the passkey a browser has made; raise NotProven for any other answer. The caller commits."""
    challenge = _challenge(kept, "make", now)
    try:
        proven = webauthn.verify_registration_response(
            credential=_read(answer), expected_challenge=challenge, expected_rp_id=place.host,
            expected_origin=place.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError) as wrong:
        raise NotProven(str(wrong)) from wrong
    if session.scalar(select(exists().where(Passkey.credential_id == proven.credential_id))):
        raise NotProven("expected a new credential, got a known one")
    made = Passkey(
        staff_id=person.id, credential_id=proven.credential_id, public_key=proven.credential_public_key,
        sign_count=proven.sign_count, name=name, created_at=now,
    )  # fmt: skip
    session.add(made)
    second_factors.note(session, person, "passkey_added", by=person.username, now=now, name=name)
    return made


def ask_to_sign(session: Session, kept: Kept, place: Place, *, now: datetime, person: Staff | None = None) -> str:
    """Return, as JSON, what the browser needs to sign with a passkey of `person`, or with any it holds for us."""
    options = webauthn.generate_authentication_options(
        rp_id=place.host,
        user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=_described(session, person) if person is not None else None,
    )
    _keep(kept, options.challenge, "sign", now)
    return webauthn.options_to_json(options)


def named(session: Session, answer: str) -> Passkey | None:
    """Return the passkey an answer names, locked until the transaction ends; nothing is proven by that."""
    try:
        credential_id = base64url_to_bytes(str(_read(answer)["id"]))
    except (NotProven, KeyError, ValueError):
        return None
    return session.scalar(select(Passkey).where(Passkey.credential_id == credential_id).with_for_update())


def sign(kept: Kept, place: Place, passkey: Passkey, answer: str, *, now: datetime) -> None:
    """Check a signature by `passkey` and count it; raise NotProven for any other answer. The caller commits."""
    challenge = _challenge(kept, "sign", now)
    try:
        proven = webauthn.verify_authentication_response(
            credential=_read(answer), expected_challenge=challenge, expected_rp_id=place.host,
            expected_origin=place.origin, credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError) as wrong:
        raise NotProven(str(wrong)) from wrong
    passkey.sign_count, passkey.used_at = proven.new_sign_count, now


def _described(session: Session, person: Staff) -> list[PublicKeyCredentialDescriptor]:
    ids = session.scalars(select(Passkey.credential_id).where(Passkey.staff_id == person.id).order_by(Passkey.id))
    return [PublicKeyCredentialDescriptor(id=one) for one in ids]


def _keep(kept: Kept, challenge: bytes, purpose: str, now: datetime) -> None:
    kept[_KEPT] = {"of": bytes_to_base64url(challenge), "to": purpose, "until": (now + LASTS).isoformat()}


def _challenge(kept: Kept, purpose: str, now: datetime) -> bytes:
    asked = kept.pop(_KEPT, None)
    if asked is None or asked["to"] != purpose or datetime.fromisoformat(asked["until"]) <= now:
        raise NotProven("expected the answer to a challenge of ours, got one to none, or too late")
    return base64url_to_bytes(asked["of"])


def _read(answer: str) -> dict[str, Any]:
    try:
        read = json.loads(answer) if len(answer) <= _LONGEST_ANSWER else None
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise NotProven("expected an answer in JSON, got another")
    return read
