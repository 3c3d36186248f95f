"""Bill holds: bills that are not debited until a person says so, as they look wrong or their customer disputes them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, Session

from reconciliation import audit, debit_promises
from reconciliation.db import Base, Id, Label, one_of

ABNORMAL, DISPUTE, PERSON = "abnormal", "dispute", "person"
KINDS = [ABNORMAL, DISPUTE, PERSON]


class NotHeld(ValueError):
    """A hold, or a release, that can't be; says what was expected and what arrived."""


class BillHold(Base):
    """One reason why a bill is not debited; a released one stays."""

    __tablename__ = "bill_holds"
    __table_args__ = (
        Index("uq_bill_holds_live", "bill_id", "kind", unique=True, postgresql_where=text("released_at IS NULL")),
        Index(None, "bill_id"),
        one_of("kind", KINDS),
        CheckConstraint("why <> '' AND made_by <> ''", name="by_somebody_for_a_reason"),
        CheckConstraint("(released_at IS NULL) = (released_by = '')", name="released_by_somebody"),
    )

    id: Mapped[Id]
    bill_id: Mapped[int]
    kind: Mapped[str]
    why: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    released_by: Mapped[Label]
    released_at: Mapped[datetime | None]
    released_why: Mapped[Label]


_ONCE_MORE = 2
"""From so many earlier bills on a customer has an average."""
_EARLIER = 12
# A later version of a bill that was held and released looks as wrong as it did: it is held again, and looked at again.
_ABNORMAL = f"""
    INSERT INTO bill_holds (bill_id, kind, why, made_by, made_at)
    SELECT b.id, '{ABNORMAL}', b.kwh || ' kWh, where the customer''s earlier bills have '
        || round(usual.kwh) || ' on average', 'billing', :now
    FROM bills b CROSS JOIN LATERAL (
        SELECT avg(e.kwh) AS kwh, count(*) AS bills FROM (
            SELECT kwh FROM bills e
            WHERE e.customer_id = b.customer_id AND e.live AND e.number <> b.number AND e.issued_on <= b.issued_on
            ORDER BY e.issued_on DESC, e.id DESC LIMIT {_EARLIER}) e
    ) usual
    WHERE b.id = ANY(:ids) AND b.charge_on IS NOT NULL AND usual.bills >= {_ONCE_MORE}
      AND b.kwh > usual.kwh * (SELECT CAST(value AS integer) FROM debit_rules WHERE name = 'abnormal_times')
    ORDER BY b.id
    ON CONFLICT (bill_id, kind) WHERE released_at IS NULL DO NOTHING
    RETURNING bill_id
"""  # noqa: S608 - put together from constants
_HOLD = """
    INSERT INTO bill_holds (bill_id, kind, why, made_by, made_at) VALUES (:bill, :kind, :why, :by, :now)
    ON CONFLICT (bill_id, kind) WHERE released_at IS NULL DO NOTHING RETURNING id
"""
_RELEASE = """
    UPDATE bill_holds SET released_at = :now, released_by = :by, released_why = :why
    WHERE bill_id = :bill AND kind = :kind AND released_at IS NULL RETURNING id
"""
_NEWEST = "SELECT id FROM bills WHERE number = :number AND live ORDER BY version DESC LIMIT 1 FOR UPDATE"


def hold_abnormal(session: Session, bill_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Hold those of `bill_ids` whose usage is far above their customer's average; return them."""
    if not bill_ids:
        return []
    return list(session.scalars(text(_ABNORMAL), {"ids": list(bill_ids), "now": now}))


def hold(session: Session, number: str, kind: str, *, by: str, why: str, now: datetime) -> None:
    """Keep a bill from being debited, and its customer from being told of a debit; raises NotHeld."""
    bill = _bill(session, number)
    values = {"bill": bill, "kind": kind, "why": why, "by": by, "now": now}
    if session.scalar(text(_HOLD), values) is None:
        raise NotHeld(f"bill {number}: expected one that is not held ({kind}), got one that is")
    debit_promises.withdraw_notices(session, [bill], why="the bill is held", now=now)
    _note(session, "bill_held", number, {"kind": kind, "why": why}, by=by, now=now)


def release(session: Session, number: str, kind: str, *, by: str, why: str, now: datetime) -> None:
    """Let a bill be debited again, its customer told before; raises NotHeld."""
    bill = _bill(session, number)
    values = {"bill": bill, "kind": kind, "why": why, "by": by, "now": now}
    if session.scalar(text(_RELEASE), values) is None:
        raise NotHeld(f"bill {number}: expected one that is held ({kind}), got one that is not")
    debit_promises.withdraw_held(session, [bill], now=now)
    debit_promises.promise_notices(session, [bill], now=now)
    _note(session, "bill_released", number, {"kind": kind, "why": why}, by=by, now=now)


def _bill(session: Session, number: str) -> int:
    found: int | None = session.scalar(text(_NEWEST), {"number": number})
    if found is None:
        raise NotHeld(f"expected the number of a bill that is owed or paid, got {number[:40]!r}")
    return found


def _note(session: Session, action: str, number: str, facts: dict[str, object], *, by: str, now: datetime) -> None:
    audit.append(session, actor=by, action=action, subject=f"bill:{number}", facts=facts, now=now)
