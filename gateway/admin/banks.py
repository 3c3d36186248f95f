"""The banks by the names people call them, and their reason codes by what they mean."""

from collections.abc import Callable, Mapping

from flask import current_app

from gateway import debit_desk
from gateway.admin import debit_words


def bank_title(name: str) -> str:
    """Return a bank's title from the settings, or its short name when the settings no longer know it."""
    known = current_app.extensions["doisoat"].settings.banks.get(name)
    return str(known.title) if known else name


def bank_choices() -> Mapping[str, str]:
    """Return the banks of the settings for a filter: short name → title."""
    return {name: bank.title for name, bank in current_app.extensions["doisoat"].settings.banks.items()}


def meaning_at(bank: str) -> Callable[[str], str]:
    """Return how a reason code of a bank is said in the reader's language."""
    own = debit_desk.own_reasons(current_app.extensions["doisoat"], bank)
    return lambda code: debit_words.meaning(code, own)
