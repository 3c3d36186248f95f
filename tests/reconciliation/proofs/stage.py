"""The stage: facts of many runs played side by side in one database, through the functions that production uses."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.money import Money
from banks.records import FileEvent, PaymentNotice, StatementClosed, StatementKind, StatementLine, StatementOpened
from reconciliation import (
    deadlines,
    denials,
    import_preview,
    import_undo,
    issuing,
    lump_choices,
    lump_sums,
    matching,
    payments,
    remarks,
    settlements,
    statement_booking,
    statement_loading,
    tariffs,
)
from reconciliation.bills import LIVE
from reconciliation.issuing import BillIn
from reconciliation.statements import Statement as KeptStatement
from tests.reconciliation.books import ACCOUNT, DAY, Books, a_bill, at
from tests.reconciliation.proofs import facts, reading
from tests.reconciliation.proofs.facts import Bill, Cancelled, Denied, Fact, Found, Line, Settled, Told
from tests.reconciliation.proofs.reading import Run
from tests.reconciliation.proofs.stage_debits import Debits

Play = tuple[int, Any]
"""A run and one of its facts."""


class Stage:
    """Plays facts of any number of runs; those given together share the transactions that production would share."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.now = books.now
        self.runs: dict[int, Run] = {}
        self._ids = count(1)
        self.debits = Debits(books, self.runs)
        self._declare([facts.NETTING], [])

    def _declare(self, netting: Sequence[str], settling: Sequence[Run]) -> None:
        """Declare who keeps fees, and whose wallets settle days by one line."""
        kept: dict[str, Any] = {
            "charged": "netted", "valid_from": date(2026, 1, 1), "flat": facts.FEE,
            "vat_basis_points": 10_000 * facts.FEE_VAT // facts.FEE,
        }  # fmt: skip
        agreed = [
            {"source": run.bank(facts.WALLET), "bank": facts.TILL, "words": [run.settling_words]} for run in settling
        ]
        with Session(self.books.owner) as session, session.begin():
            session.execute(text("SET LOCAL ROLE doisoat"))
            tariffs.declare(session, [{**kept, "bank": bank} for bank in netting], by="ketoan", now=self.now)
            lump_sums.declare(session, agreed, by="ketoan", now=self.now)

    def _part(self, plays: list[Play]) -> None:
        with Session(self.books.owner) as session, session.begin():
            session.execute(text("SET LOCAL ROLE doisoat"))
            for number, fact in plays:
                wallet, since = self.runs[number].bank(facts.WALLET), DAY + timedelta(days=fact.day)
                lump_sums.end(session, wallet, since, why="parted", by="ketoan", now=self.now)

    def begin(self, number: int, owners: Mapping[str, str], *, settles: bool = False) -> None:
        """Begin a run; `settles` tells whether its wallet will `agree` to settle days of payments by one line."""
        self.runs[number] = Run(number, owners, settles)

    def agree(self) -> None:
        """Let the wallets that settle days of payments by one line do so from now on."""
        runs = [run for run in self.runs.values() if run.settles]
        self._declare([run.bank(facts.WALLET) for run in runs], runs)

    def play(self, plays: Sequence[Play]) -> None:
        """Play facts that happen at the same time, kind by kind; a run should have one of a kind among them."""
        kinds: dict[type[Fact], list[Play]] = defaultdict(list)
        for run, fact in plays:
            kinds[type(fact)].append((run, fact))
        acts: list[tuple[type[Fact], Callable[[list[Play]], None]]] = [
            (Bill, self._issue), (Cancelled, self._cancel), (Told, self._tell), (Line, self.show),
            (facts.Statement, self._read), (Denied, self._deny), (facts.Undone, self._undo), (Settled, self._settle),
            (facts.Parted, self._part), (facts.Said, self._say), (facts.NotThatDay, self._deny_day),
            (facts.NoSettlement, self._disown), *self.debits.acts,
        ]  # fmt: skip
        for kind, act in acts:
            if kinds[kind]:
                act(kinds[kind])
        self.debits.follow()

    def pass_day(self) -> None:
        """Let the clock move on by a day, and what falls due become a question."""
        self.now += timedelta(days=1)
        self.books.now = self.now
        self.books.run(lambda session: deadlines.pass_deadlines(session, now=self.now))
        self.debits.pass_day()

    def _issue(self, plays: list[Play]) -> None:
        bills: list[BillIn] = []
        for number, bill in plays:
            run = self.runs[number]
            if run.versions.get(bill.name, 0) < bill.version:  # an older one behind it is refused as it arrives
                run.versions[bill.name] = bill.version
                bills.append(
                    a_bill(
                        run.bill(bill.name), bill.minor, run.code(bill.name), customer_code=run.customer(bill.of),
                        version=bill.version, issued_on=DAY + timedelta(days=bill.issued),
                        **self.debits.terms(run, bill),
                    )
                )  # fmt: skip
        self.books.run(lambda session: issuing.issue(session, bills, now=self.now))

    def _cancel(self, plays: list[Play]) -> None:
        numbers = [self.runs[number].bill(fact.bill) for number, fact in plays]

        def act(session: Session) -> None:
            matching.wait_for_bills(session, alone=True)
            found = session.scalars(
                text(f"SELECT id FROM bills WHERE number = ANY(:numbers) AND {LIVE}"), {"numbers": numbers}
            ).all()
            freed = issuing.withdraw(session, found, to="cancelled", by="billing", why="not owed", now=self.now)
            matching.match(session, freed, now=self.now)

        self.books.run(act)

    def _tell(self, plays: list[Play]) -> None:
        heard = []
        for number, told in plays:
            run = self.runs[number]
            narrative, end_to_end = run.quoted(told.quotes)
            if told.lump:
                narrative = f"{run.settling_words} {narrative}"
            bank = run.bank(told.bank)
            run.told[bank, run.reference(told.name)] = told.name
            notice = PaymentNotice(
                source_reference=run.reference(told.name), amount=Money(told.minor, told.currency), paid=True,
                paid_at=at(0) + timedelta(minutes=told.minute), narrative=narrative, end_to_end_id=end_to_end,
                bank_reference=run.reference(told.reference) if told.reference else "",
            )  # fmt: skip
            heard.append(payments.Heard(bank, self.books.delivery(bank), notice))

        def act(session: Session) -> None:
            touched = payments.report(session, heard, sealer=self.books.sealer, now=self.now)
            matching.match(session, touched, now=self.now)

        self.books.run(act)

    def show(self, plays: list[Play]) -> list[int]:
        """Read lines of many runs in statements that they share; return the statements' ids."""
        together: dict[tuple[str, bool, int, str], list[Play]] = defaultdict(list)
        for number, line in plays:
            bank = self.runs[number].bank(line.bank)
            together[bank, line.notice, line.day, line.currency].append((number, line))
        return [
            self._load([self._file(f"S{next(self._ids)}", ACCOUNT, lines, notice=notice, day=day, currency=currency)],
                       bank, [lines])[0]
            for (bank, notice, day, currency), lines in together.items()
        ]  # fmt: skip

    def _read(self, plays: list[Play]) -> None:
        files, lines = [], []
        for number, statement in plays:
            shown = [(number, line) for line in statement.lines]
            files.append(
                self._file(
                    statement.name, self.runs[number].account, shown, day=statement.day, sequence=statement.sequence,
                    balances=(statement.opening, statement.closing),
                )
            )  # fmt: skip
            lines.append(shown)
        for (number, statement), made in zip(plays, self._load(files, "bank", lines), strict=True):
            self.runs[number].statements[made] = statement.name

    def _file(
        self, name: str, account: str, lines: list[Play], *, notice: bool = False, day: int = 0,
        currency: str = "VND", sequence: int | None = None, balances: tuple[int, int] | None = None,
    ) -> list[FileEvent]:  # fmt: skip
        total = sum(line.minor for _, line in lines)
        credit = sum(line.minor for _, line in lines if line.minor > 0)
        opening, closing = (Money(one, currency) for one in balances) if balances else (None, None)
        difference = Money(balances[1] - balances[0] - total, currency) if balances else None
        kind = StatementKind.NOTICE if notice else StatementKind.STATEMENT
        return [
            StatementOpened("test", kind, name, account, currency, opening=opening, closing=closing,
                            closing_on=DAY + timedelta(days=day), sequence=sequence),
            *(self._line(number, line, entry) for entry, (number, line) in enumerate(lines, 1)),
            StatementClosed(name, len(lines), Money(credit, currency), Money(total - credit, currency),
                            None if difference is None else not difference, difference),
        ]  # fmt: skip

    def _line(self, number: int, line: Line, entry: int) -> StatementLine:
        run = self.runs[number]
        narrative, end_to_end = run.quoted(line.quotes)
        if line.lump:
            narrative = f"{run.settling_words} {narrative}"
        return StatementLine(
            entry, 1, Money(line.minor, line.currency), booked_on=DAY + timedelta(days=line.day),
            reversal=line.reversal, narrative=narrative, end_to_end_id=end_to_end, return_reason=line.reason,
            mandate_id=run.mandate(line.quotes),
            bank_reference="" if line.bare else run.reference(line.name),
        )  # fmt: skip

    def _load(self, files: list[list[FileEvent]], bank: str, lines: list[list[Play]]) -> list[int]:
        delivery = self.books.delivery(bank, "statement")

        def act(session: Session) -> list[int]:
            last = session.scalar(text("SELECT coalesce(max(id), 0) FROM statements"))
            events: Iterator[FileEvent] = (event for file in files for event in file)
            loaded = statement_loading.load(
                session, events, bank=bank, delivery_id=delivery, sealer=self.books.sealer, now=self.now
            )
            statement_booking.book(session, loaded, callbacks=True, now=self.now)
            made = session.scalars(text("SELECT id FROM statements WHERE id > :last ORDER BY id"), {"last": last}).all()
            for statement, shown in zip(made, lines, strict=True):
                ids = session.scalars(
                    text("SELECT id FROM statement_lines WHERE statement_id = :id ORDER BY entry"), {"id": statement}
                )
                for (number, line), one in zip(shown, ids, strict=True):
                    self.runs[number].lines[one] = line.name
            return list(made)

        found: list[int] = self.books.run(act)
        return found

    def _deny(self, plays: list[Play]) -> None:
        for number, fact in plays:
            payment = self.payment(number, fact.payment)
            self.books.run(lambda session, one=payment: self._take_back(session, one))

    def _take_back(self, session: Session, payment: int) -> None:
        source = session.scalar(text("SELECT source FROM payments WHERE id = :id"), {"id": payment})
        payments.lock_sources(session, {str(source)})
        denials.deny(session, payment, by="bank", why="the bank took it back", now=self.now)

    def _undo(self, plays: list[Play]) -> None:
        for number, fact in plays:
            self.take_out(one for one, name in self.runs[number].statements.items() if name == fact.statement)

    def take_out(self, statements: Iterable[int]) -> None:
        """Undo the import of these statements, as a person does."""
        ids = list(statements)

        def act(session: Session) -> None:
            found = [session.get_one(KeptStatement, one) for one in ids]
            expected = import_preview.preview(session, import_undo.plan(session, found, with_following=True))
            done = import_undo.undo(session, found, by="mai", why="the wrong file", now=self.now, with_following=True)
            assert done == expected

        self.books.run(act)

    def _settle(self, plays: list[Play]) -> None:
        for number, fact in plays:
            self.books.run(lambda session, number=number, fact=fact: self._answer(session, number, fact))

    def _answer(self, session: Session, number: int, fact: Settled) -> None:
        run, payment = self.runs[number], self.payment(number, fact.payment)
        bills: dict[str, int] = dict(
            session.execute(
                text("SELECT number, id FROM bills WHERE number = ANY(:numbers) ORDER BY version"),
                {"numbers": [run.bill(name) for name in (*fact.undoes, *dict(fact.gives))]},
            ).all()  # type: ignore[arg-type]
        )
        undoes = session.scalars(
            text("SELECT id FROM allocations WHERE payment_id = :p AND bill_id = ANY(:b) AND undone_at IS NULL"),
            {"p": payment, "b": [bills[run.bill(name)] for name in fact.undoes]},
        ).all()
        asked = session.execute(
            text("SELECT id FROM mismatches WHERE subject = :subject AND state <> 'resolved'"),
            {"subject": f"payment:{payment}"},
        ).scalar_one()
        gives = {bills[run.bill(name)]: minor for name, minor in fact.gives}
        if gives:  # money may go to another customer only on evidence
            receipt = {"sealer": self.books.sealer, "by": "lan", "now": self.now}
            remarks.attach(session, asked, "receipt.txt", b"a receipt", "a receipt", **receipt)
        made = settlements.propose(
            session, asked, undoes=undoes, settles=gives, why="a receipt was shown", by="lan", now=self.now
        )
        if made.state == "proposed":
            settlements.approve(session, made.id, by="hoa", now=self.now)

    def _deny_day(self, plays: list[Play]) -> None:
        for number, fact in plays:
            act = lump_choices.allow_day if fact.again else lump_choices.deny_day
            line, day = self._line_of(number, fact), DAY + timedelta(days=fact.day)
            said: dict[str, Any] = {"why": "the wallet's list", "by": "lan", "now": self.now}
            self.books.run(lambda session, act=act, line=line, day=day, said=said: act(session, line, day, **said))

    def _disown(self, plays: list[Play]) -> None:
        for number, fact in plays:
            act, line = lump_choices.take_back if fact.again else lump_choices.disown, self._line_of(number, fact)
            said: dict[str, Any] = {"why": "a payer wrote these words", "by": "lan", "now": self.now}
            self.books.run(lambda session, act=act, line=line, said=said: act(session, line, **said))

    def _line_of(self, number: int, fact: facts.OfLump) -> int:
        [line] = [one for one, name in self.runs[number].lines.items() if name == fact.line]
        return line

    def _say(self, plays: list[Play]) -> None:
        for number, fact in plays:
            run, line = self.runs[number], self._line_of(number, fact)
            act = lump_choices.propose if fact.payments else lump_choices.take_back
            said: dict[str, Any] = {"why": "the wallet's list", "by": "lan", "now": self.now}
            if fact.payments:
                said["references"] = [run.reference(name) for name in fact.payments]
            self.books.run(lambda session, act=act, line=line, said=said: act(session, line, **said))

    def payment(self, number: int, name: str) -> int:
        """Return the id of a payment by the name of its callback, or of its line when no callback told of it."""
        known = reading.payments_of(self.books, [self.runs[number]])
        [found] = [payment for payment, (_, called) in known.items() if called == name]
        return found

    def found(self, numbers: Sequence[int]) -> dict[int, Found]:
        """Return what the books of these runs come to."""
        found = reading.read(self.books, [self.runs[number] for number in numbers])
        self.debits.read(found)
        return found
