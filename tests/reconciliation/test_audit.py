from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciliation import audit
from tests.reconciliation.books import Books

KEY = b"a" * 32


def act(books: Books, subject: str = "bill:1", **facts: object) -> None:
    books.run(lambda s: audit.append(s, actor="lan", action="approved", subject=subject, facts=facts, now=books.now))


def faults(books: Books, key: bytes | None = KEY) -> list[str]:
    found: list[str] = books.run(lambda s: audit.faults(s, key))
    return found


def mark(books: Books) -> object:
    return books.run(lambda s: audit.checkpoint(s, KEY, books.now))


@pytest.fixture
def chain(books: Books) -> Books:
    """Five acts, a checkpoint, and one more."""
    for number in range(5):
        act(
            books,
            f"bill:{number}",
            số=number,
            why="đúng",
            many=[1, {"b": 1, "a": None}],
            ratio=0.5,
            key={"z": 1, "é": 2},
        )
    assert mark(books) is not None
    act(books)
    return books


def test_an_untouched_chain_has_no_faults(chain: Books) -> None:
    assert faults(chain) == []
    assert mark(chain) is not None
    assert mark(chain) is None, "once per length"


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'mai'", "action = 'x'", "subject = 'x'", "facts = '{}'", "at = at + interval '1 microsecond'",
        "previous = '\\x00'", "hash = '\\x00'",
    ],
)  # fmt: skip
def test_a_changed_act_shows(chain: Books, change: str) -> None:
    chain.as_owner(f"UPDATE audit SET {change.replace(':', chr(92) + ':')} WHERE id = 3")
    assert faults(chain)


@pytest.mark.parametrize("missing", [1, 3, 5])
def test_a_missing_act_shows(chain: Books, missing: int) -> None:
    chain.as_owner(f"DELETE FROM audit WHERE id = {missing}")
    assert faults(chain)


def test_a_cut_tail_shows_by_the_checkpoint(chain: Books) -> None:
    chain.as_owner("DELETE FROM audit WHERE id >= 4")
    assert faults(chain) == ["the chain no longer holds entry 5 as signed on 2026-11-18 02:00 UTC"]


def test_an_emptied_chain_shows(chain: Books) -> None:
    chain.as_owner("DELETE FROM audit")
    assert len(faults(chain)) == 1


def test_a_chain_written_anew_does_not_fit_its_checkpoints(chain: Books) -> None:
    chain.as_owner("DELETE FROM audit")
    for number in range(6):
        act(chain, f"other:{number}")
    assert faults(chain)


def test_a_checkpoint_signed_with_another_key_shows(chain: Books) -> None:
    assert faults(chain, b"b" * 32) == ["the signature of the checkpoint at entry 5 is not ours"]
    assert faults(chain, None) == []


def test_acts_at_the_same_moment_do_not_branch_the_chain(books: Books) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: act(books, f"bill:{n}"), range(40)))
    assert faults(books) == []
    assert books.one("SELECT max(id) FROM audit") == 40
