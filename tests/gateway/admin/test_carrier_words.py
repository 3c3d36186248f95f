"""Carriers' words as pages show them: what is fixed in the reader's language, what is theirs in quotation marks."""

import pytest

from gateway import languages
from gateway.admin import carrier_words


@pytest.mark.parametrize(
    ("word", "vietnamese", "english"),
    [
        ("accepted", "đã nhận", "accepted"),
        ("refused: the sender is stopping", "từ chối: bộ gửi đang dừng", "refused: the sender is stopping"),
        ("refused (0x08): System Error (0x08)", "từ chối (0x08): lỗi hệ thống (0x08)",
         "refused (0x08): system error (0x08)"),
        ("refused (103): the balance is used up (het tien)",
         "từ chối (103): đã hết tiền trong tài khoản (“het tien”)",
         "refused (103): the balance is used up (“het tien”)"),
        ("unsure whether it was sent: the link ended before the answer: the carrier has unbound",
         "chưa rõ đã gửi hay chưa: đường nối ngắt trước khi có trả lời: nhà cung cấp đã ngắt phiên",
         "unsure whether it was sent: the link ended before the answer: the carrier has unbound"),
        ("in trouble with 12 of 20 messages", "trục trặc với 12 trên 20 tin", "in trouble with 12 of 20 messages"),
        ("refused for good (7): busy today", "bị từ chối hẳn (7): “busy today”", "refused for good (7): “busy today”"),
        ("Balance: expected an amount, got nothing", "Balance: không có số tiền đọc được",
         "Balance: no amount that can be read"),
        ("currency: expected VND, got another", "currency: trả lời khác mong đợi",
         "currency: another answer than expected"),
        ("expected a JSON object, got 12 other bytes", "câu trả lời không phải đối tượng JSON",
         "its answer is no JSON object"),
        ("asking failed: KeyError", "không hỏi được: “KeyError”", "asking failed: “KeyError”"),
        ("something new", "“something new”", "“something new”"),
    ],
)  # fmt: skip
def test_a_word_is_told_in_the_reader_s_language(word, vietnamese, english):
    for language, told in (("vi", vietnamese), ("en", english)):
        with languages.speaking(language):
            assert carrier_words.said(word) == told
