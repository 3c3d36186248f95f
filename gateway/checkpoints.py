"""The audit's checkpoints as noted in a file beside the database, so that a cut tail shows."""

from pathlib import Path

from gateway.setting_tables import SettingsError
from reconciliation.audit import AuditCheckpoint, Kept

NAME = "audit-checkpoints.log"


def note(home: Path, made: AuditCheckpoint) -> None:
    """Add one checkpoint to the file."""
    line = f"{made.at.isoformat()} {made.last_id} {made.hash.hex()} {made.signature.hex()}\n"
    with (home / NAME).open("a", encoding="ascii") as kept:
        kept.write(line)


def kept(home: Path) -> list[Kept]:
    """Return the checkpoints noted so far, none where there is no file; raise SettingsError for a broken line."""
    path = home / NAME
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
        try:
            _moment, last_id, digest, _signature = line.split(" ")
            found.append(Kept(int(last_id), bytes.fromhex(digest)))
        except ValueError:
            raise SettingsError(
                f"{path}: line {number}: expected a checkpoint of four words, got another line"
            ) from None
    return found
