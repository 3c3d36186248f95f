"""The doorbell: tells a worker that something waits. PostgreSQL is the queue; an unheard bell loses nothing.

What it rings by is loaded with the first ring: many commands know of bells, and few of their runs ring one.
"""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

JOBS = {
    "callbacks": "gateway.jobs.read_callbacks",
    "statements": "gateway.jobs.read_statements",
    "files": "gateway.jobs.fetch_files",
    "messages": "gateway.jobs.send_messages",
    "billing": "gateway.jobs.tell_billing",
    "debits": "gateway.jobs.move_debits",
    "webhooks": "gateway.jobs.send_webhooks",
}
"""Queue → the one job that drains it. Each worker listens on exactly one queue."""
_RUNG_FOR = 5
JOB_SECONDS = 600


def prepare() -> None:
    """Load what a bell is rung by, where the first ring must not wait for it."""
    import rq.serializers  # noqa: F401 - loaded, not used


def ring(valkey: "Redis", queue: str) -> bool:
    """Ask for a run of `queue`'s job unless one is asked for already; never raises, since the sweep rings again."""
    from redis.exceptions import RedisError
    from rq import Queue
    from rq.serializers import JSONSerializer

    try:
        if not valkey.set(_key(queue), "1", nx=True, ex=_RUNG_FOR):
            return False
        Queue(queue, connection=valkey, serializer=JSONSerializer).enqueue(
            JOBS[queue], job_timeout=JOB_SECONDS, result_ttl=0, failure_ttl=3600, ttl=60
        )
    except RedisError as error:
        log.warning("the bell of %s was not heard: %s", queue, type(error).__name__)
        return False
    return True


def heard(valkey: "Redis", queue: str) -> None:
    """Let the next ring through: called by a job before it looks, so that what comes later rings anew."""
    from redis.exceptions import RedisError

    try:
        valkey.delete(_key(queue))
    except RedisError as error:
        log.warning("the bell of %s could not be reset: %s", queue, type(error).__name__)


def _key(queue: str) -> str:
    return f"doisoat:rung:{queue}"
