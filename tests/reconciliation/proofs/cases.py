"""Written cases: a text an accountant reads, made into facts and the books they must come to.

A case is a paragraph: what it is about, its facts, and behind `=` its books. Facts between two lines `then` may come in
any order; `k` is a thousand đồng. A payment that is not named has nothing left; a question not named is not asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod
from pathlib import Path
from random import Random

from tests.reconciliation.proofs.facts import (
    Bill,
    CalledBack,
    Cancelled,
    Days,
    Debited,
    Denied,
    Fact,
    Found,
    Line,
    Mandate,
    NoSettlement,
    NotThatDay,
    Parted,
    Said,
    Settled,
    Statement,
    Told,
    Undone,
    Word,
)

CORPUS = Path(__file__).parents[2] / "corpus" / "reconciliation"
MOST_ORDERS = 200
_WORDS = ("quotes", "by", "at", "ref", "on", "of", "issued", "number", "reason", "cap")
"""Words that something follows."""
_ACTS = ("days ", "mandate ", "debits ", "calls-back ")
"""What has its place among the facts, and none comes before or after it that did not."""
_FLAG = re.compile("bare|lump|reversal|v[0-9]|USD|paused|ended|expired|later")
"""Words that stand by themselves."""


class Unclear(ValueError):
    """A case that can't be read: where, and what stood there."""


@dataclass(frozen=True)
class Case:
    """One case: its facts in groups that follow on each other, and the books they come to."""

    file: str
    title: str
    groups: tuple[tuple[Fact, ...], ...]
    books: Found

    @property
    def owners(self) -> dict[str, str]:
        return {fact.name: fact.of for group in self.groups for fact in group if isinstance(fact, Bill)}

    @property
    def settles(self) -> bool:
        """Whether a wallet settles a day of payments by one line."""
        return any(isinstance(fact, Line | Told) and fact.lump for group in self.groups for fact in group)

    def orders(self) -> Iterator[tuple[Fact, ...]]:
        """Every arrival order of the facts, or as many random ones as MOST_ORDERS; as written comes first."""
        if prod(factorial(len(group)) for group in self.groups) <= MOST_ORDERS:
            # The same fact heard twice makes no two orders.
            for groups in product(*(dict.fromkeys(permutations(group)) for group in self.groups)):
                yield tuple(fact for group in groups for fact in group)
            return
        yield tuple(fact for group in self.groups for fact in group)
        random = Random(self.title)
        for _ in range(MOST_ORDERS - 1):
            yield tuple(fact for group in self.groups for fact in random.sample(group, len(group)))


def read_corpus() -> list[Case]:
    """Read every case of the corpus."""
    return [case for path in sorted(CORPUS.glob("*.txt")) for case in _read(path)]


def _read(path: Path) -> Iterator[Case]:
    for paragraph in re.split(r"\n\s*\n", path.read_text("utf-8")):
        rows = [row for row in paragraph.strip().splitlines() if not row.startswith("#")]
        if not rows:
            continue
        title, *said = rows
        try:
            yield _case(path.stem, title, said)
        except (ValueError, KeyError, IndexError) as error:
            raise Unclear(f"{path.name}, {title!r}: {error}") from error


def _case(file: str, title: str, said: list[str]) -> Case:
    groups: list[list[Fact]] = [[]]
    for row in (row.strip() for row in said):
        if row.startswith("="):
            return Case(file, title, tuple(map(tuple, groups)), _books(row[1:], groups))
        if row == "then":
            groups.append([])
        elif row.startswith(_ACTS):
            groups += [[_fact(row)], []]
        else:
            groups[-1].append(_fact(row))
    raise Unclear("expected a row '= books' at the end")


def _dong(said: str) -> int:
    if not re.fullmatch(r"-?[0-9]+k?", said):
        raise Unclear(f"expected an amount such as 100k, got {said!r}")
    return int(said.removesuffix("k")) * (1000 if said.endswith("k") else 1)


def _fact(row: str) -> Fact:
    kind, _, rest = row.partition(" ")
    words = rest.split()
    match kind:
        case "bill":
            given = _given(words[2:])
            version = next((int(flag[1:]) for flag in given["flags"].split() if re.fullmatch(r"v[0-9]", flag)), 1)
            return Bill(
                words[0], _dong(words[1]), given["of"] or "An", version, int(given["issued"] or -2), given["by"]
            )
        case "cancel":
            return Cancelled(words[0])
        case "callback":
            given = _given(words[2:])
            flags = given["flags"].split()
            return Told(
                words[0], _dong(words[1]), tuple(given["quotes"].split()), given["by"] or "bank",
                int(float(given["at"] or 1) * 60), given["ref"], _currency(flags), "lump" in flags,
            )  # fmt: skip
        case "line" | "notice":
            return _line(words, kind == "notice")
        case "statement":
            head, _, lines = rest.partition(":")
            name, opening, _, closing, *more = head.split()
            given = _given(more)
            shown = tuple(_line(one.split(), False, int(given["on"] or 0)) for one in lines.split(";") if one.strip())
            number = int(given["number"]) if given["number"] else None
            return Statement(name, _dong(opening), _dong(closing), shown, int(given["on"] or 0), number)
        case "denied":
            return Denied(words[0])
        case "undo":
            return Undone(words[0])
        case "settles":
            line, _, payments = rest.partition(":")
            return Said(line, tuple(payments.split()))
        case "notday" | "dayagain":
            return NotThatDay(words[0], int(_given(words[1:])["on"]), again=kind == "dayagain")
        case "disowns" | "owns":
            return NoSettlement(words[0], again=kind == "owns")
        case "parted":
            return Parted(int(_given(words)["on"]))
        case "mandate":
            given = _given(words[1:])
            cap = _dong(given["cap"]) if given["cap"] else Mandate.cap
            return Mandate(words[0], cap, given["flags"] or "active", given["by"] or "bank")
        case "debits":
            return Debited(tuple(words))
        case "calls-back":
            return CalledBack(words[0])
        case "report" | "group" | "file" | "fails" | "says" | "answer":
            return _word(kind, words)
        case "days":
            return Days(int(words[0]))
        case "person":
            payment, _, acts = rest.partition(":")
            parts = [one.split() for one in acts.split(";")]
            undoes = tuple(bill for first, bill in parts if first == "not")
            return Settled(payment, undoes, tuple((bill, _dong(minor)) for bill, minor in parts if bill != "not"))
    raise Unclear(f"expected a fact, got {row!r}")


def _word(kind: str, words: list[str]) -> Word:
    """Read "A rejected AM04", or "A rejected AM04 but B accepted"; a callback that fails says no verdict."""
    how = {"fails": "callback", "says": "person", "answer": "recall"}.get(kind, kind)
    if kind == "fails":
        return Word(words[0], "rejected", words[1], how)
    said, _, others = " ".join(words).partition(" but ")
    debit, verdict, *reason = said.split()
    but = [one.split() for one in others.split(" and ") if one]
    return Word(debit, verdict, "".join(reason), how, tuple((name, other) for name, other in but))


def _line(words: list[str], notice: bool, day: int = 0) -> Line:
    given = _given(words[2:])
    flags = given["flags"].split()
    return Line(
        words[0], _dong(words[1]), tuple(given["quotes"].split()), given["by"] or "bank", int(given["on"] or day),
        notice, "reversal" in flags, given["reason"], _currency(flags), "bare" in flags, "lump" in flags,
    )  # fmt: skip


def _currency(flags: list[str]) -> str:
    return next((one for one in flags if one.isupper()), "VND")


def _given(words: list[str]) -> dict[str, str]:
    """Sort "of Binh v2 quotes A B" into what stands behind each word; `flags` stand by themselves."""
    given = dict.fromkeys([*_WORDS, "flags"], "")
    about = "flags"
    for word in words:
        if word in _WORDS:
            about = word
        else:
            about = "flags" if _FLAG.fullmatch(word) else about
            given[about] = f"{given[about]} {word}".strip()
    return given


def _books(said: str, groups: list[list[Fact]]) -> Found:
    bills = sorted((fact for group in groups for fact in group if isinstance(fact, Bill)), key=lambda one: one.version)
    owed = {bill.name: bill.minor for bill in bills}
    found = Found()
    for part in (part.split() for part in said.split(";") if part.strip()):
        match part:
            case [bill, "paid"]:
                found.bills[bill] = ("paid", owed[bill])
            case [bill, "open" | "cancelled" as state]:
                found.bills[bill] = (state, 0)
            case [bill, "part", minor]:
                found.bills[bill] = ("part_paid", _dong(minor))
            case [payment, "left", minor]:
                found.left[payment] = _dong(minor)
            case ["debit", name, state]:
                found.debits[name] = state
            case ["recall", name, state]:
                found.recalls[name] = state
            case [code, about] if re.fullmatch(r"M[01][0-9]", code):
                found.questions.add((code, about))
            case _:
                raise Unclear(
                    f"expected the state of a bill or debit, what is left or a question, got {' '.join(part)!r}"
                )
    return found
