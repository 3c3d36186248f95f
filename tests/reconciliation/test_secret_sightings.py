from datetime import timedelta

from sqlalchemy.orm import Session

from reconciliation import secret_sightings


def test_a_key_is_noted_once_and_keeps_the_time_it_was_first_seen(session: Session, now) -> None:
    later = now + timedelta(days=3)
    assert secret_sightings.note(session, {"a_key": ["11111111", "11111111"], "b_key": ["11111111"]}, now=now) == 2
    assert secret_sightings.note(session, {"a_key": ["22222222", "11111111"]}, now=later) == 1
    assert secret_sightings.note(session, {}, now=later) == 0
    found = secret_sightings.of_secrets(session, ["a_key", "unknown"])
    assert {name: [(one.fingerprint, one.first_seen_at) for one in rows] for name, rows in found.items()} == {
        "a_key": [("22222222", later), ("11111111", now)]
    }
