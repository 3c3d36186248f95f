"""A bank that calls in two declared forms, an older and a newer one, told apart by a header that only one has."""

from datetime import datetime, timedelta

from banks.declared import Declared
from banks.errors import Misconfigured, Unproven
from banks.profile import Asked, Secrets, Signed
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest


class Alternatives:
    """A `CallbackProfile` that leaves each call to the form it has: `with_header`, or `without` that header.

    A form is in use when any of its secrets is given. One that is not in use proves nothing, so that nobody can fall
    back to the weaker form of a bank that has left it.
    """

    any_secret = True
    answers_each = True

    def __init__(self, name: str, header: str, with_header: Declared, without: Declared) -> None:
        self.name = name
        self.method = with_header.method
        self.max_bytes = max(with_header.max_bytes, without.max_bytes)
        self.max_age: timedelta | None = None
        self.asks_bill = with_header.asks_bill
        self.weak = with_header.weak or without.weak
        self.secrets = tuple(dict.fromkeys((*with_header.secrets, *without.secrets)))
        self.proof_secrets = tuple(dict.fromkeys((*with_header.proof_secrets, *without.proof_secrets)))
        self.signing_secrets = tuple(dict.fromkeys((*with_header.signing_secrets, *without.signing_secrets)))
        self.forms = (with_header, without)
        self._header = header
        if self.method != without.method or self.asks_bill != without.asks_bill:
            raise Misconfigured(f"{name}: expected two forms that share method and asks_bill")
        if with_header.max_age or without.max_age:
            raise Misconfigured(f"{name}: expected two forms without a time")

    def check_keys(self, secrets: Secrets) -> None:
        """Raise Misconfigured for a key that can't be used, or that is missing in a form of which another is given."""
        for form in self.forms:
            if _in_use(form, secrets):
                form.check_keys(secrets)

    def form_of(self, request: RawRequest) -> Declared:
        """Return the form that `request` has."""
        with_header, without = self.forms
        return with_header if self._header in request.headers else without

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Prove by the form that `request` has; raise Unproven."""
        form = self.form_of(request)
        if not _in_use(form, secrets) and any(_in_use(other, secrets) for other in self.forms):
            raise Unproven(
                f"expected a call {'without' if form is self.forms[0] else 'with'} the header {self._header}"
            )
        return form.prove(request, secrets, now)

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise a proven request by the form that it has."""
        return self.form_of(request).read(request)

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:
        """Answer by the form that was asked in, the first one where nothing is known of it."""
        form = self.forms[0] if asked is None else self.form_of(asked.request)
        return form.answer(outcome, detail, asked if asked is None or _in_use(form, asked.secrets) else None)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Sign by the first form that there are secrets for."""
        usable = [form for form in self.forms if all(secrets.get(name) for name in form.signing_secrets)]
        if not usable:
            names = " or ".join(" and ".join(form.signing_secrets) for form in self.forms)
            raise Misconfigured(f"expected the secrets {names}")
        return usable[0].sign(request, secrets, now)


def _in_use(form: Declared, secrets: Secrets) -> bool:
    return any(secrets.get(name) for name in form.secrets)
