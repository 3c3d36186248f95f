"""Figures of the links to the banks' file servers for /metrics, read from the database at each look.

They belong to the house, not to one process, so they stand apart from a process's own counters.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.wiring import Wiring
from reconciliation import links
from reconciliation.links import BankLink


def written(wiring: Wiring) -> bytes:
    """Return the figures in Prometheus's text format; empty while the database does not answer."""
    try:
        with Session(wiring.engine) as session:
            known = list(links.known(session).values())
    except SQLAlchemyError:
        return b""
    registry = CollectorRegistry()
    registry.register(_Links(known))
    return generate_latest(registry)


class _Links(Collector):
    def __init__(self, known: list[BankLink]) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge per figure, with a sample per bank."""
        gauges = {
            "failures": GaugeMetricFamily("doisoat_bank_link_failures", "Failed tries in a row.", labels=["bank"]),
            "stopped": GaugeMetricFamily(
                "doisoat_bank_link_stopped", "1 while the link waits for a person's word.", labels=["bank"]
            ),
            "rests_until": GaugeMetricFamily(
                "doisoat_bank_link_rests_until_seconds", "When it may be tried again; 0 when at once.", labels=["bank"]
            ),
            "last_success": GaugeMetricFamily(
                "doisoat_bank_link_last_success_seconds", "When it last worked; 0 when never.", labels=["bank"]
            ),
        }
        for link in self._known:
            gauges["failures"].add_metric([link.bank], link.failures)
            gauges["stopped"].add_metric([link.bank], int(link.stopped_at is not None))
            gauges["rests_until"].add_metric([link.bank], link.rests_until.timestamp() if link.rests_until else 0)
            gauges["last_success"].add_metric(
                [link.bank], link.last_success_at.timestamp() if link.last_success_at else 0
            )
        yield from gauges.values()
