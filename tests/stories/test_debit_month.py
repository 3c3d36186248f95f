"""A month of debits at two banks: every refusal, late returns, reports lost and twice, races, recalls."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from banks.profile import find
from banks.sandbox.notices import PlannedCallback
from gateway import jobs, sandbox, sandbox_month, schedule
from gateway.web import create_app
from gateway.wiring import Wiring


class OwnHands:
    """Does in this process what the workers and the schedule do, by their own jobs."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring, self.web = wiring, Client(create_app(wiring))

    def call(self, callbacks: Sequence[PlannedCallback]) -> None:
        for one in callbacks:
            secrets = self.wiring.callers[one.bank].secrets
            signed = find(one.profile).sign(one.request, secrets, self.wiring.clock())
            answer = self.web.get(f"/webhooks/{one.profile}", query_string=signed.query.decode())
            assert answer.status_code == 200, answer.text

    def settle(self, *, files: bool = False) -> None:
        schedule.watch_deadlines(self.wiring)
        if files:
            jobs.fetch_files()
        while any([jobs.read_callbacks(), jobs.read_statements(), jobs.move_debits(), jobs.send_messages()]):
            pass


def test_every_debit_of_the_month_ends_in_the_books_as_at_its_bank(
    wiring: Wiring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_hold: Callable[[], None]
) -> None:
    used = sandbox.prepare(replace(wiring.settings, home=tmp_path / "home"), afresh=True, month=True)
    month = Wiring(used, wiring.database_url, wiring.valkey_url, pooled=8)
    monkeypatch.setattr(jobs, "wiring", lambda: month)
    sandbox.open_database(month)
    with sandbox.servers(month):
        found = sandbox_month.live(month, OwnHands(month), mandates=160, seed=7, say=print, days=30)
    all_hold()
    print(found)
    assert found["unexplained_vnd"] == 0
    assert {"paid", "rejected", "returned", "recalled"} <= found["outcomes"].keys()
    assert "AM04" in found["reasons"]
    assert found["retries"] > 0
    assert found["left_out"]["above_cap"] == 2
    with Session(month.engine) as session:
        twice = session.scalar(
            text("SELECT count(*) FROM (SELECT 1 FROM debits WHERE state = 'paid' GROUP BY bill_number"
                 " HAVING count(*) > 1) t")
        )  # fmt: skip
    assert twice == 0
    assert found["expired"] == 0
    month.engine.dispose()
