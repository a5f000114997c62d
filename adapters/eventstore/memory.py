"""The event store in memory: for unit tests and simulation, under the same contract."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from threading import RLock
from uuid import UUID

from sealbook.application.commands import day_said_by
from sealbook.application.names import SHOWN, Name, NameKind
from sealbook.application.ports import (
    NO_HEAD,
    Appended,
    Erasure,
    Group,
    Head,
    ImportProgress,
    Loaded,
    NewEvent,
    StoredOutcome,
    Unavailable,
)
from sealbook.domain import credential, customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import RecordedEvent

BOOK = 0
_EPOCH = date(1970, 1, 1)


class MemoryEventStore:
    """One book in memory. `clock` says when a batch is recorded; it may stand still, not go back."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = RLock()
        self._log: list[RecordedEvent] = []
        self._streams: dict[UUID, list[RecordedEvent]] = {}
        self._heads: dict[UUID, Head] = {}
        self._names: dict[Name, UUID] = {}
        self._owners: dict[UUID, UUID] = {}
        self._vault: dict[tuple[UUID, str], tuple[UUID, bytes]] = {}
        self._erasures: list[Erasure] = []
        self._outcomes: dict[UUID, StoredOutcome] = {}
        self._day_of: dict[UUID, date] = {}
        self._commands_from = date.min
        self._imports: dict[bytes, tuple[str, int, bool]] = {}
        self._tracking: dict[str, int] = {}

    def load(self, *, streams: Collection[UUID], names: Collection[Name], commands: Collection[UUID]) -> Loaded:
        with self._lock:
            found = {name: self._names[name] for name in names if name in self._names}
            wanted = {*streams, *found.values()}
            return Loaded(
                heads={stream: self._heads[stream] for stream in wanted if stream in self._heads},
                names=found,
                outcomes={each: self._outcomes[each] for each in commands if each in self._outcomes},
            )

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        with self._lock:
            stale = {stream for group in groups for stream in group.read if self._is_stale(group, stream)}
            taken = {name: self._names[name] for group in groups for name in group.names if name in self._names}
            known = {
                each.command_id: self._outcomes[each.command_id]
                for group in groups
                for each in group.outcomes
                if each.command_id in self._outcomes
            }
            forgotten = frozenset(
                each.command_id for group in groups for each in group.outcomes if self._is_forgotten(each.command_id)
            )
            left_out = {
                place
                for place, group in enumerate(groups)
                if stale & group.read.keys()
                or taken.keys() & group.names.keys()
                or any(each.command_id in known or each.command_id in forgotten for each in group.outcomes)
            }
            if whole and left_out:
                left_out = set(range(len(groups)))
            recorded_at = self._next_moment()
            if progress is not None and not left_out:
                self._check_progress(progress)
            positions = {
                place: self._add(group, recorded_at) for place, group in enumerate(groups) if place not in left_out
            }
            positions = {place: first for place, first in positions.items() if groups[place].events}
            if progress is not None and not left_out:
                self._imports[progress.digest] = (progress.options, progress.lines_done, progress.finished)
            return Appended(
                recorded_at=recorded_at,
                positions=positions,
                left_out=frozenset(left_out),
                stale={stream: self._heads.get(stream, NO_HEAD) for stream in stale},
                taken=taken,
                outcomes=known,
                forgotten=forgotten,
            )

    def forget_commands(self, *, before: date) -> None:
        """Forget the command ids of the days before one."""
        with self._lock:
            self._commands_from = before
            self._outcomes = {each: told for each, told in self._outcomes.items() if self._day_of[each] >= before}

    @contextmanager
    def locked(self) -> Generator[None]:
        with self._lock:
            yield

    def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        with self._lock:
            return self._log[after : after + limit]

    def stream(self, stream: UUID, *, after: int = 0) -> list[RecordedEvent]:
        with self._lock:
            return self._streams.get(stream, [])[after:]

    def last_position(self) -> int:
        with self._lock:
            return len(self._log)

    def names_of(self, streams: Collection[UUID]) -> Mapping[UUID, Name]:
        wanted = set(streams)
        with self._lock:
            return {stream: name for name, stream in self._names.items() if stream in wanted and name.kind in SHOWN}

    def named(self, kind: NameKind) -> Mapping[Name, UUID]:
        with self._lock:
            return {name: stream for name, stream in self._names.items() if name.kind is kind and kind in SHOWN}

    def command_digest(self, content: bytes) -> bytes:
        """Return the content as it is: what is kept here leaves no trace."""
        return content

    def erasures(self, *, after: int) -> list[Erasure]:
        with self._lock:
            return [each for each in self._erasures if each.position > after]

    def forget_erased(self, *, after: int) -> None:
        with self._lock:
            for each in self.erasures(after=after):
                self._forget_owner(each.subject)

    def keep(self, value: bytes, *, subject: UUID, field: str, owner: UUID) -> bool:
        """Keep a value of the vault, unless it is of somebody erased; tell whether it is kept."""
        with self._lock:
            if {owner, subject} & {each.subject for each in self._erasures}:
                return False
            self._vault[subject, field] = (owner, value)
            return True

    def kept(self, *, subject: UUID, field: str) -> bytes | None:
        with self._lock:
            return self._vault.get((subject, field), (subject, None))[1]

    def forget(self, *, subject: UUID, field: str) -> None:
        with self._lock:
            self._vault.pop((subject, field), None)

    def import_progress(self, digest: bytes) -> tuple[str, int, bool] | None:
        with self._lock:
            return self._imports.get(digest)

    def tracked(self, name: str) -> int:
        with self._lock:
            return self._tracking.get(name, 0)

    def track(self, name: str, position: int) -> None:
        with self._lock:
            self._tracking[name] = position

    def _next_moment(self) -> datetime:
        # No two appends bear one recorded_at, so that a moment of knowledge is a position.
        now = self._clock()
        return max(now, self._log[-1].recorded_at + MICROSECOND) if self._log else now

    def _check_progress(self, progress: ImportProgress) -> None:
        options, lines_done, _ = self._imports.get(progress.digest, (progress.options, 0, False))
        if (options, lines_done) != (progress.options, progress.lines_done_before):
            raise Unavailable("another import of this file is under way: wait until it ends")

    def _is_stale(self, group: Group, stream: UUID) -> bool:
        return self._heads.get(stream, NO_HEAD).version != group.read[stream]

    def _is_forgotten(self, command_id: UUID) -> bool:
        day = day_said_by(command_id)
        return day is not None and _EPOCH + timedelta(days=day) < self._commands_from

    def _add(self, group: Group, recorded_at: datetime) -> int:
        first = len(self._log) + 1
        for new in group.events:
            recorded = _recorded(new, position=len(self._log) + 1, recorded_at=recorded_at)
            self._log.append(recorded)
            self._streams.setdefault(new.stream, []).append(recorded)
            self._erase(recorded, group)
        self._heads.update(group.moved)
        self._names.update(group.names)
        self._owners.update(group.owners)
        for kept in group.outcomes:
            day = day_said_by(kept.command_id)
            self._day_of[kept.command_id] = recorded_at.date() if day is None else _EPOCH + timedelta(days=day)
            self._outcomes[kept.command_id] = StoredOutcome(
                digest=kept.digest,
                refusal=kept.refusal,
                stream=kept.stream,
                position=None if kept.last_event is None else first + kept.last_event,
            )
        return first

    def _erase(self, recorded: RecordedEvent, group: Group) -> None:
        match recorded.event:
            case customer.PersonalDataErased():
                for owner in (recorded.stream, *group.erased_with(recorded.stream)):
                    self._erasures.append(Erasure(recorded.position, owner))
                    self._forget_owner(owner)
            case credential.PersonalDataErased():
                self._forget(lambda stream, _owner: stream == recorded.stream)
            case _:
                pass

    def _forget_owner(self, owner: UUID) -> None:
        self._forget(lambda stream, owned_by: owner in (stream, owned_by))

    def _forget(self, goes: Callable[[UUID, UUID], bool]) -> None:
        """Forget the names and values whose stream, and its owner, are such."""
        self._names = {
            name: stream for name, stream in self._names.items() if not goes(stream, self._owners.get(stream, stream))
        }
        self._vault = {place: kept for place, kept in self._vault.items() if not goes(place[0], kept[0])}


def _recorded(new: NewEvent, *, position: int, recorded_at: datetime) -> RecordedEvent:
    return RecordedEvent(
        book=BOOK,
        position=position,
        stream=new.stream,
        version=new.version,
        recorded_at=recorded_at,
        actor=new.actor,
        channel=getattr(new.event, "channel", new.channel),
        command_id=new.command_id,
        caused_by=new.caused_by,
        event=new.event,
    )
