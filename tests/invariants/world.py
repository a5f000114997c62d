"""A small bank that commands are sent to, and what must be true of every one of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from random import Random
from typing import TypeVar
from uuid import UUID

from sealbook.application.adopting import AdoptAttempt
from sealbook.application.cascades import carry_out
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import Outcome, execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import EventStore
from sealbook.domain.catalogue import Event, RecordedEvent
from sealbook.domain.credential import (
    ApplicationAbandoned,
    AutoRenewed,
    CloneSuspected,
    Credential,
    Expired,
    FeeRefunded,
    Locked,
    PolicySwitched,
    StepFailed,
    Suspended,
    UseRefused,
)
from sealbook.domain.customer import CredentialClosed, Customer, DeviceSlotReleased, IdReleased
from sealbook.domain.device import DeviceReleased
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import Kind, RenewalCause
from tests.invariants.watching import HIDDEN, Watch

T = TypeVar("T")

BEGINNING = datetime(2024, 1, 10, 9, tzinfo=UTC)
PERSONS, COMPANIES, DEVICES = 3, 2, 4
FOLLOWING = (Locked, CloneSuspected, Suspended)
"""What a refused use may bring about."""
SETTLED = (Expired, CredentialClosed, IdReleased, DeviceReleased, DeviceSlotReleased, ApplicationAbandoned, FeeRefunded)
"""What time alone had decided before a use that was refused, and what goes with it."""


def policy(policy_id: str, *, version: int = 1, **body: object) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(json.dumps({"policy_id": policy_id, "version": version, **body}))


def kinds_with(*, policies: Sequence[str], devices_max: int = 1) -> KindBook:
    """The kinds of the package, under other policies, and one of them for several devices."""
    chosen = iter(policies)
    documents = {
        kind: document.model_copy(
            update={
                "policy": document.policy and next(chosen),
                "devices_per_person_max": devices_max if kind is Kind.FINANCIAL_CERTIFICATE else 1,
            }
        )
        for kind, document in preset_kinds().kinds.items()
    }
    return KindBook(kinds=documents, bank=preset_kinds().bank)


@dataclass(slots=True, kw_only=True)
class World:
    """Persons, companies and devices by their ids, enrolled or not, and the credentials that came to be."""

    store: EventStore
    kinds: KindBook
    now: datetime = BEGINNING
    persons: list[UUID] = field(default_factory=list[UUID])
    companies: list[UUID] = field(default_factory=list[UUID])
    devices: list[UUID] = field(default_factory=list[UUID])
    held: list[UUID] = field(default_factory=list[UUID])
    policy_ids: list[str] = field(default_factory=list[str])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    watch: Watch = field(init=False)
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.watch = Watch(store=self.store, kinds=self.kinds, position=self.store.last_position())
        self.persons = [self.new_id() for _ in range(PERSONS)]
        self.companies = [self.new_id() for _ in range(COMPANIES)]
        self.devices = [self.new_id() for _ in range(DEVICES)]

    def new_id(self) -> UUID:
        return UUID(int=0x5EA1 << 64 | next(self._next))

    @property
    def customers(self) -> list[UUID]:
        return [*self.persons, *self.companies]

    def has_ended(self, who: UUID) -> bool:
        state = self.watch.of(who)
        return isinstance(state, Customer) and state.ended

    def hidden(self, kind: NameKind, of: UUID) -> Name:
        """A name from outside that the record must never show."""
        return Name(kind, f"{HIDDEN} {kind} {of}")

    def credential(self, stream: UUID) -> Credential | None:
        state = self.watch.of(stream)
        return state if isinstance(state, Credential) else None

    def pick(self, chance: Random, wanted: Sequence[T], otherwise: Sequence[T]) -> T:
        """Choose what makes sense, at times anything."""
        return chance.choice(wanted if wanted and chance.random() < 0.9 else otherwise)

    def command(self, request: Request) -> Command:
        return Command(request=request, command_id=self.new_id(), actor="the tests", channel="app")

    def send(self, *requests: Request, cascading: bool = False) -> list[Outcome]:
        """Carry out requests as one batch, watch what it does to the log, and send it again."""
        commands = [self.command(request) for request in requests]
        carry = carry_out if cascading else execute
        outcomes = carry(self.store, commands, kinds=self.kinds)
        new = self.watch.see()
        for command, outcome in zip(commands, outcomes, strict=True):
            check_one_append(command, outcome, new)
            if not isinstance(command.request, AdoptAttempt):
                # Of a history, the attempt that found the end and the one that it was issued anew for are one line.
                check_refused(outcome)
            assert HIDDEN not in outcome.message
            self.refusals.extend(() if outcome.refusal is None else (outcome.refusal,))
        self._send_again(commands, outcomes, alone=len(commands) == 1 and not cascading)
        return outcomes

    def _send_again(self, commands: Sequence[Command], outcomes: Sequence[Outcome], *, alone: bool) -> None:
        """A command sent twice is carried out once, and one that left nothing is refused again."""
        for command, first in zip(commands, outcomes, strict=True):
            kept = first.accepted or bool(first.events)
            if not kept and not alone:
                continue
            (second,) = execute(self.store, [command], kinds=self.kinds)
            assert self.watch.see() == []
            assert (second.refusal, second.repeated) == (first.refusal, kept)
            if kept:
                assert (second.stream, second.position) == (first.stream, first.position)
                other = Command(
                    request=command.request, command_id=command.command_id, actor="another", channel=command.channel
                )
                (reused,) = execute(self.store, [other], kinds=self.kinds)
                assert reused.refusal is Refusal.COMMAND_ID_REUSED
                assert self.watch.see() == []


def check_one_append(command: Command, outcome: Outcome, new: Sequence[RecordedEvent]) -> None:
    """11: all that a command moves is appended at once, in one place of the log, or nothing is."""
    mine = [recorded for recorded in new if recorded.command_id == command.command_id]
    assert [recorded.event for recorded in mine] == list(outcome.events)
    assert all(other.position == one.position + 1 for one, other in pairwise(mine))
    assert len({recorded.recorded_at for recorded in mine}) <= 1
    assert outcome.position == (mine[-1].position if mine else None)


def check_refused(outcome: Outcome) -> None:
    """10: a refused command leaves nothing, unless the refusal is evidence; then that, and what follows from it."""
    if outcome.accepted or not outcome.events:
        return
    evidence = [event for event in outcome.events if isinstance(event, UseRefused | StepFailed)]
    assert [event.reason for event in evidence] == [outcome.refusal]
    for event in outcome.events:
        assert event in evidence or isinstance(event, (*FOLLOWING, *SETTLED)) or by_the_clock(event)


def by_the_clock(event: Event) -> bool:
    match event:
        case AutoRenewed(cause=RenewalCause.EXPIRY) | PolicySwitched(automatic=True):
            return True
        case _:
            return False
