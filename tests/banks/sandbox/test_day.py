import io
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from banks import profile as bank_profiles
from banks.records import PaymentNotice
from banks.sandbox import faults
from banks.sandbox.bills import make_bills
from banks.sandbox.day import Plan, plan_day
from banks.sandbox.files import PlannedFile
from banks.sandbox.transactions import DayDates, SandboxBank, SandboxBanks, Transaction

DATES = DayDates(date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24))
CODE = re.compile(r"P[A-Z][0-9]{16}|P[A-Z][0-9]{11}|HD[0-9]{4}-[0-9]{7}")
SIZES = [(20, 1), (25, 2), (137, 3), (2_000, 1), (2_000, 2), (4_321, 5)]


def plan_of(count: int, seed: int) -> Plan:
    return plan_day(make_bills(count, seed, date(2026, 11, 5), DATES.debit_on, date(2026, 11, 30)), seed, DATES)


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}-bills-seed-{size[1]}")
def plan(request: pytest.FixtureRequest) -> Plan:
    return plan_of(*request.param)


def of_fault(plan: Plan, code: str) -> list[tuple[Transaction, ...]]:
    """Per fault of `code`, its transactions in order of time."""
    known = {each.reference: each for each in plan.transactions}
    found = [[known[reference] for reference in fault.references] for fault in plan.faults if fault.code == code]
    return [tuple(sorted(each, key=lambda one: one.paid_at)) for each in found]


def notices(plan: Plan) -> dict[str, PaymentNotice]:
    """What the profiles read in the planned callbacks, by reference."""
    return {each.reference: bank_profiles.find(each.profile).read(each.request) for each in plan.callbacks}


def written(file: PlannedFile) -> bytes:
    stream = io.BytesIO()
    file.write(stream)
    return stream.getvalue()


def on_statements(plan: Plan) -> Counter[tuple[str, str]]:
    return Counter((f.bank, line.bank_reference) for f in plan.files if not f.repeats for line in f.lines)


def test_two_thousand_bills_have_the_numbers_agreed() -> None:
    expected = plan_of(2_000, 11).expected
    assert expected["mismatches"] == {
        "M01": 6, "M02": 8, "M03": 10, "M04": 4, "M06": 3, "M08": 12, "M12": 5, "M13": 1, "M14": 2,
    }  # fmt: skip
    assert expected["bills"] == 2_000
    assert expected["unpaid_bills"] == pytest.approx(160, abs=10)


def test_fault_counts_grow_with_the_bills_and_are_never_none() -> None:
    small, large = faults.counts(1), faults.counts(158_000)
    assert min(small.values()) == 1
    assert small["M03"] == 2
    assert (large["M01"], large["M08"], large["M13"], large["M14"]) == (474, 948, 1, 2)


def test_planned_faults_are_the_counts(plan: Plan) -> None:
    assert plan.expected["mismatches"] == dict(faults.counts(len(plan.bills)))
    assert Counter(fault.code for fault in plan.faults) == Counter(faults.counts(len(plan.bills)))


def test_no_bill_has_two_faults_and_each_is_dealt_out_once(plan: Plan) -> None:
    numbers = [fault.bill for fault in plan.faults if fault.bill]
    assert len(numbers) == len(set(numbers))
    twice = {fault.bill for fault in plan.faults if fault.code in ("M04", "M06")}
    for number, many in Counter(each.bill.number for each in plan.transactions if each.bill).items():
        assert many == (2 if number in twice else 1)


def test_m01_is_called_and_never_booked(plan: Plan) -> None:
    booked = on_statements(plan)
    for (payment,) in of_fault(plan, "M01"):
        assert payment.called_at
        assert (payment.bank.name, payment.reference) not in booked
        assert payment.settles == payment.minor


def test_m02_is_booked_with_its_payment_code_and_never_called(plan: Plan) -> None:
    called = {each.reference for each in plan.callbacks}
    for (payment,) in of_fault(plan, "M02"):
        assert payment.reference not in called
        assert on_statements(plan)["standard", payment.reference] == 1
        assert payment.bill is not None
        assert payment.bill.payment_code in payment.narrative.upper()


def test_m03_is_half_short_half_over_and_both_doors_agree(plan: Plan) -> None:
    told = notices(plan)
    lines = {line.bank_reference: line for file in plan.files for line in file.lines}
    differences = []
    for (payment,) in of_fault(plan, "M03"):
        assert payment.bill is not None
        assert told[payment.reference].amount == lines[payment.reference].amount
        assert payment.bill.payment_code in lines[payment.reference].narrative.upper()
        differences.append(payment.minor - payment.bill.amount)
        assert payment.settles == min(payment.minor, payment.bill.amount)
    short = sum(difference < 0 for difference in differences)
    assert short == (len(differences) + 1) // 2
    assert min(map(abs, differences)) >= 1_000


@pytest.mark.parametrize(("code", "banks"), [("M04", ["standard", "vnpay"]), ("M06", ["standard", "standard"])])
def test_second_payments_come_hours_later_and_settle_nothing(plan: Plan, code: str, banks: list[str]) -> None:
    told, booked = notices(plan), on_statements(plan)
    for first, second in of_fault(plan, code):
        assert [first.bank.name, second.bank.name] == banks
        assert second.paid_at - first.paid_at > timedelta(hours=1)
        assert (first.settles, second.settles) == (first.minor, 0)
        assert first.minor == second.minor
        for each in (first, second):
            assert told[each.reference].paid
            assert booked[each.bank.name, each.reference] == 1


def test_m08_is_called_after_the_cut_off_and_booked_the_next_business_day(plan: Plan) -> None:
    late = {payment.reference for (payment,) in of_fault(plan, "M08")}
    assert plan.cut_off_at == datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert {each.reference for each in plan.callbacks if each.at >= plan.cut_off_at} == late
    (next_day,) = [file for file in plan.files if file.booked_on == DATES.next_on]
    assert {line.bank_reference for line in next_day.lines} == late
    assert {line.booked_on for line in next_day.lines} == {DATES.next_on}
    for reference, notice in notices(plan).items():
        if reference in late:
            assert notice.paid_at
            assert notice.paid_at.astimezone(UTC).date() == DATES.debit_on  # 23:01–23:25 in Vietnam


def test_m12_leads_to_no_bill_though_its_amount_would(plan: Plan) -> None:
    known = {code for bill in plan.bills for code in (bill.number, bill.payment_code, bill.customer_code)}
    called = {each.reference for each in plan.callbacks}
    for (deposit,) in of_fault(plan, "M12"):
        assert not known & set(CODE.findall(deposit.narrative.upper()))
        assert deposit.reference not in called
        assert not deposit.end_to_end_id
        assert deposit.minor in {bill.amount for bill in plan.bills}


def test_m13_is_a_file_that_never_arrives_and_would_be_empty(plan: Plan) -> None:
    (missing,) = [fault.files for fault in plan.faults if fault.code == "M13"]
    assert missing == ("vnpay-camt053-20261123.xml",)
    assert not set(missing) & {file.name for file in plan.files}
    assert not [each for each in plan.transactions if each.bank.name == "vnpay" and each.booked_on == DATES.next_on]


def test_m14_brings_the_same_statement_again(plan: Plan) -> None:
    original = next(file for file in plan.files if file.bank == "standard" and file.booked_on == DATES.debit_on)
    copy, again = (file for file in plan.files if file.repeats)
    assert {copy.name, again.name} == {name for f in plan.faults if f.code == "M14" for name in f.files}
    assert written(original) == written(copy) != written(again)
    assert (again.statement_id, again.lines) == (original.statement_id, original.lines)
    assert again.message_id != original.message_id
    assert len({file.name for file in plan.files}) == len(plan.files) == plan.expected["files"]
    assert original.available_at < copy.available_at < again.available_at


def test_balances_follow_on_from_each_other(plan: Plan) -> None:
    for bank in (plan.banks.direct, plan.banks.wallet):
        balance = bank.opening
        for file in (each for each in plan.files if each.bank == bank.name and not each.repeats):
            assert file.opening.minor == balance
            balance += sum(line.amount.minor for line in file.lines)
            assert file.closing.minor == balance
            assert [line.entry for line in file.lines] == list(range(1, len(file.lines) + 1))
            assert {line.booked_on for line in file.lines} <= {file.booked_on}


def test_statements_and_callbacks_tell_of_the_same_money(plan: Plan) -> None:
    told = {reference: notice.amount.minor for reference, notice in notices(plan).items() if notice.paid}
    booked = {line.bank_reference: line.amount.minor for file in plan.files for line in file.lines}
    only_told = {payment.reference for (payment,) in of_fault(plan, "M01")}
    only_booked = {payment.reference for code in ("M02", "M12") for (payment,) in of_fault(plan, code)}
    assert told.keys() - booked.keys() == only_told
    assert booked.keys() - told.keys() == only_booked
    assert all(told[reference] == booked[reference] for reference in told.keys() & booked.keys())
    expected = plan.expected
    assert sum(booked.values()) == expected["statement_vnd"]
    assert len(booked) == expected["statement_lines"]
    assert len(told | booked) == expected["payments"]
    assert sum((told | booked).values()) == expected["payments_vnd"]


def test_money_of_the_bills_adds_up(plan: Plan) -> None:
    expected = plan.expected
    assert expected["paid_bills"] + expected["part_paid_bills"] + expected["unpaid_bills"] == len(plan.bills)
    short = [payment for (payment,) in of_fault(plan, "M03") if payment.bill and payment.minor < payment.bill.amount]
    assert expected["part_paid_bills"] == len(short)
    second = [payments[1] for code in ("M04", "M06") for payments in of_fault(plan, code)]
    over = sum(p.minor - p.bill.amount for (p,) in of_fault(plan, "M03") if p.bill and p.minor > p.bill.amount)
    deposits = sum(payment.minor for (payment,) in of_fault(plan, "M12"))
    assert expected["unmatched_vnd"] == over + deposits + sum(payment.minor for payment in second)
    assert expected["matched"] == expected["payments"] - len(second) - expected["mismatches"]["M12"]
    assert expected["issued_vnd"] == sum(bill.amount for bill in plan.bills)


def test_messages_go_only_to_those_who_can_and_want_to_be_told(plan: Plan) -> None:
    silent = {bill.number for bill in plan.bills if not bill.phone or not bill.consent}
    settled = {each.bill.number for each in plan.transactions if each.bill and each.settles}
    assert plan.expected["sms"]["after"] == len(settled - silent)
    debited = {bill.number for bill in plan.bills if bill.charge_on}
    assert plan.expected["sms"]["before"] == len(debited - silent)


def test_repeats_are_the_same_event_word_for_word_some_at_the_same_moment(plan: Plan) -> None:
    sent: dict[tuple[str, str], list[int]] = {}
    for position, each in enumerate(plan.callbacks):
        sent.setdefault((each.bank, each.event_id), []).append(position)
    repeats = [positions for positions in sent.values() if len(positions) > 1]
    assert len(sent) == plan.expected["events"]
    assert len(plan.callbacks) == plan.expected["callbacks"]
    assert len(repeats) == max(2, len(sent) * 3 // 100)
    for positions in repeats:
        first, second = (plan.callbacks[position] for position in positions)
        assert first.request is second.request
    at_once = [one for one in repeats if plan.callbacks[one[0]].at == plan.callbacks[one[1]].at]
    assert at_once
    assert all(second == first + 1 for first, second in at_once)
    assert [each.at for each in plan.callbacks] == sorted(each.at for each in plan.callbacks)


def test_the_profiles_read_what_was_planned(plan: Plan) -> None:
    told = notices(plan)
    for each in (one for one in plan.transactions if one.called_at):
        notice = told[each.reference]
        assert (notice.source_reference, notice.bank_reference) == (each.reference, each.reference)
        assert (notice.amount.minor, notice.channel, notice.paid) == (each.minor, each.channel, each.moved)
        assert notice.paid_at == each.paid_at
        assert each.bill is not None
        if each.channel == "auto_debit":
            assert notice.end_to_end_id == each.bill.end_to_end_id
        if each.channel != "transfer":
            assert notice.payment_code == each.bill.payment_code
        else:
            (code,) = CODE.findall(notice.narrative.upper())
            assert code in (each.bill.payment_code, each.bill.number, each.bill.customer_code)
    assert sum(not notice.paid for notice in told.values()) == plan.expected["failed_debits"]


def test_a_customer_with_two_bills_never_quotes_the_customer_code_alone() -> None:
    plan = plan_of(4_321, 9)
    several = {code for code, many in Counter(bill.customer_code for bill in plan.bills).items() if many > 1}
    texts = [e.narrative.upper() for e in plan.transactions if e.channel == "transfer" and e.bill
             and e.bill.customer_code in several]  # fmt: skip
    assert texts
    assert not several & {code for text in texts for code in CODE.findall(text)}


def test_references_are_unique(plan: Plan) -> None:
    references = [(each.bank.name, each.reference) for each in plan.transactions]
    assert len(references) == len(set(references))


def test_the_same_arguments_plan_the_same_day_to_the_byte() -> None:
    first, second = plan_of(400, 4), plan_of(400, 4)
    assert first == second
    assert [written(file) for file in first.files] == [written(file) for file in second.files]
    assert plan_of(400, 6).callbacks != first.callbacks


def test_shares_of_the_channels() -> None:
    channels = Counter(each.channel for each in plan_of(4_000, 3).transactions if each.settles)
    assert channels["auto_debit"] == pytest.approx(2_800, abs=40)
    assert channels["transfer"] == pytest.approx(480, abs=5)
    assert channels["wallet"] == pytest.approx(400, abs=5)


@pytest.mark.parametrize("count", [0, 1, 8])
def test_too_few_bills_are_refused_by_name(count: int) -> None:
    with pytest.raises(ValueError, match=r"M0\d: expected \d more bills"):
        plan_of(count, 1)


def test_a_bill_of_a_bank_that_is_not_here_is_refused() -> None:
    bills = make_bills(30, 1, date(2026, 11, 5), DATES.debit_on, date(2026, 11, 30), bank="elsewhere")
    with pytest.raises(ValueError, match="another bank's"):
        plan_day(bills, 1, DATES)


def test_dates_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="three days in order"):
        DayDates(DATES.next_on, DATES.debit_on, DATES.after_on)


def test_other_banks_can_be_told() -> None:
    banks = SandboxBanks(
        direct=SandboxBank("songbac", "Ngân hàng Sông Bạc", "standard", "1000200030", 5),
        wallet=SandboxBank("vicuatoi", "Ví Của Tôi", "vnpay", "2000300040", 6),
    )
    bills = make_bills(60, 1, date(2026, 11, 5), DATES.debit_on, date(2026, 11, 30), bank="songbac")
    plan = plan_day(bills, 1, DATES, banks)
    assert {(each.bank, each.profile) for each in plan.callbacks} == {("songbac", "standard"), ("vicuatoi", "vnpay")}
    assert {(file.bank, file.account) for file in plan.files} == {("songbac", "1000200030"), ("vicuatoi", "2000300040")}
