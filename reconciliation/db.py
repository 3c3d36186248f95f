"""The base of every table: naming, column types, and the few shapes they share."""

from datetime import datetime
from enum import IntEnum, unique
from typing import Annotated

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, MetaData, SmallInteger, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

APP_ROLE = "doisoat_app"
"""The database role the running gateway takes on: it can't alter tables, edit the ledger or touch a counter."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    """Every table of the house."""

    metadata = metadata
    type_annotation_map = {str: Text, int: BigInteger, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads this attribute by name


@unique
class AdvisoryLock(IntEnum):
    """Every advisory lock of the house in one place: two uses of one key would wait for each other for ever."""

    MIGRATIONS = 0x646F69736F617401
    AUDIT = 0x646F69736F617402
    SCHEDULE = 0x646F69736F617403
    ISSUING = 0x646F69736F617404
    IMPORTS = 0x646F69736F617405
    MARKS = 0x646F69736F617406
    DEBITS = 0x646F69736F617407
    MANDATES = 0x646F69736F617408
    CARRIERS = 0x646F69736F617409
    DAILY_MESSAGES = 0x646F69736F61740A
    WEBHOOKS = 0x646F69736F61740B


Id = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""A whole number of the currency's smallest unit."""
Moves = Annotated[int, mapped_column(SmallInteger, server_default="0")]
"""How many lifecycle moves a row has made: the next transition's sort key."""
Label = Annotated[str, mapped_column(Text, server_default="")]
"""Text that is empty rather than absent."""


def one_of(column: str, values: list[str]) -> CheckConstraint:
    """Return a check that `column` holds one of `values`."""
    listed = ", ".join(f"'{value}'" for value in sorted(values))
    return CheckConstraint(f"{column} IN ({listed})", name=column)
