"""Reading a declaration: a table such as TOML gives becomes a `Declared`, or one line names the key and the mistake."""

import json
import string
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from banks import declared_rules
from banks.declared import Declaration, Declared
from banks.declared_answers import SAME_AS, AnswerForm, Answers
from banks.declared_fields import CARRIERS, Carrier, Fields
from banks.declared_moments import MomentForm, zone
from banks.declared_notice import TEXTS, AmountForm, AmountWritten, Channel, NoticeForm
from banks.declared_signing import (
    ALGORITHMS,
    IN_LABELS,
    SECRET_NAME,
    Part,
    Signature,
    SignedText,
    is_field,
    part_of,
    place_of,
)
from banks.declared_table import Table, among
from banks.errors import Misconfigured, Unreadable
from banks.key_pairs import Encoding
from banks.money import check_currency
from banks.records import Outcome

_MAX_BYTES = 1024 * 1024
_CARRIERS: Mapping[str, Carrier] = {name: name for name in CARRIERS}
_ENCODINGS: Mapping[str, Encoding] = {"hex": "hex", "base64": "base64"}
_WRITTEN: Mapping[str, AmountWritten] = {
    "number": "number",
    "text": "text",
    "either": "either",
    "decimal": "decimal",
}
_CHANNELS: Mapping[str, Channel] = {
    "auto_debit": "auto_debit",
    "transfer": "transfer",
    "wallet": "wallet",
    "counter": "counter",
}
_ESCAPED = frozenset(string.ascii_letters + string.digits + "%+-_.~")
"""What form-encoding writes with, so that it can't part what is written."""
_REFUSALS = (Outcome.UNPROVEN, Outcome.UNREADABLE, Outcome.CONFLICT, Outcome.TOO_LARGE, Outcome.BUSY)
_Value = TypeVar("_Value")


def declaration_from(name: str, table: Mapping[str, object]) -> Declared:
    """Return the bank `name` as `table` declares it; raise Misconfigured naming the key, such as "callback.max_age".

    docs/banks/declaring.md has every key.
    """
    top = Table(table, "callback")
    carrier = top.choice("fields", _CARRIERS)
    signature = _signature(top.table("signature"), carrier)
    bearer = _secret_name(top, "bearer", "") if top.has("bearer") else ""
    stamp, stamp_form, max_age = _stamp(top.table("time")) if top.has("time") else (None, None, None)
    event_id = top.texts("event_id")
    notice = _notice(top.table("notice"), carrier)
    declaration = Declaration(
        name=name,
        carrier=carrier,
        signature=signature,
        notice=notice,
        answers=_answers(top),
        bearer=bearer,
        stamp=stamp,
        stamp_form=stamp_form,
        max_age=max_age,
        event_id=event_id,
        max_bytes=top.whole("max_bytes", 256, _MAX_BYTES, default=64 * 1024),
        asks_bill=top.truth("asks_bill"),
    )
    top.finish()
    declared_rules.check(declaration)
    return Declared(declaration)


# ── the signature ────────────────────────────────────────────────────────────────────────────────────────────────────


def _signature(table: Table, carrier: Carrier) -> Signature:
    algorithm = table.choice("algorithm", among(list(ALGORITHMS)))
    encoding = table.choice("encoding", _ENCODINGS)
    key = _secret_name(table, "key")
    signing_key = _secret_name(table, "signing_key", key.replace("public", "private"))
    stands_in = _said(table, "stands_in", place_of)
    text = _signed_text(table, stands_in)
    prefix = table.text("prefix", default="")
    table.finish()
    made = Signature(algorithm, encoding, key, signing_key, text, stands_in, prefix)
    if made.weak and key not in text.secrets():
        table.refuse("covers", f"secret:{key} among the parts, because {algorithm} has no other key", list(text.covers))
    if text.holds(stands_in):
        if stands_in.kind == "field" and text.whole_body():
            table.refuse("stands_in", "a header, because the whole body is signed", stands_in.place)
        table.refuse("covers", "parts without the signature itself", stands_in.place)
    if text.whole_body() and carrier == "query":
        table.refuse("covers", "fields, because a query has no body", "raw:body")
    return made


def _signed_text(table: Table, stands_in: Part) -> SignedText:
    written = table.texts("covers")
    every_field = table.truth("every_field")
    if not every_field:
        table.only_with("every_field = true", "left_out")
    text = SignedText(
        covers=tuple(_said_value(table, "covers", part_of, each) for each in written),
        every_field=every_field,
        left_out=frozenset({*table.texts("left_out"), stands_in.name.partition(".")[0]})
        if every_field
        else frozenset(),
        separator=table.text("separator", default="", empty=True),
        named=table.truth("named"),
        escaped=table.truth("escaped"),
        skip_empty=table.truth("skip_empty"),
    )
    if bool(text.covers) == every_field:
        table.refuse("covers", "a list of parts, or every_field = true instead", list(written) or None)
    if every_field and not (text.named and text.separator):
        # Values alone would let a sender's names be exchanged.
        table.refuse("every_field", "named = true and a separator beside it", True)
    if text.named and any(part.kind == "field" and not IN_LABELS.isdisjoint(part.name) for part in text.covers):
        table.refuse(
            "covers", "fields without = or & in their names, because named writes these as bounds", list(written)
        )
    if text.whole_body():
        if any(part.kind == "field" for part in text.covers):
            table.refuse("covers", "either fields or raw:body", list(written))
        if any(part.kind == "header" for part in text.covers) and not text.separator:
            table.refuse("separator", "a text between header and body", text.separator)
    if text.escaped and not _ESCAPED.isdisjoint(text.separator):
        table.refuse("separator", "a sign that form-encoding leaves to nobody, such as &", text.separator)
    return text


def _secret_name(table: Table, key: str, default: str | None = None) -> str:
    name = table.text(key, default=default)
    if not SECRET_NAME.fullmatch(name):
        table.refuse(key, "the name of a secret, in small letters, digits and _", name)
    return name


# ── time, notice ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _stamp(table: Table) -> tuple[Part, MomentForm, timedelta]:
    stands_in = _said(table, "stands_in", place_of)
    form = _moment(table, "format", "zone")
    max_age = timedelta(seconds=table.whole("max_age", 1, 7 * 86_400))
    table.finish()
    return stands_in, form, max_age


def _moment(table: Table, pattern: str, at: str) -> MomentForm:
    offset = _said(table, at, zone, default="+07:00")
    return _said(table, pattern, lambda written: MomentForm(written, offset))


def _notice(table: Table, carrier: Carrier) -> NoticeForm:
    written = table.choice("amount_is", _WRITTEN, default="number" if carrier == "json" else "text")
    if written == "number" and carrier != "json":
        table.refuse("amount_is", "text or decimal, because only JSON has numbers", written)
    times = table.raw("amount_times") if table.has("amount_times") else 1
    if type(times) is not int or times not in (1, 100):
        table.refuse("amount_times", "1 or 100", times)
    if times == 100 and written == "decimal":
        table.refuse("amount_times", "1, because a decimal shows its hundredths", times)
    currency_field = _path(table, "currency_field")
    if currency_field and table.has("currency"):
        table.refuse("currency", "either currency or currency_field", currency_field)
    paid_at = _path(table, "paid_at")
    if not paid_at:
        table.only_with("paid_at", "paid_at_format", "paid_at_zone")
    form = NoticeForm(
        source_reference=_path(table, "source_reference", required=True),
        amount=AmountForm(_path(table, "amount", required=True), written, times),
        currency=_said(table, "currency", _currency, default="VND"),
        currency_field=currency_field,
        paid_at=paid_at,
        paid_at_form=_moment(table, "paid_at_format", "paid_at_zone") if paid_at else None,
        channel=table.choice("channel", _CHANNELS) if table.has("channel") else "",
        texts={name: path for name in TEXTS if (path := _path(table, name))},
        paid_when=_paid_when(table.table("paid_when")),
    )
    table.finish()
    return form


def _currency(written: str) -> str:
    try:
        return check_currency(written)
    except Unreadable:  # which masks what a bank sent; a declaration is ours and is shown as it stands
        raise Misconfigured(f"expected a currency of three letters, got {written[:12]!r}") from None


def _paid_when(table: Table) -> dict[str, tuple[str, ...]]:
    conditions = {}
    for path in table.left():
        if not is_field(path):
            table.refuse(path, "the path of a field", path)
        conditions[path] = table.texts(path)
        if not conditions[path]:
            table.refuse(path, "a list of at least one value", [])
    return conditions


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answers(top: Table) -> Answers:
    table = top.table("answers")
    common = table.raw("common") if table.has("common") else {}
    if not isinstance(common, Mapping):
        table.refuse("common", "a table", common)
    forms = {outcome: _answer(table.table(outcome.value), common) for outcome in Outcome if table.has(outcome.value)}
    for outcome in Outcome:
        if outcome not in forms and outcome not in SAME_AS:
            table.refuse(outcome.value, "an answer", None)
    table.finish()
    signature = _answer_signature(top.table("answer_signature"), forms) if top.has("answer_signature") else None
    answers = Answers(forms, signature)
    for outcome in _REFUSALS:
        if answers.form(outcome) == answers.form(Outcome.ACCEPTED):
            table.refuse(
                outcome.value, "another answer than accepted, or the sender takes a refusal for a yes", "the same"
            )
    return answers


def _answer(table: Table, common: Mapping[str, Any]) -> AnswerForm:
    status, body, content_type = table.whole("status", 200, 599, default=200), _body(table, common), "application/json"
    if isinstance(body, str):
        content_type = "text/plain; charset=utf-8"
    content_type = table.text("content_type", default=content_type)
    if not content_type.isascii():
        table.refuse("content_type", "a content type", content_type)
    if status in (204, 205) and body:
        table.refuse("text", f"an empty text, because HTTP {status} has no content", body)
    form = AnswerForm(status, body, content_type)
    table.finish()
    for path in form.echoes():
        if not is_field(path):
            table.refuse("body", "${path} of a field, or ${detail}", path)
    return form


def _body(table: Table, common: Mapping[str, Any]) -> Mapping[str, Any] | str:
    if table.has("text"):
        return table.text("text", empty=True)
    own = table.raw("body")
    if not isinstance(own, Mapping):
        table.refuse("body", "a table, or a text under the key text instead", own)
    body = _merged(common, own)
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError):
        table.refuse("body", "values that JSON knows", own)
    return body


def _answer_signature(table: Table, forms: Mapping[Outcome, AnswerForm]) -> Signature:
    signature = _signature(table, "json")
    if signature.stands_in.kind != "field" or signature.text.whole_body():
        table.refuse("stands_in", "a field of the answer, over fields of the answer", signature.stands_in.place)
    if signature.text.every_field:
        table.refuse("every_field", "a list in covers, because an answer's fields are known", True)
    for part in signature.text.covers:
        if part.kind == "header":
            table.refuse("covers", "fields of the answer", part.place)
        for outcome, form in forms.items():
            told = None if isinstance(form.body, str) else Fields(form.body).value(part.name)
            if part.kind == "field" and (told is None or isinstance(told, Mapping | list)):
                table.refuse("covers", f"a field of one value that the answer {outcome.value} has", part.name)
    return signature


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return `common` with what is `own` put over it, table by table."""
    merged = dict(common)
    for name, value in own.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _merged(below, value)  # noqa: PLW2901 - the two of them together are the value
        merged[name] = value
    return merged


def _path(table: Table, key: str, *, required: bool = False) -> str:
    return table.text(key, default=None if required else "")


def _said(table: Table, key: str, read: Callable[[str], _Value], default: str | None = None) -> _Value:
    return _said_value(table, key, read, table.text(key, default=default))


def _said_value(table: Table, key: str, read: Callable[[str], _Value], value: str) -> _Value:
    try:
        return read(value)
    except (Misconfigured, Unreadable) as error:
        raise Misconfigured(f"{table.path_of(key)}: {error}") from None
