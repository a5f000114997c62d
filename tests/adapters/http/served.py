"""A service in this process, for tests: the real app over a real ledger, tokens of a test issuer, no socket."""

import asyncio
import os
from collections.abc import Coroutine, Generator, Iterable
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.app import build
from sealbook.adapters.http.client_certificates import ClientCertificates
from sealbook.adapters.http.edge import Edge, EdgeLimits
from sealbook.adapters.http.health import Health
from sealbook.adapters.http.rate_limits import Rate, RateLimits
from sealbook.adapters.http.reading import Readers
from sealbook.adapters.http.service import Limits, Service
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.metrics_page import MetricsPage
from sealbook.adapters.proofs.challenges import Challenges
from sealbook.adapters.proofs.seed_writer import SecretWriter
from sealbook.adapters.proofs.seeds import SeedReader
from sealbook.adapters.webhooks.addresses import Reach
from sealbook.adapters.writer.process import local_writer
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.domain.presets import preset_kinds
from tests.adapters.http import issuer

DEADLINE_SECONDS = 30.0
UNLIMITED = Rate(1e9, 10**9)
T = TypeVar("T")


@dataclass
class Clock:
    """The service's clock: it begins now, and stands still unless a test moves it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@dataclass
class Limited:
    """What the service takes at most; a test sets it before the service begins."""

    caller: Rate = UNLIMITED
    credential: Rate = UNLIMITED
    in_flight_max: int = 1_000
    body_bytes_max: int = 262_144
    deadline_seconds: float = DEADLINE_SECONDS


@dataclass
class Served:
    """A running service. `api` is its app, `edge` what stands before it, `failures` what was nobody's fault but ours.

    Everything is asked from outside an event loop: `get`, `post` and `call` wait for the answer. For many at once,
    hand `run` a coroutine that uses `client`.
    """

    service: Service
    api: FastAPI
    edge: Edge
    client: httpx.AsyncClient
    clock: Clock
    dsn: str
    keys: Keys
    failures: list[Exception]
    _runner: asyncio.Runner

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: str,
        key: UUID | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Ask with a token, as `bearer` makes one; commands get a new Idempotency-Key unless one is given."""
        said = {"authorization": f"Bearer {by}", **(headers or {})}
        if method == "POST":
            said.setdefault("idempotency-key", str(key or uuid4()))
        return self.run(self.client.request(method, path, headers=said, json=body))

    def get(self, path: str, *, by: str, **headers: str) -> httpx.Response:
        """Ask; headers are written with underscores: `access_reason="complaint 7"`."""
        return self.call("GET", path, by=by, headers={each.replace("_", "-"): said for each, said in headers.items()})

    def post(self, path: str, body: object = None, *, by: str, key: UUID | None = None) -> httpx.Response:
        return self.call("POST", path, {} if body is None else body, by=by, key=key)

    def done(self, path: str, body: object = None, *, by: str) -> dict[str, Any]:
        """Ask for what is not refused; return the answer."""
        answer = self.post(path, body, by=by)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    @cached_property
    def store(self) -> PostgresEventStore:
        """The ledger beside the service: what is really in it, and a way in for what no route does."""
        return PostgresEventStore.connect(self.dsn, keys=self.keys, randomness=os.urandom)

    def execute(self, *commands: Command) -> None:
        """Have commands carried out that no route takes; none is refused."""
        outcomes = execute(self.store, list(commands))
        assert [each.message for each in outcomes if not each.accepted] == []

    def close(self) -> None:
        if "store" in vars(self):
            self.store.close()


def bearer(*roles: str, customer: str | None = None, subject: str | None = None) -> str:
    """Return a good token. An app's says for which customer."""
    said = issuer.claims(
        sub=subject or f"{roles[0]}-1", scope=" ".join(roles), customer=... if customer is None else customer
    )
    return issuer.token(said)


TELLER, AUDITOR, ANALYST, ADMINISTRATOR = (bearer(each) for each in ("teller", "auditor", "analyst", "administrator"))


@contextmanager
def served(dsn: str, keys: Keys, *, folder: Path, limited: Limited | None = None) -> Generator[Served]:
    """Run a service on the ledger at `dsn` until the block ends."""
    bounds, clock, failures = limited or Limited(), Clock(), list[Exception]()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            service = runner.run(_service(dsn, keys, clock, bounds, stack))
            health = Health((), MetricsPage(Metrics(folder=folder, process="test")))
            api = build(service, version="test", health=health, webhooks=Reach(), seal=folder / "seal")
            edge = _edge(api, bounds, failures)
            # A client of its own address, as if through a socket; nothing is raised that a socket would not carry.
            transport = httpx.ASGITransport(edge, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
            client = httpx.AsyncClient(transport=transport, base_url="http://sealbook.example")
            stack.push_async_callback(client.aclose)
            running = Served(service, api, edge, client, clock, dsn, keys, failures, runner)
            stack.callback(running.close)
            yield running
        finally:
            runner.run(stack.aclose())


async def _service(dsn: str, keys: Keys, clock: Clock, bounds: Limited, stack: AsyncExitStack) -> Service:
    kinds = preset_kinds()
    gatherer = await stack.enter_async_context(Gatherer.open(dsn, keys=keys, randomness=os.urandom, kinds=kinds))
    writer = local_writer(gatherer, dsn=dsn, keys=keys)
    readers = Readers(lambda: PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom))
    seeds, secrets = SeedReader(dsn, keys=keys), SecretWriter(dsn, keys=keys, randomness=os.urandom)
    for each in (writer, readers, seeds, secrets):
        stack.push_async_callback(each.close)
    return Service(
        writer=writer,
        readers=readers,
        seeds=seeds,
        secrets=secrets,
        challenges=Challenges(keys.service_key("challenges")),
        bearers=issuer.bearers(),
        certificates=ClientCertificates(()),
        limits=Limits(caller=_buckets(bounds.caller), credential=_buckets(bounds.credential)),
        # A keyring is asked for nothing that these keys do not do.
        keys=cast("Keyring", keys),
        kinds=kinds,
        now=clock,
        new_id=new_id,
        randomness=os.urandom,
        deadline_seconds=bounds.deadline_seconds,
    )


def _buckets(rate: Rate) -> RateLimits:
    return RateLimits(rate, keys_max=1_000, clock=asyncio.get_running_loop().time)


def _edge(api: FastAPI, bounds: Limited, failures: list[Exception]) -> Edge:
    def told(*, method: str, route: str | None, status: int, **_more: object) -> None:
        described = api.openapi()["paths"].get(route, {}).get(method.lower())
        if described is not None and str(status) not in described["responses"]:
            failures.append(AssertionError(f"the description of {method} {route} knows no {status}"))

    limits = EdgeLimits(
        in_flight_max=bounds.in_flight_max,
        body_bytes_max=bounds.body_bytes_max,
        deadline_seconds=bounds.deadline_seconds,
    )
    return Edge(api, limits, told=told, failed=failures.append, shed=lambda: None, new_id=new_id)


# --- What tests begin with


@dataclass(frozen=True)
class Holding:
    """A customer with a phone and a credential on it, and the token of its app."""

    customer: str
    customer_name: str
    device: str
    device_key: str
    credential: str
    credential_name: str
    app: str
    seed_uri: str | None

    @property
    def ids(self) -> Iterable[str]:
        return (self.customer, self.device, self.credential)


APP_BODY = {"version": "6.2.0", "store": "google_play"}
ATTESTATION = {"level": "secure_element", "digest": "a1"}


def holding(running: Served, name: str, *, kind: str = "mobile_otp", policy_id: str = "D") -> Holding:
    """Enroll a customer, register a phone and issue a credential at the counter, all by the API."""
    kinds_with_codes = ("mobile_otp",)
    enrolled = running.done(
        "/v1/customers", {"name": name, "subkind": "individual", "identity": f"identity of {name}"}, by=TELLER
    )
    customer, credential_name, key = enrolled["id"], f"credential of {name}", f"key of {name}"
    phone = {"key": key, "model": "phone", "os_version": "15", "app": APP_BODY}
    device = running.done("/v1/devices", phone, by=TELLER)["id"]
    running.done(f"/v1/customers/{customer}/join-service", {"service": "internet_banking"}, by=TELLER)
    wish = {
        "name": credential_name,
        "customer": customer,
        "kind": kind,
        "device": device,
        "policy_id": policy_id,
        "evidence": "proofing-1",
        "attestation": ATTESTATION,
        **({"otp": {}} if kind in kinds_with_codes else {}),
    }
    issued = running.done("/v1/credentials", wish, by=TELLER)
    return Holding(
        customer=customer,
        customer_name=name,
        device=device,
        device_key=key,
        credential=issued["id"],
        credential_name=credential_name,
        app=bearer("app", customer=customer, subject=f"app of {customer}".replace(" ", "-")),
        seed_uri=issued.get("provisioning_uri"),
    )
