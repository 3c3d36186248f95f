"""camt files for comparing readers: entries of recurring shapes in the ways banks write, and ways to damage a file."""

import random
import re
from dataclasses import dataclass, field

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
NAMES = ("NGUYỄN THỊ ÁNH", "Trần Văn Bình", "CTY TNHH ĐẠI PHÁT", "Lê C", 'O\'Neil "Q"', "𠮷野家", "Ｈàn")
TEXTS = (
    "PD12000012345 thanh toán tiền điện kỳ 07/2026", "TT TIEN DIEN", "nộp tiền\n  mặt", "a\tb", "x ]] y", "IBFT 123",
    "NOTPROVIDED", "notprovided", "0011",
)  # fmt: skip


@dataclass(slots=True)
class Style:
    """How one bank writes: indent, line ends, quotes, the tag prefix."""

    indent: str = ""
    newline: str = ""
    between: str = "\n"
    quote: str = '"'
    prefix: str = ""
    declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n'
    namespace: str = NAMESPACE


@dataclass(slots=True)
class Tag:
    """An element to be written: a name, and a text or elements."""

    name: str
    inside: "str | list[Tag]" = ""
    attributes: dict[str, str] = field(default_factory=dict)

    def write(self, style: Style, depth: int) -> str:
        q, name = style.quote, style.prefix + self.name
        attributes = "".join(f" {key}={q}{value}{q}" for key, value in self.attributes.items())
        if isinstance(self.inside, str):
            return f"<{name}{attributes}>{self.inside}</{name}>"
        inner = style.newline + style.indent * (depth + 1)
        parts = "".join(inner + one.write(style, depth + 1) for one in self.inside)
        return f"<{name}{attributes}>{parts}{style.newline}{style.indent * depth}</{name}>"


def money(amount, currency="VND"):
    return Tag("Amt", str(amount), {"Ccy": currency})


def at(path, text):
    """Elements one in the other along `path`, with `text` in the innermost."""
    name, _, rest = path.partition("/")
    return Tag(name, [at(rest, text)] if rest else text)


def party(rng, role):
    path = rng.choice((f"{role}/Nm", f"{role}/Pty/Nm", f"{role}/Agt/FinInstnId/Nm", f"Ultmt{role}/Nm"))
    account = rng.choice(("Id/Othr/Id", "Id/IBAN"))
    some = [at(path, "{name}"), at(f"{role}Acct/{account}", "{account}")]
    return some if rng.random() < 0.7 else some[rng.randrange(2) :][:1]


def transaction(rng, amount="{part}"):
    """The shape of a TxDtls: texts in braces are filled in for each of its kind."""
    inside = [
        Tag("Refs", [one for one in (
            at("AcctSvcrRef", "{ref}"), at("EndToEndId", "{e2e}"), at("TxId", "{ref}"), at("MndtId", "{ref}")
        ) if rng.random() < 0.5])
    ]  # fmt: skip
    if rng.random() < 0.6:
        inside += [money(amount), Tag("CdtDbtInd", "{direction}")][: rng.randrange(3)]
    if rng.random() < 0.4:
        inside.append(Tag("AmtDtls", [Tag("TxAmt", [money(amount)])]))
    if rng.random() < 0.15:
        inside.append(Tag("Chrgs", [money("13"), Tag("CdtDbtInd", "DBIT")]))
    if rng.random() < 0.8:
        sides = party(rng, "Dbtr") + (party(rng, "Cdtr") if rng.random() < 0.5 else [])
        inside.append(Tag("RltdPties", sides))
    if rng.random() < 0.8:
        inside.append(Tag("RmtInf", [at("Ustrd", "{text}") for _ in range(rng.randrange(4))]))
    if rng.random() < 0.2:
        inside.append(at("RmtInf/Strd/CdtrRefInf/Ref", "{ref}"))
    if rng.random() < 0.2:
        inside.append(at(rng.choice(("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry")), "AM04"))
    if rng.random() < 0.2:
        inside.append(at("AddtlTxInf", "{text}"))
    return Tag("TxDtls", inside)


def entry(rng):
    """The shape of an Ntry."""
    direction, currency = rng.choice(("CRDT", "DBIT")), "VND" if rng.random() < 0.99 else "USD"
    inside = [money("{amount}", currency), Tag("CdtDbtInd", direction)]
    if rng.random() < 0.2:
        inside.insert(0, at("NtryRef", "{ref}"))
    if rng.random() < 0.3:
        inside.append(Tag("RvslInd", rng.choice(("true", "false", "1", " 0 "))))
    status = rng.choice(("BOOK", "BOOK", "BOOK", "PDNG", "INFO"))
    inside.append(rng.choice((Tag("Sts", status), at("Sts/Cd", status))))
    if rng.random() < 0.8:
        inside.append(at(rng.choice(("BookgDt/Dt", "BookgDt/DtTm")), "{date}"))
    if rng.random() < 0.6:
        inside.append(at(rng.choice(("ValDt/Dt", "ValDt/DtTm")), "{date}"))
    if rng.random() < 0.6:
        inside.append(at("AcctSvcrRef", "{ref}"))
    inside.append(at("BkTxCd/Domn/Cd", "PMNT"))
    details = []
    if rng.random() < 0.25:
        details.append(
            Tag(
                "Btch", [at("MsgId", "{ref}"), at("PmtInfId", "{ref}"), at("NbOfTxs", "{count}")][: rng.randrange(1, 4)]
            )
        )
    count = rng.choice((0, 1, 1, 1, 2, 3, 6))
    one = transaction(rng, "{amount}" if count < 2 else "{part}")
    details += [one if rng.random() < 0.9 else transaction(rng) for _ in range(count)]
    if details or rng.random() < 0.2:
        inside.append(Tag("NtryDtls", details))
    if rng.random() < 0.3:
        inside.append(at("AddtlNtryInf", "{text}"))
    if rng.random() < 0.1:
        rng.shuffle(inside)
    return Tag("Ntry", inside), direction, count


def fill(written, rng, direction, count, oddness):
    """Put texts into the places of a written shape; a share of `oddness` get strange ones."""
    odd = rng.random() < oddness
    part = rng.randrange(1, 10**6)
    whole = str(part * count if count > 1 else part)
    if odd:
        whole = rng.choice(
            (whole, whole + ".00", "0", "007", " 12 ", "12.50", "1,5", "", "9" * 15, "9" * 16, "-3", "+3")
        )
    date = rng.choice(("2026-07-31", "2026-07-30T10:11:12", "2026-07-01+07:00", "2026-02-28T00:00:00.123Z"))
    if odd:
        date = rng.choice((date, date, "2026-02-30", "31/07/2026", "", "2026-7-1", "２０２６-07-01"))
    strange_name = ("", " ", "A &amp; B", "<![CDATA[C]]>", "\u00a0x") if odd else ()
    strange_text = ("&lt;", "a<!-- b -->c", "\r\n", "&#65;", "") if odd else ()
    values = {
        "{amount}": lambda: whole,
        "{part}": lambda: str(part),
        "{count}": lambda: str(count if rng.random() < 0.8 else count + 1),
        "{direction}": lambda: direction if not odd else "DBIT",
        "{date}": lambda: date,
        "{ref}": lambda: rng.choice((f"FT{rng.randrange(10**6)}", f"{rng.randrange(10**12)}", " R 2 " if odd else "R")),
        "{e2e}": lambda: rng.choice(("NOTPROVIDED", f"E{rng.randrange(10**6)}", "NotProvided")),
        "{name}": lambda: rng.choice(NAMES + strange_name),
        "{account}": lambda: rng.choice(("0123456", "0011", f"{rng.randrange(10**10)}")),
        "{text}": lambda: rng.choice(TEXTS + strange_text),
    }  # fmt: skip
    for name, make in values.items():
        while name in written:
            written = written.replace(name, make(), 1)
    return written


def balance(code, amount):
    cd = Tag("CdOrPrtry", [Tag("Cd", code)])
    return Tag("Bal", [Tag("Tp", [cd]), money(amount), Tag("CdtDbtInd", "CRDT"), Tag("Dt", [Tag("Dt", "2026-07-31")])])


def file(seed, entries=40):
    """Return a whole file: well-formed, though what it says may be refused."""
    rng = random.Random(seed)
    style = Style(
        indent=rng.choice(("", "", "  ", "\t")), quote=rng.choice("\"\"'"),
        declaration=rng.choice(
            ('<?xml version="1.0" encoding="UTF-8"?>\n', '<?xml version="1.0"?>', "", "\ufeff")
            if rng.random() < 0.9
            else ("<?xml version='1.1'?>", "<?xml version='1.0' encoding='iso-8859-1'?>", "<?xml encoding='x'?>", " ")
        ),
        namespace=rng.choice((NAMESPACE, NAMESPACE, NAMESPACE, "")),
    )  # fmt: skip
    if style.indent or rng.random() < 0.3:
        style.newline = rng.choice(("\n", "\n", "\r\n"))
    style.between = rng.choice(("", "\n", "\r\n", " \n\t "))
    if rng.random() < 0.05 and style.namespace:
        style.prefix = "c:"
    oddness = rng.choice((0, 0, 0.02, 0.1))
    shapes = [entry(rng) for _ in range(rng.choice((1, 1, 2, 4, 8)))]
    written = [(tag.write(style, 3), direction, count) for tag, direction, count in shapes]
    group = Tag("GrpHdr", [Tag("MsgId", "M")]).write(style, 2)
    statements = []
    for number in range(rng.choice((1, 1, 1, 2, 3))):
        parts = [
            Tag("Id", f"S{number}"),
            Tag("Acct", [at("Id/Othr/Id", "0011"), *([Tag("Ccy", "VND")] if rng.random() < 0.8 else [])]),
            *([balance("OPBD", 5), balance("CLBD", 50)] if rng.random() < 0.5 else []),
            rng.random() < 0.3 and Tag("TxsSummry", [Tag("TtlNtries", [Tag("NbOfNtries", "3"), Tag("Sum", "9")])]),
        ]  # fmt: skip
        told = [one.write(style, 3) for one in parts if one]
        order = [rng.choice(written) for _ in range(rng.randrange(1, entries))]
        if rng.random() < 0.6:
            order.sort(key=lambda one: one[0])  # runs of one shape
        told += [fill(text, rng, direction, count, oddness) for text, direction, count in order]
        p = style.prefix
        statements.append(f"<{p}Stmt>" + style.between.join(["", *told, ""]) + f"</{p}Stmt>")
    p, at_ = style.prefix, f" xmlns{':' + style.prefix[:-1] if style.prefix else ''}='{style.namespace}'"
    inner = f"<{p}BkToCstmrStmt>{group}{style.between.join(statements)}</{p}BkToCstmrStmt>"
    return f"{style.declaration}<{p}Document{at_ if style.namespace else ''}>{inner}</{p}Document>".encode()


PIECES = (
    b"<!-- a comment -->", b"<!-- </Ntry> -->", b"<!--", b"-->", b"<![CDATA[", b"<![CDATA[ </Ntry> ]]>", b"]]>",
    b"<?pi?>", b"<?pi </Ntry> ?>", b"&amp;", b"&", b"&x;", b"&#13;", b"&#0;", b"<", b">", b"</Ntry>", b"<Ntry>",
    b"<Ntry/>", b"</TxDtls>", b"<TxDtls>", b"<TxDtls/>", b"</NtryDtls>", b"<NtryDtls>", b"</Stmt>", b"<Stmt>",
    b"\x00", b"\x0b", b"\x1f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xc2\x85",
    b"\xe2\x80\xa8", b"\xc2\xa0", b"\r", b"\n", b"\t", b" ", b"  ", b"junk", b' xmlns="urn:x"', b' xmlns:p="urn:x"',
    b' a="1"', b' Ccy="VND"', b"p:", b"x", b"<x/>", b'<Ntry xmlns="urn:x"></Ntry>',
    b'<x xmlns="urn:x"><Ntry></Ntry></x>', b"<Sts>BOOK</Sts>", b"<Sts>PDNG</Sts>", b"<Bal/>", b"<Acct/>",
    b"<Id>late</Id>", b"<ElctrncSeqNb>7</ElctrncSeqNb>", b"<CpyDplctInd>DUPL</CpyDplctInd>",
    b"<Amt Ccy='VND'>1</Amt>", b"<Cd>x</Cd>", b"<Nm>N</Nm>", b"<Ustrd>U</Ustrd>", b"<!DOCTYPE a>",
    b"<?xml version='1.0'?>", b"<CdtDbtInd>DBIT</CdtDbtInd>", b"0", b"-", b".", b"<RvslInd>true</RvslInd>",
    b"</Document>", b"<Btch><NbOfTxs>9</NbOfTxs></Btch>", b"<AddtlNtryInf>more</AddtlNtryInf>",
    b"<RtrInf><Rsn><Cd>MD06</Cd></Rsn></RtrInf>",
)  # fmt: skip


MILD = (
    b"<!-- a comment -->", b"<!-- </Ntry> -->", b"<!-- <Ntry> -->", b"<?pi </TxDtls> ?>", b"<x/>", b"<x a='1'>y</x>",
    b" ", b"\n", b"\r\n", b"\t", b"<![CDATA[ ]]>", b"<![CDATA[</Ntry>]]>", b"&#32;", b"<Nm>N</Nm>",
    b"<Ustrd>U</Ustrd>", b"<Cd>MD06</Cd>", b"<AddtlNtryInf>more</AddtlNtryInf>", b"<AcctSvcrRef>again</AcctSvcrRef>",
    b"<Dt>2026-07-31</Dt>", b"<Othr><Id>7</Id></Othr>", b"<EndToEndId>E</EndToEndId>",
    b"<x xmlns='urn:x'><Nm>N</Nm></x>", b"<p:x xmlns:p='urn:x'>&amp;</p:x>", b"<Btch><PmtInfId>P</PmtInfId></Btch>",
    b"<RtrInf><Rsn><Cd>MD06</Cd></Rsn></RtrInf>", b"<TxDtls></TxDtls>", b"<TxDtls/>", b"<Dbtr><Nm>D</Nm></Dbtr>",
    b"<CdtrAcct><Id><IBAN>0011</IBAN></Id></CdtrAcct>", b"<NtryDtls><TxDtls></TxDtls></NtryDtls>", b"text",
    b"<Nm></Nm>", b"<Nm/>", b"<FrToDt/>", b"<ElctrncSeqNb>7</ElctrncSeqNb>",
)  # fmt: skip
IN_TEXTS = (
    b"&amp;", b"&", b"&#65;", b"&x;", b">", b"]]>", b"]]", b"\x0b", b"\x00", b"\x7f", b"\r", b"\r\n", b"\n", b"\t",
    b" ", b"\xc2\xa0", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xef\xbf\xbd", b"\xf0\x9f\x92\xa1", b"\xff", b"<!---->",
    b"<![CDATA[x]]>", b"<?x?>", b"<x/>", b"'", b'"', b"\xe1\xba\xbd", b"\xcc\x83",
)  # fmt: skip
LEAF = re.compile(rb"<(\w+)[^<>]*>([^<>]*)</\1>\s*")
WHOLE = re.compile(rb"<(Ntry|TxDtls|NtryDtls|RmtInf|Refs|RltdPties|BookgDt|Stmt)>.*?</\1>\s*", re.DOTALL)


def damage(data, seed):
    """Return `data` with one to three things done to it that banks, transfers and enemies do."""
    rng = random.Random(seed)
    mild = (_insert_mildly, _insert_into_a_text, _insert_into_a_text, _double_element, _drop_element, _swap_elements)
    hard = (_insert, _insert_at_a_seam, _remove_tag, _cut, _overwrite, _double, _swap)
    ways = rng.choice((mild, mild, hard))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(ways)(data, rng)
    return data


def _insert_mildly(data, rng):
    n = rng.choice([n for n, byte in enumerate(data, 1) if byte == 62] or [0])
    return data[:n] + rng.choice(MILD) + data[n:]


def _insert_into_a_text(data, rng):
    found = [match for match in LEAF.finditer(data) if match[2]]
    if not found:
        return data
    start, end = rng.choice(found).span(2)
    n = rng.randrange(start, end + 1)
    return data[:n] + rng.choice(IN_TEXTS) + data[n:]


def _element(data, rng):
    found = list((LEAF if rng.random() < 0.6 else WHOLE).finditer(data))
    return rng.choice(found).span() if found else (0, 0)


def _double_element(data, rng):
    start, end = _element(data, rng)
    return data[:end] + data[start:end] + data[end:]


def _drop_element(data, rng):
    start, end = _element(data, rng)
    return data[:start] + data[end:]


def _swap_elements(data, rng):
    (a, b), (c, d) = sorted((_element(data, rng), _element(data, rng)))
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _seams(data):
    return [n for n, byte in enumerate(data) if byte in b"<>"] or [0]


def _insert(data, rng):
    n = rng.randrange(len(data) + 1)
    return data[:n] + rng.choice(PIECES) + data[n:]


def _insert_at_a_seam(data, rng):
    n = rng.choice(_seams(data)) + rng.randrange(2)
    return data[:n] + rng.choice(PIECES) + data[n:]


def _remove_tag(data, rng):
    n = rng.choice(_seams(data))
    end = data.find(b">", n + 1) + 1 or len(data)
    return data[:n] + data[end:]


def _cut(data, rng):
    return data[: rng.randrange(len(data) + 1)]


def _overwrite(data, rng):
    n = rng.randrange(len(data) + 1)
    return data[:n] + bytes([rng.randrange(256)]) + data[n + 1 :]


def _span(data, rng):
    start, end = sorted(rng.choice(_seams(data)) for _ in range(2))
    return start, min(end, start + rng.choice((60, 600, 6000)))


def _double(data, rng):
    start, end = _span(data, rng)
    return data[:end] + data[start:end] + data[end:]


def _swap(data, rng):
    start, end = _span(data, rng)
    return data[:start] + data[end : end + 200] + data[start:end] + data[end + 200 :]
