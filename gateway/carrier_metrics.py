"""Figures of the SMS carriers for /metrics, read from the database at each look."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway import carrier_desk
from gateway.carrier_desk import CarrierLine
from gateway.wiring import Wiring


def written(wiring: Wiring) -> bytes:
    """Return the figures in Prometheus's text format; empty while the database does not answer."""
    try:
        with Session(wiring.engine) as session:
            lines = carrier_desk.lines(session, wiring.settings.sms.carriers, now=wiring.clock())
    except SQLAlchemyError:
        return b""
    registry = CollectorRegistry()
    registry.register(_Carriers(lines))
    return generate_latest(registry)


class _Carriers(Collector):
    def __init__(self, lines: Sequence[CarrierLine]) -> None:
        self._lines = lines

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge per figure, with a sample per carrier."""
        figures: Mapping[str, tuple[str, Callable[[CarrierLine], int | None]]] = {
            "ill": ("1 while it gets no new messages.", lambda line: line.state in ("ill", "stopped")),
            "needs_person": (
                "1 while it takes nothing until a person has acted.",
                lambda line: line.state == "stopped",
            ),
            "asked": ("Messages it was asked within five minutes.", lambda line: line.figures.asked),
            "troubled": ("Of these, refused for now or unsure.", lambda line: line.figures.troubled),
            "milliseconds": ("How long a message took on average.", lambda line: line.figures.average),
            "waiting": ("Messages that wait for it.", lambda line: line.waiting),
            "unsure": ("Messages nobody knows the fate of.", lambda line: line.unsure),
            "balance": (
                "Đồng left of the account, as told last; none while it is not told for over an hour.",
                lambda line: None if line.balance_is_unknown or line.left is None else line.left.minor,
            ),
            "balance_low": ("1 while less is left than its alarm allows.", lambda line: line.is_low),
        }
        for name, (meaning, read) in figures.items():
            gauge = GaugeMetricFamily(f"doisoat_sms_carrier_{name}", meaning, labels=["carrier"])
            for line in self._lines:
                figure = read(line)
                if figure is not None:
                    gauge.add_metric([line.how.name], int(figure))
            yield gauge
