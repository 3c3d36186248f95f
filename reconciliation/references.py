"""Codes in what payers and banks write: candidates for payment codes, bill numbers and customer codes.

What is found here is only a candidate; matching joins it with the master tables, so that a look-alike identifies
nothing. Digits alone, or behind the letters that announce a number, are never taken: they may be a phone or an
account number, which is never kept in the clear.
"""

import re
import unicodedata

from reconciliation.sealing import is_number

# Digits too many are a mistyped code, not a code with something behind it, unless that is a period.
_CUSTOMER = re.compile(r"P[A-Z][0-9]{11}(?=[0-9]{5}(?![0-9])|(?:(?:0[1-9]|1[0-2])20[23][0-9])?(?![0-9]))")
_PAYMENT = re.compile(r"P[A-Z][0-9]{16}(?![0-9])")
_TOKEN = re.compile(r"[A-Z0-9]+(?:[-/][A-Z0-9]+)*")
PAYMENT_CODE = "^P[A-Z][0-9]{16}$"
PAYMENT_CODE_LENGTH = 18
"""Asked before the pattern, which costs more."""
"""What a payment code looks like, in a regular expression that PostgreSQL understands too."""
MAX_LENGTH = 32
MAX_CODES = 24
"""More codes than this in one text is a list or an attack; the first ones are kept, and more than one never matches."""


def fold(text: str) -> str:
    """Return `text` in capitals without Vietnamese diacritics, whichever Unicode form it came in."""
    decomposed = unicodedata.normalize("NFKD", text.upper().replace("Đ", "D"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def extract(*texts: str) -> list[str]:
    """Return the distinct codes in `texts`, in order of appearance.

    A code has at least six characters, a letter and four digits. Payment codes (customer code, period, month, year)
    and customer codes are found inside run-together words as well; a payment code also yields its customer code.
    """
    found: dict[str, None] = {}
    for text in texts:
        if not text:
            continue
        plain = text.upper() if text.isascii() else fold(text)
        for match in _TOKEN.finditer(plain):
            token = match[0]
            if 6 <= len(token) <= MAX_LENGTH and not is_number(token) and sum(map(str.isdigit, token)) >= 4:
                found[token] = None
        for pattern in (_PAYMENT, _CUSTOMER):
            for code in pattern.findall(plain):
                found[code] = None
    return [code for code in found if any(map(str.isalpha, code))][:MAX_CODES]


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
