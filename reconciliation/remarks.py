"""Remarks: what people add to a question before it is settled, each kept with its author and never edited.

A comment, evidence (a sealed file), a trace request to the bank and its answer, and the word that something is still
expected until a day: until then the question rests and stands in nobody's queue, unless somebody takes it up again.
Whose case it is, and that one needs no booking, are kept the same way. What somebody said or attached by mistake is
taken back by a remark of its own: it stays, struck out, and a file so taken back is handed to nobody.
"""

import hashlib
from datetime import date, datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, exists, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, bank_days, business_days, case_links
from reconciliation.db import Base, Id, Label, one_of
from reconciliation.mismatches import Mismatch
from reconciliation.sealing import Sealer

COMMENT, EVIDENCE, TRACE, TRACE_ANSWER, EXPECTED = "comment", "evidence", "trace", "trace_answer", "expected"
RESUMED, ASSIGNED, NOTED, WITHDRAWN = "resumed", "assigned", "noted", "withdrawn"
KINDS = [COMMENT, EVIDENCE, TRACE, TRACE_ANSWER, EXPECTED, RESUMED, ASSIGNED, NOTED, WITHDRAWN]
NOBODY = "-"
"""What a remark says of whom a case was given to, if it is nobody."""
MOST_WORDS = 2000
MOST_BYTES = 5 << 20
LONGEST_REST = timedelta(days=60)
TRACE_WITHIN = 3
"""Business days a bank has to answer a trace request."""
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_KINDS = {
    "pdf": (b"%PDF-", "application/pdf"), "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
    "jpg": (b"\xff\xd8\xff", "image/jpeg"), "jpeg": (b"\xff\xd8\xff", "image/jpeg"), "xlsx": (b"PK\x03\x04", _SHEET),
    "zip": (b"PK\x03\x04", "application/zip"), "csv": (None, "text/csv"), "txt": (None, "text/plain"),
    "eml": (None, "message/rfc822"),
}  # fmt: skip
"""A file name's ending → how such a file begins (text, where that is None), and its media type."""
_PURPOSE = "remarks.body"


class NotRemarked(ValueError):
    """A remark that can't be; says what was expected and what arrived. `reason` is for a page's own words."""

    def __init__(self, reason: str, said: str) -> None:
        self.reason = reason
        super().__init__(said)


class Remark(Base):
    """One remark; `until` is the day a bank must have answered, or until which something is expected."""

    __tablename__ = "remarks"
    __table_args__ = (
        Index(None, "mismatch_id", "id"),
        UniqueConstraint("mismatch_id", "digest", "turn"),
        UniqueConstraint("withdraws"),
        one_of("kind", KINDS),
        CheckConstraint("text <> '' AND by <> ''", name="said_by_somebody"),
        CheckConstraint("(kind = 'evidence') = (body IS NOT NULL)", name="evidence_has_bytes"),
        CheckConstraint("(kind IN ('trace', 'expected')) = (until IS NOT NULL)", name="a_wait_has_an_end"),
        CheckConstraint("(kind = 'withdrawn') = (withdraws IS NOT NULL)", name="withdrawn_is_another"),
    )

    id: Mapped[Id]
    mismatch_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    kind: Mapped[str]
    text: Mapped[str]
    until: Mapped[date | None]
    name: Mapped[Label]
    """The file's name as it was given."""
    media_type: Mapped[Label]
    size: Mapped[int] = mapped_column(server_default="0")
    digest: Mapped[bytes | None]
    body: Mapped[bytes | None]
    """Sealed."""
    turn: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """Which time the same file is attached here: again once it was taken back."""
    withdraws: Mapped[int | None] = mapped_column(ForeignKey("remarks.id"))
    """Which other remark this one takes back."""
    by: Mapped[str]
    at: Mapped[datetime]


def comment(session: Session, mismatch_id: int, said: str, *, by: str, now: datetime) -> Remark:
    """Say something about a question; it may be settled already."""
    return _add(session, _of(session, mismatch_id, unsettled=False), COMMENT, said, by=by, now=now)


def attach(
    session: Session, mismatch_id: int, name: str, body: bytes, said: str, *, sealer: Sealer, by: str, now: datetime
) -> Remark:
    """Keep a document (see `_KINDS`) of at most MOST_BYTES as evidence, sealed; the same file once."""
    asked = _of(session, mismatch_id)
    if not body:
        raise NotRemarked("empty", "expected a file, got none or an empty one")
    if len(body) > MOST_BYTES:
        raise NotRemarked("too_large", f"expected at most {MOST_BYTES} bytes, got {len(body)}")
    plain = "".join(letter for letter in name if letter.isprintable()).strip()[-120:]
    media_type = _media_type(plain, body)
    digest = hashlib.sha256(body).digest()
    same = select(Remark).where(Remark.mismatch_id == mismatch_id, Remark.digest == digest)
    times = session.scalars(same.order_by(Remark.turn)).all()
    if times and not _is_withdrawn(session, times[-1]):
        return times[-1]
    return _add(
        session, asked, EVIDENCE, said or plain or media_type, by=by, now=now, name=plain or "evidence",
        media_type=media_type, size=len(body), digest=digest, body=sealer.seal(body, _PURPOSE), turn=1 + len(times),
    )  # fmt: skip


def rests_on_nothing(session: Session, asked: Mismatch) -> bool:
    """Tell whether no answer may rest on a question's evidence: none was given, or it was undone."""
    return asked.state == "open" or (asked.state == "resolved" and case_links.undone(session, asked.id) is not None)


def withdraw(session: Session, mismatch_id: int, remark_id: int, why: str, *, by: str, now: datetime) -> Remark:
    """Take back a comment or evidence of one's own, for a reason; evidence until somebody has answered by it."""
    asked = _of(session, mismatch_id, unsettled=False)
    wrong = session.get(Remark, remark_id)
    if wrong is None or wrong.mismatch_id != mismatch_id or wrong.kind not in (COMMENT, EVIDENCE):
        raise NotRemarked("no_remark", f"expected the number of a comment or of evidence here, got {remark_id}")
    if wrong.by != by:
        raise NotRemarked("not_own", f"expected a remark by {by}, got one by {wrong.by}")
    if wrong.kind == EVIDENCE and not rests_on_nothing(session, asked):
        raise NotRemarked("answered_by", "expected evidence that no answer may rest on, got a question with an answer")
    if _is_withdrawn(session, wrong):
        raise NotRemarked("withdrawn", f"expected a remark that stands, {remark_id} is taken back already")
    return _add(session, asked, WITHDRAWN, why, by=by, now=now, withdraws=wrong.id)


def opened(session: Session, remark: Remark, sealer: Sealer) -> bytes:
    """Return the bytes of a piece of evidence that stands."""
    if _is_withdrawn(session, remark):
        raise NotRemarked("withdrawn", f"expected evidence that stands, {remark.id} is taken back")
    if remark.body is None:
        raise NotRemarked("empty", f"expected evidence, got a {remark.kind}")
    return sealer.open(remark.body, _PURPOSE)


def is_noted(session: Session, mismatch_id: int, kind: str) -> bool:
    """Tell whether a question has a remark of this kind."""
    return session.scalar(select(exists().where(Remark.mismatch_id == mismatch_id, Remark.kind == kind))) is True


def trace(session: Session, mismatch_id: int, said: str, *, by: str, now: datetime) -> Remark:
    """Note a trace request that goes to the bank; the question rests until the bank must have answered."""
    until = bank_days.calendar(session).after(business_days.local_day(now), TRACE_WITHIN)
    return _rest(session, mismatch_id, TRACE, said, until, by=by, now=now)


def answer_trace(session: Session, mismatch_id: int, said: str, *, by: str, now: datetime) -> Remark:
    """Note what the bank answered; the question is taken up again."""
    asked = _of(session, mismatch_id)
    if not is_noted(session, mismatch_id, TRACE):
        raise NotRemarked("no_trace", "expected a trace request to answer, got none")
    made = _add(session, asked, TRACE_ANSWER, said, by=by, now=now)
    asked.rests_until = None
    session.flush()
    return made


def expect(session: Session, mismatch_id: int, until: date, said: str, *, by: str, now: datetime) -> Remark:
    """Accept a question as expected until the end of a day, LONGEST_REST from now at most."""
    return _rest(session, mismatch_id, EXPECTED, said, until, by=by, now=now)


def resume(session: Session, mismatch_id: int, said: str, *, by: str, now: datetime) -> Remark:
    """Take up a question again that rests."""
    asked = _of(session, mismatch_id)
    if not asked.rests(now):
        raise NotRemarked("no_rest", "expected a question that rests")
    asked.rests_until = None
    return _add(session, asked, RESUMED, said, by=by, now=now)


def assign(session: Session, mismatch_id: int, username: str, *, by: str, now: datetime) -> Remark | None:
    """Give a question to a person, or to nobody (""); return None when it is theirs already."""
    asked = _of(session, mismatch_id)
    if asked.assignee == username:
        return None
    if username and username not in assignees(session, by=by):
        raise NotRemarked("no_person", f"expected somebody who settles questions, got {username[:40]!r}")
    asked.assignee = username
    return _add(session, asked, ASSIGNED, username or NOBODY, by=by, now=now)


def note(session: Session, mismatch_id: int, said: str, *, by: str, now: datetime) -> Remark:
    """Say why an unsettled question needs no booking; whoever calls this closes it."""
    return _add(session, _of(session, mismatch_id), NOTED, said, by=by, now=now)


def caseworkers(session: Session) -> dict[str, str]:
    """Return username → name of everybody who may have cases, by name."""
    return {row.username: row.name for row in session.execute(text(f"{_STAFF} ORDER BY name, username"))}


def assignees(session: Session, *, by: str) -> dict[str, str]:
    """Return those of the `caseworkers` to whom `by` can give a question.

    Who belongs to one power office may not see it, and takes a case that they do see themselves.
    """
    wanted = f"{_STAFF} {_SEES_IT} ORDER BY name, username"
    return {row.username: row.name for row in session.execute(text(wanted), {"by": by})}


_STAFF = "SELECT username, name FROM staff WHERE active AND role IN ('accountant', 'chief_accountant', 'liaison')"
_SEES_IT = "AND (office = '' OR username = :by)"


def _is_withdrawn(session: Session, remark: Remark) -> bool:
    return session.scalar(select(exists().where(Remark.withdraws == remark.id))) is True


def _rest(session: Session, mismatch_id: int, kind: str, said: str, until: date, *, by: str, now: datetime) -> Remark:
    asked = _of(session, mismatch_id)
    today = business_days.local_day(now)
    if not today <= until <= today + LONGEST_REST:
        latest = today + LONGEST_REST
        raise NotRemarked("no_day", f"expected a day from {today} to {latest}, got {until}")
    made = _add(session, asked, kind, said, by=by, now=now, until=until)
    asked.rests_until = business_days.end_of(until)
    session.flush()
    return made


def _of(session: Session, mismatch_id: int, *, unsettled: bool = True) -> Mismatch:
    asked = session.get(Mismatch, mismatch_id, with_for_update=True)
    if asked is None:
        raise NotRemarked("no_question", f"expected the number of a question, got {mismatch_id}")
    if unsettled and asked.state == "resolved":
        raise NotRemarked("settled", "expected a question that is not settled")
    return asked


def _add(session: Session, asked: Mismatch, kind: str, said: str, *, by: str, now: datetime, **more: object) -> Remark:
    words = said.strip()[:MOST_WORDS]
    if not words:
        raise NotRemarked("no_words", "expected words, got none")
    made = Remark(mismatch_id=asked.id, kind=kind, text=words, by=by, at=now, **more)
    session.add(made)
    session.flush()
    # Evidence stands in the chain by its digest: a file that was changed later would show.
    facts = {"kind": kind, "remark": made.withdraws or made.id, "digest": made.digest.hex() if made.digest else ""}
    audit.append(session, actor=by, action="remarked", subject=f"mismatch:{asked.id}", facts=facts, now=now)
    return made


def _media_type(name: str, body: bytes) -> str:
    """Return the media type of evidence; its name must end as a document's does, and its bytes begin as such a one's.

    What is sent on by people is opened by people: a program that is called a document is none.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in _KINDS:
        raise NotRemarked("no_kind", f"expected a file that ends in one of {', '.join(_KINDS)}, got {name[-40:]!r}")
    begins, media_type = _KINDS[ending]
    # A table or letter from elsewhere may be in any encoding: it is text as long as no program begins so.
    fits = b"\0" not in body and not body.startswith(b"MZ") if begins is None else body.startswith(begins)
    if not fits:
        raise NotRemarked("other_kind", f"expected the bytes of a {ending} file in {name[-40:]!r}, got others")
    return media_type
