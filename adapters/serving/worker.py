"""A worker: a process that answers HTTP. It writes by itself, or hands commands to the writer process."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, time
from uuid import UUID

import httpx
import uvicorn
from psycopg import Connection

from sealbook.adapters.child_process import heard, say
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.event_loop import event_loop
from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.app import build
from sealbook.adapters.http.bearer import Bearers
from sealbook.adapters.http.client_certificates import BadProxyAddress, ClientCertificates
from sealbook.adapters.http.development_keys import AUDIENCE, ISSUER, DevelopmentKeys
from sealbook.adapters.http.edge import Edge, EdgeLimits, Told
from sealbook.adapters.http.health import Health
from sealbook.adapters.http.hot import HOT, HotFirst
from sealbook.adapters.http.jwks import BadKeySet, FileKeys, KeySource, UrlKeys
from sealbook.adapters.http.rate_limits import Rate, RateLimits
from sealbook.adapters.http.reading import Readers
from sealbook.adapters.http.service import Limits, Service
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.reach import keyring_of
from sealbook.adapters.kind_files import BadKinds, read_kinds
from sealbook.adapters.observing import logs
from sealbook.adapters.observing.ledger_numbers import LedgerNumbers, reader
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.metrics_page import MetricsPage
from sealbook.adapters.observing.publishing import published, told_of_batches
from sealbook.adapters.observing.readiness import ledger_opens, seal_stands, tokens_can_be_checked
from sealbook.adapters.proofs.challenges import Challenges
from sealbook.adapters.proofs.seed_writer import SecretWriter
from sealbook.adapters.proofs.seeds import SeedReader
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.serving.protocol import BoundedProtocol
from sealbook.adapters.serving.task import Bounds, Tokens, WorkerTask, reach
from sealbook.adapters.webhooks.endpoints import Webhooks
from sealbook.adapters.writer.port import Writer
from sealbook.adapters.writer.process import local_writer
from sealbook.adapters.writer.remote import RemoteWriter
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.presets import preset_kinds

MODULE = "sealbook.adapters.serving.worker"
TAIL = "/v1/events"
CALLERS_MAX = 100_000
BACKLOG = 2_048
DRAIN_SECONDS = 15
KEEP_ALIVE_SECONDS = 75


def main() -> None:
    told = heard()
    if told is None:
        return
    task = WorkerTask.of_json(told)
    logs.configure(sys.stderr, level=task.log_level, clock=logs.utc_now)
    logs.catch_uncaught()
    # What it says of itself at a start is told by the supervisor.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        with (
            closing(keyring_of(task.reach["keys"])) as keys,
            seldom_collected(),
            asyncio.Runner(loop_factory=event_loop) as runner,
        ):
            runner.run(_serve(task, keys))
    except (Unavailable, BadKinds, BadKeySet, BadProxyAddress) as error:
        say({"unavailable": str(error)})
    except LedgerDamaged as error:
        say({"damaged": str(error)})


async def _serve(task: WorkerTask, keys: Keyring) -> None:
    metrics = Metrics(folder=Path(task.metrics), process=task.name)
    log = logs.logger("worker")
    async with AsyncExitStack() as stack:
        source = await _key_source(task.tokens, stack)
        service = await stack.enter_async_context(_service(task, keys, metrics, source))
        health = stack.enter_context(_health(task, keys, metrics, source))
        api = build(service, version=task.version, health=health, webhooks=reach(task.webhooks), seal=Path(task.seal))
        edge = Edge(
            HotFirst(api),
            EdgeLimits(
                in_flight_max=task.bounds.in_flight_max,
                body_bytes_max=task.bounds.body_bytes_max,
                deadline_seconds=task.bounds.deadline_seconds,
            ),
            told=_told(metrics),
            failed=lambda error: log.error("a request failed", error=error),
            shed=lambda: metrics.shed("in_flight"),
            new_id=new_id,
        )
        server = _server(edge)

        def in_flight() -> None:
            metrics.in_flight = edge.in_flight

        with closing(_listening(task.host, task.port)) as listener:
            _heed_the_end(server)
            say({"ready": True})
            async with published(metrics, before=in_flight):
                # Told to end, it lets what was begun be answered first.
                await server.serve(sockets=[listener])


def _told(metrics: Metrics) -> Told:
    # Of uses only what goes wrong: each is in the ledger, and a line would cost a tenth of one.
    access = logs.AccessLog(one_in={HOT: 0})

    def told(
        *, method: str, route: str | None, status: int, seconds: float, code: str | None, request_id: UUID
    ) -> None:
        if route != TAIL:
            # One that listens for an hour says nothing of how long requests take.
            metrics.request(route, status, seconds)
        access(method=method, route=route, status=status, seconds=seconds, code=code, request_id=request_id)

    return told


@asynccontextmanager
async def _service(task: WorkerTask, keys: Keyring, metrics: Metrics, source: KeySource) -> AsyncGenerator[Service]:
    dsn = task.reach["conninfo"]
    kinds = preset_kinds() if task.kinds is None else read_kinds(Path(task.kinds))
    async with AsyncExitStack() as stack:
        writer: Writer
        if task.writer is None:
            gatherer = Gatherer.open(
                dsn,
                keys=keys,
                randomness=os.urandom,
                kinds=kinds,
                told=told_of_batches(metrics),
                append_took=metrics.append,
            )
            local = local_writer(gatherer, dsn=dsn, keys=keys)
            # Closed after the gatherer, which answers until its end.
            stack.push_async_callback(local.close)
            await stack.enter_async_context(gatherer)
            writer = local
        else:
            writer = await stack.enter_async_context(RemoteWriter(Path(task.writer)))
        readers = Readers(
            lambda: PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom),
            statement_seconds=task.bounds.deadline_seconds,
        )
        stack.push_async_callback(readers.close)
        seeds = SeedReader(dsn, keys=keys)
        stack.push_async_callback(seeds.close)
        secrets = SecretWriter(dsn, keys=keys, randomness=os.urandom)
        stack.push_async_callback(secrets.close)
        yield Service(
            writer=writer,
            readers=readers,
            seeds=seeds,
            secrets=secrets,
            challenges=Challenges(keys.service_key("challenges")),
            bearers=_bearers(task.tokens, source),
            certificates=ClientCertificates(task.trusted_proxies),
            limits=_limits(task.bounds),
            keys=keys,
            kinds=kinds,
            now=logs.utc_now,
            new_id=new_id,
            randomness=os.urandom,
            deadline_seconds=task.bounds.deadline_seconds,
        )


@contextmanager
def _health(task: WorkerTask, keys: Keyring, metrics: Metrics, source: KeySource) -> Generator[Health]:
    dsn, folder = task.reach["conninfo"], SealFolder(Path(task.seal))

    def connect() -> PostgresEventStore:
        return PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom)

    def sealed_to() -> int | None:
        note = folder.checkpoint()
        return None if note is None else stands_at(note).size

    def findings() -> Iterator[str]:
        return iter(()) if folder.checkpoint() is None else SealCheck(folder).of_the_log()

    def outbox_age(connection: Connection) -> float:
        return Webhooks(connection, keys=keys, randomness=os.urandom).age_seconds()

    with closing(LedgerNumbers(lambda: reader(dsn), sealed_to=sealed_to, outbox_age=outbox_age)) as numbers:
        checks = (("ledger", ledger_opens(connect)), ("seal", seal_stands(findings)))
        at_hand = (("tokens", tokens_can_be_checked(source.keys)),)
        with closing(Health(checks, MetricsPage(metrics, numbers), at_hand)) as health:
            yield health


def _bearers(tokens: Tokens, source: KeySource) -> Bearers:
    if tokens.development is not None:
        return Bearers(source, issuer=ISSUER, audience=AUDIENCE, clock=time)
    return Bearers(source, issuer=tokens.issuer, audience=tokens.audience, clock=time)


async def _key_source(tokens: Tokens, stack: AsyncExitStack) -> KeySource:
    """Return where the keys of tokens come from. Those of an issuer's address are fetched until the stack ends."""
    if tokens.development is not None:
        return DevelopmentKeys(Path(tokens.development), clock=time)
    told = logs.logger("tokens").warning
    if "://" in tokens.jwks:
        client = await stack.enter_async_context(httpx.AsyncClient())
        source = UrlKeys(tokens.jwks, client=client, clock=monotonic, told=told)
        fetching = asyncio.create_task(source.run())
        stack.push_async_callback(_ended, fetching)
        return source
    return FileKeys(Path(tokens.jwks), clock=monotonic, told=told)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _limits(bounds: Bounds) -> Limits:
    loop = asyncio.get_running_loop()
    caller = Rate(bounds.caller_per_second, max(1, int(bounds.caller_per_second)))
    credential = Rate(bounds.credential_per_second, bounds.credential_burst)
    return Limits(
        caller=RateLimits(caller, keys_max=CALLERS_MAX, clock=loop.time),
        credential=RateLimits(credential, keys_max=CALLERS_MAX, clock=loop.time),
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, which would else be killed by the one that it was ended by."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _server(app: Edge) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="none",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return _Server(config)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # Each worker has a queue of its own, among which the system shares connections out.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _heed_the_end(server: uvicorn.Server) -> None:
    """End on SIGTERM, and when whoever began this process has gone."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        # By the server's own way, which is how event streams learn of it.
        server.handle_exit(signal.SIGTERM, None)

    def gone() -> None:
        loop.remove_reader(sys.stdin.fileno())
        end()

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_reader(sys.stdin.fileno(), gone)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
