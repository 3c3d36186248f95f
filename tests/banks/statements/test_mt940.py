import io
import resource
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.money import Money, dong
from banks.records import StatementClosed, StatementKind, StatementLine, StatementOpened
from banks.statements import mt940, mt940_fields, mt940_narrative, mt940_run, mt940_text, mt940_usual

CORPUS = Path(__file__).parents[2] / "corpus" / "mt940"
SAMPLES = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
READABLE = [data for name, data in SAMPLES.items() if not name.startswith("unreadable")]


def read(data):
    return list(statements.read(io.BytesIO(data if isinstance(data, bytes) else data.encode())))


def refusal(data):
    with pytest.raises(Unreadable) as caught:
        read(data)
    return str(caught.value)


def parts(data):
    """The first statement's head, its lines, its foot."""
    events = read(data)
    foot = next(event for event in events if isinstance(event, StatementClosed))
    return events[0], [event for event in events[: events.index(foot)] if isinstance(event, StatementLine)], foot


def message(*lines, opening="C260730VND0,", closing="", number="1/1", reference="REF", account="0011"):
    text = [f":20:{reference}", f":25:{account}", f":28C:{number}", *([f":60F:{opening}"] if opening else [])]
    return "\n".join([*text, *lines, *([f":62F:{closing}"] if closing else []), "-", ""])


def entry(rest="C100,NTRFNONREF", on="260731"):
    return f":61:{on}{rest}"


def only(*lines, **more):
    _, (line,), _ = parts(message(*lines, **more))
    return line


def test_a_day_in_dong_with_the_blocks_around_it():
    head, lines, foot = parts(SAMPLES["vnd-day-with-fin-blocks.mt940.txt"])
    assert head == StatementOpened(
        format="MT940", kind=StatementKind.STATEMENT, id="212 2026-07-30 5000000", account="0011000999888",
        currency="VND", message_id="ST260731000212", sequence=212, page=1, opening=dong(5_000_000),
    )  # fmt: skip
    assert lines[0] == StatementLine(
        entry=1, transaction=1, amount=dong(844_960), booked_on=date(2026, 7, 31), value_on=date(2026, 7, 31),
        bank_reference="FT26212000001",
        narrative="PD12000012345 NGUYEN THI ANH thanh toan tien dien thang 07/2026 qua ngan hang so",
    )  # fmt: skip
    assert lines[1] == StatementLine(
        entry=2, transaction=1, amount=dong(1_250_000), booked_on=date(2026, 7, 31), value_on=date(2026, 7, 30),
        bank_reference="FT26212000002", structured_reference="HD000123",
        narrative="nop tien mat PD12000012346 KENH QUAY",
    )  # fmt: skip
    assert [(line.amount.minor, line.reversal) for line in lines[2:]] == [
        (-11_500, False), (-300_000, True), (11_500, True),
    ]  # fmt: skip
    assert lines[3].structured_reference == "PD12000012347"
    assert foot == StatementClosed(
        id=head.id, lines=5, credit_total=dong(2_106_460), debit_total=dong(-311_500), balanced=True,
        difference=dong(0), closing=dong(6_794_960), closing_on=date(2026, 7, 31),
    )  # fmt: skip


def test_two_pages_share_number_and_chain():
    first, _, foot, second, _, last = read(SAMPLES["two-pages.mt940.txt"])
    assert [(one.sequence, one.page, one.opening) for one in (first, second)] == [
        (213, 1, Money(100_000, "USD")), (213, 2, Money(101_250, "USD")),
    ]  # fmt: skip
    assert (foot.balanced, foot.closing, last.balanced, last.faults) == (True, second.opening, True, ())


def test_a_page_that_does_not_follow_the_one_before_it_is_named():
    broken = SAMPLES["two-pages.mt940.txt"].replace(b":60M:C260731USD1012,50", b":60M:C260731USD1012,49")
    *_, last = read(broken.replace(b":62F:C260731USD1010,00", b":62F:C260731USD1009,99"))
    assert last.balanced is True
    assert last.faults == ("the page before it closed at 1012.50 USD (:62M:), this one opens at 1012.49 USD",)


def test_an_interim_opening_without_its_page_in_the_file_is_no_fault():
    data = SAMPLES["two-pages.mt940.txt"]
    assert read(data[data.rindex(b":20:") :])[-1].faults == ()


def test_an_interim_report_is_a_notice_and_what_is_expected_is_left_out():
    head, lines, foot = parts(SAMPLES["intraday.mt942.txt"])
    assert (head.format, head.kind, head.currency, head.opening) == ("MT942", StatementKind.NOTICE, "VND", None)
    assert (head.id, head.created_at) == ("ID2607311000 5 2607311000+0700", datetime(2026, 7, 31, 3, tzinfo=UTC))
    assert [(line.entry, line.amount.minor) for line in lines] == [(1, 500_000)]
    assert (foot.balanced, foot.left_out, foot.faults, foot.closing) == (None, 1, (), None)


def test_subfields_sepa_words_and_code_words():
    _, lines, foot = parts(SAMPLES["subfields-and-code-words.mt940.txt"])
    assert foot.balanced is True
    told = [
        (one.end_to_end_id, one.mandate_id, one.return_reason, one.counterparty, one.counterparty_account,
         one.structured_reference, one.narrative)
        for one in lines
    ]  # fmt: skip
    assert told == [
        ("E2E-2025-12-31-00000010001", "MAN-7", "", "NGUYEN THI ANH VA CHONG LA BINH", "DE02120300000000202051", "K-9",
         "PD12000012345 tien dien"),
        ("", "", "907", "LE C", "", "", "Konto leer"),
        ("E2E-3", "MAN-8", "AC04", "TRAN D", "NL02ABNA0123456789", "", "HD 3 tien dien"),
        ("", "", "", "HOANG E", "12345678", "", "HD 4 tien dien"),
        ("E2E-5", "MAN-9", "", "", "", "", "HD 5 tien dien"),
    ]  # fmt: skip
    # Around New Year the entry date lies in the year before or after that of the value date.
    assert [(one.value_on.year, one.booked_on.year) for one in lines[:2]] == [(2025, 2026), (2026, 2025)]


def test_vietnamese_in_cp1258_comes_out_composed():
    _, (line,), _ = parts(SAMPLES["vietnamese-cp1258.mt940.txt"])
    assert line.narrative == "Nguyễn Thị Ánh trả tièn điẹn"


def test_without_a_closing_balance_the_fault_is_named_and_nothing_is_said_to_balance():
    _, lines, foot = parts(SAMPLES["without-closing-balance.mt940.txt"])
    assert (len(lines), foot.balanced, foot.closing) == (1, None, None)
    assert foot.faults == ("expected a closing balance (:62F: or :62M:), got none",)


def test_a_30_february_is_no_date_and_is_named():
    _, (line,), foot = parts(SAMPLES["thirty-days-a-month.mt940.txt"])
    assert (line.value_on, line.booked_on) == (None, date(2026, 3, 1))
    assert foot.faults == (":61: 1: 2026-02-30 is not in the calendar, so the date is left out",)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("thousands-in-amount.mt940", "message 2, :61: 1, line 19: expected an amount in USD such as 844960,50 below"),
        ("day.mt940", "message 2, :61: 1, line 19: expected a date, got 2026-06-31"),
        ("cut-off.mt940", "message 2, :61: 1, line 19: expected YYMMDD[MMDD], C, D, RC or RD, an amount and a type"),
        ("line-after-the-end.mt940", "after message 2, line 23: expected :20:, the beginning of a message, got :61:"),
        ("mt103", "line 1: expected SWIFT MT940 or MT942, got MT103"),
    ],
)
def test_unreadable_samples(name, told):
    assert refusal(SAMPLES[f"unreadable-{name}.txt"]).startswith(told)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1258", "cp1252"])
def test_any_line_ending_in_any_encoding(ending, encoding):
    data = message(entry(), ":86:tien dien \u00e9", closing="C260731VND100,").replace("\n", ending).encode(encoding)
    for file in (io.BytesIO(data), Trickle(data)):
        _, line, foot = statements.read(file)
        assert (line.narrative, foot.balanced) == ("tien dien \u00e9", True)


class Trickle(io.BytesIO):
    """A stream that gives one byte at a time."""

    def read(self, size=-1, /):
        return super().read(min(size, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n\n", ""),
        ("\x01{1:F01SAOMVNVX}{2:I940X}{4:\n", "}{5:{CHK:0}}\x03"),
        ("{1:F01SAOMVNVX}\n{2:O9400000}\n{4:\n", "}"),
        ("{1:F01SAOMVNVX}{2:I940X}{4:", "}"),
        ("SAOMVNVX\n940\nSAOMVNVX\n", ""),
        ("0000 01SAOMVNVX\n940 00\n", "XXX"),
        (":940:\n", ""),
        ("\x01", "\x03"),
    ],
)
def test_what_banks_put_around_a_message(before, after):
    one = before + message(entry(), closing="C260731VND100,").rstrip("\n") + after + "\n"
    assert [type(event) for event in read(one)] == [StatementOpened, StatementLine, StatementClosed]
    assert len(read(one * 3)) == 9


def test_messages_need_no_end():
    one = message(entry(), closing="C260731VND100,").replace("-\n", "")
    assert len(read(one + one.rstrip("\n"))) == 6


def test_several_statements_under_one_reference():
    second = [":28C:1/2", ":60M:C260731VND100,", entry("D40,NTRFNONREF"), ":62F:C260731VND60,"]
    first = message(entry(), closing="").replace("-\n", ":62M:C260731VND100,\n")
    for again in ([], [":25:0011"]):
        opened, _, foot, other, line, last = read(first + "\n".join([*again, *second, "-", ""]))
        assert (opened.page, other.page, other.account, line.entry) == (1, 2, "0011", 1)
        assert (foot.balanced, last.balanced, last.faults) == (True, True, ())


def test_a_narrative_after_the_closing_balance_is_the_statement_s():
    _, (line,), _ = parts(message(entry(), ":86:one", ":62F:C260731VND100,", ":86:thanks\nfor all"))
    assert line.narrative == "one"


@pytest.mark.parametrize(
    ("text", "narrative"),
    [
        (":86:tien dien\n07/2026", "tien dien 07/2026"),
        (":\n86:tien dien", "tien dien"),
        (":86:tien dien\n:86:07/2026", "tien dien 07/2026"),
        (f":86:{'x' * 59}PD\n12000012345", f"{'x' * 59}PD12000012345"),
        (f":86:{'x' * 63}PD\n12000012345", f"{'x' * 63}PD12000012345"),
        (f":86:{'x' * 58}\ntien dien", f"{'x' * 58} tien dien"),
        (":86:luc 31-07T16\n:20:37 tien dien", "luc 31-07T16 :20:37 tien dien"),
        (":86:luc 31-07T16\n:26:37 tien dien", "luc 31-07T16 :26:37 tien dien"),
        (":86:luc\n:\nxong", "luc : xong"),
        (":86:-1 va\n-2", "-1 va -2"),
        (":86:\n\n", ""),
        (":NS:own\n:86:tien dien", "tien dien"),
        (":86:?20khong ma?21tien dien", "khong ma tien dien"),
        (":86:020?00CHUYEN KHOAN", "CHUYEN KHOAN"),
        (":86:166?20hoa don?2024?21tien?dien", "hoa don 24 tien?dien"),
        (":86:166~20tien~21dien", "tien dien"),
        (":86:166?00CHUYEN KHOAN?20tien dien thang by thi bang c\n?21ho khac", "tien dien thang by thi bang cho khac"),
        (":86:/REMI/tien dien/07/2026/", "tien dien/07/2026"),
        (":86:/khong/ma", "/khong/ma"),
        (":86:1 + 1 = 2", "1 + 1 = 2"),
    ],
)
def test_narratives(text, narrative):
    assert only(entry(), text).narrative == narrative


@pytest.mark.parametrize(
    ("rest", "minor", "reversal"),
    [
        ("C100,NTRFNONREF", 100, False), ("D100,NTRFNONREF", -100, False), ("RC100,NTRFNONREF", -100, True),
        ("RD100,NTRFNONREF", 100, True), ("CD100,NTRFNONREF", 100, False), ("RDR100,NTRFNONREF", 100, True),
        ("CR\n100,NTRFNONREF", 100, False), ("C100,00NTRFNONREF", 100, False), ("C100NTRFNONREF", 100, False),
        ("C000000100,FMSCNONREF", 100, False), ("C100,0 NTRFNONREF", 100, False), ("C100.00NTRFNONREF", 100, False),
        ("C100,S   X", 100, False), ("C100,NOV NONREF", 100, False), ("C0,NTRFNONREF", 0, False),
    ],
)  # fmt: skip
def test_amounts_and_signs(rest, minor, reversal):
    line = only(entry(rest))
    assert (line.amount, line.reversal, line.bank_reference) == (dong(minor), reversal, "")


@pytest.mark.parametrize(
    ("amount", "minor"), [("12,5", 1250), ("12,50", 1250), (",5", 50), ("12.5", 1250), ("12.50", 1250), ("12.", 1200)]
)
def test_decimals(amount, minor):
    assert only(entry(f"C{amount}NTRFNONREF"), opening="C260730EUR0,").amount == Money(minor, "EUR")


def test_three_decimals_where_the_currency_has_them():
    assert only(entry("C1,250NTRFNONREF"), opening="C260730KWD0,").amount == Money(1250, "KWD")


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1,000", "VND"), ("1.000", "VND"), ("1,5", "VND"), ("1.5", "VND"), ("1,250", "EUR"), ("1.250", "EUR"),
        ("1.250", "KWD"), ("1.250,00", "EUR"), ("1,250.00", "EUR"), ("1,2,3", "EUR"), (",", "EUR"), (".", "EUR"),
        ("9" * 18, "VND"), ("9" * 30, "VND"), ("1,123", "EUR"),
    ],
)  # fmt: skip
def test_an_amount_that_could_mean_two_things_is_refused_and_quoted(amount, currency):
    told = refusal(message(entry(f"C{amount}NTRFNONREF"), opening=f"C260730{currency}0,"))
    assert told.startswith(f"message 1, :61: 1, line 5: expected an amount in {currency} such as ")
    assert told.endswith(f"got {amount[:40]!r}")


@pytest.mark.parametrize(
    ("rest", "bank", "own"),
    [
        ("NONREF//FT1", "FT1", ""), ("HD1//FT1", "FT1", "HD1"), ("HD1//NONREF", "HD1", ""), ("HD1", "HD1", ""),
        ("nonref//notprovided", "", ""), ("KREF+//FT1", "FT1", ""), ("341241773/1XX//O/34", "O/34", "341241773/1XX"),
        ("N", "", ""), ("", "", ""), (" FT1 ", "FT1", ""), ("HD 1//FT 1 ", "FT 1", "HD 1"),
    ],
)  # fmt: skip
def test_references(rest, bank, own):
    line = only(entry(f"C100,NTRF{rest}"), ":86:x")
    assert (line.bank_reference, line.structured_reference) == (bank, own)


def test_what_follows_sixteen_characters_of_reference_is_a_remark():
    line = only(entry("C100,N0440121470966      NGUYEN A    "), ":86:tien dien")
    assert (line.bank_reference, line.narrative) == ("0121470966", "tien dien NGUYEN A")


def test_a_remark_that_is_an_iban_names_the_other_account():
    line = only(entry("C100,NTRFNONREF\nNL70ABNA0987654321"), ":86:tien dien")
    assert (line.counterparty_account, line.narrative) == ("NL70ABNA0987654321", "tien dien")


@pytest.mark.parametrize(
    ("on", "value_on", "booked_on"),
    [
        ("2607310731", date(2026, 7, 31), date(2026, 7, 31)), ("260731", date(2026, 7, 31), date(2026, 7, 31)),
        ("2512310102", date(2025, 12, 31), date(2026, 1, 2)), ("2601021231", date(2026, 1, 2), date(2025, 12, 31)),
        ("2402280229", date(2024, 2, 28), date(2024, 2, 29)), ("9912310101", date(1999, 12, 31), date(2000, 1, 1)),
        ("240230", None, None), ("2502300303", None, date(2025, 3, 3)), ("2503030229", date(2025, 3, 3), None),
    ],
)  # fmt: skip
def test_dates(on, value_on, booked_on):
    line = only(entry(on=on))
    assert (line.value_on, line.booked_on) == (value_on, booked_on)


@pytest.mark.parametrize("on", ["261301", "260431", "260231", "260000", "2607311301", "2607310631"])
def test_a_day_that_no_calendar_has_is_refused(on):
    assert "message 1, :61: 1, line 5: expected a date, got 20" in refusal(message(entry(on=on)))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([":61:rubbish NGUYEN"], "message 1, :61: 1, line 5: expected YYMMDD[MMDD]"),
        ([entry(), ":60F:C260730VND0,"], "message 1, :60F:, line 6: expected one opening balance before the first"),
        ([":60F:C260730VND0,"], "message 1, :60F:, line 5: expected one opening balance"),
        ([":62F:C260731VND0,", entry()], "message 1, :61: 1, line 6: expected no :61: after the closing balance"),
        ([":62F:C260731VND0,", ":62F:C260731VND0,"], "message 1, :62F:, line 6: expected one closing balance"),
        ([":62F:X260731VND0,"], "message 1, :62F:, line 5: expected C or D, YYMMDD, a currency and an amount"),
        ([":62F:C261331VND0,"], "message 1, :62F:, line 5: expected a date, got 2026-13-31"),
        ([":62F:C260731VND1.000"], "message 1, :62F:, line 5: expected an amount in VND"),
        ([":25:0012"], "message 1, :25:, line 5: expected one account in a statement, got a second"),
        ([entry(), f":86:{'x' * 70_000}"], "line 6: expected lines of at most 65536 bytes, got a longer one"),
        ([entry(), *["x" * 60_000] * 2], "line 5: expected at most 65536 characters in :61:, got more"),
        ([entry(), *[f":86:{'x' * 60_000}"] * 2], "message 1, :86:, line 7: expected at most 65536 characters"),
    ],
)  # fmt: skip
def test_what_is_refused_in_a_message_and_where(lines, told):
    assert refusal(message(*lines)).startswith(told)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (":20:X\n:28C:1\n:60F:C260730VND0,\n:61:260731C1,NTRF", "message 1, :61:, line 4: expected the account (:25:)"),
        (":20:X\n:25:\n:60F:C260730VND0,\n", "message 1, :25:, line 2: expected the account, got none"),
        (":20:X\n:25:0011\n:61:260731C1,NTRF\n", "message 1, :61:, line 3: expected :60F:, :60M: or :34F:, which name"),
        (":20:X\n:25:0011\n:60F:C2607301000,\n", "message 1, :60F:, line 3: expected a balance with its currency"),
        (":20:X\n:25:0011\n:60F:C260730VND0,\n:62F:C260730VND0,\n:20:ONLY", "message 2, line 5: expected balances or"),
        ("{1:F01X}{2:I942X}{4:\n-}\n", "expected SWIFT MT940 or MT942 with a message in it, got none"),
    ],
)  # fmt: skip
def test_what_is_no_message_at_all(data, told):
    assert refusal(data).startswith(told)


def test_a_refusal_quotes_no_name_and_no_number():
    told = refusal(message(":61:0011000999888 NGUYEN VAN A"))
    assert "NGUYEN" not in told
    assert "0011000999888" not in told


def test_the_currency_may_stand_at_the_account_only():
    head, _, foot = parts(message(entry(), opening="", account="0011000999888EUR"))
    assert (head.currency, head.kind) == ("EUR", StatementKind.STATEMENT)
    assert foot.faults[0] == "expected an opening balance (:60F: or :60M:), got none"


def test_a_closing_balance_in_another_currency_closes_nothing():
    _, _, foot = parts(message(entry(), closing="C260731USD100,00"))
    assert (foot.balanced, foot.closing) == (None, None)
    assert foot.faults == ("the closing balance (:62F:) is in USD, the account in VND",)


def test_the_header_says_what_the_tags_do_not():
    data = "{1:F01X}{2:O9421000260731X}{4:\n" + message(entry(), closing="C260731VND100,")
    assert parts(data)[0].kind is StatementKind.NOTICE


@pytest.mark.parametrize(
    ("total", "fault"),
    [
        (":90C:2VND170,", None), (":90C:3VND240,", None), (":90D:1VND30,", None),
        (":90C:1VND170,", ":90C: says 1 entries of 170 VND, the message holds 2 of 170 VND"),
        (":90C:2USD170,00", ":90C: says 2 entries of 170.00 USD, the message holds 2 of 170 VND"),
        (":90D:1VND31,", ":90D: says 1 entries of 31 VND, the message holds 1 of 30 VND"),
        (":90D:many", ":90D: expected a count, a currency and a sum, got 'AAAA' (9 a digit, A a letter)"),
    ],
)  # fmt: skip
def test_control_totals_may_count_what_is_expected_or_not(total, fault):
    lines = [":34F:VND0,", entry(), entry("C70,NTRFNONREF"), entry("D30,NTRFNONREF"), entry("EC70,NTRFNONREF"), total]
    _, _, foot = parts(message(*lines, opening=""))
    assert foot.faults == ((fault,) if fault else ())


def test_after_twenty_faults_one_sentence_stands_for_the_rest():
    _, _, foot = parts(message(*[entry(on="260230")] * 50, closing="C260731VND5000,"))
    assert (foot.lines, len(foot.faults), foot.faults[-1]) == (50, 21, "more contradictions of the same kinds follow")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2607311000+0700", datetime(2026, 7, 31, 3, tzinfo=UTC)), ("2607311000", datetime(2026, 7, 31, 3, tzinfo=UTC)),
        ("2607311000-0230", datetime(2026, 7, 31, 12, 30, tzinfo=UTC)),
        ("0001190000", datetime(2000, 1, 18, 17, tzinfo=UTC)),
        ("2613311000", None), ("2607311000+9900", None), ("now", None),
    ],
)  # fmt: skip
def test_moments(text, moment):
    assert parts(message(":34F:VND0,", f":13D:{text}", entry(), opening=""))[0].created_at == moment


def test_the_same_statement_sent_again_has_the_same_identity_and_another_does_not():
    def identity(**more):
        return parts(message(entry(), closing="C260731VND100,", **more))[0].id

    assert identity(reference="ONE") == identity(reference="TWO") == "1 2026-07-30 0"
    assert identity(number="0") == "2026-07-30 0"
    assert len({identity(number=number, opening=opening) for number in ("0", "1", "2/1") for opening in
                ("C260730VND0,", "C260731VND0,", "C260730VND7,")}) == 9  # fmt: skip


@given(st.data())
def test_a_file_cut_anywhere_never_balances_with_fewer_lines(data):
    sample = SAMPLES["vnd-day-with-fin-blocks.mt940.txt"]
    whole = parts(sample)[2]
    cut = data.draw(st.integers(0, sample.index(b":62F:") + 20))
    try:
        feet = [event for event in read(sample[:cut]) if isinstance(event, StatementClosed)]
    except Unreadable:
        return
    assert all(foot.balanced is not True and foot.lines <= whole.lines for foot in feet)


@given(st.sampled_from(READABLE), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 40), st.binary(max_size=8))))
@example(READABLE[0], [])
def test_any_damage_is_read_or_refused_and_sums_always_hold(sample, damage):
    for at, gone, noise in damage:
        sample = sample[:at] + noise + sample[at + gone :]
    events = outcome(sample)
    if events and isinstance(events[-1], str):
        assert events.pop().isprintable()
    lines = []
    for event in events:
        if isinstance(event, StatementOpened):
            lines = []
        elif isinstance(event, StatementLine):
            lines.append(event.amount.minor)
        else:
            assert event.lines == len(lines)
            assert event.credit_total.minor + event.debit_total.minor == sum(lines)


REFERENCES = st.from_regex(r"[A-Z][A-Z0-9]{1,15}", fullmatch=True).filter(lambda one: "REF" not in one)
WORDS = st.lists(st.from_regex(r"[a-z0-9Đđệ]{1,12}", fullmatch=True), min_size=1, max_size=30).map(" ".join)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["C", "D", "RC", "RD"]), st.integers(0, 10**11), st.dates(date(1980, 1, 1), date(2079, 12, 31)),
        st.integers(-180, 180), REFERENCES | st.just(""), REFERENCES | st.just(""), WORDS,
    ),
    max_size=12,
)  # fmt: skip


@given(st.sampled_from(["VND", "EUR", "KWD"]), st.integers(-(10**12), 10**12), LINES, st.sampled_from(["\n", "\r\n"]))
def test_what_a_writer_wrote_is_read_back(currency, opening, lines, ending):
    places = {"VND": 0, "EUR": 2, "KWD": 3}[currency]

    def amount(minor):
        digits = str(abs(minor)).zfill(places + 1)
        return f"{digits[: len(digits) - places]},{digits[len(digits) - places :]}"

    def balance(minor):
        return f"{'D' if minor < 0 else 'C'}260730{currency}{amount(minor)}"

    text, expected, total = [], [], opening
    for number, (mark, minor, value_on, days, own, bank, words) in enumerate(lines, 1):
        booked_on = value_on + timedelta(days=days)
        text += [
            f":61:{value_on:%y%m%d}{booked_on:%m%d}{mark}{amount(minor)}NTRF{own or 'NONREF'}{bank and '//' + bank}"
        ]
        wrapped = [words[at : at + 65] for at in range(0, len(words), 65)]
        if all(not one.startswith(" ") and not one.endswith(" ") for one in wrapped):
            text += [":86:" + "\n".join(wrapped)]
        else:
            text += [":86:" + words]
        signed = minor if mark in ("C", "RD") else -minor
        total += signed
        expected.append(
            StatementLine(
                number, 1, Money(signed, currency), booked_on, value_on, mark[0] == "R", bank or own,
                structured_reference=own if bank else "", narrative=words,
            )
        )  # fmt: skip
    data = message(*text, opening=balance(opening), closing=balance(total)).replace("\n", ending)
    head, got, foot = parts(data)
    assert (head.opening, got, foot.balanced) == (Money(opening, currency), expected, True)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [":61:260731C1,NTRFNONREF", ":61:2607310731D5,00NTRFA B//C", ":61:260731RC7,NTRF", ":61:260230C1,NTRF",
                 ":61:260731C1.5NTRFX", ":61:260731EC9,NTRF", ":61:260731D0,NTRF",
                 ":90D:1VND0,", ":62F:C260731VND1,", ":60F:C260731VND1,", ":86:", ":20:A",
                 ":25:1", ":28C:1", "-", "-}{1:F01X}{2:I940X}{4:", ":", "86:x", ":12:11", ":86:?20a?21b", "x" * 65]
            ),
            st.text("ab ?+/:-{\u00e9", max_size=12),
        ),
        max_size=14,
    )
)  # fmt: skip
def test_the_short_way_of_plain_lines_ends_where_the_long_way_does(pieces):
    data = (message(entry()) + "\n".join(one + more for one, more in pieces) + "\n").encode()
    assert outcome(data) == plain_outcome(data)


def plain_outcome(data):
    """What is read when every line is taken by itself, so that no run and no usual narrative is seen as one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mt940_fields, "_pieces", lambda text: [(f"{line}\n",) for line in text[:-1].split("\n")])
        patched.setattr(mt940_run, "read", None)
        patched.setattr(mt940_usual, "read", None)
        return outcome(data)


def told_in_all_ways(random, number):
    words = "tien dien PD12000012345 ky 07/2026 Nguy\u1ec5n Th\u1ecb \u00c1nh NONREF x".split()
    words += ["nha  rieng", "", *(["+84", "1+1", "so ?2", "/REMI/"] * (random.random() < 0.3))]
    text = " ".join(random.choices(words, k=random.randint(1, 28)))
    if random.random() < 0.5:
        mark, code = random.choice("???<~|"), random.choice(["166", "166", "109", "020", "20"])
        parts = [
            f"00CHUYEN KHOAN{mark}109310",
            f"20EREF+E2E{number}",
            f"21KREF+K{number}",
            f"22MREF+M{number}",
            "23CRED+C",
        ]
        parts += [f"{24 + at}{'SVWZ+' if not at else ''}{text[27 * at : 27 * at + 27]}" for at in range(4)]
        parts += ["30SAOMVNVX", f"31{number:013}", "32NGUYEN THI HOA VA CHONG LA B", "33INH", "34907"]
        kept = [one for one in parts if random.random() < 0.8]
        if random.random() < 0.2:
            kept.insert(random.randrange(len(kept) + 1), random.choice(["60 va nua", "38DE1", "20EREF+E", "32H", "x"]))
        text = "".join([code, *(f"{mark}{one}" for one in kept)])
    first, width = random.choice([(65, 65), (65, 65), (61, 65), (60, 60), (64, 64), (27, 27), (1000, 1), (1000, 1)])
    lines = [text[:first], *(text[at : at + width] for at in range(first, len(text), width))]
    if random.random() < 0.3:
        at, line = random.randrange(len(lines)), random.choice(lines)
        cut = random.randrange(len(line) + 1)
        lines[at] = (
            line[:cut] + random.choice(["", " ", "\u00a0", "+", "?", "?2", "\n", "EREF+", "SVWZ+"]) + line[cut + 1 :]
        )
    return "\n".join(lines)


def test_a_usual_narrative_is_read_as_any_other_and_most_of_many_kinds_are_usual():
    random, taken = Random(940), Counter()
    plainly = mt940_narrative.read
    for number in range(20_000):
        text = told_in_all_ways(random, number)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(mt940_narrative, "read", lambda _: None)
            told = mt940_usual.read(text)
        assert told in (None, tuple(plainly(text))), text
        kind = "text" if text[:1].isalpha() else "subfields"
        taken[kind, "wrapped" if "\n" in text else "one line", told is not None] += 1
    for kind in ("text", "subfields"):
        for width in ("wrapped", "one line"):
            assert taken[kind, width, True] > 500
            assert taken[kind, width, False] > 50  # so that the plain way is compared within a file too


def test_a_file_of_many_kinds_of_entries_is_read_in_runs_as_line_by_line_wherever_its_blocks_end():
    random, in_runs = Random(942), 0
    for _ in range(60):
        lines = []
        for number in range(random.randint(1, 60)):
            rest = random.choice(
                ["C100,NTRFNONREF//FT", "D7,NTRFHD", "C0,NMSCHD//NONREF", "C5,NTRF//X\nNL70ABNA0987654321"]
            )
            if random.random() < 0.02:
                rest = random.choice(["RC1,NTRF", "C1,00NTRF", "EC9,NTRF", "C1,5NTRF"])
            on = random.choice(["260731", "2607310731", "2512310102"] + ["260230", "260631"] * (random.random() < 0.01))
            lines += [
                entry(rest if rest[-1] == "1" else f"{rest}{number}", on),
                f":86:{told_in_all_ways(random, number)}",
            ]
        data = message(*lines, closing="C260731VND1,").replace("\n", random.choice(["\n", "\r\n", "\r"])).encode()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(mt940_text, "CHUNK", random.choice([17, 100, 1000, 50_000]))
            patched.setattr(mt940_fields, "MAX_FIELD", random.choice([600, 3000, 65_536]))
            assert outcome(data) == plain_outcome(data)
            try:
                in_runs += sum(len(run) for *_, run in mt940_fields.fields(io.BytesIO(data)) if run)
            except Unreadable:
                continue
    assert in_runs > 600


@given(st.lists(st.sampled_from([0, 1, 27, 60, 61, 62, 64, 65, 66]), min_size=2, max_size=6))
def test_lines_are_joined_one_by_one_with_a_space_after_short_ones(lengths):
    lines = ["x" * length for length in lengths]
    text = lines[0]
    before = len(text) + 4 if len(text) in (60, 61) else len(text)
    for line in lines[1:]:
        text += line if before >= 65 else f" {line}"
        before = len(line)
    assert mt940_narrative.unwrapped("\n".join(lines)) == " ".join(text.split())


def outcome(data):
    events = []
    try:
        for event in mt940.read(io.BytesIO(data)):
            events.append(event)
    except Unreadable as error:
        events.append(str(error))
    return events


def test_the_line_is_that_of_the_entry_far_down_a_long_file():
    pair = [entry(), ":86:tien\ndien"]
    for wrong in ("C1,5NTRFNONREF", "X"):
        told = refusal(message(*pair * 5000, entry(wrong), *pair[1:], *pair))
        assert told.startswith("message 1, :61: 5001, line 15005: expected ")


def test_lines_that_are_not_plain_take_time_in_proportion_to_their_number():
    odd = message(*[entry("RC1,NTRFNONREF"), ":86:x"] * 20_000).encode()
    started = time.process_time()
    assert len(read(odd)) == 20_002
    assert time.process_time() - started < 6  # a look through the rest of the text at each would take a minute


def test_a_narrative_of_many_lines_is_refused_when_it_is_longer_than_a_field_may_be():
    long = [entry(), ":86:x", *["y" * 60] * 1100]
    told = refusal(message(*[entry(), ":86:x"] * 100, *long, entry()))
    assert told == "line 206: expected at most 65536 characters in :86:, got more"
    *_, line, _ = read(message(*[entry(), ":86:x"] * 100, *long[:1070]))
    assert len(line.narrative) > 65_000


def test_nearly_all_lines_of_a_plain_file_go_the_short_way():
    data = message(*[entry(), ":86:tien dien PD12000012345\nthang 07/2026"] * 1000, closing="C260731VND100000,")
    whole = sum(len(run) for *_, run in mt940_fields.fields(io.BytesIO(data.encode())) if run)
    assert whole > 990


class Generated:
    """A stream that makes its content as it is read: a million lines need not exist at once."""

    def __init__(self, *pieces):
        self.pieces, self.rest = iter(pieces), b""

    def read(self, size=-1, /):
        while len(self.rest) < size and (piece := next(self.pieces, None)) is not None:
            self.rest += piece
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


def test_memory_stays_flat_over_a_hundred_thousand_lines():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    one = f"{entry()}\n:86:PD12000012345 tien dien thang 07/2026\n".encode() * 100
    before, after = message("@", closing="C260731VND10000000,").encode().split(b"@\n")
    lines, start, most = 0, resident(), 0
    for event in statements.read(Generated(before, *[one] * 1000, after)):
        lines += isinstance(event, StatementLine)
        if lines % 10_000 == 0:
            most = max(most, resident() - start)
    assert lines == 100_000
    assert event.balanced is True
    assert most < 8_000_000


def test_what_is_not_swift_is_left_to_others():
    for data in (b"account;amount\n:x:1\n", b"<html>\n:20:X\n</html>", b"PK\x03\x04\0\0\n:20:X\n", b"", b"\n:20 X\n"):
        assert not mt940.recognise(data)
