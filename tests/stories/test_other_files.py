"""The story of files that are no camt statement: NAPAS lines keyed with a secret, reports on debits, wrapped files."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pysequoia import Tsk, encrypt
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import statement_reading
from gateway.database import transaction
from gateway.settings import Settings
from gateway.wiring import Wiring
from reconciliation import inbox
from reconciliation.inbox import Delivery
from tests.banks.statements.test_napas import KEY, detail, made
from tests.stories.conftest import SandboxBill

CORPUS = Path(__file__).parents[1] / "corpus"
Count = Callable[..., int]


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_NAPAS_KEY", KEY)
    accounts = (*settings.banks["standard"].accounts, "971003", "0011000999888")
    keyed = replace(settings.banks["standard"], napas_checksum="md5-suffix", accounts=accounts)
    return replace(settings, banks={**settings.banks, "standard": keyed})


@pytest.fixture
def arrive(wiring: Wiring, tmp_path: Path) -> Callable[[bytes], Delivery]:
    """Keep a file of the bank's and read it; return what became of its delivery."""

    def arrived(data: bytes) -> Delivery:
        path = tmp_path / "file"
        path.write_bytes(data)
        with transaction(wiring.engine) as session:
            kept = inbox.keep_file(
                session, source="standard", name="file", path=path, sealer=wiring.sealer, now=wiring.clock()
            )
        assert kept is not None
        statement_reading.read(wiring, kept)
        with Session(wiring.engine) as session:
            return session.get_one(Delivery, kept)

    return arrived


def test_a_napas_notice_reports_payments_that_the_bills_are_waiting_for(
    arrive: Callable[[bytes], Delivery], issue: Callable[[int], list[SandboxBill]], count: Count,
    all_hold: Callable[[], None],
) -> None:  # fmt: skip
    bill = issue(3)[0]
    line = detail(1, F4=f"{bill.amount * 100:012}", RSV1=f"TT tien dien {bill.payment_code}")
    assert arrive(made(line)).state == "read"
    assert count("SELECT count(*) FROM bills WHERE state = 'paid'") == 1
    assert count("SELECT count(*) FROM payments WHERE origin = 'notice' AND state = 'reported'") == 1
    all_hold()


def test_a_napas_file_by_another_key_books_nothing(
    arrive: Callable[[bytes], Delivery], count: Count, all_hold: Callable[[], None]
) -> None:
    delivery = arrive(made(detail(1)).replace(b"DIENLUC", b"DIENLAC"))
    assert delivery.state == "unreadable"
    assert delivery.reason == "line 2, CSR: expected the checksum of this line by our key, got another one"
    assert count("SELECT count(*) FROM statements") == 0
    all_hold()


def test_differences_that_napas_lists_are_kept_for_people(
    arrive: Callable[[bytes], Delivery], wiring: Wiring, all_hold: Callable[[], None]
) -> None:
    assert arrive(made(detail(1, RRC="0115"), detail(2, RRC="0117"))).state == "read"
    with Session(wiring.engine) as session:
        (asked,) = session.execute(text("SELECT code, facts FROM mismatches")).all()
    assert asked.code == "M15"
    assert "only we have it (RRC 0117)" in " ".join(asked.facts["reasons"])
    all_hold()


def test_a_report_on_debits_is_read_to_its_end_and_kept_for_a_person(
    arrive: Callable[[bytes], Delivery], count: Count
) -> None:
    delivery = arrive((CORPUS / "pain002" / "partly.pain002.v10.xml").read_bytes())
    assert delivery.state == "set_aside"
    assert delivery.reason == (
        "a report on debit file DOISOAT-261118-0001, which is none of ours: debit accepted 1, debit pending 2,"
        " debit rejected 2, file partly 1, group partly 1, group rejected 1"
    )
    assert count("SELECT count(*) FROM payments") == 0


def test_an_answer_to_a_recall_is_read_to_its_end_and_kept_for_a_person(arrive: Callable[[bytes], Delivery]) -> None:
    delivery = arrive((CORPUS / "camt029" / "partly.camt029.v09.xml").read_bytes())
    assert delivery.state == "set_aside"
    assert delivery.reason == (
        "an answer to recall RECALL-261119-1, which is none of ours: debit cancelled 2, debit pending 2,"
        " debit rejected 2, file cancelled 1, group partly 1, group rejected 1, request partly 1"
    )


def test_a_report_that_breaks_off_is_unreadable(arrive: Callable[[bytes], Delivery]) -> None:
    delivery = arrive((CORPUS / "pain002" / "unreadable-status.pain002.v03.xml").read_bytes())
    assert delivery.state == "unreadable"
    assert delivery.reason.startswith("OrgnlPmtInfAndSts 1, TxInfAndSts 2, TxSts, line 5: ")


def test_a_sealed_and_packed_statement_is_opened_with_the_banks_own_key(
    arrive: Callable[[bytes], Delivery], monkeypatch: pytest.MonkeyPatch, count: Count
) -> None:
    ours = Tsk.generate("Sandbox utility <utility@example.invalid>")
    bare = (CORPUS / "camt" / "day-with-everything.camt053.v02.xml").read_bytes()
    sealed = bytes(encrypt(gzip.compress(bare), [ours.extract_certificate()]))
    assert arrive(sealed).reason.endswith("no private key (secret pgp_key)")
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_PGP_KEY", str(ours))
    assert arrive(sealed + b"\n").state == "read"
    assert count("SELECT count(*) FROM statement_lines") == 7
