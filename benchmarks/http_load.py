"""A small load generator: prepared requests over kept-alive connections, each answer read whole and timed."""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What one run saw: seconds it took, answers by status, and each answer's latency in seconds."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Connection:
    __slots__ = ("buffer", "due_at", "sent_at", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_at = 0.0
        self.due_at = 0.0

    def answer(self) -> int | None:
        """Read what came; return the status once an answer is whole."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self.buffer += piece
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = self.buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < head_end + 4 + length:
            return None
        status = int(self.buffer[9:12])
        self.buffer = self.buffer[head_end + 4 + length :]
        return status


def run(
    address: tuple[str, int], requests: Sequence[bytes], *, connections: int, per_second: float | None = None
) -> Outcome:
    """Send `requests` over so many connections; at a fixed pace, latency counts from when a request was due."""
    outcome = Outcome()
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(requests))
    idle = deque(_Connection(address) for _ in range(connections))
    everyone = list(idle)
    started = time.perf_counter()

    def due(number: int) -> float:
        return started + number / per_second if per_second else 0.0

    following = next(waiting, None)
    busy = 0
    with selectors.DefaultSelector() as selector:
        for connection in everyone:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while following is not None or busy:
            now = time.perf_counter()
            while following is not None and idle and due(following[0]) <= now:
                connection = idle.popleft()  # in turn: the server closes one that is left idle
                connection.sent_at = max(due(following[0]), started) if per_second else now
                connection.socket.sendall(following[1])
                busy += 1
                following = next(waiting, None)
            patience = max(0.0, due(following[0]) - now) if following is not None and idle else 1.0
            for key, _ in selector.select(patience):
                status = key.data.answer()
                if status is None:
                    continue
                outcome.latencies.append(time.perf_counter() - key.data.sent_at)
                outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                idle.append(key.data)
                busy -= 1
    outcome.seconds = time.perf_counter() - started
    for connection in everyone:
        connection.socket.close()
    return outcome


def median_of(times: int, once: Callable[[], float]) -> float:
    """Return the median of `times` runs."""
    return sorted(once() for _ in range(times))[times // 2]
