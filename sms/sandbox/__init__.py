"""An SMS carrier to practise on, over real HTTP, with receipts and seeded faults."""

from sms.sandbox.carrier import Faults
from sms.sandbox.server import SmsSandbox, serve

__all__ = ["Faults", "SmsSandbox", "serve"]
