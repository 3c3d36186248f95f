"""Reading: what the database calls the things of a run, and what its books come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.reconciliation.books import Books
from tests.reconciliation.proofs.facts import CUSTOMERS, OWN, WALLET, Found, Mandate


@dataclass
class Run:
    """What the database calls the things of one run."""

    number: int
    owners: Mapping[str, str]
    """Whose each bill is, also of those that have not been issued yet."""
    settles: bool = False
    """Whether its wallet pays a day's payments by one line."""
    versions: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    statements: dict[int, str] = field(default_factory=dict)
    mandates: dict[str, tuple[str, Mandate]] = field(default_factory=dict)
    """Customer → the reference of the newest mandate, and its terms."""

    debits: dict[str, str] = field(default_factory=dict)
    """Debit → its end-to-end id, of those that were sent."""

    @property
    def account(self) -> str:
        return f"{self.number:012}"

    def bank(self, name: str) -> str:
        """Return the bank of that name; a wallet that settles is each run's own: it pays a day's payments together."""
        return f"{name}{self.number:07}" if name == OWN or (name == WALLET and self.settles) else name

    @property
    def settling_words(self) -> str:
        return f"QUYET TOAN {self.number:07}"

    def customer(self, name: str) -> str:
        return f"PA{self.number:08}{1 + CUSTOMERS.index(name):03}"

    def bill(self, name: str) -> str:
        return f"HD{self.number:07}{name}"

    def code(self, bill: str) -> str:
        return f"{self.customer(self.owners.get(bill, CUSTOMERS[0]))}1{ord(bill) - ord('A'):02}26"

    def reference(self, name: str) -> str:
        return f"{name}-{self.number:07}"

    def debit(self, name: str) -> str:
        """The end-to-end id of a debit, which is named A, or A.2 as the bill's second one."""
        return self.debits.get(name, self.bill(name) + "-1")

    def mandate(self, quotes: Iterable[str]) -> str:
        """The reference of the mandate that is quoted, if any is."""
        return next((self.mandates[quote[2:]][0] for quote in quotes if quote.startswith("m:")), "")

    def quoted(self, quotes: Iterable[str]) -> tuple[str, str]:
        """The narrative with these codes, and the end-to-end id."""
        said, end_to_end = [], ""
        for quote in quotes:
            if quote.startswith("e2e:"):
                end_to_end = self.debit(quote[4:])
            elif quote.startswith("m:"):
                continue
            elif quote.startswith("#"):
                said.append(self.bill(quote[1:]))
            elif quote.startswith("@"):
                said.append(self.customer(quote[1:]))
            else:
                said.append(self.code(quote))
        return " ".join(said), end_to_end


_BILLS = "SELECT number, state, paid_minor FROM bills WHERE number = ANY(:numbers) ORDER BY version"
_PAYMENTS = """
    SELECT p.id, p.source, p.source_reference FROM unnest(CAST(:sources AS text[]), CAST(:names AS text[])) AS w
        (source, source_reference) JOIN payments p USING (source, source_reference)
"""
_STAND_FOR = "SELECT payment_id, id FROM statement_lines WHERE id = ANY(:lines) AND payment_id IS NOT NULL ORDER BY id"
_LEFT = "SELECT id, minor - matched_minor FROM payments WHERE id = ANY(:ids) AND state NOT IN ('denied', 'returned')"
_ASKED = """
    SELECT code, subject, payment_id, line_id, statement_id FROM mismatches
    WHERE state <> 'resolved' AND (payment_id = ANY(:payments) OR line_id = ANY(:lines) OR statement_id = ANY(:kept))
"""
_MISSING = """
    SELECT split_part(subject, ':', 3) AS account, split_part(subject, ':', 5) FROM mismatches
    WHERE code = 'M13' AND state <> 'resolved' AND split_part(subject, ':', 3) = ANY(:accounts)
"""


def payments_of(books: Books, runs: Sequence[Run]) -> dict[int, tuple[Run, str]]:
    """Return payment id → its run and its name: that of its callback, or of its line when no callback told of it."""
    lines = {one: run for run in runs for one in run.lines}
    told = {key: run for run in runs for key in run.told}
    stand_for = books.rows(_STAND_FOR, lines=list(lines))
    named = {payment: (lines[line], lines[line].lines[line]) for payment, line in reversed(stand_for)}
    known = books.rows(_PAYMENTS, sources=[key[0] for key in told], names=[key[1] for key in told])
    for payment, source, reference in known:
        run = told[source, reference]
        named[payment] = (run, run.told[source, reference])
    return named


def read(books: Books, runs: Sequence[Run]) -> dict[int, Found]:
    """Return what the books of these runs come to, by the number of the run."""
    found = {run.number: Found() for run in runs}
    numbers = {run.bill(name): (run.number, name) for run in runs for name in run.versions}
    for number, state, paid in books.rows(_BILLS, numbers=list(numbers)):
        run_number, name = numbers[number]
        found[run_number].bills[name] = (state, paid)
    named = payments_of(books, runs)
    for payment, left in books.rows(_LEFT, ids=list(named)):
        run, name = named[payment]
        found[run.number].left[name] = left
    lines = {one: run for run in runs for one in run.lines}
    kept = {one: run for run in runs for one in run.statements}
    for code, subject, payment, line, statement in books.rows(
        _ASKED, payments=list(named), lines=list(lines), kept=list(kept)
    ):
        if payment in named:
            run, name = named[payment]
            aspect = subject.partition("/")[2]
            about = f"{name}/{aspect}" if aspect else name
        elif line in lines:
            run, about = lines[line], lines[line].lines[line]
        else:
            run, about = kept[statement], kept[statement].statements[statement]
        found[run.number].questions.add((code, about))
    accounts = {books.sealer.blind(run.account, "account").hex()[:12]: run for run in runs if run.statements}
    for account, missing in books.rows(_MISSING, accounts=list(accounts)):
        found[accounts[account].number].questions.add(("M13", missing))
    return found
