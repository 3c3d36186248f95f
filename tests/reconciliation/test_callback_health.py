from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from reconciliation import callback_health
from reconciliation.callback_health import CallbackHealth
from reconciliation.inbox import Delivery, Refusal

pytestmark = pytest.mark.usefixtures("any_state")


@pytest.fixture
def heard(session, now):
    """Keep a delivery that came so long before now."""

    def keep(ago=timedelta(), *, source="saomai", kind="callback", state="read"):
        keep.count += 1
        session.execute(
            insert(Delivery).values(
                source=source, kind=kind, event_id=f"E{keep.count}", digest=b"%d" % keep.count, size=1, head=b"sealed",
                body=b"sealed" if kind == "callback" else None, answer_status=200, answer_body=b"", state=state,
                received_at=now - ago,
            )
        )  # fmt: skip

    keep.count = 0
    return keep


def refuse(session, now, ago, *, source="saomai", reason="expected a signature"):
    session.execute(
        insert(Refusal).values(
            source=source, outcome="unproven", reason=reason, remote="203.0.113.9", head=b"sealed", body=b"sealed",
            received_at=now - ago,
        )
    )  # fmt: skip


def test_each_bank_has_its_own_figures_in_the_order_asked(session: Session, now, heard) -> None:
    heard(timedelta(minutes=59))
    heard(timedelta(minutes=61))
    heard(timedelta(minutes=5), kind="statement")
    heard(timedelta(minutes=6), source="vidien")
    refuse(session, now, timedelta(minutes=1))
    refuse(session, now, timedelta(minutes=61))
    found = callback_health.of_banks(session, ["vidien", "saomai", "quiet"], now=now)
    assert list(found.values()) == [
        CallbackHealth("vidien", now - timedelta(minutes=6), 1, 0, 0),
        CallbackHealth("saomai", now - timedelta(minutes=59), 1, 1, 0),
        CallbackHealth("quiet", None, 0, 0, 0),
    ]


def test_what_waits_for_a_person_is_counted_from_the_local_midnight_on(session: Session, now, heard) -> None:
    midnight = callback_health.end_of(callback_health.local_day(now) - timedelta(days=1))
    for state in ("set_aside", "conflicting", "unreadable", "read", "received"):
        heard(now - midnight, state=state)
    heard(now - midnight, state="unreadable", kind="statement")
    heard(now - midnight + timedelta(seconds=1), state="set_aside")
    assert callback_health.of_banks(session, ["saomai"], now=now)["saomai"].for_people == 4


def test_the_last_calls_come_newest_first_and_their_bytes_stay_sealed(session: Session, now, heard) -> None:
    for minutes in (3, 1, 2):
        heard(timedelta(minutes=minutes))
        refuse(session, now, timedelta(minutes=minutes), reason=f"{minutes}")
    heard(source="vidien")
    refuse(session, now, timedelta(), source="vidien")
    calls = callback_health.last_callbacks(session, "saomai", most=2)
    assert [one.event_id for one in calls] == ["E2", "E3"]
    refused = callback_health.last_refusals(session, "saomai", most=2)
    assert [one.reason for one in refused] == ["1", "2"]
    for row in (*calls, *refused):
        with pytest.raises(Exception, match="raiseload"):
            row.body  # noqa: B018 - it is what must fail
