"""How long the service needs to answer a use again: after PostgreSQL was killed under load, and after a worker was.

The callers are as right clients are: without an answer, or told that it is too early, they ask again with the same key
over a connection of their own. All that was acknowledged must be in the ledger, once. Where PostgreSQL is killed,
the benchmark begins it anew at once: what the service adds to that is counted from when it takes connections.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.figure import Figure
from benchmarks.holders import STEP_SECONDS, Holder, holders
from benchmarks.http_load import posted
from benchmarks.ledger import Bench, bench
from benchmarks.meter import GONE, PROCESSES
from benchmarks.one_time_codes import Turns, code
from benchmarks.plan import Plan
from benchmarks.processes import descendants
from benchmarks.serving import Running, service
from sealbook.adapters.eventstore.postgres import connected
from sealbook.adapters.http.access import Role
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.ids import new_id
from sealbook.adapters.postgres import postmaster
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.serving import worker

DATABASE = "recovery"
CONNECTIONS_MAX = 64
REQUESTS_A_CONNECTION_MIN = 8
OUTAGES_A_ROUND = 2
PROMISED_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
AGAIN_SECONDS = 0.02
USED, LATER = 200, (429, 503, 504)
END_OF_HEAD = b"\r\n\r\n"


class Outage(NamedTuple):
    """When it came, when what was killed was there again, and when each connection's first use after it was done.

    All in seconds of one clock.
    """

    killed: float
    back: float
    answered: Sequence[float]


def run(plan: Plan) -> Iterator[Figure]:
    of_database, of_worker = list[Outage](), list[Outage]()
    with ExitStack() as stack:
        server = stack.enter_context(bench())
        ledger = server.folder / "service"
        ledger.mkdir(mode=0o700)
        with server.store(DATABASE) as store, closing(connected(server.dsn(DATABASE))) as superuser:
            held = holders(store, superuser, plan.size)
        running = stack.enter_context(service(server.surroundings(DATABASE, ledger), server.folder / "service.log"))
        uses = _Uses(ledger, held, share=plan.size // (OUTAGES_A_ROUND * plan.rounds))
        for _ in range(plan.rounds):
            of_database.append(_outage(server, running, uses, plan, lambda: _kill_database(server)))
            of_worker.append(_outage(server, running, uses, plan, lambda: _kill_worker(running)))
    yield from _figures(of_database, of_worker)


def _figures(of_database: Sequence[Outage], of_worker: Sequence[Outage]) -> Iterator[Figure]:
    down = [each.back - each.killed for each in of_database]
    promised = [PROMISED_SECONDS] * len(of_database)
    for first, case in ((min, "first use"), (max, "every connection's first use")):
        after_kill = [first(each.answered) - each.killed for each in of_database]
        # It may be answered before the benchmark has seen that it can be.
        after_back = [max(0.0, first(each.answered) - each.back) for each in of_database]
        yield _figure(f"PostgreSQL killed: {case}", after_kill, "PostgreSQL alone", down)
        yield _figure(f"PostgreSQL back: {case}", after_back, "what is promised", promised)
        of_one = [first(each.answered) - each.killed for each in of_worker]
        yield _figure(f"a worker killed: {case}", of_one, "what is promised", promised)


def _figure(case: str, rounds: Sequence[float], against: str, against_rounds: Sequence[float]) -> Figure:
    return Figure(
        bench="recovery",
        case=case,
        unit="s",
        rounds=tuple(rounds),
        against=against,
        against_rounds=tuple(against_rounds),
    )


def _outage(
    server: Bench, running: Running, uses: "_Uses", plan: Plan, kill: Callable[[], Callable[[], None]]
) -> Outage:
    load, before = _Load(running.address, uses.requests()), _position(server)
    outage = asyncio.run(load.outage(kill, seconds=plan.seconds))
    recorded = _position(server) - before
    if recorded != load.acknowledged:
        raise RuntimeError(f"{load.acknowledged} uses were acknowledged, {recorded} are recorded: that is no recovery")
    return outage


def _position(server: Bench) -> int:
    with closing(connected(server.dsn(DATABASE))) as connection:
        ((position,),) = connection.execute("SELECT position FROM sealbook.books").fetchall()
    return int(position)


# --- What is killed


def _kill_database(server: Bench) -> Callable[[], None]:
    """Kill PostgreSQL; return what brings it back, and waits until it takes connections."""
    pid = postmaster.running(LedgerFolder(server.server.folder))
    if pid is None:
        raise RuntimeError("PostgreSQL does not run")
    os.kill(pid, signal.SIGKILL)

    def bring_back() -> None:
        while True:
            # Again and again: what was killed may not have died yet.
            server.server.revive()
            with suppress(psycopg.OperationalError), psycopg.connect(server.dsn(DATABASE)) as connection:
                connection.execute("SELECT 1")
                return
            time.sleep(AGAIN_SECONDS)

    return bring_back


def _kill_worker(running: Running) -> Callable[[], None]:
    """Kill the first of the HTTP processes. Nobody has to bring it back."""
    os.kill(next(each for each in descendants(running.pid) if worker.MODULE in _command(each)), signal.SIGKILL)
    return lambda: None


def _command(pid: int) -> str:
    with suppress(*GONE):
        return (PROCESSES / str(pid) / "cmdline").read_bytes().decode()
    return ""


# --- Who asks


class _Uses:
    """Ready requests: uses with right codes by a teller, each holder's once in a step of time."""

    def __init__(self, ledger: Path, held: Sequence[Holder], *, share: int) -> None:
        self._token = DevelopmentKeys(ledger, clock=time.time).mint("teller-1", [Role.TELLER])
        self._held = held
        self._share = share
        self._turns = Turns(STEP_SECONDS)
        self._turns.add(len(held))

    def requests(self) -> Sequence[bytes]:
        return list(self._turns.requests(self._share, self._request))

    def _request(self, index: int, timecode: int) -> bytes:
        holder = self._held[index]
        proof = {"type": "totp", "code": code(holder.secret, timecode)}
        said = {"proof": proof, "device": str(holder.device), "purpose": "login"}
        fields = {
            "authorization": f"Bearer {self._token}",
            "idempotency-key": str(new_id()),
            "content-type": "application/json",
        }
        return posted(f"/v1/credentials/{holder.credential}/uses", fields, json.dumps(said).encode())


class _Load:
    """Connections that ask on until each has had a use acknowledged that it asked for when all was killed, or later."""

    def __init__(self, address: tuple[str, int], requests: Sequence[bytes]) -> None:
        self._address = address
        connections = max(1, min(CONNECTIONS_MAX, len(requests) // REQUESTS_A_CONNECTION_MIN))
        self._shares = [requests[number::connections] for number in range(connections)]
        self._begun = asyncio.Event()
        self._killed_at: float | None = None
        self._answered = dict[int, float]()
        self.acknowledged = 0

    async def outage(self, kill: Callable[[], Callable[[], None]], *, seconds: float) -> Outage:
        """Kill something after some seconds, or when a third of the requests is used, and wait for all connections."""
        async with asyncio.timeout(seconds + PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            for number in range(len(self._shares)):
                tasks.create_task(self._ask_on(number))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), seconds)
            bring_back = kill()
            self._killed_at = killed = time.perf_counter()
            await asyncio.to_thread(bring_back)
            back = time.perf_counter()
        return Outage(killed, back, list(self._answered.values()))

    async def _ask_on(self, number: int) -> None:
        share = self._shares[number]
        with closing(_Line(self._address)) as line:
            for used, request in enumerate(share, 1):
                await self._answered_to(line, request)
                self.acknowledged += 1
                if self._killed_at is not None and line.sent >= self._killed_at:
                    self._answered[number] = time.perf_counter()
                    return
                if 3 * used >= len(share):
                    self._begun.set()
        raise RuntimeError("there are too few requests to last until the end: raise --size")

    async def _answered_to(self, line: "_Line", request: bytes) -> None:
        """Ask until it is accepted. Raises RuntimeError for any other answer than that, or that it is too early."""
        while (status := await line.ask(request)) != USED:
            if status is not None and status not in LATER:
                raise RuntimeError(f"status {status} was answered, only what succeeds is measured")
            await asyncio.sleep(AGAIN_SECONDS)


class _Line:
    """A connection that is made again when it was lost; `sent` is when it was asked last."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.sent = 0.0

    async def ask(self, request: bytes) -> int | None:
        """Return the status of the answer; None if there was none."""
        try:
            reader, writer = self._ends = self._ends or await asyncio.open_connection(*self._address)
            self.sent = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(END_OF_HEAD)).lower()
            _, _, rest = head.partition(b"content-length:")
            await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return None
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None
