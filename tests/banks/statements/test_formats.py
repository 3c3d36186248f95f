import io

import pytest

from banks import statements
from banks.errors import Unreadable
from banks.statements import Format


@pytest.fixture
def lines_format(monkeypatch):
    """A toy format, registered for one test: its reader yields the chunks it reads."""
    monkeypatch.setattr(statements, "FORMATS", dict(statements.FORMATS))

    def reader(stream):
        while chunk := stream.read(7):
            yield chunk

    one = Format("toy", "a toy", lambda head: head.startswith(b"TOY"), reader)
    statements.register(one)
    return one


def test_a_registered_format_is_found_by_content_and_given_the_whole_stream(lines_format):
    data = b"TOY" + bytes(range(256)) * 1000
    assert statements.recognise(data[:10]).name == "toy"
    assert b"".join(statements.read(io.BytesIO(data))) == data


def test_a_stream_that_gives_little_at_a_time_is_recognised_too(lines_format):
    class Slow(io.BytesIO):
        def read(self, size=-1, /):
            return super().read(min(size, 1))

    assert b"".join(statements.read(Slow(b"TOY and more"))) == b"TOY and more"


def test_names_are_unique_and_every_title_is_named_in_a_refusal(lines_format):
    with pytest.raises(ValueError, match="'toy' is registered already"):
        statements.register(lines_format)
    with pytest.raises(Unreadable, match=r"expected ISO 20022 .* or a toy, got text of another kind"):
        statements.recognise(b"something else")


def test_a_refusal_quotes_nothing_of_the_content():
    with pytest.raises(Unreadable) as refused:
        statements.recognise(b"0011000999888;844960;NGUYEN VAN A")
    assert "0011000999888" not in str(refused.value)
