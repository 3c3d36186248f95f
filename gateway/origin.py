"""Where a bank's calls must come from: its addresses, and its certificate as our proxy tells it.

Both are asked beside the proof and never instead of it.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from banks.errors import Unproven
from banks.records import RawRequest

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Origin:
    """What is asked of a call; nothing where nothing is declared.

    `mtls_header` is set by a proxy of ours that has checked the caller's certificate, and must be `mtls_identity`.
    It is believed only on a connection from `mtls_proxy`: that proxy's own address, or this machine's.
    """

    allow_from: tuple[Network, ...] = ()
    mtls_header: str = ""
    mtls_identity: str = ""
    mtls_proxy: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

    @property
    def asks(self) -> bool:
        """Whether anything is asked at all."""
        return bool(self.allow_from or self.mtls_header)

    def check(self, raw: RawRequest, environ: Mapping[str, Any], proxies: int) -> None:
        """Raise Unproven when `raw` may not come from where it came from; `proxies` stand before us."""
        if self.allow_from and not within(raw.remote, self.allow_from):
            raise Unproven("expected an address in allow_from, got another")
        if not self.mtls_header:
            return
        given = raw.headers.get(self.mtls_header, "")
        if not _came_by_proxy(environ, proxies, self.mtls_proxy):
            raise Unproven(f"expected {self.mtls_header} by way of mtls_proxy, got a connection past it")
        if not hmac.compare_digest(given.encode("utf-8", "backslashreplace"), self.mtls_identity.encode()):
            raise Unproven(f"expected {self.mtls_header} to be mtls_identity, got {'another' if given else 'none'}")


def network_of(written: str) -> Network:
    """Return the network that `written` means, an IPv4 one for ::ffff:203.0.113.0/120 too; raise ValueError."""
    network = ip_network(written)
    inner = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((inner, network.prefixlen - 96)) if inner else network


def _came_by_proxy(environ: Mapping[str, Any], proxies: int, named: Sequence[Network]) -> bool:
    """Tell whether the connection is a named proxy's and passed as many proxies as there are."""
    before = environ.get("werkzeug.proxy_fix.orig", {})
    passed = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return 0 < proxies <= len(passed) and bool(passed[0].strip()) and within(before.get("REMOTE_ADDR", ""), named)


def within(address: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address is in one of the networks; what is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
