"""Runs the migrations over the connection that the command handed in, with limits on locks and statements."""

from alembic import context
from sqlalchemy import Connection, text

from reconciliation.tables import metadata


def run(connection: Connection) -> None:
    """Apply the migrations; a lock that isn't had within seconds fails the migration instead of stopping the house."""
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SET statement_timeout = '15min'"))
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
