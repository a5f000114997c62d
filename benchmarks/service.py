"""The service under load, beside privacyIDEA and beside the ledger without it.

One load generator asks both over HTTP on this computer: right one-time codes, and enrolments. The ledger alone is
what its gatherer does for as many callers in this process: what lies between is what HTTP, tokens and codes cost.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import UUID

from psycopg import Connection

from benchmarks import privacyidea
from benchmarks.adopting import adopted
from benchmarks.callers import Place, UsesRecorded, call
from benchmarks.callers_of_service import Callers
from benchmarks.figure import Figure
from benchmarks.holders import Applicant, applicants, holders
from benchmarks.http_load import Served
from benchmarks.ledger import Bench, bench
from benchmarks.meter import TICKS_A_SECOND, metered
from benchmarks.plan import Plan
from benchmarks.processes import spent_seconds
from benchmarks.service_figures import CONNECTIONS, FEW, MANY, Alone, Cost, Rounds, figures
from benchmarks.serving import service
from sealbook.adapters.eventstore.postgres import connected

LOADS_A_ROUND = len(CONNECTIONS) + 2
"""How many loads share the holders, with one to warm up and one of their own tokens: each has one code a step."""
HOLDERS_AN_APPLICANT = 4
HOLDERS_A_PLAIN_CREDENTIAL = 10
SUPPLY_ROUNDS = 2
"""For how many rounds' time privacyIDEA enrols before the first: so many codes there are to check."""
LEFT_OUT = f"{privacyidea.NAME} is left out: {privacyidea.ENVIRONMENT} names no folder (see benchmarks/privacyidea.py)"


def run(plan: Plan) -> Iterator[Figure]:
    venv, rounds = privacyidea.environment(), Rounds()
    if venv is None:
        print(LEFT_OUT, file=sys.stderr, flush=True)
    with ExitStack() as stack:
        server = stack.enter_context(bench())
        ours = stack.enter_context(_ours(server, plan))
        rival = None if venv is None else stack.enter_context(privacyidea.running(venv, server))
        if rival is not None:
            rival.enrol(seconds=SUPPLY_ROUNDS * plan.seconds)
        for number in range(plan.rounds):
            ours.add_round(rounds, number)
            if rival is not None:
                rounds.checks.append(ours.cost(rival.pid, partial(rival.validate, seconds=plan.seconds)))
                rounds.inits.append(ours.cost(rival.pid, partial(rival.enrol, seconds=plan.seconds)))
    yield from figures(rounds)


class _Ours:
    """The service, its callers, and the ledger that it is in front of."""

    def __init__(
        self,
        plan: Plan,
        *,
        watcher: Connection,
        place: Place,
        pid: int,
        callers: Callers,
        waiting: Sequence[Applicant],
        plain: Sequence[UUID],
    ) -> None:
        self._plan = plan
        self._watcher = watcher
        self._place = place
        self._pid = pid
        self._callers = callers
        self._waiting = waiting
        self._plain = plain

    def add_round(self, rounds: Rounds, number: int) -> None:
        seconds = self._plan.seconds
        self._callers.warm_up()
        for connections in CONNECTIONS:
            use = partial(self._callers.use, connections=connections, seconds=seconds)
            rounds.uses[connections].append(self._uses(use))
            rounds.alone[connections].append(self._alone(connections, number))
        use = partial(self._callers.use_by_holders, connections=MANY, seconds=seconds)
        rounds.uses_by_holders.append(self._uses(use))
        rounds.enrolments.append(self._enrolments(self._waiting[number :: self._plan.rounds]))

    def cost(self, pid: int, work: Callable[[], Served]) -> Cost:
        """Do a load of a server; return what it came to and what it cost."""
        before = spent_seconds(pid)
        served, spent = metered(self._watcher, work)
        # At least one step of the kernel's clock, so that there always is a ratio.
        server_seconds = max(1 / TICKS_A_SECOND, spent_seconds(pid) - before)
        return Cost(served=served, server_seconds=server_seconds, spent=spent)

    def _uses(self, work: Callable[[], Served]) -> Cost:
        recorded = UsesRecorded(self._watcher)
        cost = self.cost(self._pid, work)
        recorded.check(acknowledged=cost.served.answered)
        return cost

    def _alone(self, callers: int, seed: int) -> Alone:
        recorded = UsesRecorded(self._watcher)
        work = partial(call, self._place, self._plain, callers=callers, seconds=self._plan.seconds, seed=seed)
        sample, spent = metered(self._watcher, work)
        recorded.check(acknowledged=sample.uses)
        return Alone(sample=sample, spent=spent)

    def _enrolments(self, applicants: Sequence[Applicant]) -> Cost:
        before = self._seeds()
        enrol = partial(self._callers.enrol, applicants, connections=FEW, seconds=self._plan.seconds)
        cost = self.cost(self._pid, enrol)
        kept = self._seeds() - before
        if kept != cost.served.answered:
            raise RuntimeError(f"{cost.served.answered} enrolments were acknowledged, {kept} seeds are in the vault")
        return cost

    def _seeds(self) -> int:
        ((count,),) = self._watcher.execute(
            "SELECT count(*) FROM sealbook.vault WHERE field LIKE 'otp_seed:%'"
        ).fetchall()
        return int(count)


@contextmanager
def _ours(server: Bench, plan: Plan) -> Generator[_Ours]:
    ledger = server.folder / "service"
    ledger.mkdir(mode=0o700)
    with ExitStack() as stack:
        store = stack.enter_context(server.store("service"))
        watcher = stack.enter_context(connected(server.dsn("service")))
        held = holders(store, watcher, plan.size)
        waiting = applicants(store, max(plan.rounds, plan.size // HOLDERS_AN_APPLICANT))
        plain = adopted(store, max(1, plan.size // HOLDERS_A_PLAIN_CREDENTIAL))
        running = stack.enter_context(service(server.surroundings("service", ledger), server.folder / "service.log"))
        callers = Callers(running.address, ledger, held, share=plan.size // LOADS_A_ROUND)
        place = Place(dsn=server.dsn("service"), keys=store.keys)
        yield _Ours(plan, watcher=watcher, place=place, pid=running.pid, callers=callers, waiting=waiting, plain=plain)
