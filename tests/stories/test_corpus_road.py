"""The road of every sample file that other projects publish: read, held, refused or known, and never a crash.

The samples stand beside the repository (or where DOISOAT_CORPUS says) and are not part of it. The table of verdicts is
written to the path that DOISOAT_TEST_VERDICTS names.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import statement_reading
from gateway.database import transaction
from gateway.settings import Settings
from gateway.wiring import Wiring
from reconciliation import inbox

CORPUS = Path(os.environ.get("DOISOAT_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file()) if CORPUS.is_dir() else []
pytestmark = pytest.mark.skipif(not FILES, reason=f"expected sample files in {CORPUS}")
UNNAMED = """
    SELECT count(*) FROM statements WHERE state = 'quarantined'
      AND (reason = '' OR (difference_minor <> 0 AND strpos(reason, CAST(difference_minor AS text)) = 0))
"""
LATER = datetime(2030, 1, 15, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Verdict:
    """What became of one file; `why` is a word for a person."""

    file: str
    state: str
    statements: str
    lines: int
    why: str

    def row(self) -> str:
        return f"| {self.file} | {self.state} | {self.statements} | {self.lines} | {self.why.replace('|', '/')} |"


@pytest.fixture(scope="module")
def table() -> Iterator[Callable[[str, list[Verdict]], None]]:
    """Collect tables of verdicts; they are written once the module is through."""
    tables: list[str] = []

    def add(title: str, verdicts: list[Verdict]) -> None:
        head = [f"## {title}", "| file | delivery | statements | lines | why |", "|---|---|---|---|---|"]
        tables.append("\n".join([*head, *(one.row() for one in verdicts), ""]))

    yield add
    wanted = os.environ.get("DOISOAT_TEST_VERDICTS")
    if wanted:
        Path(wanted).write_text("\n".join(tables), encoding="utf-8")


def walk(wiring: Wiring, path: Path, source: str) -> Verdict:
    """Keep one file and read it, as if it had been fetched from `source`."""
    with transaction(wiring.engine) as session:
        delivery = inbox.keep_file(
            session, source=source, name=path.name, path=path, sealer=wiring.sealer, now=wiring.clock()
        )
    name = str(path.relative_to(CORPUS))
    if delivery is None:
        return Verdict(name, "known", "", 0, "the same bytes as a file kept before")
    state = statement_reading.read(wiring, delivery)
    with Session(wiring.engine) as session:
        kept, reason = session.execute(
            text("SELECT state, reason FROM deliveries WHERE id = :id"), {"id": delivery}
        ).one()
        rows = session.execute(
            text("SELECT state, lines, reason FROM statements WHERE delivery_id = :id ORDER BY id"), {"id": delivery}
        ).all()
    assert kept == state
    said = Counter(row.state for row in rows)
    shown = ", ".join(f"{count} {what}" for what, count in sorted(said.items()))
    why = reason or "; ".join(sorted({row.reason for row in rows if row.reason}))
    return Verdict(name, state, shown, sum(row.lines for row in rows), why[:160])


@pytest.fixture
def corpus_wiring(wiring: Wiring, settings: Settings) -> Iterator[Wiring]:
    """The gateway at a time when no sample is from tomorrow, with one bank per file."""
    wiring.sandbox_clock.set(LATER)
    # Whose accounts the samples are of is nowhere declared.
    standard = replace(settings.banks["standard"], accounts=())
    banks = {f"corpus_{at}": replace(standard, name=f"corpus_{at}") for at in range(len(FILES))}
    known = replace(settings, banks={**settings.banks, **banks, "standard": standard})
    made = Wiring(known, wiring.database_url, wiring.valkey_url, pooled=4)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("apart", [True, False], ids=["a bank each", "all from one bank"])
def test_every_file_comes_to_a_clear_end(
    corpus_wiring: Wiring, all_hold: Callable[[], None], table: Callable[[str, list[Verdict]], None],
    count: Callable[..., int], apart: bool,
) -> None:  # fmt: skip
    verdicts = []
    for at, path in enumerate(FILES):
        verdict = walk(corpus_wiring, path, f"corpus_{at}" if apart else "standard")
        verdicts.append(verdict)
        report = "pain" in verdict.file and verdict.state == "set_aside"
        assert report or verdict.state in ("read", "unreadable", "known"), f"{verdict.file}: {verdict}"
        if verdict.state == "unreadable":
            assert verdict.why, verdict.file
            assert not verdict.lines, "an unreadable file leaves no line behind"
        elif verdict.state == "read":
            assert verdict.statements, f"{verdict.file}: read, but nothing came of it"
        all_hold()
    table("each from a bank of its own" if apart else "all from one bank", verdicts)

    assert count(UNNAMED) == 0, "whatever is held says why, and names the difference where there is one"
    read = [one for one in verdicts if one.state == "read"]
    foreign = [one for one in verdicts if not one.file.endswith(".xml") or "pain" in one.file]
    assert any("accepted" in one.statements for one in read)
    for one in foreign:
        assert one.state != "read" or one.file.endswith((".sta", ".txt")), f"{one.file} is no statement of ours"


def test_reading_everything_twice_books_nothing_new(corpus_wiring: Wiring, all_hold: Callable[[], None]) -> None:
    for path in FILES:
        walk(corpus_wiring, path, "standard")
    tables = ("deliveries", "statements", "statement_lines", "payments", "entries", "mismatches")

    def sizes() -> list[int]:
        with Session(corpus_wiring.engine) as session:
            return [int(session.scalar(text(f"SELECT count(*) FROM {name}")) or 0) for name in tables]

    before = sizes()
    for path in FILES:
        assert walk(corpus_wiring, path, "standard").state == "known"
    assert sizes() == before
    with Session(corpus_wiring.engine) as session:
        ids = list(session.scalars(text("SELECT id FROM deliveries ORDER BY id")))
    for delivery in ids:
        statement_reading.read(corpus_wiring, delivery)
    assert sizes() == before
    all_hold()
