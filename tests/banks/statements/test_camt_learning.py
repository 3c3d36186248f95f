"""A shape is taken on only when it reads two examples as the plain reader does, and only while that is worth it."""

import dataclasses
import io

import pytest

from banks.records import StatementLine
from banks.statements import camt_learning, camt_shape
from banks.statements.camt_learning import MAX_SHAPES, PATIENCE
from banks.statements.camt_shape import DetailShape, EntryShape, FrameShape
from banks.statements.camt_splice import SIGHTINGS, Splice
from tests.banks.statements.test_camt_splice import batch, document, entry, known


def read(*entries, sightings=1):
    """Read a file of these entries; return the shapes learned and the number of elements they took."""
    splice = Splice(sightings)
    list(splice.read(io.BytesIO(document(*entries).encode())))
    return list(splice._known.values())[-1], splice.matched


def swapped(texts):
    """The same choice of texts with two places exchanged: the kind of error that no count or sum would show."""

    def pick(groups):
        *others, one, other = texts.pick(groups)
        return (*others, other, one)

    return dataclasses.replace(texts, pick=pick)


@pytest.mark.parametrize(
    ("kind", "entries"), [(EntryShape, known(9)), (DetailShape, [batch(n, ["1", "2"]) for n in range(9)])]
)
def test_a_shape_that_confuses_two_texts_is_not_taken_on(monkeypatch, kind, entries):
    shapes, matched = read(*entries)
    assert matched
    learn = kind.learn

    def confused(*given):
        shape = learn(*given)
        return shape and dataclasses.replace(shape, texts=swapped(shape.texts))

    monkeypatch.setattr(kind, "learn", confused)
    shapes, _ = read(*entries)
    assert not (shapes.entries if kind is EntryShape else shapes.details)


def test_a_frame_that_loses_the_batch_is_not_taken_on(monkeypatch):
    batches = [batch(n, ["1", "2"]) for n in range(9)]
    assert read(*batches)[0].frames
    learn = FrameShape.learn
    monkeypatch.setattr(
        FrameShape, "learn", lambda outline: dataclasses.replace(learn(outline), fields=("amount",) * 3)
    )
    assert not read(*batches)[0].frames


def test_equal_texts_in_one_example_do_not_hide_a_confusion(monkeypatch):
    # In the file the payer's name is also the account and the reference; only the witness tells them apart.
    same = [entry(n).replace(f"An {n}", "1").replace(f"77{n}", "1").replace(f"FT{n}", "1") for n in range(9)]
    names = camt_shape._LINE_TEXTS
    mixed = tuple(
        {"counterparty": "counterparty_account", "counterparty_account": "counterparty"}.get(n, n) for n in names
    )
    assert read(*same)[1] == 8
    monkeypatch.setattr(camt_shape, "_LINE_TEXTS", mixed)
    assert read(*same)[1] == 0


def test_a_shape_is_learned_when_it_has_come_a_few_times():
    assert read(*known(SIGHTINGS), sightings=SIGHTINGS)[1] == 0
    assert read(*known(SIGHTINGS + 5), sightings=SIGHTINGS)[1] == 5


def test_an_example_that_only_the_plain_reader_can_read_is_not_the_last():
    strange = [entry(n, amount="0") for n in range(1)]
    assert read(*strange, *known(9))[1] == 9 - 3  # seen for the second, third and fourth time before the next try


def test_no_more_shapes_are_learned_than_are_worth_trying():
    entries = [entry(n, inside=f"<X{n}>1</X{n}>") for n in range(MAX_SHAPES + 10) for _ in range(2)]
    shapes, matched = read(*entries)
    assert len(shapes.entries) == MAX_SHAPES == matched
    assert sum(shape.match(entry(3, inside="<X3>1</X3>"), 0) is not None for shape in shapes.entries) == 1


def test_a_file_in_which_nothing_recurs_is_given_up(monkeypatch):
    looked = []
    outline = camt_learning.outline
    monkeypatch.setattr(camt_learning, "outline", lambda *given: looked.append(1) or outline(*given))
    entries = [entry(n, inside=f"<X{n}>1</X{n}>") for n in range(PATIENCE + 50)]
    assert read(*entries, sightings=2)[1] == 0
    assert len(looked) == PATIENCE


def test_what_comes_often_is_tried_first():
    rare, common = entry(1, inside="<X>1</X>"), entry(2)
    shapes, _ = read(rare, rare, *[common] * 5)
    assert shapes.entries[0].match(common, 0) is not None
    line = shapes.entries[0].read(shapes.entries[0].match(common, 0), 7, "")
    assert isinstance(line, StatementLine)
    assert (line.entry, line.counterparty) == (7, "An 2")
