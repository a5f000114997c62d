"""The invariants of domain 5.4 over random histories, on both stores.

A longer run: SEALBOOK_EXAMPLES=2000 (examples on the memory store; PostgreSQL takes a twentieth) and
SEALBOOK_STEPS=80 (commands an example). A failure prints the steps that lead to it, the fewest first.
"""

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import psycopg
from hypothesis import HealthCheck, event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from psycopg import sql

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Request
from sealbook.application.ports import EventStore
from sealbook.application.requests import OnCustomer, OnPolicy
from sealbook.domain.customer import JoinService
from sealbook.domain.policy import Adopt
from sealbook.domain.values import Service
from tests.conftest import Server
from tests.invariants import chances, credential_chances, history_chances
from tests.invariants.chances import BODIES, Chance, pass_time
from tests.invariants.whole import check_process_managers, check_replays, check_what_if_identity
from tests.invariants.world import BEGINNING, World, kinds_with, policy

EXAMPLES = int(os.environ.get("SEALBOOK_EXAMPLES", "160"))
STEPS = int(os.environ.get("SEALBOOK_STEPS", "40"))
PROFILE = settings(
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CHANCE = st.integers(0, 2**20).map(Random)
"""A number a step: what is left out of a failing history is whole steps."""
BURST = TRIES = 5


class Histories(RuleBasedStateMachine):
    """Commands about a small bank, each watched. A rule is what a person or a clock does."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = self.empty_ledger()
        self._store = self._opened.__enter__()

    def empty_ledger(self) -> AbstractContextManager[EventStore]:
        """Open a ledger for one history."""
        raise NotImplementedError

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)

    @initialize(chance=CHANCE)
    def found_the_bank(self, chance: Random) -> None:
        policy_ids = ["one", "two", "three"]
        kinds = kinds_with(policies=[chance.choice(policy_ids) for _ in range(3)], devices_max=chance.choice((1, 2)))
        self.chance = chance
        self.world = World(store=self._store, kinds=kinds, policy_ids=policy_ids)
        for policy_id in policy_ids:
            document = policy(policy_id, version=1, **chance.choice(BODIES))
            command = Adopt(at=BEGINNING, document=document)
            self._send(OnPolicy(policy_id=policy_id, stream=self.world.new_id(), command=command))
        for _ in range(5):
            self._send(chances.enroll(self.world, chance))
        for _ in range(4):
            self._send(chances.register(self.world, chance))
        for who in self.world.customers:
            join = JoinService(at=BEGINNING, service=Service.INTERNET_BANKING)
            self._send(OnCustomer(customer=who, command=join))

    def _send(self, *requests: Request, cascading: bool = True) -> None:
        for request in requests:
            note(repr(request))
        for outcome in self.world.send(*requests, cascading=cascading):
            event(f"{type(requests[0]).__name__} {outcome.refusal or 'accepted'}")

    def _by_chance(self, chance: Random, *makers: Chance) -> None:
        self.world.now += chances.MINUTE
        self._send(chance.choice(makers)(self.world, chance))

    def _on_issued(self, chance: Random, *makers: Chance) -> None:
        """Do something to a credential; without a live one, have one issued first."""
        for _ in range(TRIES):
            if any(not state.ended_at(self.world.now) for _, state in self.world.watch.credentials()):
                break
            self._by_chance(chance, credential_chances.issue)
        self._by_chance(chance, *makers)

    @rule(chance=CHANCE)
    def time_passes(self, chance: Random) -> None:
        pass_time(self.world, chance)

    @rule(chance=CHANCE)
    def somebody_applies(self, chance: Random) -> None:
        self._by_chance(chance, credential_chances.apply)

    @rule(chance=CHANCE)
    def an_application_goes_on(self, chance: Random) -> None:
        if not credential_chances.applying(self.world):
            self._by_chance(chance, credential_chances.apply)
        for _ in range(chance.choice((1, 2, BURST))):
            self._by_chance(chance, credential_chances.step)

    @rule(chance=CHANCE)
    def an_officer_issues(self, chance: Random) -> None:
        self._by_chance(chance, credential_chances.issue)

    @rule(chance=CHANCE)
    def somebody_uses(self, chance: Random) -> None:
        for _ in range(chance.choice((1, 1, 3))):
            self._on_issued(chance, credential_chances.use)

    @rule(chance=CHANCE)
    def somebody_guesses(self, chance: Random) -> None:
        for _ in range(chance.choice((1, 1, 1, BURST))):
            self._on_issued(chance, credential_chances.wrong_proof)

    @rule(chance=CHANCE)
    def a_credential_is_held_or_freed(self, chance: Random) -> None:
        self._on_issued(chance, credential_chances.hold, credential_chances.unlock_methods, credential_chances.link)

    @rule(chance=CHANCE)
    def a_period_is_settled(self, chance: Random) -> None:
        self._on_issued(chance, credential_chances.renew, credential_chances.renew, chances.announce)

    @rule(chance=CHANCE)
    def support_helps(self, chance: Random) -> None:
        self._by_chance(chance, credential_chances.support, credential_chances.erase)

    @rule(chance=CHANCE)
    def a_device_changes(self, chance: Random) -> None:
        self._by_chance(chance, chances.register, chances.upkeep, chances.custody, chances.replace_device)

    @rule(chance=CHANCE)
    def a_customer_changes(self, chance: Random) -> None:
        self._by_chance(chance, chances.own_of_customer, chances.company, chances.company, chances.enroll)

    @rule(chance=CHANCE)
    def a_relationship_ends(self, chance: Random) -> None:
        if chance.random() < 0.2:
            self._by_chance(chance, chances.ending)

    @rule(chance=CHANCE)
    def a_history_arrives(self, chance: Random) -> None:
        self._by_chance(chance, history_chances.adopt, history_chances.adopt_fact, history_chances.adopt_fact)

    @rule(chance=CHANCE)
    def several_ask_at_once(self, chance: Random) -> None:
        makers = (credential_chances.use, credential_chances.issue, chances.custody, credential_chances.hold)
        requests = [chance.choice(makers)(self.world, chance) for _ in range(3)]
        self._send(*requests, cascading=False)

    @rule(chance=CHANCE)
    def the_process_managers_run(self, chance: Random) -> None:
        if chance.random() < 0.3:
            check_process_managers(self.world)

    @rule(chance=CHANCE)
    def somebody_asks_about_the_past(self, chance: Random) -> None:
        if chance.random() < 0.3:
            check_replays(self.world, chance)
            check_what_if_identity(self.world)


def test_the_invariants_hold_for_every_history_in_memory() -> None:
    class InMemory(Histories):
        def empty_ledger(self) -> AbstractContextManager[EventStore]:
            return nullcontext(MemoryEventStore(clock=lambda: datetime.now(UTC)))

    run_state_machine_as_test(InMemory, settings=settings(PROFILE, max_examples=EXAMPLES))


def test_the_invariants_hold_for_every_history_on_postgresql(
    postgres_server: Server, ledger_template: str, keys: Keys
) -> None:
    class OnPostgres(Histories):
        def empty_ledger(self) -> AbstractContextManager[EventStore]:
            return ledger_of_its_own(postgres_server, ledger_template, keys)

    run_state_machine_as_test(OnPostgres, settings=settings(PROFILE, max_examples=max(1, EXAMPLES // 20)))


@contextmanager
def ledger_of_its_own(server: Server, template: str, keys: Keys) -> Generator[EventStore]:
    """A database with an empty ledger for one example."""
    name = f"ledger_{uuid4().hex}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        store = PostgresEventStore.connect(server.dsn(name), keys=keys, randomness=os.urandom)
        try:
            yield store
        finally:
            store.close()
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
