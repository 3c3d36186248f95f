"""Invented people for the sandbox: Vietnamese names, phone numbers in the many ways they are written, account numbers.

Everything comes from the `random.Random` that is handed in. Numbers are drawn from the numbering plan, so one may
belong to somebody: the sandbox never sends a message off the machine.
"""

import random
import unicodedata

_SURNAMES = "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Đoàn".split()
_MIDDLE = "Văn Thị Hữu Đức Minh Ngọc Thanh Quang Xuân Thu Hồng Kim".split()
_GIVEN = "An Bình Chi Cường Dung Đạt Giang Hà Hải Hương Khánh Lan Linh Mai Nga Oanh Phúc Quân Sơn Tâm Uyên Yến".split()
_PREFIXES = (
    "032 033 034 035 036 037 038 039 056 058 059 070 076 077 078 079 081 082 083 084 085 086 087 088 "
    "090 091 092 093 094 096 097 098"
).split()
# Eleven digits until September 2018; customer files still carry them.
_OLD_PREFIXES = (
    "0120 0121 0122 0126 0128 0123 0124 0125 0127 0129 0162 0163 0164 0165 0166 0167 0168 0169 0186 0188 0199"
).split()
_OLD_PERCENT = 6


def full_name(rng: random.Random) -> str:
    """Return a name with its diacritics: "Nguyễn Thị Lan"."""
    return f"{rng.choice(_SURNAMES)} {rng.choice(_MIDDLE)} {rng.choice(_GIVEN)}"


def mobile(rng: random.Random) -> str:
    """Return a mobile number as a clerk may have typed it; about 6 % in the form that was renumbered in 2018."""
    if rng.randrange(100) < _OLD_PERCENT:
        return f"{rng.choice(_OLD_PREFIXES)}{rng.randrange(10**7):07}"
    number = f"{rng.choice(_PREFIXES)}{rng.randrange(10**7):07}"
    written = (
        number,
        number,
        number,
        f"+84{number[1:]}",
        f"84{number[1:]}",
        f"{number[:4]} {number[4:7]} {number[7:]}",
        f"{number[:3]}.{number[3:6]}.{number[6:]}",
    )
    return rng.choice(written)


def account(rng: random.Random) -> str:
    """Return an account number of 10 to 14 digits."""
    return "".join(rng.choices("0123456789", k=rng.randint(10, 14)))


def unaccented(text: str) -> str:
    """Return `text` without Vietnamese diacritics, as most banks pass it on: "Đặng Thị Mỹ" → "Dang Thi My"."""
    bare = "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))
    return bare.replace("đ", "d").replace("Đ", "D")
