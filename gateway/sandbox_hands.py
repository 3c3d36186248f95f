"""The hands of a sandbox whose processes run: callbacks over HTTP, bells rung, and patience until all is done."""

import time
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.sandbox.caller import Caller
from banks.sandbox.notices import PlannedCallback
from gateway import bell
from gateway.practice import Place
from gateway.sandbox_day import DemoFailed
from gateway.wiring import Wiring
from reconciliation.business_days import local_day

_PATIENCE = 600.0
_WAITING = """
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'received') AS deliveries,
        (SELECT count(*) FROM debit_news) AS news,
        (SELECT count(*) FROM debits WHERE ask_at <= :now) AS to_ask,
        (SELECT count(*) FROM debit_files WHERE state = 'claimed') AS files,
        (SELECT count(*) FROM debit_runs WHERE state = 'approved' AND charge_on <= :today) AS runs,
        (SELECT count(*) FROM debit_recalls WHERE state = 'wanted') AS recalls,
        (SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')) AS messages
"""
_RUNG = {
    "deliveries": ("callbacks", "statements"), "messages": ("messages",), "unfetched": ("files",),
    **dict.fromkeys(("news", "to_ask", "files", "runs", "recalls"), ("debits",)),
}  # fmt: skip
"""What waits → the queues whose jobs do it."""


class ProcessHands:
    """Lets the gateway's own processes do the work, and waits for them."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        callers = wiring.callers
        self._caller = Caller(
            f"http://127.0.0.1:{wiring.settings.port}", wiring.clock, {one: callers[one].secrets for one in callers}
        )

    def call(self, callbacks: Sequence[PlannedCallback]) -> None:
        """Send callbacks to the gateway; raise DemoFailed unless each is accepted."""
        report = self._caller.send_all(callbacks)
        if report.refused:
            raise DemoFailed(f"expected every callback to be accepted, {len(report.refused)} were not")

    def settle(self, *, files: bool = False) -> None:
        """Return once all that waits is done, and the banks' files are fetched if there are new ones."""
        deadline = time.monotonic() + _PATIENCE
        while left := self._left(files):
            for queue in sorted({queue for name in left for queue in _RUNG[name]}):
                bell.ring(self._wiring.valkey, queue)
            if time.monotonic() > deadline:
                raise DemoFailed(f"expected all that waits to be done within {_PATIENCE:.0f} s, left: {left}")
            time.sleep(0.2)

    def _left(self, files: bool) -> dict[str, int]:
        now = self._wiring.clock()
        with Session(self._wiring.engine) as session:
            row = session.execute(text(_WAITING), {"now": now, "today": local_day(now)}).mappings().one()
            left = {name: count for name, count in row.items() if count}
            if files:
                known = set(session.execute(text("SELECT bank, name FROM remote_files")))
                there = {
                    (bank, file.name) for bank in self._wiring.settings.banks
                    for file in Place(self._wiring.settings.home).files_of(bank).glob("*.xml")
                }  # fmt: skip
                unfetched = there - {tuple(one) for one in known}
                if unfetched:
                    left["unfetched"] = len(unfetched)
        return left
