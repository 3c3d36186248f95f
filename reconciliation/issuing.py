"""Issuing bills: new ones are booked, known ones change nothing, a newer version supersedes the one before it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import (
    bill_holds,
    business_days,
    debit_promises,
    guesses,
    late_recognitions,
    ledger,
    matching,
    netted_fees,
    placements,
    returns,
    rivals,
)
from reconciliation.db import AdvisoryLock
from reconciliation.lifecycle import BILL, move


@dataclass(frozen=True, slots=True)
class BillIn:
    """One bill as the billing system hands it over; amounts are whole đồng and add up to `minor`.

    `place` says where it stood ("line 12"); `phone_*` come sealed, hashed and cut from the shell.
    """

    place: str
    number: str
    version: int
    customer_code: str
    office: str
    language: str
    consent: bool
    period: str
    kwh: int
    charge_minor: int
    tax_minor: int
    arrears_minor: int
    minor: int
    issued_on: date
    due_on: date
    charge_on: date | None
    bank: str
    payment_code: str
    phone_sealed: bytes | None = None
    phone_hash: bytes | None = None
    phone_tail: str = ""
    name_masked: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """What one import did."""

    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    matched: int = 0

    def __add__(self, other: "Issued") -> "Issued":
        return Issued(
            self.new + other.new,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
            self.matched + other.matched,
        )


class BillsRefused(Exception):
    """Some of the bills contradict what is known; `problems` names each with its place. Nothing was changed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems[:3]))


_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS staged_bills (
        place text, number text, version smallint, customer_code text, office text, language text, consent boolean,
        period text, kwh bigint, charge_minor bigint, tax_minor bigint, arrears_minor bigint, minor bigint,
        issued_on date, due_on date, charge_on date, bank text, payment_code text,
        phone_sealed bytea, phone_hash bytea, phone_tail text, name_masked text
    ) ON COMMIT DELETE ROWS
"""
_FILL = """
    INSERT INTO staged_bills
    SELECT place, number, version, customer_code, office, language, consent, period, kwh, charge_minor, tax_minor,
        arrears_minor, minor, issued_on, due_on, charge_on, bank, payment_code,
        decode(phone_sealed, 'hex'), decode(phone_hash, 'hex'), phone_tail, name_masked
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        place text, number text, version smallint, customer_code text, office text, language text, consent boolean,
        period text, kwh bigint, charge_minor bigint, tax_minor bigint, arrears_minor bigint, minor bigint,
        issued_on date, due_on date, charge_on date, bank text, payment_code text,
        phone_sealed text, phone_hash text, phone_tail text, name_masked text)
"""

# Every way a bill can contradict what is known, with the place it stands and what was expected.
_PROBLEMS = """
    SELECT s.place || ': bill ' || s.number || ': expected an amount above nothing that its parts add up to, got '
        || s.minor || ' of ' || s.charge_minor || ' + ' || s.tax_minor || ' + ' || s.arrears_minor
        || ' for ' || s.kwh || ' kWh' AS problem
    FROM staged_bills s
    WHERE s.minor <= 0 OR s.kwh < 0 OR s.minor <> s.charge_minor + s.tax_minor + s.arrears_minor
    UNION ALL
    SELECT s.place || ': bill ' || s.number || ' stands in ' || o.place || ' too; expected one new version in an import'
    FROM staged_bills s JOIN staged_bills o ON o.number = s.number AND o.place < s.place
    WHERE o.version = s.version OR NOT EXISTS (
        SELECT 1 FROM bills b WHERE b.number = s.number AND b.version = least(s.version, o.version))
    UNION ALL
    SELECT s.place || ': bill ' || s.number || ' version ' || s.version || ' is known with other content; '
        || 'expected version ' || s.version + 1 || ' for a corrected bill'
    FROM staged_bills s JOIN bills b USING (number, version) JOIN customers c ON c.id = b.customer_id
    WHERE (s.customer_code, s.period, s.kwh, s.charge_minor, s.tax_minor, s.arrears_minor, s.minor, s.due_on,
           s.payment_code, s.bank, s.charge_on)
        IS DISTINCT FROM (c.code, b.period, b.kwh, b.charge_minor, b.tax_minor, b.arrears_minor, b.minor, b.due_on,
           b.payment_code, b.bank, b.charge_on)
    UNION ALL
    SELECT s.place || ': bill ' || s.number || ' has version ' || max(b.version) || ' already; expected a later one, '
        || 'got ' || s.version
    FROM staged_bills s JOIN bills b USING (number)
    WHERE b.version > s.version AND NOT EXISTS (
        SELECT 1 FROM bills k WHERE k.number = s.number AND k.version = s.version)
    GROUP BY s.place, s.number, s.version
    UNION ALL
    SELECT s.place || ': payment code ' || s.payment_code || ' belongs to bill ' || b.number
    FROM staged_bills s JOIN bills b USING (payment_code)
    WHERE b.number <> s.number AND b.state IN ('open', 'part_paid', 'paid')
    UNION ALL
    SELECT s.place || ': payment code ' || s.payment_code || ' stands for bill ' || o.number || ' too'
    FROM staged_bills s JOIN staged_bills o USING (payment_code) WHERE o.number < s.number
    UNION ALL
    SELECT s.place || ': bill ' || s.number || ' belongs to customer ' || c.code || ', got ' || s.customer_code
    FROM staged_bills s JOIN bills b USING (number) JOIN customers c ON c.id = b.customer_id
    WHERE c.code <> s.customer_code AND b.version < s.version
    LIMIT 100
"""

# A payment may have named these customers beside another one's bill, before anybody knew that they are customers.
_UNKNOWN = """
    SELECT DISTINCT customer_code FROM staged_bills s
    WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.code = s.customer_code)
"""

_CUSTOMERS = """
    INSERT INTO customers (code, office, language, consent, msisdn_sealed, msisdn_hash, msisdn_tail, name_masked,
        created_at, updated_at)
    SELECT DISTINCT ON (customer_code) customer_code, office, language, consent, phone_sealed, phone_hash,
        phone_tail, name_masked, :now, :now
    FROM staged_bills s
    WHERE NOT EXISTS (SELECT 1 FROM bills b WHERE b.number = s.number AND b.version = s.version)
    ORDER BY customer_code, issued_on DESC, number DESC, version DESC
    ON CONFLICT (code) DO UPDATE SET office = excluded.office, language = excluded.language,
        consent = excluded.consent, msisdn_sealed = excluded.msisdn_sealed, msisdn_hash = excluded.msisdn_hash,
        msisdn_tail = excluded.msisdn_tail, name_masked = coalesce(nullif(excluded.name_masked, ''),
        customers.name_masked), updated_at = :now
    WHERE (customers.office, customers.language, customers.consent, customers.msisdn_hash)
        IS DISTINCT FROM (excluded.office, excluded.language, excluded.consent, excluded.msisdn_hash)
        OR excluded.name_masked NOT IN ('', customers.name_masked)
"""

_SUPERSEDED = """
    SELECT b.id FROM bills b JOIN staged_bills s USING (number)
    WHERE b.version < s.version AND b.state IN ('open', 'part_paid', 'paid') ORDER BY b.id FOR UPDATE OF b
"""

_INSERT = """
    INSERT INTO bills (number, version, customer_id, payment_code, period, kwh, charge_minor, tax_minor, arrears_minor,
        minor, issued_on, due_on, charge_on, bank, created_at)
    SELECT s.number, s.version, c.id, s.payment_code, s.period, s.kwh, s.charge_minor, s.tax_minor, s.arrears_minor,
        s.minor, s.issued_on, s.due_on, s.charge_on, s.bank, :now
    FROM staged_bills s JOIN customers c ON c.code = s.customer_code
    WHERE NOT EXISTS (SELECT 1 FROM bills b WHERE b.number = s.number AND b.version = s.version)
    ORDER BY s.number, s.version
    RETURNING id
"""

# By every code that any version of these bills has borne.
_CODES = """
    SELECT DISTINCT unnest(ARRAY[payment_code, number, end_to_end_id]) FROM bills
    WHERE number IN (SELECT number FROM bills WHERE id = ANY(:ids))
"""

_BOOK = """
    SELECT 'bill:' || number || '/' || version AS key, '' AS bank, issued_on AS business_date,
        'bill ' || number || ' version ' || version AS memo, 'receivable' AS debit, 'revenue' AS credit,
        minor, currency, CAST(:now AS timestamptz) AS at
    FROM bills WHERE id = ANY(:ids)
"""
_UNBOOK = """
    SELECT 'bill:' || number || '/' || version || '/' || CAST(:as AS text) AS key, '' AS bank,
        CAST(:day AS date) AS business_date,
        'bill ' || number || ' version ' || version || ' ' || CAST(:as AS text) AS memo, 'revenue' AS debit,
        'receivable' AS credit, minor, currency, CAST(:now AS timestamptz) AS at
    FROM bills WHERE id = ANY(:ids)
"""


# Bills that take the place of one that a payment may be about to settle.
_REPLACING = """
    SELECT DISTINCT s.number, s.version FROM staged_bills s JOIN bills b USING (number)
    WHERE b.version < s.version AND b.state IN ('open', 'part_paid', 'paid')
      AND NOT EXISTS (SELECT 1 FROM bills k WHERE k.number = s.number AND k.version = s.version)
"""

_MARKS = """
    SELECT (SELECT coalesce(max(id), 0) FROM payments) AS payments, (SELECT coalesce(max(id), 0) FROM bills) AS bills,
        (SELECT coalesce(max(id), 0) FROM transitions) AS transitions,
        ARRAY(SELECT id FROM statements WHERE booking_from IS NOT NULL) AS in_work
"""

# Payments whose evidence is newer than the marks (new, told again, or shown by a statement) and names a newer bill.
_LATE = """
    WITH changed AS (
        SELECT id FROM payments WHERE id > :payments
        UNION SELECT p.id FROM transitions t JOIN payments p ON p.delivery_id = t.subject_id
            WHERE t.id > :transitions AND t.kind = 'delivery' AND p.source_reference NOT LIKE 'line:%'
        UNION SELECT l.payment_id FROM transitions t JOIN statement_lines l ON l.statement_id = t.subject_id
            WHERE t.id > :transitions AND t.kind = 'statement'
        UNION SELECT payment_id FROM statement_lines WHERE statement_id = ANY(:in_work)
    )
    SELECT p.id FROM changed JOIN payments p USING (id)
    WHERE EXISTS (SELECT 1 FROM bills b WHERE b.payment_code = ANY(p.quoted) AND b.id > :bills)
       OR EXISTS (SELECT 1 FROM bills b WHERE b.number = ANY(p.quoted) AND b.id > :bills)
       OR EXISTS (SELECT 1 FROM bills b WHERE b.end_to_end_id = p.end_to_end_id AND b.id > :bills)
       OR EXISTS (SELECT 1 FROM customers c JOIN bills b ON b.customer_id = c.id
                  WHERE c.code = ANY(p.quoted) AND b.id > :bills)
"""

_AT_ONCE = 5_000
"""Bills staged in one piece when those that replace others are taken in."""


def issue(session: Session, bills: Sequence[BillIn], *, now: datetime) -> Issued:
    """Take in one batch of bills; raises BillsRefused, having changed nothing, when one contradicts what is known.

    Payments that came before their bill find it here. The caller commits; until then no payment is matched.
    """
    whole = Import(session)
    return whole.add(bills, now=now) + whole.finish(now=now)


class Import:
    """An import of any number of bills in one transaction, which stops the matching of payments at its end only.

    Until then it takes no lock that a payment waits for: bills that replace others, and payments that came before
    their bill, wait for `finish`. The caller commits after it, or rolls back, and has taken in all bills or none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replacing: list[BillIn] = []
        self._early: set[int] = set()
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.IMPORTS})
        with session.begin_nested() as moment:
            # Whoever matches at this moment ends first; whatever is not seen yet from then on is behind the marks.
            matching.wait_for_bills(session, alone=True)
            self._marks = dict(session.execute(text(_MARKS)).mappings().one())
            moment.rollback()  # and the lock is free again

    def add(self, bills: Sequence[BillIn], *, now: datetime) -> Issued:
        """Take in one batch; raises BillsRefused when one of its bills contradicts what is known."""
        self._stage(bills)
        replacing = {(row.number, row.version) for row in self._session.execute(text(_REPLACING))}
        waiting = [bill for bill in bills if (bill.number, bill.version) in replacing]
        if waiting:
            self._replacing += waiting
            self._stage([bill for bill in bills if (bill.number, bill.version) not in replacing])
        made = self._book(now)
        return Issued(new=len(made), unchanged=len(bills) - len(waiting) - len(made))

    def finish(self, *, now: datetime) -> Issued:
        """Take in the bills that replace others, and match the payments that came before their bill.

        Raises BillsRefused as `add` does.
        """
        matching.wait_for_bills(self._session, alone=True)
        made, freed = 0, list[int]()
        for start in range(0, len(self._replacing), _AT_ONCE):
            self._stage(self._replacing[start : start + _AT_ONCE])
            superseded = list(self._session.scalars(text(_SUPERSEDED)))
            why = "a newer version was issued"
            freed += withdraw(self._session, superseded, to="replaced", by="billing", why=why, now=now)
            made += len(self._book(now))
        late = self._session.scalars(text(_LATE), self._marks).all()
        waiting = {*self._early, *late}
        known = late_recognitions.recognise(self._session, sorted(waiting), now=now)
        netted_fees.by_bills(self._session, sorted(waiting), now=now)
        matched = matching.match(self._session, [*freed, *waiting, *known], now=now)
        returns.judge_bills(self._session, int(self._marks["bills"]), now=now)
        return Issued(replaced=made, matched=matched.allocations)

    def _stage(self, bills: Sequence[BillIn]) -> None:
        self._session.execute(text(_STAGE))
        self._session.execute(text("DELETE FROM staged_bills"))
        self._session.execute(text(_FILL), {"rows": json.dumps([_plain(bill) for bill in bills])})
        problems = self._session.scalars(text(_PROBLEMS)).all()
        if problems:
            raise BillsRefused(problems)

    def _book(self, now: datetime) -> list[int]:
        session = self._session
        unknown = list(session.scalars(text(_UNKNOWN)))
        session.execute(text(_CUSTOMERS), {"now": now})
        made = list(session.scalars(text(_INSERT), {"now": now}))
        ledger.post(session, _BOOK, {"ids": made, "now": now})
        held = bill_holds.hold_abnormal(session, made, now=now)
        debit_promises.promise_held(session, held, now=now)
        debit_promises.promise_notices(session, made, now=now)
        codes = session.scalars(text(_CODES), {"ids": made}).all()
        self._early.update(matching.waiting(session, [*codes, *unknown]), guesses.at_bills(session, made))
        return made


def withdraw(session: Session, bill_ids: Sequence[int], *, to: str, by: str, why: str, now: datetime) -> list[int]:
    """Take bills out of what is owed ("replaced" or "cancelled"); return the payments to match anew."""
    if not bill_ids:
        return []
    session.execute(text("SELECT id FROM bills WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": list(bill_ids)})
    concerned = rivals.at(session, bill_ids)
    allocations = session.scalars(
        text("SELECT id FROM allocations WHERE bill_id = ANY(:ids) AND undone_at IS NULL"), {"ids": list(bill_ids)}
    ).all()
    rivals.undo(session, allocations, by=by, why=why, now=now)
    placements.lift(session, placements.of_bills(session, bill_ids), by=by, why=why, now=now)
    moved = move(session, BILL, bill_ids, to, by=by, why=why, now=now)
    values = {"ids": moved, "now": now, "as": to, "day": business_days.local_day(now)}
    ledger.post(session, _UNBOOK, values)
    debit_promises.withdraw_notices(session, moved, why=f"the bill is {to}", now=now)
    return sorted({*concerned, *guesses.at_bills(session, moved)})


def _plain(bill: BillIn) -> dict[str, object]:
    row = asdict(bill)
    for name in ("phone_sealed", "phone_hash"):
        row[name] = row[name].hex() if row[name] else None
    for name in ("issued_on", "due_on", "charge_on"):
        row[name] = row[name].isoformat() if row[name] else None
    return row
