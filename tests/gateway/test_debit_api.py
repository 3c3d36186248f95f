"""A bank's interface for debits: each file once whatever answer gets lost, and what it says of single debits."""

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from banks.errors import TransferError
from banks.signatures import StandardWebhooks
from gateway import debit_outcomes, debiting
from gateway.debit_api import DebitApi
from reconciliation.debit_choice import Wanted
from tests.gateway.debits_made import DEBITS, accept_notices, approved_run, mandate, with_bank
from tests.gateway.samples import a_debit_bill

SEVENTEEN, THE_DAY = datetime(2026, 11, 17, 2, tzinfo=UTC), datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Bank:
    """What the bank has got, what it is to answer, and what it was asked."""

    def __init__(self):
        self.files, self.debits, self.asked, self.lose_answer = {}, {}, [], False

    def answer(self, method, path, headers, body):
        self.asked.append((method, path))
        name = headers["webhook-id"]
        signed = f"{name}.{headers['webhook-timestamp']}.".encode() + body
        if StandardWebhooks().match(signed, headers["webhook-signature"], [KEY]) is None:
            return 401, b""
        if method == "POST":
            if name in self.files:
                return 409, b""
            self.files[name] = body
            return (500, b"") if self.lose_answer else (202, b"")
        if path.startswith("/v1/files/"):
            return (200, b"") if path.rpartition("/")[2] in self.files else (404, b"")
        told = self.debits.get(path.rpartition("/")[2])
        return (200, told if isinstance(told, bytes) else json.dumps(told).encode()) if told else (404, b"")


@pytest.fixture
def bank():
    return Bank()


@pytest.fixture
def url(bank):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, told = bank.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_POST = do_GET

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/"
        server.shutdown()
        thread.join()


@pytest.fixture
def house(wiring, url, monkeypatch):
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_DEBITS_SECRET", KEY)
    return with_bank(wiring, replace(wiring.settings.banks["standard"], debits=replace(DEBITS, url=url)))


@pytest.fixture
def api(house, url):
    with DebitApi(house, house.settings.banks["standard"], url) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "TN1.xml"
    made.write_bytes(b"<Document/>")
    return made


def test_a_file_is_pushed_once_though_the_answer_was_lost(api, bank, file):
    bank.lose_answer = True
    with pytest.raises(
        TransferError, match="the bank's word on the file: expected 2xx, or 409 for one it has, got 500"
    ):
        api.push("TN1", file)
    bank.lose_answer = False
    api.push("TN1", file)
    assert bank.files == {"TN1": b"<Document/>"}
    assert [method for method, _ in bank.asked] == ["GET", "POST", "GET"]


def test_what_the_bank_says_of_a_debit_is_read_or_refused(api, bank):
    bank.debits = {"A-1": {"status": "RJCT", "reason": "AM04"}, "B-1": {"status": "HMM"}, "C-1": b"<html>"}
    found = api.ask("A-1")
    assert (found.verdict.value, found.status, found.reason) == ("rejected", "RJCT", "AM04")
    assert api.ask("D-1") is None
    for odd in ("B-1", "C-1"):
        with pytest.raises(TransferError, match="expected the status of a debit, got something else"):
            api.ask(odd)


def test_a_bank_that_is_not_there_or_knows_another_key_gives_no_answer(house, url, monkeypatch, file):
    standard = house.settings.banks["standard"]
    with DebitApi(house, standard, "http://127.0.0.1:9") as api, pytest.raises(TransferError, match="ConnectError"):
        api.push("TN1", file)
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_DEBITS_SECRET", "whsec_" + "A" * 32)
    with DebitApi(house, standard, url) as api, pytest.raises(TransferError, match="got 401"):
        api.push("TN1", file)


def test_debits_nothing_was_heard_of_are_asked_after_at_the_bank(house, bank, issue, tmp_path, rows, later, sound):
    later(SEVENTEEN)
    issue(a_debit_bill(1), a_debit_bill(2))
    mandate(house, tmp_path, (1, 2))
    accept_notices(house)
    later(THE_DAY)
    approved_run(house, Wanted("standard", date(2026, 11, 25), THE_DAY))
    assert debiting.send_due(house) == 1
    [(name, body)] = bank.files.items()
    assert name.startswith("TN20261125-")
    assert b"HD2611-0000002-1" in body
    bank.debits = {"HD2611-0000001-1": {"status": "RJCT", "reason": "AC04"}, "HD2611-0000002-1": {"status": "PDNG"}}
    later(THE_DAY + timedelta(hours=25))
    assert debiting.ask_after(house) == 2
    debit_outcomes.follow_all(house)
    assert rows("SELECT state || ' ' || reason FROM debits ORDER BY id") == ["rejected AC04", "unknown "]
    assert rows("SELECT made_by FROM debit_reports") == ["inquiry"]
    bank.debits["HD2611-0000002-1"] = {"status": "ACSP"}
    later(THE_DAY + timedelta(hours=25, minutes=6))
    assert debiting.ask_after(house) == 1
    debit_outcomes.follow_all(house)
    assert rows("SELECT state FROM debits ORDER BY id") == ["rejected", "accepted"]
