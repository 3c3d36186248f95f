"""Why a bank did not carry a debit out, or took it back: a reason code → what kind of reason it is, and its meaning.

Source: ISO 20022 external code sets ExternalStatusReason1Code and ExternalReturnReason1Code, as far as a direct debit
can meet them; the words are ours. A code of the bank's own means what the bank's declaration says, else nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from banks.collections import reasons_listed
from banks.declared_table import Table


class ReasonKind(StrEnum):
    """What a reason means to us. Only the first is worth another try; of the last two a person must look."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    ACCOUNT = "account"
    """Closed, blocked, or not one that can be debited."""
    MANDATE = "mandate"
    """None, cancelled, expired, or its holder has died."""
    AMOUNT = "amount"
    """Above a limit, or not what was agreed."""
    REFUSED_BY_PAYER = "refused_by_payer"
    REFUND_BY_PAYER = "refund_by_payer"
    DUPLICATE = "duplicate"
    RECALLED = "recalled"
    """By ourselves: the bank followed our request."""
    TECHNICAL = "technical"
    """Something in our file or between the banks; nothing the customer did."""
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code and its meaning, as a sentence without a full stop; `known` is False for a code nobody declared."""

    code: str
    kind: ReasonKind
    vi: str
    en: str
    known: bool = True

    @property
    def may_be_retried(self) -> bool:
        """Whether the same debit may be asked for again later."""
        return self.kind is ReasonKind.INSUFFICIENT_FUNDS


_LISTED = {
    code: Reason(code, kind, vi, en)
    for kind in ReasonKind
    for code, (vi, en) in reasons_listed.CODES.get(kind.value, {}).items()
}
_NONE = Reason("", ReasonKind.UNSPECIFIED, "ngân hàng không nêu lý do", "the bank gave no reason", known=False)


def reason(code: str, own: Mapping[str, str] | None = None) -> Reason:
    """Return what `code` means; `own` are codes of the bank's own → the ISO code that each stands for.

    A code that neither list has keeps its text, with a meaning that claims nothing.
    """
    code = code.strip()
    if not code:
        return _NONE
    iso = (own or {}).get(code, code)
    found = _LISTED.get(iso)
    if found is None:
        kind, vi, en = reasons_listed.FAMILIES.get(iso[:2], ("", "", "")) if len(iso) == 4 else ("", "", "")
        if kind:
            return Reason(code, ReasonKind(kind), vi, en)
        return Reason(
            code, ReasonKind.UNSPECIFIED, "mã riêng của ngân hàng, chưa rõ nghĩa",
            "a code of the bank's own; what it means is not known", known=False,
        )  # fmt: skip
    return found if iso == code else Reason(code, found.kind, found.vi, found.en)


def refused_recall(code: str) -> tuple[str, str]:
    """Return what the `code` means, in Vietnamese and in English, by which a bank refuses to call a debit back."""
    if code in reasons_listed.REFUSED_RECALLS:
        return reasons_listed.REFUSED_RECALLS[code]
    found = reason(code)
    return found.vi, found.en


def own_reasons_from(values: object, path: str = "debits.reasons") -> dict[str, str]:
    """Return a bank's own codes as the table `values` of the settings declares them: `"51" = "AM04"`.

    Raise Misconfigured naming the key under `path` that is no code of ISO 20022.
    """
    table = Table(values, path)
    found = {}
    for code in table.left():
        found[code] = table.text(code)
        if not reason(found[code]).known:
            table.refuse(code, "a reason code of ISO 20022 such as AM04", found[code])
    return found
