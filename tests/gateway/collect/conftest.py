"""Two banks that collect, `standard` and `vnpay`, and a way to call as one of them and hear a proven answer."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from banks import collect_signing
from gateway.settings import Settings
from gateway.wiring import Wiring
from tests.gateway.samples import code_of

KEYS = {"standard": "sandbox-collect-secret-of-standard", "vnpay": "sandbox-collect-secret-of-vnpay-000"}


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for bank, key in KEYS.items():
        monkeypatch.setenv(f"DOISOAT_SECRET_{bank.upper()}_COLLECT_SECRET", key)
    banks = {name: replace(bank, collects=True) for name, bank in settings.banks.items()}
    return replace(settings, banks=banks)


@dataclass
class Teller:
    """A bank at the counter: signs what it asks, and believes no answer that is not signed for its question."""

    web: Client
    wiring: Wiring
    bank: str = "standard"
    ids: "itertools.count[int]" = itertools.count(1)  # noqa: RUF009 - one row of ids for all

    def ask(
        self, verb: str, content: object = None, *, body: bytes | None = None, key: str = "", **changed: str
    ) -> tuple[int, dict[str, Any]]:  # fmt: skip
        """Return HTTP status and body of one call."""
        answer = self.call(verb, json.dumps(content).encode() if body is None else body, key=key, **changed)
        return answer.status_code, json.loads(answer.data)

    def call(self, verb: str, body: bytes, *, key: str = "", language: str = "en", **changed: str) -> TestResponse:
        """Send one call, with some headers changed after it was signed; prove the answer."""
        subject, call_id = f"POST /collect/v1/{self.bank}/{verb}", f"call-{next(self.ids)}"
        at = int(self.wiring.clock().timestamp())
        headers = collect_signing.sign(body, subject, [key or KEYS[self.bank]], call_id=call_id, timestamp=at)
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        answer = self.web.post(
            f"/collect/v1/{self.bank}/{verb}", data=body, headers=headers | {"Accept-Language": language},
            content_type="application/json",
        )  # fmt: skip
        told = {name.lower(): value for name, value in answer.headers}
        seen = collect_signing.prove(told, answer.data, str(answer.status_code), [KEYS[self.bank]], self.wiring.clock())
        assert seen.call_id in (headers["collect-id"], "-")
        return answer

    def pay(self, reference: str = "R1", number: int = 1, amount: int = 100_000, **more: object) -> tuple[int, Any]:
        """Pay a bill by its number in the samples."""
        return self.ask("pay", a_payment(reference, number, amount, **more))


def a_payment(reference: str = "R1", number: int = 1, amount: int = 100_000, **more: object) -> dict[str, object]:
    """Return what a bank sends to pay."""
    fields: dict[str, object] = {
        "reference": reference, "payment_code": code_of(number), "amount": amount,
        "paid_at": "2026-11-18T08:59:00+07:00",
    }  # fmt: skip
    return {name: value for name, value in (fields | more).items() if value is not None}


@pytest.fixture
def teller(web: Client, wiring: Wiring) -> Teller:
    """The bank `standard` at the counter."""
    return Teller(web, wiring)


@pytest.fixture
def other_teller(web: Client, wiring: Wiring) -> Teller:
    """The wallet `vnpay` at the counter."""
    return Teller(web, wiring, "vnpay")


@pytest.fixture
def nothing_booked(rows: Callable[..., list[Any]]) -> Callable[[], bool]:
    """Tell whether there is neither a payment nor an entry beyond the bills'."""

    def ask() -> bool:
        return (
            rows("SELECT id FROM payments") == [] and rows("SELECT id FROM entries WHERE key NOT LIKE 'bill:%'") == []
        )

    return ask
