"""MT940: entries a second of our reader against the mt-940 package, in three kinds of narrative, and our memory.

Prints one JSON object, of entries per CPU second, so that what else runs counts for little. `kinds` tells for each
kind, and for all in turn, ours, theirs, and the ratio; `ratio` is the worst of them, and is to be at least 8.
`peak_mb` is the largest resident size of a process that reads 1,000,000 entries from disk, at most 40.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from banks import statements
from banks.records import StatementClosed, StatementLine

ENTRIES = int(os.environ.get("BENCH_ENTRIES", "60000"))
PEER_ENTRIES = ENTRIES // 10
LARGE = int(os.environ.get("BENCH_LARGE", "1000000"))
ROUNDS = 5
OPENING = 5_000_000


def one_line(number: int) -> str:
    """Free text on one line."""
    return f"PD{number:011} NGUYEN THI HOA thanh toan tien dien"


def wrapped(number: int) -> str:
    """Free text that a bank has cut into lines of 65 characters."""
    text = (
        f"CT DEN {number:012} NGUYEN THI HOA chuyen tien dien PD{number:011} ky hoa don 07-2026"
        f" cho Cong ty Dien luc, MB {number:012} tu 0011000999888 Ngan hang Sao Mai"
    )
    return "\n".join(text[at : at + 65] for at in range(0, len(text), 65))


def subfields(number: int) -> str:
    """Subfields with SEPA words, cut into lines of 65 characters."""
    text = (
        f"166?00CHUYEN KHOAN?109310?20EREF+E2E{number:09}?21SVWZ+PD{number:011} tien dien k?22y 07/2026"
        f"?30SAOMVNVX?31{number:013}?32NGUYEN THI HOA"
    )
    return "\n".join(text[at : at + 65] for at in range(0, len(text), 65))


KINDS: dict[str, Callable[[int], str]] = {"one_line": one_line, "wrapped": wrapped, "subfields": subfields}


def pieces(count: int, kinds: tuple[str, ...]) -> Iterator[str]:
    """Yield an MT940 of `count` entries, their narratives of `kinds` in turn."""
    yield f":20:BENCH\r\n:25:0011000999888\r\n:28C:212/1\r\n:60F:C260730VND{OPENING},\r\n"
    total = OPENING
    for number in range(count):
        minor = 100_000 + number % 900_000
        total += minor
        told = KINDS[kinds[number % len(kinds)]](number).replace("\n", "\r\n")
        yield f":61:2607310731C{minor},NTRFNONREF//FT{number:011}\r\n:86:{told}\r\n"
    yield f":62F:C260731VND{total},\r\n-\r\n"


def ours(data: bytes, count: int) -> float:
    """Return entries a second of our reader, having checked what it read."""
    lines, started = 0, time.process_time()
    for event in statements.read(io.BytesIO(data)):
        if isinstance(event, StatementLine):
            lines += 1
    seconds = time.process_time() - started
    assert isinstance(event, StatementClosed)
    assert (lines, event.balanced) == (count, True)
    return count / seconds


def theirs(text: str, count: int) -> float:
    """Return entries a second of the mt-940 package, which takes text and keeps it all."""
    import mt940  # here, so that it doesn't stand in the memory that is measured

    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = mt940.parse(text)
    seconds = time.process_time() - started
    assert len(read.transactions) == count
    return count / seconds


def race(kinds: tuple[str, ...]) -> tuple[int, int, float]:
    """Return our entries a second, theirs, and the ratio: medians of rounds in turn."""
    data = "".join(pieces(ENTRIES, kinds)).encode()
    text = "".join(pieces(PEER_ENTRIES, kinds)).replace("\r\n", "\n")
    rounds = [(ours(data, ENTRIES), theirs(text, PEER_ENTRIES)) for _ in range(ROUNDS)]
    mine, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
    return round(mine), round(peer), round(statistics.median(one / other for one, other in rounds), 1)


def read_large(path: Path) -> None:
    """Read one file and print how many lines it has and the most memory this process ever held, in MB.

    Not by getrusage: there a process starts with the largest size its parent had.
    """
    lines = 0
    with path.open("rb") as stream:
        for event in statements.read(stream):
            lines += isinstance(event, StatementLine)
    status = dict(one.split(":", 1) for one in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps([lines, round(int(status["VmHWM"].split()[0]) / 1024, 1)]))


def peak_mb() -> float:
    """Write LARGE entries to disk and read them in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as folder:
        path = Path(folder) / "large.mt940"
        with path.open("w", newline="") as file:
            file.writelines(pieces(LARGE, tuple(KINDS)))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.parse_mt940", str(path)], check=True, capture_output=True, text=True
        )
    lines, peak = json.loads(done.stdout)
    assert lines == LARGE
    return float(peak)


def main() -> None:
    if len(sys.argv) > 1:
        read_large(Path(sys.argv[1]))
        return
    mixes = {kind: (kind,) for kind in KINDS} | {"in_turn": tuple(KINDS)}
    names = ("entries_per_second", "mt940_package_per_second", "ratio")
    kinds = {name: dict(zip(names, race(mix), strict=True)) for name, mix in mixes.items()}
    worst = min(figures["ratio"] for figures in kinds.values())
    print(json.dumps({"ratio": worst, "kinds": kinds, "entries": LARGE, "peak_mb": peak_mb()}, indent=1))


if __name__ == "__main__":
    main()
