"""What a run is to compute: what was asked, and the engines that answer it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Protocol

import numpy as np

from sealbook.adapters.replay.contract import Behavior, Engine, Mode, Partition, Question, Recorded, UseClasses, Uses
from sealbook.adapters.replay.figures import Shape
from sealbook.adapters.replay.fitting import Fitted
from sealbook.adapters.replay.reference import ReferenceEngine
from sealbook.adapters.replay.selecting import Rows
from sealbook.domain.policy_document import RenewalPolicy

ENGINES = ("auto", "bitmap", "csr", "reference")


class CannotReplay(Exception):
    """No engine does what is asked. The message is one line and names the policy, its field and the engine."""


class Histories(Protocol):
    """What a run reads: a snapshot. It may be handed to another process."""

    @property
    def position(self) -> int | None: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def chains(self) -> int: ...
    @property
    def customers(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def truncated(self) -> int: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def holders(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def use_classes(self) -> UseClasses: ...
    @property
    def policies(self) -> tuple[RenewalPolicy, ...]: ...
    @property
    def digest(self) -> str: ...
    @property
    def partitions(self) -> int: ...

    def read(self, number: int, *, attempts: bool, days: bool, in_fact: bool = False) -> Partition: ...
    def refused(self, number: int) -> Uses: ...
    def recorded(self, number: int) -> Recorded: ...
    def names(self, number: int) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """Policies of one engine that concern the same chains; `numbers` is where they stand in the plan."""

    numbers: tuple[int, ...]
    policies: tuple[RenewalPolicy, ...]
    engine: Engine

    def parts(self, size: int) -> "Iterator[Concerned]":
        """Yield them a few at a time."""
        for at in range(0, len(self.numbers), size):
            few = slice(at, at + size)
            yield Concerned(numbers=self.numbers[few], policies=self.policies[few], engine=self.engine)

    def rows(self, partition: Partition, plan: "Plan") -> Rows:
        """Return the chains that these policies concern."""
        policy = self.policies[0]
        kinds = [policy.kinds is None or name in policy.kinds for name in plan.kinds]
        holders = [policy.holders is None or name in policy.holders for name in plan.holders]
        return np.flatnonzero(np.array(kinds, bool)[partition.kind] & np.array(holders, bool)[partition.holder])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that the work on one partition depends on besides the partition; it may be handed to another process.

    `engines` are those of the policies, `engines_in_force` of the snapshot's own, both by number. `share` is None
    where all customers are replayed.
    """

    policies: tuple[RenewalPolicy, ...]
    in_force: tuple[RenewalPolicy, ...]
    engines: tuple[Engine, ...]
    engines_in_force: tuple[Engine, ...]
    kinds: tuple[str, ...]
    holders: tuple[str, ...]
    channels: tuple[str, ...]
    until: int
    exposed_after_days: int
    shape: Shape
    fitted: Fitted | None
    share: Fraction | None
    seed: int
    naming: bool

    @property
    def shown(self) -> Mode:
        """The behavior whose figures are shown in detail."""
        return Mode.LEAVE if self.fitted is None else Mode.AS_FITTED

    @property
    def others(self) -> tuple[Mode, ...]:
        """The behaviors of which only the totals count; as fitted is left out where nothing could be fitted."""
        return tuple(mode for mode in (Mode.LEAVE, Mode.RETURN) if mode is not self.shown)

    def question(self, mode: Mode) -> Question:
        behavior = Behavior(mode=mode, seed=self.seed)
        if mode is Mode.AS_FITTED and self.fitted is not None:
            behavior = self.fitted.behavior(seed=self.seed)
        return Question(
            policies=self.in_force,
            until=self.until,
            exposed_after_days=self.exposed_after_days,
            behavior=behavior,
            first_month=self.shape.first_month,
            months=self.shape.months,
        )

    def concerned(self) -> Iterator[Concerned]:
        """Yield the policies, those together that an engine can replay at once."""
        together: dict[object, list[int]] = {}
        for number, (policy, engine) in enumerate(zip(self.policies, self.engines, strict=True)):
            together.setdefault((policy.kinds, policy.holders, engine.name), []).append(number)
        for numbers in together.values():
            policies = tuple(self.policies[number] for number in numbers)
            yield Concerned(numbers=tuple(numbers), policies=policies, engine=self.engines[numbers[0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a snapshot; `policies` by the labels of their answers.

    `in_force` is the label of the policy that is in force, where it is among them. `fees` are what the reissue of a
    credential costs, by kind, in whole amounts of one currency.
    """

    policies: Mapping[str, RenewalPolicy]
    in_force: str | None = None
    sample: Fraction | None = None
    seed: int = 0
    exposed_after_days: int = 90
    engine: str = "auto"
    fees: Mapping[str, int] | None = None


def engines_for(
    policies: Sequence[RenewalPolicy], *, engine: str, classes: UseClasses, threads: int
) -> tuple[Engine, ...]:
    """Return the engine that replays each policy. Raises CannotReplay where the named one cannot, or none can."""
    if engine == "auto":
        from sealbook.adapters.replay.choosing import auto

        try:
            return tuple(auto(policies, classes=classes, reference=ReferenceEngine(classes=classes), threads=threads))
        except ValueError as bad:
            raise CannotReplay(str(bad)) from None
    named = _engine(engine, classes, threads)
    for policy in policies:
        refused = named.refuses(policy)
        if refused is not None:
            which = f"policy {policy.ref}: the {named.name} engine does not replay its {refused}"
            raise CannotReplay(f"{which}; --engine auto takes one that does, if there is one")
    return (named,) * len(policies)


def _engine(name: str, classes: UseClasses, threads: int) -> Engine:
    # Imported here: each brings what compiles it, and takes its time.
    match name:
        case "bitmap":
            from sealbook.adapters.replay.bitmap import BitmapEngine

            return BitmapEngine(classes=classes, threads=threads)
        case "csr":
            from sealbook.adapters.replay.csr import CsrEngine

            return CsrEngine(classes=classes, threads=threads)
        case "reference":
            return ReferenceEngine(classes=classes)
        case _:
            raise ValueError(f"there is no engine {name}: there are {', '.join(ENGINES)}")
