"""What every application of a process makes alike, made once: compiled templates and the builders of addresses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

_Builder = Callable[..., tuple[str, str]]


class _KeptTemplates(BytecodeCache):
    """Templates as the first application of this process compiled them: each test makes an application of its own."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self.kept[bucket.key, bucket.checksum] = bucket.code


def _keeping(compile_builder: Callable[[Rule, bool], _Builder]) -> Callable[[Rule, bool], _Builder]:
    """Return `Rule._compile_builder` with a memory: what it compiles hangs on the key, and is bound to no rule."""
    kept: dict[object, _Builder] = {}

    def build(rule: Rule, append_unknown: bool = True) -> _Builder:
        traced: Any = rule
        # A value that a rule fixes is written into the function as its converter spells it.
        fixed = tuple((name, repr(value)) for name, value in (rule.defaults or {}).items())
        spelled = tuple((name, type(how)) for name, how in traced._converters.items())
        key = rule.rule, tuple(traced._trace), fixed, spelled, append_unknown
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    return build


@contextmanager
def by_applications() -> Iterator[None]:
    """Let the applications that are made while the block runs share what they would each make alike."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(Flask.jinja_options, "bytecode_cache", _KeptTemplates())
        patched.setattr(Rule, "_compile_builder", _keeping(Rule._compile_builder))
        yield
