"""Addresses that somebody else chose: none leads into the house, by whatever form of number it is written."""

import pytest

from gateway import outside


@pytest.mark.parametrize(
    "number",
    [
        "::1", "::", "fe80::1", "fd00::1", "ff02::1", "fec0::1", "feff::1", "::7f00:1", "::808:808",
        "::ffff:10.0.0.1", "::ffff:224.0.0.1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808",
        "2002:7f00:1::", "2002:a00:1::1", "2001:0:808:808:0:0:f5ff:fffe", "2001:0:a00:1:0:0:f7f7:f7f7",
        "2606:4700::5efe:a00:1", "2606:4700::200:5efe:c0a8:101", "2001:db8::1",
    ],
)  # fmt: skip
def test_no_number_of_six_leads_into_the_house(number):
    with pytest.raises(outside.NotOutside, match="within the house"):
        outside.check(f"https://[{number}]/", inside=False)
    assert outside.check(f"https://[{number}]/", inside=True)


@pytest.mark.parametrize(
    "number",
    [
        "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
        "2606:4700::5efe:808:808", "2606:4700::a00:1",
    ],
)  # fmt: skip
def test_numbers_on_the_internet_may_be_called(number):
    assert outside.check(f"https://[{number}]/", inside=False)


def test_a_name_that_means_a_number_with_one_of_the_house_in_it_is_not_called(monkeypatch):
    found = [(10, 1, 6, "", ("64:ff9b::a00:1", 443, 0, 0))]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_args, **_more: found)
    with pytest.raises(outside.NotOutside, match="within the house"):
        outside.place("https://hooks.example.vn/", inside=False, seconds=5)
