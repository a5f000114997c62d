"""Whom a webhook may call: the form of an address, and the networks that it may lead to."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, for a port. Raises OSError or UnicodeError for one that has none."""

URL_CHARACTERS_MAX = 2_048
_PRINTABLE = re.compile(r"[!-\[\]-~]+")
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PORTS = {"https": 443, "http": 80}
_PUBLIC_6 = IPv6Network("2000::/3")
_REFUSED: tuple[Network, ...] = tuple(
    ip_network(each)
    for each in (
        # This network, private, shared, loopback, link-local (with the metadata of most clouds).
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        # Protocol assignments, documentation, 6to4 relays, private, benchmarks, a cloud's metadata outside all these.
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "168.63.129.16/32"),
        # Documentation, multicast, reserved and broadcast.
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Of IPv6's global unicast: protocol assignments (Teredo among them), documentation, 6to4.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)


class NotReachable(ValueError):
    """A webhook may not call this address. The message says why, and holds nothing of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom webhooks may call.

    By default hosts in public networks, over https on port 443. `networks` are allowed besides, whatever they are;
    `plain_http` allows http, and port 80 must then be among `ports`.
    """

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({443})
    plain_http: bool = False

    def check_url(self, url: str) -> httpx.URL:
        """Return the parts of a URL. Raises NotReachable for one that no webhook may have."""
        if len(url) > URL_CHARACTERS_MAX or not _PRINTABLE.fullmatch(url):
            raise NotReachable(
                f"the address must be a URL of at most {URL_CHARACTERS_MAX} ASCII characters, none blank or a backslash"
            )
        try:
            parts = httpx.URL(url)
            # It is decoded only now, and may be no name in IDNA.
            host = parts.host
        except (httpx.InvalidURL, UnicodeError):
            raise NotReachable("the address is no URL") from None
        if parts.scheme != "https" and not (self.plain_http and parts.scheme == "http"):
            raise NotReachable("the address must begin with https://")
        if parts.userinfo or parts.fragment:
            raise NotReachable("the address must hold no user, no password and no fragment")
        if not _HOST.fullmatch(host):
            raise NotReachable("the address must name a host, in ASCII")
        if port_of(parts) not in self.ports:
            raise NotReachable(f"the address must use a port that is allowed: {_listed(self.ports)}")
        return parts

    def check_addresses(self, addresses: Sequence[str]) -> None:
        """Raise NotReachable unless every address that a host has may be called."""
        if not addresses:
            raise NotReachable("the host has no address")
        if not all(self._allows(ip_address(each)) for each in addresses):
            raise NotReachable("the host leads to an address that may not be called")

    def _allows(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self.networks):
            return True
        # An IPv6 address that stands for one of IPv4 (mapped, NAT64, 6to4) is not public here: it may lead anywhere.
        if isinstance(address, IPv6Address) and (address not in _PUBLIC_6 or address.scope_id):
            return False
        return not any(address in network for network in _REFUSED)


def port_of(url: httpx.URL) -> int:
    return _PORTS[url.scheme] if url.port is None else url.port


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host by the system's own resolver, best first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _listed(ports: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(ports)))
