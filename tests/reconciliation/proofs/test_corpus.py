"""The written cases: the oracle and the database come to the books that are written, in every order of arrival."""

import os
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count

from tests.reconciliation.books import Books
from tests.reconciliation.proofs.cases import Case, read_corpus
from tests.reconciliation.proofs.facts import Days, Debited, Fact, Found
from tests.reconciliation.proofs.oracle import Oracle
from tests.reconciliation.proofs.stage import Stage

CASES = [case for case in read_corpus() if os.environ.get("DOISOAT_CASE", "") in f"{case.file}: {case.title}"]
"""Those whose file and title hold the words of DOISOAT_CASE, to play a few alone."""


def written(case: Case, found: Found) -> str:
    """Say where the books found differ from those written; what has nothing left need not be written."""
    kept = {name: left for name, left in found.left.items() if left}
    return replace(found, left=kept).differs(case.books)


def test_the_oracle_comes_to_the_books_that_are_written() -> None:
    wrong = []
    for case in CASES:
        for order in case.orders():
            oracle = Oracle(case.owners)
            try:
                for fact in order:
                    oracle.hear(fact)
                said = written(case, oracle.books())
            except ValueError as error:
                said = str(error)
            if said:
                wrong.append(f"{case.file}: {case.title}: {said}, after {order}")
                break
    assert not wrong, "\n".join(wrong)


def test_the_database_comes_to_the_books_that_are_written_in_every_order(sound_books: Books) -> None:
    stage, numbers = Stage(sound_books), count(1)
    playing: dict[int, tuple[Case, list[Fact]]] = {}
    for case in CASES:
        for order in case.orders():
            number = next(numbers)
            stage.begin(number, case.owners, settles=case.settles)
            playing[number] = (case, list(order))
    stage.agree()
    orders = {number: list(order) for number, (_, order) in playing.items()}
    wrong: dict[str, list[str]] = defaultdict(list)
    heard = False
    while playing:
        while moving := [(number, order) for number, (_, order) in playing.items() if order and not _waits(order)]:
            stage.play([(number, order.pop(0)) for number, order in moving])
            heard = True
        if leaving := [(number, order) for number, (_, order) in playing.items() if order and _leaves(order)]:
            stage.play([(number, order.pop(0)) for number, order in leaving])
            continue
        assert not heard or sound_books.broken() == []
        heard = False
        ended = [number for number, (_, order) in playing.items() if not order]
        for number, found in stage.found(ended).items():
            case, _ = playing.pop(number)
            if said := written(case, found):
                wrong[f"{case.file}: {case.title}"].append(f"{said}, after {orders[number]}")
        for _, order in playing.values():
            days = order.pop(0)
            assert isinstance(days, Days)
            if days.number > 1:
                order.insert(0, Days(days.number - 1))
        if playing:
            stage.pass_day()
    born = sound_books.one("SELECT count(*) FROM allocations WHERE born")
    assert born or len(CASES) < 100, "no statement took the road of large ones"
    assert not wrong, "\n".join(f"{title}: in {len(said)} orders, such as {said[0]}" for title, said in wrong.items())


def _waits(order: list[Fact]) -> bool:
    return isinstance(order[0], Days | Debited)


def _leaves(order: list[Fact]) -> bool:
    return isinstance(order[0], Debited)


def test_the_corpus_has_several_cases_of_each_code() -> None:
    counted = Counter(case.file for case in read_corpus())
    assert counted.total() >= 300
    assert {f"m{number:02}" for number in range(1, 18)} <= {file for file, cases in counted.items() if cases >= 8}
