"""Books for `benchmarks.pages`: months of bills, payments and all that hangs on them, put in by set-based SQL."""

from collections.abc import Callable

import psycopg

from reconciliation.sealing import Sealer

BANKS = ("bac_a", "kim_long", "sao_mai", "song_hong", "vi_sen")
OFFICES = 40
FIRST_DAY = "2026-09-01"
"""Bills of three months: of each customer one a month; the payments are of the last of them and its thirty days."""

_BANK = "(ARRAY['bac_a','kim_long','sao_mai','song_hong','vi_sen'])[1 + {n} % 5]"
_MINOR = "50000 + ({n}::bigint * 7919 % 4000000)"
_DAY = "date '2026-11-01' + ({n}::bigint * 30 / {of})::int"

# In their order; `:bills`, `:payments`, `:customers` are numbers. Every 49th payment settles nothing, of which
# people hold every tenth in suspense; every 7th was told by its statement alone.
_STEPS = {
    "customers": """
        INSERT INTO customers (code, office, consent, msisdn_sealed, msisdn_hash, msisdn_tail, name_masked, created_at,
            updated_at)
        SELECT 'PA' || lpad(n::text, 11, '0'), 'DL' || lpad((n % :offices)::text, 2, '0'), true, :phone,
            sha256(n::text::bytea), lpad((n % 1000)::text, 3, '0'), 'N*** B***', now(), now()
        FROM generate_series(0, :customers - 1) n""",
    "bills": f"""
        INSERT INTO bills (number, version, customer_id, payment_code, period, kwh, charge_minor, tax_minor,
            arrears_minor, minor, paid_minor, issued_on, due_on, charge_on, bank, state, moves,
            created_at)
        SELECT 'HD' || lpad(n::text, 10, '0'), 1, 1 + n % :customers,
            'PA' || lpad((n % :customers)::text, 11, '0') || '1' || lpad((9 + n / :customers)::text, 2, '0') || '26',
            (9 + n / :customers) || '/2026', 90, {_MINOR.format(n="n")}, 0, 0, {_MINOR.format(n="n")},
            CASE WHEN n >= :bills - :payments AND (n - :bills + :payments) % 49 <> 0 THEN {_MINOR.format(n="n")}
                ELSE 0 END,
            date '{FIRST_DAY}' + ((n / :customers) * interval '1 month')::interval,
            date '{FIRST_DAY}' + ((n / :customers) * interval '1 month' + (n % 20) * interval '1 day')::interval,
            CASE WHEN n % 10 = 0 THEN
                (date '2026-10-01' + (n / :customers) * interval '1 month')::date + (n / 10 % 3)::int END,
            CASE WHEN n % 10 = 0 THEN {_BANK.format(n="n / 10")} ELSE '' END,
            CASE WHEN n >= :bills - :payments AND (n - :bills + :payments) % 49 <> 0 THEN 'paid' ELSE 'open' END, 1,
            now()
        FROM generate_series(0, :bills - 1) n""",
    "owed bills": "INSERT INTO owed_bills SELECT id, bank, due_on FROM bills WHERE state = 'open'",
    "deliveries": f"""
        INSERT INTO deliveries (source, kind, event_id, name, digest, size, head, body, answer_status, answer_body,
            state, moves, received_at, read_at)
        SELECT {_BANK.format(n="n")}, CASE WHEN n < 150 THEN 'statement' ELSE 'callback' END, 'E' || n,
            CASE WHEN n < 150 THEN 'sao-ke-' || n || '.xml' ELSE '' END, sha256(n::text::bytea), 64, :head, :body,
            200, '', 'read', 1, at, at
        FROM generate_series(0, :payments / 5) n
        CROSS JOIN LATERAL (SELECT CASE WHEN n < 150 THEN date '2026-11-01' + n / 5
            ELSE {_DAY.format(n="n", of="(:payments / 5 + 1)")} END + interval '9 hours' AS at) t""",
    "payments": f"""
        INSERT INTO payments (source, source_reference, bank_reference, minor, currency, matched_minor, confirmed_minor,
            paid_at, business_date, channel, narrative, quoted, told, payer_tail, origin, delivery_id, reported_at,
            state, moves, created_at)
        SELECT {_BANK.format(n="n")}, 'T' || n, 'FT26' || lpad(n::text, 12, '0'), minor, 'VND',
            CASE WHEN n % 49 <> 0 OR n % 490 = 0 THEN minor ELSE 0 END, minor, at, at::date,
            (ARRAY['app','qr','counter','auto_debit'])[1 + n % 4], 'TT TIEN DIEN',
            ARRAY['PA' || lpad(n::text, 11, '0')], ARRAY['PA' || lpad(n::text, 11, '0')], '999',
            CASE WHEN n % 7 = 0 THEN 'statement' ELSE 'callback' END, 1 + n / 5,
            CASE WHEN n % 7 <> 0 THEN at END, 'confirmed', 1, at
        FROM generate_series(0, :payments - 1) n
        CROSS JOIN LATERAL (SELECT {_DAY.format(n="n", of=":payments")} + (n % 60000) * interval '1 second' AS at,
            {_MINOR.format(n="(n + :bills - :payments)")} AS minor) t""",
    "matches": """
        INSERT INTO allocations (payment_id, bill_id, minor, rule, quoted, evidence, by, at)
        SELECT p.id, p.id + :bills - :payments, p.minor, 'payment_code', p.quoted[1], 'the payment code was quoted',
            'matching', p.created_at
        FROM payments p WHERE (p.id - 1) % 49 <> 0""",
    "statements": """
        INSERT INTO statements (delivery_id, bank, account_hash, account_tail, kind, format, statement_id, currency,
            from_on, to_on, closing_on, opening_minor, closing_minor, lines, state, moves, created_at)
        SELECT d.id, d.source, sha256(d.source::bytea), '888', 'statement', 'camt.053', 'S' || d.id, 'VND',
            received_at::date, received_at::date, received_at::date, 0, 0, 0, 'accepted', 1, received_at
        FROM deliveries d WHERE kind = 'statement'""",
    "lines": """
        WITH of_day AS (SELECT bank, closing_on, min(id) AS id FROM statements GROUP BY 1, 2)
        INSERT INTO statement_lines (statement_id, entry, transaction, direction, counts, minor, currency, booked_on,
            reversal, bank_reference, narrative, quoted, payment_id, state)
        SELECT s.id, p.id, 1, 'in', true, p.minor, 'VND', p.business_date, false, p.bank_reference, p.narrative,
            p.quoted, p.id, 'matched'
        FROM payments p JOIN of_day s ON s.bank = p.source AND s.closing_on = p.business_date
        ORDER BY p.business_date, s.id, p.id""",  # as statements come: day by day
    # One in a hundred, as if their payments had been found only after they were decided on.
    "odd lines": "INSERT INTO odd_lines SELECT id, booked_on FROM statement_lines WHERE id % 100 = 0",
    "counted lines": """
        UPDATE statements s SET lines = l.lines
        FROM (SELECT statement_id, count(*) AS lines FROM statement_lines GROUP BY 1) l WHERE l.statement_id = s.id""",
    "told by lines": """
        UPDATE payments p SET source_reference = 'line:' || l.id FROM statement_lines l
        WHERE l.payment_id = p.id AND p.origin = 'statement'""",
    "entries": """
        INSERT INTO entries (key, bank, business_date, memo, at, debit, credit, minor, currency)
        SELECT 'payment:' || id || ':reported', source, business_date, source || ' ' || source_reference, created_at,
            'bank:' || source || ':reported', 'suspense', minor, 'VND'
        FROM payments UNION ALL
        SELECT 'line:' || id, s.bank, booked_on, 'statement line', s.created_at,
            'bank:' || s.bank || ':confirmed', 'bank:' || s.bank || ':reported', minor, 'VND'
        FROM statement_lines l JOIN (SELECT id AS sid, bank, created_at FROM statements) s ON s.sid = l.statement_id""",
    "moves": """
        INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, why, at)
        SELECT 'payment', id, 1, 'reported', 'confirmed', 'statement', 'statement 1', created_at FROM payments
        UNION ALL SELECT 'bill', id, 1, 'open', 'paid', 'matching', '', created_at FROM bills WHERE state = 'paid'
        UNION ALL SELECT 'delivery', id, 1, 'received', 'read', 'callbacks', '', received_at FROM deliveries""",
    "marks": """
        INSERT INTO marks (number, bill_id, change_minor, paid_minor, at)
        SELECT id, id, minor, minor, created_at FROM bills WHERE state = 'paid'""",
    "messages": """
        INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, template, body,
            encoding, parts, not_after, carrier, provider, provider_ref, state, moves, created_at, sent_at)
        SELECT 'payment:' || a.payment_id, 1, 'payment_recorded', b.customer_id, b.id, a.payment_id, '{}', 'vi/1',
            'Dien luc da ghi nhan', 'gsm7', 1, a.at + interval '1 day', 'house', 'house', 'r' || a.id, 'sent', 2, a.at,
            a.at
        FROM allocations a JOIN bills b ON b.id = a.bill_id""",
    "questions": """
        INSERT INTO mismatches (code, subject, source, minor, payment_id, facts, owner, due_at, state, moves, opened_at,
            resolved_at, resolved_by, resolution)
        SELECT 'M12', 'payment:' || id, source, minor, id, '{"verdict": "no_reference"}', 'accountant',
            (business_date + 4)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh',
            CASE WHEN business_date < '2026-11-25' THEN 'resolved' ELSE 'open' END, 1,
            created_at, CASE WHEN business_date < '2026-11-25' THEN created_at END, 'ketoan', 'matched'
        FROM payments WHERE (id - 1) % 49 = 0""",
    "settlements": """
        INSERT INTO settlements (mismatch_id, payment_id, why, minor, limit_minor, maker, made_at, state, moves)
        SELECT id, payment_id, 'held', minor, minor, 'ketoan', opened_at, 'applied', 1
        FROM mismatches WHERE (payment_id - 1) % 490 = 0""",
    "placements": """
        INSERT INTO placements (settlement_id, kind, payment_id, account, minor, by, at)
        SELECT id, 'held', payment_id, 'suspense:held', minor, 'ketoan', made_at FROM settlements""",
    "mandates": f"""
        INSERT INTO mandates (bank, reference, customer_id, version, state, moves, created_at)
        SELECT {_BANK.format(n="n")}, 'UQ' || n, n, 1, 'active', 1, now() FROM generate_series(1, :customers / 10) n""",
    "mandate versions": """
        INSERT INTO mandate_versions (mandate_id, version, account_sealed, account_hash, account_tail, cap_minor,
            valid_from, consent_text, consent_at, consent_channel, made_by, made_at)
        SELECT id, 1, :account, sha256(reference::bytea), '321', 5000000, '2026-01-01', 'vi/1', created_at, 'web',
            'portal', created_at FROM mandates""",
    "debit runs": """
        INSERT INTO debit_runs (bank, charge_on, debits, total_minor, maker, made_at, checker, checked_at, state, moves)
        SELECT DISTINCT bank, date '2026-11-20', 20000, 20000, 'ketoan', now(), 'ketoantruong', now(), 'sent', 2
        FROM mandates ORDER BY 1""",
    "debit files": """
        INSERT INTO debit_files (kind, run_id, bank, message_id, debits, total_minor, made_at, handed_at, state, moves)
        SELECT 'debits', id, bank, 'TN' || id, debits, total_minor, made_at, made_at, 'handed', 1
        FROM debit_runs""",
    "debits": """
        INSERT INTO debits (run_id, bill_id, bill_number, mandate_id, mandate_version, attempt, bank, charge_on, minor,
            end_to_end_id, sequence, file_id, notice_id, sent_at, state, moves, created_at)
        SELECT r.id, b.id, b.number, m.id, 1, 1, m.bank, r.charge_on, b.minor, b.end_to_end_id || '/1', 'RCUR', f.id, 1,
            now(), 'paid', 3, now()
        FROM mandates m JOIN debit_runs r USING (bank) JOIN debit_files f ON f.run_id = r.id
        JOIN bills b ON b.customer_id = m.customer_id AND b.issued_on = '2026-11-01'""",
    "audit": """
        INSERT INTO audit (id, at, actor, action, subject, previous, hash)
        SELECT n, now(), 'ketoan', 'settled', 'mismatch:' || n, sha256(n::text::bytea), sha256((n + 1)::text::bytea)
        FROM generate_series(1, :payments / 10) n""",
}


def fill(owner_url: str, sealer: Sealer, *, bills: int, payments: int, say: Callable[[str], None]) -> None:
    """Fill empty books; `bills` are three a customer. Triggers sleep: pages are measured, not the road."""
    given = {
        "bills": str(bills), "payments": str(payments), "customers": str(bills // 3), "offices": str(OFFICES),
        "phone": _bytes(sealer.seal(b"+84912345678", "customers.msisdn")),
        "account": _bytes(sealer.seal(b"0123456789", "mandates.account")),
        "head": _bytes(sealer.seal(b"{}", "deliveries.head")),
        "body": _bytes(sealer.seal(b'{"amount": 100000}', "deliveries.body")),
    }  # fmt: skip
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET work_mem = '256MB'")
        for name, step in _STEPS.items():
            query = step
            for word, value in given.items():
                query = query.replace(f":{word}", value)
            say(f"{name}: {connection.execute(query).rowcount:,}")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _bytes(sealed: bytes) -> str:
    return f"'\\x{sealed.hex()}'::bytea"
