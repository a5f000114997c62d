"""What was everything in the ledger like at a moment, on both axes of time?

The fold that the questions about the whole bank share: every customer, device, credential and policy,
in version order over what the ledger had learned, as far as it had taken effect, and then the clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sealbook.domain import catalogue, credential
from sealbook.domain.catalogue import Aggregate, RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.policy import Policy, PolicyBook

State = TypeVar("State", Customer, Device, Application, Credential, Policy)


@dataclass(slots=True, kw_only=True)
class States:
    """The accumulator of a fold over the log: every aggregate as of a moment, in the order of first appearance."""

    as_of: datetime
    by_stream: dict[UUID, Aggregate] = field(default_factory=dict[UUID, Aggregate])

    def apply(self, recorded: RecordedEvent) -> bool:
        """Take in the next event of the log; tell whether it had taken effect by the moment."""
        known = self.by_stream.get(recorded.stream)
        # Of a stream whose beginning had not taken effect yet, nothing that follows had.
        if recorded.event.at > self.as_of or (known is None and recorded.version > 1):
            return False
        self.by_stream[recorded.stream] = catalogue.evolve(known, recorded.event)
        return True

    def held(self, stream: UUID) -> Application | Credential:
        """Return a credential or its application. Raises Refused(not_issued) if there was none of the id."""
        state = self.by_stream.get(stream)
        return credential.begun(state if isinstance(state, Application | Credential) else None)

    def customers(self) -> Iterator[tuple[UUID, Customer]]:
        return self._of(Customer)

    def devices(self) -> Iterator[tuple[UUID, Device]]:
        return self._of(Device)

    def applications(self) -> Iterator[tuple[UUID, Application]]:
        return self._of(Application)

    def credentials(self) -> Iterator[tuple[UUID, Credential]]:
        return self._of(Credential)

    def policies(self) -> Iterator[tuple[UUID, Policy]]:
        return self._of(Policy)

    def _of(self, kind: type[State]) -> Iterator[tuple[UUID, State]]:
        for stream, state in self.by_stream.items():
            if isinstance(state, kind):
                yield stream, state


def states_at(log: Iterable[RecordedEvent], *, as_of: datetime) -> States:
    """Fold the log, in position order, over what had taken effect by a moment; the clock has not been asked yet."""
    states = States(as_of=as_of)
    for recorded in log:
        states.apply(recorded)
    return states


def settled(states: States, policies: PolicyBook) -> States:
    """Let the clock decide for every application and credential until the moment."""
    now = dict(states.by_stream)
    for stream, state in states.by_stream.items():
        if isinstance(state, Application | Credential):
            now[stream] = credential.fold(credential.settle(state, policies, states.as_of), since=state)
    return States(as_of=states.as_of, by_stream=now)
