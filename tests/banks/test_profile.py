"""One test over every profile found, fed from `tests/corpus/<profile>/*.callback.json`.

A sample holds `secrets`, `received_at`, the request as it came (`query`, `headers`, `body`), and what is `expected`:
`event_id`, `notice` (or several `notices`) and optionally `age_seconds`, and `token_only` where nothing of the request
is signed; or `unproven` (a part of the reason); or `unreadable` (the place). For a key pair `signing` holds what its
sender signs with.
"""

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import profile, profiles
from banks.errors import Misconfigured, Unproven, Unreadable
from banks.records import Outcome, PaymentNotice, RawRequest

CORPUS = Path(__file__).parents[1] / "corpus"
ENDING = ".callback.json"
KEYS = {"about", "secrets", "signing", "received_at", "query", "headers", "body", "expected"}
EXPECTED = {"event_id", "notice", "notices", "age_seconds", "token_only", "unproven", "unreadable"}


def misfit(path):
    """Why the file can't be a sample, or "": a key nobody reads would be a check that never fails."""
    if not path.name.endswith(ENDING):
        return f"{path.name}: expected a name that ends in {ENDING}"
    told = json.loads(path.read_text(encoding="utf-8"))
    unknown = [*sorted(told.keys() - KEYS), *(f"expected.{key}" for key in sorted(told["expected"].keys() - EXPECTED))]
    return f"{path.name}: expected no key {', '.join(unknown)}" if unknown else ""


class Sample:
    def __init__(self, path):
        told = json.loads(path.read_text(encoding="utf-8"))
        self.profile = profile.find(path.parent.name)
        self.secrets = told["secrets"]
        self.signing = told.get("signing", self.secrets)
        self.expected = told["expected"]
        if "notice" in self.expected:
            self.expected["notices"] = [self.expected["notice"]]
        self.request = RawRequest(
            method=self.profile.method,
            query=told["query"].encode(),
            headers=told["headers"],
            body=told["body"].encode(),
            received_at=datetime.fromisoformat(told["received_at"]),
        )

    def heard(self, request):
        """What the gateway would go by: the event's identity and content."""
        proof = self.profile.prove(request, self.secrets, request.received_at)
        return proof.event_id, tuple(profile.read_all(self.profile, request))


def samples(*, of=None, **wanted):
    found = []
    for name in [of] if of else profile.names():
        for path in sorted((CORPUS / name).glob(f"*{ENDING}")):
            sample = Sample(path)
            if all((key in sample.expected) == there for key, there in wanted.items()):
                found.append(pytest.param(sample, id=f"{name}/{path.name.removesuffix(ENDING)}"))
    return found


def told(notice):
    said = {key: value for key, value in asdict(notice).items() if value not in ("", None)}
    amount = said.pop("amount")
    if "paid_at" in said:
        said["paid_at"] = said["paid_at"].isoformat()
    return {**said, "minor": amount["minor"], "currency": amount["currency"]}


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_is_whole_and_has_samples(name):
    found = profile.find(name)
    assert found.name == name
    assert found.method in ("GET", "POST")
    assert found.secrets
    assert 0 < found.max_bytes <= 1024 * 1024
    assert len(found.secrets) > 1 or not found.any_secret
    for wanted in ("notices", "unproven", "unreadable"):
        assert samples(of=name, **{wanted: True}), f"tests/corpus/{name} has no sample with {wanted}"


@pytest.mark.parametrize("name", profile.names())
def test_every_json_file_beside_the_samples_is_a_sample_of_known_keys(name):
    assert [why for path in sorted((CORPUS / name).glob("*.json")) if (why := misfit(path))] == []


def test_a_misnamed_or_misspelt_sample_is_named(tmp_path):
    told = json.loads((CORPUS / "vnpay" / "paid.callback.json").read_text(encoding="utf-8"))
    for name, changes, why in (
        ("paid.json", {}, "paid.json: expected a name that ends in .callback.json"),
        ("a.callback.json", {"recieved_at": ""}, "a.callback.json: expected no key recieved_at"),
        ("b.callback.json", {"expected": {"unprooven": ""}}, "b.callback.json: expected no key expected.unprooven"),
        ("c.callback.json", {}, ""),
    ):
        path = tmp_path / name
        path.write_text(json.dumps(told | changes), "utf-8")
        assert misfit(path) == why


def test_a_module_without_a_profile_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "haivan.py").write_text("DECLARATION = ''\n", "utf-8")
    monkeypatch.setattr(profiles, "__path__", [*profiles.__path__, str(tmp_path)])
    with pytest.raises(Misconfigured, match=r"^banks/profiles/haivan.py: expected PROFILE, .*, got none$"):
        profile.find("haivan")


def test_an_unknown_profile_is_answered_with_the_known_ones():
    with pytest.raises(Misconfigured, match=r"known: .*standard"):
        profile.find("vnpay2")


@pytest.mark.parametrize("sample", samples(notices=True))
def test_happy_sample(sample):
    proof = sample.profile.prove(sample.request, sample.secrets, sample.request.received_at)
    assert proof.event_id == sample.expected["event_id"]
    assert proof.age_seconds == sample.expected.get("age_seconds")
    assert 0 < len(proof.event_id) <= 128
    assert (proof.signed == b"") == ("token_only" in sample.expected)
    notices = profile.read_all(sample.profile, sample.request)
    assert [told(notice) for notice in notices] == sample.expected["notices"]
    for notice in notices:
        assert isinstance(notice, PaymentNotice)
        assert notice.amount.minor > 0 or not notice.paid
        assert notice.paid_at is None or notice.paid_at.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("sample", samples(unproven=True))
def test_unproven_sample(sample):
    with pytest.raises(Unproven) as caught:
        sample.profile.prove(sample.request, sample.secrets, sample.request.received_at)
    assert sample.expected["unproven"] in caught.value.reason
    for keys in sample.secrets.values():
        assert not any(key in caught.value.reason for key in keys)


@pytest.mark.parametrize("sample", samples(unreadable=True))
def test_unreadable_sample_is_proved_first(sample):
    proof = sample.profile.prove(sample.request, sample.secrets, sample.request.received_at)
    assert proof.event_id
    with pytest.raises(Unreadable) as caught:
        profile.read_all(sample.profile, sample.request)
    assert caught.value.place == sample.expected["unreadable"]


@pytest.mark.parametrize("sample", samples(notices=True))
def test_sign_prove_read_round_trip(sample):
    signed = sample.profile.sign(sample.request, sample.signing, sample.request.received_at)
    assert signed.method == sample.profile.method
    assert all(name == name.lower() for name in signed.headers)
    request = replace(sample.request, query=signed.query, headers=signed.headers, body=signed.body)
    assert sample.heard(request) == sample.heard(sample.request)
    again = sample.profile.sign(sample.request, sample.signing, sample.request.received_at)
    assert again == signed


@pytest.mark.parametrize("sample", samples(notices=True, token_only=False))
def test_a_tampered_byte_anywhere_changes_nothing_we_go_by(sample):
    truth = sample.heard(sample.request)
    refused = 0
    for part in ("query", "body"):
        whole = getattr(sample.request, part)
        for position in range(len(whole)):
            for byte in {whole[position] ^ 1, whole[position] ^ 32, 0, 0xFF} - {whole[position]}:
                bent = whole[:position] + bytes([byte]) + whole[position + 1 :]
                try:
                    heard = sample.heard(replace(sample.request, **{part: bent}))
                except Unproven:
                    refused += 1
                else:
                    assert heard == truth, f"{part}[{position}] = {byte:#x}"
    assert refused + refused_by_header(sample) > 300


def refused_by_header(sample):
    """Bend each character of each header; count what that undoes, and check that nothing else comes of it."""
    truth, refused = sample.heard(sample.request), 0
    for name, value in sample.request.headers.items():
        for position in range(len(value)):
            bent = value[:position] + chr(ord(value[position]) ^ 1) + value[position + 1 :]
            try:
                proof = sample.profile.prove(
                    replace(sample.request, headers={**sample.request.headers, name: bent}),
                    sample.secrets,
                    sample.request.received_at,
                )
            except Unproven:
                refused += 1
            else:
                assert proof.event_id == truth[0], f"{name}[{position}]"
    return refused


@pytest.mark.parametrize("sample", samples(notices=True, token_only=True))
def test_a_token_proves_the_sender_and_nothing_of_what_is_sent(sample):
    assert refused_by_header(sample) >= max(len(key) for keys in sample.secrets.values() for key in keys)
    other = replace(sample.request, body=b"anything")
    assert sample.profile.prove(other, sample.secrets, other.received_at).signed == b""
    with pytest.raises(Unreadable):
        profile.read_all(sample.profile, other)


@pytest.mark.parametrize("sample", samples(notices=True, token_only=False))
@settings(max_examples=30)
@given(data=st.data())
def test_parts_cut_out_or_put_in_change_nothing_we_go_by(sample, data):
    part = "query" if sample.profile.method == "GET" else "body"
    whole = getattr(sample.request, part)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"&", b"&a=", b"=", b"%00", b" ", b"\n", b'"', b"0"]))
    bent = replace(sample.request, **{part: whole[:start] + put + whole[end:]})
    try:
        heard = sample.heard(bent)
    except Unproven:
        return
    assert heard == sample.heard(sample.request)


@pytest.mark.parametrize("sample", samples(notices=True))
def test_another_key_or_none_proves_nothing(sample):
    for name, keys in sample.secrets.items():
        foreign = {**sample.secrets, name: [another(key) for key in keys]}
        with pytest.raises(Unproven):
            sample.profile.prove(sample.request, foreign, sample.request.received_at)
        for missing in ({**sample.secrets, name: []}, {**sample.secrets, name: [""]}):
            with pytest.raises(Misconfigured):
                sample.profile.prove(sample.request, missing, sample.request.received_at)
    for name in sample.signing:
        for missing in ({**sample.signing, name: []}, {**sample.signing, name: [""]}):
            with pytest.raises(Misconfigured):
                sample.profile.sign(sample.request, missing, sample.request.received_at)


def another(key):
    """A key of the same kind that never signed anything."""
    if not key.startswith("-----BEGIN"):
        return key[:-2] + ("AA" if key[-2:] != "AA" else "BB")
    rival = (
        rsa.generate_private_key(65537, 2048)
        if isinstance(load_pem_public_key(key.encode()), rsa.RSAPublicKey)
        else ec.generate_private_key(ec.SECP256R1())
    )
    return rival.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("name", profile.names())
@given(query=st.binary(max_size=60), body=st.binary(max_size=60))
def test_any_bytes_are_answered_never_a_crash(name, query, body):
    found = profile.find(name)
    request = RawRequest(found.method, query, {}, body, datetime.fromisoformat("2026-11-18T02:15:05+00:00"))
    secrets = {secret: ["c2FuZGJveA=="] for secret in found.secrets}
    with pytest.raises(Unproven):
        found.prove(request, secrets, request.received_at)
    with pytest.raises(Unreadable):
        profile.read_all(found, request)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("name", profile.names())
def test_every_outcome_has_an_answer(name, outcome):
    for detail in ("", 'tiền "sai"\n'):
        answer = profile.find(name).answer(outcome, detail)
        assert 200 <= answer.status < 600
        if answer.body and answer.content_type == "application/json":
            assert isinstance(json.loads(answer.body), dict)


@pytest.mark.parametrize("name", profile.names())
def test_a_refusal_never_reads_as_taken(name):
    found = profile.find(name)
    taken = found.answer(Outcome.ACCEPTED)
    for outcome in (Outcome.UNPROVEN, Outcome.BUSY, Outcome.UNREADABLE, Outcome.CONFLICT, Outcome.TOO_LARGE):
        assert found.answer(outcome) != taken
