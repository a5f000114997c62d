"""The engine for every policy: attempts to the second, in compiled code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Outcomes, Partition, Question, UseClasses, Uses
from sealbook.adapters.replay.kernel_block import Columns, replay_chains, room
from sealbook.adapters.replay.kernel_world import Made, filled, world
from sealbook.adapters.replay.terms import beyond_numbers
from sealbook.domain.policy_document import RenewalPolicy

NAME = "csr"
_NO_CLASSES = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrEngine:
    """`classes` says what the classes of uses mean. What `threads` share out comes out the same for any number."""

    classes: UseClasses = field(default_factory=UseClasses)
    threads: int = 1

    @property
    def name(self) -> str:
        return NAME

    def refuses(self, policy: RenewalPolicy) -> str | None:
        return beyond_numbers(policy)

    def replay(
        self,
        partition: Partition,
        policies: Sequence[RenewalPolicy],
        question: Question,
        only: NDArray[np.bool_] | None = None,
    ) -> list[Outcomes]:
        """Return what became of the chains under each policy.

        Raises ValueError for a policy that it refuses, and for a partition without attempts.
        """
        check(self.name, [self.refuses(policy) for policy in policies])
        columns = columns_of(partition, self.classes)
        asked, chosen = world(policies, question, self.classes), to_choose(only)
        chains = np.arange(partition.chains)

        def kernel(begin: int, end: int, number: int, made: Made) -> None:
            replay_chains(columns, chains, begin, end, number, len(policies), chosen, room(columns), made, asked)

        return filled(
            kernel, chains=partition.chains, policies=len(policies), months=question.months, threads=self.threads
        )


def check(engine: str, refused: Sequence[str | None]) -> None:
    """Raise ValueError if a policy has a field that the engine cannot do."""
    fields = sorted({field for field in refused if field is not None})
    if fields:
        raise ValueError(f"the {engine} engine cannot do this in a policy: {', '.join(fields)}")


def columns_of(partition: Partition, classes: UseClasses) -> Columns:
    """Return the chains for compiled code.

    Raises ValueError for a partition without attempts, and for a class of use that has no meaning.
    """
    accepted, refused, facts = partition.accepted, partition.refused, partition.facts
    if accepted is None or refused is None:
        raise ValueError("the partition was read without its attempts, and they are needed here")
    columns = (
        (partition.key, np.uint64),
        (partition.issued_at, np.int32),
        (accepted.begin, np.int64),
        (accepted.at, np.int32),
        (_classes_of(accepted, classes), np.uint8),
        (refused.begin, np.int64),
        (refused.at, np.int32),
        (_classes_of(refused, classes), np.uint8),
        (facts.begin, np.int64),
        (facts.at, np.int32),
        (facts.kind, np.uint8),
        (facts.place, np.int32),
        (facts.detail, np.uint32),
    )
    return Columns(*(to_read(column, kind) for column, kind in columns))


def to_read(column: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Return a view for compiled code: always of one type, or it would be compiled for each mixture of types."""
    view = np.ascontiguousarray(column, kind).view()
    view.flags.writeable = False
    return view


def to_choose(only: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which chains are to be replayed under which policy, for compiled code: nothing stands for all."""
    return to_read(np.empty((0, 0), np.bool_) if only is None else only, np.bool_)


def _classes_of(uses: Uses, classes: UseClasses) -> NDArray[np.uint8]:
    if uses.use_class is None:
        return _NO_CLASSES
    if len(uses.use_class) and uses.use_class.max() >= len(classes.of):
        raise ValueError(f"a use has class {uses.use_class.max()}, which has no meaning")
    return uses.use_class
