"""Client certificates that a proxy has checked, by the `Client-Cert` header of RFC 9440.

The proxy ends TLS, demands and checks the certificate, strips the header that a client sent and sets its own. The
header counts if the connection comes from an address that is configured as such a proxy's. From anywhere else it
is ignored: it says nothing, and a token that is bound to a certificate is then refused for the lack of one. From
a proxy, a header that is no certificate, or more than one, is refused: the proxy passes on what clients send.

The address is that of the connection. It must not have been replaced by what `X-Forwarded-For` says.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

HEADER = "client-cert"
HEADER_CHARACTERS_MAX = 16_384
UNIX_SOCKET = "unix"
"""Stands among the trusted for a proxy that connects over a Unix socket, and so has no address."""


class BadClientCertificate(Exception):
    """A trusted proxy sent something else than one certificate."""

    def __init__(self) -> None:
        super().__init__("the client certificate is not as RFC 9440 has it: one byte sequence, set by the proxy alone")


class BadProxyAddress(ValueError):
    """What should be a proxy's address or network is none."""


class ClientCertificates:
    """Which certificate a client showed. `trusted` are addresses and networks of proxies, or `unix`."""

    def __init__(self, trusted: Iterable[str]) -> None:
        told = frozenset(trusted)
        self._unix = UNIX_SOCKET in told
        self._networks = tuple(_network(each) for each in sorted(told - {UNIX_SOCKET}))

    def thumbprint(self, peer: str | None, headers: Sequence[str]) -> str | None:
        """Return the thumbprint of the certificate (base64url of SHA-256, RFC 8705), None if none was shown.

        `peer` is the address of the connection, None on a Unix socket; `headers` are all values of `Client-Cert`.
        Raises BadClientCertificate.
        """
        if not headers or not self._trusts(peer):
            return None
        if len(headers) > 1 or len(headers[0]) > HEADER_CHARACTERS_MAX:
            raise BadClientCertificate
        said = headers[0].strip(" \t")
        # A proxy's way to say that no certificate was shown.
        return thumbprint(_certificate(said)) if said else None

    def _trusts(self, peer: str | None) -> bool:
        if not peer:
            return self._unix
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def thumbprint(certificate: bytes) -> str:
    """Return what RFC 8705 calls x5t#S256 of a certificate in DER."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def _certificate(said: str) -> bytes:
    if len(said) < len(":x:") or said[0] != ":" or said[-1] != ":":
        raise BadClientCertificate
    try:
        return base64.b64decode(said[1:-1].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise BadClientCertificate from None


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise BadProxyAddress(f"{text!r} is no proxy's address or network: write 10.0.0.7 or 10.0.0.0/28") from None
