"""Our own codes as a wallet hands them back: in the order's reference, and in the object we attach to an order."""

import re

from banks import strict_json
from banks.errors import Unreadable

_ATTEMPT = re.compile(r"-[0-9]{1,3}$")


def without_attempt(reference: str) -> str:
    """Return the payment code in an order's `reference`: wallets want a new one per attempt, so we append "-2", "-3".

    >>> without_attempt("PC0701091234511126-2")
    'PC0701091234511126'
    """
    return _ATTEMPT.sub("", reference)


def attached(raw: bytes) -> tuple[str, str]:
    """Return the payment code and customer code of the JSON object we attached to an order, "" for what it lacks.

    Anything else is passed over: other systems of the utility may attach what they like, and the money has moved.
    """
    try:
        fields = strict_json.read_object(raw, max_bytes=4096, exact_numbers=True)
        return (
            strict_json.text(fields, "payment_code", longest=64),
            strict_json.text(fields, "customer_code", longest=64),
        )
    except Unreadable:
        return "", ""
