"""Pace: how soon the next submit may leave; "slower" doubles the gap, and each message taken shortens it."""

_FIRST_GAP = 0.01
_LONGEST_GAP = 0.25
"""Four tries a second: a refusal costs the carrier next to nothing."""
_RECOVERY = 0.85
"""From there back to a hundred a second takes twenty messages and two seconds."""
_NO_GAP = 0.001


class Pace:
    """The gap between two submits in seconds of a monotonic clock; never below 1 / `per_second`."""

    def __init__(self, per_second: int) -> None:
        self._least = 1 / per_second if per_second else 0.0
        self._gap = self._least
        self._next = 0.0
        self._slowed_at = float("-inf")

    @property
    def gap(self) -> float:
        """The present gap."""
        return self._gap

    @property
    def next(self) -> float:
        """From when on the next submit may leave."""
        return self._next

    def left(self, now: float) -> None:
        """Note that a submit left."""
        # From when it might have, not from when it did: a loop that came by late does not lower the pace.
        self._next = max(self._next, now - self._gap) + self._gap

    def taken(self) -> None:
        """Note that the carrier took a message."""
        if self._gap > self._least:
            shorter = self._gap * _RECOVERY
            self._gap = max(self._least, shorter if shorter > _NO_GAP else 0.0)

    def slower(self, submitted: float, now: float) -> None:
        """Note that what left at `submitted` was one too many; of what left before we slowed that is no news."""
        if submitted >= self._slowed_at:
            self._gap = min(_LONGEST_GAP, max(_FIRST_GAP, 2 * self._gap))
            self._slowed_at = now
        self._next = max(self._next, now + self._gap)
