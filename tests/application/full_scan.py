"""The timers as an oracle: every state of the log in memory, and each of them asked at every run."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.application.cascades import catch_up, derived_id
from sealbook.application.commands import Command
from sealbook.application.due import Due, next_due
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.application.ports import EVENTS_A_READ, EventStore
from sealbook.application.requests import OnCredential
from sealbook.domain import catalogue
from sealbook.domain.catalogue import Aggregate
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import Policy, PolicyBook


@dataclass(slots=True)
class FullScan:
    store: EventStore
    kinds: KindBook
    _position: int = 0
    _states: dict[UUID, Aggregate] = field(default_factory=dict[UUID, Aggregate])

    def run(self, *, until: datetime, now: datetime | None = None) -> int:
        done = catch_up(self.store, kinds=self.kinds)
        self._follow()
        waiting = set(self._states)
        while waiting:
            due = sorted(self._due(waiting, until, now or until), key=lambda each: each[1].at)
            commands = [self._command(stream, each) for stream, each in due]
            outcomes = execute(self.store, commands, kinds=self.kinds) if commands else []
            waiting = {stream for (stream, _), outcome in zip(due, outcomes, strict=True) if outcome.events}
            done += len(waiting)
            self._follow()
        return done

    def _follow(self) -> None:
        while events := self.store.read(after=self._position, limit=EVENTS_A_READ):
            for recorded in events:
                state = catalogue.evolve(self._states.get(recorded.stream), recorded.event)
                self._states[recorded.stream] = state
            self._position = events[-1].position

    def _due(self, waiting: set[UUID], until: datetime, now: datetime) -> Iterator[tuple[UUID, Due]]:
        policies = self._policies()
        for stream in waiting:
            state = self._states.get(stream)
            if not isinstance(state, Application | Credential) or not self._is_open(stream, state.customer):
                continue
            due = next_due(state, until=until, now=now, policies=policies, kinds=self.kinds)
            if due is not None:
                yield stream, due

    def _is_open(self, stream: UUID, holder: UUID) -> bool:
        state = self._states.get(holder)
        return isinstance(state, Customer) and any(held == stream for held, _ in state.open_credentials)

    def _policies(self) -> PolicyBook:
        named = self.store.named(NameKind.POLICY)
        found = ((name.value, self._states.get(stream)) for name, stream in named.items())
        return PolicyBook({policy_id: state for policy_id, state in found if isinstance(state, Policy)})

    def _command(self, stream: UUID, due: Due) -> Command:
        state = self._states[stream]
        since = state.policy_since.isoformat() if isinstance(state, Credential) else ""
        what = f"{type(due.command).__name__} {getattr(due.command, 'lead', '')}"
        key = f"{stream} {what} {due.at.isoformat()} {since}"
        request = OnCredential(credential=stream, command=due.command)
        return Command(request=request, command_id=derived_id(key), actor="sealbook", channel="timer")
