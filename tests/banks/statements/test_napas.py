"""NAPAS files: what agrees becomes lines, what does not is kept for people, a wrong checksum refuses the file."""

import hashlib
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Misconfigured, Unreadable
from banks.money import dong
from banks.records import StatementClosed, StatementKind, StatementLine, StatementOpened
from banks.statements import napas

KEY = "sandbox-key-of-no-use-elsewhere"
CORPUS = Path(__file__).parents[2] / "corpus" / "napas"
PROVEN_BY = napas.checksum("md5-suffix", KEY)


def keyed(text):
    return hashlib.md5(text.encode() + KEY.encode()).hexdigest()


def header(rev="  971003", day="18112026"):
    return f"HR[REV]{rev}[DATE]{day}"


def detail(number=1, **changed):
    fields = {
        "MTI": "0210", "F2": "   9704000000000018", "F3": "910000", "F4": f"{84496000 + number * 100:012}",
        "F49": "704", "F11": f"{number:06}", "F12": "103105", "F13": "1118", "F15": "1118", "ACQ": "  971003",
        "MID": "DIENLUC        ", "F37": f"{745811060000 + number}", "TRN": "5118IBT1aQGDB517", "RRC": "0000",
        "RSV1": " " * 20, **changed,
    }  # fmt: skip
    text = "DR" + "".join(f"[{tag}]{value}" for tag, value in fields.items() if value is not None) + "[CSR]"
    return text + keyed(text)


def trailer(count):
    text = f"TR[NOT]{count:09}[CRE]          sandbox[TIME]041507[DATE]19112026[CSF]"
    return text + keyed(text)


def made(*details, count=None, end="\r\n"):
    lines = [header(), *details, trailer(len(details) if count is None else count)]
    return end.join([*lines, ""]).encode()


def read(data, proven_by=PROVEN_BY):
    own = [statements.Format("napas-keyed", napas.EXPECTED, napas.recognise, lambda s: napas.read(s, proven_by))]
    return list(statements.read(io.BytesIO(data), own=own))


def refusal(data):
    with pytest.raises(Unreadable) as refused:
        read(data)
    return str(refused.value)


def test_a_settled_file():
    opened, first, second, closed = read(made(detail(1), detail(2)))
    assert opened == StatementOpened(
        format="napas", kind=StatementKind.NOTICE, id="971003-20261118-TC", account="971003", currency="VND",
        from_on=date(2026, 11, 18), to_on=date(2026, 11, 18),
    )  # fmt: skip
    assert first == StatementLine(
        entry=1, transaction=1, amount=dong(844_961), booked_on=date(2026, 11, 18), value_on=date(2026, 11, 18),
        bank_reference="745811060001", counterparty_account="9704000000000018",
        structured_reference="5118IBT1aQGDB517", narrative="DIENLUC",
    )  # fmt: skip
    assert second.amount == dong(844_962)
    assert closed == StatementClosed("971003-20261118-TC", 2, dong(1_689_923), dong(0), None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_line_ends_do_not_matter(end):
    assert read(made(detail(), end=end)) == read(made(detail()))


def test_a_reversal_takes_the_money_back():
    _, line, closed = read(made(detail(MTI="0420")))
    assert (line.amount, line.reversal) == (dong(-844_961), True)
    assert (closed.credit_total, closed.debit_total) == (dong(0), dong(-844_961))


def test_what_only_one_side_has_is_told_to_people():
    opened, line, closed = read(made(detail(1, RRC="0115"), detail(2, RRC="0117"), detail(3, RRC="0116")))
    assert opened.id == "971003-20261118-SL"
    assert line.bank_reference == "745811060001"
    assert (closed.lines, closed.left_out) == (1, 2)
    assert closed.faults == (
        "line 2: transaction 745811060001: only NAPAS has it (RRC 0115)",
        "line 3: transaction 745811060002: only we have it (RRC 0117)",
        "line 4: transaction 745811060003: it is not agreed (RRC 0116)",
    )


def test_a_day_without_transactions_is_a_file_too():
    opened, closed = read(made())
    assert (opened.id, closed.lines, closed.faults) == ("971003-20261118-TC", 0, ())


def test_a_trailer_that_counts_otherwise():
    assert read(made(detail(), count=2))[-1].faults == ("the trailer says 2 transactions, the file lists 1",)


@pytest.mark.parametrize(("written", "meant"), [("1231", date(2025, 12, 31)), ("0102", date(2026, 1, 2))])
def test_a_day_without_a_year_lies_near_the_files(written, meant):
    data = made(detail(F13=written)).replace(b"18112026", b"02012026")
    assert read(data)[1].value_on == meant


def test_without_a_key_the_form_of_a_checksum_is_all_that_is_asked():
    data = made(detail()).replace(b"[CSR]" + keyed(detail()[:-32]).encode(), b"[CSR]" + b"0" * 32)
    assert len(read(data, proven_by=None)) == 3
    assert refusal(data) == "line 2, CSR: expected the checksum of this line by our key, got another one"


@pytest.mark.parametrize("scheme", ["md5-suffix", "md5-prefix", "hmac-md5"])
def test_every_scheme_depends_on_the_key(scheme):
    assert napas.checksum(scheme, "one")(b"text") != napas.checksum(scheme, "other")(b"text")


def test_a_scheme_nobody_knows():
    with pytest.raises(Misconfigured, match="expected a NAPAS checksum among md5-suffix"):
        napas.checksum("crc", KEY)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (made(detail())[:-80], "CSF: expected a checksum"),
        (
            made(detail()).partition(b"TR[NOT")[0],
            "line 2: expected a trailer TR at the end, got none: the file is cut off",
        ),
        (made(detail()) + detail().encode(), "line 4: expected nothing behind the trailer"),
        (made(detail(F4="12a")), "line 2, F4: expected 1 to 15 digits"),
        (made(detail(F4="000000000150")), "line 2, F4: expected hundredths of a đồng that make whole đồng"),
        (made(detail(F4="")), "line 2, F4"),
        (made(detail(F4=None)), "line 2, F4: expected this tag, got none"),
        (made(detail(F49="840")), "line 2, F49: expected currency 704 (VND), got '840'"),
        (made(detail(MTI="0800")), "line 2, MTI"),
        (made(detail(F15="1332")), "line 2, F15: expected a day as MMDD"),
        (made(detail(), "XX[MTI]0210"), "line 3: expected a line that begins with HR, DR or TR"),
        (made(detail(RSV1="[F4]000000000100")), "line 2, F4: expected each tag once"),
        (made("DR[MTI]" + "0" * napas.MAX_LINE), "line 2: expected lines of at most 8192 bytes"),
        (header(day="31112026").encode() + b"\n", "line 1, DATE: expected a day as ddMMyyyy"),
    ],
)
def test_what_is_refused(data, said):
    assert said in refusal(data)


@pytest.mark.parametrize(
    ("name", "amounts", "faults"),
    [("settled", [844_961, 844_962, -844_963], 0), ("differences", [844_961], 2)],
)
def test_kept_files_are_read(name, amounts, faults):
    opened, *lines, closed = read((CORPUS / f"{name}.napas.txt").read_bytes())
    assert opened.id == f"971003-20261118-{'SL' if faults else 'TC'}"
    assert [line.amount.minor for line in lines] == amounts
    assert len(closed.faults) == faults


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("amount-changed", "line 3, CSR: expected the checksum of this line by our key, got another one"),
        ("tags-behind-checksum", "line 3, CSR: expected a checksum of 32 hex digits at the end of the line"),
        ("cut-off", "line 4: expected a trailer TR at the end, got none: the file is cut off"),
    ],
)
def test_kept_files_are_refused(name, said):
    assert refusal((CORPUS / f"unreadable-{name}.napas.txt").read_bytes()) == said


def test_every_kept_file_has_its_verdict():
    names = {path.name.removesuffix(".napas.txt") for path in CORPUS.iterdir()}
    refused = {f"unreadable-{name}" for name in ("amount-changed", "tags-behind-checksum", "cut-off")}
    assert names == {"settled", "differences"} | refused


@pytest.mark.parametrize("proven_by", [PROVEN_BY, None], ids=["keyed", "unkeyed"])
def test_what_stands_behind_a_checksum_is_never_read(proven_by):
    for line in (detail() + "[RSV3]more", trailer(1) + "[NOT2]1"):
        data = made(detail()).replace(line.partition("[RSV3]")[0].partition("[NOT2]")[0].encode(), line.encode())
        with pytest.raises(Unreadable, match="at the end of the line"):
            read(data, proven_by)


def test_white_space_behind_a_checksum_is_none():
    assert read(made(detail() + "  ")) == read(made(detail()))


def test_no_account_stands_in_a_refusal():
    assert "9704" not in refusal(made(detail(F4="x")))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(data):
    whole = made(detail(1), detail(2))
    at, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    try:
        events = read(changed)
    except Unreadable:
        return
    # Only the header carries no checksum of its own, and a checksum may be written in either case.
    before = read(whole)
    assert [e for e in events if isinstance(e, StatementLine)] == [
        e for e in before if isinstance(e, StatementLine)
    ] or (changed.splitlines()[0] != whole.splitlines()[0])
