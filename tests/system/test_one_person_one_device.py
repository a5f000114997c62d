"""Several processes ask at once for what excludes each other: one of them is told yes, at no moment are two.

Each round is set up by one process; then all contenders get their command and send it at the same time.
"""

import os
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from typing import NamedTuple
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application.cascades import carry_out, catch_up
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import execute
from sealbook.application.requests import (
    ApplyForCredential,
    CloseCustomer,
    IssueCredential,
    LinkId,
    OnCustomer,
    ReplaceDevice,
    ReportLoss,
)
from sealbook.domain.credential import Issued, LossReported, Used
from sealbook.domain.customer import Customer, CustomerClosed, JoinService
from sealbook.domain.errors import Refusal
from sealbook.domain.presets import DEFAULT_POLICY, preset_kinds
from sealbook.domain.values import Kind, Service
from tests.commands import ATTESTED, FEBRUARY, JANUARY, KIND, MARCH, Script
from tests.conftest import KEYS
from tests.invariants.watching import Watch

CONTENDERS = 3
ROUNDS = 8
SECONDS_MAX = 60


class Answer(NamedTuple):
    """What a contender was told about its command."""

    refusal: Refusal | None
    position: int | None
    events: int
    repeated: bool


def contend(asked: "Connection[object, object]", start: Barrier) -> None:
    """Open the ledgers that are named, and carry out each command when all contenders have theirs."""
    store: PostgresEventStore | None = None
    while (task := asked.recv()) is not None:
        if isinstance(task, str):
            if store is not None:
                store.close()
            store = PostgresEventStore.connect(task, keys=KEYS, randomness=os.urandom)
            store.last_position()
            asked.send(None)
        elif isinstance(task, Command) and store is not None:
            start.wait(SECONDS_MAX)
            (outcome,) = carry_out(store, [task])
            asked.send(Answer(outcome.refusal, outcome.position, len(outcome.events), outcome.repeated))
    if store is not None:
        store.close()


class Contenders:
    """Processes that are asked together."""

    def __init__(self) -> None:
        spawning = get_context("spawn")
        self._start = spawning.Barrier(CONTENDERS)
        self._asked: list[Connection[object, object]] = []
        self._processes: list[SpawnProcess] = []
        for _ in range(CONTENDERS):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(target=contend, args=(theirs, self._start), daemon=True)
            process.start()
            self._asked.append(ours)
            self._processes.append(process)

    def open(self, dsn: str) -> None:
        for asked in self._asked:
            asked.send(dsn)
        for asked in self._asked:
            assert asked.poll(SECONDS_MAX)
            assert asked.recv() is None

    def ask(self, commands: list[Command]) -> list[Answer]:
        for asked, command in zip(self._asked, commands, strict=True):
            asked.send(command)
        answers = list[Answer]()
        for asked in self._asked:
            assert asked.poll(SECONDS_MAX)
            answer = asked.recv()
            assert isinstance(answer, Answer)
            answers.append(answer)
        return answers

    def close(self) -> None:
        for asked, process in zip(self._asked, self._processes, strict=True):
            asked.send(None)
            process.join(SECONDS_MAX)
            assert process.exitcode == 0


@pytest.fixture(scope="module")
def contenders() -> Iterator[Contenders]:
    begun = Contenders()
    yield begun
    begun.close()


class Round(NamedTuple):
    """Three people, each with a phone, of whom one or several are contested."""

    script: Script
    people: tuple[UUID, UUID, UUID]
    phones: tuple[UUID, UUID, UUID]

    def set_up(self) -> list[Command]:
        enrolled = [self.script.enroll(person) for person in self.people]
        return [*enrolled, *(self.script.register(phone) for phone in self.phones)]

    def issue(self, who: int, phone: int, *, held: UUID | None = None, kind: Kind = KIND) -> Command:
        return self.command(
            IssueCredential(
                at=FEBRUARY,
                credential=held or self.script.new_id(),
                name=None,
                customer=self.people[who],
                kind=kind,
                device=self.phones[phone],
                policy_id=DEFAULT_POLICY,
                evidence="proofing-1",
                attestation=ATTESTED,
            )
        )

    def apply(self, who: int, phone: int) -> Command:
        return self.command(
            ApplyForCredential(
                at=FEBRUARY,
                credential=self.script.new_id(),
                name=None,
                customer=self.people[who],
                kind=KIND,
                device=self.phones[phone],
            )
        )

    def command(self, request: Request) -> Command:
        return self.script.command(request)


def new_round(number: int) -> Round:
    script = Script(seed=100 + number)
    first, second, third, *phones = (script.new_id() for _ in range(6))
    return Round(script, (first, second, third), (phones[0], phones[1], phones[2]))


Plan = tuple[list[Command], list[Command]]
"""What is done before the race, and what each contender asks."""


def one_person_on_several_phones(each: Round) -> Plan:
    return [], [each.issue(0, phone) for phone in range(CONTENDERS)]


def several_persons_on_one_phone(each: Round) -> Plan:
    return [], [each.issue(who, 0) for who in range(CONTENDERS)]


def several_applications_of_one_kind(each: Round) -> Plan:
    return [], [each.apply(0, phone) for phone in range(CONTENDERS)]


def applications_and_an_issue(each: Round) -> Plan:
    return [], [each.apply(0, 0), each.issue(0, 1), each.apply(0, 2)]


def one_id_for_several_credentials(each: Round) -> Plan:
    kinds = {each.script.new_id(): kind for kind in (KIND, Kind.MOBILE_OTP, Kind.FINANCIAL_CERTIFICATE)}
    joined = JoinService(at=JANUARY, service=Service.INTERNET_BANKING)
    before = [each.command(OnCustomer(customer=each.people[0], command=joined))]
    before += [each.issue(0, 0, held=held, kind=kind) for held, kind in kinds.items()]
    owner = each.people[0]
    links = [
        LinkId(at=FEBRUARY, credential=held, bank_id="id-1", owner=owner, purpose="login", unlocked_at=FEBRUARY)
        for held in kinds
    ]
    return before, [each.command(link) for link in links]


def a_replacement_and_issues(each: Round) -> Plan:
    """The first person moves to the phone that the others want to have a credential on."""
    moved = ReplaceDevice(at=MARCH, old=each.phones[0], new=each.phones[1], evidence="proofing-2")
    return [each.issue(0, 0)], [each.command(moved), each.issue(1, 1), each.issue(2, 1)]


def one_command_sent_by_all(each: Round) -> Plan:
    return [], [each.issue(0, 0)] * CONTENDERS


EXCLUSIVE: list[Callable[[Round], Plan]] = [
    one_person_on_several_phones,
    several_persons_on_one_phone,
    several_applications_of_one_kind,
    applications_and_an_issue,
    one_id_for_several_credentials,
    a_replacement_and_issues,
]


@pytest.fixture
def watched(ledger_dsn: str, postgres_store: PostgresEventStore, contenders: Contenders) -> Watch:
    """A ledger that the contenders have open. The watch looks at the slots after every append of its log."""
    contenders.open(ledger_dsn)
    execute(postgres_store, [Script().adopt_policy()])
    return Watch(store=postgres_store, kinds=preset_kinds(), position=0)


def race(watched: Watch, contenders: Contenders, each: Round, plan: Plan) -> list[Answer]:
    """Carry out a plan; whoever was told yes stands in the log once, whoever was told no does not."""
    before, asked = plan
    assert all(outcome.accepted for outcome in execute(watched.store, [*each.set_up(), *before]))
    watched.see()
    answers = contenders.ask(asked)
    new = watched.see()
    for command, answer in zip(asked, answers, strict=True):
        found = [recorded for recorded in new if recorded.command_id == command.command_id]
        if answer.repeated:
            assert answer.position == found[-1].position
        elif answer.events:
            assert [recorded.position for recorded in found] == list(
                range(found[-1].position - answer.events + 1, found[-1].position + 1)
            )
            assert answer.position == found[-1].position
        else:
            assert found == []
            assert answer.refusal is not None
    return answers


@pytest.mark.parametrize("plan", EXCLUSIVE)
def test_of_several_that_exclude_each_other_one_passes(
    watched: Watch, contenders: Contenders, plan: Callable[[Round], Plan]
) -> None:
    for number in range(ROUNDS):
        each = new_round(number)
        answers = race(watched, contenders, each, plan(each))
        assert [answer.refusal for answer in answers].count(None) == 1


def test_a_command_that_several_send_at_once_is_carried_out_once(watched: Watch, contenders: Contenders) -> None:
    for number in range(ROUNDS):
        each = new_round(number)
        answers = race(watched, contenders, each, one_command_sent_by_all(each))
        assert [answer.repeated for answer in answers].count(False) == 1
        assert len({(answer.refusal, answer.position) for answer in answers}) == 1


def test_no_use_follows_upon_a_loss_that_is_reported_beside_it(watched: Watch, contenders: Contenders) -> None:
    for number in range(ROUNDS):
        each, script = new_round(number), Script(seed=500 + number)
        held = script.new_id()
        uses = [script.use(held, device=each.phones[0]) for _ in range(CONTENDERS - 1)]
        lost = script.command(ReportLoss(at=MARCH, lost=each.phones[0]))
        answers = race(watched, contenders, each, ([each.issue(0, 0, held=held)], [lost, *uses]))
        kinds = [type(recorded.event) for recorded in watched.streams[held]]
        assert answers[0].refusal is None
        assert Used not in kinds[kinds.index(LossReported) :]
        assert {answer.refusal for answer in answers[1:]} <= {None, Refusal.SUSPENDED}
        assert [answer.refusal for answer in answers[1:]].count(None) == kinds.count(Used)


def test_nothing_is_issued_to_a_customer_who_is_closed_beside_it(watched: Watch, contenders: Contenders) -> None:
    for number in range(ROUNDS):
        each = new_round(number)
        closing = each.command(CloseCustomer(at=MARCH, customer=each.people[0]))
        answers = race(watched, contenders, each, ([], [closing, each.issue(0, 0), each.issue(0, 1)]))
        catch_up(watched.store, kinds=watched.kinds)
        watched.see()
        assert answers[0].refusal is None
        assert {answer.refusal for answer in answers[1:]} <= {None, Refusal.CUSTOMER_STATE, Refusal.ALREADY_HELD}
        closed = watched.of(each.people[0])
        assert isinstance(closed, Customer)
        assert closed.open_credentials == ()
    kinds = [(type(recorded.event), getattr(recorded.event, "customer", recorded.stream)) for recorded in watched.log]
    for place, (kind, who) in enumerate(kinds):
        assert kind is not CustomerClosed or (Issued, who) not in kinds[place:]
