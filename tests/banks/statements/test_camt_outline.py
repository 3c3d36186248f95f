import pytest

from banks.statements.camt_outline import outline


def test_an_outline_tells_tags_texts_and_what_was_kept():
    written = "<E><A Ccy='VND'>5</A>\n <B><C> x </C><D/></B><S>BOOK</S></E>"
    found = outline(written, "E", {"S"})
    assert found is not None
    assert found.literals == ("<E><A Ccy='VND'>", "</A>\n <B><C>", "</C><D/></B><S>BOOK</S></E>")
    assert (found.paths, found.texts) == (("A", "B/C"), ("5", " x "))
    assert found.kept == (("A/@Ccy", "VND"), ("S", "BOOK"))
    assert found.elements == ("", "A", "B", "B/C", "B/D", "S")
    assert found.write(found.texts) == written
    assert found.write(("7", "y")) == written.replace("5", "7").replace(" x ", "y")


def test_an_empty_text_is_part_of_the_tags():
    assert outline("<E><A></A><B> </B></E>", "E").literals == ("<E><A></A><B> </B></E>",)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "<F><A>1</A></F>",
        "<E a='1'><A>1</A></E>",
        "<E><A>1</A>",
        "<E><A>1</B></E>",
        "<E></E><E></E>",
        "<E></E> text",
        "text<E></E>",
        "<E>text<A>1</A></E>",
        "<E><A>1</A>text</E>",
        "<E><A>1<B/></A></E>",
        "<E><A>1 &amp; 2</A></E>",
        "<E><A>1 > 2</A></E>",
        "<E><!-- --><A>1</A></E>",
        "<E><A><![CDATA[1]]></A></E>",
        "<E><?go?><A>1</A></E>",
        "<E><p:A>1</p:A></E>",
        "<E><A xmlns='urn:x'>1</A></E>",
        "<E><A xmlns:p='urn:x'>1</A></E>",
        "<E><A xml:lang='vi'>1</A></E>",
        "<E><A a='&lt;'>1</A></E>",
        "<E><Ä>1</Ä></E>",
        "<E><A>1</A ></E a='1'>",
    ],
)
def test_what_is_not_the_plainest_xml_has_none(written):
    assert outline(written, "E") is None
