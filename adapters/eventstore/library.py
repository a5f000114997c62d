"""The ledger as an application of the eventsourcing library: its outer shell over `execute`.

`save` and `execute` end in the same append, so the notification log, subscriptions and process
recorders of the library see one dense log. `execute` does not go through `save`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    TrackingRecorder,
)
from eventsourcing.utils import Environment, EnvType

from sealbook.adapters.eventstore.append_call import SALT_BYTES, stored_row
from sealbook.adapters.eventstore.codec import decode_event
from sealbook.adapters.eventstore.library_recorder import (
    LedgerProcessRecorder,
    LedgerRecorder,
    LedgerTrackingRecorder,
    SealedEvent,
    SharedStore,
)
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.application import ledger
from sealbook.application.commands import Command
from sealbook.application.ledger import Outcome
from sealbook.application.ports import NewEvent
from sealbook.domain.catalogue import event_name


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """An event of ours under the library's names for where it stands."""

    new: NewEvent

    @property
    def originator_id(self) -> UUID:
        return self.new.stream

    @property
    def originator_version(self) -> int:
        return self.new.version


class LedgerMapper(Mapper[UUID]):
    """Turns our events into stored ones and back. Events that are not of the catalogue are refused."""

    def __init__(self, *, keys: Keys, randomness: Callable[[int], bytes]) -> None:
        super().__init__(JSONTranscoder())  # The library wants one; the codec does its work.
        self._keys = keys
        self._randomness = randomness

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> SealedEvent:
        if not isinstance(domain_event, LedgerEvent):
            # In the ledger's log it would be damage: nothing of ours could read past it.
            raise TypeError(f"a {type(domain_event).__name__} is not an event of the ledger's catalogue")
        new = domain_event.new
        stream, version, salt, mac, body = stored_row(new, keys=self._keys, salt=self._randomness(SALT_BYTES))
        return SealedEvent(stream, version, event_name(new.event), body, salt, mac)

    def to_domain_event(self, stored_event: StoredEvent) -> LedgerEvent:
        """Return the event of a stored one or of a notification. Raises LedgerDamaged if it is none of ours."""
        decoded = decode_event(stored_event.state)
        return LedgerEvent(
            NewEvent(
                stream=cast("UUID", stored_event.originator_id),
                version=stored_event.originator_version,
                actor=decoded.actor,
                channel=decoded.channel,
                command_id=decoded.command_id,
                caused_by=decoded.caused_by,
                event=decoded.event,
            )
        )


class LedgerFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes recorders that take turns on one store. `env.name` tells its trackers from other readers'."""

    def __init__(self, shared: SharedStore, env: Environment | None = None) -> None:
        super().__init__(env)
        self._shared = shared

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose != "events":
            raise TypeError(f"the ledger has no {purpose}: its heads hold the folded state")
        return self.application_recorder()

    def application_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self._shared)

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        chosen = tracking_recorder_class or LedgerTrackingRecorder
        if not issubclass(chosen, LedgerTrackingRecorder):
            raise TypeError(f"{chosen.__name__} does not keep its tracking in the ledger")
        return chosen(self._shared, reader=self.env.name)

    def process_recorder(self) -> LedgerProcessRecorder:
        return LedgerProcessRecorder(self._shared, reader=self.env.name)


class Ledger(Application[UUID]):
    """A ledger for programs that speak the library's language.

    It takes an open store and leaves it open: who opened it closes it. The process's environment
    is not read, so that no variable can change how events are stored. Threads take turns.
    """

    def __init__(self, store: PostgresEventStore, *, randomness: Callable[[int], bytes]) -> None:
        self._shared = SharedStore(store, randomness=randomness)
        super().__init__()

    def execute(self, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands, in order, and return their outcomes when all of them are durable."""
        with self._shared.held() as store:
            return ledger.execute(store, commands)

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, env)

    def construct_factory(self, env: Environment) -> LedgerFactory:
        return LedgerFactory(self._shared, env)

    def construct_mapper(self) -> LedgerMapper:
        with self._shared.held() as store:
            return LedgerMapper(keys=store.keys, randomness=self._shared.randomness)

    def construct_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()
