"""What the routes work with: everything that the composition root gave this process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from sealbook.adapters.http.access import Action, Caller, permit
from sealbook.adapters.http.bearer import Bearers
from sealbook.adapters.http.client_certificates import ClientCertificates
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.rate_limits import RateLimits
from sealbook.adapters.http.reading import Readers
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.proofs.challenges import Challenges
from sealbook.adapters.proofs.seed_writer import SecretWriter
from sealbook.adapters.proofs.seeds import SeedReader
from sealbook.adapters.writer.port import Writer
from sealbook.domain.kind_document import KindBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process takes at most. Buckets are of this process alone."""

    caller: RateLimits
    credential: RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process's service. No request waits longer than `deadline_seconds`."""

    writer: Writer
    readers: Readers
    seeds: SeedReader
    secrets: SecretWriter
    challenges: Challenges
    bearers: Bearers
    certificates: ClientCertificates
    limits: Limits
    keys: Keyring
    kinds: KindBook
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    randomness: Callable[[int], bytes]
    deadline_seconds: float

    async def caller(self, request: Request, action: Action) -> Caller:
        """Return who calls. Raises Unauthenticated, Forbidden, and Problem(rate_limited)."""
        caller = await self.authenticated(request)
        permit(caller, action)
        limited(self.limits.caller.take(caller.subject))
        return caller

    async def authenticated(self, request: Request) -> Caller:
        """Return whom the request's token speaks for, whatever it may do. Raises Unauthenticated."""
        headers, client = request.headers, request.client
        thumbprint = self.certificates.thumbprint(
            None if client is None else client.host, headers.getlist("client-cert")
        )
        return await self.bearers.authenticated(headers.get("authorization"), certificate=thumbprint)


def limited(wait_seconds: float | None) -> None:
    """Raise Problem(rate_limited) if somebody has to wait."""
    if wait_seconds is not None:
        raise Problem(Fault.RATE_LIMITED, headers={"Retry-After": str(int(wait_seconds) + 1)})
