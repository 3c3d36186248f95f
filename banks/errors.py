"""The error tree of the bank floor: each error names what was expected, what arrived, and where."""


class BankError(Exception):
    """Anything a bank sent, or failed to send, that the gateway can't accept as it stands."""


class Unreadable(BankError):
    """Bytes that can't be understood; `place` tells a person where to look ("line 12", "Stmt 1, Ntry 3, Amt")."""

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason = reason
        self.place = place
        super().__init__(f"{place}: {reason}" if place else reason)


class Unproven(BankError):
    """A callback whose signature, key or age does not prove its sender; `signed` is the exact text the proof covers."""

    def __init__(self, reason: str, signed: bytes = b"") -> None:
        self.reason = reason
        self.signed = signed
        super().__init__(reason)


class Misconfigured(BankError):
    """A bank's declaration lacks something or contradicts itself: our side must mend it, not the bank."""


class TransferError(BankError):
    """A file exchange that did not complete; `permanent` tells whether trying again can help."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        self.reason = reason
        self.permanent = permanent
        super().__init__(reason)
