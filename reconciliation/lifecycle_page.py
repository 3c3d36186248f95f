"""The page docs/states.md: a diagram of each lifecycle, drawn from the tables in code."""

from collections.abc import Iterator

from reconciliation.lifecycle import ALL, PAYMENT_UNDONE, Lifecycle

_HEAD = """\
# States

What each kind of row may become. Drawn from the tables in `reconciliation/lifecycle.py` by `make states`; the database
holds the same tables (`lifecycle_moves`, `lifecycle_births`) and refuses a move, a note of a move, or a row's first
state that is none of them. A state without an arrow leading away is final.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([_HEAD, *(_section(one) for one in ALL)])


def _section(one: Lifecycle) -> str:
    drawn = "\n".join(f"    {arrow}" for arrow in _arrows(one))
    return f"## {one.kind.replace('_', ' ')}\n\nTable `{one.table}`.\n\n```mermaid\nstateDiagram-v2\n{drawn}\n```\n"


def _arrows(one: Lifecycle) -> Iterator[str]:
    yield from (f"[*] --> {state}" for state in (one.start, *sorted(one.births)))
    yield from _moves(one, "")
    if one.kind == PAYMENT_UNDONE.kind:
        yield from _moves(PAYMENT_UNDONE, " : undone")


def _moves(one: Lifecycle, label: str) -> Iterator[str]:
    return (f"{state} --> {to}{label}" for state in one.moves for to in sorted(one.moves[state]))
