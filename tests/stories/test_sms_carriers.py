"""Notices go out by a provider over real HTTP, and its own callbacks, by the address we gave it, say what arrived."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from gateway import bill_import, composing, messaging
from gateway.carrier_settings import CarrierSettings
from gateway.database import transaction
from gateway.settings import Settings, SmsSettings
from gateway.web import create_app
from gateway.wiring import Wiring
from sms.transports.esms import EsmsTransport
from tests.gateway.samples import a_debit_bill
from tests.sms.transports.servers import Asked, Provider, provider


@pytest.fixture
def esms() -> Iterator[Provider]:
    def answer(asked: Asked) -> tuple[int, object]:
        if asked.content["Phone"].endswith("9"):
            return 200, {"CodeResult": "108", "ErrorMessage": "Phone number is not in correct format"}
        return 200, {"CodeResult": "100", "SMSID": f"sms-{asked.content['Phone']}"}

    with provider(answer) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, esms: Provider, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("API_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"DOISOAT_SECRET_SMS_ESMS_{name}", "k")
    declared = {"esms": CarrierSettings("esms", "esms", esms.url, per_second=50)}
    return replace(settings, sms=SmsSettings(brand="EVNNPC", public_url="https://us.example", declared=declared))


def test_notices_leave_by_esms_and_its_counts_say_which_arrived(wiring: Wiring, esms: Provider) -> None:
    bills = [(f"line {number}", a_debit_bill(number)) for number in range(1, 10)]
    with transaction(wiring.engine) as session:
        list(bill_import.take_in(session, wiring, bills))
        composing.compose_promises(session, wiring.settings)
    assert messaging.send_due(wiring) == 8
    made = wiring.carriers["esms"].transport
    assert isinstance(made, EsmsTransport)
    made.close()

    browser = Client(create_app(wiring))
    for told in (asked.content for asked in esms.asked):
        assert (told["Brandname"], told["SmsType"]) == ("EVNNPC", "2")
        address = told["CallbackUrl"].removeprefix("https://us.example")
        arrived = int(told["Phone"][-1]) % 2
        counts = {"SendStatus": 5, "SendSuccess": arrived, "SendFailed": 1 - arrived}
        query = {"SMSID": f"sms-{told['Phone']}", "RequestId": told["RequestId"], **counts}
        assert browser.get(f"{address}?{urlencode(query)}").status_code == 204
    with Session(wiring.engine) as session:
        states = session.execute(text("SELECT state, count(*) FROM messages GROUP BY state ORDER BY state")).all()
    # The last digits are 1 to 9: the odd ones arrived, save for the 9 that was refused and never left.
    assert [tuple(row) for row in states] == [("delivered", 4), ("failed", 1), ("undelivered", 4)]
