"""The audit's words: every action that the code writes has a name, and facts are told as people read them."""

import ast
from pathlib import Path

import pytest

from gateway import languages, signing_in
from gateway.admin import audit_words, settling_words
from reconciliation import bill_holds, lump_choices
from reconciliation.factors import FACTORS
from reconciliation.lifecycle import CLOSE, DEBIT_RUN, LUMP_CHOICE, SETTLEMENT

ROOT = Path(audit_words.__file__).parents[2]
MOVES = {
    "close_": set(CLOSE.states) - {CLOSE.start},
    "debits_": {"approved", "refused", "withdrawn"} & set(DEBIT_RUN.states),
    "settlement_": {"refused", "withdrawn"} & set(SETTLEMENT.states),
    "settlement_choice_": {"refused", "withdrawn"} & set(LUMP_CHOICE.states),
}
"""What a name goes on with that is put together from the state a thing moves to."""


def _prefix(node):
    """Return the constant a name begins with, and whether more follows."""
    if isinstance(node, ast.Constant):
        return str(node.value), None
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value), node.values[-1].value
    return None, node


def _written():
    """Yield (file, prefix, the rest of the name as code, or None) of every action that is written."""
    for package in ("reconciliation", "gateway"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from _of(path)


def _of(path):
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if ast.unparse(call.func) != "audit.append":
            continue
        [action] = [one.value for one in call.keywords if one.arg == "action"]
        prefix, rest = _prefix(action)
        if rest is None:
            yield path.name, prefix, None
            continue
        around = next(one for one in functions if any(inner is call for inner in ast.walk(one)))
        names = [one.arg for one in (*around.args.args, *around.args.kwonlyargs)]
        given_to_it = isinstance(rest, ast.Name) and rest.id in names
        if prefix and not (given_to_it and prefix.endswith(".")):
            yield path.name, prefix, rest
            continue
        if not given_to_it:
            continue  # `Act.action`, `OPENED`: looked at by name below
        place = names.index(rest.id)
        for other in sorted((ROOT / "gateway").rglob("*.py")) if path.name == "second_factors.py" else [path]:
            for inner in ast.walk(ast.parse(other.read_text())):
                if isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] == around.name:
                    given = inner.args[place] if place < len(inner.args) else None
                    if given is not None:
                        begins, more = _prefix(given)
                        if begins is not None:
                            yield other.name, f"{prefix or ''}{begins}", more


def test_every_action_that_the_code_writes_has_its_words():
    lacking, seen = set(), set()
    for name, prefix, rest in _written():
        whole = {prefix} if rest is None else {f"{prefix}{end}" for end in MOVES.get(prefix, {"?"})}
        seen |= whole
        lacking |= {(name, one) for one in whole if one not in audit_words.ACTS}
    assert lacking == set()
    assert len(seen) > 55
    assert {"totp_set", "webhook_endpoint.rotated", "close_reopened", "bank_day_forgotten", "sign_out"} <= seen
    assert {"mandate_confirmed", "mandate_ended", "sandbox.opened"} <= set(audit_words.ACTS)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_no_action_is_shown_by_its_code(language):
    with languages.speaking(language):
        assert [one for one in audit_words.ACTS if audit_words.act(one) == one or "_" in audit_words.act(one)] == []


def test_facts_are_told_in_words_and_empty_ones_left_out():
    told = {
        "settlement": 1, "payment": 5, "undoes": [], "bills": [], "minors": [], "lifts": [], "denies": False,
        "places": [{"kind": "credit", "minor": 462_024, "account": "customer_credit", "bill_id": None,
                    "customer_id": 3}],
        "minor": 462_024, "why": "gọi 0912345678", "strange": {"a": [1, 2]},
    }  # fmt: skip
    with languages.speaking("vi"):
        said = {name: text.replace("\u00a0", " ") for name, text in audit_words.facts(told).items()}
    assert said == {
        "Xử lý": "#1", "Thanh toán": "#5", "Chuyển sang": "ghi có cho khách hàng 462.024 ₫", "Số tiền": "462.024 ₫",
        "Lý do": "gọi ···678", "strange": "a: 1, 2",
    }  # fmt: skip


def test_a_fact_of_another_shape_is_shown_as_it_is():
    with languages.speaking("vi"):
        assert audit_words.facts({"places": "x", "minor": "y", "open": True}) == {
            "Chuyển sang": "x", "Số tiền": "y", "Ngân hàng làm việc": "có",
        }  # fmt: skip


def test_what_the_program_writes_is_told_in_words_and_none_of_it_in_english():
    told = {
        "after": {"office": "", "active": True}, "scopes": ["bills:read"],
        "period": "day", "why": "balanced", "what": ["account", "holder", "narrative", "phone"],
        "expires_at": "2026-11-19T02:00:00+00:00",
    }  # fmt: skip
    with languages.speaking("vi"):
        said = {name: text.replace("\u00a0", " ") for name, text in audit_words.facts(told).items()}
        signed = audit_words.facts({"why": "signed"})
    assert list(said.values()) == [
        "Đang làm việc: có", "xem hóa đơn", "ngày", "đã cân đối",
        "Tài khoản, Chủ tài khoản, Nội dung chuyển tiền, Điện thoại", "19/11/2026 09:00",
    ]  # fmt: skip
    assert not {"scopes", "active", "expires_at", "period"} & set(said)
    assert signed == {"Lý do": "đã ký"}


@pytest.mark.parametrize("factor", FACTORS)
def test_a_refused_try_to_sign_in_is_told_in_words(factor):
    with languages.speaking("vi"):
        for why in signing_in.WHY.values():
            kept = why.format(factor=factor)
            assert audit_words.facts({"why": kept}) != {"Lý do": kept}
        assert audit_words.facts({"why": "wrong totp", "factor": "recovery", "tries": 1}) == {
            "Lý do": "sai mã dùng một lần", "Xác thực hai lớp": "mã khôi phục", "Số lần thử sai liên tiếp": "1",
        }  # fmt: skip


def test_what_is_named_by_its_number_is_not_called_a_count():
    with languages.speaking("vi"):
        assert audit_words.facts({"undoes": [1840], "lifts": [7]}) == {
            "Hủy khớp số": "#1840", "Rút lại khoản chuyển nơi khác số": "#7",
        }  # fmt: skip


def test_what_an_act_was_done_to_is_told_in_words():
    said = {
        "mismatch:20": "việc #20", "delivery:880": "tệp #880", "bill:HD2611-0000001": "hóa đơn HD2611-0000001",
        "close:2": "khóa sổ #2", "staff:3": "người dùng #3", "bank:saomai": "Sao Mai", "payment:5": "khoản tiền số 5",
        "bank_day:2026-12-24": "ngày làm việc 24/12/2026", "customer:PA01": "khách hàng PA01", "strange": "strange",
        "bank_day:x": "bank_day:x",
    }  # fmt: skip
    with languages.speaking("vi"):
        assert {key: audit_words.subject(key, {"saomai": "Sao Mai"}) for key in said} == said


KINDS = {
    *settling_words.REMARKS, *bill_holds.KINDS, lump_choices.NOT_DAY, lump_choices.DAY_AGAIN,
    lump_choices.NO_SETTLEMENT, lump_choices.SETTLEMENT_AGAIN,
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_kind_is_shown_by_its_code(kind):
    with languages.speaking("vi"):
        assert audit_words.facts({"kind": kind}) != {"Loại": kind}
