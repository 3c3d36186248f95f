"""Keys in words: what questions are about, which facts entries book; what nobody knows is shown as it is."""

import ast
import inspect
import re
from types import SimpleNamespace

import pytest

from gateway import languages
from gateway.admin import debit_words, key_words, words
from reconciliation import (
    bill_holds,
    debit_asking,
    debit_choice,
    debit_days,
    debit_following,
    debit_notices,
    debit_recalls,
    debit_reports,
    debit_rules,
    debit_runs,
    debit_sending,
    debits,
    lump_parts,
    payments,
    settling_lumps,
)
from reconciliation import lifecycle as lifecycles

TITLES = {"saomai": "Sao Mai"}


@pytest.mark.parametrize(
    ("key", "vi", "en"),
    [
        ("payment:845", "khoản tiền số 845", "payment no. 845"),
        ("lump:12", "khoản gộp số 12", "lump sum no. 12"),
        ("payment:845/cut-over", "khoản tiền số 845", "payment no. 845"),
        ("line:7", "dòng số 7", "line no. 7"),
        ("delivery:7", "lần gửi số 7", "delivery no. 7"),
        (
            "file:saomai:2026-11-26",
            "tệp sao kê của Sao Mai ngày 26/11/2026",
            "statement file of Sao Mai of 26 Nov 2026",
        ),
        ("file:other:SK:1.xml:1795948847", "tệp SK:1.xml của other", "file SK:1.xml of other"),
        ("link:saomai", "máy chủ tệp của Sao Mai", "file server of Sao Mai"),
        ("sequence:saomai:0a1b:7", "một sao kê còn thiếu của Sao Mai", "a statement of Sao Mai that is missing"),
        (
            "fees:saomai:2026-11-01:2026-11-30",
            "phí của Sao Mai từ 01/11/2026 đến 30/11/2026",
            "fees of Sao Mai from 1 Nov 2026 to 30 Nov 2026",
        ),
        ("debit:7", "lần trích nợ số 7", "debit no. 7"),
        ("report:7", "lần gửi số 7", "delivery no. 7"),
        ("bill:HD/11", "hóa đơn HD/11", "bill HD/11"),
        ("FT:12", "FT:12", "FT:12"),
        ("=file", "=file", "=file"),
        ("", "", ""),
    ],
)
def test_what_a_question_is_about(key, vi, en):
    for language, said in (("vi", vi), ("en", en)):
        with languages.speaking(language):
            assert key_words.subject(key, TITLES) == said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("bill:HD/11-1/2", "hóa đơn HD/11-1"),
        ("bill:HD2611-1/2/replaced", "hóa đơn HD2611-1, đã thay thế"),
        ("payment:8:reported", "khoản tiền số 8, đã báo"),
        ("payment:8/corrected by line:9", "khoản tiền số 8, số tiền khác"),
        ("allocation:8/undone", "lần khớp số 8, đã hủy"),
        ("fee:8/vat/undone", "khoản phí số 8, Thuế GTGT, đã hủy"),
        ("placement:8/line:9/2", "khoản chuyển nơi khác số 8"),
        ("lump:12/1", "khoản gộp số 12"),
        ("lump:12/1/fee", "khoản gộp số 12, phí"),
        ("lump:12/2/vat/undone", "khoản gộp số 12, Thuế GTGT, đã hủy"),
        ("other", "other"),
        ("other:8", "other:8"),
    ],
)
def test_which_fact_an_entry_books(key, said):
    with languages.speaking("vi"):
        assert key_words.entry(key, TITLES) == said


def test_memos_and_accounts():
    with languages.speaking("vi"):
        assert key_words.memo("netted by saomai", TITLES) == "Sao Mai giữ lại từ khoản tiền"
        assert key_words.memo("difference by settlement 3", TITLES) == "chênh lệch nhỏ, xử lý số 3"
        assert key_words.memo("undone: the import was undone", TITLES) == "đã hủy: lần nhập đã được hoàn tác"
        assert key_words.memo("settlement by saomai", TITLES) == "khoản gộp của Sao Mai"
        settled = "settlement of 1000 payments by saomai"
        assert key_words.memo(settled, TITLES) == "khoản gộp của Sao Mai, 1.000 giao dịch"
        assert key_words.memo(f"undone: {settled}", TITLES) == "đã hủy: khoản gộp của Sao Mai, 1.000 giao dịch"
        assert key_words.memo("as it was", TITLES) == "as it was"
        assert key_words.account("bank:saomai:confirmed", TITLES).endswith(" Sao Mai")
        assert key_words.account("settled:saomai", TITLES) == "khoản gộp chưa rõ của Sao Mai"
        assert key_words.account("refunds_payable", TITLES) == "tiền phải hoàn"
        assert key_words.account("other", TITLES) == "other"


def _reasons(module):
    """Return the reasons a module gives, its own words: "7" stands where a number is put in."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        for one in call.keywords if isinstance(call, ast.Call) else []:
            if one.arg not in ("why", "resolution") or not isinstance(one.value, ast.Constant | ast.JoinedStr):
                continue
            pieces = one.value.values if isinstance(one.value, ast.JoinedStr) else [one.value]
            yield "".join(piece.value if isinstance(piece, ast.Constant) else "7" for piece in pieces)


def test_who_settles_lump_sums_and_why_is_known():
    found = {why for module in (lump_parts, settling_lumps, payments) for why in _reasons(module)}
    assert {"settled by line 7", "its settlement was taken back: 7", "it is one day's settlement"} <= found
    found |= {"a settlement of many payments", "its settlement was taken back: weighed anew"}
    with languages.speaking("vi"):
        assert {why for why in found if words.why(why) == why} == set()
        assert "weighed" not in words.why("its settlement was taken back: weighed anew")
        assert words.why("settlement choice 3: their list") == words.why("settlement 3: their list")
        assert str(words.ACTORS[lump_parts.BY]) == "khoản gộp"


def test_everything_that_debits_write_has_words():
    with languages.speaking("vi"):
        moves = {*debit_following._WHY.values(), *debit_recalls_moves(), *_reasons(debit_asking)}
        moves |= {f"{debit_following._WHY['rejected']}: AM04", "its debits leave", "nothing may leave of it"}
        moves |= {"the bill is held", "the balance was too small", "the debit is put off to 2026-12-05"}
        moves |= {"bill HD1 is paid", "151 kWh, where the customer's earlier bills have 50 on average"}
        assert {why for why in moves if words.why(why) == why} == set()
        assert words.why("the bank took nothing: AM04") == "ngân hàng không trích được: AM04 (số dư tài khoản không đủ)"
        assert words.why("the bank took nothing: 51") == "ngân hàng không trích được: 51"
        assert words.why("the debit is put off to soon") == "the debit is put off to soon"
    assert set(debit_words.EXCLUSIONS) == {*debit_choice.REASONS, "not_due", "changed"}
    for lifecycle in (lifecycles.DEBIT, lifecycles.DEBIT_RUN, lifecycles.DEBIT_FILE, lifecycles.RECALL):
        assert set(words.STATES[lifecycle.kind]) == set(lifecycle.states)
    assert set(debit_words.HOLDS) == set(bill_holds.KINDS)
    assert set(debit_words.VERDICTS) == set(debits.VERDICTS)
    assert {debit_following.BY, debit_recalls.BY, debit_sending.BY, "schedule", "billing"} <= set(words.ACTORS)
    assert set(words.EVENTS) == {
        "before_debit", "bill_held", "debit_failed", "mandate_code", "overdue", "payment_recorded", "payment_returned",
    }  # fmt: skip


def debit_recalls_moves():
    """Return what recalls give as a reason for each of their moves."""
    debit = SimpleNamespace
    for state, one in (
        ("wanted", debit(target="paid", owed=False, kept=False, cancelled=False)),
        ("wanted", debit(target="sent", owed=True, kept=False, cancelled=False)),
        ("dropped", debit(target="sent", owed=False, kept=False, cancelled=False)),
        ("handed", debit(target="recalled", owed=False, kept=False, cancelled=True)),
        ("handed", debit(target="paid", owed=False, kept=True, cancelled=False)),
    ):
        yield debit_recalls._becomes(state, one)[1]


def test_every_act_on_debits_that_the_audit_trail_keeps_has_words():
    kept = set()
    for module in (bill_holds, debit_days, debit_notices, debit_reports, debit_rules, debit_runs):
        source = inspect.getsource(module)
        kept |= set(re.findall(r'"((?:debits?|bill|notice)_[a-z_]+)", (?:subject=|by=|number,)', source))
    kept |= {f"debits_{state}" for state in ("approved", "refused", "withdrawn")}
    assert kept == set(debit_words.ACTIONS)
