"""Which commands of a batch stand or fall together at the append."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sealbook.application.commands import Command
from sealbook.application.names import Ref
from sealbook.application.ports import NO_HEAD, Group, Head, NewEvent, NewOutcome
from sealbook.application.view import Decided
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import AutoRenewed
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause


@dataclass(slots=True, kw_only=True)
class Decision:
    """The command at `index` of the batch, decided on the heads of a pass."""

    index: int
    command: Command
    decided: Decided
    stream: UUID | None = None
    refusal: Refusal | None = None
    message: str = ""


def grouped(decisions: Sequence[Decision], *, heads: Mapping[UUID, Head]) -> list[Group]:
    """Return the groups of an append, in the order of their first commands.

    Two commands are linked when they share a stream that the batch moves, or a name that it gives:
    the second was decided on what the first one did. What all only read, like a policy, links nothing.
    `heads` are those that the pass began with.
    """
    groups: dict[int, Group] = {}
    roots = _roots(decisions)
    for decision in decisions:
        root = roots[decision.index]
        if root not in groups:
            groups[root] = _empty()
        _add(groups[root], decision, heads)
    return list(groups.values())


def _roots(decisions: Sequence[Decision]) -> dict[int, int]:
    """Return, for each command, the first command that it is linked with."""
    changed: set[Ref] = set()
    for decision in decisions:
        # Whole dicts: a set takes over the hashes of their keys, and a UUID's costs more than all else here.
        changed.update(decision.decided.heads)
        changed.update(decision.decided.names)
    parent = {decision.index: decision.index for decision in decisions}

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_on: dict[Ref, int] = {}
    for decision in decisions:
        for ref in (decision.decided.read | decision.decided.asked) & changed:
            one, other = root(first_on.setdefault(ref, decision.index)), root(decision.index)
            parent[max(one, other)] = min(one, other)
    return {index: root(index) for index in parent}


def _add(group: Group, decision: Decision, heads: Mapping[UUID, Head]) -> None:
    decided, command = decision.decided, decision.command
    group.commands.append(decision.index)
    # What a command claimed has no head yet.
    group.read.update({stream: heads.get(stream, NO_HEAD).version for stream in decided.read})
    for stream, event in decided.events:
        version = (group.moved.get(stream) or heads.get(stream, NO_HEAD)).version + 1
        group.events.append(_new_event(stream, version, event, command))
        # The state is the command's last one for now; a later command of the group moves it on.
        after = decided.heads[stream]
        group.moved[stream] = Head(version, after.state, after.latest_at)
    if decided.names:
        group.names.update(decided.names)
        group.owners.update(decided.owners)
    if decided.erased:
        group.erased.update(decided.erased)
    last = len(group.events) - 1 if decided.events else None
    if last is not None:
        group.last_event[decision.index] = last
    if command.command_id is not None and (decision.refusal is None or decided.events):
        group.outcomes.append(
            NewOutcome(
                command_id=command.command_id,
                digest=command.digest(),
                refusal=decision.refusal,
                stream=decision.stream,
                last_event=last,
            )
        )


def _empty() -> Group:
    # Each field named: a default of a generic type costs more than the whole group.
    return Group(commands=[], read={}, moved={}, events=[], names={}, owners={}, erased={}, outcomes=[], last_event={})


def _new_event(stream: UUID, version: int, event: Event, command: Command) -> NewEvent:
    by_use = isinstance(event, AutoRenewed) and event.cause is not RenewalCause.EXPIRY
    return NewEvent(
        stream=stream,
        version=version,
        actor=command.actor,
        channel=command.channel,
        command_id=command.command_id,
        # A renewal by a use follows that use at once, in the same append (reading A13).
        caused_by=version - 1 if by_use else None,
        event=event,
    )
