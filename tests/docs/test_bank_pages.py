"""What the pages on banks show is what happens: each command is run in its order, and prints what stands below it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from banks import profile

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "banks").glob("*.md"))
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
TOML_PROFILE = re.compile(r'^profile = "([a-z]+)"', re.MULTILINE)
AGE = re.compile(r"^age: -?[0-9]+ s(, signed ahead of this machine's clock)?$", re.MULTILINE)
END = "== the end of a command =="


def shown(block: str) -> tuple[list[str], list[str]]:
    """Return the commands of a console block, and what it shows below each."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    commands, outputs = zip(*(part.partition("\n")[::2] for part in parts), strict=True)
    return list(commands), [output.strip() for output in outputs]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DOISOAT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}"
    for block in CONSOLE.findall(page.read_text("utf-8")):
        commands, expected = shown(block)
        script = "\n".join(f"{command}\necho\necho '{END}'" for command in commands)
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=plain | {"PATH": path, "DOISOAT_HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        printed = [output.strip() for output in done.stdout.split(END)[:-1]]
        assert [AGE.sub("age", output) for output in printed] == [AGE.sub("age", output) for output in expected]
        assert any(output.startswith("verified\n") for output in printed)
        assert any(output.startswith("not verified: ") for output in printed)


@pytest.mark.parametrize("name", profile.names())
def test_a_page_names_its_profile_and_every_secret(name: str) -> None:
    text = (ROOT / "docs" / "banks" / f"{name}.md").read_text("utf-8")
    assert TOML_PROFILE.findall(text) == [name]
    for secret in profile.find(name).secrets:
        assert re.search(rf"DOISOAT_SECRET_[A-Z]+_{secret.upper()}\b", text)
