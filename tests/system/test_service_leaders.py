"""Two services on one ledger: one leads, with timers and webhooks, and whoever is left when it has gone."""

import asyncio
import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import cast

import psycopg
import pytest

from sealbook.adapters.http.access import Role
from tests.conftest import KeptKeys
from tests.system.service_callers import Answer, Request, lines, posted, use
from tests.system.service_ledger import Ledger, ledger_in
from tests.system.service_process import ServiceProcess, until

LED = '"logger":"leader"'
EVENT = "credential.used"
LEADING = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = hashtext('sealbook leader')::oid"
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


class Listener(ThreadingHTTPServer):
    """Another system of the bank's. `heard` are the positions of the events that it was told, as they came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hearing)
        self.heard: list[int] = []

    @property
    def surroundings(self) -> dict[str, str]:
        """Return the settings that let a service call it."""
        return {
            "SEALBOOK_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "SEALBOOK_WEBHOOK_PORTS": str(self.server_port),
            "SEALBOOK_WEBHOOK_PLAIN_HTTP": "1",
        }


class _Hearing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        cast("Listener", self.server).heard.append(int(told["sealbookposition"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as it is called there)
        """Say nothing."""


@contextmanager
def listening() -> Generator[Listener]:
    with Listener() as listener:
        thread = Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


def asked(service: ServiceProcess, request: Request) -> Answer:
    async def ask() -> Answer:
        async with lines(1, service.port) as (line,):
            return await line.answered(request)

    return asyncio.run(ask())


def register(service: ServiceProcess, ledger: Ledger, listener: Listener) -> None:
    body = {"url": f"http://127.0.0.1:{listener.server_port}/", "events": [EVENT]}
    answer = asked(service, posted("/v1/webhooks", body, token=ledger.token(role=Role.ADMINISTRATOR)))
    assert answer.status == 201, answer.body


def test_one_of_two_services_leads_and_the_other_when_it_was_killed(ledger: Ledger) -> None:
    holders = ledger.with_holders(2)
    with ExitStack() as stack:
        listener = stack.enter_context(listening())
        begun = [stack.enter_context(ServiceProcess(ledger, workers=1, more=listener.surroundings)) for _ in range(2)]
        until(lambda: any(LED in each.said() for each in begun))
        first, other = sorted(begun, key=lambda each: LED not in each.said())
        register(other, ledger, listener)
        position = asked(other, use(holders[0], token=ledger.token())).told["position"]
        until(lambda: listener.heard == [position])
        assert LED not in other.said()

        first.kill()

        until(lambda: LED in other.said())
        next_position = asked(other, use(holders[1], token=ledger.token())).told["position"]
        # Whoever was killed before it could note what it had told leaves it to be told again.
        until(lambda: list(dict.fromkeys(listener.heard)) == [position, next_position])


def test_a_leader_that_lost_its_session_leads_again(ledger: Ledger, ledger_dsn: str) -> None:
    holders = ledger.with_holders(2)
    with listening() as listener, ServiceProcess(ledger, workers=1, more=listener.surroundings) as service:
        register(service, ledger, listener)
        position = asked(service, use(holders[0], token=ledger.token())).told["position"]
        until(lambda: listener.heard == [position])
        with psycopg.connect(ledger_dsn, autocommit=True) as connection:
            (leader,) = connection.execute(LEADING).fetchall()
            connection.execute("SELECT pg_terminate_backend(%s)", leader)
            until(lambda: connection.execute(LEADING).fetchall() not in ([], [leader]))

        next_position = asked(service, use(holders[1], token=ledger.token())).told["position"]
        until(lambda: listener.heard == [position, next_position])
