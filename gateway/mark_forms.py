"""The forms in which marks go to the billing system: a JSON event for the webhook, CSV for a file.

The same batch gives the same bytes for ever: its marks are never edited, and what its bills and customers are called
never changes. `doisoat` keeps the digest of the first event and refuses to send another one under the same number.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from gateway.clock import LOCAL
from reconciliation.marks import Batch, Told

HEADER = (
    "record", "batch", "number", "action", "bill", "version", "customer", "period", "billed", "change", "paid", "owed",
    "state", "at", "items", "marked", "unmarked",
)  # fmt: skip
"""Columns of the file: a record "item" for each mark, and behind the items of a batch one "total" to check them by."""
TYPE = "bills.marked"


def event(batch: Batch, marks: Iterable[Told]) -> bytes:
    """Return the webhook's body: one JSON object, amounts whole đồng, moments in Vietnam's time."""
    items = [_item(one) for one in marks]
    data = {
        "batch": batch.id,
        "first": batch.first,
        "last": batch.last,
        "items": items,
        "totals": {"items": batch.marks, "marked": batch.marked_minor, "unmarked": batch.unmarked_minor},
    }
    told = {"type": TYPE, "timestamp": batch.made_at.astimezone(LOCAL).isoformat(), "data": data}
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def csv_head() -> str:
    """Return the file's first line."""
    return _line(HEADER)


def csv_of(batch: Batch, marks: Iterable[Told]) -> Iterator[str]:
    """Yield the lines of one batch: its items, then its control totals."""
    for one in marks:
        yield _line(["item", batch.id, *_item(one).values(), "", "", ""])
    told = {"record": "total", "batch": batch.id, "number": batch.last, "items": batch.marks,
            "marked": batch.marked_minor, "unmarked": batch.unmarked_minor}  # fmt: skip
    yield _line([told.get(column, "") for column in HEADER])


def _item(one: Told) -> dict[str, object]:
    return {
        "number": one.number,
        "action": "mark" if one.change > 0 else "unmark",
        "bill": one.bill,
        "version": one.version,
        "customer": one.customer,
        "period": one.period,
        "billed": one.billed,
        "change": one.change,
        "paid": one.paid,
        "owed": one.billed - one.paid,
        "state": "unpaid" if not one.paid else "paid" if one.paid == one.billed else "part_paid",
        "at": one.at.astimezone(LOCAL).isoformat(),
    }


def _line(cells: Sequence[object]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
