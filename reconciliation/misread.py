"""Misread codes: what payers write with look-alike letters or in pieces, read as the code it may stand for.

A reading is only a candidate and is kept apart from the codes that were written plainly: the master tables must confirm
it, and it settles nothing beside a plain code that nobody knows. It stands in a payment's list of codes twice: as
"~CODE", by which it is found, and as "~CODE←what was written", from which people are told.
"""

import re
from collections.abc import Iterator

from reconciliation import references

MARK = "~"
_FROM = "←"
_LOOKS_LIKE = str.maketrans("OQIL|", "00111")
_DIGIT = "[0-9OQIL|]"
_GAP = r"[ .\-_\t\u00a0]{1,2}"
_CHAIN = rf"{_DIGIT}++(?:{_GAP}{_DIGIT}++)*+"
_BEGINS = re.compile(rf"P(?:{_GAP})?[A-Z](?:{_GAP})?{_DIGIT}")
_PLAIN = re.compile(r"P[A-Z][0-9]{16}(?![0-9])")
_SPLIT = re.compile(rf"(?<![A-Z0-9])P(?P<apart>{_GAP})?(?P<letter>[A-Z])(?P<gap>{_GAP})?(?P<digits>{_CHAIN})")
_GLUED = re.compile(rf"P(?P<letter>[A-Z])(?P<digits>{_DIGIT}{{16}}|{_DIGIT}{{11}})(?!{_DIGIT})")
_BILL = re.compile(
    rf"(?<![A-Z0-9])(?!P[A-Z][0-9])(?P<letters>[A-Z]{{2,4}})(?P<first>[0-9]{_DIGIT}*+)"
    rf"(?:(?:{_GAP}|/)(?P<second>{_DIGIT}{{2,7}}(?![0-9A-Z])))?"
)
_PIECE = re.compile(f"{_DIGIT}+")
_BREAK = re.compile(r"\s*?[\r\n]+")
_OURS = re.compile(r"P[A-Z][0-9]{11}(?:[0-9]{5})?")
_BROKEN = re.compile(r"(?<![A-Z0-9])[A-Z]{2,4}[0-9][A-Z0-9/-]*\s*?[\r\n]+[0-9]{0,7}(?:[-/][0-9]{1,7})*(?![A-Z0-9])")
_ONE = re.compile(r"(?:[^0-9\r\n]*[^A-Z0-9/\-\r\n])?+(P[A-Z][0-9]{11}(?:[0-9]{5})?+)(?:[^A-Z0-9/\-\r\n][^0-9\r\n]*+)?+")
_SOME_DIGIT = re.compile(r"[0-9]").search
_PHONE = re.compile(r"0[35789][0-9]{8}|84[35789][0-9]{8}")
_YEAR = re.compile(r"20[23][0-9]")
_PERIOD = re.compile(r"(0?[1-9]|1[0-2])?(20[23][0-9])?")
_CUSTOMER, _PAYMENT = 11, 16
"""How many digits follow the two letters of a customer code and of a payment code."""
_MOST = 6
"""More readings than this of one text are noise."""


def codes_in(*texts: str) -> list[str]:
    """Return the plain codes in `texts`, and behind them the readings of what only looks like a code.

    Of each reading only the code itself is kept as it was written, never what stands beside it.
    """
    folded = list(filter(_SOME_DIGIT, map(references.fold, filter(None, texts))))
    usual = _usual(folded)
    return _at_length(folded) if usual is None else usual


def _usual(folded: list[str]) -> list[str] | None:
    """Return the codes of texts that hold one code of ours each and no other digit, as most do; None of any other text.

    `_at_length` finds the same in seven times as long: there is nothing to read where no digit is left.
    """
    found: dict[str, None] = {}
    for text in folded:
        one = _ONE.fullmatch(text)
        if one is None:
            return None
        found[one[1]] = None
        found[one[1][: 2 + _CUSTOMER]] = None
    return list(found)[: references.MAX_CODES]


def _at_length(folded: list[str]) -> list[str]:
    plain = references.extract_folded(folded)
    known, read = set(plain), dict[str, str]()
    for written in folded:
        broken = "\n" in written or "\r" in written
        whole = _BREAK.sub("", written) if broken else written  # a bank's line ends in the midst of a code
        if broken:
            read.update((code, code) for code in _broken(written, whole) if code not in known)
        # Most texts hold one plain payment code and nothing else that begins like one.
        elif len(_BEGINS.findall(whole)) <= sum(1 for _ in _PLAIN.finditer(whole)) and not _BILL.search(whole):
            continue
        for code, said in _readings(whole):
            if code not in known:
                read.setdefault(code, said[: references.MAX_LENGTH])
    kept = list(read.items())[:_MOST]
    return [*plain, *(MARK + code for code, _ in kept), *(f"{MARK}{code}{_FROM}{said}" for code, said in kept)]


def _broken(folded: str, whole: str) -> Iterator[str]:
    """Yield what is a code once lines are joined; a number that merely begins a line is none."""
    yield from filter(_OURS.fullmatch, references.extract(whole))
    for found in _BROKEN.finditer(folded):
        yield from references.extract(_BREAK.sub("", found[0]))


def _readings(written: str) -> Iterator[tuple[str, str]]:
    """Yield (code, what was written) for each reading of a text in capitals."""
    for found in _SPLIT.finditer(written):
        for digits, end in _runs(found):
            yield from _of_customer(found["letter"], digits, written[found.start() : end])
    for found in _GLUED.finditer(written):
        yield from _of_customer(found["letter"], found["digits"].translate(_LOOKS_LIKE), found[0])
    for found in _BILL.finditer(written):
        first, second = found["first"].translate(_LOOKS_LIKE), found["second"]
        if second is None:
            codes = [found["letters"] + first]
        elif any(map(str.isdigit, second)):
            codes = [found["letters"] + first + sign + second.translate(_LOOKS_LIKE) for sign in ("-", "/", "")]
        else:
            continue
        for code in codes:
            if code != found[0] and 6 <= len(code) <= references.MAX_LENGTH:
                yield code, found[0]


def _of_customer(letter: str, digits: str, said: str) -> Iterator[tuple[str, str]]:
    if 2 * sum(map(str.isdigit, said)) > len(digits):  # mostly digits as they are: no word that looks like some
        yield f"P{letter}{digits}", said
        if len(digits) == _PAYMENT:
            yield f"P{letter}{digits[:_CUSTOMER]}", said


def _runs(found: re.Match[str]) -> Iterator[tuple[str, int]]:
    """Yield the digits of a customer code or payment code that pieces stand for, with where they end in the text.

    A code that lacks digits must not be made whole by a number behind it: its last piece is long, and more numbers
    follow only a code in groups, or a period. Behind letters that stand apart, what may be a phone number is none.
    """
    pieces = list(_PIECE.finditer(found.string, *found.span("digits")))
    if not all(any(map(str.isdigit, piece[0])) for piece in pieces):
        return
    apart = bool(found["apart"] or found["gap"])
    run, ends = "", set[int]()
    for at, piece in enumerate(pieces):
        run += piece[0].translate(_LOOKS_LIKE)
        ends.add(len(run))
        if apart and _PHONE.fullmatch(run):
            return
        if len(run) not in (_CUSTOMER, _PAYMENT) or found.string[piece.end() : piece.end() + 1].isalpha():
            continue
        if at and (len(piece[0]) < 3 or (_YEAR.fullmatch(piece[0]) and len(pieces[0][0]) > 4)):
            continue
        rest = "".join(one[0] for one in pieces[at + 1 :])
        grouped = at > 1 and max(len(one[0]) for one in pieces[: at + 1]) <= 5
        with_period = len(run) == _PAYMENT and _CUSTOMER in ends
        if at == 0 or grouped or with_period or _PERIOD.fullmatch(rest):
            yield run, piece.end()


def reading(code: str) -> str:
    """Return, in SQL, the code that an element of `quoted` stands for, where it is a reading."""
    return f"split_part(substr({code}, 2), '{_FROM}', 1)"


def said(code: str) -> str:
    """Return, in SQL, "CODE←what was written" of a reading."""
    return f"substr({code}, 2)"


def is_reading(code: str) -> str:
    """Tell, in SQL, whether an element of `quoted` is a reading with what was written."""
    return f"({code} LIKE '{MARK}%{_FROM}%')"


def code(code: str) -> str:
    """Return, in SQL, the code of any element of `quoted`, plain or read."""
    return f"split_part(ltrim({code}, '{MARK}'), '{_FROM}', 1)"


def in_words(quoted: str) -> str:
    """Return, in SQL, what was quoted as a sentence tells it."""
    return f"regexp_replace({quoted}, '{_FROM}([^,]*)', ' (read from \"\\1\")', 'g')"


def told(quoted: str) -> str:
    """Return, in SQL, the codes of `quoted` as people are told them: each once, a reading only of what there is."""
    read = reading("one")
    kept = f"""one NOT LIKE '{MARK}%' OR ({is_reading("one")} AND (
        EXISTS (SELECT 1 FROM bills b WHERE b.number = {read} OR b.payment_code = {read})
        OR EXISTS (SELECT 1 FROM customers k WHERE k.code = {read})))"""  # noqa: S608 - constants
    return f"ARRAY(SELECT ltrim(one, '{MARK}') FROM unnest({quoted}) AS q (one) WHERE {kept})"  # noqa: S608 - constants
