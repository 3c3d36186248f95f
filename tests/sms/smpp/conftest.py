"""A carrier to bind to, and a bind that notes all it is told."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sms.smpp import Account, Bind, Delivery, Outcome, receipts
from sms.smpp.receipts import Told
from sms.transport import OutgoingSms, Refused
from tests.sms.smpp.peers import Carrier, node_carrier, wait


class Link:
    """A bind under test: its outcomes by message, and the receipts it heard, acknowledged unless `keeps` is off."""

    def __init__(self, port: int, **account: Any) -> None:
        quick = {"answer_seconds": 5.0, "idle_seconds": 5.0, "retry_seconds": 0.02, "connect_seconds": 2.0}
        made = {"host": "127.0.0.1", "system_id": "doisoat", "password": "secret", "source": "DIENLUC", **quick}
        self.outcomes: dict[str, list[Outcome]] = {}
        self.told: list[Told | None] = []
        self.keeps = True
        self.unkept: list[Delivery] = []
        self.bind = Bind(Account(**{**made, "port": port, **account}), on_outcome=self._ended, on_delivery=self._heard)
        self.bind.start()

    def send(self, *texts: str, to: str = "+84912345678") -> None:
        """Hand over a message for each text, called by it."""
        self.bind.hand_over([OutgoingSms(one, to, one, "DIENLUC") for one in texts])

    def words(self, text: str) -> tuple[Any, ...]:
        """Return the last words on a message, once there are any."""
        wait(lambda: text in self.outcomes, f"an outcome of {text[:20]!r}")
        return self.outcomes[text][-1].words

    def _ended(self, outcome: Outcome) -> None:
        assert threading.current_thread() is self.bind._thread or isinstance(outcome.words[-1], Refused)
        self.outcomes.setdefault(outcome.message.text, []).append(outcome)

    def _heard(self, delivery: Delivery) -> None:
        self.told.append(receipts.read(delivery.pdu))
        if self.keeps:
            self.bind.acknowledge([delivery])
        else:
            self.unkept.append(delivery)


@pytest.fixture(scope="session")
def _node() -> Iterator[Carrier]:
    with node_carrier() as running:
        yield running


@pytest.fixture
def carrier(_node: Carrier) -> Carrier:
    """npm's carrier as if just started: it does what is usual, and nobody is bound."""
    _node.thaw()  # a test that failed may have left it frozen
    _node.tell(reset=True)
    _node.seen.clear()
    return _node


@pytest.fixture
def link() -> Iterator[Callable[..., Link]]:
    """Make binds; each is stopped with the test, and must end."""
    made: list[Link] = []

    def begin(port: int, *, bound: bool = True, **account: Any) -> Link:
        made.append(Link(port, **account))
        if bound:
            wait(lambda: made[-1].bind.is_bound, "the bind")
        return made[-1]

    yield begin
    for one in made:
        one.bind.stop(0.5)
        assert not one.bind._thread.is_alive()
