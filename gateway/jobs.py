"""The jobs that workers run: each drains what waits in PostgreSQL, batch by batch, and can be killed at any point.

RQ calls these by name in a forked process, which builds its own wiring from the environment: no connection is ever
shared with the parent. Each job loads what it works by when it is called, so that a process which reads statements
holds no HTTP client; a worker has loaded it before it forks.
"""

from datetime import timedelta
from functools import lru_cache
from importlib import import_module

from banks import profile
from gateway import bell
from gateway.wiring import Wiring, from_environment
from reconciliation import business_days

LEASE = timedelta(seconds=10)
"""How long the work of a killed reader waits. It need not outlast a reading: whoever reads holds the rows' locks, which
a claim passes over, so a lease only covers the moment between the claim and the first lock."""

WORKS_BY = {
    "callbacks": ("gateway.callback_reading",),
    "statements": ("gateway.statement_reading",),
    "files": ("gateway.collecting",),
    "messages": ("gateway.messaging", "httpx"),
    "billing": ("gateway.billing",),
    "debits": ("gateway.debiting", "gateway.debit_outcomes"),
    "webhooks": ("gateway.webhook_sender",),
}
"""Queue → what its job loads, at once or with the first request it makes."""


@lru_cache(maxsize=1)
def wiring() -> Wiring:
    """Return this process's wiring."""
    return from_environment()


def read_callbacks() -> int:
    """Turn waiting callbacks into payments, matches, ledger entries and promises; return how many were read."""
    from gateway import callback_reading

    parts = wiring()
    bell.heard(parts.valkey, "callbacks")
    read = 0
    while batch := callback_reading.claim(parts, limit=500, lease=LEASE):
        callback_reading.read(parts, batch)
        read += len(batch)
        bell.ring(parts.valkey, "messages")
    return read


def read_statements() -> int:
    """Read waiting files, one at a time; return how many."""
    from gateway import statement_reading

    parts = wiring()
    bell.heard(parts.valkey, "statements")
    read = 0
    while delivery := statement_reading.claim(parts, lease=LEASE):
        statement_reading.read(parts, delivery)
        read += 1
        bell.ring(parts.valkey, "messages")
    if statement_reading.book_what_is_left(parts):
        bell.ring(parts.valkey, "messages")
    return read


def fetch_files() -> int:
    """Fetch new files from every bank's server, a share of each; return how many were kept."""
    from gateway import collecting

    parts = wiring()
    bell.heard(parts.valkey, "files")
    polled = collecting.poll_all(parts)
    if polled.kept:
        bell.ring(parts.valkey, "statements")
    if polled.more:
        bell.ring(parts.valkey, "files")
    return polled.kept


def send_messages() -> int:
    """Send the messages that are due; return how many left."""
    from gateway import messaging

    parts = wiring()
    bell.heard(parts.valkey, "messages")
    return messaging.send_due(parts)


def tell_billing() -> int:
    """Send the billing system what it has not acknowledged of bills paid and no longer paid; return the batches."""
    from gateway import billing

    parts = wiring()
    bell.heard(parts.valkey, "billing")
    return billing.tell(parts)


def move_debits() -> int:
    """Send approved debits, follow what is known of those sent, and ask after the others; return how many moved."""
    from gateway import debit_outcomes, debiting

    parts = wiring()
    bell.heard(parts.valkey, "debits")
    moved = debit_outcomes.follow_all(parts)
    handed = debiting.send_due(parts)
    asked = debiting.ask_after(parts)
    if moved:
        bell.ring(parts.valkey, "messages")
    return moved + handed + asked


def send_webhooks() -> int:
    """Tell other systems what has happened; return how many events were taken."""
    from gateway import webhook_sender

    parts = wiring()
    bell.heard(parts.valkey, "webhooks")
    sent, more = webhook_sender.send_due(parts)
    if more:
        bell.ring(parts.valkey, "webhooks")
    return sent


def prepare(queue: str) -> None:
    """Load in the worker of `queue` what its job needs, so that the process forked for a job starts with it."""
    for module in WORKS_BY[queue]:
        import_module(module)
    business_days.LIBRARY.is_business_day(wiring().clock().date())
    profile.names()
