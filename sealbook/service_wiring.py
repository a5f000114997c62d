"""The service of a ledger: which processes, whose tokens, what the leader does."""

import asyncio
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from time import time

from sealbook import __version__
from sealbook.adapters.cli.session import BadInput, OpenLedger
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.reach import reached
from sealbook.adapters.http.access import Role
from sealbook.adapters.http.bearer import SUBJECT
from sealbook.adapters.http.development_keys import NOTICE, DevelopmentKeys
from sealbook.adapters.jobs.runner import JobRunner
from sealbook.adapters.observing import logs
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.adapters.read_models.agenda import PostgresAgenda
from sealbook.adapters.serving.leader import Task, TimerLoop, came_within
from sealbook.adapters.serving.supervisor import Plan, supervise
from sealbook.adapters.serving.task import Tokens, WebhookReach, WorkerTask, reach
from sealbook.adapters.webhooks.sender import WebhookSender
from sealbook.application.agenda import Agenda
from sealbook.application.ports import EventStore, OutcomeUnknown, Unavailable
from sealbook.settings import Settings

DATABASE_SECONDS = 0.5
TIMERS_SECONDS = 30.0
"""How often what has come due is looked for. An answer is right without: validity is decided lazily."""


def serve(
    settings: Settings,
    opened: OpenLedger,
    *,
    host: str,
    port: int,
    workers: int,
    development: bool,
    listening: Callable[[int], None],
) -> None:
    """Run the service until it is told to end. Raises BadInput, Unavailable, LedgerDamaged."""
    logs.configure(sys.stderr, level=settings.log_level, clock=lambda: datetime.now(UTC))
    if development:
        # Made before the first worker looks for it.
        DevelopmentKeys(settings.ledger, clock=time)
        for line in NOTICE:
            logs.logger("serve").warning(line)
    webhooks = WebhookReach(
        networks=settings.webhook_networks, ports=settings.webhook_ports, plain_http=settings.webhook_plain_http
    )
    task = WorkerTask(
        name="",
        host=host,
        port=port,
        reach=dict(opened.reach),
        kinds=None if settings.kinds is None else str(settings.kinds),
        seal=str(settings.seal_folder),
        writer=None,
        tokens=_tokens(settings, development=development),
        trusted_proxies=settings.trusted_proxies,
        webhooks=webhooks,
        metrics="",
        log_level=settings.log_level,
        version=__version__,
    )
    plan = Plan(workers=workers, task=task, kinds=settings.kinds)
    with ExitStack() as stack:
        always = () if settings.dsn else (_keeping(stack.enter_context(EmbeddedServer.join(settings.ledger))),)
        asyncio.run(supervise(plan, leading=_leading(opened, webhooks), listening=listening, always=always))


def _keeping(server: EmbeddedServer) -> Task:
    """Return what starts the embedded server anew when it has died: nobody types a command that would."""
    log = logs.logger("database")

    async def keep(stopping: asyncio.Event) -> None:
        while not await came_within(stopping, DATABASE_SECONDS):
            try:
                if await asyncio.to_thread(server.revive):
                    log.error("the embedded server had died and was begun anew")
            except Unavailable as error:
                log.warning("the embedded server has died and does not begin", error=error)

    return keep


def _leading(opened: OpenLedger, webhooks: WebhookReach) -> Sequence[Task]:
    """Return what one process of a ledger does, whichever leads: timers, webhooks out, and jobs."""

    def connect() -> PostgresEventStore:
        return reached(opened.reach)

    @contextmanager
    def for_timers() -> Generator[tuple[EventStore, Agenda]]:
        with closing(connect()) as store:
            yield store, PostgresAgenda(store.connection, store)

    log = logs.logger("leader")

    def timed(what: int | Unavailable | OutcomeUnknown) -> None:
        if isinstance(what, int):
            log.info("timers ran", count=what)
        else:
            log.warning("timers did not run", error=what)

    timers = TimerLoop(
        for_timers,
        kinds=opened.kinds,
        clock=logs.utc_now,
        every_seconds=TIMERS_SECONDS,
        told=timed,
    )

    async def tell_webhooks(ending: asyncio.Event) -> None:
        # A sender of its own each time: one that has ended has let go of its thread.
        sender = WebhookSender(
            connect,
            clock=logs.utc_now,
            chance=SystemRandom().random,
            reach=reach(webhooks),
            complain=lambda line: log.warning("webhooks", error=Unavailable(line)),
        )
        await sender.run(ending)

    jobs = JobRunner(
        connect,
        reach=opened.reach,
        clock=logs.utc_now,
        complain=lambda line: log.warning("jobs", error=Unavailable(line)),
    )
    return timers.run, tell_webhooks, jobs.run


def development_token(
    folder: Path, *, role: str, subject: str, customer: str | None, lifetime_seconds: int
) -> tuple[str, Sequence[str]]:
    """Return a token of the folder's own key, and what is to be said of it. Raises BadInput, Unavailable."""
    if role not in list(Role):
        raise BadInput(f"ROLE is one of {', '.join(Role)}")
    if (role == Role.APP) != (customer is not None):
        raise BadInput("--customer says whom an app acts for: give it for the role app, and for no other")
    if not SUBJECT.fullmatch(subject):
        raise BadInput("--subject is a reference in ASCII, without blanks, like teller-7")
    keys = DevelopmentKeys(folder, clock=time)
    return keys.mint(subject, [Role(role)], customer=customer, lifetime_seconds=lifetime_seconds), NOTICE


def _tokens(settings: Settings, *, development: bool) -> Tokens:
    if development:
        return Tokens(development=str(settings.ledger.resolve()))
    if not (settings.issuer and settings.audience and settings.jwks):
        raise BadInput(
            "say whose tokens are taken: SEALBOOK_ISSUER, SEALBOOK_AUDIENCE and SEALBOOK_JWKS, a file or an https"
            " address; or try the service with --development"
        )
    return Tokens(issuer=settings.issuer, audience=settings.audience, jwks=settings.jwks)
