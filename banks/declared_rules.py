"""What no declaration may say: rules over the whole of it, each of them a way to be cheated out of money."""

from banks.declared import Declaration
from banks.declared_answers import echoes
from banks.declared_fields import Fields
from banks.declared_signing import Part, is_field
from banks.errors import Misconfigured


def check(declaration: Declaration) -> None:
    """Raise Misconfigured naming the key that breaks a rule."""
    _check_covered(declaration)
    _check_identity(declaration)
    _check_signed_echoes(declaration)


def _check_covered(declaration: Declaration) -> None:
    """Refuse to believe what nobody signed."""
    text = declaration.signature.text
    named = [(f"notice.{name}", path) for name, path in declaration.notice.fields().items()]
    named += [("event_id", path) for path in declaration.event_id]
    for key, path in named:
        if not is_field(path):
            raise Misconfigured(f"callback.{key}: expected the path of a field, got {path[:60]!r}")
        if not text.holds(Part("field", path)):
            raise Misconfigured(
                f"callback.{key}: expected a field that the signature covers, got {path[:60]!r}; "
                "what is not signed can't be believed"
            )
    if declaration.stamp and not text.holds(declaration.stamp):
        raise Misconfigured(
            f"callback.time.stands_in: expected a place that the signature covers, got {declaration.stamp.place!r}"
        )


def _check_identity(declaration: Declaration) -> None:
    """Refuse an id that another attempt, or a character moved to a neighbour, would make another."""
    text, notice = declaration.signature.text, declaration.notice
    if declaration.event_id and not text.splits_one_way():
        led = [Part("field", path) for path in (*declaration.event_id, notice.paid_at)]
        fixed = notice.paid_at_form is not None and notice.paid_at_form.fixed_width() and not text.escaped
        trading = not text.separator and len(declaration.event_id) > 1
        if list(text.covers[: len(led)]) != led or not fixed or trading:
            raise Misconfigured(
                "callback.event_id: expected no such key, because parts without a separator, or with empty ones left "
                "out, could trade characters; it may stand where the signed text begins with these fields (one of them "
                "where there is no separator) and a paid_at of fixed width that is not escaped, "
                f"got {list(declaration.event_id)}"
            )
    if declaration.stamp and not declaration.event_id:
        raise Misconfigured(
            "callback.event_id: expected the fields that identify an event, because each attempt is signed with "
            "another time, got nothing"
        )


def _check_signed_echoes(declaration: Declaration) -> None:
    """Refuse to sign what anyone may have put into a true call: with a shared key it could become a callback."""
    answers = declaration.answers
    if answers.signature is None:
        return
    for outcome, form in answers.forms.items():
        said = Fields({} if isinstance(form.body, str) else form.body)
        signed = [said.value(part.name) for part in answers.signature.text.covers if part.kind == "field"]
        for path in echoes(signed):
            if not declaration.signature.text.holds(Part("field", path)):
                raise Misconfigured(
                    f"callback.answers.{outcome.value}: expected ${{{path}}} in a signed part of the answer only where "
                    "the callback's own signature covers that field"
                )
