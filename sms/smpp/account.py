"""An account at a carrier: where it is, who we are there, and how long we wait for what."""

import ssl
from dataclasses import dataclass, field

MOST_IN_FLIGHT = 10
"""More submits than these are never unanswered at once: so many at most are unsure when a link breaks."""
_LONGEST = {"system_id": 15, "password": 8, "system_type": 12, "source": 20}
"""Octets that SMPP 3.4 leaves room for; what is longer would be cut off in silence."""


@dataclass(frozen=True, slots=True)
class Account:
    """One bind's settings; times are seconds, `per_second` 0 means no limit but the carrier's own."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    source: str = ""
    """The sender that phones show: a registered brand name."""
    system_type: str = ""
    tls: ssl.SSLContext | None = None
    window: int = MOST_IN_FLIGHT
    per_second: int = 0
    connect_seconds: float = 10.0
    answer_seconds: float = 30.0
    """How long the answer to a submit is waited for; then it is unsure."""
    idle_seconds: float = 30.0
    """How long nothing is heard before the carrier is asked whether it is there."""
    patience_seconds: float = 60.0
    """How long a message that the carrier won't take yet is kept in hand."""
    retry_seconds: float = 1.0
    """The first pause before connecting again; it doubles up to a minute."""
    refused_seconds: float = 300.0
    """The pause after a refused password: more tries would only lock the account."""
    first_sequence: int = 1

    def __post_init__(self) -> None:
        """Refuse what the carrier could not be told as it stands."""
        for name, longest in _LONGEST.items():
            value = getattr(self, name)
            if len(value) > longest or not value.isascii() or not value.isprintable():
                got = f"{len(value)} signs" if name == "password" else repr(value)
                raise ValueError(f"{name}: expected at most {longest} printable ASCII signs, got {got}")
        if not 1 <= self.window <= MOST_IN_FLIGHT:
            raise ValueError(f"window: expected 1 to {MOST_IN_FLIGHT} unanswered submits, got {self.window}")
