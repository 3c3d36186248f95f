"""Every finance page at 3,000,000 bills and 1,000,000 payments: how long it takes, beside the bare SQL behind it.

Prints one JSON object: per page the median and p95 in ms through the whole application (session, rights, queries,
template), p95 of its statements alone by a bare psycopg connection, and the ratio of both. Each look is at another row
or search. A page that is not known here stops the run: whoever adds one says how it is looked at.
"""

import argparse
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from benchmarks import pages_books as books
from gateway import migrate, schedule, settings, staff_desk
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.web import create_people, spare_what_is_loaded
from gateway.wiring import Wiring, ensure_own_secrets

NOW = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
LIMIT_MS = 300
CONFIG = "".join(
    f"""
[banks.{name}]
title = "{name}"
[banks.{name}.debits]
creditor_id = "DL"
creditor_name = "DIEN LUC"
creditor_account = "1900"
creditor_bank = "STANVNVX"
debtor_bank = "970436"
"""
    for name in books.BANKS
)
Look = Callable[[random.Random], str]
_READS, _WRITES = re.compile(r"\s*(SELECT|WITH|SET LOCAL)\b"), re.compile(r"\b(UPDATE|INSERT INTO|DELETE FROM)\b")


def main() -> None:
    """Fill the books, look at every page, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bills", type=int, default=3_000_000)
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--looks", type=int, default=30)
    parser.add_argument("--only", default="", help="a part of the pages' names")
    parser.add_argument("--slow", type=float, default=0, help="print statements that took longer, in ms, with plans")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL, started by root, runs as another user
        home = folder / "home"
        home.mkdir()
        (folder / "bench.toml").write_text(CONFIG)
        with Embedded(home, lambda line: print(line, file=sys.stderr)) as services:
            os.environ |= {
                "DOISOAT_HOME": str(home), "DOISOAT_CONFIG": str(folder / "bench.toml"), "DOISOAT_SANDBOX": "1",
                "DOISOAT_DATABASE_URL": services.database_url, "DOISOAT_VALKEY_URL": services.valkey_url,
            }  # fmt: skip
            ensure_own_secrets(home)
            migrate.upgrade(services.database_url)
            read = settings.load(os.environ)
            wiring = Wiring(read, services.database_url, services.valkey_url, pooled=read.web_threads)
            wiring.sandbox_clock.set(NOW)
            check_known(wiring)
            owner = services.database_url.replace("//doisoat@", "//postgres@")
            books.fill(owner, wiring.sealer, bills=asked.bills, payments=asked.payments, say=_say)
            schedule.count_months(wiring)
            print(json.dumps(Desk(wiring, asked).measure(), indent=1))


class Desk:
    """Somebody who is signed in and looks at page after page."""

    def __init__(self, wiring: Wiring, asked: argparse.Namespace) -> None:
        self._wiring, self._asked = wiring, asked
        self._app = create_people(wiring)
        self._statements: list[tuple[str, Any]] = []
        self._bare = psycopg.connect(wiring.database_url.replace("+psycopg", ""), autocommit=True)
        event.listen(wiring.engine, "before_cursor_execute", self._note)
        self._people = [self._signed_in(role) for role in ("chief_accountant", "administrator")]
        self._of_an_office = self._signed_in("accountant", office="DL07")
        spare_what_is_loaded()  # as a web process does

    def measure(self) -> dict[str, object]:
        """Return the figures of every page, the slowest first."""
        looks = {name: look for name, look in self._looks().items() if self._asked.only in name}
        found = {name: self._of_page(look, mine=name.endswith(MINE)) for name, look in looks.items()}
        ordered = dict(sorted(found.items(), key=lambda one: -float(str(one[1]["p95_ms"]))))
        slow = [name for name, one in found.items() if float(str(one["p95_ms"])) > LIMIT_MS]
        return {
            "bills": self._asked.bills, "payments": self._asked.payments, "looks": self._asked.looks,
            "pages": ordered, "limit_ms": LIMIT_MS, "above_the_limit": slow,
        }  # fmt: skip

    def _of_page(self, look: Look, *, mine: bool) -> dict[str, object]:
        chance = random.Random(7)
        taken, bare, size = [], [], 0
        people = [self._of_an_office] if mine else self._people
        person = next(one for one in people if one.get(look(random.Random(7))).status_code != 403)
        for number in range(self._asked.looks + 2):
            path = look(chance)
            self._statements.clear()
            begun = time.perf_counter()
            answer = person.get(path, follow_redirects=True)
            data = answer.get_data()
            spent = 1000 * (time.perf_counter() - begun)
            if answer.status_code != 200:
                raise SystemExit(f"expected a page at {path}, got {answer.status}")
            if number < 2:
                continue  # the first looks load templates and plans
            taken.append(spent)
            bare.append(self._replay(path))
            size = len(data)
        whole, alone = quantiles(taken, n=20), quantiles(bare, n=20)
        return {
            "median_ms": round(whole[9], 1), "p95_ms": round(whole[18], 1), "sql_p95_ms": round(alone[18], 1),
            "ratio": round(whole[18] / alone[18], 2) if alone[18] else None,
            "statements": len(self._statements), "bytes": size,
        }  # fmt: skip

    def _replay(self, path: str) -> float:
        spent = 0.0
        with self._bare.transaction():
            for statement, values in self._statements:
                begun = time.perf_counter()
                found = self._bare.execute(statement, values)
                if found.description is None:
                    continue
                found.fetchall()
                took = 1000 * (time.perf_counter() - begun)
                spent += took
                if self._asked.slow and took > self._asked.slow:
                    plan = self._bare.execute("EXPLAIN (ANALYZE, BUFFERS) " + statement, values).fetchall()
                    _say(f"\n{path} {took:.0f} ms\n{statement}\n{values}\n" + "\n".join(row[0] for row in plan))
        return spent

    def _note(self, _c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        """Keep what reads, and what tells the planner how."""
        if _READS.match(statement) and not _WRITES.search(statement):
            self._statements.append((statement, values))

    def _signed_in(self, role: str, office: str = "") -> Client:
        person = Client(self._app)
        with transaction(self._wiring.engine) as session:
            staff_desk.create_person(
                session, username=role, name="Bench", role=role, password="a long enough password", by="bench", now=NOW,
                office=office,
            )  # fmt: skip
        form = person.get("/admin/sign-in").get_data(as_text=True)
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token is not None
        sent = {"csrf_token": token[1], "username": role, "password": "a long enough password"}
        answer = person.post("/admin/sign-in", data=sent)
        if answer.status_code != 303:
            raise SystemExit(f"expected to be signed in, got {answer.status}")
        return person

    def _looks(self) -> dict[str, Look]:
        with Session(self._wiring.engine) as session:
            ids = {name: _few(session, query) for name, query in _ROWS.items()}
        return {**LISTS, **{name: _picked(pattern, ids) for name, pattern in ROWS.items()}}


def check_known(wiring: Wiring) -> None:
    """Stop where there is a page that nobody has said how to look at."""
    there = {
        rule.endpoint for rule in create_people(wiring).url_map.iter_rules()
        if rule.endpoint.startswith("admin.") and "GET" in (rule.methods or ())
    }  # fmt: skip
    unknown = there - {name.partition(" ")[0] for name in (*LISTS, *ROWS)} - LEFT_OUT
    if unknown:
        raise SystemExit(f"expected to know how every page is looked at, got also {', '.join(sorted(unknown))}")


def _few(session: Session, query: str) -> list[str]:
    return [str(one) for one in session.scalars(text(query))]


def _picked(pattern: str, ids: Mapping[str, list[str]]) -> Look:
    def look(chance: random.Random) -> str:
        return re.sub(r"<(\w+)>", lambda found: chance.choice(ids[found[1]]), pattern)

    return look


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _at(path: str) -> Look:
    return lambda _chance: path


_SPREAD = "SELECT {what} FROM {table} WHERE id % (SELECT greatest(1, max(id) / 60) FROM {table}) = 0 ORDER BY id"
_ROWS = {
    "bill": _SPREAD.format(what="id", table="bills"),
    "number": _SPREAD.format(what="number", table="bills"),
    "customer": _SPREAD.format(what="id", table="customers"),
    "code": _SPREAD.format(what="code", table="customers"),
    "payment": _SPREAD.format(what="id", table="payments"),
    "reference": _SPREAD.format(what="bank_reference", table="payments"),
    "mine": "SELECT b.number FROM bills b JOIN customers c ON c.id = b.customer_id WHERE c.office = 'DL07' LIMIT 60",
    "amount": _SPREAD.format(what="minor", table="payments"),
    "question": "SELECT id FROM mismatches WHERE state = 'open' ORDER BY id LIMIT 60",
    "delivery": "SELECT id FROM deliveries WHERE kind = 'callback' AND id % 97 = 3 ORDER BY id LIMIT 60",
    "file": "SELECT id FROM deliveries WHERE kind = 'statement' ORDER BY id LIMIT 60",
    "name": "SELECT name FROM deliveries WHERE kind = 'statement' ORDER BY id LIMIT 60",
    "message": _SPREAD.format(what="id", table="messages"),
    "mandate": _SPREAD.format(what="id", table="mandates"),
    "debit": _SPREAD.format(what="id", table="debits"),
    "run": "SELECT id FROM debit_runs ORDER BY id",
    "person": "SELECT id FROM staff ORDER BY id",
    "bank": "SELECT DISTINCT bank FROM statements ORDER BY 1",
    "day": "SELECT DISTINCT closing_on FROM statements WHERE closing_on < '2026-11-29' ORDER BY 1",
}
LISTS: dict[str, Look] = {
    "admin.overview.page": _at("/admin/"),
    "admin.overview.unexplained_page": _at("/admin/unexplained/"),
    "admin.bank_pages.listing": _at("/admin/banks/"),
    "admin.calendar.page": _at("/admin/calendar/"),
    "admin.carriers.page": _at("/admin/carriers/"),
    "admin.closes.listing": _at("/admin/closes/"),
    "admin.debits.unknown": _at("/admin/debits/debit/unknown"),
    "admin.debit_runs.listing": _at("/admin/debits/"),
    "admin.expectations.page": _at("/admin/expected/"),
    "admin.marks.listing": _at("/admin/marks/"),
    "admin.message_costs.page": _at("/admin/messages/costs/"),
    "admin.mandates.listing": _at("/admin/mandates/"),
    "admin.bills.listing": _at("/admin/bills/"),
    "admin.payments.listing": _at("/admin/payments/"),
    "admin.payments.listing open": _at("/admin/payments/?view=open"),
    "admin.deliveries.listing": _at("/admin/deliveries/"),
    "admin.messages.listing": _at("/admin/messages/"),
    "admin.mismatches.listing": _at("/admin/mismatches/"),
    "admin.mismatches.listing unsettled": _at("/admin/mismatches/?state=unsettled"),
    "admin.reports.listing": _at("/admin/reports/"),
    "admin.sms_wishes.listing": _at("/admin/sms-wishes/"),
    "admin.texts.page": _at("/admin/texts/"),
    "admin.month.page": _at("/admin/month/?month=2026-11"),
    "admin.account.page": _at("/admin/account/"),
    "admin.api_tokens.page": _at("/admin/api/"),
    "admin.audit_trail.listing": _at("/admin/audit/"),
    "admin.people.listing": _at("/admin/people/"),
    "admin.webhooks.listing": _at("/admin/webhooks/"),
    "admin.bills.listing of an office": _at("/admin/bills/?office=DL07&issued=2026-11-01&issued_until=2026-11-30"),
    "admin.bills.listing paid of an office": _at(
        "/admin/bills/?office=DL07&issued=2026-11-01&issued_until=2026-11-30&state=paid"
    ),
    "admin.bills.listing paid for": _at(
        "/admin/bills/?office=DL07&issued=2026-11-01&issued_until=2026-11-30&version=paid_for"
    ),
    "admin.bills.listing of an old day": _at("/admin/bills/?due=2026-08-14"),
    "admin.bills.listing told on a day": _at("/admin/bills/?bank=sao_mai&sms=payment_recorded&sms_day=2026-11-20"),
    "admin.payments.listing placed": _at("/admin/payments/?view=placed"),
    "admin.deliveries.listing of a statement's day": _at("/admin/deliveries/?bank=sao_mai&closing=2026-11-20"),
    "admin.bills.listing of a month": _at("/admin/bills/?due=2026-11-01&due_until=2026-11-30"),
    "admin.payments.listing of a month": _at(
        "/admin/payments/?day=2026-11-01&until=2026-11-30&bank=sao_mai&channel=qr"
    ),
}
ROWS = {
    "admin.overview.page day": "/admin/?day=<day>",
    "admin.bank_pages.page": "/admin/banks/<bank>",
    "admin.bills.page": "/admin/bills/<bill>",
    "admin.bills.listing searched": "/admin/bills/?q=<number>",
    "admin.bills.listing of a customer": "/admin/bills/?q=<code>",
    "admin.bills.listing of an amount": "/admin/bills/?q=<amount>",
    "admin.payments.page": "/admin/payments/<payment>",
    "admin.payments.listing searched": "/admin/payments/?q=<reference>",
    "admin.payments.listing of an amount": "/admin/payments/?q=<amount>",
    "admin.payments.listing of a day": "/admin/payments/?day=<day>&bank=<bank>&view=matched",
    "admin.payments.listing of a whole day": "/admin/payments/?day=<day>&view=received&currency=VND",
    "admin.mismatches.page": "/admin/mismatches/<question>",
    "admin.mismatches.listing searched": "/admin/mismatches/?q=<reference>",
    "admin.mismatches.listing of an amount": "/admin/mismatches/?q=<amount>",
    "admin.deliveries.listing searched": "/admin/deliveries/?q=<name>",
    "admin.deliveries.listing of a payment": "/admin/deliveries/?q=<reference>",
    "admin.mandates.listing searched": "/admin/mandates/?q=<code>",
    "admin.overview.unexplained_page day": "/admin/unexplained/?day=<day>",
    "admin.deliveries.page": "/admin/deliveries/<delivery>",
    "admin.deliveries.page file": "/admin/deliveries/<file>",
    "admin.contents.page": "/admin/deliveries/<delivery>/contents",
    "admin.deliveries.ask_undo": "/admin/deliveries/<file>/undo",
    "admin.messages.page": "/admin/messages/<message>",
    "admin.messages.listing searched": "/admin/messages/?q=<code>",
    "admin.mandates.page": "/admin/mandates/<mandate>",
    "admin.debits.page": "/admin/debits/debit/<debit>",
    "admin.debit_runs.page": "/admin/debits/<run>",
    "admin.debit_runs.preview": "/admin/debits/preview?bank=<bank>&day=2026-12-02",
    "admin.run_lists.debits": "/admin/debits/<run>/debits",
    "admin.run_lists.left_out": "/admin/debits/<run>/left-out",
    "admin.sms_wishes.page": "/admin/sms-wishes/<customer>",
    "admin.closes.page": "/admin/closes/<bank>/<day>",
    "admin.people.page": "/admin/people/<person>",
    "admin.audit_trail.listing of somebody": "/admin/audit/?q=ketoan",
    "admin.trace.page bill": "/admin/trace/?q=<number>",
    "admin.trace.page reference": "/admin/trace/?q=<reference>",
    "admin.trace.page customer": "/admin/trace/?q=<code>",
    "admin.trace.page amount": "/admin/trace/?q=<amount>",
    "admin.trace.page file": "/admin/trace/?q=<name>",
}
MINE = " of my office"
"""How a page is named that somebody looks at who belongs to an office."""
LISTS |= {
    f"admin.{page}.listing{MINE}": _at(f"/admin/{page}/") for page in ("bills", "payments", "mismatches", "messages")
}
LISTS["admin.mismatches.listing unsettled" + MINE] = _at("/admin/mismatches/?state=unsettled")
ROWS |= {
    "admin.trace.page bill" + MINE: "/admin/trace/?q=<mine>",
    "admin.trace.page customer" + MINE: "/admin/trace/?q=<code>",
}
LEFT_OUT = {
    "admin.nowhere", "admin.sign_in.form", "admin.reports.file", "admin.marks.file", "admin.run_lists.file",
    "admin.closes.minutes", "admin.mandates.paper", "admin.remarking.evidence", "admin.audit_trail.file",
    "admin.second_step.page", "admin.webhooks.page",
}  # fmt: skip
"""No pages: files, which are streamed, and what a visitor sees."""

if __name__ == "__main__":
    main()
