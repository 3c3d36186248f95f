"""A bank's own table says what was asked, as the standard library reads it, and hides no formula."""

import csv
import hashlib
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.collections import debit_table
from banks.collections.debit_table import DATES, FIELDS, DebitTable
from banks.collections.debits import Debit, Limits, SequenceType
from banks.collections.written import Written
from banks.errors import Misconfigured
from banks.money import Money, dong
from tests.banks.collections.asked import DEBIT, US, heads_of, in_order, many
from tests.banks.collections.test_recalls import HEAD as RECALLS
from tests.banks.collections.test_recalls import RECALL

WHOLE = DebitTable(columns={name: f"Cột {name}" for name in FIELDS})
SMALL = DebitTable(columns={"end_to_end_id": "Mã", "account": "Tài khoản", "amount": "Số tiền"})


def made(debits, table=WHOLE, **more):
    out = io.BytesIO()
    written = debit_table.write(out, iter(debits), heads_of(debits), message_id="M1", creditor=US, table=table, **more)
    return out.getvalue(), written


def day(written, form):
    parts = {letter: "".join(written[at] for at, one in enumerate(form) if one == letter) for letter in "ymd"}
    return date(int(parts["y"]), int(parts["m"]), int(parts["d"]))


def read_back(data, table):
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=table.separator))
    assert rows[0] == list(table.columns.values())
    found = []
    for row in rows[1:]:
        told = dict(zip(table.columns, row, strict=True))
        days = {name: day(told[name], table.dates) for name in ("collect_on", "mandate_signed_on")}
        plain = told["amount"].replace(table.thousands, "") if table.thousands else told["amount"]
        amount = Money.parse(plain.replace(table.decimal, "."), told.pop("currency"))
        found.append(Debit(**{**told, **days, "amount": amount, "sequence": SequenceType(told["sequence"])}))
    return found


def test_a_small_table_to_the_byte():
    debits = [DEBIT, replace(DEBIT, end_to_end_id="E,2", amount=dong(5))]
    data, written = made(debits, replace(SMALL, trailer=("Tổng", "{count}", "{sum}"), thousands="."))
    assert data.decode() == (
        'Mã,Tài khoản,Số tiền\r\nHD2611000001-1,0011000999888,844.960\r\n"E,2",0011000999888,5\r\nTổng,2,844.965\r\n'
    )
    assert written == Written("M1", 2, dong(844_965), 1, len(data), hashlib.sha256(data).hexdigest())


def test_the_marks_of_a_file():
    data, _ = made(many(700), replace(SMALL, byte_order_mark=True, separator="\t", header=False, line_end="\n"))
    assert data.startswith(b"\xef\xbb\xbfHD26110")
    assert data.count(b"\xef\xbb\xbf") == 1
    assert (data.count(b"\n"), data.count(b"\t"), data.count(b"\r")) == (700, 1400, 0)


@settings(deadline=None, max_examples=60)
@given(
    told=st.lists(
        st.tuples(
            st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=20)
            .map(lambda text: "x" + " ".join(text.split())).map(str.strip),
            st.integers(1, 10**12), st.sampled_from(SequenceType), st.dates(DEBIT.collect_on, date(2027, 1, 1)),
        ),
        min_size=1, max_size=5,
    ),
    separator=st.sampled_from([",", ";", "|", "\t"]),
    dates=st.sampled_from(sorted(DATES)),
    marks=st.sampled_from([("", "."), (".", ","), (",", "."), (" ", ","), ("'", ".")]),
    byte_order_mark=st.booleans(),
    currency=st.sampled_from(["VND", "USD"]),
)  # fmt: skip
def test_any_debit_survives(told, separator, dates, marks, byte_order_mark, currency):
    debits = in_order(
        replace(
            DEBIT, end_to_end_id=f"E{number}", debtor=text, narrative=text, amount=Money(minor, currency),
            sequence=sequence, collect_on=day,
        )
        for number, (text, minor, sequence, day) in enumerate(told)
    )  # fmt: skip
    table = replace(
        WHOLE, separator=separator, dates=dates, thousands=marks[0], decimal=marks[1], byte_order_mark=byte_order_mark
    )
    data, _ = made(debits, table, currency=currency)
    assert read_back(data, table) == debits


@pytest.mark.parametrize("sign", "=+-@")
@pytest.mark.parametrize("field", ["debtor", "narrative"])
def test_a_formula_is_refused_and_not_mended(sign, field):
    with pytest.raises(Misconfigured) as refused:
        made([replace(DEBIT, **{field: f"{sign}cmd|' /C calc'!A0"})])
    assert str(refused.value) == (
        f"debit 'HD2611000001-1', {field}: expected no {sign!r} at its beginning, which a spreadsheet takes for a"
        " formula"
    )


def test_an_id_may_be_a_formula_too():
    with pytest.raises(Misconfigured, match="end_to_end_id: expected no '-' at its beginning"):
        made([replace(DEBIT, end_to_end_id="-1")], SMALL)


def test_every_check_of_a_debit_file_is_made():
    with pytest.raises(Misconfigured, match="account: expected 4 to 34 digits"):
        made([replace(DEBIT, account="1")])
    with pytest.raises(Misconfigured, match="expected at most 1 debits at this bank"):
        made([DEBIT, DEBIT], limits=Limits(debits=1))
    with pytest.raises(Misconfigured, match="expected no more debits than the heads promised"):
        debit_table.write(io.BytesIO(), [DEBIT] * 2, heads_of([DEBIT]), message_id="M1", creditor=US, table=SMALL)
    with pytest.raises(Misconfigured, match="as its head promised, got 1 of"):
        debit_table.write(io.BytesIO(), [DEBIT], heads_of([DEBIT] * 2), message_id="M1", creditor=US, table=SMALL)


def test_debits_are_called_back_by_a_table_too():
    out = io.BytesIO()
    table = DebitTable(columns={"message_id": "Tệp", "end_to_end_id": "Mã", "amount": "Số tiền", "reason": "Lý do"})
    written = debit_table.write_recalls(
        out, [RECALL], [RECALLS], message_id="R1", creditor=US, table=replace(table, trailer=("{count}", "{sum}"))
    )
    assert out.getvalue().decode() == "Tệp,Mã,Số tiền,Lý do\r\nRUN-1,HD2611000001-1,844960,PAID\r\n1,844960\r\n"
    assert (written.debits, written.total) == (1, dong(844_960))
    with pytest.raises(Misconfigured, match="expected no more debits"):
        debit_table.write_recalls(out, [RECALL] * 2, [RECALLS], message_id="R1", creditor=US, table=table)
