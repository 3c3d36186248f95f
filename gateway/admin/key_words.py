"""The words for keys: what a question is about, which fact an entry books, and what its memo says."""

import re
from collections.abc import Mapping
from datetime import date

from gateway.admin import settling_words, words
from gateway.languages import day, gettext, ngettext
from gateway.languages import lazy_gettext as _

Titles = Mapping[str, str]
"""A bank's short name → what people call it."""

_NUMBERED = {
    "payment": _("payment no. %(number)s"),
    "line": _("line no. %(number)s"),
    "statement": _("statement no. %(number)s"),
    "delivery": _("delivery no. %(number)s"),
    "allocation": _("match no. %(number)s"),
    "placement": _("money put elsewhere no. %(number)s"),
    "fee": _("fee no. %(number)s"),
    "return": _("return no. %(number)s"),
    "lump": _("lump sum no. %(number)s"),
    "debit": _("debit no. %(number)s"),
    "report": _("delivery no. %(number)s"),
    "bill": _("bill %(number)s"),
}
_OF_BANK = {
    "link": _("file server of %(bank)s"),
    "overwritten": _("a file of %(bank)s that was overwritten"),
    "sequence": _("a statement of %(bank)s that is missing"),
    "mandate_answer": _("the answer of %(bank)s on mandate %(reference)s"),
}
_ENDS = {
    "reported": _("reported"),
    "denied": _("taken back by the bank"),
    "undone": _("undone"),
    "replaced": _("replaced"),
    "cancelled": _("cancelled"),
    "fee": _("fee"),
    "vat": _("VAT"),
}
_BY_BANK = {
    "netted": _("kept from the payment by %(bank)s"),
    "apart": _("taken apart by %(bank)s"),
    "settlement": _("lump sum of %(bank)s"),
}
ACCOUNTS = {
    "receivable": _("receivable"),
    "suspense": _("suspense"),
    "suspense:held": _("held in suspense"),
    "revenue": _("revenue"),
    "reported": _("reported by"),
    "confirmed": _("confirmed by"),
    "outgoing": _("paid out by"),
    "expense:bank-fees": _("bank fees"),
    "input-vat": _("input VAT"),
    "customer_credit": _("customers' credit"),
    "refunds_payable": _("refunds owed"),
    "expense:differences": _("differences, expense"),
    "income:differences": _("differences, income"),
}
_SETTLEMENT = re.compile(r"settlement of (\d+) payments", re.ASCII)
_BILL = re.compile(r"bill:(.+)/[0-9]+(?:/([a-z]+))?", re.ASCII)
"""A bill's number may hold a slash itself."""
_WHOLE_BILL = re.compile(r"(bill):(.+)")
_KEY = re.compile(r"([a-z]+):(\d+)(?=[:/]|$)", re.ASCII)


def subject(key: str, titles: Titles) -> str:
    """Return what a question is about ("payment:12", "file:bank:2026-11-19") in words; as it is if nobody knows it."""
    numbered = _WHOLE_BILL.fullmatch(key) or _KEY.match(key)
    if numbered and numbered[1] in _NUMBERED:
        return str(_NUMBERED[numbered[1]]) % {"number": numbered[2]}
    kind, _colon, rest = key.partition(":")
    bank, _colon, rest = rest.partition(":")
    called = {"bank": titles.get(bank, bank)}
    if kind in _OF_BANK and bank:
        return str(_OF_BANK[kind]) % {**called, "reference": rest}
    days = _days(rest)
    if kind == "file" and len(days) == 1:
        return gettext("statement file of %(bank)s of %(day)s", **called, day=day(days[0]))
    if kind == "file" and rest:
        return gettext("file %(name)s of %(bank)s", **called, name=rest.rpartition(":")[0] or rest)
    if kind == "fees" and len(days) == 2:
        return gettext("fees of %(bank)s from %(first)s to %(last)s", **called, first=day(days[0]), last=day(days[1]))
    return key


def entry(key: str, titles: Titles) -> str:
    """Return which fact an entry books ("line:12", "allocation:7/undone") in words."""
    if bill := _BILL.fullmatch(key):
        said, ends = gettext("bill %(number)s", number=bill[1]), [bill[2] or ""]
    else:
        said, ends = subject(key, titles), re.split("[/:]", key)[2:]
    if said == key:
        return key
    ends = [gettext("another amount") if one.startswith("corrected by") else one for one in ends]
    told = [str(_ENDS.get(one, one)) for one in ends if one and not one.isdigit() and one not in ("line", "delivery")]
    return ", ".join([said, *told])


def memo(text: str, titles: Titles) -> str:
    """Return an entry's memo in words: how a fee was charged, what a lump sum is of, or why it was undone.

    What nobody knows is returned as it was written.
    """
    said, _by, bank = text.partition(" by ")
    called = titles.get(bank, bank)
    if said in _BY_BANK and bank:
        return str(_BY_BANK[said]) % {"bank": called}
    if (settled := _SETTLEMENT.fullmatch(said)) and bank:
        number = int(settled[1])
        return ngettext("lump sum of %(bank)s, %(num)s payment", "lump sum of %(bank)s, %(num)s payments", number,
                        bank=called)  # fmt: skip
    kind, _by, answer = text.partition(" by settlement ")
    if kind in settling_words.PLACES and answer.isdigit():
        return f"{settling_words.PLACES[kind]}, {gettext('answer no. %(number)s', number=answer)}"
    head, _colon, reason = text.partition(": ")
    if head != "undone" or not reason:
        return text
    booked = memo(reason, titles)
    return f"{_ENDS['undone']}: {words.why(reason) if booked == reason else booked}"


def account(name: str, titles: Titles) -> str:
    """Return an account of the ledger in words, such as "confirmed by Sao Mai" for "bank:saomai:confirmed"."""
    pieces = name.split(":")
    if len(pieces) == 3 and pieces[2] in ACCOUNTS:
        return f"{ACCOUNTS[pieces[2]]} {titles.get(pieces[1], pieces[1])}"
    if len(pieces) == 2 and pieces[0] == "settled":
        return gettext("unexplained lump sums of %(bank)s", bank=titles.get(pieces[1], pieces[1]))
    return str(ACCOUNTS.get(name, name))


def _days(written: str) -> list[date]:
    try:
        return [date.fromisoformat(one) for one in written.split(":")]
    except ValueError:
        return []
