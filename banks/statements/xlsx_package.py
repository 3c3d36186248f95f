"""The parts of an XLSX workbook: a zip that is measured before anything in it is read, and the sheets it lists.

Nothing outside the zip is ever followed: a sheet that lies elsewhere is none, other links are not looked at.
"""

import posixpath
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import IO

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable
from banks.statements.table import EPOCH
from banks.statements.zip_damage import ZIP_DAMAGE

MAX_PACKED = 256 * 1024 * 1024
MAX_UNPACKED = 1024 * 1024 * 1024
"""Bytes of the workbook as it comes, and of all its parts together as its zip declares them."""
MAX_PARTS = 2000
_RATIO, _FREE = 200, 8 * 1024 * 1024
"""Rows of a statement shrink to a tenth or a thirtieth; a part beyond this and 8 MiB is a bomb."""
_MAX_SMALL = 4 * 1024 * 1024
"""Bytes of the parts that list the others."""
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_1904 = date(1904, 1, 1)


@dataclass(frozen=True, slots=True)
class ListedSheet:
    """A sheet as the workbook lists it: its name, whether people see it, and its part in the zip."""

    name: str
    visible: bool
    part: str


class Package:
    """An opened workbook; `epoch` is the day from which its dates count."""

    def __init__(self, archive: IO[bytes]) -> None:
        with whole():
            self._zip = zipfile.ZipFile(archive)
        self._parts = {one.filename: one for one in self._zip.infolist()}
        self._measure()
        if _WORKBOOK not in self._parts:
            raise Unreadable(f"expected an XLSX workbook, got a zip without {_WORKBOOK}")
        self.sheets, self.epoch = self._listed()

    def open(self, part: str) -> IO[bytes]:
        """Open a part; what comes out of it is never more than the zip declares."""
        with whole():
            return self._zip.open(self._parts[part])

    def shared_strings(self) -> str:
        """Return the part that holds the shared texts, "" when there is none."""
        return next((name for name in self._parts if name.casefold() == "xl/sharedstrings.xml"), "")

    def _measure(self) -> None:
        """Refuse a zip by what it declares, before any of it is unpacked."""
        if len(self._parts) > MAX_PARTS:
            raise Unreadable(f"expected a workbook of at most {MAX_PARTS} parts, got {len(self._parts)}")
        total = 0
        for one in self._parts.values():
            if one.flag_bits & 1:
                raise Unreadable("expected a workbook without a password, got a locked one")
            if one.file_size > _FREE and one.file_size > _RATIO * one.compress_size:
                raise Unreadable(
                    f"expected a workbook, got one that unfolds {one.compress_size} bytes into {one.file_size}"
                )
            total += one.file_size
        if total > MAX_UNPACKED:
            raise Unreadable(f"expected a workbook of at most {MAX_UNPACKED} bytes once unpacked, got {total}")

    def _listed(self) -> tuple[list[ListedSheet], date]:
        targets = {}
        for element in self._small(_RELATIONS, "Relationship"):
            if element.get("TargetMode") != "External":
                targets[element.get("Id", "")] = element.get("Target", "")
        sheets, epoch = [], EPOCH
        for element in self._small(_WORKBOOK, "sheet", "workbookPr"):
            if xml.split(str(element.tag))[1] == "workbookPr":
                epoch = _1904 if element.get("date1904") in ("1", "true") else EPOCH
                continue
            relation = next((value for key, value in element.attrib.items() if str(key).endswith("}id")), "")
            part = posixpath.normpath(posixpath.join("xl", str(targets.get(str(relation), "")))).lstrip("/")
            name = str(element.get("name", ""))
            if part in self._parts and re.search("sheet", part, re.IGNORECASE):
                sheets.append(ListedSheet(name, element.get("state", "visible") == "visible", part))
        if not sheets:
            raise Unreadable("expected a workbook with sheets inside it, got none")
        return sheets, epoch

    def _small(self, part: str, *names: str) -> Iterator[xml.Element]:
        if part not in self._parts or self._parts[part].file_size > _MAX_SMALL:
            raise Unreadable(f"expected an XLSX workbook with {part} of at most {_MAX_SMALL} bytes, got none")
        with self.open(part) as stream:
            yield from xml.ended(Guarded(stream), names)


class Guarded:
    """A part as a stream that says Unreadable where its zip is broken."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""
        with whole():
            return self._stream.read(size)


@contextmanager
def whole() -> Iterator[None]:
    """Turn what the zip library raises for a broken zip into Unreadable."""
    try:
        yield
    except (*ZIP_DAMAGE, KeyError) as error:
        said = ascii(str(error))[1:-1][:120] or "its end"
        raise Unreadable(f"expected a whole XLSX workbook, got: {said}") from None


def spooled(stream: Readable) -> IO[bytes]:
    """Copy `stream` to a nameless file on disk: a zip is read from its end."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's `with` closes it
    copied = 0
    while piece := stream.read(256 * 1024):
        copied += len(piece)
        if copied > MAX_PACKED:
            spool.close()
            raise Unreadable(f"expected a workbook of at most {MAX_PACKED} bytes, got more")
        spool.write(piece)
    spool.seek(0)
    return spool
