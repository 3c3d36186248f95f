"""People and banks whom a command names: only those there are, so that no slip of the pen is kept as one."""

from collections.abc import Collection
from typing import Any

import click
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from gateway.wiring import Wiring
from reconciliation.staff import Staff


class Reason(click.ParamType[str]):
    """Words that say why; none are no reason."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the words without what surrounds them."""
        why = str(value).strip()
        if not why:
            self.fail("expected a reason, got none", param, ctx)
        return why


BY = click.option("--by", required=True, metavar="USER", help="Who says so: the name a person signs in with.")
WHY = click.option(
    "--why", required=True, type=Reason(), metavar="TEXT", help="The reason; it is kept in the audit trail."
)


def known(session: Session, username: str) -> None:
    """Refuse a name that nobody signs in with."""
    if session.scalar(select(Staff.id).where(Staff.username == username, Staff.active)) is None:
        raise click.ClickException(f"expected the name of a person who may sign in, got {username[:40]!r}")


def one_of(session: Session, username: str, roles: Collection[str], what: str) -> None:
    """Refuse a name that is none of a person in one of `roles`; `what` says what such a person may do."""
    if session.scalar(select(Staff.role).where(Staff.username == username, Staff.active)) not in roles:
        allowed = " or ".join(sorted(roles))
        raise click.ClickException(f"expected the name of a person who may {what} ({allowed}), got {username[:40]!r}")


def known_bank(wiring: Wiring, name: str) -> None:
    """Refuse a bank that is neither declared nor in the books."""
    if name in wiring.settings.banks:
        return
    with Session(wiring.engine) as session:
        heard = set(session.scalars(text("SELECT DISTINCT bank FROM statements")))
        in_books = session.scalar(text("SELECT EXISTS (SELECT 1 FROM payments WHERE source = :name)"), {"name": name})
    if name not in heard and not in_books:
        names = ", ".join(sorted(heard | wiring.settings.banks.keys())) or "none yet"
        raise click.ClickException(f"expected a bank that is declared or in the books ({names}), got {name[:40]!r}")
