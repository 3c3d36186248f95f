import io
import resource
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.money import Money, dong
from banks.records import StatementClosed, StatementKind, StatementLine, StatementOpened
from banks.statements import camt_walk

CORPUS = Path(__file__).parents[2] / "corpus" / "camt"
SAMPLES = {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.xml"))}
BALANCE = "<Bal><Tp><CdOrPrtry><Cd>{}</Cd></CdOrPrtry></Tp><Amt Ccy='VND'>{}</Amt><CdtDbtInd>{}</CdtDbtInd></Bal>"


def document(*entries, balances="", head="<Id>S</Id><Acct><Id><Othr><Id>0011</Id></Othr></Id><Ccy>VND</Ccy></Acct>"):
    return (
        "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'><BkToCstmrStmt>"
        f"<GrpHdr><MsgId>M</MsgId></GrpHdr>\n<Stmt>{head}{balances}\n"
        + "\n".join(entries)
        + "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def entry(amount="500", direction="CRDT", *details, ccy="VND", status="BOOK", more=""):
    inside = f"<NtryDtls>{''.join(details)}</NtryDtls>" if details else ""
    money = f"<Amt Ccy='{ccy}'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>"
    return f"<Ntry>{money}<Sts>{status}</Sts>{more}{inside}</Ntry>"


def detail(amount="", ccy="VND", direction="", more=""):
    said = f"<CdtDbtInd>{direction}</CdtDbtInd>" if direction else ""
    booked = f"<AmtDtls><TxAmt><Amt Ccy='{ccy}'>{amount}</Amt></TxAmt></AmtDtls>" if amount else ""
    return f"<TxDtls>{said}{booked}{more}</TxDtls>"


def read(data):
    return list(statements.read(io.BytesIO(data)))


def parts(data):
    """The first statement's head, its lines, its foot."""
    events = read(data)
    head, foot = events[0], next(event for event in events if isinstance(event, StatementClosed))
    return head, [event for event in events[: events.index(foot)] if isinstance(event, StatementLine)], foot


def refusal(data):
    with pytest.raises(Unreadable) as caught:
        read(data)
    return caught.value


def test_a_whole_day():
    head, lines, foot = parts(SAMPLES["day-with-everything.camt053.v02.xml"])
    assert head == StatementOpened(
        format="camt.053.001.02", kind=StatementKind.STATEMENT, id="STM-212", account="0011000999888", currency="VND",
        message_id="MSG-20260731", sequence=212, from_on=date(2026, 7, 31), to_on=date(2026, 7, 31),
        created_at=datetime(2026, 7, 31, 16, 15, tzinfo=UTC), opening=dong(5_000_000), closing=dong(6_633_460),
        closing_on=date(2026, 7, 31),
    )  # fmt: skip
    assert lines[0] == StatementLine(
        entry=1, transaction=1, amount=dong(844_960), booked_on=date(2026, 7, 31), value_on=date(2026, 7, 30),
        bank_reference="FT26212000001", counterparty="NGUYỄN THỊ ÁNH", counterparty_account="0123000456",
        narrative="PD12000012345 tien dien 07/2026",
    )  # fmt: skip
    assert [(line.entry, line.transaction, line.amount.minor) for line in lines] == [
        (1, 1, 844_960), (2, 1, 400_000), (2, 2, 600_000), (3, 1, -11_500), (4, 1, -300_000), (5, 1, -200_000),
        (7, 1, 300_000),
    ]  # fmt: skip
    assert [(line.bank_reference, line.end_to_end_id, line.mandate_id) for line in lines[1:3]] == [
        ("DD-1", "E2E-1", "MAN-1"),
        ("FT26212000002", "E2E-2", "MAN-2"),
    ]
    assert lines[1].counterparty == "TRAN VAN B"
    assert lines[2].structured_reference == "RF-1 RF-2"
    assert lines[3].narrative == "PHI DICH VU THANG 07"
    assert lines[6].narrative == "nop tien mat"
    assert foot == StatementClosed(
        id="STM-212", lines=7, credit_total=dong(2_144_960), debit_total=dong(-511_500), balanced=True,
        difference=dong(0), left_out=1,
    )  # fmt: skip


def test_a_reversed_debit_keeps_the_direction_it_states_and_names_the_payer():
    _, lines, _ = parts(SAMPLES["day-with-everything.camt053.v02.xml"])
    returned = lines[4]
    assert (returned.amount, returned.reversal, returned.return_reason) == (dong(-300_000), True, "AM04")
    # The roles are still those of the collection, so the creditor is the account itself.
    assert (returned.counterparty, returned.counterparty_account) == ("LE VAN C", "0777")


def test_a_batch_whose_total_stands_on_each_part_stays_whole_and_goes_by_the_batch():
    _, lines, _ = parts(SAMPLES["day-with-everything.camt053.v02.xml"])
    whole = lines[5]
    assert (whole.amount, whole.bank_reference, whole.structured_reference) == (dong(-200_000), "PMT-8", "PMT-8")
    assert whole.end_to_end_id == ""


def test_prefixes_an_envelope_and_the_newer_elements():
    head, lines, foot = parts(SAMPLES["enveloped-prefixed-page-two.camt053.v08.xml"])
    assert (head.format, head.account, head.currency) == ("camt.053.001.08", "GB33BUKB20201555555555", "USD")
    assert (head.page, head.last_page, head.sequence, head.copy) == (2, False, 31, "DUPL")
    # In the middle of a chain of pages the interim balances are where it opens and closes.
    assert (head.opening, head.closing) == (Money(-1050, "USD"), Money(1500, "USD"))
    assert (lines[0].counterparty, lines[0].counterparty_account) == ("Acme", "GB82WEST12345698765432")
    assert (lines[0].bank_reference, lines[0].booked_on) == ("TX-8", date(2026, 7, 31))
    assert foot.balanced is True


def test_several_notifications_one_of_them_empty():
    events = read(SAMPLES["two-notifications.camt054.v04.xml"])
    first, a1, a2, closed, second, empty = events
    assert (first.kind, first.id, first.currency) == (StatementKind.NOTICE, "N-1", "VND")
    assert [(line.transaction, line.amount.minor, line.bank_reference) for line in (a1, a2)] == [
        (1, 70_000, "A1"),
        (2, 50_000, "A2"),
    ]
    assert (closed.balanced, closed.difference) == (None, None)
    assert (second.id, second.currency, empty.lines) == ("N-2", "", 0)


def test_an_interim_balance_closes_nothing():
    head, _, foot = parts(SAMPLES["without-namespace.camt052.xml"])
    assert (head.format, head.kind) == ("camt.052", StatementKind.NOTICE)
    assert (head.opening, head.closing, foot.balanced) == (dong(100), None, None)


@pytest.mark.parametrize("family", ["052", "053", "054"])
@pytest.mark.parametrize("version", [f"{number:02}" for number in range(2, 15)])
def test_every_version_reads_the_same(family, version):
    message, statement = {
        "052": ("BkToCstmrAcctRpt", "Rpt"), "053": ("BkToCstmrStmt", "Stmt"), "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")
    }[family]  # fmt: skip
    data = document(entry("500"), entry("200", "DBIT"))
    data = data.replace(b"camt.053.001.02", f"camt.{family}.001.{version}".encode())
    data = data.replace(b"BkToCstmrStmt", message.encode()).replace(b"Stmt>", f"{statement}>".encode())
    data = data.replace(f"BkToCstmr{statement}>".encode(), f"{message}>".encode())
    head, lines, foot = parts(data)
    assert head.format == f"camt.{family}.001.{version}"
    assert [line.amount.minor for line in lines] == [500, -200]
    assert (foot.credit_total, foot.debit_total) == (dong(500), dong(-200))


@pytest.mark.parametrize(
    ("amount", "direction", "details", "expected"),
    [
        ("900", "CRDT", [("400",), ("500",)], [400, 500]),
        ("900", "DBIT", [("400",), ("500",)], [-400, -500]),
        ("100", "CRDT", [("600", "VND", "CRDT"), ("500", "VND", "DBIT")], [600, -500]),
        ("900", "CRDT", [("900",)], [900]),
        ("900", "CRDT", [("7",)], [900]),
        ("900", "CRDT", [("900",), ("900",)], [900]),
        ("900", "CRDT", [("400",), ("499",)], [900]),
        ("900", "CRDT", [("400",), ()], [900]),
        ("900", "CRDT", [("400", "USD"), ("500", "USD")], [900]),
        ("900", "DBIT", [("400", "VND", "CRDT"), ("500", "VND", "CRDT")], [-900]),
    ],
)
def test_a_batch_is_taken_apart_only_when_it_adds_up(amount, direction, details, expected):
    _, lines, foot = parts(document(entry(amount, direction, *(detail(*one) for one in details))))
    assert [line.amount.minor for line in lines] == expected
    assert [line.transaction for line in lines] == list(range(1, len(expected) + 1))
    assert foot.lines == len(expected)


@pytest.mark.parametrize("record", ["<Chrgs>{}</Chrgs>", "<Chrgs><Rcrd>{}</Rcrd></Chrgs>"])
def test_charges_taken_from_the_parts_count_towards_the_entry(record):
    charge = record.format("<Amt Ccy='VND'>13</Amt><CdtDbtInd>DBIT</CdtDbtInd>")
    out = document(entry("1526", "DBIT", detail("1000", more=charge), detail("500", more=charge)))
    assert [line.amount.minor for line in parts(out)[1]] == [-1013, -513]
    netted = document(entry("1474", "CRDT", detail("1000", more=charge), detail("500", more=charge)))
    assert [line.amount.minor for line in parts(netted)[1]] == [987, 487]
    informative = document(entry("1500", "CRDT", detail("1000", more=charge), detail("500", more=charge)))
    assert [line.amount.minor for line in parts(informative)[1]] == [1000, 500]


def test_what_a_head_says_after_the_first_entry_is_not_heard():
    late = "<ElctrncSeqNb>7</ElctrncSeqNb><CpyDplctInd>DUPL</CpyDplctInd>"
    head, lines, _ = parts(document(entry(), late + entry()))
    assert (head.sequence, head.copy, len(lines)) == (None, "", 2)


def test_every_statement_of_a_message_knows_its_group():
    data = document(entry())
    stmt = data[data.index(b"<Stmt>") : data.index(b"</Stmt>") + len(b"</Stmt>")]
    opened = [event for event in read(data.replace(stmt, stmt * 3)) if isinstance(event, StatementOpened)]
    assert [one.message_id for one in opened] == ["M"] * 3


def test_an_entry_inside_an_entry_is_refused():
    refused = refusal(document(entry(), entry(more=f"<x>{entry()}</x>")))
    assert refused.reason == "expected Ntry directly within Stmt, got one deeper"


def test_pending_entries_are_counted_not_booked_and_keep_their_ordinal():
    data = document(entry("1", status="PDNG"), entry("2", status="INFO"), entry("3", status="FUTR"), entry("4"))
    _, lines, foot = parts(data)
    assert [(line.entry, line.amount.minor) for line in lines] == [(4, 4)]
    assert (foot.left_out, foot.lines) == (3, 1)


@pytest.mark.parametrize(
    ("balances", "expected"),
    [
        (("OPBD", 100, "CRDT", "CLBD", 600, "CRDT"), (True, 0)),
        (("OPBD", 100, "DBIT", "CLBD", 400, "CRDT"), (True, 0)),
        (("PRCD", 100, "CRDT", "CLBD", 599, "CRDT"), (False, -1)),
        (("OPBD", 100, "CRDT", "CLAV", 600, "CRDT"), (None, None)),
        (("OPAV", 100, "CRDT", "CLBD", 600, "CRDT"), (None, None)),
        (("ITBD", 100, "CRDT", "CLBD", 600, "CRDT"), (None, None)),
    ],
)
def test_which_balances_count(balances, expected):
    given_ = BALANCE.format(*balances[:3]) + BALANCE.format(*balances[3:])
    _, _, foot = parts(document(entry("500"), balances=given_))
    balanced, difference = expected
    assert (foot.balanced, foot.difference) == (balanced, None if difference is None else dong(difference))


@pytest.mark.parametrize(
    ("summary", "faults"),
    [
        ("<TtlNtries><NbOfNtries>2</NbOfNtries><Sum>700</Sum></TtlNtries>", 0),
        ("<TtlNtries><NbOfNtries>3</NbOfNtries><Sum>709.0</Sum></TtlNtries>", 0),
        ("<TtlNtries><NbOfNtries>4</NbOfNtries><Sum>701</Sum></TtlNtries>", 2),
        ("<TtlCdtNtries><NbOfNtries>01</NbOfNtries><Sum>500</Sum></TtlCdtNtries>", 0),
        ("<TtlDbtNtries><NbOfNtries>0</NbOfNtries><Sum>many</Sum></TtlDbtNtries>", 2),
    ],
)
def test_control_totals_may_count_pending_entries_or_not(summary, faults):
    data = document(
        entry("500"), entry("200", "DBIT"), entry("9", status="PDNG"), balances=f"<TxsSummry>{summary}</TxsSummry>"
    )
    assert len(parts(data)[2].faults) == faults


def test_a_batch_that_lists_fewer_than_it_counts_is_named_and_a_summary_is_not():
    def batch(*amounts):
        listed = "".join(detail(amount) for amount in amounts)
        return document(entry("900", "CRDT", "<Btch><NbOfTxs>3</NbOfTxs></Btch>", listed))

    assert parts(batch("400", "500"))[2].faults == ("Ntry 1: the batch says 3 transactions, the entry lists 2",)
    assert parts(batch("300", "300", "300"))[2].faults == ()
    assert parts(batch("900"))[2].faults == ()
    assert parts(batch())[2].faults == ()


@pytest.mark.parametrize(
    ("broken", "place", "reason"),
    [
        (entry(""), "Stmt 1, Ntry 2, Amt", "expected an amount, got none"),
        (entry("12,5"), "Stmt 1, Ntry 2, Amt", "plain digits"),
        (entry("12.5"), "Stmt 1, Ntry 2, Amt", "VND has 0 decimal places"),
        (entry("-12"), "Stmt 1, Ntry 2, Amt", "without a sign"),
        (entry("１２"), "Stmt 1, Ntry 2, Amt", "plain digits"),
        (entry("9" * 17), "Stmt 1, Ntry 2, Amt", "below"),
        (entry(ccy="vnd"), "Stmt 1, Ntry 2, Amt", "three letters"),
        (entry(ccy="USD"), "Stmt 1, Ntry 2, Amt", "in VND, the account's currency, got USD"),
        (entry(direction="CREDIT"), "Stmt 1, Ntry 2, CdtDbtInd", "CRDT or DBIT"),
        (entry().replace("<CdtDbtInd>CRDT</CdtDbtInd>", ""), "Stmt 1, Ntry 2, CdtDbtInd", "CRDT or DBIT, got ''"),
        (entry(more="<Amt Ccy='VND'>7</Amt>"), "Stmt 1, Ntry 2, Amt", "three letters, got 'V* V*'"),
        (entry("1<b/>0"), "Stmt 1, Ntry 2, Amt", "elements inside"),
        (entry(status="GONE"), "Stmt 1, Ntry 2, Sts", "PDNG"),
        (entry(more="<RvslInd>maybe</RvslInd>"), "Stmt 1, Ntry 2, RvslInd", "true or false"),
        (entry(more="<BookgDt><Dt>2026-02-30</Dt></BookgDt>"), "Stmt 1, Ntry 2, BookgDt", "a date"),
        (entry(more="<BookgDt><Dt>20260228</Dt></BookgDt>"), "Stmt 1, Ntry 2, BookgDt", "a date"),
        (entry(more="<ValDt><Dt>31/12/2026</Dt></ValDt>"), "Stmt 1, Ntry 2, ValDt", "a date"),
        (entry("9", "CRDT", detail("x"), detail("5")), "Stmt 1, Ntry 2, TxDtls 1, Amt", "plain digits"),
        (entry("9", "CRDT", detail("4"), detail("5", "VND", "?")), "Stmt 1, Ntry 2, TxDtls 2, CdtDbtInd", "CRDT"),
        (BALANCE.format("CLBD", 1, "CRDT"), "Stmt 1", "Bal before the first Ntry"),
    ],
)
def test_what_is_refused_in_an_entry_and_where(broken, place, reason):
    refused = refusal(document(entry(), broken))
    assert refused.place == f"{place}, line 4"
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("head", "place", "reason"),
    [
        ("<Acct><Id><IBAN>X</IBAN></Id></Acct>", "Stmt 1, Id", "expected Id"),
        ("<Id>S</Id><Acct><Ccy>VND</Ccy></Acct>", "Stmt 1, Acct/Id", "expected Acct/Id"),
        ("<Id>S</Id><Acct><Id><IBAN>X</IBAN></Id><Ccy>dong</Ccy></Acct>", "Stmt 1, Acct/Ccy", "three letters"),
        ("<Id>S</Id><LglSeqNb>x1</LglSeqNb><Acct><Id><IBAN>X</IBAN></Id></Acct>", "Stmt 1, ElctrncSeqNb", "whole"),
        ("<Id>S</Id><CreDtTm>2026-07-31</CreDtTm><Acct><Id><IBAN>X</IBAN></Id></Acct>", "Stmt 1, CreDtTm", "a moment"),
        (
            "<Id>S</Id><Acct><Id><IBAN>X</IBAN></Id></Acct>"
            + BALANCE.format("OPBD", 1, "CRDT") + BALANCE.format("CLBD", "", "CRDT"),
            "Stmt 1, Bal 2, Amt", "expected an amount",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_in_a_head_and_where(head, place, reason):
    refused = refusal(document(entry(), head=head))
    assert refused.place == f"{place}, line 2"
    assert reason in refused.reason


def test_no_person_and_no_account_stand_in_a_refusal():
    person = "NGUYEN VAN AN 0680112233445"
    wrong = (
        entry(person), entry("9704000000000018"), entry("-0680112233445"), entry("5", person), entry(status=person),
        entry(ccy=person), entry(more=f"<BookgDt><Dt>{person}</Dt></BookgDt>"),
        entry(more=f"<RvslInd>{person}</RvslInd>"),
    )  # fmt: skip
    heads = (
        f"<Id>S</Id><Acct><Id><IBAN>X</IBAN></Id></Acct><{one}>{person}</{one}>" for one in ("ElctrncSeqNb", "CreDtTm")
    )
    for data in (*map(document, wrong), *(document(entry(), head=head) for head in heads)):
        said = str(refusal(data))
        assert "got '" in said
        assert not any(part in said for part in ("NGUYEN", "VAN", "0680112233", "970400000000"))


@pytest.mark.parametrize("late", ["<Bal/>", "<x><Acct/></x>", "<TxsSummry/>"])
def test_a_head_without_end_is_refused_though_each_part_of_it_ends(late):
    data = document(entry(), balances=late * 999)  # with the account, a thousand
    assert [line.amount.minor for line in parts(data)[1]] == [500]
    assert str(refusal(document(entry(), balances=late * 1_000))) == (
        "line 2: expected at most 1000 of Acct, Bal, TxsSummry before the entries, got more"
    )
    many = document(entry(), balances=late * 600)
    one = many[many.index(b"<Stmt>") : many.index(b"</Stmt>") + len(b"</Stmt>")]
    assert sum(isinstance(event, StatementLine) for event in read(many.replace(one, one * 3))) == 3


def test_balances_make_no_room_for_what_nobody_asked_for():
    data = document(entry(), balances=("<Bal/>" + "<a/>" * 20_000) * 60)
    assert "within 4194304 bytes, got none" in str(refusal(data))


def test_the_line_is_that_of_the_element_far_down_a_long_file():
    refused = refusal(document(entry(), "\n" * 70_000 + entry("x")))
    assert refused.place == "Stmt 1, Ntry 2, Amt, line 70004"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "got an empty file"),
        (b"  \n", "got an empty file"),
        (b"%PDF-1.7", "got a PDF"),
        (b"account;amount\n0011;844960\n", "got text of another kind"),
        (b"\xde\xad\xbe\xef", "got bytes beginning with de ad be ef"),
        (b"<html><body/></html>", "got XML of <html> (no namespace)"),
        (b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.008.001.02'/>", "pain.008.001.02)"),
        (b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'/>", "with a statement in it, got none"),
        (b"<Document><BkToCstmrStmt><GrpHdr/></BkToCstmrStmt></Document>", "with a statement in it, got none"),
        (document().replace(b"camt.053", b"camt.054"), "expected BkToCstmrStmt in an ISO 20022 camt.053 namespace"),
        (document().replace(b"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", b"urn:mine"), "got 'urn:mine'"),
        (b"<Document><BkToCstmrStmt><Ntry/></BkToCstmrStmt></Document>", "expected Ntry within a statement"),
        (b"<Document><BkToCstmrStmt><Rpt/></BkToCstmrStmt></Document>", "expected Rpt within a statement"),
        (document(entry(), "<x:Ntry xmlns:x='urn:x'/>"), "got '{urn:x}Ntry'"),
    ],
)
def test_what_is_no_statement_at_all(data, reason):
    assert reason in str(refusal(data))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("amount-missing", "Stmt 1, Ntry 2, Amt, line 9: expected an amount, got none"),
        ("cut-off", "line 18: expected well-formed XML"),
        ("external-entity", "line 1: expected XML without a DOCTYPE"),
    ],
)
def test_unreadable_samples(name, told):
    assert str(refusal(SAMPLES[f"unreadable-{name}.camt053.xml"])).startswith(told)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_stays_flat_over_thirty_thousand_entries():
    one = entry("7", "CRDT", detail("3", more="<RmtInf><Ustrd>PD12000012345</Ustrd></RmtInf>"), detail("4")).encode()
    before, after = document("@").split(b"@")
    pieces = iter([before, *[one * 50] * 600, after])

    class Generated:
        rest = b""

        def read(self, size=-1, /):
            while len(self.rest) < size and (piece := next(pieces, None)) is not None:
                self.rest += piece
            data, self.rest = self.rest[:size], self.rest[size:]
            return data

    lines, start, most = 0, resident(), 0
    for event in statements.read(Generated()):
        lines += isinstance(event, StatementLine)
        if lines % 1000 == 0:
            most = max(most, resident() - start)
    assert lines == 60_000
    # The tree of the whole would take ten times as much.
    assert most < 16_000_000


def test_an_entry_of_many_transactions_keeps_only_what_its_lines_need():
    details = detail("1", more="<RmtInf><Ustrd>x</Ustrd></RmtInf>" + "<Purp><Cd>OTHR</Cd></Purp>" * 20) * 20_000
    data = document(entry("20000", "CRDT", details))
    start = resident()
    lines = sum(isinstance(event, StatementLine) for event in statements.read(io.BytesIO(data)))
    assert lines == 20_000
    # Less than a third of the text itself, where the tree would take several times the text.
    assert resident() - start < len(data)


def test_an_entry_of_more_transactions_than_memory_is_meant_for_is_refused():
    refused = refusal(document(entry("1", "CRDT", "<TxDtls/>" * (camt_walk.MAX_DETAILS + 1))))
    assert refused.reason == "expected at most 100000 transactions in one entry, got more"
    assert refused.place == "Stmt 1, Ntry 1, TxDtls 100001, line 3"


READABLE = [data for name, data in SAMPLES.items() if not name.startswith("unreadable")]


@given(st.data())
def test_a_file_cut_anywhere_is_refused(data):
    sample = data.draw(st.sampled_from(READABLE)).rstrip()
    refused = refusal(sample[: data.draw(st.integers(0, len(sample) - 1))])
    assert refused.reason


@given(st.sampled_from(READABLE), st.lists(st.tuples(st.integers(0, 7000), st.integers(0, 60), st.binary(max_size=8))))
@example(READABLE[0], [])
def test_any_damage_is_read_or_refused_and_sums_always_hold(sample, damage):
    for at, gone, noise in damage:
        sample = sample[:at] + noise + sample[at + gone :]
    try:
        events = read(sample)
    except Unreadable:
        return
    lines = []
    for event in events:
        if isinstance(event, StatementOpened):
            lines = []
        elif isinstance(event, StatementLine):
            lines.append(event.amount.minor)
        else:
            assert event.lines == len(lines)
            assert event.credit_total.minor + event.debit_total.minor == sum(lines)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**12), st.sampled_from(["CRDT", "DBIT"]), st.lists(st.integers(1, 10**9), max_size=4)
        ),
        max_size=8,
    )
)
def test_the_lines_of_an_entry_always_add_up_to_it(entries):
    data = document(*(entry(a, d, *(detail(part) for part in details)) for a, d, details in entries))
    _, lines, foot = parts(data)
    for number, (amount, direction, _) in enumerate(entries, 1):
        signed = amount if direction == "CRDT" else -amount
        assert sum(line.amount.minor for line in lines if line.entry == number) == signed
    assert foot.credit_total.minor + foot.debit_total.minor == sum(line.amount.minor for line in lines)
