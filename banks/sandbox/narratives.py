"""What payers and banks write beside a payment: the code somewhere in it, with or without diacritics, or no code."""

import random
from collections.abc import Collection

from banks.sandbox import people
from banks.sandbox.bills import PREFIXES, SandboxBill

_TRANSFERS = (
    "{code} thanh toan tien dien ky {period}",
    "TT TIEN DIEN {code}",
    "Thanh toán tiền điện {code} kỳ {period}",
    "{name} chuyển tiền điện {code}",
    "{name} ck tien dien {code} cam on",
    "tiền điện tháng {month} mã {code}",
    "IBFT {code} {name}",
    "{code}",
)
_WALLET = (
    "Thanh toan tien dien ky {period} khach hang {customer}",
    "Tien dien ky {period} nha {name}",
    "Thanh toan hoa don {number}",
    "tien dien",
)
_NAMELESS = ("{name} chuyen tien", "chuyen tien", "{name} nộp tiền điện", "CK tien dien thang {month}", "{name}")
_STRANGE = ("TT TIEN DIEN {code}", "{code} thanh toan tien dien", "Thanh toán tiền điện {code}")


def transfer(rng: random.Random, bill: SandboxBill, code: str, payer: str) -> str:
    """Return a transfer's text that quotes `code`; sometimes in small letters, sometimes without diacritics."""
    text = rng.choice(_TRANSFERS).format(
        code=code,
        period=bill.period,
        month=bill.issued_on.month,
        name=rng.choice((payer, people.unaccented(payer))),
    )
    form = rng.randrange(10)
    if form == 0:
        return text.lower()
    return people.unaccented(text).upper() if form == 1 else text


def auto_debit(bill: SandboxBill) -> str:
    """Return the bank's own text for a debit it carried out."""
    return f"TRICH NO TU DONG TIEN DIEN KY {bill.period} {bill.payment_code}"


def wallet(rng: random.Random, bill: SandboxBill, payer: str) -> str:
    """Return a wallet order's text: unaccented, and no code that could be relied on."""
    return rng.choice(_WALLET).format(
        period=bill.period, customer=bill.customer_code, number=bill.number, name=people.unaccented(payer)
    )


def settlement(bill: SandboxBill) -> str:
    """Return the text on the wallet's settlement account."""
    return f"Thanh toan hoa don dien {bill.payment_code}"


def unidentified(rng: random.Random, payer: str, month: int, position: int, known: Collection[str]) -> str:
    """Return a text that leads to no bill: a name, nothing much, or (every third) a code that is not in `known`."""
    if position % 3 == 2:
        code = _stray_code(rng)
        while code in known:
            code = _stray_code(rng)
        return rng.choice(_STRANGE).format(code=code)
    return rng.choice(_NAMELESS).format(name=payer, month=month)


def _stray_code(rng: random.Random) -> str:
    return f"{rng.choice(PREFIXES)}25{rng.randint(1, 9):02}{rng.randrange(10**7):07}"
