from reconciliation import suggestions
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_notice, at

SECOND = CUSTOMER + "11226"


def ranked(books: Books) -> list[tuple[str, dict[str, int]]]:
    """What the question about payment Q suggests: rule, and bill → đồng."""
    facts = books.one(
        "SELECT facts->'ranked' FROM mismatches m JOIN payments p ON p.id = m.payment_id"
        " WHERE p.source_reference = 'Q' AND m.state = 'open'"
    )
    return [(one["rule"], {part["bill"]: part["minor"] for part in one["bills"]}) for one in facts or []]


def test_sums_come_first_and_then_what_agrees_and_what_is_owed(sound_books: Books) -> None:
    sound_books.issue(
        a_bill(minor=50_000), a_bill("HD0002", 70_000, SECOND), a_bill("HD0003", 120_000, CUSTOMER + "11326")
    )
    sound_books.hear(a_notice("Q", 120_000, "", customer_code=CUSTOMER))
    assert ranked(sound_books) == [
        ("sum", {"HD0001": 50_000, "HD0002": 70_000}), ("amount", {"HD0003": 120_000}),
        ("owed", {"HD0001": 50_000}), ("owed", {"HD0002": 70_000}),
    ]  # fmt: skip


def test_named_bills_are_suggested_when_their_sum_is_none(sound_books: Books) -> None:
    sound_books.issue(a_bill(), a_bill("HD0009", 70_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.hear(a_notice("Q", 70_000, CODE, narrative=OTHER_CODE))
    assert ranked(sound_books) == [("named", {"HD0009": 70_000}), ("named_other", {"HD0001": 70_000})]


def test_a_known_account_is_suggested_and_never_matched(sound_books: Books) -> None:
    account = "0011004455667"
    for number in range(suggestions.SEEN):
        code = f"{CUSTOMER}{number:05}"
        sound_books.issue(a_bill(f"HD01{number}", 60_000, code))
        sound_books.hear(a_notice(f"before{number}", 60_000, code, payer_account=account, paid_at=at(number)))
    sound_books.issue(a_bill(minor=90_000), a_bill("HD0009", 90_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.hear(a_notice("Q", 90_000, "", narrative="tien dien", payer_account=account, paid_at=at(5)))
    assert sound_books.open_questions() == {("M12", "Q")}
    assert ranked(sound_books) == [("payer", {"HD0001": 90_000})]


def test_an_account_that_pays_for_several_customers_tells_nothing(sound_books: Books) -> None:
    account = "0011004455667"
    sound_books.issue(a_bill(minor=60_000), a_bill("HD0009", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.hear(a_notice("one", 60_000, CODE, payer_account=account))
    sound_books.hear(a_notice("two", 60_000, OTHER_CODE, payer_account=account))
    sound_books.issue(a_bill("HD0002", 90_000, SECOND))
    sound_books.hear(a_notice("Q", 90_000, "", narrative="tien dien", payer_account=account, paid_at=at(5)))
    assert ranked(sound_books) == []
