"""Bills in: rows are read strictly, each refusal names its place, and an import is taken whole or not at all."""

import csv
import io
import re

import pytest

from gateway import bill_import, jobs
from gateway.bill_import import ImportRefused, read_bill, rows_of_csv, take_in
from gateway.database import transaction
from tests.gateway.samples import a_bill, a_debit_bill, an_event, code_of

EVERYTHING = """
    SELECT 'bill' || id, xmin::text FROM bills UNION ALL SELECT 'customer' || id, xmin::text FROM customers
    UNION ALL SELECT 'entry' || id, xmin::text FROM entries
    UNION ALL SELECT 'message' || id, xmin::text FROM messages
    UNION ALL SELECT 'transition' || id, xmin::text FROM transitions ORDER BY 1
"""
"""Every row an import may touch with the transaction that wrote it last."""


def a_file(*bills, columns=bill_import.COLUMNS, end="\n"):
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, extrasaction="ignore", lineterminator=end)
    writer.writeheader()
    writer.writerows(bills)
    return io.StringIO(written.getvalue(), newline="")


def refusals(rows):
    with pytest.raises(ImportRefused) as refused:
        list(rows)
    return refused.value.problems


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_come_with_the_line_they_end_on(sealer):
    rows = list(rows_of_csv(a_file(a_bill(1, office="hai\ndòng"), a_bill(2), end="\r\n")))
    assert [place for place, _ in rows] == ["line 3", "line 4"]
    assert read_bill("line 4", rows[1][1], sealer).number == "HD2611-0000002"


def test_columns_may_stand_in_any_order_and_those_with_a_usual_value_may_be_missing(sealer):
    needed = ["payment_code", "due_on", "issued_on", "amount", "charge", "kwh", "period", "customer_code", "number"]
    whole = a_bill(charge="100000", amount="100000")
    [(place, row)] = rows_of_csv(io.StringIO("\ufeff" + a_file(whole, columns=needed).getvalue()))
    read = read_bill(place, row, sealer)
    assert (read.version, read.language, read.consent, read.office, read.tax_minor) == (1, "vi", True, "", 0)
    assert (read.charge_on, read.bank, read.phone_sealed, read.phone_hash, read.phone_tail) == (
        None,
        "",
        None,
        None,
        "",
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "missing number, customer_code"),
        ("number;version;customer_code\n", "missing number, customer_code"),
        (",".join([*bill_import.COLUMNS, "colour"]), "unknown colour"),
        (",".join([*bill_import.COLUMNS, "amount"]), "twice amount"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_in_words(written, said):
    [problem] = refusals(rows_of_csv(io.StringIO(written)))
    assert problem.startswith("line 1: expected the columns number, version, ")
    assert said in problem


@pytest.mark.parametrize("tail", ['"open quote', '"quote"in the middle,1', "x" * 200_000])
def test_what_is_not_csv_is_refused_with_the_line(tail):
    written = a_file(a_bill(1)).getvalue() + tail
    [problem] = refusals(rows_of_csv(io.StringIO(written)))
    assert problem.startswith("line 3: not CSV: ")


def test_a_file_of_nothing_but_a_header_is_no_bills(wiring):
    with transaction(wiring.engine) as session:
        assert list(take_in(session, wiring, rows_of_csv(a_file()))) == []


# ── one row ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_is_read_whole_with_its_phone_sealed_and_renumbered(sealer):
    row = a_debit_bill(phone="0162 123 4567", consent="0", language="en", version="3", kwh="312")
    read = read_bill("line 2", row, sealer)
    assert (read.place, read.number, read.version, read.kwh) == ("line 2", "HD2611-0000001", 3, 312)
    assert (read.minor, read.charge_minor, read.tax_minor, read.arrears_minor) == (100_000, 90_000, 9_000, 1_000)
    assert (read.bank, str(read.charge_on), read.consent, read.language) == ("standard", "2026-11-25", False, "en")
    assert sealer.open(read.phone_sealed, "customers.msisdn") == b"+84321234567"
    assert read.phone_hash == sealer.blind("+84321234567", "msisdn")
    assert read.phone_tail == "567"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": ""}, "number: expected a value, got none"),
        ({"number": "  "}, "number: expected a value, got none"),
        ({"number": "hd1"}, "number: expected 3 to 32 capital letters, digits, - / _ ., got 'hd1'"),
        ({"number": "H" * 33}, "number: expected 3 to 32 capital letters"),
        ({"customer_code": "=CMD()"}, "customer_code: expected 3 to 32"),
        ({"payment_code": "PA 1"}, "payment_code: expected 3 to 32"),
        ({"payment_code": "PẠ001"}, "payment_code: expected 3 to 32"),
        ({"period": "13/2026"}, "period: expected M/YYYY or M-N/YYYY, got '13/2026'"),
        ({"period": "2026-11"}, "period: expected M/YYYY"),
        ({"language": "fr"}, "language: expected vi or en, got 'fr'"),
        ({"consent": "yes"}, "consent: expected 1 or 0, got 'yes'"),
        ({"kwh": "12.5"}, "kwh: expected a whole number, got '12.5'"),
        ({"kwh": "-1"}, "kwh: expected a whole number, got '-1'"),
        ({"kwh": "٣"}, "kwh: expected a whole number"),
        ({"version": "0"}, "version: expected 1 to 999, got '0'"),
        ({"version": "40000"}, "version: expected 1 to 999, got '40000'"),
        ({"version": "v2"}, "version: expected a whole number, got 'v2'"),
        ({"charge": "90.000"}, "amount: expected charge + tax + arrears = 10090, got '100000'"),
        ({"charge": "90000,00"}, "charge: expected an amount in plain digits, got '90000,00'"),
        ({"charge": "90000.50"}, "charge: VND has 0 decimal places, got '90000.50'"),
        ({"tax": "-1"}, "tax: expected no negative amount, got '-1'"),
        ({"amount": "1e5"}, "amount: expected an amount in plain digits, got '1e5'"),
        ({"amount": "100001"}, "amount: expected charge + tax + arrears = 100000, got '100001'"),
        ({"amount": "0", "charge": "0", "tax": "0", "arrears": "0"}, "amount: expected more than nothing, got '0'"),
        ({"charge": "1" + "0" * 15}, "charge: expected an amount below"),
        ({"issued_on": "16/11/2026"}, "issued_on: expected a day as 20YY-MM-DD, got '16/11/2026'"),
        ({"due_on": "2026-02-30"}, "due_on: expected a day as 20YY-MM-DD, got '2026-02-30'"),
        ({"due_on": "20261125"}, "due_on: expected a day as 20YY-MM-DD"),
        ({"charge_on": "0001-01-01"}, "charge_on: expected a day as 20YY-MM-DD"),
        ({"phone": "024 3825 1234"}, "phone: expected a Vietnamese mobile number"),
        ({"office": "x" * 61}, "office: expected at most 60 characters"),
        ({"office": "a\0b"}, "office: expected at most 60 characters without control characters"),
        ({"bank": "sao\nmai"}, "bank: expected at most 60 characters without control characters"),
        ({None: ["1"]}, "expected as many values as the header has columns, got more"),
    ],
)
def test_a_row_that_is_wrong_says_in_which_field_and_what_was_expected(sealer, change, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_bill("line 2", a_bill() | change, sealer)


def test_a_bank_that_is_not_set_up_is_refused_with_its_place_and_those_that_are(wiring, rows):
    known = ", ".join(sorted(wiring.settings.banks))
    with transaction(wiring.engine) as session:
        file = rows_of_csv(a_file(a_bill(1), a_debit_bill(2, bank="khongco"), a_debit_bill(3)))
        said = refusals(take_in(session, wiring, file))
    assert said == [f"line 3: bank: expected one of the banks {known}, or none, got 'khongco'"]
    wiring.settings.banks.clear()
    with transaction(wiring.engine) as session:
        said = refusals(take_in(session, wiring, rows_of_csv(a_file(a_debit_bill(2)))))
    assert said == ["line 2: bank: expected none, as no bank is set up, got 'standard'"]
    assert rows("SELECT id FROM bills ORDER BY id") == []


def test_a_refused_phone_number_is_not_repeated(sealer):
    with pytest.raises(ValueError, match=r"got \*+123") as refused:
        read_bill("line 2", a_bill(phone="0243825123"), sealer)
    assert "3825" not in str(refused.value)


# ── the import ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_a_customer_s_name_only_the_first_letters_are_taken(sealer):
    assert read_bill("line 2", a_bill(customer_name=" Nguyễn  Văn Ánh "), sealer).name_masked == "N··· V·· Á··"
    assert read_bill("line 2", a_bill(), sealer).name_masked == ""


@pytest.mark.parametrize("name", ["Nguyen " * 40, "Nguyen\x07Van"])
def test_a_refused_name_is_not_repeated(sealer, name):
    with pytest.raises(ValueError, match="customer_name: expected at most 200 characters") as refusal:
        read_bill("line 2", a_bill(customer_name=name), sealer)
    assert "Nguyen" not in str(refusal.value)


def test_bills_are_booked_and_a_second_time_changes_no_row(issue, rows, sound):
    bills = [a_debit_bill(1), a_bill(2), a_bill(3, phone="")]
    assert issue(*bills).new == 3
    before = rows(EVERYTHING)
    assert len([name for name, _ in before if name.startswith("message")]) == 1
    again = issue(*bills)
    assert (again.new, again.replaced, again.unchanged) == (0, 0, 3)
    assert rows(EVERYTHING) == before


def test_a_later_version_supersedes_and_the_earlier_one_again_changes_nothing(issue, rows, one, sound):
    issue(a_debit_bill())
    done = issue(a_debit_bill(version="2", charge="40000", amount="50000"))
    assert (done.new, done.replaced, done.unchanged) == (0, 1, 0)
    assert rows("SELECT version, state, minor FROM bills ORDER BY 1") == [(1, "replaced", 100_000), (2, "open", 50_000)]
    assert rows("SELECT version, state FROM messages ORDER BY 1") == [(1, "withdrawn"), (2, "queued")]
    assert one("SELECT sum(minor) FROM postings WHERE account = 'receivable'") == 50_000
    before = rows(EVERYTHING)
    assert issue(a_debit_bill()).unchanged == 1
    assert rows(EVERYTHING) == before


def problems_of(issue, *bills):
    with pytest.raises(ImportRefused) as refused:
        issue(*bills)
    return refused.value.problems


@pytest.mark.parametrize(
    ("bills", "said"),
    [
        (
            [a_bill(1, charge="90001", amount="100001")],
            "line 2: bill HD2611-0000001 version 1 is known with other content",
        ),
        ([a_bill(2, payment_code=code_of(1))], f"line 2: payment code {code_of(1)} belongs to bill HD2611-0000001"),
        ([a_bill(2), a_bill(3, payment_code=code_of(2))], f"line 3: payment code {code_of(2)} stands for bill"),
        ([a_bill(2), a_bill(2)], "line 3: bill HD2611-0000002 stands in line 2 too"),
        ([a_bill(1, version="2", customer_code="PB00000000009")], "line 2: bill HD2611-0000001 belongs to customer"),
    ],
)
def test_what_contradicts_the_books_is_refused_with_its_line_and_nothing_changes(issue, rows, sound, bills, said):
    issue(a_bill(1))
    before = rows(EVERYTHING)
    problems = problems_of(issue, *bills, a_bill(8))
    assert any(problem.startswith(said) for problem in problems), problems
    assert rows(EVERYTHING) == before


def test_a_bad_row_in_a_later_batch_takes_the_whole_import_back(issue, rows, monkeypatch):
    monkeypatch.setattr(bill_import, "_BATCH", 2)
    bills = [a_bill(number) for number in range(1, 8)]
    bills[4]["amount"] = "1"
    bills[6]["period"] = "never"
    problems = problems_of(issue, *bills)
    assert [problem.partition(":")[0] for problem in problems] == ["line 6", "line 8"]
    assert rows(EVERYTHING) == []
    assert issue(*(a_bill(number) for number in range(1, 8))).new == 7


def test_of_very_many_problems_twenty_are_named(issue, rows):
    problems = problems_of(issue, *(a_bill(number, kwh="x") for number in range(1, 60)))
    assert len(problems) == 20
    assert problems[0].startswith("line 2: kwh")
    assert rows(EVERYTHING) == []


def test_a_payment_that_came_before_its_bill_finds_it(web, wiring, issue, one, monkeypatch, sound):
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    signed = an_event(wiring)
    web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers))
    jobs.read_callbacks()
    assert one("SELECT matched_minor FROM payments") == 0
    assert issue(a_bill(1)).matched == 1
    assert one("SELECT state FROM bills") == "paid"
