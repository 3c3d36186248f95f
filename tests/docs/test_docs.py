"""The docs are true where a machine can tell: links lead somewhere, commands, settings and packages exist."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from banks.sandbox.transactions import SandboxBanks
from gateway import bell, settings, staff_desk
from gateway.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```(?:sh|console|text)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(doisoat [^`]+)`")
VARIABLE = re.compile(r"\bDOISOAT_[A-Z0-9_]+")
TARGET = re.compile(r"`(?:.*\s)?make ([a-z-]+)|^make ([a-z-]+)", re.MULTILINE)
_OPEN_ENDS = ("DOISOAT_SECRET_", "DOISOAT_TEST_", "DOISOAT_CHAOS_", "DOISOAT_MUTATION")


def commands_in(text: str) -> list[list[str]]:
    """Return the words of each `doisoat …` in code, from the first word on to the first that is no plain word."""
    found = [*INLINE.findall(text)]
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            at = re.search(r"(?:^|[;&|]\s*|\s)(doisoat [^|;&#]+)", line)
            if at and not line.lstrip().startswith(("#", "doisoat:", '"')):
                found.append(at[1])
    return [one.split()[1:] for one in found]


def fault_of(words: list[str]) -> str:
    """Return what is wrong with a command line, as far as its names go; "" when nothing is."""
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if "|" in name or name in ("…", "..."):
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"doisoat {' '.join(words)}: there is no {name!r}"
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        option = word.strip("[]").partition("=")[0]
        if option.startswith("--") and option != "--" and option not in known | {"--help"}:
            return f"doisoat {' '.join(words)}: there is no {option}"
    return ""


def unknown_variables(text: str) -> set[str]:
    """Return the DOISOAT_ variables that no setting reads."""
    known = settings.known_variables()
    return {name for name in VARIABLE.findall(text) if name not in known and not name.startswith(_OPEN_ENDS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = [
        link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link and not link.startswith("mailto:")
    ]
    assert [link for link in links if not (page.parent / link.strip()).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_variable_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [fault for words in commands_in(text) if (fault := fault_of(words))] == []
    assert unknown_variables(text) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_exists(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for pair in TARGET.findall(page.read_text("utf-8")) for name in pair if name}
    assert named - known == set()


def test_the_examples_of_the_readme_can_be_typed_beside_the_sandbox() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    people = set(re.findall(r"--by (\w+)", text))
    banks = set(re.findall(r"(?:--bank|close \w+|minutes make|compare|^bank =) \"?(\w+)", text, re.MULTILINE))
    sandbox = SandboxBanks()
    assert people <= {one.username for one in staff_desk.SANDBOX_STAFF}
    assert banks <= {sandbox.direct.name, sandbox.wallet.name}
    assert people
    assert banks


def test_the_runbook_names_every_queue_that_needs_a_worker() -> None:
    (named,) = re.findall(r"queues: ([a-z, ]+)", (ROOT / "docs/runbook.md").read_text("utf-8"))
    assert sorted(named.strip().split(", ")) == sorted(bell.JOBS)


def packages() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {re.split(r"[\[<>=!~ ]", one)[0].lower() for one in named}


def documented() -> dict[str, str]:
    rows = re.findall(
        r"^\| `([^`]+)` \| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE
    )
    return {name.lower(): version.strip() for name, version in rows}


def test_every_package_is_documented_with_its_locked_version() -> None:
    locked = dict(
        re.findall(r"^([a-z0-9_.-]+)(?:\[[^\]]*\])?==([^ \\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    assert set(documented()) == packages()
    assert documented() == {name: locked[name] for name in documented()}


def test_a_fault_would_be_found() -> None:
    wrong = "```sh\ndoisoat statment read x.xml\ndoisoat verify --quick\nDOISOAT_PROT=1 doisoat up\n```"
    assert [bool(fault_of(words)) for words in commands_in(wrong)] == [True, True, False]
    assert unknown_variables(wrong) == {"DOISOAT_PROT"}
