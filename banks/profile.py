"""The shape of a bank: what its callbacks prove, say and expect as an answer; one module in `profiles/` is one bank."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast, runtime_checkable

from banks.errors import Misconfigured
from banks.records import Answer, Notice, Outcome, PaymentNotice, Proof, RawRequest

_EVENT_ID = re.compile("[!-~]{1,128}")

Secrets = Mapping[str, Sequence[str]]
"""Secret name → the keys alive now, newest first (two during a rotation)."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A request made by `sign`: what a bank's integrator would put on the wire."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer may repeat or be signed with: the request it answers, and the keys alive now."""

    request: RawRequest
    secrets: Secrets


class CallbackProfile(Protocol):
    """How one bank or wallet calls back. Implementations are stateless; secrets and time are handed in."""

    name: str
    """Module name in `profiles/`, and the last part of `/webhooks/<name>`."""
    method: str
    """"GET" or "POST"."""
    secrets: tuple[str, ...]
    """Names of the secrets the proof knows."""
    any_secret: bool
    """Whether one of `secrets` is enough, each opening a way to prove of its own; otherwise the proof needs all."""
    max_bytes: int
    """Largest query or body, whichever carries the event."""
    max_age: timedelta | None
    """How old a rightly signed event may be before a person must look; None where the form carries no time."""
    asks_bill: bool
    """Whether the sender expects the answer to depend on the bill (unknown, other amount, already paid)."""
    answers_each: bool
    """Whether an answer repeats the request's fields or is signed, so that each needs its `Asked`."""

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Check the signature over the raw bytes; raise Unproven with the text that was signed."""
        ...

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise a proven request; raise Unreadable naming the field."""
        ...

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:
        """Say `outcome` in the sender's own form; `asked` is given whenever the profile `answers_each`."""
        ...

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Produce the signed request for the unsigned `request`: for integrators, tests and the sandbox bank."""
        ...


@runtime_checkable
class TellsSeveral(Protocol):
    """A profile whose deliveries may tell of several payments, or of a mandate; its `read` takes one of one payment.

    Apart from `CallbackProfile`, so that the many profiles of one payment a delivery stay as simple as they are.
    """

    def read_all(self, request: RawRequest) -> Sequence[Notice]:
        """Normalise a proven request, one thing told by another; raise Unreadable naming the field."""
        ...


def read_all(profile: CallbackProfile, request: RawRequest) -> Sequence[Notice]:
    """Return everything a proven request tells, at least one notice; raise Unreadable naming the field."""
    # Asked of its class: an isinstance against a protocol costs as much as the rest of a reading.
    if hasattr(type(profile), "read_all"):
        return cast("TellsSeveral", profile).read_all(request)
    return (profile.read(request),)


@runtime_checkable
class TellsSecretsApart(Protocol):
    """A profile that proves, signs and answers with different secrets, as key pairs have it."""

    proof_secrets: tuple[str, ...]
    """Those of `secrets` that prove a call."""
    signing_secrets: tuple[str, ...]
    """What `sign` needs; the private half of a key pair is the bank's, so it is none of our `secrets`."""
    weak: bool
    """Whether the proof is too weak to stand alone: where the call comes from must be asked as well."""

    def check_keys(self, secrets: Secrets) -> None:
        """Raise Misconfigured for a key that can't be used, before a bank calls and not when it does."""
        ...


def proof_secrets(profile: CallbackProfile) -> tuple[str, ...]:
    """Return the names of the secrets that `prove` needs."""
    return profile.proof_secrets if isinstance(profile, TellsSecretsApart) else profile.secrets


def signing_secrets(profile: CallbackProfile) -> tuple[str, ...]:
    """Return the names of the secrets that `sign` needs."""
    return profile.signing_secrets if isinstance(profile, TellsSecretsApart) else profile.secrets


def check_keys(profile: CallbackProfile, secrets: Secrets) -> None:
    """Raise Misconfigured for a key that the profile can't use; one whose keys are any text takes them all."""
    if isinstance(profile, TellsSecretsApart):
        profile.check_keys(secrets)


def is_weak(profile: CallbackProfile) -> bool:
    """Tell whether the profile's proof is too weak to stand alone."""
    return isinstance(profile, TellsSecretsApart) and profile.weak


def event_id(told: str, content: bytes) -> str:
    """Return `told` when it can stand as an event's id (1–128 visible ASCII characters), else a digest of `content`.

    What is rightly signed but not of the documented form still needs an id of its own to be kept under.
    """
    return told if _EVENT_ID.fullmatch(told) else f"sha256:{hashlib.sha256(content).hexdigest()}"


def names() -> list[str]:
    """Names of all profiles, in alphabetical order."""
    from banks import profiles

    return sorted(module.name for module in iter_modules(profiles.__path__) if not module.name.startswith("_"))


@cache
def find(name: str) -> CallbackProfile:
    """Return the profile called `name`; raise Misconfigured listing the known ones, or for a module that holds none."""
    if name not in names():
        raise Misconfigured(f"no bank profile is called {name!r}; known: {', '.join(names())}")
    profile: CallbackProfile | None = getattr(import_module(f"banks.profiles.{name}"), "PROFILE", None)
    if profile is None:
        raise Misconfigured(f"banks/profiles/{name}.py: expected PROFILE, the bank's CallbackProfile, got none")
    return profile
