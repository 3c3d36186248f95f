"""The file formats that a declared bank alone sends: answers on mandates, its own table, keyed NAPAS lines."""

import os
from collections.abc import Mapping

from banks.collections import mandate_answers
from banks.statements import Format, napas, tables
from banks.statements.layouts import LAYOUTS
from gateway.bank_settings import BankSettings
from gateway.secrets import secret
from gateway.settings import Settings

MANDATE_ANSWERS = Format(
    "mandate_answers", mandate_answers.EXPECTED, mandate_answers.recognise, mandate_answers.read
)  # fmt: skip


def own_formats(settings: Settings, bank: BankSettings | None, environ: Mapping[str, str] = os.environ) -> list[Format]:
    """Return the formats that `bank` alone declares; they are asked before those that everybody's files have."""
    if bank is None:
        return []
    found = [MANDATE_ANSWERS]
    if bank.table:
        found += tables((bank.table, *LAYOUTS))
    if bank.napas_checksum:
        proven_by = napas.checksum(bank.napas_checksum, secret(settings, f"{bank.name}_napas_key", environ)[0])
        found.append(Format("napas", napas.EXPECTED, napas.recognise, lambda stream: napas.read(stream, proven_by)))
    return found
