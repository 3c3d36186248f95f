"""Bills that are debited, for the pages: a bank that is asked to debit, three bills that can be, and one in dispute."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from gateway.bank_settings import BankSettings
from gateway.database import owner_engine
from reconciliation import bill_holds
from reconciliation.sealing import Sealer
from tests.gateway.admin.conftest import NOW, Visitor
from tests.gateway.debits_made import DEBITS
from tests.reconciliation import debits_made as made
from tests.reconciliation.books import Books


@pytest.fixture
def page_settings(page_settings: SimpleNamespace) -> SimpleNamespace:
    """The pages' settings with a bank `standard` that is asked to debit; its 51 is too small a balance."""
    how = replace(DEBITS, reasons={"51": "AM04", "e7": "AC06"})
    page_settings.banks["standard"] = BankSettings("standard", "Ngân hàng Mẫu", debits=how)
    return page_settings


@pytest.fixture
def house(engine: Engine, as_superuser: str, sealer: Sealer) -> Iterator[Books]:
    """Books of two days ago; they hold when the test is done."""
    owner = owner_engine(as_superuser)
    books = Books(engine, owner, sealer, NOW - timedelta(days=2))
    yield books
    assert books.broken() == []
    owner.dispose()


@pytest.fixture
def ready(house: Books) -> Books:
    """Three bills that can be debited and one that its customer disputes, announced in time; it is now."""
    made.issue(house, 4)
    house.now = NOW
    house.run(
        lambda session: bill_holds.hold(session, "HD0004", "dispute", by="care", why="wrong meter", now=house.now)
    )
    return house


def main(page: BeautifulSoup) -> str:
    """What stands on a page, in one line."""
    found = page.select_one("main")
    assert found is not None
    return " ".join(found.get_text(" ").replace("\u00a0", " ").split())


def in_english(person: Visitor, path: str) -> BeautifulSoup:
    """The page in English, from now on."""
    assert person.post("/admin/language", token_from="/admin/", language="en", back=path).status_code == 303
    return person.page(path)


def act(person: Visitor, path: str, name: str = "", **fields: str) -> TestResponse:
    """Send a form with its reason."""
    return person.send(f"{path}/{name}" if name else path, **{"why": "đã xem", **fields})
