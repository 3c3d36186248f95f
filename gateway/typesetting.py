"""Typesetting: a Typst template and what it says become a PDF in the pages' own font, archival, the same every time."""

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

FONT = "Hanken Grotesk"


def typeset(template: Path, said: Mapping[str, str], *, attaches: bool = False) -> bytes:
    """Return the document; `said` are the template's inputs besides `font`. One that attaches files is PDF/A-3."""
    import typst

    with as_file(files("fontpkg_hanken_grotesk") / "files") as fonts:
        made = typst.compile(
            str(template), font_paths=[str(fonts)], ignore_system_fonts=True, sys_inputs={**said, "font": FONT},
            pdf_standards=["a-3b" if attaches else "a-2b"],
        )  # fmt: skip
    if not isinstance(made, bytes):
        raise TypeError(f"expected one document, got {type(made).__name__}")
    return made
