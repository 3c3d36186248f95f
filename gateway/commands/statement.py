"""`doisoat statement read`: any supported statement file as JSON Lines, without a database or a server."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import BinaryIO, NoReturn

import click

from banks import statements
from banks.errors import Unreadable
from banks.money import Money
from banks.openpgp import OpenPgpKeys
from banks.records import (
    DebitOutcome,
    FileEvent,
    MandateAnswer,
    RecallOpened,
    RecallOutcome,
    ReportOpened,
    StatementClosed,
    StatementLine,
    StatementOpened,
)
from gateway import statement_trying
from gateway.commands import imports
from gateway.commands.imports import EXIT_UNREADABLE
from gateway.practice import settings_here

EXIT_NO_INPUT = 66
"""As in sysexits.h: EX_NOINPUT."""


@click.group()
def statement() -> None:
    """Statement files: read one, list what was imported, undo an import."""


for _command in (
    imports.list_imports, imports.progress, imports.take_in, imports.undo, imports.reread, imports.accept,
):  # fmt: skip
    statement.add_command(_command)


@statement.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--bank", metavar="NAME", help="Read it as this bank's: with its own table, keys and checksums.")
def read(file: Path, bank: str | None) -> None:
    """Print each statement of FILE and its lines as JSON Lines; of a status report on debits, its outcomes.

    The format is recognised from the content, also inside gzip, zip or OpenPGP (opened with the secrets pgp_key,
    pgp_passphrase and pgp_signer). Exit 0 if the file is readable; 65 if any part of it is not, with its place on
    stderr and nothing on stdout; 66 if it can't be opened.
    """
    try:
        keys, own = _of_bank(bank)
        with file.open("rb") as opened, _seekable(opened) as stream:
            summaries = statement_trying.try_file(statements.read(stream, keys, own)).statements
            stream.seek(0)
            out = sys.stdout.buffer
            for record in _records(statements.read(stream, keys, own), summaries):
                out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            out.flush()
    except Unreadable as error:
        _stop(file, str(error), EXIT_UNREADABLE)
    except BrokenPipeError:
        raise  # the reader of our output has seen enough; click ends the command without a word
    except OSError as error:
        _stop(file, error.strerror or type(error).__name__, EXIT_NO_INPUT)
    for opened_, closed in summaries:
        _note(file, opened_, closed)


def _of_bank(name: str | None) -> tuple[OpenPgpKeys, list[statements.Format]]:
    """Return the keys and formats to read with: those of a bank in the settings, or nobody's."""
    known = settings_here(os.environ)
    if name is not None and name not in known.banks:
        raise click.UsageError(f"no bank is called {name!r}; known: {', '.join(known.banks) or 'none'}")
    return statement_trying.reading_of(known, known.banks[name] if name is not None else None)


def _seekable(opened: BinaryIO) -> BinaryIO:
    """Return `opened`, or a copy of a pipe on disk: the file is read twice, as sums are printed before lines."""
    if opened.seekable():
        return opened
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's `with` closes it
    shutil.copyfileobj(opened, copy)
    copy.seek(0)
    return copy


def _records(
    events: Iterator[FileEvent], summaries: list[tuple[StatementOpened, StatementClosed]]
) -> Iterator[dict[str, str | int | bool | None]]:
    ahead = iter(summaries)
    for event in events:
        if isinstance(event, StatementOpened):
            yield _statement_record(*next(ahead))
        elif isinstance(event, StatementLine):
            yield _line_record(event)
        elif isinstance(event, ReportOpened):
            yield _report_record(event)
        elif isinstance(event, DebitOutcome):
            yield _outcome_record(event)
        elif isinstance(event, RecallOpened):
            yield _recall_record(event)
        elif isinstance(event, RecallOutcome):
            yield _recall_outcome_record(event)
        elif isinstance(event, MandateAnswer):
            yield {"type": "mandate_answer", **asdict(event)}


def _statement_record(opened: StatementOpened, closed: StatementClosed) -> dict[str, str | int | bool | None]:
    return {
        "type": "statement",
        "format": opened.format,
        "id": opened.id,
        "account": opened.account,
        "currency": opened.currency or None,
        "opening": _amount(opened.opening),
        "closing": _amount(opened.closing if closed.closing is None else closed.closing),
        "balanced": closed.balanced,
        "lines": closed.lines,
        "credit_total": closed.credit_total.decimal(),
        "debit_total": closed.debit_total.decimal(),
    }


def _line_record(line: StatementLine) -> dict[str, str | int | bool | None]:
    return {
        "type": "line",
        "entry": line.entry,
        "transaction": line.transaction,
        "booked_on": _day(line.booked_on),
        "value_on": _day(line.value_on),
        "amount": line.amount.decimal(),
        "currency": line.amount.currency,
        "reversal": line.reversal,
        "bank_reference": line.bank_reference or None,
        "end_to_end_id": line.end_to_end_id or None,
        "mandate_id": line.mandate_id or None,
        "return_reason": line.return_reason or None,
        "counterparty": line.counterparty or None,
        "narrative": line.narrative or None,
    }


def _report_record(report: ReportOpened) -> dict[str, str | int | bool | None]:
    return {
        "type": "report",
        "format": report.format,
        "id": report.message_id,
        "original_id": report.original_message_id,
        "original_format": report.original_format or None,
        "original_count": report.original_count,
        "original_sum": report.original_sum or None,
    }


def _outcome_record(outcome: DebitOutcome) -> dict[str, str | int | bool | None]:
    return {
        "type": "outcome",
        "level": outcome.level,
        "verdict": outcome.verdict.value,
        "status": outcome.status,
        "reason": outcome.reason or None,
        "payment_group": outcome.payment_group or None,
        "end_to_end_id": outcome.end_to_end_id or None,
        "mandate_id": outcome.mandate_id or None,
        "bank_reference": outcome.bank_reference or None,
        "amount": _amount(outcome.amount),
        "currency": outcome.amount.currency if outcome.amount is not None else None,
        "detail": outcome.detail or None,
    }


def _recall_record(answer: RecallOpened) -> dict[str, str | int | bool | None]:
    return {
        "type": "recall",
        "format": answer.format,
        "id": answer.message_id,
        "request_id": answer.request_id or None,
    }


def _recall_outcome_record(outcome: RecallOutcome) -> dict[str, str | int | bool | None]:
    return {
        "type": "recall_outcome",
        "level": outcome.level,
        "verdict": outcome.verdict.value,
        "status": outcome.status,
        "reason": outcome.reason or None,
        "original_id": outcome.original_message_id or None,
        "payment_group": outcome.payment_group or None,
        "end_to_end_id": outcome.end_to_end_id or None,
        "amount": _amount(outcome.amount),
        "currency": outcome.amount.currency if outcome.amount is not None else None,
        "detail": outcome.detail or None,
    }


def _amount(money: Money | None) -> str | None:
    return None if money is None else money.decimal()


def _day(on: date | None) -> str | None:
    return None if on is None else on.isoformat()


def _note(file: Path, opened: StatementOpened, closed: StatementClosed) -> None:
    """Say on stderr what the JSON has no place for."""
    if closed.left_out:
        _say(f"{file}: {opened.id}: entries left out as not booked (pending or for information): {closed.left_out}")
    if closed.difference:
        _say(f"{file}: {opened.id}: the closing balance differs from opening plus lines by {closed.difference}")
    for fault in closed.faults:
        _say(f"{file}: {opened.id}: {fault}")


def _stop(file: Path, reason: str, code: int) -> NoReturn:
    _say(f"{file}: {reason}")
    sys.exit(code)


def _say(text: str) -> None:
    click.echo(" ".join(text.split()), err=True)  # one line, whatever a file name or a bank's text holds
