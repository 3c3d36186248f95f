"""Links: failures in a row make one rest, a refusal stops it until a person's word, success settles the question."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from reconciliation import links, mismatches
from reconciliation.links import LONGEST_REST, BankLink

FIRST = timedelta(minutes=10)


@pytest.fixture
def fail(session, now):
    def do(times=1, bank="b", at=now):
        for _ in range(times):
            failures = links.fail(session, bank, error="no answer", allowed=3, first_rest=FIRST, now=at)
        return failures

    return do


@pytest.fixture
def link(session):
    return lambda bank="b": session.get(BankLink, bank, populate_existing=True)


def questions(session):
    return session.execute(text("SELECT code, subject, source, state, resolution FROM mismatches ORDER BY id")).all()


def test_a_link_rests_from_the_allowed_failures_on_and_longer_each_time(session, fail, link, now):
    assert fail(2) == 2
    assert link().closed_because(now) == ""
    assert fail() == 3
    assert "after 3 failures: no answer" in link().closed_because(now)
    rests = [link().rests_until - now]
    for _ in range(4):
        fail()
        rests.append(link().rests_until - now)
    assert timedelta(minutes=5) <= rests[0] <= FIRST < rests[2] <= LONGEST_REST
    assert rests[0] < rests[1] < rests[2]
    assert link().closed_because(link().rests_until) == ""


def test_success_ends_the_row_of_failures(session, fail, link, now):
    fail(5)
    links.succeed(session, "b", trouble="a.xml: shrank", now=now)
    found = link()
    assert (found.failures, found.rests_until, found.last_error) == (0, None, "a.xml: shrank")
    assert found.last_success_at == found.last_try_at == now
    links.succeed(session, "b", now=now)
    assert link().last_error == ""


def test_a_failure_keeps_the_last_success(session, fail, link, now):
    links.succeed(session, "b", now=now)
    fail(at=now + timedelta(hours=1))
    found = link()
    assert (found.last_success_at, found.last_try_at, found.failures) == (now, now + timedelta(hours=1), 1)


def test_one_bank_s_failures_are_not_another_s(session, fail, now):
    fail(5)
    links.succeed(session, "other", now=now)
    assert {bank: link.failures for bank, link in links.known(session).items()} == {"b": 5, "other": 0}


def test_a_stopped_link_asks_once_and_stays_stopped_whatever_comes(session, fail, link, now):
    for _ in range(2):
        links.stop(session, "b", error="the host key is another", now=now)
    assert questions(session) == [("M13", "link:b", "b", "open", "")]
    facts = session.scalar(text("SELECT facts FROM mismatches"))
    assert facts == {"reasons": ["the host key is another"]}
    links.succeed(session, "b", now=now)  # a try that was under way when another was refused
    fail()
    assert "until a person says otherwise" in link().closed_because(now + timedelta(days=400))
    assert questions(session)[0][3] == "open"


def test_a_person_s_word_lets_it_be_tried_and_success_settles_the_question(session, fail, link, now):
    links.stop(session, "b", error="sign-in refused", now=now)
    assert links.allow(session, "b", by="lan", now=now)
    assert link().closed_because(now) == ""
    actor, action, subject, facts = session.execute(text("SELECT actor, action, subject, facts FROM audit")).one()
    assert (actor, action, subject) == ("lan", "link.allowed", "link:b")
    assert facts == {"error": "sign-in refused", "failures": 0, "stopped": True}
    assert questions(session)[0][3] == "open", "until it works, the question stays"
    links.succeed(session, "b", now=now)
    assert questions(session)[0][3:] == ("resolved", "the link works again")


def test_a_word_is_only_kept_when_it_changes_something(session, fail, now):
    assert not links.allow(session, "b", by="lan", now=now)
    fail()
    assert not links.allow(session, "b", by="lan", now=now)
    fail(2)
    assert links.allow(session, "b", by="lan", now=now)
    assert not links.allow(session, "b", by="lan", now=now)
    assert session.scalar(text("SELECT count(*) FROM audit")) == 1


def test_success_touches_no_other_question(session, now):
    for subject in ("link:other", "file:b:2026-11-17"):
        mismatches.ask_one(session, code="M13", subject=subject, source="b", now=now)
    links.succeed(session, "b", now=now)
    assert [row[3] for row in questions(session)] == ["open", "open"]


def test_the_application_may_not_remove_a_link(session):
    assert session.scalar(text("SELECT has_table_privilege('bank_links', 'DELETE')")) is False
    assert session.scalar(text("SELECT has_table_privilege('bank_links', 'UPDATE')")) is True


@given(st.text(max_size=32), st.integers(0, 30_000), st.integers(1, 3600))
def test_a_rest_is_bounded_repeatable_and_never_nothing(bank, times, first):
    rest = links.rest(bank, times, timedelta(seconds=first))
    assert timedelta() < rest <= LONGEST_REST
    assert rest == links.rest(bank, times, timedelta(seconds=first))


def test_links_that_broke_together_come_back_apart():
    assert len({links.rest(f"bank{number}", 3, FIRST) for number in range(50)}) > 45
