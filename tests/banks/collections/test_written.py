"""What an output says it wrote is what arrived, in pieces of any number."""

import hashlib
import io

import pytest

from banks.collections.written import Output


@pytest.mark.parametrize("texts", [0, 1, 511, 512, 513, 2000])
def test_what_is_told_is_what_arrived(texts):
    out = io.BytesIO()
    file = Output(out)
    for number in range(texts):
        file.write(f"{number} điện\n")
    size, digest = file.finish()
    assert out.getvalue() == "".join(f"{number} điện\n" for number in range(texts)).encode()
    assert (size, digest) == (len(out.getvalue()), hashlib.sha256(out.getvalue()).hexdigest())
