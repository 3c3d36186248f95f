"""Brings a database to the present version of the house."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

import migrations
from gateway.database import owner_engine
from reconciliation.db import AdvisoryLock


def config() -> Config:
    """Return Alembic's configuration without any file: the folder beside the package is all it needs."""
    found = Config()
    found.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return found


def upgrade(url: str) -> None:
    """Apply every migration that `url` lacks; raises whatever the database raises."""
    engine = owner_engine(url)
    settings = config()
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": AdvisoryLock.MIGRATIONS})
        connection.commit()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": AdvisoryLock.MIGRATIONS})
        connection.commit()
