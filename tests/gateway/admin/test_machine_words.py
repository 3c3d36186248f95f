"""The machine's words: what it expected and got is said in the reader's, all else stays quoted as its own."""

import pytest

from gateway import languages
from gateway.admin import machine_words, mismatches, words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("expected ISO 20022 or MT940, got an empty file", "phải là “ISO 20022 or MT940”, nhận được một tệp trống"),
        ("line 3, column 2: not JSON: Expecting value", "dòng 3, cột 2: không phải JSON"),
        ("byte 7: expected UTF-8", "byte 7: phải là UTF-8"),
        ("header 2: expected 'Name: value'", "tiêu đề 2: phải là dòng “Tên: giá trị”"),
        ("expected the header webhook-signature, got none", "phải là tiêu đề webhook-signature, nhận được không có"),
        ("the token in Secure-Token is not ours", "giá trị ở Secure-Token không phải của ta"),
        ("mac is not the HMAC-SHA256 of data by our key2",
         "mac không phải là HMAC-SHA256 của nội dung tính bằng khóa của ta"),
        ("data.amount: expected at most 40 characters, got 41", "data.amount: phải là tối đa 40 ký tự, nhận được 41"),
        ("something nobody foresaw", "“something nobody foresaw”"),
    ],
)  # fmt: skip
def test_what_the_machine_says_is_told_in_vietnamese_and_stays_in_english(text, told):
    with languages.speaking("vi"):
        assert machine_words.said(text) == told
    with languages.speaking("en"):
        assert machine_words.said(text) == text or text.startswith("something")


@pytest.mark.parametrize(
    ("text", "vietnamese", "english"),
    [
        ("no answer: gaierror", "không có trả lời: không tìm thấy tên máy chủ",
         "no answer: the name of its host can't be found"),
        ("no answer: too slow", "không có trả lời: quá lâu", "no answer: it took too long"),
        ("no answer: OddError", "không có trả lời: “OddError”", "no answer: “OddError”"),
        ("its key can't be opened", "không gửi: không mở được khóa", "not sent: its key can't be opened"),
        ('{"ok": true}', '{"ok": true}', '{"ok": true}'),
    ],
)  # fmt: skip
def test_what_came_of_a_call_is_told_in_words_and_an_answer_as_it_is(text, vietnamese, english):
    for language, told in (("vi", vietnamese), ("en", english)):
        with languages.speaking(language):
            assert machine_words.sent(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("settlement 2: taken back", "xử lý số 2: đã rút lại"),
        ("acknowledged: theo sao kê", "đóng bằng lời: theo sao kê"),
        ("it pays out refund HT00000004", "chi cho khoản hoàn HT00000004"),
        ("later facts settled it", "dữ kiện về sau đã giải quyết"),
        ("withdrawn: taken back", "đã rút lại: đã rút lại"),
    ],
)
def test_how_cases_were_settled_is_told_in_words(text, told):
    with languages.speaking("vi"):
        assert words.why(text) == told


def test_a_payment_that_a_line_alone_shows_is_named_in_words():
    with languages.speaking("vi"):
        assert mismatches.sides({"reference": "line:4"}, "VND")["arrived"] == [("Tham chiếu", "dòng số 4")]
        assert mismatches.sides({"reference": "FT26"}, "VND")["arrived"] == [("Tham chiếu", "FT26")]
