"""The customer portal in a real browser on a phone, with scripts switched off: from the first page to a mandate."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import bill_import, messaging
from gateway.database import transaction
from gateway.web import create_app
from gateway.wiring import Wiring
from sms.transports.memory import MemoryTransport
from tests.browser.conftest import CHROMIUM, listening
from tests.gateway.samples import a_bill, use_carriers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
PHONE = {"width": 375, "height": 740}


@pytest.fixture
def address(wiring: Wiring) -> Iterator[str]:
    """The whole web on this machine, with one customer."""
    with transaction(wiring.engine) as session:
        list(bill_import.take_in(session, wiring, [("line 2", a_bill(1))]))
    use_carriers(wiring, MemoryTransport("http", dedupes=False))
    with listening(create_app(wiring)) as address:
        yield address


@pytest.fixture
def phone(chromium: Any, address: str) -> Iterator[Any]:
    context = chromium.new_context(base_url=address, viewport=PHONE, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_customer_opens_a_mandate_on_a_phone_without_scripts(phone: Any, wiring: Wiring) -> None:
    def shown(words: str) -> None:
        assert words in phone.inner_text("main")
        # Without scripts nothing measures the page: a picture of all of it is as wide as it is.
        width = int.from_bytes(phone.screenshot(full_page=True)[16:20])
        assert width == PHONE["width"], f"{phone.url} is {width} px wide"

    phone.goto("/")
    shown("Trả tiền điện từ tài khoản")
    phone.fill("[name=customer_code]", "pa00000000001")
    phone.fill("[name=phone]", "0912 340 001")
    phone.click("main button.primary")
    shown("mã sáu chữ số")
    messaging.send_due(wiring)
    carrier = wiring.carriers["http"].transport
    assert isinstance(carrier, MemoryTransport)
    phone.fill("[name=code]", re.findall(r"\b\d{6}\b", carrier.taken[-1].text)[0])
    phone.click("main button.primary")
    shown("Ủy quyền trích nợ tự động tiền điện")
    phone.select_option("[name=bank]", "standard")
    phone.fill("[name=account]", "190026112233")
    phone.fill("[name=holder]", "Nguyễn Thị Lan")
    phone.check("[name=agrees]")
    phone.click("text=Mở ủy quyền")
    shown("···2233")
    shown("chờ ngân hàng")
