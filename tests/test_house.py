"""The house as a whole: the tables in code are the tables in the database."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from reconciliation.tables import metadata


def test_the_migrations_make_exactly_the_tables_in_code(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("RESET ROLE"))
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_application_can_neither_edit_nor_delete_what_is_kept(engine: Engine) -> None:
    with engine.connect() as connection:
        for table in ("entries", "postings", "transitions", "audit", "delivery_chunks", "refusals"):
            rights = connection.execute(
                text(
                    "SELECT has_table_privilege(:t, 'UPDATE') OR has_table_privilege(:t, 'DELETE')"
                    " OR has_table_privilege(:t, 'TRUNCATE')"
                ),
                {"t": table},
            ).scalar()
            assert rights is False, table
        assert (
            connection.execute(text("SELECT has_column_privilege('bills', 'paid_minor', 'UPDATE')")).scalar() is False
        )
        assert (
            connection.execute(text("SELECT has_column_privilege('payments', 'matched_minor', 'UPDATE')")).scalar()
            is False
        )
