"""The words of debits: their states, why bills are left out, what banks and people said, and what became of it."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from banks.collections import reasons
from gateway.languages import day, gettext, language
from gateway.languages import lazy_gettext as _

DEBIT_STATES = {
    "planned": _("planned"),
    "sent": _("sent to the bank"),
    "accepted": _("taken on by the bank"),
    "unknown": _("outcome unknown"),
    "paid": _("paid"),
    "rejected": _("not carried out"),
    "recalled": _("called back"),
    "returned": _("given back"),
    "dropped": _("left out before sending"),
}
RUN_STATES = {
    "proposed": _("waits for approval"),
    "approved": _("approved"),
    "sent": _("sent to the bank"),
    "refused": _("refused"),
    "withdrawn": _("taken back"),
}
FILE_STATES = {"claimed": _("waits to be handed over"), "handed": _("handed over")}
FILE_KINDS = {"debits": _("debits"), "recalls": _("recalls")}
RECALL_STATES = {
    "wanted": _("to be asked of the bank"),
    "handed": _("asked of the bank"),
    "dropped": _("not needed any more"),
    "honoured": _("the bank called it back"),
    "refused": _("the bank did not call it back"),
}
STATES: Mapping[str, Mapping[str, Any]] = {
    "debit": DEBIT_STATES,
    "debit_run": RUN_STATES,
    "debit_file": FILE_STATES,
    "recall": RECALL_STATES,
}
TONES = {
    "debit:sent": "plain", "debit:accepted": "plain", "debit:unknown": "warn", "debit:rejected": "bad",
    "debit:recalled": "faded", "debit:dropped": "faded", "recall:refused": "warn", "recall:honoured": "good",
    "recall:dropped": "faded", "debit_run:approved": "good", "debit_file:claimed": "warn", "debit_file:handed": "good",
}  # fmt: skip
"""Kind and state → its colour, where that is not the one that the state's name has elsewhere."""

EXCLUSIONS = {
    "paid": _("the bill is paid"),
    "part_paid": _("the bill is part paid"),
    "debit_live": _("another debit of it is on its way"),
    "tried": _("it was tried on this day already"),
    "held_dispute": _("held: its customer disputes it"),
    "held_abnormal": _("held: its usage is far above the average"),
    "held_person": _("held by a person"),
    "being_paid": _("money for it came and is not matched yet, or a question about it is open"),
    "no_mandate": _("no mandate is in force"),
    "other_bank": _("the mandate is with another bank"),
    "mandate_paused": _("the mandate is paused"),
    "mandate_not_begun": _("the mandate does not hold yet"),
    "mandate_expired": _("the mandate has expired"),
    "above_cap": _("above the most that the mandate allows"),
    "above_bank_limit": _("above the most that the bank takes in a debit"),
    "unreachable": _("no SMS reaches its customer"),
    "notice_missing": _("its customer has not been told"),
    "notice_differs": _("its customer was told another amount or day"),
    "notice_late": _("its customer was told too late"),
    "not_due": _("it is no longer to be debited on that day"),
    "changed": _("the bill or its mandate has changed"),
}
"""Why a bill is left out of a run; the last two are found when its debits are about to leave."""

HOLDS = {
    "abnormal": _("usage far above the average"),
    "dispute": _("its customer disputes it"),
    "person": _("a person keeps it back"),
}
VERDICTS = {
    "accepted": _("taken on"),
    "rejected": _("not carried out"),
    "cancelled": _("called back"),
    "not_cancelled": _("not called back"),
}
"""What a bank says of a debit."""

ACTIONS = {
    "debits_proposed": _("run proposed"),
    "debits_approved": _("run approved"),
    "debits_refused": _("run refused"),
    "debits_withdrawn": _("run taken back"),
    "debits_postponed": _("debit put off"),
    "debit_answered": _("the bank's answer passed on"),
    "debit_rule_set": _("rule of debits set"),
    "bill_held": _("bill held"),
    "bill_released": _("bill released"),
    "notice_printed": _("printed notice recorded"),
}
"""What people did, as the audit trail has it."""
ACTORS = {
    "debits": _("debiting"),
    "schedule": _("schedule"),
    "inquiry": _("inquiry at the bank"),
    "command line": _("command line"),
}
MOVES = {
    "nothing was heard in time": _("nothing was heard in time"),
    "the bank has taken it on": _("the bank has taken it on"),
    "its money came": _("its money came"),
    "the bank took nothing": _("the bank took nothing"),
    "the bank gave the money back": _("the bank gave the money back"),
    "the bank cancelled it": _("the bank cancelled it"),
    "the bill is not owed as it was": _("the bill is not owed as it was"),
    "what showed its money was taken back": _("what showed its money was taken back"),
    "its debits leave": _("its debits leave"),
    "nothing may leave of it": _("nothing may leave of it"),
    "the debit is over": _("the debit is over"),
    "the bill is owed again": _("the bill is owed again"),
    "the bill is owed no more": _("the bill is owed no more"),
    "the bank cancels the debit, or gives it back": _("the bank cancels the debit, or gives it back"),
    "the bank does not cancel the debit": _("the bank does not cancel the debit"),
    "the bank's word came": _("the bank's word came"),
    "the bill is settled": _("the bill is settled"),
    "its debit has left": _("its debit has left"),
    "the bill is held": _("the bill is held"),
    "the balance was too small": _("the balance was too small"),
}
"""Reasons that the rules of debits write in English."""

NOT_DONE = {
    "run_open": _("Another run of this bank and day waits for approval: decide on that one first."),
    "day_over": _("That day is over: put its bills off to a later one."),
    "run_moved": _("The run is no longer as this page showed it. Look at it again."),
    "own_run": _("Another person approves than the one who made the run."),
    "no_bills": _("No bill of this bank is to be debited on this day."),
    "not_held": _("The bill's holds are no longer as this page showed them. Look at it again."),
    "not_movable": _(
        "Choose a day that leaves time for a new notice; and the bill must be owed whole, with no debit under way or"
        " paid."
    ),
    "not_noted": _("The bill must be owed whole and have a day of its debit without such a notice yet."),
    "not_sent": _("This debit has not been sent to the bank."),
}
"""Why what a person asked for can't be."""

_PUT_OFF = re.compile(r"the debit is put off to (\d{4}-\d\d-\d\d)", re.ASCII)
_ABNORMAL = re.compile(r"(\d+) kWh, where the customer's earlier bills have (\d+) on average", re.ASCII)
_OF_BILL = re.compile(r"bill (.+) is (open|part_paid|paid|cancelled|replaced)", re.ASCII)
_OWED_NO_MORE = {
    "part_paid": _("bill %(number)s is part paid"),
    "paid": _("bill %(number)s is paid"),
    "cancelled": _("bill %(number)s is cancelled"),
    "replaced": _("bill %(number)s is replaced"),
    "open": _("bill %(number)s is not owed as it was"),
}


def meaning(code: str, own: Mapping[str, str] | None = None) -> str:
    """Return what a bank's reason code means in the reader's language; `own` are codes of the bank's own."""
    found = reasons.reason(code, own)
    return found.vi if language() == "vi" else found.en


def said(text: str) -> str | None:
    """Return a reason that the rules of debits wrote in the reader's language, or None when it is none of theirs."""
    for known in (MOVES, EXCLUSIONS):
        if text in known:
            return str(known[text])
    cause, _colon, code = text.partition(": ")
    if cause in ("the bank took nothing", "the bank gave the money back") and code:
        return f"{MOVES[cause]}: {code}{f' ({meaning(code)})' * reasons.reason(code).known}"
    return _with_figures(text)


def _with_figures(text: str) -> str | None:
    if put_off := _PUT_OFF.fullmatch(text):
        return gettext("the debit is put off to %(day)s", day=day(date.fromisoformat(put_off[1])))
    if abnormal := _ABNORMAL.fullmatch(text):
        return gettext("%(kwh)s kWh; the customer's earlier bills have %(usual)s on average",
                       kwh=abnormal[1], usual=abnormal[2])  # fmt: skip
    if bill := _OF_BILL.fullmatch(text):
        return str(_OWED_NO_MORE[bill[2]]) % {"number": bill[1]}
    return None
