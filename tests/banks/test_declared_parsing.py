"""Every mistake in a declaration is one line: the key, what was expected, what arrived."""

import re
import tomllib
from datetime import UTC, datetime

import pytest

from banks import profile
from banks.declared import Declared
from banks.declared_notice import TEXTS
from banks.declared_parsing import declaration_from
from banks.errors import Misconfigured
from banks.profiles import vietcombank, vietinbank, viettel
from banks.records import Answer, Outcome
from tests.banks.declarations import declared, table

TODAY = datetime(2026, 11, 18, tzinfo=UTC)
STAMP = {"stands_in": "header:x-time", "format": "unix", "max_age": 300}
IN_HEADER = {"signature/stands_in": "header:s"}
COVERS = ["header:x-time", "id", "ref", "sum", "code"]


def test_a_small_declaration_is_a_whole_profile():
    found = declared()
    assert (found.name, found.method, found.secrets, found.max_bytes) == ("saomai", "POST", ("hash_key",), 65536)
    assert (found.max_age, found.asks_bill, found.weak) == (None, False, False)
    assert not found.answers_each, "a body without a field of the request is the same for everyone"
    assert not isinstance(found, profile.TellsSeveral)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # the table itself
        ({"fields": ...}, "fields: expected one of json, form, query, got nothing"),
        ({"fields": "xml"}, "fields: expected one of json, form, query, got 'xml'"),
        ({"colour": 1}, "colour: expected one of .*signature.*, got this key"),
        ({"signature": 3}, "signature: expected a table, got 3"),
        ({"max_bytes": 10}, "max_bytes: expected a whole number from 256 to 1048576, got 10"),
        ({"max_bytes": True}, "max_bytes: expected a whole number .*, got True"),
        ({"asks_bill": "yes"}, "asks_bill: expected true or false, got 'yes'"),
        ({"event_id": "id"}, "event_id: expected a list of texts that are not empty, got 'id'"),
        ({"event_id": ["id", "id"]}, "event_id: expected a list that names each once"),
        ({"bearer": "Bearer Token"}, "bearer: expected the name of a secret, .*, got 'Bearer Token'"),
        # the signature
        ({"signature": ...}, "signature.algorithm: expected one of hmac-sha256, .*, got nothing"),
        ({"signature/algorithm": "md5"}, "signature.algorithm: expected one of .*, got 'md5'"),
        ({"signature/encoding": ...}, "signature.encoding: expected one of hex, base64, got nothing"),
        ({"signature/encoding": "base32"}, "signature.encoding: expected one of hex, base64, got 'base32'"),
        ({"signature/key": ...}, "signature.key: expected a text that is not empty, got nothing"),
        ({"signature/key": "Key"}, "signature.key: expected the name of a secret, .*, got 'Key'"),
        ({"signature/signing_key": "a b"}, "signature.signing_key: expected the name of a secret"),
        ({"signature/stands_in": ...}, "signature.stands_in: expected a text that is not empty, got nothing"),
        ({"signature/stands_in": "raw:body"}, "signature.stands_in: expected a field or header:NAME, got"),
        ({"signature/stands_in": "id"}, "signature.covers: expected parts without the signature itself, got"),
        ({"signature/prefix": 1}, "signature.prefix: expected a text that is not empty, got 1"),
        ({"signature/separator": 7}, "signature.separator: expected a text, got 7"),
        ({"signature/separator": "\n"}, "signature.separator: expected a text"),
        ({"signature/order": "given"}, "signature.order: expected one of .*, got this key"),
        ({"signature/covers": ...}, "signature.covers: expected a list of parts, or every_field .*, got nothing"),
        ({"signature/covers": "id"}, "signature.covers: expected a list of texts .*, got 'id'"),
        ({"signature/covers": ["id", "to:do"]}, "signature.covers: expected a field, header:NAME, .* got 'to:do'"),
        ({"signature/covers": ["a b"]}, "signature.covers: expected a field, .*, got 'a b'"),
        ({"signature/covers": ["raw:query"]}, "signature.covers: expected a field, .*, got 'raw:query'"),
        ({"signature/covers": ["secret:A"]}, "signature.covers: expected a field, .*, got 'secret:A'"),
        (
            {"signature/covers": ["raw:body"]},
            "signature.stands_in: expected a header, because the whole body is signed, got 'sign'",
        ),
        (
            {"signature/covers": ["raw:body", "id"], "signature/stands_in": "header:x-sign"},
            "signature.covers: expected either fields or raw:body",
        ),
        (
            {"signature/covers": ["header:a", "raw:body"], "signature/separator": "", **IN_HEADER},
            "signature.separator: expected a text between header and body, got ''",
        ),
        (
            {"signature/covers": ["raw:body"], "signature/stands_in": "header:s", "fields": "query"},
            "signature.covers: expected fields, because a query has no body",
        ),
        ({"signature/every_field": True}, "signature.covers: expected a list of parts, or every_field"),
        (
            {"signature/named": True, "signature/covers": ["id", "ref", "sum", "code", "x=y"]},
            "signature.covers: expected fields without = or & in their names",
        ),
        (
            {"signature/every_field": True, "signature/covers": ...},
            "signature.every_field: expected named = true and a separator beside it",
        ),
        (
            {"signature/escaped": True, "signature/separator": "+"},
            "signature.separator: expected a sign that form-encoding leaves to nobody",
        ),
        (
            {"signature/algorithm": "md5-with-secret"},
            "signature.covers: expected secret:hash_key among the parts, because md5-with-secret has no other",
        ),
        # time
        ({"time": {**STAMP, "max_age": 0}}, "time.max_age: expected a whole number from 1 to 604800, got 0"),
        ({"time": {**STAMP, "format": "%d/%m/%Y"}}, "time.format: expected unix, unix-ms, iso, or a pattern"),
        ({"time": {**STAMP, "zone": "GMT+7"}}, r"time.zone: expected an offset such as \+07:00, got 'GMT\+7'"),
        ({"time": STAMP}, "time.stands_in: expected a place that the signature covers, got 'header x-time'"),
        (
            {"time": STAMP, "signature/covers": COVERS, "event_id": ...},
            "event_id: expected the fields that identify an event, because each attempt is signed with another",
        ),
        # the notice
        ({"notice/source_reference": ...}, "notice.source_reference: expected a text that is not empty, got n"),
        ({"notice/amount": ...}, "notice.amount: expected a text that is not empty, got nothing"),
        ({"notice/amount": "header:x"}, "notice.amount: expected the path of a field, got 'header:x'"),
        ({"notice/amount_is": "money"}, "notice.amount_is: expected one of number, text, either, decimal"),
        ({"notice/amount_is": "number", "fields": "form"}, "notice.amount_is: expected text or decimal, because"),
        ({"notice/amount_times": 10}, "notice.amount_times: expected 1 or 100, got 10"),
        ({"notice/amount_times": 1000}, "notice.amount_times: expected 1 or 100, got 1000"),
        ({"notice/amount_times": True}, "notice.amount_times: expected 1 or 100, got True"),
        ({"notice/amount_is": "decimal", "notice/amount_times": 100}, "notice.amount_times: expected 1, because"),
        ({"notice/currency": "dong"}, "notice.currency: expected a currency of three letters, got 'dong'"),
        (
            {"notice/currency": "VND", "notice/currency_field": "code"},
            "notice.currency: expected either currency or currency_field",
        ),
        ({"notice/paid_at": "id"}, "notice.paid_at_format: expected a text that is not empty, got nothing"),
        ({"notice/paid_at_format": "iso"}, "notice.paid_at_format: expected paid_at beside it, got nothing"),
        ({"signature/left_out": ["a"]}, "signature.left_out: expected every_field = true beside it, got nothing"),
        ({"notice/channel": "atm"}, "notice.channel: expected one of auto_debit, .*, got 'atm'"),
        ({"notice/paid_when": {"id": "1"}}, "notice.paid_when.id: expected a list of texts"),
        ({"notice/paid_when": {"id": []}}, "notice.paid_when.id: expected a list of at least one value"),
        ({"notice/paid_when": {"a:b": ["1"]}}, "notice.paid_when.a:b: expected the path of a field"),
        # answers
        ({"answers/accepted": ...}, "answers.accepted: expected an answer, got nothing"),
        ({"answers/busy": ...}, "answers.busy: expected an answer, got nothing"),
        ({"answers/perhaps": {}}, "answers.perhaps: expected one of .*, got this key"),
        ({"answers/common": "x"}, "answers.common: expected a table, got 'x'"),
        ({"answers/busy": {"body": "later"}}, "answers.busy.body: expected a table, or a text .*, got 'later'"),
        ({"answers/busy/body": {"at": TODAY}}, "answers.busy.body: expected values that JSON"),
        ({"answers/busy/body": {"n": float("nan")}}, "answers.busy.body: expected values that JSON knows"),
        ({"answers/busy": {"text": 3}}, "answers.busy.text: expected a text, got 3"),
        ({"answers/busy": {"text": "a", "body": {}}}, "answers.busy.body: expected one of .*, got this key"),
        ({"answers/busy": {"text": "a", "status": 204}}, "answers.busy.text: expected an empty text, because HTTP 204"),
        ({"answers/busy/content_type": "đ"}, "answers.busy.content_type: expected a content type, got 'đ'"),
        ({"answers/busy/status": 100}, "answers.busy.status: expected a whole number from 200 to 599, got 100"),
        ({"answers/busy/retry": 1}, "answers.busy.retry: expected one of .*, got this key"),
        ({"answers/busy/body": {"a": "${x y}"}}, r"answers.busy.body: expected \$\{path\} of a field"),
        (
            {"answers/unproven/body": {"code": "00"}},
            "answers.unproven: expected another answer than accepted, or the sender takes a refusal for a yes",
        ),
    ],
)  # fmt: skip
def test_a_mistake_names_the_key_what_was_expected_and_what_arrived(changes, said):
    with pytest.raises(Misconfigured, match=rf"^callback\.{said}") as caught:
        declared(changes)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "key", ["source_reference", "amount", "payment_code", "paid_at", "currency_field", "narrative"]
)
def test_what_is_not_signed_can_not_be_believed(key):
    changes = {f"notice/{key}": "note"} | ({"notice/paid_at_format": "iso"} if key == "paid_at" else {})
    with pytest.raises(Misconfigured, match=rf"\.{key}: expected a field that the signature covers, got 'note'"):
        declared(changes)
    for more in ({"event_id": ["note"]}, {"notice/paid_when": {"note": ["1"]}}):
        with pytest.raises(Misconfigured, match="expected a field that the signature covers, got 'note'"):
            declared(more)
    assert declared({**changes, "signature/covers": ["id", "ref", "sum", "code", "note"]})


@pytest.mark.parametrize(
    ("signature", "notice"),
    [
        ({"left_out": ["meta"]}, {"amount": "meta.amount"}),
        ({"left_out": ["meta"]}, {"payment_code": "meta.code"}),
        ({"left_out": ["meta"]}, {"source_reference": "meta"}),
        ({"stands_in": "sign.value"}, {"amount": "sign.amount"}),
        ({}, {"amount": "pay.amount"}),
    ],
)
def test_every_field_are_those_of_the_outermost_level_that_are_not_left_out(signature, notice):
    every = {"covers": ..., "every_field": True, "named": True, "separator": "&", **signature}
    changes = {f"signature/{key}": value for key, value in every.items()}
    assert declared(changes)
    with pytest.raises(Misconfigured, match="expected a field that the signature covers, got '"):
        declared(changes | {f"notice/{key}": value for key, value in notice.items()})
    for path in notice.values():
        with pytest.raises(Misconfigured, match="expected a field that the signature covers, got '"):
            declared({**changes, "event_id": [path]})


def test_an_event_id_must_not_be_able_to_win_or_lose_characters():
    joined = {"signature/separator": ""}
    for changes in (joined, {"signature/skip_empty": True}):
        with pytest.raises(Misconfigured, match=r"callback.event_id: expected no such key, .*, got \['id'\]"):
            declared(changes)
        assert declared({**changes, "event_id": ...})
    held = {"signature/covers": ["id", "when", "ref", "sum", "code"], "notice/paid_at": "when"}
    assert declared({**joined, **held, "notice/paid_at_format": "%Y%m%d%H%M%S"})
    for other in ("unix", "iso", "%Y%m%d%H%M%S%z"):
        with pytest.raises(Misconfigured, match="paid_at"):
            declared({**joined, **held, "notice/paid_at_format": other})
    with pytest.raises(Misconfigured, match=r"callback\.event_id"):
        declared({**joined, **held, "notice/paid_at_format": "%Y%m%d%H%M%S", "event_id": ["ref"]})


SIGNED_ANSWER = {
    "answers/accepted/body": {"code": "00", "id": "${id}", "whole": {"a": 1}},
    "answers/unproven/body": {"code": "97", "id": "${id}"},
    "answers/unreadable/body": {"code": "99", "id": "${id}"},
    "answers/busy/body": {"code": "98", "id": "${id}"},
}


OURS = {"algorithm": "hmac-sha256", "encoding": "hex", "stands_in": "s"}


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (
            {"covers": ["id", "code", "time"]},
            "covers: expected a field of one value that the answer accepted",
        ),
        ({"covers": ["header:x"]}, "covers: expected fields of the answer, got 'header x'"),
        ({"covers": ["whole"]}, "covers: expected a field of one value that the answer accepted has, got 'whole'"),
        (
            {"covers": [], "every_field": True, "named": True, "separator": "&"},
            "every_field: expected a list in covers, because an answer's fields are known",
        ),
        ({"stands_in": "header:x"}, "stands_in: expected a field of the answer"),
        (
            {"covers": ["raw:body"], "stands_in": "header:x"},
            "stands_in: expected a field of the",
        ),
    ],
)
def test_an_answer_is_signed_over_its_own_fields(signature, said):
    whole = {
        "algorithm": "hmac-sha256",
        "encoding": "hex",
        "key": "our_key",
        "covers": ["id", "code"],
        "stands_in": "s",
    }
    found = declared({**SIGNED_ANSWER, "answer_signature": whole})
    assert found.secrets == ("hash_key", "our_key")
    assert found.proof_secrets == found.signing_secrets == ("hash_key",)
    with pytest.raises(Misconfigured, match=rf"^callback\.answer_signature\.{said}"):
        declared({**SIGNED_ANSWER, "answer_signature": {**whole, **signature}})


def test_nothing_unsigned_is_signed_back():
    whole = {"algorithm": "hmac-sha256", "encoding": "hex", "key": "hash_key", "covers": ["id"], "stands_in": "s"}
    changes = {
        **SIGNED_ANSWER,
        "answer_signature": whole,
        "answers/accepted/body": {"code": "00", "id": "${id}${note}"},
    }
    with pytest.raises(Misconfigured, match=r"callback.answers.accepted: expected \$\{note\} in a signed part"):
        declared(changes)


def test_the_private_half_of_a_key_pair_is_the_banks():
    found = declared({"signature/algorithm": "ed25519", "signature/key": "bank_public_key"})
    assert (found.secrets, found.signing_secrets) == (("bank_public_key",), ("bank_private_key",))
    found = declared({"signature/algorithm": "ed25519", "signature/key": "pair", "signature/signing_key": "theirs"})
    assert (found.secrets, found.signing_secrets) == (("pair",), ("theirs",))


def test_an_outcome_without_an_answer_of_its_own_is_told_by_another():
    found = declared({"answers/conflict": {"status": 409, "body": {"code": "05"}}})
    codes = {outcome: re.search(rb'"code": "(..)"', found.answer(outcome).body)[1].decode() for outcome in Outcome}
    assert codes == {
        Outcome.ACCEPTED: "00", Outcome.ALREADY_PAID: "00", Outcome.UNKNOWN_BILL: "00", Outcome.WRONG_AMOUNT: "00",
        Outcome.STALE: "00", Outcome.CONFLICT: "05", Outcome.UNREADABLE: "99", Outcome.TOO_LARGE: "99",
        Outcome.UNPROVEN: "97", Outcome.BUSY: "98",
    }  # fmt: skip
    assert found.answer(Outcome.CONFLICT).status == 409


def test_an_answer_may_be_a_text_or_nothing():
    found = declared({"answers/accepted": {"text": "OK ${id}"}, "answers/busy": {"status": 503, "text": ""}})
    assert found.answers_each
    assert found.answer(Outcome.ACCEPTED) == Answer(200, "text/plain; charset=utf-8", b"OK ")
    assert found.answer(Outcome.BUSY) == Answer(503, "text/plain; charset=utf-8", b"")
    plain = declared({"answers/accepted": {"status": 204, "text": "", "content_type": "text/xml"}})
    assert plain.answer(Outcome.ACCEPTED) == Answer(204, "text/xml", b"")


def test_common_parts_of_answers_are_put_under_each_of_them():
    common = {"head": {"from": "utility", "ok": False}, "code": "?"}
    found = declared({"answers/common": common, "answers/accepted/body": {"head": {"ok": True}, "code": "00"}})
    assert found.answer(Outcome.ACCEPTED).body == b'{"head": {"from": "utility", "ok": true}, "code": "00"}'
    assert found.answer(Outcome.BUSY).body == b'{"head": {"from": "utility", "ok": false}, "code": "98"}'


@pytest.mark.parametrize(
    "text",
    [vietinbank.DECLARATION, vietcombank.DECLARATION, viettel.NEWER, viettel.OLDER],
    ids=["vietinbank", "vietcombank", "viettel, newer", "viettel, older"],
)
def test_the_banks_own_declarations_are_tables_that_a_settings_file_may_hold(text):
    inside = re.sub(r"^\[(?=\w)", "[banks.other.callback.", text, flags=re.MULTILINE)
    read = tomllib.loads("[banks.other.callback]\n" + inside)["banks"]["other"]["callback"]
    assert isinstance(declaration_from("other", read), Declared)


def test_a_table_is_read_without_being_changed():
    given, same = table(), table()
    declaration_from("saomai", given)
    assert given == same


def test_labels_stand_for_a_separator_only_where_each_part_has_one():
    named = {"signature/named": True, "signature/separator": ""}
    assert declared(named)
    for changes in (
        {"signature/covers": ["header:x-a", *COVERS[1:]]},
        {"signature/covers": ["header:x-a", *COVERS[1:]], "signature/skip_empty": True, "signature/separator": "&"},
        {"signature/skip_empty": True},
    ):
        with pytest.raises(Misconfigured, match=r"callback\.event_id: expected no such key"):
            declared({**named, **changes})
        assert declared({**named, **changes, "event_id": ...})
    assert declared({**named, "signature/covers": ["header:x-a", *COVERS[1:]], "signature/separator": "&"})


def test_an_id_beside_its_neighbour_is_one_field_that_is_not_escaped():
    joined = {
        "signature/separator": "", "signature/covers": ["id", "when", "ref", "sum", "code"],
        "notice/paid_at": "when", "notice/paid_at_format": "%Y%m%d%H%M%S",
    }  # fmt: skip
    assert declared(joined)
    for changes in (
        {"signature/covers": ["id", "ref", "when", "sum", "code"], "event_id": ["id", "ref"]},
        {"signature/escaped": True},
    ):
        with pytest.raises(Misconfigured, match="one of them where there is no separator"):
            declared({**joined, **changes})


EVERY_KEY = {
    "colour": "fields signature bearer time event_id notice answers answer_signature max_bytes asks_bill",
    "signature/colour": "algorithm encoding key signing_key stands_in covers every_field left_out separator named"
    " escaped skip_empty prefix",
    "notice/colour": f"amount_is amount_times currency_field currency paid_at paid_at_format paid_at_zone"
    f" source_reference amount channel {' '.join(TEXTS)} paid_when",
    "answers/colour": f"common {' '.join(outcome.value for outcome in Outcome)}",
    "answers/busy/colour": "status text body content_type",
}


@pytest.mark.parametrize("path", EVERY_KEY)
def test_a_key_nobody_knows_is_answered_with_all_that_are_known(path):
    with pytest.raises(Misconfigured) as caught:
        declared({path: 1})
    known = str(caught.value).partition("expected one of ")[2].removesuffix(", got this key").split(", ")
    assert sorted(known) == sorted(EVERY_KEY[path].split())
