"""Files of every format, damaged in every way: each is read consistently or refused with a reason; nothing crashes.

DOISOAT_MUTATIONS damaged files a format (CHAOS_CAMPAIGN=1: 50,000), each from a seed of its own, so that a failing one
is printed and repeated alone with DOISOAT_MUTATION=<number>. Seeds that once failed are kept and always run.
"""

import gzip
import io
import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.money import Money
from banks.records import (
    DebitOutcome,
    RecallClosed,
    RecallOpened,
    RecallOutcome,
    ReportClosed,
    ReportOpened,
    StatementClosed,
    StatementLine,
    StatementOpened,
)
from tests.banks.statements.table_files import MB, as_xlsx, excel
from tests.banks.statements.test_corpus import FOLDER
from tests.chaos.mutations import mutated
from tests.memory import peak

COUNT = int(os.environ.get("DOISOAT_MUTATIONS") or (50_000 if os.environ.get("CHAOS_CAMPAIGN") else 400))
ONE = os.environ.get("DOISOAT_MUTATION")
KEPT: dict[str, tuple[int, ...]] = {
    "camt": (),
    "mt940": (),
    "pain002": (),
    "camt029": (),
    "napas": (),
    "csv": (),
    "xlsx": (15045,),
    "wrapped": (20698,),
}
MOST_MEMORY = 150 * 1024
"""KiB, of the process that reads."""
SLOWEST = 5.0
"""Seconds for one damaged file: far above what any takes, far below what a loop would."""
OWN = Path(__file__).parents[1] / "corpus"


def samples(name: str) -> list[bytes]:
    """Return the whole files of a format: ours, and the public ones where they lie beside the project."""
    if name == "wrapped":
        bare = samples("camt")[:4]
        methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
        return [*map(gzip.compress, bare), *(_zip(one, method) for method in methods for one in bare)]
    if name == "xlsx":
        return [excel(MB), as_xlsx(MB), excel(MB, prefix="x", gap="\n ")]
    found = [path for path in sorted(OWN.rglob("*")) if path.is_file() and _format_of(path) == name]
    if FOLDER.is_dir():
        found += [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and _format_of(path) == name]
    return [data for path in found if len(data := path.read_bytes()) <= 60_000]


def _zip(data: bytes, method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("SK.xml", data)
    return out.getvalue()


def _format_of(path: Path) -> str:
    if path.suffix in (".csv", ".xlsx"):
        return path.suffix[1:]
    if path.suffix == ".json":
        return ""
    try:
        return statements.recognise(path.read_bytes()[: statements.HEAD]).name
    except Unreadable:
        return ""


def check(data: bytes) -> str:
    """Read `data`; return "read" or "refused"; fail on anything that contradicts itself or escapes as another error."""
    opened = closed = None
    lines, sums, started = 0, [0, 0], time.monotonic()
    try:
        for event in statements.read(io.BytesIO(data)):
            if isinstance(event, StatementOpened | ReportOpened | RecallOpened):
                assert opened is None or closed is not None, "a head within a statement"
                opened, closed, lines, sums = event, None, 0, [0, 0]
            elif isinstance(event, StatementLine):
                assert isinstance(opened, StatementOpened)
                assert closed is None
                assert type(event.amount.minor) is int
                lines += 1
                sums[event.amount.minor < 0] += event.amount.minor
            elif isinstance(event, StatementClosed):
                assert isinstance(opened, StatementOpened)
                _check_foot(opened, event, lines, sums)
                closed = event
            elif isinstance(event, ReportClosed | RecallClosed):
                closed = event
            else:
                assert isinstance(event, DebitOutcome | RecallOutcome)
        assert opened is not None
        assert closed is not None, "a statement without an end"
    except Unreadable as error:
        return "refused" if error.reason else "refused without a reason"
    finally:
        assert time.monotonic() - started < SLOWEST
    return "read"


def _check_foot(opened: StatementOpened, foot: StatementClosed, lines: int, sums: list[int]) -> None:
    assert (foot.lines, foot.credit_total.minor, foot.debit_total.minor) == (lines, sums[0], sums[1])
    closing = opened.closing if foot.closing is None else foot.closing
    if opened.opening is not None and closing is not None:
        difference = closing.minor - opened.opening.minor - sum(sums)
        assert foot.difference == Money(difference, opened.currency)
        assert foot.balanced is (difference == 0)
    else:
        assert foot.balanced is None


def damage(name: str, whole: list[bytes], chance: random.Random) -> bytes:
    """Damage one sample; a workbook mostly inside, where its checksums don't give the damage away."""
    if name != "xlsx" or chance.random() < 0.2:
        return mutated(whole, chance)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(chance.choice(whole))) as before, zipfile.ZipFile(out, "w") as after:
        inside = [one for one in before.namelist() if "/" in one and "theme" not in one and "styles" not in one]
        victim = chance.choice(inside)
        for part in before.namelist():
            data = before.read(part)
            after.writestr(part, mutated([data], chance) if part == victim else data)
    return out.getvalue()


def run(name: str, numbers: range | tuple[int, ...]) -> dict[str, int]:
    """Check so many damaged files; return how many were read and how many refused."""
    whole = samples(name)
    assert whole, f"no samples of {name}"
    counts = {"read": 0, "refused": 0}
    for number in numbers:
        data = damage(name, whole, random.Random(f"{name}:{number}"))
        try:
            counts[check(data)] += 1
        except BaseException as error:
            print(f"DOISOAT_MUTATION={number} of {name} fails: {type(error).__name__}: {error}")
            raise
    return counts


@pytest.mark.parametrize("name", KEPT)
def test_damaged_files_are_read_consistently_or_refused(name: str) -> None:
    numbers = range(int(ONE), int(ONE) + 1) if ONE else range(COUNT)
    program = f"from tests.chaos.test_mutated_files import main; main({name!r}, {numbers.start}, {numbers.stop})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    read, refused, memory = map(int, done.stdout.split())
    assert read + refused == len(numbers) + len(KEPT[name])
    assert ONE or (refused and read), "damage that is never read, or never refused"
    assert memory < MOST_MEMORY


def main(name: str, start: int, stop: int) -> None:
    """Run in a process of its own, so that its memory is its own: print read, refused and the peak in KiB."""
    counts = run(name, KEPT[name])
    for kind, count in run(name, range(start, stop)).items():
        counts[kind] += count
    print(counts["read"], counts["refused"], peak())
