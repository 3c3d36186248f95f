"""What banks answer on mandates: taken on, refused, ended; whatever doesn't fit what we know is asked of a person.

Rows are copied beside the tables and judged together; those that fit are carried out, and the others keep none away.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, mismatches
from reconciliation.business_days import local_day
from reconciliation.copying import copy_all
from reconciliation.lifecycle import MANDATE, move
from reconciliation.mandates import IN_FORCE, QUESTION

_BECOMES = {"confirmed": "active", "refused": "refused", "ended": "ended"}
ANSWERS = tuple(_BECOMES)


class BankAnswer(NamedTuple):
    """One answer as a file gives it; `fault` says what is wrong with the row, "" for nothing."""

    number: int
    place: str
    reference: str
    answer: str
    reason: str
    fault: str


class Answered(NamedTuple):
    """What a bank's answers did, and what a person has to look at, in words that begin with the place."""

    confirmed: int
    refused: int
    ended: int
    unchanged: int
    problems: list[str]


_STAGE = """
    CREATE TEMP TABLE staged_answers (
        number bigint, place text, reference text, answer text, reason text, fault text
    ) ON COMMIT DROP
"""
_LOCK = """
    SELECT m.id FROM mandates m WHERE m.bank = :bank AND m.reference IN (SELECT reference FROM staged_answers)
    ORDER BY m.id FOR UPDATE
"""
_ALONE = f"""NOT EXISTS (
    SELECT 1 FROM mandates o WHERE o.customer_id = j.customer_id AND o.id <> j.mandate_id AND o.{IN_FORCE}
      AND NOT EXISTS (SELECT 1 FROM told e WHERE o.bank = :bank AND e.reference = o.reference
                      AND e.answers = 1 AND e.answer = 'ended'))"""  # noqa: S608 - put together from constants, here and below
_JUDGE = f"""
    CREATE TEMP TABLE judged_answers ON COMMIT DROP AS
    WITH told AS (
        SELECT reference, min(number) AS number, count(DISTINCT answer) AS answers,
            string_agg(DISTINCT answer, ' and ') AS every, (array_agg(answer ORDER BY number))[1] AS answer,
            (array_agg(place ORDER BY number))[1] AS place, (array_agg(reason ORDER BY number))[1] AS reason
        FROM staged_answers WHERE fault = '' GROUP BY reference
    ), judged AS (
        SELECT t.*, m.id AS mandate_id, m.customer_id, m.state, m.valid_to,
            count(*) FILTER (WHERE t.answer = 'confirmed' AND m.state = 'submitted') OVER (PARTITION BY m.customer_id)
                AS rivals
        FROM told t LEFT JOIN mandates m ON m.bank = :bank AND m.reference = t.reference
    )
    SELECT number, place, reference, answer, reason, mandate_id,
        CASE answer WHEN 'ended' THEN state IN ('submitted', 'active', 'paused') ELSE state = 'submitted' END AS moves,
        CASE WHEN mandate_id IS NULL THEN 'expected a mandate of ' || :bank || ' that we know, got ' || reference
            WHEN answers > 1 THEN 'expected one answer on ' || reference || ', got ' || every
            WHEN state = 'draft' OR answer = 'confirmed' AND state = 'refused'
                OR answer = 'refused' AND state IN ('active', 'paused')
                THEN 'expected a mandate that waits for its bank, got ' || answer || ' for ' || reference
                    || ', which is ' || state
            WHEN answer <> 'confirmed' OR state <> 'submitted' THEN ''
            WHEN valid_to < :today THEN 'expected a mandate that is still valid, got confirmed for ' || reference
                || ', whose last day was ' || valid_to
            WHEN rivals > 1 OR NOT {_ALONE} THEN 'expected a customer with one mandate in force, got confirmed for '
                || reference || ' beside another one'
            ELSE '' END AS says
    FROM judged j
    UNION ALL
    SELECT number, place, reference, answer, reason, NULL, false, fault FROM staged_answers WHERE fault <> ''
"""  # noqa: S608
_GROUPS = """
    SELECT reason, array_agg(mandate_id ORDER BY mandate_id) AS ids FROM judged_answers
    WHERE moves AND says = '' AND answer = :answer GROUP BY reason ORDER BY reason
"""
_SAID = "concat_ws(': ', nullif(place, ''), says)"
_ASKED = f"""
    SELECT 'M17' AS code, {QUESTION.format(bank="CAST(:bank AS text)", reference="named")} AS subject,
        CAST(:bank AS text) AS source, jsonb_build_object('reasons', jsonb_build_array(said),
            'file', CAST(:name AS text)) AS facts
    FROM (SELECT DISTINCT ON (1) coalesce(nullif(reference, ''), place) AS named, {_SAID} AS said FROM judged_answers
          WHERE says <> '' ORDER BY 1, number) j
"""  # noqa: S608
_SETTLED = f"""
    SELECT q.id FROM mismatches q JOIN judged_answers j
        ON q.subject = {QUESTION.format(bank="CAST(:bank AS text)", reference="j.reference")}
    WHERE q.code = 'M17' AND q.state <> 'resolved' AND j.says = ''
"""  # noqa: S608


def take(session: Session, answers: Iterable[BankAnswer], *, bank: str, name: str, by: str, now: datetime) -> Answered:
    """Carry out what `bank` answered in the file or callback `name`; a second time changes nothing.

    What contradicts what we know moves nothing and becomes a question, as do references nobody knows.
    """
    _stage(session, answers)
    values = {"bank": bank, "name": name, "today": local_day(now), "now": now}
    session.execute(text(_LOCK), values)
    session.execute(text(_JUDGE), values)
    moved = dict.fromkeys(ANSWERS, 0)
    for answer in ("ended", "refused", "confirmed"):  # a mandate that ends makes room for another one
        for reason, ids in session.execute(text(_GROUPS), {"answer": answer}).all():
            why = f"the bank answered in {name}" + (f": {reason}" if reason else "")
            moved[answer] += len(move(session, MANDATE, ids, _BECOMES[answer], by=by, why=why, now=now))
    mismatches.ask(session, "code, subject, source, facts", _ASKED, values)
    settled = session.scalars(text(_SETTLED), values).all()
    mismatches.resolve(session, settled, by=by, resolution="the bank answered again", now=now)
    wrong = text(f"SELECT {_SAID} FROM judged_answers WHERE says <> '' ORDER BY number")  # noqa: S608 - our own text
    problems = list(session.scalars(wrong))
    fitting = int(session.scalar(text("SELECT count(*) FROM judged_answers WHERE says = ''")) or 0)
    done = Answered(**moved, unchanged=fitting - sum(moved.values()), problems=problems)
    facts = {"file": name, **moved, "unchanged": done.unchanged, "problems": len(problems)}
    audit.append(session, actor=by, action="mandates_answered", subject=f"bank:{bank}", facts=facts, now=now)
    session.execute(text("DROP TABLE staged_answers, judged_answers"))  # a transaction may carry out more than once
    return done


def _stage(session: Session, answers: Iterable[BankAnswer]) -> None:
    session.execute(text(_STAGE))
    copy_all(session, f"staged_answers ({', '.join(BankAnswer._fields)})", answers)
    session.execute(text("ANALYZE staged_answers"))
