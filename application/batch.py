"""A batch of commands on its way: what it asks of a store, step by step, and how its commands are answered.

No store is touched here. `steps` says what it wants loaded or appended and is told what came of it, so that
one store may be waited for and another awaited.

Decisions are taken in memory, in order, each seeing what the earlier ones did. The append compares
every head that they read. What touches a stale one is left out and decided again on the heads that
the append returned; from the third attempt on, the book is held meanwhile. So a decision may be taken on
heads that were loaded long ago: if they have moved since, it does not count.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from sealbook.application.commands import Command, targets
from sealbook.application.grouping import Decision, grouped
from sealbook.application.handlers import handle
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.outcomes import (
    FORGOTTEN,
    Outcome,
    RefusedInWhole,
    outcome_of,
    recorded_message,
    repeated,
)
from sealbook.application.ports import (
    NO_HEAD,
    Appended,
    Group,
    Head,
    ImportProgress,
    Loaded,
    StoredOutcome,
)
from sealbook.application.view import NotLoaded, View
from sealbook.domain.catalogue import refusal_of
from sealbook.domain.errors import Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds

ATTEMPTS_UNLOCKED = 2
"""How often a batch is decided without holding the book; after that it cannot go stale again."""


@dataclass(slots=True)
class KnownPolicies:
    """The policies as a writer saw them last. The append compares their heads, like those of all that is read."""

    names: dict[Name, UUID] = field(default_factory=dict[Name, UUID])
    heads: dict[UUID, Head] = field(default_factory=dict[UUID, Head])

    def learn(self, names: Mapping[Name, UUID | None], heads: Mapping[UUID, Head]) -> None:
        for name, stream in names.items():
            if name.kind is NameKind.POLICY and stream is not None and stream in heads:
                self.names[name] = stream
                self.heads[stream] = heads[stream]


@dataclass(frozen=True, slots=True)
class Load:
    """Wants heads, names and outcomes of commands; the reply is Loaded."""

    streams: Collection[UUID]
    names: Collection[Name]
    commands: Collection[UUID]


@dataclass(frozen=True, slots=True)
class Append:
    """Wants groups appended; the reply is Appended."""

    groups: Sequence[Group]
    whole: bool
    progress: ImportProgress | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Wants the book held until LetGo, or until the batch fails."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Wants the book let go; what was appended meanwhile is durable after that."""


Step = Load | Append | Hold | LetGo
Reply = Loaded | Appended | None
T = TypeVar("T")
Steps = Generator[Step, Reply, T]


def steps(
    commands: Sequence[Command],
    *,
    kinds: KindBook | None,
    progress: ImportProgress | None = None,
    known: KnownPolicies | None = None,
    kept_of: Callable[[bytes], bytes],
) -> Steps[list[Outcome]]:
    """Carry out a batch as `execute` says, over whatever carries out its steps.

    `kept_of` is the store's `command_digest`.
    """
    batch = _Batch(
        commands=commands,
        kinds=kinds or preset_kinds(),
        progress=progress,
        known=KnownPolicies() if known is None else known,
        kept_of=kept_of,
    )
    while not batch.done:
        if batch.attempts < ATTEMPTS_UNLOCKED:
            yield from batch.attempt(afresh=not batch.attempts, trusting=True)
        else:
            yield Hold()
            yield from batch.attempt(afresh=True, trusting=False)
            yield LetGo()
    # Not before what was appended is durable: a policy that was rolled back must not be remembered.
    batch.known.learn(batch.names, batch.heads)
    return [batch.outcomes[index] for index in range(len(commands))]


@dataclass(slots=True, kw_only=True)
class _Batch:
    """A batch on its way: what is known of the ledger, and which commands have their outcome."""

    commands: Sequence[Command]
    kinds: KindBook
    progress: ImportProgress | None
    known: KnownPolicies
    kept_of: Callable[[bytes], bytes]
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    heads: dict[UUID, Head] = field(default_factory=dict[UUID, Head])
    names: dict[Name, UUID | None] = field(default_factory=dict[Name, UUID | None])
    carried_out: dict[UUID, StoredOutcome] = field(default_factory=dict[UUID, StoredOutcome])
    loads: int = 0
    attempts: int = 0
    appended: bool = False
    twice: bool = False

    @property
    def pending(self) -> list[int]:
        return [index for index in range(len(self.commands)) if index not in self.outcomes]

    @property
    def done(self) -> bool:
        return not self.pending and (self.appended or self.progress is None)

    @property
    def _progress_due(self) -> bool:
        return self.progress is not None and not self.appended

    def attempt(self, *, afresh: bool, trusting: bool) -> Steps[None]:
        """Decide what is pending and append what is fresh; the rest stays pending.

        `trusting`: with the policies as they are known, else with all as it is now.
        """
        self.attempts += 1
        if afresh:
            yield from self._begin(trusting=trusting)
        self._answer_repeated()
        decisions = yield from self._decide()
        decisions = yield from self._without_repeated(decisions)
        if self.progress is not None:
            _check_none_refused(decisions)
        groups = grouped(decisions, heads=self.heads)
        # A refusal decided on one snapshot stands as it is; one that read several is compared.
        if self.loads > 1 or self._progress_due or any(group.outcomes or group.events for group in groups):
            yield from self._append(decisions, groups)
        else:
            self.outcomes.update({each.index: outcome_of(each, None, self.attempts) for each in decisions})

    def _begin(self, *, trusting: bool) -> Steps[None]:
        self.heads.clear()
        self.names.clear()
        pending = [self.commands[index] for index in self.pending]
        yield from self._load(ref for command in pending for ref in targets(command.request))
        if trusting and self.known.names:
            self.names = {**self.known.names, **self.names}
            self.heads = {**self.known.heads, **self.heads}
            # Two moments: the policies were loaded before.
            self.loads += 1

    def _load(self, missing: Iterable[Ref], command_ids: Iterable[UUID] = ()) -> Steps[None]:
        refs = set(missing)
        names = {ref for ref in refs if isinstance(ref, Name)}
        streams = {ref for ref in refs if isinstance(ref, UUID)}
        if len(names) + len(streams) < len(refs):
            # Else what is missing would be asked for again and again.
            raise TypeError("a command names a stream by its UUID or by a Name, nothing else")
        loaded = yield Load(streams, names, set(command_ids))
        assert isinstance(loaded, Loaded)  # noqa: S101 (what a Load is replied with)
        self.names.update({name: loaded.names.get(name) for name in names})
        fresh = streams | {stream for stream in loaded.names.values() if stream not in self.heads}
        self.heads.update({stream: loaded.heads.get(stream, NO_HEAD) for stream in fresh})
        for stream, head in loaded.heads.items():
            self.heads.setdefault(stream, head)
        self.carried_out.update(loaded.outcomes)
        self.loads += 1

    def _without_repeated(self, decisions: list[Decision]) -> Steps[list[Decision]]:
        """Pass over what is refused now and was carried out before: the first answer stands.

        A command that leaves an outcome need not be looked up: the append does that, under the lock.
        """
        ids = {each.command.command_id for each in decisions if each.refusal is not None and not each.decided.events}
        unknown = {each for each in ids - self.carried_out.keys() if each is not None}
        if not unknown:
            return decisions
        yield from self._load((), unknown)
        self._answer_repeated()
        return [each for each in decisions if each.index not in self.outcomes]

    def _answer_repeated(self) -> None:
        for index in self.pending:
            command = self.commands[index]
            stored = None if command.command_id is None else self.carried_out.get(command.command_id)
            if stored is not None:
                self.outcomes[index] = repeated(command.digest(), stored, self.kept_of)

    def _decide(self) -> Steps[list[Decision]]:
        """Pass over what is pending until nothing that a decision reads is missing."""
        while True:
            view = View(heads=self.heads, names=self.names, kinds=self.kinds)
            missing: set[Ref] = set()
            decisions = list(self._pass(view, missing))
            if not missing:
                return decisions
            yield from self._load(missing)

    def _pass(self, view: View, missing: set[Ref]) -> Iterable[Decision]:
        seen: set[UUID] = set()
        for index in self.pending:
            command = self.commands[index]
            if command.command_id in seen:
                # Answered from the first one's outcome, once that is known.
                self.twice = True
                continue
            if command.command_id is not None:
                seen.add(command.command_id)
            try:
                yield _decided(view, index, command)
            except NotLoaded as gap:
                missing.add(gap.missing)

    def _append(self, decisions: Sequence[Decision], groups: Sequence[Group]) -> Steps[None]:
        whole = self.progress is not None
        progress = self.progress if self._progress_due else None
        result = yield Append(groups, whole, progress)
        assert isinstance(result, Appended)  # noqa: S101 (what an Append is replied with)
        by_index = {each.index: each for each in decisions}
        for place, group in enumerate(groups):
            if place in result.left_out:
                continue
            self.heads.update(group.moved)
            self.names.update(group.names)
            self._answer(group, by_index, result.positions.get(place))
        self.appended = self.appended or not result.left_out
        self._learn(result)

    def _answer(self, group: Group, decisions: dict[int, Decision], first: int | None) -> None:
        for index in group.commands:
            last = group.last_event.get(index)
            position = None if first is None or last is None else first + last
            self.outcomes[index] = outcome_of(decisions[index], position, self.attempts)
        for kept in group.outcomes if self.twice else ():
            position = None if first is None or kept.last_event is None else first + kept.last_event
            self.carried_out[kept.command_id] = StoredOutcome(
                digest=self.kept_of(kept.digest), refusal=kept.refusal, stream=kept.stream, position=position
            )

    def _learn(self, result: Appended) -> None:
        # What is decided next reads these beside what was loaded before: two moments.
        self.loads += bool(result.left_out)
        self.heads.update(result.stale)
        self.names.update(result.taken)
        self.carried_out.update(result.outcomes)
        if result.forgotten:
            self.outcomes.update({index: FORGOTTEN for index in self.pending if self._id(index) in result.forgotten})

    def _id(self, index: int) -> UUID | None:
        return self.commands[index].command_id


def _check_none_refused(decisions: Sequence[Decision]) -> None:
    for each in decisions:
        if each.refusal is not None and not each.decided.events:
            raise RefusedInWhole(each.index, each.refusal, each.message)


def _decided(view: View, index: int, command: Command) -> Decision:
    decided = view.begin()
    decision = Decision(index=index, command=command, decided=decided)
    try:
        if command.if_version is not None:
            view.check_version(targets(command.request)[0], command.if_version)
        decision.stream = handle(view, command.request)
    except Refused as refused:
        # What the refusal read stays, for the check at the append; nothing else does.
        decided.heads.clear()
        decided.names.clear()
        decided.owners.clear()
        decided.erased.clear()
        decided.events.clear()
        decision.refusal, decision.message = refused.code, refused.message
        return decision
    view.accept()
    decision.refusal = next(filter(None, (refusal_of(event) for _, event in decided.events)), None)
    if decision.refusal is not None:
        decision.message = recorded_message(decision.refusal)
    return decision
