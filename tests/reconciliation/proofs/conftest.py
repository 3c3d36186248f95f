"""Fixtures of the proofs: statements take the two roads of matching in turn."""

from itertools import cycle

import pytest

from reconciliation import plain_lines


@pytest.fixture(autouse=True)
def both_roads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every second statement settle its plain lines at once, as only large ones do otherwise."""
    turns = cycle([True, False])
    monkeypatch.setattr(plain_lines, "are_many", lambda *_: next(turns))
