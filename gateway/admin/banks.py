"""The banks by the names people call them."""

from collections.abc import Mapping

from flask import current_app


def bank_title(name: str) -> str:
    """Return a bank's title from the settings, or its short name when the settings no longer know it."""
    known = current_app.extensions["doisoat"].settings.banks.get(name)
    return str(known.title) if known else name


def bank_choices() -> Mapping[str, str]:
    """Return the banks of the settings for a filter: short name → title."""
    return {name: bank.title for name, bank in current_app.extensions["doisoat"].settings.banks.items()}
