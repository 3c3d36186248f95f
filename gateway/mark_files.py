"""Files of marks: the batches from a number on, one after another, the same bytes whenever they are asked for."""

from collections.abc import Iterator

from gateway import mark_forms
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import marks
from reconciliation.marks import Batch


def lines(wiring: Wiring, since: int | None = None) -> Iterator[str]:
    """Yield the CSV lines of the batches that hold the marks after number `since`, what has just changed included.

    None stands for the last mark acknowledged. A batch is read in a transaction of its own: a file of any length holds
    one batch in memory, and holds nobody up.
    """
    with transaction(wiring.engine) as session:
        marks.number(session, now=wiring.clock())
    with transaction(wiring.engine) as session:
        wanted = marks.since(session, marks.acknowledged(session) if since is None else since)
    yield mark_forms.csv_head()
    for number in wanted:
        with transaction(wiring.engine) as session:
            batch = session.get_one(Batch, number)
            written = list(mark_forms.csv_of(batch, marks.told(session, batch)))
        yield from written
