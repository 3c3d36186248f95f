"""The texts customers agree to: each is what it was when the first one agreed, and says as much in both languages."""

import hashlib
from importlib.resources import files

from gateway import consents

FIRST_AGREED_TO = {"TN-2026-11": "b8264f89d8bb61fe8bbbe7a5d4e3d7d7d83249946033df8899f961bc852512db"}
"""Version → SHA-256 of its file. Whoever wants other words writes another version, and adds a line here."""


def test_a_text_is_never_edited() -> None:
    found = {
        one.name.removesuffix(".toml"): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in files(consents).iterdir()
        if one.name.endswith(".toml")
    }
    assert found == FIRST_AGREED_TO


def test_both_languages_say_the_same_paragraphs_and_others_are_not_ours() -> None:
    vi, en = consents.current("vi"), consents.current("en")
    assert (vi.version, len(vi.paragraphs)) == (en.version, len(en.paragraphs))
    assert consents.find("UQ-2026-1", "vi") is None
    assert consents.find("../consents/TN-2026-11", "vi") is None
