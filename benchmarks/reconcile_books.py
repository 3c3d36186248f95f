"""Books and a file for `benchmarks.reconcile`: open bills, callbacks heard before, a day's statement in camt.053."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg

from banks.money import Money
from banks.records import PaymentNotice
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import matching, payments

DAY = date(2026, 11, 18)
BANK = "sao_mai"
ACCOUNT = "0011000999888"
STEP = 1_000_003
"""A prime: line after line pays a bill far from the one before, as the lines of a day do."""

# Two bills a customer, of this month and the last; what was owed before is brought forward in one entry.
_BILLS = """
    INSERT INTO customers (code, office, language, consent, msisdn_sealed, msisdn_hash, msisdn_tail, name_masked,
        created_at, updated_at)
    SELECT 'PA' || lpad(n::text, 11, '0'), 'HD1', 'vi', n % 100 < {told}, 'sealed', sha256(n::text::bytea), '678', '',
        now(), now() FROM generate_series(0, {customers} - 1) n;
    INSERT INTO bills (number, version, customer_id, payment_code, period, kwh, charge_minor, tax_minor, arrears_minor,
        minor, issued_on, due_on, bank, created_at)
    SELECT 'HD' || lpad(n::text, 10, '0'), 1, c.id, c.code || CASE n % 2 WHEN 0 THEN '11126' ELSE '11026' END,
        CASE n % 2 WHEN 0 THEN '11/2026' ELSE '10/2026' END, 90, minor, 0, 0, minor, date '2026-11-01',
        date '2026-11-25', '', now()
    FROM generate_series(0, {bills} - 1) n CROSS JOIN LATERAL (SELECT {minor} AS minor) owed
    JOIN customers c ON c.code = 'PA' || lpad((n / 2)::text, 11, '0');
    INSERT INTO owed_bills SELECT id, bank, due_on FROM bills ORDER BY id;
    INSERT INTO entries (key, business_date, memo, at, debit, credit, minor, currency)
    SELECT 'opening', '2026-11-01', 'brought forward', now(), 'receivable', 'revenue', sum(minor), 'VND' FROM bills
"""
_MINOR = "50000 + (n::bigint * 7919 % 4000000)::bigint"


def minor(bill: int) -> int:
    """Return what the bill of this number owes, in đồng."""
    return 50_000 + bill * 7919 % 4_000_000


def code(bill: int) -> str:
    """Return its payment code."""
    return f"PA{bill // 2:011}{'11026' if bill % 2 else '11126'}"


def issue(owner_url: str, bills: int, *, told: int) -> None:
    """Put so many open bills into empty books at once; `told` of a hundred customers get texts."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # the proof after the run covers them
        connection.execute(_BILLS.format(told=told, customers=(bills + 1) // 2, bills=bills, minor=_MINOR))
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def lines(count: int, bills: int) -> Iterator[tuple[int, int, str]]:
    """Yield (number, signed đồng, narrative) of each line: what a collecting account sees in a day."""
    for n in range(count):
        bill = n * STEP % bills
        owed, kind = minor(bill), n % 1000
        if kind < 930:  # of which those that `is_told` names have been heard by callback
            yield n, owed, f"TT TIEN DIEN {code(bill)}"
        elif kind < 970:
            yield n, owed, f"chuyển tiền điện {code(bill)[:13]} cảm ơn"
        elif kind < 980:
            yield n, owed, f"HD{bill:010} thanh toan"
        elif kind < 986:
            yield n, owed - 1_000, f"TT TIEN DIEN {code(bill)} thieu"
        elif kind < 990:
            yield n, owed, "nop tien"
        elif kind < 995:  # paid twice
            twice = (n - 900) * STEP % bills
            yield n, minor(twice), f"TT TIEN DIEN {code(twice)}"
        elif kind < 998:
            yield n, owed, f"TT {code(bill)} {code((bill + 2) % bills)[:13]}"
        else:
            yield n, -11_000, "PHI DICH VU"


def is_told(n: int) -> bool:
    """Tell whether a callback told of this line before: one in twenty of those that quote a payment code."""
    return n % 1000 < 930 and n % 20 == 7


def hear(wiring: Wiring, count: int, bills: int, now: datetime) -> int:
    """Report and match what the callbacks of the day told, by the real road; return how many."""
    notices = [
        PaymentNotice(
            source_reference=f"CB{n}", bank_reference=f"FT26{n:012}", amount=Money(owed, "VND"), paid=True,
            paid_at=now - timedelta(hours=3), payment_code=code(n * STEP % bills),
        )
        for n, owed, _ in lines(count, bills) if is_told(n)
    ]  # fmt: skip
    with transaction(wiring.engine) as session:
        delivery = session.connection().exec_driver_sql(
            "INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, answer_status, answer_body,"
            " received_at) VALUES (%s, 'callback', 'bench', 'bench', 0, '', '', 200, '', now()) RETURNING id", (BANK,)
        ).scalar_one()  # fmt: skip
    for start in range(0, len(notices), 500):
        heard = [payments.Heard(BANK, delivery, one) for one in notices[start : start + 500]]
        with transaction(wiring.engine) as session:
            touched = payments.report(session, heard, sealer=wiring.sealer, now=now)
            matching.match(session, touched, now=now)
    return len(notices)


_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId>\
<CreDtTm>2026-11-18T23:00:00+07:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id><ElctrncSeqNb>1</ElctrncSeqNb>\
<CreDtTm>2026-11-18T23:00:00+07:00</CreDtTm><Acct><Id><Othr><Id>0011000999888</Id></Othr></Id><Ccy>VND</Ccy></Acct>
"""
_BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">{minor}</Amt>\
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-18</Dt></Dt></Bal>
"""
_ENTRY = """<Ntry><Amt Ccy="VND">{minor}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
<BookgDt><Dt>2026-11-18</Dt></BookgDt><ValDt><Dt>2026-11-18</Dt></ValDt><AcctSvcrRef>FT26{n:012}</AcctSvcrRef>\
<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><Amt Ccy="VND">{minor}</Amt>\
<CdtDbtInd>{side}</CdtDbtInd><RltdPties><Dbtr><Pty><Nm>Nguyễn Thị Bình</Nm></Pty></Dbtr>\
<DbtrAcct><Id><Othr><Id>01{n:010}</Id></Othr></Id></DbtrAcct></RltdPties>\
<RmtInf><Ustrd>{narrative}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
"""


def write(path: Path, count: int, bills: int) -> None:
    """Write the day's statement."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD + _BALANCE.format(code="OPBD", minor=0))
        file.write(_BALANCE.format(code="CLBD", minor=sum(signed for _, signed, _ in lines(count, bills))))
        for n, signed, narrative in lines(count, bills):
            side = "CRDT" if signed > 0 else "DBIT"
            file.write(_ENTRY.format(n=n, minor=abs(signed), side=side, narrative=narrative))
        file.write("</Stmt></BkToCstmrStmt></Document>\n")
