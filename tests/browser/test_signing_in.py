"""Signing in as a person does: an app's codes, a passkey of a virtual device, a recovery code, another session."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway import staff_desk
from gateway.clock import real
from gateway.settings import Settings
from reconciliation.sealing import Sealer
from tests.browser.conftest import CHROMIUM, finance_app, listening, quick_passwords

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
WHO, PASSWORD = "cskh", "mat khau cua toi"
PHONE = {"width": 375, "height": 740}


@pytest.fixture
def address(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """The pages served under a name, as passkeys ask for, with one person of customer care."""
    with quick_passwords():
        with Session(engine) as session:
            staff_desk.create_person(
                session, username=WHO, name="Vũ Ngọc Mai", role="care", password=PASSWORD, by="test", now=NOW
            )
            session.commit()
        settings = Settings(tmp_path, sandbox=True)
        app = finance_app(settings, clock=real, wall_clock=real, engine=engine, sealer=Sealer([b"s" * 32], b"i" * 32))
        with listening(app) as address:
            yield address


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    context = chromium.new_context(base_url=address, locale="vi")
    context.set_default_timeout(10_000)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    # A refused try is a 401, which the console tells as well.
    assert [one for one in problems if "401" not in one] == []


@pytest.fixture
def device(page: Any) -> Any:
    """A device with a keyring that recognises its owner."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    added = cdp.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                "isUserVerified": True, "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    return SimpleNamespace(cdp=cdp, id=added["authenticatorId"])


def sign_in(page: Any, password: str = PASSWORD) -> None:
    page.goto("/admin/sign-in")
    page.get_by_label("Tên đăng nhập").fill(WHO)
    page.get_by_label("Mật khẩu").fill(password)
    page.get_by_role("button", name="Đăng nhập", exact=True).click()


def sign_out(page: Any) -> None:
    page.get_by_role("button", name="Đăng xuất").click()
    page.wait_for_url("**/admin/sign-in")


def take_up_the_app(page: Any) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an authenticator app; return it with the recovery codes that came along."""
    page.goto("/admin/account/")
    page.get_by_role("button", name="Thiết lập ứng dụng").click()
    assert page.locator("img.qr").evaluate("picture => picture.naturalWidth") > 100
    app = pyotp.TOTP(page.locator("#key").inner_text())
    page.get_by_label("Mã trên ứng dụng").fill(app.now())
    page.get_by_role("button", name="Dùng ứng dụng này").click()
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="Tôi đã cất giữ").click()
    return app, codes


def test_an_authenticator_app_is_set_up_and_asked_for_when_signing_in(page: Any) -> None:
    sign_in(page)
    app, _codes = take_up_the_app(page)
    used = app.now()
    sign_out(page)
    sign_in(page)
    page.wait_for_url("**/admin/sign-in/second/")
    page.goto("/admin/bills/")
    page.wait_for_url("**/admin/sign-in?next=**")  # half a sign-in opens nothing
    page.goto("/admin/sign-in/second/")
    page.get_by_label("Mã trên ứng dụng xác thực").fill(used)
    page.get_by_role("button", name="Tiếp tục", exact=True).click()
    page.get_by_role("alert").first.wait_for()  # the code that set the app up opens nothing any more
    page.get_by_label("Mã trên ứng dụng xác thực").fill(app.at(int(real().timestamp()) + 30))
    page.get_by_role("button", name="Tiếp tục", exact=True).click()
    page.wait_for_url("**/admin/bills/")


def test_a_passkey_is_made_and_signs_in_alone_and_as_second_step(page: Any, device: Any) -> None:
    sign_in(page)
    page.goto("/admin/account/")
    page.get_by_label("Tên của khóa truy cập mới").fill("Điện thoại của Mai")
    page.get_by_role("button", name="Tạo khóa truy cập").click()
    page.get_by_role("link", name="Tôi đã cất giữ").click()
    held = device.cdp.send("WebAuthn.getCredentials", {"authenticatorId": device.id})["credentials"]
    assert [(one["rpId"], one["isResidentCredential"]) for one in held] == [("localhost", True)]
    sign_out(page)
    page.get_by_role("button", name="Đăng nhập bằng khóa truy cập").click()
    page.wait_for_url("**/admin/bills/")
    sign_out(page)
    sign_in(page)
    page.wait_for_url("**/admin/sign-in/second/")
    page.get_by_role("button", name="Tiếp tục bằng khóa truy cập").click()
    page.wait_for_url("**/admin/bills/")
    page.goto("/admin/account/")
    assert page.locator("input[name=name]").first.input_value() == "Điện thoại của Mai"
    page.get_by_role("button", name="Gỡ bỏ").click()
    page.wait_for_load_state()
    sign_out(page)
    page.get_by_role("button", name="Đăng nhập bằng khóa truy cập").click()
    page.get_by_role("alert").first.wait_for()  # the device still offers it; we no longer know it
    sign_in(page)
    page.wait_for_url("**/admin/bills/")


def test_a_device_that_does_not_recognise_its_owner_opens_nothing(page: Any, device: Any) -> None:
    sign_in(page)
    page.goto("/admin/account/")
    page.get_by_label("Tên của khóa truy cập mới").fill("Máy tính")
    page.get_by_role("button", name="Tạo khóa truy cập").click()
    page.get_by_role("link", name="Tôi đã cất giữ").click()
    sign_out(page)
    device.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device.id, "isUserVerified": False})
    page.get_by_role("button", name="Đăng nhập bằng khóa truy cập").click()
    page.locator("[data-passkey-problem]:not([hidden])").wait_for()
    assert "/admin/sign-in" in page.url


def test_a_recovery_code_opens_once(page: Any) -> None:
    sign_in(page)
    _app, codes = take_up_the_app(page)
    for expected in ("**/admin/bills/", "**/admin/sign-in/second/code"):
        sign_out(page)
        sign_in(page)
        page.get_by_text("Tôi bị mất thiết bị").click()
        page.get_by_label("Mã khôi phục").fill(codes[0].lower())
        page.get_by_role("button", name="Tiếp tục bằng mã khôi phục").click()
        page.wait_for_url(expected)
        if expected.endswith("code"):
            break
    page.get_by_role("alert").first.wait_for()


def test_another_session_is_seen_and_ended(page: Any, chromium: Any, address: str) -> None:
    other = chromium.new_context(base_url=address, locale="vi", viewport=PHONE)
    elsewhere = other.new_page()
    sign_in(elsewhere)
    elsewhere.wait_for_url("**/admin/bills/")
    sign_in(page)
    page.goto("/admin/account/")
    rows = page.locator("section[aria-labelledby=sessions] tbody tr")
    assert rows.count() == 2
    rows.get_by_role("button", name="Kết thúc").click()
    page.wait_for_url("**/admin/account/#sessions")
    assert rows.count() == 1
    elsewhere.reload()
    assert "/admin/sign-in" in elsewhere.url
    other.close()
