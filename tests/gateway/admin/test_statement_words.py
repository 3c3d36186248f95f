"""Why a statement is held, in words: amounts as money, statements by their names, what is not ours as it is."""

import pytest

from gateway import languages
from gateway.admin import mandate_words, statement_words

DIFFER = "the balances differ from the lines by -1000 (minor units of VND): opening 5, lines 1000, closing 5"
OPENS = "expected the opening balance 200000 at which statement SK 17 closed, got 150000"


@pytest.fixture(autouse=True)
def _vietnamese():
    with languages.speaking("vi"):
        yield


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (DIFFER, "số dư lệch −1.000 ₫ so với các dòng: dư đầu 5 ₫, cộng các dòng 1.000 ₫, dư cuối 5 ₫"),
        (OPENS, "dư đầu là 150.000 ₫, nhưng sao kê SK 17 liền trước có dư cuối 200.000 ₫"),
        ("the same lines as statement 7, accepted before", "cùng các dòng như sao kê số 7 đã nhận trước đó"),
        ("no closing balance", "no closing balance"),
        ("the import was undone: nhầm tệp; gửi lại", "lần nhập đã được hoàn tác: nhầm tệp; gửi lại"),
    ],
)
def test_a_reason_is_told_in_the_readers_language(kept, told):
    assert statement_words.said(kept).replace("\u00a0", " ") == told


def test_several_reasons_are_told_one_after_the_other():
    assert statement_words.said(f"{DIFFER}; {OPENS}").count("; ") == 1
    assert "expected" not in statement_words.said(f"{DIFFER}; {OPENS}")


def test_amounts_are_of_the_statements_currency():
    assert statement_words.said(OPENS, "USD").replace("\u00a0", " ").startswith("dư đầu là 1.500,00")


def test_a_mandate_from_a_file_says_so():
    assert mandate_words.said("imported from mandates.csv") == "nhập từ mandates.csv"
    assert mandate_words.said("a person imported from afar") == ""
