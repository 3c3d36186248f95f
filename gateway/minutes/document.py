"""Minutes as a PDF: typeset by Typst in the pages' own font, archival (PDF/A-3), the same bytes for the same close."""

import json
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from gateway import languages
from gateway.admin import close_words, key_words, words
from gateway.clock import LOCAL
from gateway.minutes import contents
from gateway.minutes.contents import Contents
from gateway.typesetting import typeset

_TEMPLATE = Path(__file__).with_name("minutes.typ")
LISTED = 400
"""How many rows a document lists; the workbook beside it has them all."""


def make(session: Session, wanted: Contents) -> bytes:
    """Return the unsigned document."""
    rows = list(contents.items(session, wanted.close_id, limit=LISTED + 1))
    titles = {wanted.said["bank"]: wanted.bank}
    with languages.speaking("vi"):
        accounts = {
            one["account"]: key_words.account(one["account"], titles) for one in wanted.said["figures"]["movements"]
        }
        reasons = {code: str(said) for code, said in close_words.VERDICTS.items()}
        channels = {code: str(said) for code, said in words.CHANNELS.items()}
        references = [key_words.subject(one.reference, titles) for one in rows[:LISTED]]
    shown = {
        "utility": wanted.utility, "bank": wanted.bank, "people": dict(wanted.people), "said": wanted.said,
        "made_at": _local(wanted.said["made_at"]), "signed_at": _local(wanted.said["signed_at"]),
        "cut": len(rows) > LISTED, "accounts": accounts, "reasons": reasons, "channels": channels,
        "items": [
            {"kind": one.kind, "verdict": one.verdict, "code": one.code, "reference": reference,
             "currency": one.currency, "told": one.told_minor, "booked": one.booked_minor, "shown": one.shown_minor,
             "minor": one.minor}
            for one, reference in zip(rows, references, strict=False)
        ],
    }  # fmt: skip
    inputs = {
        "shown": json.dumps(shown, ensure_ascii=False), "carried": contents.written(wanted.said),
        "on": wanted.settled_at.astimezone(LOCAL).date().isoformat(),
    }  # fmt: skip
    return typeset(_TEMPLATE, inputs, attaches=True)


def _local(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(LOCAL):%d/%m/%Y %H:%M}" if moment else ""
