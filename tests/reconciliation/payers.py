"""How Vietnamese payers and their banks write: a maker of narratives that knows nothing of how they are read."""

import unicodedata
from random import Random

_WORDS = [
    "thanh toán tiền điện tháng 11", "tiền điện T11/2026", "Trả tiền điện kỳ 11", "nộp tiền điện", "TT tien dien",
    "Thanh toan hoa don dien luc", "mẹ nhờ đóng tiền điện", "tien dien nha so 12 ngo 34", "chuyển khoản tiền điện nhé",
    "ck tien dien thang 10 va 11", "Lê Thị Hồng đóng tiền điện", "dong ho",
]  # fmt: skip
_THANKS = ["", "", " cảm ơn", " cam on nhieu", ".", " thang 11", " T11/2026", " nam 2026", " kỳ 11/2026", " 2 tháng"]
_NAMES = ["NGUYEN VAN AN", "TRAN THI BICH", "LE HONG LOI", "PHAM QUOC OAI", "DO THI LIEN"]
_BEFORE = ["", "", "", "KH ", "MA KH ", "Mã khách hàng: ", "ma KH:", "MKH ", "mã "]
_GROUPS = [(11,), (2, 9), (4, 7), (4, 4, 3), (2, 3, 3, 3), (5, 6), (3, 4, 4), (3, 3, 5), (2, 5, 4)]
_LIKE = {"0": "Oo", "1": "Il"}


class Payer:
    """Writes what a person means; every choice comes from one source of chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def plain(self, code: str) -> str:
        """A code as it is, in some case."""
        return self._random.choice([code, code, code.lower()])

    def in_pieces(self, code: str) -> str:
        """A code with spaces, dots or dashes between its digits, or behind its letters."""
        sign = self._random.choice(" .-")
        letters, digits = code[:2], code[2:]
        groups, pieces = self._random.choice(_GROUPS), []
        for size in (*groups, len(digits) - 11):
            pieces.append(digits[:size])
            digits = digits[size:]
        apart = sign if groups == (11,) or self._random.random() < 0.4 else ""
        return self.plain(letters + apart + sign.join(piece for piece in pieces if piece))

    def with_look_alikes(self, code: str) -> str:
        """A code in which letters stand for some of its digits."""
        places = [at for at, sign in enumerate(code) if at > 1 and sign in _LIKE]
        written = list(code)
        for at in self._random.sample(places, min(len(places), self._random.randint(1, 3))):
            written[at] = self._random.choice(_LIKE[code[at]])
        return "".join(written)

    def badly(self, code: str) -> str:
        """A code that a person still reads without doubt."""
        if self._random.random() < 0.5:
            return self.in_pieces(code)
        return self.with_look_alikes(code)

    def glued(self, code: str) -> str:
        """A code run together with words."""
        before = self._random.choice(["tiendien", "TTTIENDIEN", "KH", "ttHD"])
        return before + code + self._random.choice(["", "T11", "cam on", "thang11"])

    def missing(self, code: str) -> str:
        """A customer code that lacks one to three digits."""
        at = self._random.randint(2, 10)
        return code[:at] + code[at + self._random.randint(1, 3) :]

    def mistyped(self, code: str) -> str:
        """A code with one wrong digit."""
        at = self._random.randint(2, 12)
        return code[:at] + self._random.choice([one for one in "0123456789" if one != code[at]]) + code[at + 1 :]

    def decoy(self) -> str:
        """A phone number, an account number, an amount or a date."""
        random = self._random
        phone = f"09{random.randint(10_000_000, 99_999_999)}"
        return random.choice([
            phone, f"sdt {phone[:4]} {phone[4:7]} {phone[7:]}", f"dt:{phone}", "16/11/2026", "ngay 18.11.2026",
            f"stk {random.randint(10**11, 10**12)}", f"tu tk {random.randint(10**9, 10**13)}",
            f"{random.randint(50, 900)}.000d",
        ])  # fmt: skip

    def note(self, *codes: str) -> str:
        """A sentence around codes that are written already, as a person types it."""
        random = self._random
        told = " ".join([random.choice(_BEFORE) + code for code in codes]).strip()
        if len(codes) > 1 and random.random() < 0.5:
            told = random.choice([", ", " va ", " + ", "; "]).join(codes)
        parts = [random.choice(_WORDS), told]
        random.shuffle(parts)
        if random.random() < 0.25:
            parts.append(random.choice(["sdt ", "tel ", ""]) + self.decoy())
        text = random.choice([" ", " ", ", ", ": "]).join(filter(None, parts)) + random.choice(_THANKS)
        return self._spelled(text)

    def through_a_bank(self, text: str, *, wrap: int = 0) -> str:
        """What the bank makes of a sentence: its own words before and behind, lines of `wrap` characters."""
        random = self._random
        trace = f"{random.randint(10**9, 10**10 - 1)}"
        name = random.choice(_NAMES)
        written = random.choice([
            text, text, text, f"CT DEN:{trace}45 {text}", f"IBFT {text}", f"{text}; FT26322{trace[:9]}",
            f"MBVCB.{trace}.{trace[:6]}.{text}.CT tu 0{trace} {name} toi 190026112233 DIEN LUC",
            f"NHAN TU 0{trace} TRACE {trace[:6]} ND {text}", f"{name} chuyen tien: {text}",
            f"REM TFR AC:{trace} {text}", f"{text}-{trace[:8]}-CHUYEN TIEN-OQCH{trace[:6]}",
        ])  # fmt: skip
        if not wrap:
            return written
        return "\n".join(written[at : at + wrap] for at in range(0, len(written), wrap))

    def _spelled(self, text: str) -> str:
        match self._random.randrange(5):
            case 0:
                return unicodedata.normalize("NFD", text)
            case 1:
                return text.upper()
            case 2:
                flat = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
                return "".join(sign for sign in flat if not unicodedata.combining(sign))
            case _:
                return text
