"""Callbacks of every profile, damaged in every way: no crash, no answer of 5xx, and no đồng that no bank told of.

DOISOAT_MUTATIONS damaged callbacks in all (CHAOS_CAMPAIGN=1: 100,000): half as they come, so that their proof must fail
or still stand for the very same event, half signed anew after the damage, so that only reading stands between them and
the books. Each comes from a seed of its own; DOISOAT_MUTATION=<number> repeats one.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks import profile
from banks.errors import BankError
from banks.profile import CallbackProfile
from banks.records import RawRequest
from gateway import jobs
from gateway.bank_settings import BankSettings
from gateway.web import create_machines
from gateway.wiring import Caller, Wiring
from reconciliation import invariants
from tests.chaos.mutations import mutated

COUNT = int(os.environ.get("DOISOAT_MUTATIONS") or (100_000 if os.environ.get("CHAOS_CAMPAIGN") else 1_500))
ONE = os.environ.get("DOISOAT_MUTATION")
TOKENS = {"api_key", "secure_token"}
"""What stands beside a body without covering it: with such a proof, whatever the body says is what was told."""
KEPT: tuple[int, ...] = ()
"""Numbers that once failed."""
CORPUS = Path(__file__).parents[1] / "corpus"


@dataclass(frozen=True)
class Sample:
    """A genuine callback with the keys that prove it."""

    caller: Caller
    request: RawRequest

    def amounts(self) -> set[tuple[str, int]]:
        """Return (reference, đồng) of the payments it tells of."""
        return {(one.source_reference, one.amount.minor) for one in profile.read_all(self.caller.profile, self.request)}


def _pair(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    pem = serialization.Encoding.PEM
    hidden = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"private": hidden.decode(), "public": public.decode()}


PAIRS = {
    "vietinbank": _pair(rsa.generate_private_key(65537, 2048)),
    "viettel": _pair(ec.generate_private_key(ec.SECP256R1())),
}
"""Keys of our own for the banks that sign with a private one, so that a damaged callback can be signed anew."""


def with_our_keys(
    name: str, request: RawRequest, keys: dict[str, list[str]]
) -> tuple[RawRequest, dict[str, list[str]]]:
    """Return the callback and its keys; where only a public key was given, signed anew by a pair of our own."""
    how = profile.find(name)
    if not any("public_key" in key for key in keys):
        return request, keys
    ours = {key: [PAIRS[name]["private" if "private" in key else "public"]] for key in _asymmetric(how)}
    keys = {**keys, **ours}
    signed = how.sign(request, keys, request.received_at)
    return replace(request, query=signed.query, headers={**request.headers, **signed.headers}, body=signed.body), keys


def _asymmetric(how: CallbackProfile) -> set[str]:
    return {
        key
        for key in (*how.secrets, *getattr(how, "signing_secrets", ()))
        if key.endswith(("_public_key", "_private_key"))
    }


def genuine() -> Iterator[Sample]:
    for name in profile.names():
        for path in sorted((CORPUS / name).glob("*.callback.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            if "notice" not in told["expected"] and "notices" not in told["expected"]:
                continue
            how = profile.find(name)
            moment = datetime.fromisoformat(told["received_at"])
            bank = BankSettings(
                f"{name}_{len(path.stem)}_{path.stem[:8]}".replace("-", "_"), name, name, callbacks=True
            )
            request = RawRequest(how.method, told["query"].encode(), told["headers"], told["body"].encode(), moment)
            request, keys = with_our_keys(name, request, told["secrets"])
            yield Sample(Caller(bank, how, keys), request)


SAMPLES = list(genuine())


@pytest.fixture
def client(wiring: Wiring) -> FlaskClient:
    banks = {one.caller.bank.name: one.caller for one in SAMPLES}
    assert len(banks) == len(SAMPLES)
    wiring.__dict__["callers"] = banks
    wiring.settings.banks.update({name: one.bank for name, one in banks.items()})  # type: ignore[attr-defined]
    return create_machines(wiring).test_client()


def send(client: FlaskClient, wiring: Wiring, sample: Sample, request: RawRequest) -> int:
    wiring.__dict__["clock"] = lambda: request.received_at
    headers = {key: value for key, value in request.headers.items() if key != "content-length"}
    answer = client.open(
        f"/webhooks/{sample.caller.bank.name}", method=request.method, data=request.body, headers=headers,
        query_string=request.query.decode("latin-1"),
    )  # fmt: skip
    return answer.status_code


def damaged(number: int) -> tuple[Sample, RawRequest, bool]:
    """Return the damaged callback of this number, and whether it was signed anew after the damage."""
    chance = random.Random(f"callbacks:{number}")
    sample = chance.choice(SAMPLES)
    request, alike = sample.request, [one.request for one in SAMPLES if one.caller.profile is sample.caller.profile]
    if request.method == "GET":
        query = mutated([one.query for one in alike], chance)
        request = replace(request, query=query.replace(b"\r", b"").replace(b"\n", b"").replace(b"#", b""))
    elif chance.random() < 0.15:
        name = chance.choice(sorted(request.headers))
        value = mutated([request.headers[name].encode()], chance).decode("latin-1")
        clean = "".join(char for char in value if char.isprintable())
        request = replace(request, headers={**request.headers, name: clean})
    else:
        request = replace(request, body=mutated([one.body for one in alike], chance))
    if number % 2:
        try:
            signed = sample.caller.profile.sign(request, sample.caller.secrets, request.received_at)
        except BankError:
            return sample, request, False
        headers = {**request.headers, **signed.headers}
        return sample, replace(request, query=signed.query, headers=headers, body=signed.body), True
    return sample, request, False


def test_damaged_callbacks_book_nothing_that_was_not_told(
    client: FlaskClient, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    numbers = [int(ONE)] if ONE else [*KEPT, *range(COUNT)]
    statuses: dict[int, int] = {}
    told: dict[str, set[str]] = {}
    for number in numbers:
        sample, request, signed = damaged(number)
        status = send(client, wiring, sample, request)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or status == 503, f"DOISOAT_MUTATION={number}: {status}"
        if signed or set(sample.caller.secrets) <= TOKENS:
            runs = re.findall(r"[0-9]+", (request.query + b" " + request.body).decode("latin-1"))
            told.setdefault(sample.caller.bank.name, set()).update(run.lstrip("0") for run in runs)
    jobs.read_callbacks()

    known = {(one.caller.bank.name, *pair) for one in SAMPLES for pair in one.amounts()}
    with Session(wiring.engine) as session:
        rows = session.execute(text("SELECT source, source_reference, minor FROM payments")).all()
        for source, reference, minor in rows:
            literal = {str(minor), f"{minor}00"}
            assert (source, reference, minor) in known or literal & told.get(source, set()), (source, reference, minor)
        waiting = session.scalar(text("SELECT count(*) FROM deliveries WHERE state = 'received'"))
        assert waiting == 0
        broken = [one for one in invariants.prove(session, wiring.audit_key) if not one.holds]
    assert broken == []
    if not ONE:
        assert rows, "no damaged callback was ever believed: the damage is too coarse to prove anything"
        assert statuses.get(503, 0) == 0
