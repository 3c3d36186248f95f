"""The customer portal as a phone's browser without scripts sees it, with a carrier that keeps what it takes."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from gateway import clock, messaging
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation.staff import Staff
from sms.transports.memory import MemoryTransport
from tests.gateway.portal.browsing import Browser
from tests.gateway.samples import a_bill, use_carriers


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, wiring: Wiring, now: datetime) -> None:
    """Time stands still but for `pass_by`: what a page says of the next minute must not hang on a slow machine."""
    moment = clock.real()
    monkeypatch.setattr(clock, "real", lambda: moment)
    wiring.sandbox_clock.set(now)


@pytest.fixture
def carrier(wiring: Wiring) -> MemoryTransport:
    made = MemoryTransport("http", dedupes=False)
    use_carriers(wiring, made)
    return made


@pytest.fixture
def customer(issue: Callable[..., Any]) -> None:
    """One customer who owes 100,000 đồng, and another one."""
    issue(a_bill(1), a_bill(2))


@pytest.fixture
def open_browser(web: Client, customer: None) -> Callable[[], Browser]:
    return lambda: Browser(Client(web.application))


@pytest.fixture
def browser(open_browser: Callable[[], Browser]) -> Browser:
    return open_browser()


@pytest.fixture
def code_sent(wiring: Wiring, carrier: MemoryTransport) -> Callable[[], str]:
    """Send what is due and return the newest code that came to the phone."""

    def newest() -> str:
        messaging.send_due(wiring)
        [code] = re.findall(r"\b\d{6}\b", carrier.taken[-1].text)
        return str(code)

    return newest


@pytest.fixture
def proven(browser: Browser, code_sent: Callable[[], str]) -> Browser:
    """A browser whose customer has typed the right code."""
    assert browser.ask().status_code == 303
    assert browser.enter(code_sent()).location == "/mandate/"
    return browser


@pytest.fixture
def pass_by(wiring: Wiring, later: Callable[..., datetime]) -> Callable[..., datetime]:
    return lambda **time: later(wiring.clock() + timedelta(**time))


@pytest.fixture
def staff(wiring: Wiring, now: datetime) -> None:
    """One person of customer care and an accountant."""
    with transaction(wiring.engine) as session:
        for name, role in (("mai", "care"), ("ha", "accountant")):
            session.add(Staff(username=name, name=name, role=role, password_hash="", created_at=now))
