"""Codes in what payers and banks write: candidates for payment codes, bill numbers and customer codes.

What is found here is only a candidate; matching joins it with the master tables, so that a look-alike identifies
nothing. Digits alone, or behind the letters that announce a number, are never taken: they may be a phone or an
account number, which is never kept in the clear.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import filterfalse

from reconciliation.sealing import is_number

# Digits too many are a mistyped code, not a code with something behind it, unless that is a period.
_CUSTOMER = re.compile(r"P[A-Z][0-9]{11}(?=[0-9]{5}(?![0-9])|(?:(?:0[1-9]|1[0-2])20[23][0-9])?(?![0-9]))")
_PAYMENT = re.compile(r"P[A-Z][0-9]{16}(?![0-9])")
_TOKEN = re.compile(r"[A-Z0-9]+(?:[-/][A-Z0-9]+)*")
_FOUR_DIGITS = re.compile(r"(?:[^0-9]*[0-9]){4}")
PAYMENT_CODE = "^P[A-Z][0-9]{16}$"
PAYMENT_CODE_LENGTH = 18
"""Asked before the pattern, which costs more."""
"""What a payment code looks like, in a regular expression that PostgreSQL understands too."""
MAX_LENGTH = 32
MAX_CODES = 24
"""More codes than this in one text is a list or an attack; the first ones are kept, and more than one never matches."""


def fold(text: str) -> str:
    """Return `text` in capitals without Vietnamese diacritics, whichever Unicode form it came in."""
    if text.isascii():
        return text.upper()
    decomposed = unicodedata.normalize("NFKD", text.upper().replace("Đ", "D"))
    return "".join(filterfalse(unicodedata.combining, decomposed))


def extract(*texts: str) -> list[str]:
    """Return the distinct codes in `texts`, in order of appearance.

    A code has at least six characters, a letter and four digits. Payment codes (customer code, period, month, year)
    and customer codes are found inside run-together words as well; a payment code also yields its customer code.
    """
    return extract_folded(map(fold, texts))


def extract_folded(texts: Iterable[str]) -> list[str]:
    """Return what `extract` does of texts that are folded already."""
    found: dict[str, None] = {}
    for text in texts:
        for token in _TOKEN.findall(text):
            if 6 <= len(token) <= MAX_LENGTH and _FOUR_DIGITS.match(token) and not is_number(token):
                found[token] = None
        for pattern in (_PAYMENT, _CUSTOMER):
            for code in pattern.findall(text):
                found[code] = None
    return [code for code in found if code.isupper()][:MAX_CODES]  # which digits alone are not


def naming_one_bill(key: str, rows: str) -> str:
    """Return a query of ({key}, bill) for those of `rows` (a query of {key}, quoted) whose codes name one bill.

    A payment code names its bill by its shape, so that a bill issued later changes nothing.
    """
    return f"""
        SELECT {key}, min(bill) AS bill FROM (
            SELECT x.{key}, coalesce(b.number, x.code) AS bill
            FROM (SELECT {key}, unnest(quoted) AS code FROM ({rows}) r) x
            LEFT JOIN LATERAL (
                (SELECT number FROM bills WHERE payment_code = x.code LIMIT 1) UNION
                (SELECT number FROM bills WHERE number = x.code LIMIT 1) LIMIT 1
            ) b ON true
            WHERE b.number IS NOT NULL OR x.code ~ '{PAYMENT_CODE}'
        ) named GROUP BY {key} HAVING count(DISTINCT bill) = 1
    """  # noqa: S608 - put together from constants


def naming_the_same(rows: str) -> str:
    """Return a query of every code that may name a bill which one of `rows` (a query of quoted) names.

    Who names one of these bills quotes one of these codes, so that the index of codes finds them: bills that others are
    like, by their amount for one, cost nothing.
    """
    return f"""
        WITH said AS MATERIALIZED (SELECT DISTINCT unnest(quoted) AS code FROM ({rows}) r), known AS MATERIALIZED (
            SELECT b.number FROM said JOIN bills b ON b.payment_code = said.code
            UNION SELECT b.number FROM said JOIN bills b ON b.number = said.code)
        SELECT code FROM said WHERE code ~ '{PAYMENT_CODE}' UNION SELECT number FROM known
        UNION SELECT b.payment_code FROM known JOIN bills b USING (number)
    """  # noqa: S608 - put together from constants
