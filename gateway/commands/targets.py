"""Files that commands write: in a folder that there is, said before any work is done."""

from pathlib import Path
from typing import Any

import click


class NewFile(click.Path):
    """A path to write a file at; `-` is standard output."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, whose folder exists."""
        path: Path = super().convert(value, param, ctx)  # type: ignore[assignment] # it was told to make a Path
        if not path.parent.is_dir():
            self.fail(f"expected a file in a folder that exists, got {path}: there is no folder {path.parent}")
        return path
