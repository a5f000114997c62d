"""What the use cases need of the world, and what each promise is worth."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sealbook.application.names import Name, NameKind
from sealbook.domain.catalogue import Aggregate, Event, RecordedEvent, evolve
from sealbook.domain.errors import Refusal
from sealbook.projections.counts import Tally


class LedgerDamaged(Exception):
    """What is stored contradicts itself. Nothing is served from it until a person has looked."""


class Unavailable(Exception):
    """The ledger cannot be reached or does not answer. Try again; nothing was half-written."""


class ReadModelsElsewhere(Unavailable):
    """The read models are of another version, or somebody else is building them: the log itself has the answer."""


class OutcomeUnknown(Exception):
    """The connection broke after a commit was sent: send the same command id again to learn its outcome."""


class Head(NamedTuple):
    """A stream's last version and the state folded up to it. A stream without events has version 0.

    `latest_at` is the latest moment that its events speak of: as of then or later, the state is the answer.
    """

    version: int
    state: Aggregate
    latest_at: datetime | None = None

    def after(self, event: Event) -> "Head":
        """Return the head that an event leaves."""
        latest_at = event.at if self.latest_at is None else max(self.latest_at, event.at)
        return Head(self.version + 1, evolve(self.state, event), latest_at)


NO_HEAD = Head(version=0, state=None)


class StoredOutcome(NamedTuple):
    """How a command was answered when it was carried out; `refusal` is set for a recorded refusal."""

    digest: bytes
    refusal: Refusal | None
    stream: UUID | None
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Heads, the streams of names, and outcomes of commands, as they were at one instant.

    A head that was asked for and is missing has no event; a missing name is free. The heads of
    the streams that names led to are among `heads`.
    """

    heads: Mapping[UUID, Head]
    names: Mapping[Name, UUID]
    outcomes: Mapping[UUID, StoredOutcome]


class NewEvent(NamedTuple):
    stream: UUID
    version: int
    actor: str
    channel: str
    command_id: UUID | None
    caused_by: int | None
    event: Event


class NewOutcome(NamedTuple):
    """The outcome of a command, kept with its events. `last_event` is the place of its last one in the group."""

    command_id: UUID
    digest: bytes
    refusal: Refusal | None
    stream: UUID | None
    last_event: int | None


@dataclass(slots=True, kw_only=True)
class Group:
    """Commands that share a stream which one of them moves: they are appended together or not at all.

    `read` holds the version of every head that their decisions read, `moved` the heads that they leave.
    `owners` says whose a named stream is, where it is not its own; `erased` with whose erasure a subject goes.
    """

    commands: list[int] = field(default_factory=list[int])
    read: dict[UUID, int] = field(default_factory=dict[UUID, int])
    moved: dict[UUID, Head] = field(default_factory=dict[UUID, Head])
    events: list[NewEvent] = field(default_factory=list[NewEvent])
    names: dict[Name, UUID] = field(default_factory=dict[Name, UUID])
    owners: dict[UUID, UUID] = field(default_factory=dict[UUID, UUID])
    erased: dict[UUID, UUID] = field(default_factory=dict[UUID, UUID])
    outcomes: list[NewOutcome] = field(default_factory=list[NewOutcome])
    last_event: dict[int, int] = field(default_factory=dict[int, int])
    """By command, the place of its last event among the group's."""

    def owner_of(self, stream: UUID) -> UUID:
        return self.owners.get(stream, stream)

    def erased_with(self, owner: UUID) -> list[UUID]:
        return [subject for subject, with_whom in self.erased.items() if with_whom == owner]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """How far an import has come. `lines_done_before` must be what the ledger holds, or nothing is appended."""

    digest: bytes
    options: str
    lines_done_before: int
    lines_done: int
    finished: bool


class Erasure(NamedTuple):
    """A subject whose keys are to be destroyed, and the position of the event that says so."""

    position: int
    subject: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What an append came to. A group left out has no position; the rest says why.

    `positions` holds, by the group's place in the batch, the position of its first event. `forgotten`
    are command ids of days whose ids are gone: whether they were carried out is no longer known.
    """

    recorded_at: datetime
    positions: Mapping[int, int]
    left_out: frozenset[int]
    stale: Mapping[UUID, Head]
    taken: Mapping[Name, UUID]
    outcomes: Mapping[UUID, StoredOutcome]
    forgotten: frozenset[UUID] = frozenset()


class EventStore(Protocol):
    """A ledger's one book: dense positions, in commit order."""

    def load(self, *, streams: Collection[UUID], names: Collection[Name], commands: Collection[UUID]) -> Loaded:
        """Return what a batch of decisions reads, from one snapshot."""
        ...

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        """Append the groups whose heads are fresh, whose names are free and whose command ids are new.

        When this returns, what it appended is durable. The others are left out, and nothing of
        them is written; with `whole`, one left out leaves out all. What an appended event erases,
        names and values of the vault, is deleted with it.
        """
        ...

    def command_digest(self, content: bytes) -> bytes:
        """Return what is kept of a command's content, as the outcomes that a store returns have it."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Hold the book, so that what is loaded within cannot go stale before it is appended."""
        ...

    def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return the events that follow a position, in order. One that is missing is missing for good."""
        ...

    def stream(self, stream: UUID, *, after: int = 0) -> list[RecordedEvent]:
        """Return a stream's events that follow a version, in order."""
        ...

    def last_position(self) -> int: ...

    def names_of(self, streams: Collection[UUID]) -> Mapping[UUID, Name]:
        """Return the readable names of streams, no identity among them; one without a name, or erased, is missing."""
        ...

    def named(self, kind: NameKind) -> Mapping[Name, UUID]:
        """Return every readable name of a kind with its stream; of identities none."""
        ...

    def erasures(self, *, after: int) -> list[Erasure]:
        """Return whose keys are to be destroyed by events that follow a position, in order."""
        ...

    def forget_erased(self, *, after: int) -> None:
        """Delete once more what the erasures that follow a position have deleted: a value may have come since."""
        ...

    def import_progress(self, digest: bytes) -> tuple[str, int, bool] | None:
        """Return the options, lines done and whether finished, of an import; None if unknown."""
        ...

    def tracked(self, name: str) -> int:
        """Return how far a process manager has read the log; 0 if it never has."""
        ...

    def track(self, name: str, position: int) -> None:
        """Note how far a process manager has read the log. What it did before must be durable already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far read models are behind the book.

    `seconds` is the age of the first event that they do not hold yet, by the database's clock; 0 where none is left.
    """

    position: int
    positions: int
    seconds: float


class ReadModels(Protocol):
    """Current states and counts kept as tables, always a fold of the log up to a position."""

    def catch_up(self, *, advanced: Callable[[int], None] = ...) -> int:
        """Read the log to its end; return the position reached. Models that an older version made are built anew."""
        ...

    def rebuild(self, *, advanced: Callable[[int], None] = ...) -> int:
        """Build the models anew beside the old ones and swap them; return the position reached."""
        ...

    def lag(self) -> Lag:
        """Return how far the models are behind. Models that are not there stand at position 0."""
        ...

    def tally(self, *, as_of: datetime) -> Tally | None:
        """Return the tally of all that the models hold, or None.

        None if something in it lies after the moment, or another version made the models.
        """
        ...

    def differences(self) -> list[str]:
        """Return where the models differ from a fold of the log; empty is good.

        Models that another version made answer nothing, and are not compared.
        """
        ...


EVENTS_A_READ = 2_000


def read_all(store: EventStore, *, until: int | None = None) -> Iterator[RecordedEvent]:
    """Yield the log in position order by short reads: nothing is kept open in between."""
    after = 0
    last = store.last_position() if until is None else until
    while after < last:
        events = store.read(after=after, limit=EVENTS_A_READ)
        yield from (event for event in events if event.position <= last)
        # What is set apart by law is out of the log, to its end perhaps; what is missing otherwise, fsck tells.
        after = events[-1].position if events else last
