import pytest

from banks.order_codes import attached, without_attempt


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("PC07", "PC07"),
        ("PC07-2", "PC07"),
        ("PC07-120", "PC07"),
        ("PC07-2611", "PC07-2611"),
        ("A-2-3", "A-2"),
        ("-", "-"),
    ],
)
def test_an_attempt_is_at_most_three_digits_at_the_end(reference, code):
    assert without_attempt(reference) == code


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (b'{"payment_code":"PC1","customer_code":"PC2","more":[1.5]}', ("PC1", "PC2")),
        (b'{"customer_code":"PC2"}', ("", "PC2")),
        (b"{}", ("", "")),
        (b"", ("", "")),
        (b"\xff", ("", "")),
        (b'["PC1"]', ("", "")),
        (b'{"payment_code":5,"customer_code":"PC2"}', ("", "")),
        (b'{"payment_code":"PC1","payment_code":"PC3"}', ("", "")),
        (b'{"payment_code":"\\u0000"}', ("", "")),
        (b'{"payment_code":"' + b"x" * 65 + b'"}', ("", "")),
        (b'{"payment_code":"PC1","x":"' + b"x" * 4096 + b'"}', ("", "")),
    ],
)
def test_what_is_no_object_of_ours_tells_nothing(raw, codes):
    assert attached(raw) == codes
