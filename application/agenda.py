"""The timers' agenda: the moment at which each credential has to be looked at next.

So what has come due is found without looking at everything. Entries may tell of too early a moment,
never of too late a one.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from typing import NamedTuple, Protocol
from uuid import UUID

FIRST = UUID(int=0)


class Entry(NamedTuple):
    """From `looked_at` on, nothing is due before `due_at`; without it, nothing ever was. None: nothing will be.

    A run for a moment before `looked_at` has to look: what was due then may have been passed over.
    """

    due_at: datetime | None
    looked_at: datetime | None = None


NOTHING = Entry(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaStanding:
    """How far an agenda has followed the log, and by which rules it was made.

    `walked_to` is how far the walk over all streams has come that makes it by these rules; None once it has ended.
    """

    position: int
    rules: str
    walked_to: UUID | None


class Agenda(Protocol):
    """Which streams are to be looked at when. What is put, and then noted, is durable in that order."""

    def alone(self) -> AbstractContextManager[None]:
        """Be the only one who reads and writes the agenda. Raises Unavailable if somebody else does."""
        ...

    def standing(self) -> AgendaStanding:
        """Return how far the agenda is. A new one stands where a walk over `streams`, begun now, leaves nothing out."""
        ...

    def note(self, standing: AgendaStanding) -> None: ...

    def put(self, entries: Mapping[UUID, Entry]) -> None:
        """Replace what was entered of these streams."""
        ...

    def due(self, *, until: datetime, limit: int) -> list[UUID]:
        """Return streams that have to be looked at in a run for a moment, the longest due first."""
        ...

    def entries(self, streams: Collection[UUID]) -> Mapping[UUID, Entry]:
        """Return what is entered of streams; one of which nothing is may be missing."""
        ...

    def streams(self, *, after: UUID, limit: int) -> list[UUID]:
        """Return streams in order, from after one on; all credentials up to the standing's position are among them."""
        ...


@dataclass(slots=True)
class MemoryAgenda:
    """An agenda of one process: it follows the log from its beginning."""

    _entries: dict[UUID, Entry] = field(default_factory=dict[UUID, Entry])
    _standing: AgendaStanding = AgendaStanding(position=0, rules="", walked_to=None)

    @contextmanager
    def alone(self) -> Generator[None]:
        yield

    def standing(self) -> AgendaStanding:
        return self._standing

    def note(self, standing: AgendaStanding) -> None:
        self._standing = standing

    def put(self, entries: Mapping[UUID, Entry]) -> None:
        # Those of which nothing is due as well: `streams` has to name them.
        self._entries.update(entries)

    def due(self, *, until: datetime, limit: int) -> list[UUID]:
        found = (
            (due_at or until, stream)
            for stream, (due_at, looked_at) in self._entries.items()
            if (due_at is not None and due_at <= until) or (looked_at is not None and looked_at > until)
        )
        return [stream for _, stream in nsmallest(limit, found)]

    def entries(self, streams: Collection[UUID]) -> Mapping[UUID, Entry]:
        return {stream: self._entries[stream] for stream in streams if stream in self._entries}

    def streams(self, *, after: UUID, limit: int) -> list[UUID]:
        return nsmallest(limit, (stream for stream in self._entries if stream > after))
