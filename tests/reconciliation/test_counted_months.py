from datetime import date, timedelta

from sqlalchemy.orm import Session

from reconciliation import counted_months, denials
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at

FIRST = counted_months.first_of(DAY)


def _read(books: Books) -> counted_months.Month:
    def act(session: Session) -> counted_months.Month:
        counted_months.count(session, FIRST, now=at(5))
        return counted_months.read(session, FIRST)

    month: counted_months.Month = books.run(act)
    return month


def test_a_month_is_added_up_per_day_channel_and_office(sound_books: Books) -> None:
    sound_books.issue(a_bill(office="DL01"))
    sound_books.hear(a_notice("T1", 60_000, channel="app"), a_notice("T2", 30_000, channel="qr", code=""))
    found = _read(sound_books)
    assert [(one.bank, one.channel, one.payments, one.minor, one.matched_minor) for one in found.days] == [
        ("standard", "app", 1, 60_000, 60_000),
        ("standard", "qr", 1, 30_000, 0),
    ]
    assert [(one.office, one.bills, one.minor, one.paid_minor, one.share) for one in found.offices] == [
        ("DL01", 1, 100_000, 60_000, 600)
    ]
    assert sum(one.minor for one in found.due) in (0, 100_000), "due in this month or the next"
    assert found.counted_at == at(5)


def test_offices_stand_in_the_order_of_the_vietnamese_alphabet(sound_books: Books) -> None:
    offices = ("An Lão", "Đồng Nai", "Hồ Sen")
    for number, office in enumerate(reversed(offices), 1):
        sound_books.issue(
            a_bill(f"HD000{number}", code=f"PA{number:011}11126", customer_code=f"PA{number:011}", office=office)
        )
    assert tuple(one.office for one in _read(sound_books).offices) == offices
    assert tuple(sound_books.run(counted_months.offices)) == offices


def test_counting_again_tells_what_is_true_by_then(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    _read(sound_books)
    sound_books.read(a_line(narrative=f"tt {CODE}"))
    found = _read(sound_books)
    assert [(one.matched_minor, one.confirmed_minor) for one in found.days] == [(100_000, 100_000)]
    assert [one.paid_bills for one in found.offices] == [1]


def test_a_payment_that_was_taken_back_counts_for_nothing(sound_books: Books) -> None:
    [payment] = sound_books.hear(a_notice(code=""))
    sound_books.run(lambda session: denials.deny(session, payment, by="liaison", why="the bank said so", now=at(2)))
    assert _read(sound_books).days == []


def test_this_month_and_the_last_are_counted_always_and_earlier_ones_in_turn(sound_books: Books) -> None:
    sound_books.hear(a_notice(code=""))
    today = DAY + timedelta(days=130)
    this = counted_months.first_of(today)
    last = counted_months.first_of(this - timedelta(days=1))
    second = counted_months.after(FIRST)

    def next_earlier(minute: int) -> date:
        wanted = sound_books.run(lambda session: counted_months.to_count(session, today=today))
        assert wanted[:-1] == [this, last]
        sound_books.run(lambda session: counted_months.count(session, wanted[-1], now=at(6, minute)))
        return wanted[-1]

    assert [next_earlier(minute) for minute in range(6)] == [
        FIRST, second, counted_months.after(second), FIRST, second, counted_months.after(second),
    ]  # fmt: skip


def test_the_next_month_is_counted_once_bills_fall_due_in_it(sound_books: Books) -> None:
    def wanted(session: Session) -> list[date]:
        return counted_months.to_count(session, today=DAY)

    before = [FIRST, date(2026, 10, 1)]
    assert sound_books.run(wanted) == before
    sound_books.issue(a_bill(due_on=date(2027, 1, 1)))
    assert sound_books.run(wanted) == before
    sound_books.issue(a_bill("HD0002", 70_000, OTHER_CODE, customer_code=OTHER_CUSTOMER, due_on=date(2026, 12, 31)))
    assert sound_books.run(wanted) == [*before, date(2026, 12, 1)]
