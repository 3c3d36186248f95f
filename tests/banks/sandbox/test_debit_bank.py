"""The sandbox bank that debits: what it tells, in whatever order and how often, agrees with what really happened."""

import io
from collections import Counter
from datetime import date, timedelta

import pytest

from banks import statements
from banks.money import dong
from banks.records import (
    DebitOutcome,
    RecallOutcome,
    RecallVerdict,
    StatementClosed,
    StatementLine,
    StatementOpened,
    Verdict,
)
from banks.sandbox.debit_bank import DebitBank
from banks.sandbox.debit_fates import REFUSALS, Fate, Mix
from banks.sandbox.debit_truth import End
from tests.banks.collections.others import document
from tests.banks.sandbox.debit_files import BANK, debit, debit_file, morning, recall_file

MONDAY = date(2026, 11, 2)
QUIET = Mix(0, 0, 0, 0, 0, 0, 0, 0, 0)


def bank(fates=None, mix=QUIET, **more):
    return DebitBank(BANK, 7, mix=mix, fates=fates, **more)


def live(one, until, since=MONDAY):
    """Live through the days from `since` to `until`; return all files."""
    return [file for ahead in range((until - since).days + 1) for file in one.advance(since + timedelta(ahead))]


def events(files, kind):
    return [event for file in files if file.kind == kind for event in statements.read(io.BytesIO(file.data))]


def told(files):
    """Return (end-to-end id, status, reason) of each debit in the reports, in order."""
    found = [event for event in events(files, "report") if isinstance(event, DebitOutcome) and event.level == "debit"]
    return [(one.end_to_end_id, one.status, one.reason) for one in found]


def booked(files):
    return [event for event in events(files, "statement") if isinstance(event, StatementLine)]


def after(days):
    return MONDAY + timedelta(days)


def test_a_debit_is_taken_reported_and_booked():
    one = bank()
    one.take(debit_file("RUN-1", [debit(1, MONDAY)]), morning(MONDAY))
    files = live(one, after(1))
    assert [(file.kind, file.name) for file in files] == [
        ("report", "standard-pain002-RUN-1-1.xml"),
        ("report", "standard-pain002-RUN-1-20261102.xml"),
        ("statement", "standard-camt053-20261102.xml"),
    ]
    assert [file.at for file in files] == sorted(file.at for file in files)
    taken, paid = [event for event in events(files, "report") if isinstance(event, DebitOutcome)]
    assert (taken.level, taken.status, taken.verdict) == ("file", "ACTC", Verdict.ACCEPTED)
    assert (paid.end_to_end_id, paid.status, paid.payment_group) == ("HD2611-00001", "ACSC", "RUN-1-0001")
    assert (paid.amount, paid.mandate_id) == (dong(500_000), "UQ-00001")
    (line,) = booked(files)
    assert (line.end_to_end_id, line.amount, line.booked_on) == ("HD2611-00001", dong(500_000), MONDAY)
    assert line.bank_reference == paid.bank_reference == one.truth["HD2611-00001"].reference
    truth = one.truth["HD2611-00001"]
    assert (truth.end, truth.told, truth.paid_on) == (End.PAID, True, MONDAY)


@pytest.mark.parametrize(
    ("fate", "amount", "end", "reports"),
    [
        (Fate(refused="MD01"), 500_000, End.REJECTED, [("RJCT", "MD01")]),
        (Fate(next_day=True), 500_000, End.PAID, [("ACCP", ""), ("ACSC", "")]),
        (Fate(told="late"), 500_000, End.PAID, [("ACSC", "")]),
        (Fate(told="never"), 500_000, End.PAID, []),
        (Fate(returned_after=2, return_reason="MD06"), 500_000, End.RETURNED, [("ACSC", "")]),
        (Fate(), 2_000_001, End.REJECTED, [("RJCT", "AM02")]),
        (Fate(), 2_000_000, End.PAID, [("ACSC", "")]),
    ],
)
def test_each_fate(fate, amount, end, reports):
    one = bank({"HD2611-00001": fate}, caps={"UQ-00001": 2_000_000})
    one.take(debit_file("RUN-1", [debit(1, MONDAY, minor=amount)]), morning(MONDAY))
    files = live(one, after(7))
    assert told(files) == [("HD2611-00001", *what) for what in reports]
    truth = one.truth["HD2611-00001"]
    assert (truth.end, truth.told) == (end, fate.told != "never")
    lines = [(line.amount.minor, line.booked_on, line.return_reason, line.reversal) for line in booked(files)]
    paid = (amount, after(1) if fate.next_day else MONDAY, "", False)
    back = (-amount, after(2), "MD06", True)
    assert lines == {End.REJECTED: [], End.PAID: [paid], End.RETURNED: [paid, back]}[end]


@pytest.mark.parametrize("fate", [Fate(), Fate(refused="AC04"), Fate(returned_after=1, return_reason="MD06")])
def test_money_only_changes_its_place(fate):
    sums = []
    for debits in ([], [debit(1, MONDAY)]):
        one = bank({"HD2611-00001": fate})
        one.payers.balance("001100000001")  # opened in both, so that wages come in on both
        if debits:
            one.take(debit_file("RUN-1", debits), morning(MONDAY))
        live(one, after(7))
        sums.append(one.payers.money() + one.booking.closing.minor)
    assert sums[0] == sums[1]


def test_a_report_told_late_comes_a_business_day_later():
    one = bank({"HD2611-00001": Fate(told="late")})
    friday = after(4)
    one.take(debit_file("RUN-1", [debit(1, friday), debit(2, friday)]), morning(friday))
    assert told(live(one, friday, friday)) == [("HD2611-00002", "ACSC", "")]
    assert told(live(one, after(6), after(5))) == []
    assert told(one.advance(after(7))) == [("HD2611-00001", "ACSC", "")]


def test_a_day_off_is_debited_on_the_next_business_day():
    one = bank()
    one.take(debit_file("RUN-1", [debit(1, after(5))]), morning(after(4)))
    live(one, after(7), after(4))
    assert one.truth["HD2611-00001"].paid_on == after(7)


def test_a_file_for_a_day_that_is_over_came_too_late():
    one = bank()
    one.advance(MONDAY)
    one.take(debit_file("RUN-1", [debit(1, MONDAY)]), morning(after(1)))
    assert told(one.advance(after(1))) == [("HD2611-00001", "RJCT", "TM01")]


def test_the_poor_pay_once_wages_came_in_and_the_penniless_never():
    one = bank(mix=Mix(0, 1000, 0, 0, 0, 0, 0, 0, 0))
    numbers = range(1, 41)
    one.take(debit_file("RUN-1", [debit(number, MONDAY) for number in numbers]), morning(MONDAY))
    assert Counter(told(one.advance(MONDAY))).keys() == {(f"HD2611-{n:05}", "RJCT", "AM04") for n in numbers}
    live(one, after(27), after(1))
    last = after(28)
    one.take(debit_file("RUN-2", [debit(number, last, attempt=2) for number in numbers]), morning(last))
    ends = Counter(status for _, status, _ in told(one.advance(last)))
    assert set(ends) == {"ACSC", "RJCT"}
    assert ends["ACSC"] > ends["RJCT"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((b"<CtrlSum>1000000<", b"<CtrlSum>1000001<"), "AM10"),
        ((b"<NbOfTxs>2<", b"<NbOfTxs>3<"), "AM10"),
        ((BANK.account.encode(), b"999999"), "AC03"),
        ((b"HD2611-00002", b"HD2611-00001"), "DU04"),
    ],
)
def test_a_file_with_a_fault_is_refused_whole(change, fault):
    one = bank()
    one.take(debit_file("RUN-1", [debit(1, MONDAY), debit(2, MONDAY)]).replace(*change), morning(MONDAY))
    files = live(one, after(1))
    (refused,) = [event for event in events(files, "report") if isinstance(event, DebitOutcome)]
    assert (refused.level, refused.verdict, refused.reason) == ("file", Verdict.REJECTED, fault)
    assert (one.truth, booked(files)) == ({}, [])


def test_what_was_here_before_is_not_carried_out_again():
    one = bank()
    data = debit_file("RUN-1", [debit(1, MONDAY)])
    for again in (data, data, debit_file("RUN-2", [debit(1, MONDAY)])):
        one.take(again, morning(MONDAY))
    files = live(one, after(1))
    refused = [event.reason for event in events(files, "report") if getattr(event, "level", "") == "file"]
    assert refused == ["", "DU01", "DU04"]
    assert len(booked(files)) == 1


def answers(files):
    found = [event for event in events(files, "answer") if isinstance(event, RecallOutcome)]
    return [(one.level, one.end_to_end_id, one.verdict, one.reason) for one in found]


def test_a_recall_before_the_day_is_honoured_and_one_after_it_refunded_or_too_late():
    one = bank(mix=Mix(0, 0, 0, 0, 0, 0, 0, 0, 500))
    debits = [debit(number, MONDAY) for number in range(1, 21)]
    one.take(debit_file("RUN-1", debits), morning(MONDAY))
    one.recall(recall_file("R-1", "RUN-1", debits[:1]), morning(MONDAY))
    files = one.advance(MONDAY)
    assert answers(files) == [
        ("request", "", RecallVerdict.CANCELLED, ""), ("debit", "HD2611-00001", RecallVerdict.CANCELLED, "")
    ]  # fmt: skip
    assert one.truth["HD2611-00001"].end is End.RECALLED
    one.recall(recall_file("R-2", "RUN-1", debits[1:]), morning(after(1)))
    files += live(one, after(4), after(1))
    late = [verdict for level, _, verdict, _ in answers(files)[3:]]
    assert set(late) == {RecallVerdict.CANCELLED, RecallVerdict.REJECTED}
    assert answers(files)[2][2] is RecallVerdict.PARTLY
    refunded = {name for name, truth in one.truth.items() if truth.recall == "refunded"}
    assert len(refunded) == late.count(RecallVerdict.CANCELLED)
    back = {line.end_to_end_id for line in booked(files) if line.reversal}
    assert back == refunded == {line.end_to_end_id for line in booked(files) if line.return_reason == "FOCR"}


@pytest.mark.parametrize(("refunded", "end"), [(1000, End.RETURNED), (0, End.PAID)])
def test_a_recall_of_what_is_accepted_is_pending_until_it_is_booked(refunded, end):
    one = bank({"HD2611-00001": Fate(next_day=True)}, mix=Mix(0, 0, 0, 0, 0, 0, 0, 0, refunded))
    asked = [debit(1, MONDAY), debit(2, MONDAY)]
    one.take(debit_file("RUN-1", asked), morning(MONDAY))
    files = one.advance(MONDAY)
    one.recall(recall_file("R-1", "RUN-1", asked[:1]), morning(after(1)))
    files += live(one, after(3), after(1))
    final = RecallVerdict.CANCELLED if refunded else RecallVerdict.REJECTED
    reason = "" if refunded else "PTNA"
    assert answers(files) == [
        ("request", "", RecallVerdict.PENDING, ""), ("debit", "HD2611-00001", RecallVerdict.PENDING, ""),
        ("request", "", final, ""), ("debit", "HD2611-00001", final, reason),
    ]  # fmt: skip
    assert one.truth["HD2611-00001"].end is end


def test_a_recall_of_what_the_bank_never_had():
    one = bank()
    one.recall(recall_file("R-1", "RUN-1", [debit(1, MONDAY)]), morning(MONDAY))
    assert answers(one.advance(MONDAY)) == [
        ("request", "", RecallVerdict.REJECTED, ""), ("debit", "HD2611-00001", RecallVerdict.REJECTED, "NOOR")
    ]  # fmt: skip


def test_reports_are_lost_or_come_twice():
    lost = bank(mix=Mix(0, 0, 0, 0, 0, 0, 1000, 0, 0))
    lost.take(debit_file("RUN-1", [debit(1, MONDAY)]), morning(MONDAY))
    assert told(lost.advance(MONDAY)) == []
    assert (lost.truth["HD2611-00001"].end, lost.truth["HD2611-00001"].told) == (End.PAID, False)
    twice = bank(mix=Mix(0, 0, 0, 0, 0, 0, 0, 1000, 0))
    for number in range(10):
        twice.take(debit_file(f"RUN-{number}", [debit(number, MONDAY)]), morning(MONDAY))
    reports = [file for file in twice.advance(MONDAY) if "20261102" in file.name]
    assert len(reports) == 20
    assert 10 < len({file.data for file in reports}) < 20, "some byte for byte, some made anew"
    assert set(Counter(told(reports)).values()) == {2}


def month(seed=7, payers=1200):
    """Two runs of all payers on two days, the second file of each retrying nothing: a bank left to its usual mix."""
    one = DebitBank(BANK, seed, caps={"UQ-00003": 1}, report_version="10")
    files = []
    for ahead in range(28):
        day = after(ahead)
        if ahead in (1, 8):
            cycle = [debit(number, day, minor=100_000 + number, attempt=1 + ahead // 8) for number in range(payers)]
            for part in range(4):
                one.take(debit_file(f"RUN-{ahead}-{part}", cycle[part::4]), morning(day))
        if ahead == 6:
            one.booking.receive(day, 77_000, "PC0701091234511126 chuyen tien", "Nguyễn An")
        files += one.advance(day)
    return one, files


@pytest.fixture(scope="module")
def lived():
    return month()


def test_a_month_has_every_end_and_every_reason(lived):
    one, _ = lived
    ends = Counter(truth.end for truth in one.truth.values())
    assert set(ends) == {End.PAID, End.REJECTED, End.RETURNED}
    reasons = {truth.reason for truth in one.truth.values() if truth.end is End.REJECTED}
    assert reasons == {*REFUSALS, "AM02", "AM04"}
    assert ends[End.PAID] > 0.85 * len(one.truth)
    assert {truth.told for truth in one.truth.values()} == {True, False}


def test_statements_follow_on_from_each_other_and_tell_the_truth(lived):
    one, files = lived
    found = events(files, "statement")
    heads = [event for event in found if isinstance(event, StatementOpened)]
    feet = [event for event in found if isinstance(event, StatementClosed)]
    assert len(heads) == 19, "the last day's arrives on the next"
    assert all(foot.balanced and not foot.faults for foot in feet)
    assert [head.opening for head in heads] == [dong(BANK.opening), *[head.closing for head in heads[:-1]]]
    lines = [event for event in found if isinstance(event, StatementLine)]
    paid = Counter(line.end_to_end_id for line in lines if line.end_to_end_id and not line.reversal)
    back = Counter(line.end_to_end_id for line in lines if line.reversal)
    assert paid == Counter(name for name, truth in one.truth.items() if truth.paid_on)
    assert back == Counter(name for name, truth in one.truth.items() if truth.end is End.RETURNED)
    assert sum(line.amount.minor for line in lines) == 77_000 + sum(
        truth.order.minor for truth in one.truth.values() if truth.end is End.PAID
    )
    assert len({line.bank_reference for line in lines}) == len(lines)


def test_reports_say_nothing_but_the_truth(lived):
    one, files = lived
    for name, status, reason in told(files):
        truth = one.truth[name]
        if status == "RJCT":
            assert (truth.end, truth.reason) == (End.REJECTED, reason)
        else:
            assert truth.paid_on is not None
    final = {name for name, status, _ in told(files) if status != "ACCP"}
    assert final == {name for name, truth in one.truth.items() if truth.told}


def test_returns_come_within_five_business_days(lived):
    one, _ = lived
    waits = Counter()
    for truth in one.truth.values():
        if truth.end is End.RETURNED:
            assert one.booking.business_day_after(truth.paid_on, truth.fate.returned_after) == truth.returned_on
            waits[truth.fate.returned_after] += 1
    assert set(waits) == {1, 2, 3, 4, 5}


def test_the_same_seed_lives_the_same_month_to_the_byte(lived):
    again = month()
    assert again[1] == lived[1]
    assert again[0].truth == lived[0].truth
    assert month(seed=8, payers=60)[1] != month(seed=9, payers=60)[1]


@pytest.mark.parametrize("version", ["03", "10", "11", "14"])
def test_what_it_writes_is_of_the_published_form(version):
    one = bank({"HD2611-00001": Fate(refused="AM04")}, report_version=version)
    debits = [debit(1, MONDAY), debit(2, MONDAY)]
    one.take(debit_file("RUN-1", debits), morning(MONDAY))
    one.take(debit_file("RUN-1", debits), morning(MONDAY))
    one.recall(recall_file("R-1", "RUN-2", debits), morning(MONDAY))
    for file in one.advance(MONDAY):
        document(file.data, {"report": f"pain.002.001.{version}", "answer": "camt.029.001.09"}[file.kind])


def test_days_are_lived_in_order():
    one = bank()
    one.advance(MONDAY)
    with pytest.raises(ValueError, match=r"expected the day after 2026-11-02, got 2026-11-04"):
        one.advance(after(2))


@pytest.mark.parametrize("act", ["take", "recall"])
def test_what_is_no_file_of_ours_is_refused(act):
    with pytest.raises(ValueError, match="expected Cstmr"):
        getattr(bank(), act)(b"<Document><Other/></Document>", morning(MONDAY))
