"""The page on states shows the lifecycles as they are."""

import re
from pathlib import Path

from click.testing import CliRunner

from gateway.commands.states import states
from reconciliation import lifecycle

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(states)
    assert printed.exit_code == 0
    assert printed.output == PAGE.read_text("utf-8"), "`make states` draws docs/states.md anew"


def test_every_move_is_drawn_and_no_other() -> None:
    text = PAGE.read_text("utf-8")
    drawn = set()
    for title, diagram in re.findall(r"^## (.+?)$.*?```mermaid\n(.*?)```", text, re.DOTALL | re.MULTILINE):
        arrows = re.findall(r"^    (\w+) --> (\w+)", diagram, re.MULTILINE)
        drawn |= {(title.replace(" ", "_"), *arrow) for arrow in arrows}
    assert drawn == lifecycle.allowed_moves()
