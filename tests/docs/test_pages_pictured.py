"""Every page of the finance app stands in docs/pages.md with its picture, under a heading and a sentence of its own."""

import re
from pathlib import Path

from gateway.settings import Settings
from tests.browser.conftest import finance_app
from tests.browser.roads import ALONE, looked_at, picture
from tests.docs.pictures import FOLDER, PLACE, pictured

MOST_BYTES = 4 * 1024 * 1024


def test_every_page_has_its_picture(tmp_path: Path) -> None:
    pages = {picture(one) for one in looked_at(finance_app(Settings(tmp_path)))} | set(ALONE.values())
    assert {one.partition("-M")[0] if "-M" in one else one for one in pictured()} == pages, "`make pictures` draws them"


def test_every_picture_is_kept_and_all_of_them_are_light() -> None:
    kept = {one.stem: one.stat().st_size for one in FOLDER.glob("*.webp")}
    assert set(kept) == pictured()
    assert min(kept.values()) > 5_000
    assert sum(kept.values()) < MOST_BYTES


def test_every_picture_has_a_heading_and_a_sentence() -> None:
    parts = PLACE.read_text("utf-8").split("\n## ")[1:]
    assert len(parts) == len(pictured())
    for one in parts:
        assert re.fullmatch(r"[^\n]+\n\n[A-Z`][^\n]+\.\n\n!\[[^\]]+\]\(pages/[^)]+\)\n*", one), one
