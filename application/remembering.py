"""An event store seen through what was read and written before: a writer of many batches need not load it again."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from sealbook.application.names import Name
from sealbook.application.ports import NO_HEAD, Appended, EventStore, Group, Head, ImportProgress, Loaded
from sealbook.application.recent import Recent
from sealbook.domain.credential import Credential

KEPT = 25_000
"""Of how many streams, and names, the last ones that were asked for are kept; up to twice as many are."""


class RememberingStore:
    """An event store for batches that are appended whole, by one writer.

    What it answers may have been true a while ago. An append compares every head that a decision
    read, so what was written is right; but a refusal may be of yesterday: forget, and decide again.
    That a name is free is never remembered.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.forget()
        self.read = store.read
        self.stream = store.stream
        self.last_position = store.last_position
        self.names_of = store.names_of
        self.named = store.named
        self.import_progress = store.import_progress
        self.tracked = store.tracked
        self.track = store.track
        self.command_digest = store.command_digest
        self.erasures = store.erasures
        self.forget_erased = store.forget_erased

    def forget(self) -> None:
        self._heads = Recent[UUID, Head](KEPT)
        self._names = Recent[Name, UUID](KEPT)

    def load(self, *, streams: Collection[UUID], names: Collection[Name], commands: Collection[UUID]) -> Loaded:
        found: dict[Name, UUID] = {}
        unknown: list[Name] = []
        for name in names:
            stream = self._names.get(name)
            if stream is None:
                unknown.append(name)
            else:
                found[name] = stream
        heads: dict[UUID, Head] = {}
        unseen: list[UUID] = []
        for stream in {*streams, *found.values()}:
            head = self._heads.get(stream)
            if head is None:
                unseen.append(stream)
            else:
                heads[stream] = head
        self._add_holders(heads)
        if not (unknown or unseen or commands):
            return Loaded(heads=heads, names=found, outcomes={})
        loaded = self._store.load(streams=unseen, names=unknown, commands=commands)
        self._learn({**dict.fromkeys(unseen, NO_HEAD), **loaded.heads}, loaded.names)
        return Loaded(heads={**heads, **loaded.heads}, names={**found, **loaded.names}, outcomes=loaded.outcomes)

    def _add_holders(self, heads: dict[UUID, Head]) -> None:
        """Give with each credential its customer, if that is remembered: what ends one reads the other next."""
        for head in list(heads.values()):
            if not isinstance(head.state, Credential):
                continue
            holder = self._heads.get(head.state.customer)
            if holder is not None:
                heads.setdefault(head.state.customer, holder)

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        appended = self._store.append(groups, whole=whole, progress=progress)
        if appended.left_out:
            self.forget()
            return appended
        for group in groups:
            self._learn(group.moved, group.names)
        return appended

    @contextmanager
    def locked(self) -> Generator[None]:
        with self._store.locked():
            # What is loaded from now on cannot go stale; what was loaded before can have.
            self.forget()
            yield

    def _learn(self, heads: Mapping[UUID, Head], names: Mapping[Name, UUID]) -> None:
        for stream, head in heads.items():
            self._heads.put(stream, head)
        for name, stream in names.items():
            self._names.put(name, stream)
