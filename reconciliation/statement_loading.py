"""Loading a statement: from a reader's records into lines by COPY, its balances and control totals checked."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from banks.errors import Unreadable
from banks.records import FileEvent, StatementClosed, StatementKind, StatementLine, StatementOpened
from reconciliation import continuity, mismatches, misread, payments, settling_lumps
from reconciliation.copying import copying
from reconciliation.lifecycle import STATEMENT, move
from reconciliation.sealing import Sealer, mask_name, mask_numbers, tail
from reconciliation.statements import Statement

COLUMNS = (
    "statement_id, entry, transaction, direction, counts, minor, currency, booked_on, value_on, reversal,"
    " bank_reference, end_to_end_id, mandate_id, return_reason, counterparty, counterparty_tail, counterparty_hash,"
    " narrative, quoted"
)
"""What is copied of a line, in this order."""


@dataclass(slots=True)
class Loaded:
    """What became of one file: ids of its statements by verdict, and a word for a person on each quarantined one."""

    accepted: list[int] = field(default_factory=list)
    quarantined: list[int] = field(default_factory=list)
    resent: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def load(
    session: Session, events: Iterable[FileEvent], *, bank: str, delivery_id: int, sealer: Sealer, now: datetime,
    accounts: Collection[str] = (),
) -> Loaded:  # fmt: skip
    """Write the statements of one file with their lines and judge each; raises Unreadable as the reader does.

    Nothing is booked here. `accounts` are ours at this bank; a statement of another one is quarantined, unless none
    are declared. A statement that does not balance, or that comes a second time with other lines, is
    quarantined with the difference named; one that comes again with the same lines is set aside as re-sent.
    """
    loaded = Loaded()
    read: list[tuple[Statement, tuple[str, ...]]] = []
    stream = iter(events)
    for event in stream:
        if not isinstance(event, StatementOpened):
            raise Unreadable(f"expected a statement's head, got a {type(event).__name__}")
        account = sealer.blind(event.account, "account")
        statement = _open(session, event, bank=bank, delivery_id=delivery_id, account=account, now=now)
        closed = _copy(session, statement.id, event, stream, sealer)
        _close(session, statement, closed)
        faults = closed.faults
        if not is_ours(event.account, accounts):
            faults = (*faults, _NOT_OURS.format(statement.account_tail))
        read.append((statement, faults))
    # Two readers at once would each judge by what the other has not committed yet.
    payments.lock_sources(session, settling_lumps.locked_with(session, bank))
    for statement, faults in read:
        judge(session, statement, faults, loaded, now)
    return loaded


def is_ours(account: str, accounts: Collection[str]) -> bool:
    """Tell whether a statement's account is one of `accounts`; every one is where none are named."""
    return not accounts or _bare(account) in {_bare(one) for one in accounts}


def _bare(account: str) -> str:
    """Return an account number as it is compared: banks group the same one by spaces, dots or dashes."""
    return "".join(filter(str.isalnum, account)).upper()


_NOT_OURS = "expected a statement of one of our accounts, got one that ends in {!r}"
_OTHER_CONTENT = "statement {} was accepted before with other lines or balances"


def judge(session: Session, statement: Statement, faults: tuple[str, ...], loaded: Loaded, now: datetime) -> None:
    """Accept, quarantine or set aside one loaded statement, and leave the reason where people look."""
    twin = accepted_twin(session, statement)
    if twin is not None and same_content(session, twin, statement):
        _set_aside(session, statement, twin, now)
        loaded.resent.append(statement.id)
        return
    reasons = [*faults]
    if twin is not None:
        reasons.append(_OTHER_CONTENT.format(statement.statement_id))
    elif overlap := continuity.overlap(session, statement):
        reasons.append(overlap)
    if statement.difference_minor:
        reasons.append(
            f"the balances differ from the lines by {statement.difference_minor} (minor units of {statement.currency}):"
            f" opening {statement.opening_minor}, lines {statement.credit_minor + statement.debit_minor},"
            f" closing {statement.closing_minor}"
        )
    gap = continuity.gap(session, statement)
    if gap:
        reasons.append(gap)
    if not reasons:
        move(session, STATEMENT, [statement.id], "accepted", by="reader", why="balances agree", now=now)
        loaded.accepted.append(statement.id)
        return
    statement.reason = "; ".join(reasons)
    statement.only_gap = reasons == [gap]
    session.flush()
    move(session, STATEMENT, [statement.id], "quarantined", by="reader", why=statement.reason, now=now)
    mismatches.ask_one(
        session, code="M15", subject=f"statement:{statement.id}", source=statement.bank, now=now,
        minor=abs(statement.difference_minor or 0), currency=statement.currency, statement_id=statement.id,
        delivery_id=statement.delivery_id, facts={"reasons": reasons, "statement": statement.statement_id},
    )  # fmt: skip
    loaded.quarantined.append(statement.id)
    loaded.reasons += reasons


def released(session: Session, *, bank: str, account: bytes, now: datetime) -> list[Statement]:
    """Accept statements of an account that were held only because the one before them had not come yet."""
    held = session.scalars(
        select(Statement)
        .where(
            Statement.bank == bank, Statement.account_hash == account, Statement.state == "quarantined",
            Statement.only_gap,
        )
        .order_by(Statement.closing_on, Statement.sequence, Statement.page, Statement.id)
    ).all()  # fmt: skip
    free: list[Statement] = []
    for statement in held:
        twin = accepted_twin(session, statement)
        if twin is not None and same_content(session, twin, statement):
            # It came several times while it was held; one of them has just been accepted.
            _set_aside(session, statement, twin, now)
            _answer(session, statement, "re-sent; nothing was booked again", now)
        elif twin is not None:
            statement.reason, statement.only_gap = _OTHER_CONTENT.format(statement.statement_id), False
            session.flush()
        elif overlap := continuity.overlap(session, statement):
            statement.reason, statement.only_gap = overlap, False
            session.flush()
        elif not continuity.gap(session, statement):
            why = "the statement it follows on from, or leads up to, came"
            move(session, STATEMENT, [statement.id], "accepted", by="reader", why=why, now=now)
            _answer(session, statement, why, now)
            free.append(statement)
    return free


def _answer(session: Session, statement: Statement, resolution: str, now: datetime) -> None:
    asked = session.scalars(
        text("SELECT id FROM mismatches WHERE statement_id = :id AND code = 'M15' AND state <> 'resolved'"),
        {"id": statement.id},
    )
    mismatches.resolve(session, asked, by="reader", resolution=resolution, now=now)


def accepted_twin(session: Session, statement: Statement) -> Statement | None:
    """Return the accepted statement that bears the same identity; the database allows one."""
    twin: Statement | None = session.scalar(
        select(Statement).where(
            Statement.bank == statement.bank, Statement.account_hash == statement.account_hash,
            Statement.kind == statement.kind, Statement.statement_id == statement.statement_id,
            Statement.page == statement.page, Statement.year == statement.year, Statement.state == "accepted",
            Statement.id != statement.id,
        )
    )  # fmt: skip
    return twin


def same_content(session: Session, one: Statement, other: Statement) -> bool:
    """Tell whether two statements hold the same balances and the same lines, each as often."""
    balances = (one.opening_minor, one.closing_minor) == (other.opening_minor, other.closing_minor)
    return balances and same_lines(session, one.id, other.id)


def same_lines(session: Session, one: int, other: int) -> bool:
    """Tell whether two statements hold the same lines, each as often."""
    columns = "entry, transaction, minor, currency, booked_on, value_on, bank_reference, end_to_end_id, narrative"
    lines = f"SELECT {columns} FROM statement_lines WHERE statement_id"  # noqa: S608 - constants
    differ = session.scalar(
        text(
            f"SELECT EXISTS (({lines} = :one EXCEPT ALL {lines} = :other)"
            f" UNION ALL ({lines} = :other EXCEPT ALL {lines} = :one))"
        ),
        {"one": one, "other": other},
    )
    return not differ


def _set_aside(session: Session, statement: Statement, twin: Statement, now: datetime) -> None:
    statement.reason = f"the same lines as statement {twin.id}, accepted before"
    session.flush()
    move(session, STATEMENT, [statement.id], "resent", by="reader", why=statement.reason, now=now)
    session.execute(
        text("UPDATE statement_lines SET state = 'rejected', reason = 're-sent' WHERE statement_id = :id"),
        {"id": statement.id},
    )
    asked = mismatches.ask_one(
        session, code="M14", subject=f"statement:{statement.id}", source=statement.bank, now=now,
        currency=statement.currency, statement_id=statement.id, delivery_id=statement.delivery_id,
        facts={"statement": statement.statement_id, "first": twin.id, "lines": statement.lines},
    )  # fmt: skip
    if asked:
        mismatches.resolve(session, [asked], by="reader", resolution="re-sent; nothing was booked again", now=now)


def _open(
    session: Session, head: StatementOpened, *, bank: str, delivery_id: int, account: bytes, now: datetime
) -> Statement:
    statement = Statement(
        delivery_id=delivery_id, bank=bank, account_hash=account,
        account_tail=tail(head.account), kind=head.kind.value, format=head.format, statement_id=head.id,
        message_id=head.message_id, sequence=head.sequence, page=head.page or 1, currency=head.currency,
        from_on=head.from_on, to_on=head.to_on, closing_on=head.closing_on or head.to_on,
        opening_minor=head.opening.minor if head.opening is not None else None,
        closing_minor=head.closing.minor if head.closing is not None else None, created_at=now,
    )  # fmt: skip
    session.add(statement)
    session.flush()
    return statement


def _copy(
    session: Session, statement_id: int, head: StatementOpened, stream: Iterator[FileEvent], sealer: Sealer
) -> StatementClosed:
    with copying(session, f"statement_lines ({COLUMNS})") as copy:
        for event in stream:
            if isinstance(event, StatementClosed):
                return event
            if not isinstance(event, StatementLine):
                raise Unreadable(f"expected a line or the end of statement {head.id}, got a {type(event).__name__}")
            copy.write_row(_row(statement_id, head, event, sealer))
    raise Unreadable(f"statement {head.id} never ends")


def _row(statement_id: int, head: StatementOpened, line: StatementLine, sealer: Sealer) -> tuple[object, ...]:
    (entry, transaction, amount, booked_on, value_on, reversal, bank_reference, end_to_end_id, mandate_id,
     return_reason, counterparty, account, structured_reference, narrative) = line  # fmt: skip
    return (
        statement_id, entry, transaction, "in" if amount.minor >= 0 else "out", head.kind is StatementKind.STATEMENT,
        amount.minor, amount.currency, booked_on, value_on, reversal, bank_reference, end_to_end_id, mandate_id,
        return_reason, mask_name(counterparty), tail(account), sealer.blind(account, "account") if account else None,
        mask_numbers(" ".join(filter(None, (structured_reference, narrative)))),
        _array(misread.codes_in(structured_reference, end_to_end_id, narrative)),
    )  # fmt: skip


def _array(codes: list[str]) -> str:
    """Return codes as PostgreSQL writes an array: psycopg takes longer for a list than for all other columns."""
    if '"' in (together := "".join(codes)) or "\\" in together:
        codes = [code.replace("\\", r"\\").replace('"', r"\"") for code in codes]
    return '{"' + '","'.join(codes) + '"}' if codes else "{}"


def _close(session: Session, statement: Statement, closed: StatementClosed) -> None:
    statement.lines = closed.lines
    statement.left_out = closed.left_out
    statement.credit_minor = closed.credit_total.minor
    statement.debit_minor = closed.debit_total.minor
    statement.difference_minor = closed.difference.minor if closed.difference is not None else None
    session.flush()
    if closed.closing is None and closed.closing_on is None:
        return
    # Some formats tell the closing balance last; the database takes it only while the statement is being loaded.
    session.execute(
        text("SELECT close_statement(:id, :closing, :on)"),
        {
            "id": statement.id,
            "closing": closed.closing.minor if closed.closing is not None else statement.closing_minor,
            "on": closed.closing_on or statement.closing_on,
        },
    )
    session.refresh(statement)
