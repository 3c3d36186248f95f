"""Placements: money of a payment that goes to no bill, and what a bill lacks that no payment will bring.

A customer's credit, a refund, a return to the sender, money held in suspense and a small difference are each a row and
an entry that a person's answer makes. Nothing of it is edited: a placement is lifted by a reversing entry. A refund is
owed until a statement shows the money leaving; the line that does is tied to it. What is held stays in the report of
suspense with its age until somebody takes it back and says whose it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, business_days, ledger, mismatches
from reconciliation.db import Base, Id, Label, Minor, one_of
from reconciliation.mismatches import NotSettled

CREDIT, REFUND, RETURN, HELD, DIFFERENCE = "credit", "refund", "return", "held", "difference"
ACCOUNTS = {
    CREDIT: "customer_credit", REFUND: "refunds_payable", RETURN: "refunds_payable", HELD: "suspense:held",
}  # fmt: skip
"""Where money goes that leaves suspense without a bill; a difference goes to an account that is chosen."""
DIFFERENCE_ACCOUNTS = ("expense:differences", "expense:bank-fees", "income:differences")
"""The accounts a small difference may be written to."""
_REFERENCE = "'HT' || lpad({id}\\:\\:text, 8, '0')"


class Placement(Base):
    """One part of a payment, or of a bill (a difference only), and the account it stands in; undone, never deleted."""

    __tablename__ = "placements"
    __table_args__ = (
        Index("ix_placements_of_payment", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        Index("ix_placements_of_bill", "bill_id", postgresql_where=text("bill_id IS NOT NULL")),
        Index("ix_placements_of_customer", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
        Index("ix_placements_owed", "minor", postgresql_where=text("account = 'refunds_payable' AND line_id IS NULL")),
        Index("uq_placements_line", "line_id", unique=True, postgresql_where=text("line_id IS NOT NULL")),
        Index(None, "settlement_id"),
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint("(payment_id IS NULL) <> (bill_id IS NULL)", name="of_a_payment_or_a_bill"),
        CheckConstraint("bill_id IS NULL OR kind = 'difference'", name="a_bill_only_differs"),
        CheckConstraint("(kind = 'credit') = (customer_id IS NOT NULL)", name="a_credit_is_somebodys"),
        CheckConstraint(
            "line_id IS NULL OR (account = 'refunds_payable' AND undone_at IS NULL)", name="owed_money_leaves"
        ),
        one_of("kind", [CREDIT, REFUND, RETURN, HELD, DIFFERENCE]),
        one_of("account", sorted({*ACCOUNTS.values(), *DIFFERENCE_ACCOUNTS})),
    )  # fmt: skip

    id: Mapped[Id]
    settlement_id: Mapped[int] = mapped_column(ForeignKey("settlements.id"))
    kind: Mapped[str]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bills.id"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    account: Mapped[str]
    minor: Mapped[Minor]
    line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"))
    """The outgoing line that paid it out."""
    by: Mapped[str]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[Label]
    undone_why: Mapped[Label]

    @property
    def reference(self) -> str:
        """What a transfer that pays it out should quote, so that its line on the statement is recognised."""
        return f"HT{self.id:08}"


@dataclass(frozen=True, slots=True)
class Place:
    """A part as an answer asks for it: of the payment, or, given `bill_id`, of that bill; `minor` in đồng."""

    kind: str
    minor: int
    account: str = ""
    bill_id: int | None = None
    customer_id: int | None = None

    def __post_init__(self) -> None:
        if self.kind in ACCOUNTS:
            object.__setattr__(self, "account", ACCOUNTS[self.kind])


_MAKE = """
    INSERT INTO placements (settlement_id, kind, payment_id, bill_id, customer_id, account, minor, by, at)
    SELECT :settlement, w.kind, CASE WHEN w.bill_id IS NULL THEN CAST(:payment AS bigint) END, w.bill_id, w.customer_id,
        w.account, w.minor, :by, :now
    FROM jsonb_to_recordset(CAST(:places AS jsonb))
        AS w (kind text, minor bigint, account text, bill_id bigint, customer_id bigint)
    RETURNING id
"""
_PLACED = """
    SELECT 'placement:' || l.id AS key, coalesce(p.source, '') AS bank, CAST(:day AS date) AS business_date,
        l.kind || ' by settlement ' || l.settlement_id AS memo,
        CASE WHEN l.bill_id IS NULL THEN 'suspense' ELSE l.account END AS debit,
        CASE WHEN l.bill_id IS NULL THEN l.account ELSE 'receivable' END AS credit, l.minor, 'VND' AS currency,
        CAST(:now AS timestamptz) AS at
    FROM placements l LEFT JOIN payments p ON p.id = l.payment_id WHERE l.id = ANY(:ids)
"""
_LIFT = """
    UPDATE placements SET undone_at = :now, undone_by = :by, undone_why = :why
    WHERE id = ANY(:ids) AND undone_at IS NULL RETURNING id, payment_id, bill_id
"""
_LIFTED = """
    SELECT 'placement:' || l.id || '/undone' AS key, coalesce(p.source, '') AS bank,
        CAST(:day AS date) AS business_date, 'undone: ' || l.undone_why AS memo,
        CASE WHEN l.bill_id IS NULL THEN l.account ELSE 'receivable' END AS debit,
        CASE WHEN l.bill_id IS NULL THEN 'suspense' ELSE l.account END AS credit, l.minor, 'VND' AS currency,
        CAST(:now AS timestamptz) AS at
    FROM placements l LEFT JOIN payments p ON p.id = l.payment_id WHERE l.id = ANY(:ids)
"""
_LIVE = "SELECT id FROM placements WHERE {column} = ANY(:ids) AND undone_at IS NULL ORDER BY id"
# Each refund and each line once, however many could be each other's.
_LEAVING = f"""
    WITH lines AS (
        SELECT l.id, -l.minor AS minor, l.quoted FROM statement_lines l
        WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.state = 'mismatch'
          AND l.minor < 0 AND l.currency = 'VND'
    ), found AS (
        SELECT DISTINCT ON (p.id) p.id, lines.id AS line_id FROM lines JOIN placements p
            ON p.minor = lines.minor AND {_REFERENCE.format(id="p.id")} = ANY(lines.quoted)
        WHERE p.account = 'refunds_payable' AND p.undone_at IS NULL AND p.line_id IS NULL ORDER BY p.id, lines.id
    )
    SELECT min(id) AS id, line_id FROM found GROUP BY line_id ORDER BY 1
"""  # noqa: S608 - put together from constants
# The entries of a tie are told apart by how often the placement was tied before.
_PAID_OUT = r"""
    SELECT 'placement:' || p.id || '/line:' || l.id || {again} AS key, s.bank, CAST(:day AS date) AS business_date,
        {memo} AS memo, {debit} AS debit, {credit} AS credit, p.minor, 'VND' AS currency,
        CAST(:now AS timestamptz) AS at
    FROM placements p JOIN statement_lines l ON l.id = p.line_id JOIN statements s ON s.id = l.statement_id
    WHERE p.id = ANY(:ids)
"""
_OUT = r"'bank:' || s.bank || '\:outgoing'"
_TIED_TO = """
    SELECT p.id FROM placements p JOIN statement_lines l ON l.id = p.line_id WHERE l.statement_id = ANY(:statements)
"""
_PAYS = """
    SELECT p.id FROM placements p JOIN statement_lines l ON l.id = :line AND l.minor = -p.minor AND l.currency = 'VND'
    WHERE p.id = :id AND p.account = 'refunds_payable' AND p.undone_at IS NULL AND p.line_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM placements o WHERE o.line_id = l.id) FOR UPDATE OF p
"""
_MAY_PAY = """
    SELECT p.* FROM placements p JOIN statement_lines l ON l.id = :line AND l.minor = -p.minor AND l.currency = 'VND'
    WHERE p.account = 'refunds_payable' AND p.undone_at IS NULL AND p.line_id IS NULL ORDER BY p.id LIMIT 20
"""
_ASKED_ABOUT_LINES = """
    SELECT id FROM mismatches WHERE line_id = ANY(:lines) AND code = 'M12' AND state <> 'resolved'
"""


def make(session: Session, settlement_id: int, payment_id: int, places: str, *, by: str, now: datetime) -> set[int]:
    """Place what a settlement says (`places` is its JSON); return the bills of which a part was written off."""
    values = {"settlement": settlement_id, "payment": payment_id, "places": places, "by": by, "now": now}
    made = list(session.scalars(text(_MAKE), values))
    if not made:
        return set()
    ledger.post(session, _PLACED, {"ids": made, "now": now, "day": business_days.local_day(now)})
    bills = session.scalars(
        text("SELECT bill_id FROM placements WHERE id = ANY(:ids) AND bill_id IS NOT NULL"), {"ids": made}
    )
    return set(bills)


def lift(session: Session, ids: Sequence[int], *, by: str, why: str, now: datetime) -> set[int]:
    """Undo live placements by reversing entries; return the bills that lack something again.

    One that was paid out already stays owed to nobody: its line is asked about again.
    """
    if not ids:
        return set()
    untie(session, list(ids), by=by, why=why, now=now)
    rows = session.execute(text(_LIFT), {"ids": sorted(ids), "by": by, "why": why, "now": now}).all()
    lifted = [row.id for row in rows]
    ledger.post(session, _LIFTED, {"ids": lifted, "now": now, "day": business_days.local_day(now)})
    return {row.bill_id for row in rows if row.bill_id is not None}


def of_payments(session: Session, payment_ids: Sequence[int]) -> list[int]:
    """Return the live placements of these payments."""
    return list(session.scalars(text(_LIVE.format(column="payment_id")), {"ids": list(payment_ids)}))


def of_bills(session: Session, bill_ids: Sequence[int]) -> list[int]:
    """Return the live placements of these bills."""
    return list(session.scalars(text(_LIVE.format(column="bill_id")), {"ids": list(bill_ids)}))


def recognise(session: Session, statement_id: int, lines: tuple[int, int], *, now: datetime) -> int:
    """Tie outgoing lines that quote a refund owed and its amount; return how many there were.

    They are those of a statement from the first to the last of `lines`.
    """
    values = {"statement": statement_id, "first": lines[0], "last": lines[1]}
    found = session.execute(text(_LEAVING), values).all()
    for one in found:
        pay_out(session, one.id, one.line_id, by="pairing", now=now)
    return len(found)


def pay_out(session: Session, placement_id: int, line_id: int, *, by: str, now: datetime) -> None:
    """Tie a refund that is owed to the outgoing line that paid it, and answer what was asked about that line."""
    session.execute(text("UPDATE placements SET line_id = :line WHERE id = :id"), {"line": line_id, "id": placement_id})
    _post_tie(session, [placement_id], said="paid out", debit="'refunds_payable'", credit=_OUT, now=now)
    asked = session.scalars(text(_ASKED_ABOUT_LINES), {"lines": [line_id]}).all()
    mismatches.resolve(session, asked, by=by, resolution=f"it pays out refund HT{placement_id:08}", now=now)


def answer(session: Session, mismatch_id: int, placement_id: int, *, by: str, now: datetime) -> None:
    """Answer a question about an outgoing line (M12): it pays out this refund; raises NotSettled when it can't."""
    asked = session.get(mismatches.Mismatch, mismatch_id, with_for_update=True)
    if asked is None or asked.state != "open" or asked.line_id is None:
        raise NotSettled("not_open", "expected an open question about an outgoing line")
    fits = session.scalar(text(_PAYS), {"id": placement_id, "line": asked.line_id})
    if not fits:
        raise NotSettled("not_that_line", "expected a refund that is owed and a line of its amount that goes out")
    pay_out(session, placement_id, asked.line_id, by=by, now=now)
    facts = {"placement": placement_id, "line": asked.line_id}
    audit.append(session, actor=by, action="refund_paid_out", subject=f"mismatch:{mismatch_id}", facts=facts, now=now)


def owed(session: Session, line_id: int) -> list[Placement]:
    """Return the refunds that an outgoing line may have paid: owed, over its amount, the oldest first."""
    return list(session.scalars(select(Placement).from_statement(text(_MAY_PAY)), {"line": line_id}))


def untie(session: Session, ids: list[int], *, by: str, why: str, now: datetime) -> None:
    """Take refunds and the lines that paid them apart, by reversing entries; lines that stand are asked about anew."""
    tied = session.execute(
        text("SELECT id, line_id FROM placements WHERE id = ANY(:ids) AND line_id IS NOT NULL"), {"ids": ids}
    ).all()
    if not tied:
        return
    apart = [row.id for row in tied]
    _post_tie(session, apart, said=f"not paid out: {why}", debit=_OUT, credit="'refunds_payable'", now=now)
    session.execute(text("UPDATE placements SET line_id = NULL WHERE id = ANY(:ids)"), {"ids": apart})
    columns = "code, subject, source, minor, currency, line_id, statement_id, facts"
    mismatches.ask(session, columns, _ASK_AGAIN, {"lines": [row.line_id for row in tied], "now": now, "by": by})


_ASK_AGAIN = """
    SELECT 'M12', 'line:' || l.id, s.bank, -l.minor, l.currency, l.id, l.statement_id,
        jsonb_build_object('verdict', 'outgoing', 'paid', l.minor, 'quoted', l.quoted, 'untied_by', CAST(:by AS text))
    FROM statement_lines l JOIN statements s ON s.id = l.statement_id
    WHERE l.id = ANY(:lines) AND s.state = 'accepted'
"""


def untie_statements(session: Session, statement_ids: Sequence[int], *, by: str, why: str, now: datetime) -> None:
    """Take apart what lines of these statements paid out: their import is being undone."""
    tied = list(session.scalars(text(_TIED_TO), {"statements": list(statement_ids)}))
    untie(session, tied, by=by, why=why, now=now)


def _post_tie(session: Session, ids: list[int], *, said: str, debit: str, credit: str, now: datetime) -> None:
    # How many such entries there are already tells this one apart: a tie may be made, undone and made again.
    again = "'/' || (SELECT count(*) FROM entries e WHERE e.key LIKE 'placement:' || p.id || '/line:%')"
    query = _PAID_OUT.format(again=again, memo="CAST(:said AS text)", debit=debit, credit=credit)
    day = business_days.local_day(now)
    ledger.post(session, query, {"ids": ids, "now": now, "day": day, "said": said})
