"""A customer's browser without scripts: keeps cookies, follows no redirect, fills in the forms' tokens."""

from bs4 import BeautifulSoup
from werkzeug.test import Client, TestResponse

CODE, PHONE = "PA00000000001", "0912 340 001"
TERMS = {
    "bank": "standard", "account": "1900 2611 2233", "holder": "Nguyễn  Thị Lan", "cap": "1.500.000", "valid_to": "",
    "agrees": "TN-2026-11/vi",
}  # fmt: skip


class Browser:
    """Keeps cookies, follows no redirect, and sends the token of the page it has seen last."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def page(self, path: str) -> BeautifulSoup:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("Location"))
        return BeautifulSoup(answer.text, "html.parser")

    def post(self, path: str, **fields: str) -> TestResponse:
        token = self.page("/").select_one("input[name=csrf_token]")
        assert token is not None
        return self.client.post(path, data={"csrf_token": str(token["value"]), **fields})

    def ask(self, code: str = CODE, phone: str = PHONE) -> TestResponse:
        return self.post("/mandate/code", customer_code=code, phone=phone)

    def enter(self, code: str) -> TestResponse:
        return self.post("/mandate/proof", code=code)


def said(answer: TestResponse) -> str:
    """Return what a page warns of."""
    alarm = BeautifulSoup(answer.text, "html.parser").select_one("[role=alert]")
    return alarm.text.strip() if alarm else ""
