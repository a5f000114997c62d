"""What a worker process is told, as JSON knows it: all that it needs. It holds secrets, and goes through a pipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import msgspec

from sealbook.adapters.webhooks.addresses import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Whose bearer tokens are taken. `development` is the ledger folder whose own key signs them, and then all else is
    that key's; `jwks` is a file or an https address.
    """

    development: str | None = None
    issuer: str = ""
    audience: str = ""
    jwks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one worker takes at most."""

    in_flight_max: int = 96
    body_bytes_max: int = 262_144
    deadline_seconds: float = 10.0
    caller_per_second: float = 5_000.0
    credential_per_second: float = 5.0
    credential_burst: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReach:
    """Whom webhooks may call beside hosts in public networks."""

    networks: Sequence[str] = ()
    ports: Sequence[int] = (443,)
    plain_http: bool = False


def reach(told: WebhookReach) -> Reach:
    """Return what the sender and the routes check an address by."""
    networks = tuple(ip_network(each) for each in told.networks)
    return Reach(networks=networks, ports=frozenset(told.ports), plain_http=told.plain_http)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """A worker of a service. Without a `writer`, the path of its socket, the worker writes by itself."""

    name: str
    host: str
    port: int
    reach: dict[str, Any] = field(repr=False)
    kinds: str | None
    seal: str
    writer: str | None
    tokens: Tokens
    trusted_proxies: tuple[str, ...]
    webhooks: WebhookReach
    metrics: str
    log_level: str
    version: str
    bounds: Bounds = Bounds()

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> "WorkerTask":
        return msgspec.convert(told, cls)
