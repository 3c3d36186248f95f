"""A bank's callback as a declaration: the one profile that every declared bank is an instance of."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from banks import strict_json
from banks.declared_answers import Answers, put
from banks.declared_fields import CONTENT_TYPES, Carrier, Fields, read_fields
from banks.declared_identity import check_ids_told, check_one_moment
from banks.declared_moments import MomentForm
from banks.declared_notice import NoticeForm
from banks.declared_signing import Part, Said, Signature
from banks.errors import Misconfigured, Unproven, Unreadable
from banks.form import read_pairs
from banks.profile import Asked, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import live_keys, match_token

_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Declaration:
    """Everything that tells one bank's callbacks from another's; see docs/banks/declaring.md for each part.

    `stamp` is where the time of signing stands; `event_id` are the fields that identify an event (none: the signed
    text does). `bearer` names the secret of a token that is asked in addition to the signature.
    """

    name: str
    carrier: Carrier
    signature: Signature
    notice: NoticeForm
    answers: Answers
    bearer: str = ""
    stamp: Part | None = None
    stamp_form: MomentForm | None = None
    max_age: timedelta | None = None
    event_id: tuple[str, ...] = ()
    max_bytes: int = 64 * 1024
    asks_bill: bool = False

    @property
    def proof_secrets(self) -> tuple[str, ...]:
        """Names of the secrets that a callback is proven with."""
        return tuple(dict.fromkeys((*self.signature.secrets, *([self.bearer] if self.bearer else []))))

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """Names of the secrets that a callback is made with: of a key pair, the private half."""
        return tuple(dict.fromkeys((*self.signature.signing_secrets, *([self.bearer] if self.bearer else []))))


class Declared:
    """A declared bank; a `CallbackProfile` that says, proves, reads and answers what its declaration tells."""

    any_secret = False

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.method = "GET" if declaration.carrier == "query" else "POST"
        self.max_bytes = declaration.max_bytes
        self.max_age = declaration.max_age
        self.asks_bill = declaration.asks_bill
        self.answers_each = declaration.answers.each
        self.proof_secrets, self.signing_secrets = declaration.proof_secrets, declaration.signing_secrets
        ours = declaration.answers.signature
        self.secrets = tuple(dict.fromkeys((*self.proof_secrets, *(ours.signing_secrets if ours else ()))))
        self.weak = declaration.signature.weak
        """Whether the proof is too weak to stand alone: the sender's address or certificate must be asked as well."""

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Check the token, if one is declared, and the signature over what is covered; raise Unproven."""
        for name in self.proof_secrets:
            live_keys(secrets, name)
        try:
            said = self._said(request)
            given = said.text(self.declaration.signature.stands_in)
            text = self._prove(said, given, secrets)
            age = self._age(said, now)
        except Unreadable as error:
            raise Unproven(str(error)) from None
        return Proof(self._event_id(said), text, age, self._content(said))

    def check_keys(self, secrets: Secrets) -> None:
        """Raise Misconfigured, naming the secret, for a key that can't be used."""
        for name in self.secrets:
            live_keys(secrets, name)
        ours = self.declaration.answers.signature
        for signature in (self.declaration.signature, *([ours] if ours else [])):
            key = signature.signing_key if signature is ours else signature.key
            try:
                signature.try_keys(secrets, ours=signature is ours)
            except Misconfigured as error:
                raise Misconfigured(f"{self.name}: secret {key}: {error}") from None

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise a proven request; raise Unreadable naming the field."""
        fields = read_fields(request, self.declaration.carrier, self.max_bytes)
        said = Said(fields, request.headers, request.body)
        self.declaration.signature.text.check_one_reading(said)
        self._check_one_id(said, request.received_at)
        return self.declaration.notice.read(fields, request.received_at)

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:
        """Say `outcome` as declared; without `asked` nothing is repeated or signed."""
        if asked is None:
            return self.declaration.answers.write(outcome, detail, Fields({}), None)
        try:
            fields = read_fields(asked.request, self.declaration.carrier, self.max_bytes)
        except Unreadable:
            fields = Fields({})
        return self.declaration.answers.write(outcome, detail, fields, asked.secrets)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Sign `request` with the newest keys and the token; a time in a header is `now` unless it is there already."""
        declared, signature = self.declaration, self.declaration.signature
        headers = {name: value for name, value in request.headers.items() if signature.text.holds(Part("header", name))}
        if declared.stamp and declared.stamp_form and declared.stamp.kind == "header":
            headers.setdefault(declared.stamp.name, declared.stamp_form.write(now))
        fields = read_fields(request, declared.carrier, self.max_bytes)
        made = signature.make(Said(fields, headers, request.body), secrets)
        if declared.bearer:
            headers["authorization"] = _BEARER + live_keys(secrets, declared.bearer)[0]
        if CONTENT_TYPES[declared.carrier]:
            headers["content-type"] = CONTENT_TYPES[declared.carrier]
        query, body = request.query, request.body
        if signature.stands_in.kind == "header":
            headers[signature.stands_in.name] = made
        elif declared.carrier == "query":
            query = _with_pair(query, signature.stands_in.name, made)
        elif declared.carrier == "form":
            body = _with_pair(body, signature.stands_in.name, made)
        else:
            tree = strict_json.read_object(body, max_bytes=self.max_bytes, exact_numbers=True)
            put(tree, signature.stands_in.name, made)
            body = strict_json.compact(tree).encode()
        return Signed(self.method, query, headers, body)

    def _said(self, request: RawRequest) -> Said:
        """Return what the proof is over; a raw body needs no reading to be proven, and `read` refuses it later."""
        try:
            fields = read_fields(request, self.declaration.carrier, self.max_bytes)
        except Unreadable:
            if not self.declaration.signature.text.whole_body():
                raise
            fields = Fields({})
        return Said(fields, request.headers, request.body)

    def _prove(self, said: Said, given: str, secrets: Secrets) -> bytes:
        signature, bearer = self.declaration.signature, self.declaration.bearer
        place = signature.stands_in.place
        if not given:
            raise Unproven(f"expected a signature in {place}, got none", next(signature.text.texts(said, secrets)))
        if bearer:
            token = said.headers.get("authorization", "")
            if not token.startswith(_BEARER) or match_token(token[len(_BEARER) :], live_keys(secrets, bearer)) is None:
                raise Unproven("expected the header authorization: Bearer with a token of ours")
        fits, text = signature.prove(given, said, secrets)
        if not fits:
            raise Unproven(f"{place} is not the {signature.algorithm} of the covered text by our key", text)
        return text

    def _age(self, said: Said, now: datetime) -> float | None:
        declared = self.declaration
        if declared.stamp is None or declared.stamp_form is None:
            return None
        moment = declared.stamp_form.read(said.text(declared.stamp), declared.stamp.place)
        return (now - moment).total_seconds()

    def _event_id(self, said: Said) -> str:
        try:
            told = [said.fields.text(path) for path in self.declaration.event_id]
        except Unreadable:
            told = [""]
        return event_id(":".join(told) if all(told) else "", self.declaration.signature.text.bare(said))

    def _check_one_id(self, said: Said, now: datetime) -> None:
        ids, text, notice = self.declaration.event_id, self.declaration.signature.text, self.declaration.notice
        if ids and notice.paid_at_form and not text.splits_one_way():  # the rules ask for a form beside such ids
            check_ids_told(said.fields, ids)
            if not text.separator:
                check_one_moment(text.bare(said).decode(), notice.paid_at_form, notice.paid_at, now)

    def _content(self, said: Said) -> bytes | None:
        """Return what makes two sendings of one event the same; None where the body as a whole does.

        What is not signed proves nothing, so it makes no difference either; nor does the time of another attempt.
        """
        declared = self.declaration
        if declared.signature.text.whole_body():
            return None
        stamp = declared.stamp.name if declared.stamp and declared.stamp.kind == "field" else None
        return json.dumps([pair for pair in declared.signature.text.values(said) if pair[0] != stamp]).encode()


def _with_pair(pairs: bytes, name: str, value: str) -> bytes:
    kept = [pair.wire for pair in read_pairs(pairs) if pair.name != name.encode()]
    return b"&".join([*kept, urlencode({name: value}).encode("ascii")])
