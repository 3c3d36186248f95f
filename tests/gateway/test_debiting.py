"""Debits on the road: approved by two people, handed over by SFTP, answered by pain.002, paid by the statement."""

import hashlib
import secrets
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from lxml import etree

from banks.collections.debit_table import DebitTable
from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import callback_reading, collecting, debit_outcomes, debiting, jobs, statement_reading
from gateway.database import transaction
from reconciliation import debit_work
from reconciliation.debit_choice import Wanted
from tests.gateway.debits_made import DEBITS, accept_notices, approved_run, debiting_bank, mandate, with_bank
from tests.gateway.samples import a_debit_bill, an_event, code_of

CHARGE_ON = date(2026, 11, 25)
SEVENTEEN = datetime(2026, 11, 17, 2, tzinfo=UTC)
THE_DAY = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
NAMES = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.008.001.02"}
REPORT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>
<GrpHdr><MsgId>{id}</MsgId><CreDtTm>2026-11-25T10:00:00+07:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.008.001.02</OrgnlMsgNmId></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>{message}-0001</OrgnlPmtInfId>{debits}</OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>"""

ANSWER = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.09"><RsltnOfInvstgtn>
<Assgnmt><Id>A1</Id><CreDtTm>2026-11-25T11:00:00+07:00</CreDtTm></Assgnmt>
<RslvdCase><Id>{request}</Id></RslvdCase><Sts><Conf>PECR</Conf></Sts>
<CxlDtls><OrgnlPmtInfAndSts>
<TxInfAndSts><OrgnlEndToEndId>HD2611-0000001-1</OrgnlEndToEndId><TxCxlSts>ACCR</TxCxlSts></TxInfAndSts>
<TxInfAndSts><OrgnlEndToEndId>HD2611-0000002-1</OrgnlEndToEndId><TxCxlSts>RJCR</TxCxlSts></TxInfAndSts>
</OrgnlPmtInfAndSts></CxlDtls></RsltnOfInvstgtn></Document>"""


@pytest.fixture
def writable(shelf, tmp_path, monkeypatch):
    password = secrets.token_hex(8)
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", password)
    (shelf / "to").mkdir()
    key = tmp_path / "host_key"
    with SandboxSftpServer(shelf, key, username="doisoat", password=password, writable=True) as running:
        yield running


@pytest.fixture
def house(wiring, writable):
    return debiting_bank(wiring, writable)


@pytest.fixture
def ready(house, issue, tmp_path, later):
    """Two bills that were announced in time; it is the morning of their debit."""

    def make(how=None):
        later(SEVENTEEN)
        issue(a_debit_bill(1), a_debit_bill(2))
        mandate(house, tmp_path, (1, 2))
        accept_notices(house)
        later(THE_DAY)
        return approved_run(house, Wanted("standard", CHARGE_ON, THE_DAY))

    return make


def test_a_run_leaves_once_as_the_file_its_digest_says(house, ready, shelf, one, rows, sound):
    ready()
    assert debiting.send_due(house) == 1
    assert debiting.send_due(house) == 0
    [file] = (shelf / "to").iterdir()
    message, state, size, digest, count, total = one(
        "SELECT message_id, state, size, digest, debits, total_minor FROM debit_files"
    )
    assert (file.name, state, size) == (f"{message}.xml", "handed", file.stat().st_size)
    assert digest == hashlib.sha256(file.read_bytes()).digest()
    document = etree.parse(str(file))
    assert document.findtext(".//p:GrpHdr/p:CtrlSum", namespaces=NAMES) == str(total) == "200000"
    assert document.findtext(".//p:GrpHdr/p:NbOfTxs", namespaces=NAMES) == str(count)
    accounts = [one.text for one in document.findall(".//p:DbtrAcct/p:Id/p:Othr/p:Id", NAMES)]
    assert accounts == ["190033330001", "190033330002"]
    told = [one.text for one in document.findall(".//p:Ustrd", NAMES)]
    assert told == ["TIEN DIEN KY 11/2026 PA0000000000111126", "TIEN DIEN KY 11/2026 PA0000000000211126"]
    assert rows("SELECT state FROM debits") == ["sent", "sent"]
    assert list((house.settings.home / "outgoing").iterdir()) == []


def test_a_run_for_another_day_waits_for_it(house, issue, tmp_path, later, shelf):
    later(SEVENTEEN)
    issue(a_debit_bill(1))
    mandate(house, tmp_path, (1,))
    accept_notices(house)
    approved_run(house, Wanted("standard", CHARGE_ON, THE_DAY))
    assert debiting.send_due(house) == 0
    assert debit_outcomes.leads(house) == {"standard": timedelta(0)}
    early = debiting_bank_with(house, lead_days=8)
    assert debiting.send_due(early) == 0, "the notice has not had its time"
    later(SEVENTEEN + timedelta(days=1, hours=1))
    assert debiting.send_due(early) == 0, "what was too early once needs another run"
    assert list((shelf / "to").iterdir()) == []


def debiting_bank_with(house, **changes):
    bank = house.settings.banks["standard"]
    return with_bank(house, replace(bank, debits=replace(bank.debits, **changes)))


def test_a_file_that_can_t_be_handed_over_is_tried_again_the_same(house, ready, shelf, one, later, sound):
    ready()
    bank = house.settings.banks["standard"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = replace(bank, sftp=replace(bank.sftp, port=probe.getsockname()[1]))
    assert debiting.send_due(with_bank(house, nobody)) == 0
    state, attempts, said = one("SELECT state, attempts, said FROM debit_files")
    assert (state, attempts) == ("claimed", 1)
    assert "SFTP 127.0.0.1" in said
    assert one("SELECT count(*) FROM debits WHERE state = 'sent'") == 2
    assert debiting.send_due(house) == 0, "not before its time"
    later(THE_DAY + timedelta(minutes=6))
    assert debiting.send_due(house) == 1
    assert one("SELECT state FROM debit_files") == "handed"
    assert len(list((shelf / "to").iterdir())) == 1


def test_a_bank_without_pain_008_gets_its_own_table(house, ready, shelf):
    table = DebitTable({"end_to_end_id": "Ma GD", "account": "TK", "amount": "So tien"}, thousands=".")
    recalls = DebitTable({"end_to_end_id": "Ma GD", "reason": "Ly do"})
    house = debiting_bank_with(house, format="table", table=table, recall_table=recalls)
    ready()
    assert debiting.send_due(house) == 1
    [file] = (shelf / "to").iterdir()
    assert file.suffix == ".csv"
    assert file.read_text().splitlines() == [
        "Ma GD,TK,So tien", "HD2611-0000001-1,190033330001,100.000", "HD2611-0000002-1,190033330002,100.000",
    ]  # fmt: skip


def test_the_bank_s_report_and_its_statement_say_what_became_of_each(house, ready, shelf, rows, one, web, later, sound):
    ready()
    debiting.send_due(house)
    message = one("SELECT message_id FROM debit_files")
    debits = (
        "<TxInfAndSts><OrgnlEndToEndId>HD2611-0000001-1</OrgnlEndToEndId><TxSts>ACSP</TxSts></TxInfAndSts>"
        "<TxInfAndSts><OrgnlEndToEndId>HD2611-0000002-1</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd>"
        "</Rsn></StsRsnInf></TxInfAndSts>"
        "<TxInfAndSts><OrgnlEndToEndId>NOBODYS</OrgnlEndToEndId><TxSts>RJCT</TxSts></TxInfAndSts>"
    )
    (shelf / "report.xml").write_text(REPORT.format(id="R1", message=message, debits=debits))
    read_files(house)
    assert rows("SELECT state || ' ' || reason FROM debits ORDER BY id") == ["accepted ", "rejected AC04"]
    assert rows("SELECT code, facts->>'unknown' FROM mismatches") == [("M16", "1")]
    assert rows("SELECT state, reason FROM deliveries") == [("read", "of 2 debits; 1 ids are none of ours: NOBODYS")]
    signed = an_event(house, "FT1", end_to_end_id="HD2611-0000001-1", payment_code="")
    assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
    callback_reading.read(house, callback_reading.claim(house, limit=10, lease=jobs.LEASE))
    assert debit_outcomes.follow_all(house) == 1
    assert rows("SELECT state FROM debits ORDER BY id") == ["paid", "rejected"]
    told = rows("SELECT event FROM messages WHERE state = 'queued' ORDER BY event")
    assert told == ["debit_failed", "payment_recorded"]


def read_files(house):
    assert collecting.fetch(house, house.settings.banks["standard"]).kept
    while delivery := statement_reading.claim(house, lease=jobs.LEASE):
        statement_reading.read(house, delivery)
    debit_outcomes.follow_all(house)


def test_what_was_paid_elsewhere_is_called_back_and_the_bank_answers(house, ready, shelf, rows, one, web, sound):
    ready()
    debiting.send_due(house)
    for number in (1, 2):
        signed = an_event(house, f"FT{number}", payment_code=code_of(number))
        assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
    callback_reading.read(house, callback_reading.claim(house, limit=10, lease=jobs.LEASE))
    debit_outcomes.follow_all(house)
    assert rows("SELECT state FROM debit_recalls") == ["wanted", "wanted"]
    assert schedule_is_waiting(house)
    assert debiting.send_due(house) == 1
    assert debiting.send_due(house) == 0
    message = one("SELECT message_id FROM debit_files WHERE kind = 'recalls'")
    asked = etree.parse(str(shelf / "to" / f"{message}.xml"))
    names = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.055.001.01"}
    called = [found.text for found in asked.findall(".//c:OrgnlEndToEndId", names)]
    assert called == ["HD2611-0000001-1", "HD2611-0000002-1"]
    (shelf / "answer.xml").write_text(ANSWER.format(request=message))
    read_files(house)
    assert rows("SELECT state FROM debits ORDER BY id") == ["recalled", "sent"]
    assert rows("SELECT state FROM debit_recalls ORDER BY id") == ["honoured", "refused"]


def schedule_is_waiting(house):
    with transaction(house.engine) as session:
        return debit_work.is_waiting(session, debit_outcomes.leads(house), now=house.clock())


def test_a_callback_of_a_failed_attempt_says_so_of_its_debit(house, ready, rows, web, sound):
    ready()
    debiting.send_due(house)
    top = {"type": "payment.failed"}
    signed = an_event(house, "FT9", end_to_end_id="HD2611-0000002-1", payment_code="", failure_code="AM04", top=top)
    assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
    callback_reading.read(house, callback_reading.claim(house, limit=10, lease=jobs.LEASE))
    debit_outcomes.follow_all(house)
    assert rows("SELECT state || ' ' || reason FROM debits ORDER BY id") == ["sent ", "rejected AM04"]
    assert rows("SELECT charge_on FROM debit_dates") == [date(2026, 11, 30)]


def test_a_report_on_a_file_that_is_none_of_ours_is_kept_for_a_person(house, shelf, rows, later):
    later(THE_DAY)
    debits = "<TxInfAndSts><OrgnlEndToEndId>X</OrgnlEndToEndId><TxSts>ACSP</TxSts></TxInfAndSts>"
    (shelf / "report.xml").write_text(REPORT.format(id="R1", message="OTHER", debits=debits))
    read_files(house)
    assert rows("SELECT state, reason FROM deliveries") == [
        ("set_aside", "a report on debit file OTHER, which is none of ours: debit accepted 1")
    ]


def test_codes_of_a_bank_s_own_are_tried_again_where_they_stand_for_too_small_a_balance(house):
    assert debit_outcomes.retried(house) == {"AM04"}
    assert debit_outcomes.retried(debiting_bank_with(house, reasons={"51": "AM04", "14": "AC01"})) == {"AM04", "51"}
    assert DEBITS.limits.debits is None


def test_what_is_not_heard_of_in_time_is_asked_after(house, ready, rows, later):
    ready()
    debiting.send_due(house)
    assert debiting.ask_after(house) == 0
    later(THE_DAY + timedelta(hours=25))
    assert debiting.ask_after(house) == 2
    assert rows("SELECT DISTINCT state FROM debits") == ["unknown"]
