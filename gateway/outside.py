"""Addresses that somebody else chose: which of them may be called, and the one machine that a call then goes to.

A name is resolved once and the call goes to what it resolved to: a name that points elsewhere a moment later, to a
machine within the house, leads nowhere.
"""

import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from gateway.settings import Settings

LONGEST = 2_000
_COMPATIBLE, _NAT64, _OWN_NAT64 = map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48"))
_ISATAP = 0x5EFE


class NotOutside(ValueError):
    """An address that may not be called; says what was expected."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes: the address with the machine's number in it, the Host to name, and the name to prove."""

    url: str
    host: str
    name: str


def may_go_inside(settings: "Settings") -> bool:
    """Tell whether an endpoint may stand within the house."""
    return settings.sandbox or settings.webhooks_private


def check(url: str, *, inside: bool) -> str:
    """Return an address as it may be called as far as its words go; `inside` also lets plain http and our own house."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise NotOutside("expected an address such as https://example.vn/hooks") from None
    schemes = ("https", "http") if inside else ("https",)
    if parts.scheme not in schemes or not parts.hostname or not url.isascii() or not url.strip().isprintable():
        raise NotOutside(f"expected an address that begins with {' or '.join(f'{one}://' for one in schemes)}")
    if len(url) > LONGEST or parts.username is not None or parts.fragment or port == 0 or " " in url.strip():
        raise NotOutside(f"expected at most {LONGEST} characters, without a user, a fragment or spaces")
    try:
        number = ip_address(parts.hostname)
    except ValueError:
        return url.strip()
    _check_number(str(number), inside)
    return url.strip()


def place(url: str, *, inside: bool, seconds: float) -> Place:
    """Resolve an address; raises NotOutside for one that leads into the house.

    OSError for a name nobody knows, or that is not found within `seconds`.
    """
    parts = urlsplit(check(url, inside=inside))
    name, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = _find(name, port, seconds)
    for number in found:
        _check_number(number, inside)
    shown = f"[{found[0]}]" if ":" in found[0] else found[0]
    return Place(parts._replace(netloc=f"{shown}:{port}").geturl(), parts.netloc, name)


def _find(name: str, port: int, seconds: float) -> list[str]:
    found: list[str] = []
    failed: list[Exception] = []

    def find() -> None:
        try:
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # Nothing else ends a question that a name server leaves open: whoever asked goes on without it.
    asking = threading.Thread(target=find, daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        raise TimeoutError("the name was not found in time")
    if failed:
        raise failed[0]
    return found


def _check_number(written: str, inside: bool) -> None:
    number = ip_address(written.partition("%")[0])
    if not inside and not all(map(_is_outside, (number, *_carried(number)))):
        raise NotOutside("expected an address on the internet, got one within the house")


def _is_outside(number: IPv4Address | IPv6Address) -> bool:
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped is not None:
            return True  # what it carries decides: Python tells this form to be private, whatever it carries
        if number.is_site_local or number in _COMPATIBLE or number in _OWN_NAT64:
            return False
    return number.is_global and not number.is_multicast


def _carried(number: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to by a road in between: mapped, 6to4, Teredo, NAT64."""
    if isinstance(number, IPv4Address):
        return []
    last = IPv4Address(int(number) & 0xFFFF_FFFF)
    carried = [one for one in (number.ipv4_mapped, number.sixtofour, *(number.teredo or ())) if one is not None]
    # ISATAP names its machine behind 0:5efe or 200:5efe, under whatever prefix.
    if number in _NAT64 or (int(number) >> 32) & 0xFDFF_FFFF == _ISATAP:
        carried.append(last)
    return carried
