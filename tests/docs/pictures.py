"""The pictures of docs/pages.md, by the names under which the walk through all pages draws them."""

import re
from pathlib import Path

PLACE = Path(__file__).parents[2] / "docs" / "pages.md"
FOLDER = PLACE.with_suffix("")
_PICTURE = re.compile(r"^!\[[^\]]+\]\(pages/([a-zA-Z0-9.-]+)\.webp\)$", re.MULTILINE)


def pictured() -> set[str]:
    """Return the names of the pictures that the page shows: "overview.page"."""
    return set(_PICTURE.findall(PLACE.read_text("utf-8")))
