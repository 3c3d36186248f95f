"""A run of 100,000 debits becomes a file: ours as a stream with all its checks, against lxml's `xmlfile` without any.

Prints one JSON object. Both write the same debits from memory into memory, in turn; what they wrote is compared in
canonical form. Figures are medians of megabytes per CPU second. `xmlfile` is fed in each of its ways: an element of
lxml for each debit, or an opened and closed tag for each element; the faster one counts. The memory is that of a
process of its own which makes each debit as the file asks for it. `run` is the road through a real database: chosen
among three times as many bills, approved, claimed and written from sealed accounts. `targets`: at least as fast as
`xmlfile`, 150 MB.
BENCH_DEBITS sets another number.
"""

import hashlib
import io
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO

from banks.collections import debit_table, pain008
from banks.collections.debit_table import DebitTable
from banks.collections.debits import Creditor, Debit, GroupHead, SequenceType
from banks.money import dong
from banks.sandbox import people

DEBITS = int(os.environ.get("BENCH_DEBITS", "100000"))
TURNS = 3
DAY = date(2026, 11, 20)
US = Creditor("CONG TY DIEN LUC SANDBOX", "190026112233", "BFTVVNVX", "PC07-CREDITOR")
MEMBERS = ("970436", "970415", "970418", "970422")
VERSION = "08"
NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:pain.008.001.{VERSION}"
NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


def debits(count: int) -> Iterator[Debit]:
    """Yield so many debits of one group, always the same ones, each made when it is asked for."""
    rng = random.Random(7)
    for number in range(count):
        yield Debit(
            f"HD2611-{number:07}", dong(minor(number)), DAY, f"UQ-{number:07}", date(2025, 3, 1),
            people.full_name(rng), f"0011{number:09}", MEMBERS[number % 4],
            f"Tiền điện kỳ 11/2026 <PC07{number:09}> & thuế GTGT",
        )  # fmt: skip


@cache
def heads(count: int) -> list[GroupHead]:
    """Return what the database would know of them beforehand; added up once, as the database is not measured here."""
    return [GroupHead(DAY, SequenceType.RECURRENT, count, sum(map(minor, range(count))))]


def minor(number: int) -> int:
    """Return the amount of one debit in đồng."""
    return 50_000 + number * 7919 % 4_000_000


def ours(out: BinaryIO, asked: Iterator[Debit] | Sequence[Debit], count: int) -> int:
    """Write the file; return its size."""
    written = pain008.write(
        out, asked, heads(count), message_id="DOISOAT-261118-1", creditor=US, version=VERSION, now=NOW
    )
    return written.size


def by_elements(xml: object, asked: Sequence[Debit]) -> None:
    """Feed `xmlfile` an element for each debit."""
    from lxml.etree import Element, SubElement

    write = xml.write  # type: ignore[attr-defined]
    for debit in asked:
        element = Element("DrctDbtTxInf")
        SubElement(SubElement(element, "PmtId"), "EndToEndId").text = debit.end_to_end_id
        SubElement(element, "InstdAmt", Ccy="VND").text = str(debit.amount.minor)
        mandate = SubElement(SubElement(element, "DrctDbtTx"), "MndtRltdInf")
        SubElement(mandate, "MndtId").text = debit.mandate_id
        SubElement(mandate, "DtOfSgntr").text = debit.mandate_signed_on.isoformat()
        member = SubElement(SubElement(SubElement(element, "DbtrAgt"), "FinInstnId"), "ClrSysMmbId")
        SubElement(member, "MmbId").text = debit.bank
        SubElement(SubElement(element, "Dbtr"), "Nm").text = debit.debtor
        account = SubElement(SubElement(SubElement(element, "DbtrAcct"), "Id"), "Othr")
        SubElement(account, "Id").text = debit.account
        SubElement(SubElement(element, "RmtInf"), "Ustrd").text = debit.narrative
        write(element)


def by_tags(xml: object, asked: Sequence[Debit]) -> None:
    """Open and close each element in `xmlfile`."""
    tag, write = xml.element, xml.write  # type: ignore[attr-defined]
    for debit in asked:
        with tag("DrctDbtTxInf"):
            with tag("PmtId"), tag("EndToEndId"):
                write(debit.end_to_end_id)
            with tag("InstdAmt", Ccy="VND"):
                write(str(debit.amount.minor))
            with tag("DrctDbtTx"), tag("MndtRltdInf"):
                with tag("MndtId"):
                    write(debit.mandate_id)
                with tag("DtOfSgntr"):
                    write(debit.mandate_signed_on.isoformat())
            with tag("DbtrAgt"), tag("FinInstnId"), tag("ClrSysMmbId"), tag("MmbId"):
                write(debit.bank)
            with tag("Dbtr"), tag("Nm"):
                write(debit.debtor)
            with tag("DbtrAcct"), tag("Id"), tag("Othr"), tag("Id"):
                write(debit.account)
            with tag("RmtInf"), tag("Ustrd"):
                write(debit.narrative)


def peer(feed: Callable[[object, Sequence[Debit]], None], out: BinaryIO, asked: Sequence[Debit], like: bytes) -> int:
    """Write the same file by lxml's `xmlfile`; the few elements before the debits are taken from the file `like`."""
    from lxml import etree

    head, _, _ = like.partition(b"<DrctDbtTxInf>")
    root = etree.fromstring(head + b"</PmtInf></CstmrDrctDbtInitn></Document>")
    message = root[0]
    with (
        etree.xmlfile(out, encoding="UTF-8") as xml,
        xml.element(root.tag, nsmap={None: NAMESPACE}),
        xml.element("CstmrDrctDbtInitn"),
    ):
        xml.write(message[0])
        with xml.element("PmtInf"):
            for element in message[1]:
                xml.write(element)
            feed(xml, asked)
    return out.tell()


def race() -> dict[str, object]:
    """Let ours and both ways of `xmlfile` write the same debits in turn; return their paces and the ratio."""
    asked = list(debits(DEBITS))
    out = io.BytesIO()
    ours(out, asked, DEBITS)
    like = out.getvalue()
    writers: dict[str, Callable[[BinaryIO], int]] = {
        "ours": lambda out: ours(out, asked, DEBITS),
        "xmlfile of elements": lambda out: peer(by_elements, out, asked, like),
        "xmlfile of tags": lambda out: peer(by_tags, out, asked, like),
    }
    paces: dict[str, list[float]] = {name: [] for name in writers}
    seen: set[str] = set()
    for turn in range(TURNS):
        for name, write in writers.items():
            out = io.BytesIO()
            start = time.process_time()
            size = write(out)
            paces[name].append(size / 1e6 / (time.process_time() - start))
            if not turn:
                seen.add(content(out.getvalue()))
    assert len(seen) == 1, "expected the same content of all"
    found = {name: statistics.median(each) for name, each in paces.items()}
    best = max(pace for name, pace in found.items() if name != "ours")
    return {
        "file_megabytes": round(len(like) / 1e6, 1),
        "megabytes_per_second": {name: round(pace, 1) for name, pace in found.items()},
        "ours_to_xmlfile": round(found["ours"] / best, 2),
    }


def table() -> dict[str, object]:
    """Write the same debits as a bank's own table; return its size and its pace."""
    asked = list(debits(DEBITS))
    form = DebitTable(columns={name: name for name in debit_table.FIELDS}, dates="dd/mm/yyyy", thousands=".")
    paces, size = list[float](), 0
    for _ in range(TURNS):
        start = time.process_time()
        size = debit_table.write(
            io.BytesIO(), asked, heads(DEBITS), message_id="DOISOAT-261118-1", creditor=US, table=form
        ).size
        paces.append(DEBITS / (time.process_time() - start))
    return {"megabytes": round(size / 1e6, 1), "debits_per_second": round(statistics.median(paces))}


def content(data: bytes) -> str:
    """Return the hash of a file's canonical form, white space between elements left out."""
    from lxml import etree

    tree = etree.fromstring(data, etree.XMLParser(remove_blank_text=True, huge_tree=True)).getroottree()
    out = io.BytesIO()
    tree.write_c14n(out)
    # lxml repeats the default namespace as a prefix of nothing on elements that were built without one.
    return hashlib.sha256(out.getvalue().replace(b' xmlns=""', b"")).hexdigest()


def peak_megabytes() -> float:
    """Write a file in a new process, each debit made as it is asked for; return the most memory it ever held."""
    words = [sys.executable, "-m", "benchmarks.debits", "one"]
    return round(int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) / 1024, 1)


def alone() -> None:
    """Write one file and tell the peak; lxml stays unloaded, as nothing of ours needs it here."""
    with tempfile.TemporaryFile() as out:
        ours(out, debits(DEBITS), DEBITS)
    # Not ru_maxrss: that one still remembers the process which started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    print(found[1])


def whole_run() -> dict[str, object]:
    """Take a run of as many debits through a real database, from its choice to its file, in a process of its own."""
    from benchmarks import debits_run  # here, as whoever writes one file alone needs none of it
    from gateway.embedded import Embedded

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with Embedded(home, lambda line: print(line, file=sys.stderr)) as services:
            environment = debits_run.prepare(Path(folder), services, DEBITS)
            words = [sys.executable, "-m", "benchmarks.debits_run"]
            told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found: dict[str, object] = json.loads(told)
    return found


STAGES: dict[str, Callable[[], object]] = {
    "peak_megabytes": peak_megabytes, "written": race, "own_table": table, "run": whole_run,
}  # fmt: skip
"""Figure → what measures it, in order."""


def main() -> None:
    if sys.argv[1:] == ["one"]:
        alone()
        return
    figures = {"cpu": os.cpu_count(), "debits": DEBITS, **{name: measure() for name, measure in STAGES.items()}}
    targets = {
        "ours ≥ 1.0 × xmlfile": figures["written"]["ours_to_xmlfile"] >= 1,
        "peak ≤ 150 MB": max(figures["peak_megabytes"], figures["run"]["peak_megabytes"]) <= 150,
    }
    print(json.dumps(figures | {"targets": targets}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
