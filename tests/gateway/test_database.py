"""Connections: in the application's role, silent about values, and one place that commits or does it again."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from gateway.database import app_engine, insist, owner_engine, transaction

INSERT = (
    "INSERT INTO refusals (source, outcome, reason, remote, received_at) VALUES (:source, 'unproven', '', '', now())"
)


@pytest.mark.parametrize("pooled", [0, 2])
def test_an_engine_acts_as_the_application_in_utc(database_url, pooled):
    engine = app_engine(database_url, pooled=pooled)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "doisoat_app"
        assert connection.scalar(text("SHOW timezone")) == "UTC"
        assert connection.scalar(text("SELECT current_setting('application_name')")) == "doisoat"
        with pytest.raises(ProgrammingError, match="must be owner"):
            connection.execute(text("DROP TABLE bills"))
    assert isinstance(engine.pool, NullPool) is (pooled == 0), "what forks shares no connection"
    engine.dispose()


def test_the_role_comes_back_with_a_connection_that_gave_it_up(database_url):
    engine = app_engine(database_url, pooled=1)
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_user")) == "doisoat_app"
            connection.rollback()
    engine.dispose()


def test_migrations_act_as_the_url_s_own_user(database_url):
    engine = owner_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "doisoat"
    engine.dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_address_may_name_its_scheme_in_each_usual_way(database_url, scheme):
    engine = app_engine(database_url.replace("postgresql", scheme, 1))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_pool_replaces_a_connection_that_died(database_url, as_superuser):
    engine = app_engine(database_url, pooled=1)
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with owner_engine(as_superuser).connect() as superuser:
        superuser.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid
    engine.dispose()


def test_an_error_does_not_carry_the_values_of_its_statement(engine):
    with pytest.raises(DBAPIError) as failed, transaction(engine) as session:
        session.execute(text("SELECT :phone / 0"), {"phone": 84_912_345_678})
    assert "division by zero" in str(failed.value)
    assert "84912345678" not in str(failed.value)


LISTS = (
    st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    | st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))
    | st.lists(st.none() | st.binary())
)


def test_a_list_arrives_as_it_was(engine):
    with engine.connect() as connection:

        @given(LISTS)
        @example(['"', "\\", "{}", ",", "NULL", "", " ", '\\"'])
        def arrives(sent):
            kinds = {int: "bigint", bytes: "bytea"}
            kind = kinds.get(next((type(one) for one in sent if one is not None), str), "text")
            assert connection.scalar(text(f"SELECT CAST(:sent AS {kind}[])"), {"sent": sent}) == sent

        arrives()


@pytest.mark.parametrize("odd", [[1, "2"], ["a\0b"], [2**70]])
def test_a_list_that_is_none_of_one_kind_is_refused_by_the_driver(engine, odd):
    with pytest.raises(DBAPIError), engine.connect() as connection:
        connection.scalar(text("SELECT CAST(:sent AS bigint[])"), {"sent": odd})


def test_a_block_that_ends_well_is_committed_and_another_is_not(engine, rows):
    with transaction(engine) as session:
        session.execute(text(INSERT), {"source": "kept"})
    with suppress(ValueError), transaction(engine) as session:
        session.execute(text(INSERT), {"source": "lost"})
        raise ValueError
    assert rows("SELECT source FROM refusals") == ["kept"]


@pytest.mark.parametrize("cause", [DeadlockDetected, SerializationFailure])
def test_work_that_had_to_give_way_is_done_again_a_few_times(cause):
    tries = []

    def work(fails):
        tries.append(1)
        if len(tries) <= fails:
            raise OperationalError("", {}, cause())
        return "done"

    assert insist(lambda: work(4)) == "done"
    assert len(tries) == 5
    tries.clear()
    with pytest.raises(OperationalError):
        insist(lambda: work(5))
    assert len(tries) == 5


@pytest.mark.parametrize(
    "error", [OperationalError("", {}, Exception("gone")), IntegrityError("", {}, UniqueViolation()), ValueError("no")]
)
def test_any_other_failure_is_not_repeated(error):
    tries = []

    def work():
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        insist(work)
    assert len(tries) == 1


def test_a_real_deadlock_ends_with_both_done(engine, rows):
    with transaction(engine) as session:
        for source in ("a", "b"):
            session.execute(
                text("INSERT INTO customers (code, created_at, updated_at) VALUES (:code, now(), now())"),
                {"code": source},
            )
    meet = Barrier(2)

    def cross(first, second):
        met = []

        def work():
            with transaction(engine) as session:
                change = text("UPDATE customers SET office = office || '+' WHERE code = :code")
                session.execute(change, {"code": first})
                if not met:
                    met.append(1)
                    meet.wait(10)
                session.execute(change, {"code": second})

        insist(work)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(cross, "a", "b"), pool.submit(cross, "b", "a")]:
            done.result(30)
    assert rows("SELECT office FROM customers") == ["++", "++"]
