"""The one write path: a batch of commands in, their outcomes out, durable before they are given.

Decisions are taken in memory, in order, each seeing what the earlier ones did. The append compares
every head that they read. What touches a stale one is left out and decided again on the heads that
the append returned; from the third attempt on, the book is held meanwhile.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from uuid import UUID

from sealbook.application.commands import Command, targets
from sealbook.application.grouping import Decision, grouped
from sealbook.application.handlers import handle
from sealbook.application.names import Name, Ref
from sealbook.application.ports import (
    NO_HEAD,
    Appended,
    EventStore,
    Group,
    Head,
    ImportProgress,
    StoredOutcome,
)
from sealbook.application.view import NotLoaded, View
from sealbook.domain.catalogue import Event, refusal_of
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds

ATTEMPTS_UNLOCKED = 2
"""How often a batch is decided without holding the book; after that it cannot go stale again."""


class RefusedInWhole(Exception):
    """A command of a batch that is to be appended whole was refused: nothing of the batch was written.

    `index` is the command's place in the batch.
    """

    def __init__(self, index: int, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.index, self.code, self.message = index, code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command was answered.

    `refusal` is None when it was accepted. `position` is that of its last event, None when it left
    none. `repeated`: it was carried out before, and this is the first answer again.
    """

    refusal: Refusal | None
    message: str
    stream: UUID | None
    position: int | None
    events: tuple[Event, ...] = ()
    repeated: bool = False

    @property
    def accepted(self) -> bool:
        return self.refusal is None


def execute(
    store: EventStore,
    commands: Sequence[Command],
    *,
    kinds: KindBook | None = None,
    progress: ImportProgress | None = None,
) -> list[Outcome]:
    """Carry out commands, in order, and return their outcomes when all of them are durable.

    `kinds` says what the bank allows; without it, what the package brings does.

    With `progress`, everything is appended together with that row, or nothing is; a refusal that
    leaves no event raises RefusedInWhole. Raises what the store raises; then nothing, or everything
    of an append, was written.
    """
    batch = _Batch(store=store, commands=commands, kinds=kinds or preset_kinds(), progress=progress)
    attempt = 0
    while not batch.done:
        attempt += 1
        held = attempt > ATTEMPTS_UNLOCKED
        with store.locked() if held else nullcontext():
            batch.attempt(afresh=held or attempt == 1)
    return [batch.outcomes[index] for index in range(len(commands))]


@dataclass(slots=True, kw_only=True)
class _Batch:
    """A batch on its way: what is known of the ledger, and which commands have their outcome."""

    store: EventStore
    commands: Sequence[Command]
    kinds: KindBook
    progress: ImportProgress | None
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    heads: dict[UUID, Head] = field(default_factory=dict[UUID, Head])
    names: dict[Name, UUID | None] = field(default_factory=dict[Name, UUID | None])
    carried_out: dict[UUID, StoredOutcome] = field(default_factory=dict[UUID, StoredOutcome])
    loads: int = 0
    appended: bool = False

    @property
    def pending(self) -> list[int]:
        return [index for index in range(len(self.commands)) if index not in self.outcomes]

    @property
    def done(self) -> bool:
        return not self.pending and (self.appended or self.progress is None)

    @property
    def _progress_due(self) -> bool:
        return self.progress is not None and not self.appended

    def attempt(self, *, afresh: bool) -> None:
        """Decide what is pending and append what is fresh; the rest stays pending."""
        if afresh:
            self.heads.clear()
            self.names.clear()
            pending = [self.commands[index] for index in self.pending]
            self._load(
                (ref for command in pending for ref in targets(command.request)),
                (command.command_id for command in pending if command.command_id is not None),
            )
        self._answer_repeated()
        decisions = self._decide()
        if self.progress is not None:
            _check_none_refused(decisions)
        groups = grouped(decisions, heads=self.heads)
        # A refusal decided on one snapshot stands as it is; one that read several is compared.
        if self.loads > 1 or self._progress_due or any(group.outcomes or group.events for group in groups):
            self._append(decisions, groups)
        else:
            self.outcomes.update({each.index: _outcome(each, None) for each in decisions})

    def _load(self, missing: Iterable[Ref], command_ids: Iterable[UUID] = ()) -> None:
        refs = set(missing)
        names = {ref for ref in refs if isinstance(ref, Name)}
        streams = {ref for ref in refs if isinstance(ref, UUID)}
        if len(names) + len(streams) < len(refs):
            # Else what is missing would be asked for again and again.
            raise TypeError("a command names a stream by its UUID or by a Name, nothing else")
        loaded = self.store.load(streams=streams, names=names, commands=set(command_ids))
        self.names.update({name: loaded.names.get(name) for name in names})
        fresh = streams | {stream for stream in loaded.names.values() if stream not in self.heads}
        self.heads.update({stream: loaded.heads.get(stream, NO_HEAD) for stream in fresh})
        self.carried_out.update(loaded.outcomes)
        self.loads += 1

    def _answer_repeated(self) -> None:
        for index in self.pending:
            command = self.commands[index]
            stored = None if command.command_id is None else self.carried_out.get(command.command_id)
            if stored is not None:
                self.outcomes[index] = _repeated(command, stored)

    def _decide(self) -> list[Decision]:
        """Pass over what is pending until nothing that a decision reads is missing."""
        while True:
            view = View(heads=self.heads, names=self.names, kinds=self.kinds)
            missing: set[Ref] = set()
            decisions = list(self._pass(view, missing))
            if not missing:
                return decisions
            self._load(missing)

    def _pass(self, view: View, missing: set[Ref]) -> Iterable[Decision]:
        seen: set[UUID] = set()
        for index in self.pending:
            command = self.commands[index]
            if command.command_id in seen:
                continue  # Answered from the first one's outcome, once that is known.
            if command.command_id is not None:
                seen.add(command.command_id)
            try:
                yield _decided(view, index, command)
            except NotLoaded as gap:
                missing.add(gap.missing)

    def _append(self, decisions: Sequence[Decision], groups: Sequence[Group]) -> None:
        whole = self.progress is not None
        progress = self.progress if self._progress_due else None
        result = self.store.append(groups, whole=whole, progress=progress)
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
            self.outcomes[index] = _outcome(decisions[index], position)
        for kept in group.outcomes:
            position = None if first is None or kept.last_event is None else first + kept.last_event
            self.carried_out[kept.command_id] = StoredOutcome(
                digest=kept.digest, refusal=kept.refusal, stream=kept.stream, position=position
            )

    def _learn(self, result: Appended) -> None:
        # What is decided next reads these beside what was loaded before: two moments.
        self.loads += bool(result.left_out)
        self.heads.update(result.stale)
        self.names.update(result.taken)
        self.carried_out.update(result.outcomes)


def _check_none_refused(decisions: Sequence[Decision]) -> None:
    for each in decisions:
        if each.refusal is not None and not each.decided.events:
            raise RefusedInWhole(each.index, each.refusal, each.message)


def _decided(view: View, index: int, command: Command) -> Decision:
    decided = view.begin()
    decision = Decision(index=index, command=command, decided=decided)
    try:
        decision.stream = handle(view, command.request)
    except Refused as refused:
        # What the refusal read stays, for the check at the append; nothing else does.
        decided.heads.clear()
        decided.names.clear()
        decided.events.clear()
        decision.refusal, decision.message = refused.code, refused.message
        return decision
    view.accept()
    decision.refusal = next(filter(None, (refusal_of(event) for _, event in decided.events)), None)
    if decision.refusal is not None:
        decision.message = f"refused and recorded, for the reason {decision.refusal}"
    return decision


def _outcome(decision: Decision, position: int | None) -> Outcome:
    return Outcome(
        refusal=decision.refusal,
        message=decision.message,
        stream=decision.stream,
        position=position,
        events=tuple(event for _, event in decision.decided.events),
    )


def _repeated(command: Command, stored: StoredOutcome) -> Outcome:
    if stored.digest != command.digest():
        message = "this command id was used before with other content: give each command an id of its own"
        return Outcome(refusal=Refusal.COMMAND_ID_REUSED, message=message, stream=None, position=None)
    message = "" if stored.refusal is None else f"refused when it was first asked: {stored.refusal}"
    return Outcome(
        refusal=stored.refusal, message=message, stream=stored.stream, position=stored.position, repeated=True
    )
