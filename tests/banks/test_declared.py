"""A declared bank at work: what it signs and proves, believes and refuses, against signatures made without it."""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from urllib.parse import quote_plus, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import assume, given
from hypothesis import strategies as st

from banks.declared_fields import Fields
from banks.declared_signing import ALGORITHMS, Said
from banks.errors import Misconfigured, Unproven, Unreadable
from banks.profile import Asked
from banks.records import Outcome
from tests.banks.declarations import KEY, NOW, SAID, declared, get, post, signed
from tests.banks.pairs import ED, OTHER_ED, OTHER_P256, OTHER_RSA, P256, PSS, RSA, private_pem, public_pem, raw_of

TEXT = "E1|FT26322000481|844960|PC0701091234511126"
SECRETS = {"hash_key": [KEY]}
NAMES = ["id", "ref", "sum", "code"]


def hashed(digest, key=KEY):
    return lambda text: hmac.digest(key.encode(), text, digest)


INDEPENDENT = {
    "hmac-sha1": (hashed("sha1"), None, None),
    "hmac-sha256": (hashed("sha256"), None, None),
    "hmac-sha512": (hashed("sha512"), None, None),
    "rsa-sha256": (lambda text: RSA.sign(text, padding.PKCS1v15(), SHA256()), RSA, OTHER_RSA),
    "rsa-pss-sha256": (lambda text: RSA.sign(text, PSS, SHA256()), RSA, OTHER_RSA),
    "ecdsa-p256-sha256": (lambda text: P256.sign(text, ec.ECDSA(SHA256())), P256, OTHER_P256),
    "ecdsa-p256-sha256-raw": (lambda text: raw_of(P256.sign(text, ec.ECDSA(SHA256()))), P256, OTHER_P256),
    "ed25519": (ED.sign, ED, OTHER_ED),
    "md5-with-secret": (lambda text: hashlib.md5(text + b"|" + KEY.encode()).digest(), None, None),
    "sha256-with-secret": (lambda text: hashlib.sha256(text + b"|" + KEY.encode()).digest(), None, None),
}


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_proves_a_signature_that_was_made_without_us(algorithm, encoding):
    make, pair, other = INDEPENDENT[algorithm]
    covers = ["id", "ref", "sum", "code"] + (["secret:hash_key"] if algorithm.endswith("-with-secret") else [])
    profile = declared(
        {"signature/algorithm": algorithm, "signature/encoding": encoding, "signature/covers": covers}
    )  # fmt: skip
    assert profile.weak == algorithm.endswith("-with-secret")
    key, foreign = (public_pem(pair), public_pem(other)) if pair else (KEY, KEY[:-1] + "2")
    made = make(TEXT.encode())
    request = post({**SAID, "sign": made.hex() if encoding == "hex" else base64.b64encode(made).decode()})

    proof = profile.prove(request, {"hash_key": [key]}, NOW)
    assert (proof.event_id, proof.age_seconds) == ("E1", None)
    assert proof.signed.decode() == TEXT + (f"|{KEY}" if profile.weak else "")
    assert profile.prove(request, {"hash_key": [foreign, key]}, NOW).event_id == "E1", "two keys live in a rotation"
    with pytest.raises(Unproven, match=f"sign is not the {algorithm} of the covered text by our key"):
        profile.prove(request, {"hash_key": [foreign]}, NOW)
    for name in ("id", "ref", "sum", "code"):
        with pytest.raises(Unproven):
            profile.prove(post({**SAID, name: SAID[name][:-1] + "7", "sign": json.loads(request.body)["sign"]}),
                          {"hash_key": [key]}, NOW)  # fmt: skip
    again = signed(profile, post(SAID), {"hash_key": [private_pem(pair) if pair else KEY]})
    assert profile.prove(again, {"hash_key": [key]}, NOW).signed == proof.signed


def digest_of(text):
    return hmac.digest(KEY.encode(), text if isinstance(text, bytes) else text.encode(), "sha256").hex()


FORMS = {
    "in the given order": ({"covers": ["code", "id", "sum", "ref"]}, f"{SAID['code']}|E1|844960|FT26322000481"),
    "without a separator": ({"separator": ""}, TEXT.replace("|", "")),
    "named": ({"named": True, "separator": "&"}, "id=E1&ref=FT26322000481&sum=844960&code=PC0701091234511126"),
    "named and escaped": (
        {"named": True, "separator": "&", "escaped": True, "covers": ["id", "ref", "sum", "code", "note"]},
        f"id=E1&ref=FT26322000481&sum=844960&code=PC0701091234511126&note={quote_plus('tiền điện')}",
    ),
    "with an empty part kept": ({"covers": ["id", "ref", "sum", "code", "gone"]}, TEXT + "|"),
    "with an empty part left out": ({"covers": ["id", "ref", "gone", "sum", "code"], "skip_empty": True}, TEXT),
    "with fixed texts around": ({"covers": ["text:<", "id", "ref", "sum", "code", "text:>"]}, f"<|{TEXT}|>"),
    "every field by name": (
        {"covers": ..., "every_field": True, "named": True, "separator": "&"},
        "code=PC0701091234511126&id=E1&note=tiền điện&ref=FT26322000481&sum=844960",
    ),
    "every field but some": (
        {"covers": ..., "every_field": True, "left_out": ["note"], "named": True, "separator": ";"},
        "code=PC0701091234511126;id=E1;ref=FT26322000481;sum=844960",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_signed_text_is_put_together_as_declared(form):
    signature, text = FORMS[form]
    changes = {f"signature/{key}": value for key, value in signature.items()}
    if form in ("without a separator", "with an empty part left out"):
        changes["event_id"] = ...
    profile = declared(changes)
    proof = profile.prove(post({**SAID, "sign": digest_of(text).upper()}), SECRETS, NOW)
    assert proof.signed.decode() == text
    assert json.loads(signed(profile, post(SAID)).body)["sign"] == digest_of(text)
    with pytest.raises(Unproven) as caught:
        profile.prove(post({**SAID, "sign": digest_of(text + "x")}), SECRETS, NOW)
    assert caught.value.signed.decode() == text, "an integrator sees what we would have signed"


def test_fields_stand_in_objects_a_form_or_the_query():
    nested = declared(
        {
            "event_id": ["head.id"],
            "signature/covers": ["head.id", "pay.ref", "pay.sum"],
            "signature/stands_in": "head.sign",
            "notice": {"source_reference": "pay.ref", "amount": "pay.sum", "amount_is": "number"},
        }
    )  # fmt: skip
    body = {"head": {"id": "E1", "sign": digest_of("E1|R1|844960")}, "pay": {"ref": "R1", "sum": 844960}}
    assert nested.prove(post(body), SECRETS, NOW).event_id == "E1"
    assert nested.read(post(body)).amount.minor == 844960
    assert signed(nested, post(body)).body == json.dumps(body, separators=(",", ":")).encode()

    form = declared({"fields": "form"})
    request = replace(post(b""), body=urlencode({**SAID, "sign": digest_of(TEXT)}).encode())
    assert form.prove(request, SECRETS, NOW).event_id == "E1"
    assert form.read(request).source_reference == "FT26322000481"

    query = declared({"fields": "query"})
    assert (form.method, query.method) == ("POST", "GET")
    made = signed(query, get(urlencode(SAID).encode() + b"&sign=old"))
    assert made.query == urlencode({**SAID, "sign": digest_of(TEXT)}).encode()
    assert query.prove(made, SECRETS, NOW).event_id == "E1"
    assert query.read(made).payment_code == SAID["code"]


def test_a_name_with_a_full_stop_is_a_name():
    profile = declared(
        {
            "fields": "form",
            "event_id": ["pay.id"],
            "signature/covers": ["pay.id", "pay.ref", "pay.sum"],
            "signature/stands_in": "pay.sign",
            "notice": {"source_reference": "pay.ref", "amount": "pay.sum"},
        }
    )
    request = signed(profile, post(b"pay.id=E1&pay.ref=R1&pay.sum=844960"))
    assert profile.prove(request, SECRETS, NOW).signed == b"E1|R1|844960"
    assert profile.read(request).amount.minor == 844960

    notice = {"source_reference": "pay.ref", "amount": "pay.sum"}
    nested = declared({"event_id": ..., "signature/covers": ["pay.ref", "pay.sum"], "notice": notice})
    true = json.loads(signed(nested, post({"pay": {"ref": "R1", "sum": 844960}})).body)
    with pytest.raises(Unproven):
        nested.prove(post({**true, "pay.sum": 1}), SECRETS, NOW)


RAW = {
    "signature/covers": ["header:X-Time", "raw:body"],
    "signature/separator": ".",
    "signature/stands_in": "header:X-Sign",
    "signature/prefix": "sha256=",
    "time": {"stands_in": "header:X-Time", "format": "unix-ms", "max_age": 300},
    "bearer": "bearer_token",
}


def test_headers_the_raw_body_a_time_and_a_token():
    profile = declared(RAW)
    assert (profile.max_age, profile.secrets) == (timedelta(minutes=5), ("hash_key", "bearer_token"))
    body = json.dumps(SAID, indent=1).encode()
    stamp = int(NOW.timestamp() * 1000) - 61_500
    headers = {
        "x-time": str(stamp),
        "x-sign": "sha256=" + digest_of(f"{stamp}.".encode() + body),
        "authorization": "Bearer token-1",
    }
    secrets = {**SECRETS, "bearer_token": ["token-2", "token-1"]}
    proof = profile.prove(post(body, headers), secrets, NOW)
    assert (proof.event_id, proof.age_seconds, proof.content) == ("E1", 61.5, None)
    assert profile.read(post(body, headers)).amount.minor == 844960

    for name, value in [
        ("authorization", "Bearer token-3"), ("authorization", "token-1"), ("authorization", ""), ("x-time", "0"),
        ("x-time", str(stamp + 1)), ("x-time", ""),
        ("x-sign", headers["x-sign"][7:]), ("x-sign", ""), ("x-sign", "sha256="),
    ]:  # fmt: skip
        with pytest.raises(Unproven) as caught:
            profile.prove(post(body, {**headers, name: value}), secrets, NOW)
        assert "token-" not in caught.value.reason
    with pytest.raises(Unproven):
        profile.prove(post(body + b" ", headers), secrets, NOW)

    made = signed(profile, post(body), secrets)
    assert made.body == body
    assert made.headers["x-time"] == str(int(NOW.timestamp() * 1000))
    assert made.headers["authorization"] == "Bearer token-2"
    assert profile.prove(made, secrets, NOW).age_seconds == 0


def test_a_rightly_signed_time_that_is_none_proves_nothing():
    profile = declared({key: value for key, value in RAW.items() if key != "bearer"})
    body = json.dumps(SAID).encode()
    headers = {"x-time": "soon", "x-sign": "sha256=" + digest_of(b"soon." + body)}
    with pytest.raises(Unproven, match="header x-time: expected a moment of the form unix-ms, got 'soon'"):
        profile.prove(post(body, headers), SECRETS, NOW)


def test_a_rightly_signed_body_that_is_no_json_is_proven_and_then_refused():
    profile = declared({"signature/covers": ["raw:body"], "signature/stands_in": "header:x-sign"})
    request = post(b"{", {"x-sign": digest_of(b"{")})
    assert profile.prove(request, SECRETS, NOW).event_id == f"sha256:{hashlib.sha256(b'{').hexdigest()}"
    with pytest.raises(Unreadable, match="not JSON"):
        profile.read(request)
    assert profile.answer(Outcome.UNREADABLE, "why", Asked(request, SECRETS)).body == b'{"code": "99", "why": "why"}'


# ── what could be read in two ways ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("signature", "said", "place"),
    [
        ({}, {"code": "PC07|1"}, "code"),
        ({"named": True, "separator": "&"}, {"code": "PC07&sum=1"}, "code"),
        ({"named": True, "separator": ""}, {"id": "E1ref=2"}, "id"),
        ({"covers": ..., "every_field": True, "named": True, "separator": "&"}, {"note": "a&b=c"}, "note"),
        ({"covers": ..., "every_field": True, "named": True, "separator": "&"}, {"a&b": "c"}, "a&b"),
        ({"covers": ..., "every_field": True, "named": True, "separator": "&"}, {"code=x": "1"}, "code=x"),
        ({"covers": ..., "every_field": True, "named": True, "separator": ";"}, {"a&b": "c"}, "a&b"),
        ({"covers": ..., "every_field": True, "named": True, "separator": "||"}, {"note": "a|"}, "note"),
        ({"covers": ..., "every_field": True, "named": True, "separator": "||"}, {"|b": "a"}, "|b"),
        ({"separator": "||"}, {"id": "E1|"}, "id"),
        ({"separator": "||"}, {"code": "|PC07"}, "code"),
        ({"separator": "aba"}, {"code": "b"}, "code"),
    ],
)
def test_a_text_that_could_be_cut_at_another_place_proves_its_sender_and_is_not_read(signature, said, place):
    profile = declared({f"signature/{key}": value for key, value in signature.items()})
    request = signed(profile, post({**SAID, **said}))
    assert profile.prove(request, SECRETS, NOW)
    with pytest.raises(Unreadable, match="which could be read in two ways") as caught:
        profile.read(request)
    assert caught.value.place == place


def test_a_name_with_an_equals_sign_is_not_read_as_another_field():
    every = {"signature/covers": ..., "signature/every_field": True, "signature/named": True}
    profile = declared({**every, "signature/separator": "&"})
    true = signed(profile, post({**SAID, "code": "x=1"}))
    assert profile.read(true).payment_code == "x=1"
    cut = json.loads(true.body)
    del cut["code"]
    assert profile.prove(post({**cut, "code=x": "1"}), SECRETS, NOW), "the signature can't tell"
    with pytest.raises(Unreadable, match="code=x: expected no = or & in a field's name"):
        profile.read(post({**cut, "code=x": "1"}))


def test_a_header_has_no_label_that_would_keep_it_from_its_neighbours():
    changes = {"signature/covers": ["header:x-a", "header:x-b", *NAMES], "signature/named": True}
    profile = declared({**changes, "signature/separator": "&"})
    true = signed(profile, post(SAID, {"x-a": "1", "x-b": "2&3"}))
    moved = replace(true, headers={"x-a": "1&2", "x-b": "3"})
    for request, place in ((true, "header x-b"), (moved, "header x-a")):
        assert profile.prove(request, SECRETS, NOW)
        with pytest.raises(Unreadable, match=f"{place}: expected no '&' inside"):
            profile.read(request)
    assert profile.read(signed(profile, post(SAID, {"x-a": "1", "x-b": "2"})))


def test_a_separator_that_overlaps_itself_leaves_one_place_to_cut_at():
    profile = declared({"signature/separator": "||"})
    true = signed(profile, post({**SAID, "id": "E1|", "ref": "FT1"}))
    other = post({**json.loads(true.body), "id": "E1", "ref": "|FT1"})
    for request, place in ((true, "id"), (other, "ref")):
        assert profile.prove(request, SECRETS, NOW)
        with pytest.raises(Unreadable, match=rf"{place}: expected no sign of '\|\|' at an end"):
            profile.read(request)
    assert profile.read(signed(profile, post({**SAID, "code": "a|b"}))).payment_code == "a|b"
    plain = declared({"signature/separator": "-+"})
    assert profile.read(signed(profile, post({**SAID, "code": ""}))).payment_code == ""
    assert plain.read(signed(plain, post({**SAID, "code": "+a-"}))).payment_code == "+a-", "which has one reading"


@given(
    st.sampled_from(["||", "aba", "-+", "::", "|"]),
    st.lists(st.text("|ab:-+E", max_size=5), min_size=4, max_size=4),
    st.data(),
)
def test_a_text_that_is_read_has_no_other_values(separator, values, data):
    """Of all the ways to cut one signed text into its values, at most one is read."""
    signature = declared({"signature/separator": separator}).declaration.signature.text
    text = separator.join(values)
    places = [match.start() for match in re.finditer(f"(?={re.escape(separator)})", text)]
    chosen = data.draw(st.lists(st.sampled_from(places), min_size=3, max_size=3, unique=True).map(sorted))
    assume(all(later - place >= len(separator) for place, later in pairwise(chosen)))
    ends = [-len(separator), *chosen, len(text)]
    cut = [text[place + len(separator) : end] for place, end in pairwise(ends)]
    read = []
    for told in (values, cut):
        said = Said(Fields(dict(zip(NAMES, told, strict=True))))
        assert signature.bare(said) == text.encode()
        try:
            signature.check_one_reading(said)
        except Unreadable:
            continue
        read.append(told)
    assert len(read) < 2 or values == cut


def test_characters_moved_to_a_neighbour_stay_one_event():
    """Without a separator the signature still fits; then it is the same event with other content: a conflict."""
    profile = declared({"signature/separator": "", "event_id": ...})
    true = signed(profile, post(SAID))
    moved = post({**json.loads(true.body), "sum": "4496", "ref": SAID["ref"] + "8", "code": "0" + SAID["code"]})
    moved = replace(moved, body=moved.body.replace(b'"4496"', b'"44960"').replace(b'"0PC', b'"PC'))
    proofs = [profile.prove(one, SECRETS, NOW) for one in (true, moved)]
    assert profile.read(moved).amount.minor == 44960
    assert proofs[0].event_id == proofs[1].event_id
    assert proofs[0].content != proofs[1].content


def test_the_secret_inside_a_text_is_not_in_what_is_kept():
    weak = {
        "signature/algorithm": "md5-with-secret",
        "signature/covers": ["id", "ref", "sum", "code", "secret:hash_key"],
    }
    profile = declared({**weak, "event_id": ...})
    request = signed(profile, post(SAID))
    ids = {profile.prove(request, {"hash_key": keys}, NOW).event_id for keys in ([KEY], ["another", KEY])}
    assert ids == {f"sha256:{hashlib.sha256(f'{TEXT}|'.encode()).hexdigest()}"}


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ECHO = {"answers/common": {"id": "${id}", "n": "${n}", "text": "for ${id}: ${detail}"}}


def test_a_conflict_without_an_answer_of_its_own_says_what_is_wrong():
    told = json.loads(declared().answer(Outcome.CONFLICT).body)
    assert told == {"code": "99", "why": "known already with other content; a person looks at both"}
    assert json.loads(declared().answer(Outcome.CONFLICT, "another reason").body)["why"] == "another reason"


def test_an_answer_repeats_texts_and_numbers_of_the_request_and_nothing_else():
    profile = declared(ECHO)
    assert profile.answers_each

    def said(body):
        return json.loads(profile.answer(Outcome.ACCEPTED, 'no "x"', Asked(post(body), SECRETS)).body)

    assert said({"id": "E1", "n": 7}) == {"id": "E1", "n": 7, "text": 'for E1: no "x"', "code": "00"}
    assert said({"id": ["E1"], "n": True}) == {"id": "", "n": "", "text": 'for : no "x"', "code": "00"}
    assert said({"id": "x" * 500})["id"] == "x" * 128
    assert said({"id": "${detail}"})["id"] == "${detail}", "what a sender wrote is not filled in again"
    assert said(b"no json") == said({}) == {"id": "", "n": "", "text": 'for : no "x"', "code": "00"}


def test_an_answer_is_signed_with_our_key_and_the_same_again():
    profile = declared(
        {
            **ECHO,
            "answer_signature": {
                "algorithm": "rsa-sha256", "encoding": "base64", "key": "our_private_key",
                "covers": ["id", "code"], "separator": "+", "stands_in": "head.sign",
            },
        }
    )  # fmt: skip
    secrets = {**SECRETS, "our_private_key": [private_pem(RSA), private_pem(OTHER_RSA)]}
    asked = Asked(post(SAID), secrets)
    answer = profile.answer(Outcome.ACCEPTED, "", asked)
    made = base64.b64decode(json.loads(answer.body)["head"]["sign"])
    RSA.public_key().verify(made, b"E1+00", padding.PKCS1v15(), SHA256())
    assert profile.answer(Outcome.ACCEPTED, "", asked) == answer
    assert profile.answer(Outcome.BUSY, "", asked) != answer


def test_who_is_not_proven_gets_no_signature_of_ours():
    """With a shared key our answer's signature would be a callback's: the sender could choose what we sign."""
    profile = declared(
        {
            "answers/common": {"id": "${id}", "ref": "${ref}", "sum": "${sum}"},
            "answer_signature": {
                "algorithm": "hmac-sha256", "encoding": "hex", "key": "hash_key",
                "covers": ["id", "ref", "sum", "code"], "separator": "|", "stands_in": "sign",
            },
        }
    )  # fmt: skip
    asked = Asked(post({**SAID, "sign": "00"}), SECRETS)
    for outcome in (Outcome.UNPROVEN, Outcome.TOO_LARGE):
        assert "sign" not in json.loads(profile.answer(outcome, "", asked).body)
    oracle = json.loads(profile.answer(Outcome.ACCEPTED, "", asked).body)
    assert profile.prove(post(oracle), SECRETS, NOW), "which is why it must not be given away"


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_retired_key_is_refused_and_the_new_one_signs():
    profile = declared()
    old = signed(profile, post(SAID), {"hash_key": ["old"]})
    assert profile.prove(old, {"hash_key": ["new", "old"]}, NOW)
    with pytest.raises(Unproven):
        profile.prove(old, {"hash_key": ["new"]}, NOW)
    assert signed(profile, post(SAID), {"hash_key": ["new", "old"]}) == signed(
        profile, post(SAID), {"hash_key": ["new"]}
    )


def test_keys_are_tried_before_a_bank_calls():
    ours = {"algorithm": "rsa-sha256", "encoding": "hex", "key": "our_key", "covers": ["code"], "stands_in": "sign"}
    profile = declared({"signature/algorithm": "ed25519", "answer_signature": ours})
    good = {"hash_key": [public_pem(ED)], "our_key": [private_pem(RSA)]}
    profile.check_keys(good)
    for name, key in [("hash_key", public_pem(RSA)), ("hash_key", "x"), ("our_key", public_pem(RSA)), ("our_key", "x")]:
        with pytest.raises(Misconfigured, match=f"saomai: secret {name}: expected "):
            profile.check_keys({**good, name: [*good[name], key] if name == "hash_key" else [key]})
    with pytest.raises(Misconfigured, match="'our_key'"):
        profile.check_keys({**good, "our_key": []})


# ── any declaration ──────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def declarations(draw):
    """Any bank whose signature covers the four fields that matter, and the secrets it proves and signs with."""
    algorithm = draw(st.sampled_from([*ALGORITHMS]))
    pair = INDEPENDENT[algorithm][1]
    carrier = draw(st.sampled_from(["json", "form", "query"]))
    parts = draw(
        st.permutations([*NAMES, *draw(st.lists(st.sampled_from(["text:<>", "header:x-a", "gone"]), unique=True))])
    )
    separator = draw(st.sampled_from(["", "|", "&", "::"]))
    named = draw(st.booleans())
    signature = {
        "algorithm": algorithm,
        "encoding": draw(st.sampled_from(["hex", "base64"])),
        "key": "hash_key",
        "covers": [*parts, "secret:hash_key"] if algorithm.endswith("-with-secret") else list(parts),
        "separator": separator,
        "named": named,
        "escaped": draw(st.booleans()),
        "skip_empty": draw(st.booleans()),
        "stands_in": draw(st.sampled_from(["sign", "header:x-sign"])),
        "prefix": draw(st.sampled_from(["", "v1="])),
    }
    labels = named and "header:x-a" not in parts and (separator or not signature["skip_empty"])
    unambiguous = labels or (separator and not signature["skip_empty"])
    changes = {"fields": carrier, "signature": signature, "event_id": ["id"] if unambiguous else ...}
    proving = {"hash_key": [public_pem(pair) if pair else KEY]}
    signing = {"hash_key": [private_pem(pair) if pair else KEY]}
    return declared(changes), proving, signing


PLAIN = st.text("abcXYZ0189-_đ ", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(
    declarations(), st.tuples(PLAIN, st.text("A1-", min_size=1, max_size=12), st.integers(1, 10**12), PLAIN), st.data()
)
def test_what_any_declaration_signs_it_proves_and_what_was_changed_it_refuses(made, values, data):
    profile, proving, signing = made
    said = dict(zip(NAMES, [values[0], values[1], str(values[2]), values[3]], strict=True)) | {"note": "unsigned"}
    plain = urlencode(said).encode()
    json_body = json.dumps(said, ensure_ascii=False).encode()
    carrier = profile.declaration.carrier
    request = get(plain) if carrier == "query" else post(plain if carrier == "form" else json_body, {"x-a": "a b"})
    request = replace(request, headers={"x-a": "a b"})
    sent = signed(profile, request, signing)
    proof = profile.prove(sent, proving, NOW)
    notice = profile.read(sent)
    assert (notice.source_reference, notice.amount.minor, notice.payment_code) == (values[1], values[2], values[3])

    part = "query" if carrier == "query" else "body"
    whole = getattr(sent, part)
    harmless = replace(sent, **{part: whole.replace(b"unsigned", b"replaced")})
    assert profile.prove(harmless, proving, NOW) == proof
    assert profile.read(harmless) == notice
    position = data.draw(st.integers(0, 10**5)) % len(whole)  # an ECDSA signature is not always of one length
    bent = replace(sent, **{part: whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]})
    try:
        other = profile.prove(bent, proving, NOW)
    except Unproven:
        return
    assert other == proof
    assert profile.read(bent) == notice


@given(
    st.sampled_from(["json", "form", "query"]),
    st.binary(max_size=80),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)
def test_any_bytes_are_refused_never_a_crash(carrier, raw, headers):
    profile = declared({"fields": carrier})
    request = replace(get(raw) if carrier == "query" else post(raw), headers=headers)
    with pytest.raises(Unproven):
        profile.prove(request, SECRETS, NOW)
    with pytest.raises(Unreadable):
        profile.read(request)
    for outcome in Outcome:
        assert profile.answer(outcome, "", Asked(request, SECRETS)).body
