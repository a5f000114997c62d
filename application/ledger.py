"""The one write path: a batch of commands in, their outcomes out, durable before they are given."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import assert_never

from sealbook.application.batch import Append, Hold, KnownPolicies, LetGo, Load, Reply, steps
from sealbook.application.commands import Command
from sealbook.application.outcomes import Outcome, RefusedInWhole
from sealbook.application.ports import EventStore, ImportProgress
from sealbook.domain.kind_document import KindBook

__all__ = ["KnownPolicies", "Outcome", "RefusedInWhole", "execute"]


def execute(
    store: EventStore,
    commands: Sequence[Command],
    *,
    kinds: KindBook | None = None,
    progress: ImportProgress | None = None,
    known: KnownPolicies | None = None,
) -> list[Outcome]:
    """Carry out commands, in order, and return their outcomes when all of them are durable.

    `kinds` says what the bank allows; without it, what the package brings does. `known` spares a writer
    of many batches the loading of the policies, which nearly every decision reads.

    With `progress`, everything is appended together with that row, or nothing is; a refusal that
    leaves no event raises RefusedInWhole. Raises what the store raises; then nothing, or everything
    of an append, was written.
    """
    work = steps(commands, kinds=kinds, progress=progress, known=known, kept_of=store.command_digest)
    reply: Reply = None
    with ExitStack() as held:
        while True:
            try:
                step = work.send(reply)
            except StopIteration as done:
                outcomes: list[Outcome] = done.value
                return outcomes
            match step:
                case Load():
                    reply = store.load(streams=step.streams, names=step.names, commands=step.commands)
                case Append():
                    reply = store.append(step.groups, whole=step.whole, progress=step.progress)
                case Hold():
                    held.enter_context(store.locked())
                    reply = None
                case LetGo():
                    held.close()
                    reply = None
                case _:
                    assert_never(step)
