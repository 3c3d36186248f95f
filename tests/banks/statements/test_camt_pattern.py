import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from banks.statements.camt_pattern import Texts, compiled

WANTED = compiled(("<a>", "</a>"), 0, [0], {})
UNWANTED = compiled(("<a>", "</a>"), 0, [], {})
SIGNS = st.text(st.sampled_from("ab \t\n\r\0\x0b\x1f\x7f\x85\xa0<>&;]'\"\ufffd💡\u2028ẽ"), max_size=12)


@settings(deadline=None)
@given(st.one_of(SIGNS, st.text(max_size=12)))
@example("a]]>b")
@example("a\rb")
@example(" a")
@example("a\u2003")
def test_a_text_that_matches_is_one_that_a_parser_hands_on_unaltered(text):
    written = f"<a>{text}</a>"
    if "\ufffe" in text or "\uffff" in text:
        return  # looked for in the whole file
    match = WANTED(written, 0)
    if match is not None:
        assert match.end() == len(written)
        assert match[1] == etree.fromstring(written.encode()).text == text == text.strip()
        assert text
    if UNWANTED(written, 0) is not None:
        assert (etree.fromstring(written.encode()).text or "") == text


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"], exclude_characters="<>&\ufffe\uffff"),
        min_size=1,
    )
)
def test_ordinary_texts_do_match(text):
    assert WANTED(f"\n <a>{text}</a>", 0)[1] == text


def test_white_space_may_stand_before_and_nothing_else():
    assert WANTED(" \r\n\t<a>x</a>", 0) is not None
    for other in ("x<a>x</a>", "<!----><a>x</a>", "\u00a0<a>x</a>", "<a >x</a>", "<a>x</a", "<a>x<b/></a>"):
        assert WANTED(other, 0) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([[0], [1]], ("x", "y")),
        ([[1], [], [0]], ("y", "", "x")),
        ([[0, 1], []], ("x y", "")),
        ([[2, 0], [1], [1, 2]], ("z x", "y", "y z")),
    ],
)
def test_texts_go_to_their_places(wanted, expected):
    assert Texts.of(wanted, 3)(("x", "y", "z")) == expected
