"""Previewing: a text of the catalog as a customer would read it, with its length, its parts and what it costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from gateway.settings import Settings
from sms import encoding, templates
from sms.templates import EVENTS, Composed, OddField

_SAMPLES: Mapping[str, object] = {
    "customer_code": "PA01234567890",
    "period": "11/2026",
    "kwh": 373,
    "amount": 844_960,
    "bank": "Ngân hàng Sao Mai",
    "debit_on": date(2026, 11, 25),
    "due_on": date(2026, 11, 25),
    "tried_on": date(2026, 11, 20),
    "paid_on": date(2026, 11, 20),
    "returned_on": date(2026, 11, 23),
    "reference": "FT26324000123",
    "code": "123456",
    "minutes": 10,
}
_WHOLE = frozenset(name for name, value in _SAMPLES.items() if isinstance(value, int))
_SHOWN = 40
"""Signs of a value that an error repeats."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A composed text, how many signs it has, and what it costs in đồng; None where no price is set."""

    made: Composed
    signs: int
    units: int
    split: list[str]
    cost: int | None


def fields(event: str, settings: Settings) -> dict[str, str]:
    """Return what the text of `event` needs, with a sample of each as a person would write it."""
    known = {**_SAMPLES, "brand": settings.brand, "hotline": settings.hotline}
    return {name: str(known[name]) for name in EVENTS.get(event, {})}


def preview(
    settings: Settings, event: str, *, language: str, diacritics: bool, given: Mapping[str, str] | None = None
) -> Preview:
    """Compose `event` from samples, save for what is `given`; raise TemplateError for what would not be sent."""
    facts: dict[str, object] = {}
    for name, written in {**fields(event, settings), **(given or {})}.items():
        if name not in EVENTS.get(event, {name: None}):
            raise OddField(name[:40], f"one of {', '.join(EVENTS[event])}", "this name")
        whole = name in _WHOLE and re.fullmatch("[0-9]{1,15}", written, re.ASCII)
        facts[name] = int(written) if whole else written
    try:
        made = templates.compose(event, language, facts, diacritics=diacritics)
    except OddField as odd:
        # Whoever previews wrote the value, and may read it: an error of a text that is sent describes it alone.
        raise OddField(odd.field, odd.expected, _shortened(str(facts[odd.field]))) from odd
    measured = encoding.measure(made.text)
    cost = None if settings.sms.price is None else settings.sms.price * made.parts
    return Preview(made, len(made.text), measured.units, encoding.split(made.text), cost)


def _shortened(value: str) -> str:
    shown = repr(value[:_SHOWN])  # what no page or terminal shows, such as a line's end, stands as its escape
    return f"{shown}… ({len(value)} signs)" if len(value) > _SHOWN else shown
