"""Random facts with everything that can be wrong about them, and what the books then say: two roads are compared by."""

from random import Random
from typing import Any

from tests.reconciliation.books import Books, a_bill, a_line, a_notice, at


def contents(books: Books) -> dict[str, list[Any]]:
    """All that the books say, without the ids that the order of writing gives."""
    name = "CASE WHEN p.source_reference LIKE 'line:%' THEN 'line ' || p.bank_reference ELSE p.source_reference END"
    asked = {
        "bills": "SELECT number, state, paid_minor FROM bills",
        "lines": f"SELECT l.entry, l.state, l.reason, {name} FROM statement_lines l"
                 " JOIN statements s ON s.id = l.statement_id LEFT JOIN payments p ON p.id = l.payment_id"
                 " WHERE s.kind = 'statement'",
        "payments": f"SELECT {name}, minor, matched_minor, confirmed_minor, state, moves, due_at, end_to_end_id,"
                    " ARRAY(SELECT unnest(quoted) ORDER BY 1) FROM payments p",
        "matches": f"SELECT {name}, b.number, a.minor, a.rule, a.evidence FROM allocations a"
                   " JOIN payments p ON p.id = a.payment_id JOIN bills b ON b.id = a.bill_id"
                   " WHERE a.undone_at IS NULL",
        "questions": f"SELECT m.code, {name}, m.facts->>'verdict' FROM mismatches m"
                     " LEFT JOIN payments p ON p.id = m.payment_id WHERE m.state <> 'resolved'",
        "texts": "SELECT event, state, regexp_replace(facts\\:\\:text, 'line\\:[0-9]+', 'line') FROM messages"
                 " WHERE state <> 'withdrawn'",
        "balances": "SELECT account, sum(minor)\\:\\:bigint FROM postings GROUP BY 1 HAVING sum(minor) <> 0",
    }  # fmt: skip
    return {what: sorted(books.rows(query), key=repr) for what, query in asked.items()}


def play(books: Books, random: Random) -> None:
    """Issue bills, hear callbacks and read one statement, with everything that can be wrong about them."""
    customers = [f"PA{n:011}" for n in range(1, 21)]
    bills = [
        a_bill(f"HD{n}{m}000", 1_000 * random.randint(50, 53), f"{who}1{11 - m}26", customer_code=who)
        for n, who in enumerate(customers) for m in range(2)
    ]  # fmt: skip
    books.issue(*bills)
    paid = []
    for n in range(32):
        bill = random.choice(bills)
        minor = bill.minor - random.choice((0, 0, 0, 0, 1_000, -1_000))
        words = random.choice((bill.payment_code, bill.payment_code, bill.number, bill.customer_code, "?"))
        reference = random.choice((f"R{n}", f"R{n}", "R1", ""))
        paid.append((minor, reference, words, n))
    told = [one for one in paid if random.random() < 0.4]
    for minor, reference, words, n in told:
        books.hear(
            a_notice(
                f"T{n}", minor - random.choice((0, 0, 0, 500)), words if len(words) == 18 else "", narrative=words,
                bank_reference=random.choice((reference, "")), paid_at=at(1, n),
            )
        )  # fmt: skip
    lines = [a_line(minor, reference, words) for minor, reference, words, _ in paid]
    lines += [a_line(-9_000, "F1", "phi")]
    random.shuffle(lines)
    books.read(*lines, opening=0)
