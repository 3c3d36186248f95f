"""What our ISO 20022 files have in common: how they name a bank, and how they write a moment."""

from datetime import datetime
from zoneinfo import ZoneInfo

from banks.collections.debits import is_bic

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


def institution(bank: str, bic_tag: str) -> str:
    """Return `FinInstnId` of a bank by its BIC or its clearing member id; versions differ in the tag of a BIC."""
    named = f"<{bic_tag}>{bank}</{bic_tag}>" if is_bic(bank) else f"<ClrSysMmbId><MmbId>{bank}</MmbId></ClrSysMmbId>"
    return f"<FinInstnId>{named}</FinInstnId>"


def moment(now: datetime) -> str:
    """Return `now` to the second, by Vietnam's clock and with its offset."""
    return now.astimezone(_LOCAL).isoformat(timespec="seconds")
