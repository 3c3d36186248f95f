"""SMPP 3.4: one supervised bind to a carrier, built on smpplib's PDU classes and none of its client."""

from sms.smpp.account import Account
from sms.smpp.bind import STOPPING, Bind, Delivery, Outcome

__all__ = ["STOPPING", "Account", "Bind", "Delivery", "Outcome"]
