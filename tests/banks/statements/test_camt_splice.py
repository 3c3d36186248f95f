"""The reading by patterns against the plain one: the same events, same refusals, same places, whatever the file."""

import gc
import io
import os
import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import xml
from banks.errors import Unreadable
from banks.records import StatementClosed, StatementLine
from banks.statements.camt_splice import Splice
from banks.statements.camt_walk import MAX_DETAILS, read_plainly
from tests.banks.statements import camt_files

OWN = sorted((Path(__file__).parents[2] / "corpus" / "camt").glob("*.xml"))
PUBLIC = sorted(
    Path(os.environ.get("DOISOAT_CORPUS") or Path(__file__).parents[4] / "shared" / "corpus").rglob("*.xml")
)
CAMPAIGN = int(os.environ.get("CAMT_CAMPAIGN", "120"))
"""Files tried per run of the comparison, each from a seed of its own."""
KEPT = range(1, 41)


def outcome(events):
    """All events, and the refusal at the end if there is one."""
    told = []
    try:
        told.extend(events)
    except Unreadable as refused:
        told.append((refused.reason, refused.place))
    return told


def both(data, sightings=1):
    """What both readers make of `data`, compared; returns the events and how many elements patterns took."""
    splice = Splice(sightings)
    read = outcome(splice.read(io.BytesIO(data)))
    assert read == outcome(read_plainly(io.BytesIO(data)))
    return read, splice.matched


def entry(number, *, amount="500", inside="", more="", direction="CRDT", text="tien dien"):
    return (
        f"<Ntry><Amt Ccy='VND'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts>BOOK</Sts>"
        f"<BookgDt><Dt>2026-07-31</Dt></BookgDt><AcctSvcrRef>FT{number}</AcctSvcrRef><BkTxCd><Prtry><Cd>X</Cd></Prtry>"
        f"</BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>E{number}</EndToEndId></Refs><RltdPties>"
        f"<Dbtr><Nm>An {number}</Nm></Dbtr><DbtrAcct><Id><Othr><Id>77{number}</Id></Othr></Id></DbtrAcct></RltdPties>"
        f"{inside}<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls>{more}</Ntry>"
    )


def batch(number, parts, *, said=None, amount=None):
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>B{number}-{n}</EndToEndId></Refs><Amt Ccy='VND'>{part}</Amt></TxDtls>"
        for n, part in enumerate(parts)
    )
    return (
        f"<Ntry><Amt Ccy='VND'>{amount or sum(map(int, parts))}</Amt><CdtDbtInd>CRDT</CdtDbtInd><NtryDtls><Btch>"
        f"<PmtInfId>P{number}</PmtInfId><NbOfTxs>{said or len(parts)}</NbOfTxs></Btch>{details}</NtryDtls></Ntry>"
    )


def document(*entries, between="\n", tail=""):
    return (
        f"<Document xmlns='{camt_files.NAMESPACE}'><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>\n<Stmt>"
        f"<Id>S</Id><Acct><Id><Othr><Id>0011</Id></Othr></Id><Ccy>VND</Ccy></Acct>{between}"
        + between.join(entries)
        + f"{between}</Stmt>{tail}</BkToCstmrStmt></Document>"
    )


def known(count=12):
    return [entry(number) for number in range(count)]


def test_what_is_known_is_taken_and_told_the_same():
    events, matched = both(document(*known(50)).encode())
    assert matched == 49  # the first opens the statement and teaches the shape
    lines = [event for event in events if isinstance(event, StatementLine)]
    assert [line.entry for line in lines] == list(range(1, 51))
    assert {line.counterparty for line in lines} == {f"An {number}" for number in range(50)}
    foot = events[-1]
    assert isinstance(foot, StatementClosed)
    assert (foot.lines, foot.credit_total.minor) == (50, 25_000)


@pytest.mark.parametrize(
    "odd",
    [
        entry(7, inside="<AddtlTxInf>more</AddtlTxInf>"),
        entry(7, more="<AddtlNtryInf>more</AddtlNtryInf>"),
        entry(7, more="<NtryDtls><TxDtls><Refs><EndToEndId>second</EndToEndId></Refs></TxDtls></NtryDtls>"),
        entry(7).replace("</TxDtls>", "</TxDtls><TxDtls></TxDtls>"),
        entry(7).replace("</TxDtls>", "</TxDtls><TxDtls/>"),
        entry(7).replace("<AcctSvcrRef>", "<AcctSvcrRef>again</AcctSvcrRef><AcctSvcrRef>"),
        entry(7).replace("<Ustrd>", "<Ustrd>again</Ustrd><Ustrd>"),
        entry(7).replace("<Nm>An 7</Nm>", ""),
        entry(7).replace("<Nm>An 7</Nm>", "<Nm></Nm>"),
        entry(7).replace("<Nm>An 7</Nm>", "<Nm/>"),
        entry(7).replace("<Nm>An 7</Nm>", "<Nm>An <b>7</b></Nm>"),
        entry(7).replace("<Nm>", "<Nm xml:lang='vi'>"),
        entry(7).replace("<Nm>", "<Nm a='1'>"),
        entry(7).replace("<Nm>", "<Nm xmlns='urn:x'>"),
        entry(7).replace("<Dbtr><Nm>An 7</Nm></Dbtr>", "<p:Dbtr xmlns:p='urn:x'><p:Nm>An</p:Nm></p:Dbtr>"),
        entry(7).replace("Ntry>", "p:Ntry>").replace("<p:Ntry>", f"<p:Ntry xmlns:p='{camt_files.NAMESPACE}'>"),
        entry(7).replace("<Ustrd>", "<Ustrd><!-- </Ntry> -->"),
        entry(7).replace("<Ustrd>", "<!-- </Ustrd></RmtInf></TxDtls></NtryDtls></Ntry> --><Ustrd>"),
        entry(7).replace("</Refs>", "<!-- --></Refs>"),
        entry(7).replace("<Prtry><Cd>X", "<Prtry><Cd>X<!-- -->"),
        entry(7).replace("</Refs>", "<?go?></Refs>"),
        entry(7, text="<![CDATA[a </Ntry> b]]>"),
        entry(7, text="Tien &amp; Phat"),
        entry(7).replace("<Cd>X", "<Cd>&#88;&amp;"),
        entry(7, text="a > b"),
        entry(7, text=" spaces "),
        entry(7, text="\u00a0spaces\u2003"),
        entry(7, text="two\nlines\tof it"),
        entry(7, text="two\r\nlines"),
        entry(7, text="a\rb"),
        entry(7, text=""),
        entry(7, text="  "),
        entry(7, text="𠮷 💡 ẽ e\u0303 \ufffd \u0085 \u2028"),
        entry(7).replace("E7", "NOTPROVIDED"),
        entry(7).replace("E7", "NotProvided"),
        entry(7).replace("777", "0011"),
        entry(7, inside="<RltdPties><CdtrAcct><Id><IBAN>0011</IBAN></Id></CdtrAcct></RltdPties>"),
        entry(7).replace("777", "0011").replace("</DbtrAcct>", "</DbtrAcct><Cdtr><Nm>C</Nm></Cdtr>"),
        entry(7, inside="<RtrInf><Rsn><Cd>AM04</Cd></Rsn></RtrInf>", direction="DBIT"),
        entry(7, inside="<Chrgs><Amt Ccy='VND'>1</Amt></Chrgs>"),
        entry(7, amount="0"),
        entry(7, amount="0500"),
        entry(7, amount="500.00"),
        entry(7, amount=" 500 "),
        entry(7).replace("<Sts>BOOK", "<Sts>PDNG"),
        entry(7).replace("<Sts>BOOK</Sts>", "<Sts><Cd>INFO</Cd></Sts>"),
        entry(7).replace("<Sts>", "<RvslInd>true</RvslInd><Sts>"),
        entry(7).replace("2026-07-31", "2026-07-30T10:00:00+07:00"),
        entry(7).replace("<Ntry>", "<Ntry >").replace("</Ntry>", "</Ntry\n>"),
        entry(7).replace("><", ">\r\n  <"),
        "<Ntry></Ntry>".replace("><", f">{entry(7)[6:-7]}<"),
        "<Sub>" + "text" + "</Sub>",
        entry(7).replace("</Ntry>", "</Ntry >") + f"<!-- </Ntry>{entry(8)} -->",
        entry(7).replace("</Ntry>", "</Ntry >") + f"<?go </Ntry>{entry(8)} ?>",
        entry(7).replace("</Ntry>", "</Ntry >") + f"<![CDATA[ </Ntry>{entry(8)} ]]>",
        batch(7, ["1", "2"]).replace("</TxDtls>", f"</TxDtls ><!-- </TxDtls>{'<TxDtls></TxDtls>' * 2} -->", 1),
        "<!-- </Ntry> -->",
        "text between",
        "<![CDATA[</Ntry>]]>",
        batch(7, ["1", "2"]),
    ],
)
def test_one_odd_element_among_known_ones_reads_as_it_does_plainly(odd):
    events, matched = both(document(*known(), odd, *known(), batch(1, ["3", "4"])).encode())
    assert matched >= 20
    assert isinstance(events[-1], StatementClosed)


@pytest.mark.parametrize(
    "broken",
    [
        entry(7, amount="12,5"),
        entry(7, amount="-5"),
        entry(7, amount="9" * 16),
        entry(7, amount="１２"),
        entry(7, amount="1<b/>0"),
        entry(7).replace("Ccy='VND'", "Ccy='USD'"),
        entry(7).replace("Ccy='VND'", ""),
        entry(7).replace("<Sts>BOOK", "<Sts>GONE"),
        entry(7).replace("CRDT", "CREDIT"),
        entry(7).replace("2026-07-31", "2026-02-30"),
        entry(7).replace("2026-07-31", "２０２６-07-31"),
        entry(7).replace("</Amt>", "</Amt><Amt Ccy='VND'>7</Amt>"),
        entry(7).replace("</Nm>", "</Name>"),
        entry(7).replace("</AcctSvcrRef>", ""),
        entry(7, text="a & b"),
        entry(7, text="&undeclared;"),
        entry(7, text="]]>"),
        entry(7, text="\x0b"),
        entry(7, text="\ufffe"),
        entry(7, text="\uffff"),
        entry(7, text="<"),
        entry(7).replace("<Cd>X", "<Cd>\x1f"),
        entry(7).replace("<Cd>X", "<Cd>]]>"),
        entry(7).replace("<Cd>X", "<Cd>&undeclared;"),
        entry(7).replace("<Cd>X", "<Cd>&"),
        entry(7).replace("<Cd>X", "<Cd>\uffff"),
        entry(7).replace("<Nm>", "<Nm a='1' a='2'>"),
        entry(7).replace("<Nm>", "<p:Nm>").replace("</Nm>", "</p:Nm>"),
        entry(7).replace("<Ntry>", "<Ntry xmlns='urn:x'>"),
        "<Bal/>",
        "<Acct/>",
        f"<x>{entry(7)}</x>",
        entry(7).replace("<Refs>", f"<Refs>{entry(8)}"),
        "<Stmt/>",
        "<!-- -- -->",
        "<!DOCTYPE a>",
        "<?xml version='1.0'?>",
        "</Stmt>",
        "<Stmt>",
        "<!-- ",
        batch(7, ["1", "x"], amount="2"),
        batch(7, ["1", "2"]).replace("</TxDtls>", "<Amt Ccy='VND'>1<b/></Amt></TxDtls>"),
        batch(7, ["1", "2"], amount="x"),
    ],
)
def test_one_broken_element_far_behind_known_ones_is_refused_at_the_same_place(broken):
    before = [*known(), batch(1, ["1", "2"]), batch(2, ["1", "2"]), *known()]
    events, matched = both(document(*before, broken, *known(), between="\n\n").encode())
    # A character that is none makes all that was read in one piece with it suspect.
    assert matched >= 22 or {"\ufffe", "\uffff"} & set(broken)
    assert isinstance(events[-1], tuple)
    reason, place = events[-1]
    assert reason
    assert re.search(r"line \d+$", place)


def test_the_line_is_told_beyond_all_bounds_of_the_parser():
    events, matched = both(document(*known(30), entry(1, amount="x"), between="\n" * 9_000).encode())
    assert matched == 29
    assert events[-1][1] == "Stmt 1, Ntry 31, Amt, line 279002"


def test_newlines_without_end_pile_up_nowhere():
    gap = "\n" * 50_000
    events, matched = both(document(*known(300), between=gap).encode()[:-3])
    assert matched == 299
    assert "well-formed" in events[-1][0]
    assert events[-1][1] == "line 15050002"


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "windows-1258", "iso-8859-1", "us-ascii", "UTF-8"]
)
def test_encodings_other_than_utf_8_are_left_to_the_parser(encoding):
    text = f"<?xml version='1.0' encoding='{encoding}'?>" + document(*known(20))
    data = text.encode(encoding)
    if encoding.endswith("-be"):
        data = b"\xfe\xff" + data
    events, matched = both(data)
    assert isinstance(events[-1], StatementClosed)
    assert matched == (18 if encoding == "UTF-8" else 0)  # a declaration in sight makes the first entry suspect


@pytest.mark.parametrize(
    ("start", "taken"),
    [
        ("<?xml version='1.0'?>", 18),
        ('<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n', 18),
        ("\ufeff", 19),
        ("\ufeff<?xml version='1.0' encoding='UTF-8'?>", 18),
        ("<!-- by a bank --><?go?>", 18),
        ("<?xml version='1.1'?>", 0),
    ],
)
def test_the_ways_a_file_of_utf_8_begins(start, taken):
    assert both((start + document(*known(20))).encode())[1] == taken


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xe1\xba"])
def test_bytes_that_are_no_utf_8_are_refused_by_the_parser_itself(bad):
    data = document(*known(20), entry(7, text="@"), *known(5)).encode()
    events, _ = both(data.replace(b"@", bad))
    assert "well-formed" in events[-1][0]


def test_several_statements_share_what_is_known_when_their_tags_mean_the_same():
    one = document(*known(10)).partition("<Stmt>")[2].partition("</Stmt>")[0]
    euro = one.replace("VND", "EUR")
    foreign = f"<Stmt xmlns='urn:x'>{one}</Stmt>"
    tail = f"<Stmt>{one}</Stmt><Stmt>{euro}</Stmt><Stmt>{one}</Stmt>"
    events, matched = both(document(*known(10), tail=tail).encode())
    assert sum(isinstance(event, StatementClosed) for event in events) == 4
    assert matched == 4 * 9  # each is opened by its first entry, from which the euro's shape is learned anew
    assert "expected" in both(document(*known(10), tail=foreign).encode())[0][-1][0]


def test_a_prefix_bound_to_another_namespace_is_not_taken_for_the_same():
    one = document(*known(10)).partition("<Stmt>")[2].partition("</Stmt>")[0]
    head = one.partition("<Ntry>")[0].replace("<", "<p:").replace("<p:/", "</p:")
    first = entry(1).replace("<Ntry>", f"<Ntry xmlns='{camt_files.NAMESPACE}'>")
    swapped = f"<p:Stmt xmlns='urn:x' xmlns:p='{camt_files.NAMESPACE}'>{head}{first}{entry(2)}</p:Stmt>"
    events, _ = both(document(*known(10), tail=swapped).encode())
    assert "got '{urn:x}" in events[-1][0]


def test_batches_of_all_sizes_are_taken_in_their_frame():
    batches = [batch(n, [str(n + m + 1) for m in range(n % 7 + 2)]) for n in range(40)]
    events, matched = both(document(*known(3), *batches, batch(9, ["1", "2"], said=3), *known(3)).encode())
    assert matched > 40
    assert events[-1].faults == ("Ntry 44: the batch says 3 transactions, the entry lists 2",)
    assert sum(isinstance(event, StatementLine) for event in events) == 6 + sum(n % 7 + 2 for n in range(40)) + 2


def test_two_groups_of_which_one_is_a_batch_are_counted_as_they_are_plainly():
    more = "<NtryDtls><Btch><NbOfTxs>9</NbOfTxs></Btch></NtryDtls>"
    entries = [batch(n, ["1", "2"]).replace("<NtryDtls>", f"{more}<NtryDtls>") for n in range(6)]
    events, _ = both(document(*entries, *known(3)).encode())
    assert len(events[-1].faults) == 6
    entries = [one.replace("<NbOfTxs>2</NbOfTxs>", "") for one in entries]
    events, _ = both(document(*entries, *known(3)).encode())
    assert events[-1].faults == ()


def test_the_transactions_of_one_enormous_batch_are_taken_too():
    events, matched = both(document(batch(1, ["5"] * 3_000)).encode())
    assert matched > 2_000
    assert sum(isinstance(event, StatementLine) for event in events) == 3_000


def test_one_transaction_too_many_is_refused_at_the_same_place():
    events, _ = both(document(batch(1, ["5"] * (MAX_DETAILS + 3))).encode())
    assert events[-1][0] == "expected at most 100000 transactions in one entry, got more"
    assert events[-1][1].startswith("Stmt 1, Ntry 1, TxDtls 100001, ")


@pytest.mark.parametrize("length", [xml.MAX_TEXT - 1, xml.MAX_TEXT, xml.MAX_TEXT + 1])
@pytest.mark.parametrize("chunk", [0, 60_000, 64_000])
def test_a_text_of_a_known_shape_may_be_no_longer_than_one_of_any_other(length, chunk):
    in_entry = entry(20, text="x" * length)
    framed = [batch(n, ["1", "2"]) for n in range(9)]
    in_frame = batch(9, ["1", "2"]).replace("<PmtInfId>P9", "<PmtInfId>" + "x" * length)
    in_detail = batch(9, ["1", "2"]).replace("B9-1", "x" * length)
    for odd in (in_entry, in_frame, in_detail):
        filler = [f"<!--{'y' * chunk}-->"] if chunk else []
        events, _ = both(document(*known(), *framed, *filler, odd, *known(3)).encode())
        refused = isinstance(events[-1], tuple)
        assert refused is (length > xml.MAX_TEXT)


def test_lines_that_have_been_told_are_not_kept():
    stream = io.BytesIO(document(*known(3), batch(1, ["5"] * 3_000)).encode())
    for event in Splice(1).read(stream):
        last = event
        if isinstance(event, StatementLine) and event.transaction == 3_000:
            assert sum(isinstance(one, StatementLine) for one in gc.get_objects()) < 100
    assert isinstance(last, StatementClosed)


@pytest.mark.parametrize("sample", [*OWN, *PUBLIC], ids=lambda path: path.name)
def test_both_readers_agree_on_every_sample_and_on_one_with_each_entry_many_times(sample):
    data = sample.read_bytes()
    both(data)
    both(re.sub(rb"(<Ntry>.*?</Ntry>)(\s*)", rb"\1\2" * 6, data, flags=re.DOTALL))


def test_the_public_samples_are_read_by_patterns_when_their_entries_recur():
    if not PUBLIC:
        pytest.skip("the public samples are not beside this project")
    taken = []
    for sample in PUBLIC:
        data = re.sub(rb"(<Ntry>.*?</Ntry>)(\s*)", rb"\1\2" * 6, sample.read_bytes(), flags=re.DOTALL)
        splice = Splice(1)
        outcome(splice.read(io.BytesIO(data)))
        taken.append(splice.matched)
    assert sum(bool(one) for one in taken) >= 10
    assert sum(taken) > 100


@settings(deadline=None, max_examples=CAMPAIGN, database=None)
@given(
    seed=st.integers(0, 2**48),
    harm=st.one_of(st.none(), st.integers(0, 2**48)),
    chunk=st.sampled_from([xml.CHUNK, 4096, 700, 64]),
    sightings=st.sampled_from([1, 2]),
)
def test_both_readers_agree_on_files_nobody_has_seen(seed, harm, chunk, sightings):
    data = camt_files.file(seed)
    if harm is not None:
        data = camt_files.damage(data, harm)
    with mock.patch.object(xml, "CHUNK", chunk):
        both(data, sightings)


@pytest.mark.parametrize("seed", KEPT)
def test_both_readers_agree_on_kept_files(seed):
    data = camt_files.file(seed)
    both(data)
    both(camt_files.damage(data, seed))


def test_the_files_compared_are_mostly_read_by_patterns():
    taken = lines = readable = 0
    for seed in KEPT:
        events, matched = both(camt_files.file(seed))
        if isinstance(events[-1], StatementClosed):
            readable += 1
            taken += matched
            lines += sum(isinstance(event, StatementLine) for event in events)
    assert readable > len(KEPT) / 2
    assert taken > lines / 2
    damaged = [both(camt_files.damage(camt_files.file(seed), seed)) for seed in KEPT]
    assert sum(matched > 0 for _, matched in damaged) > len(KEPT) / 2
    assert sum(isinstance(events[-1], tuple) for events, _ in damaged) > len(KEPT) / 5


class Trickle:
    """A stream that gives one byte at a time."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, _size=-1, /):
        return self._data.read(1)


def test_a_stream_may_come_byte_by_byte():
    data = document(*known(200)).encode()
    splice = Splice(1)
    assert outcome(splice.read(Trickle(data))) == outcome(read_plainly(io.BytesIO(data)))
    assert splice.matched == 199


@pytest.mark.parametrize(
    "endless",
    [
        "<Ntry>" + "<a>b</a>" * 600_000,
        "<Ntry><a>" + "x" * 4_500_000,
        "<Ntry><a b='" + "x" * 4_500_000,
        "<!--" + "x" * 4_500_000,
    ],
    ids=["elements", "text", "attribute", "comment"],
)
def test_what_never_ends_is_refused_as_it_is_plainly(endless):
    before = document(*known(20)).partition("</Stmt>")[0].encode()
    events, matched = both(before + endless.encode())
    assert matched == 19
    assert "expected" in events[-1][0]


@pytest.mark.parametrize("endless", ["<Ntry>", "<Ntry><NtryDtls>", "<Ntry><NtryDtls><TxDtls>", "<!-- "])
@pytest.mark.parametrize("piece", ["<a>b</a>", "text", "\n"])
def test_no_more_of_an_endless_element_is_read_than_the_limit(endless, piece):
    class Endless(io.RawIOBase):
        given = 0
        start = document(*known(20)).partition("</Stmt>")[0].encode() + endless.encode()

        def read(self, size=-1, /):
            data = self.start or (piece * (size // len(piece) + 1)).encode()[:size]
            self.start = b""
            self.given += len(data)
            assert self.given < xml.MAX_PENDING + 4 * xml.CHUNK
            return data

    with pytest.raises(Unreadable):
        list(Splice(1).read(Endless()))


def test_end_tags_that_are_none_do_not_make_the_parser_stop_at_each():
    false_ends = "<!--" + "</Ntry>" * 100_000 + "-->"
    data = document(*known(20), false_ends, *known(200)).encode()
    fed = []
    feed = xml.Forward.feed
    with mock.patch.object(xml.Forward, "feed", lambda self, chunk: fed.append(len(chunk)) or feed(self, chunk)):
        splice = Splice(1)
        lines = sum(isinstance(event, StatementLine) for event in splice.read(io.BytesIO(data)))
    assert lines == 220
    assert len(fed) < 200
    assert splice.matched > 100
