"""What if: the same histories under other policies, after a check of how well the factual one is replayed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sealbook.domain.credential import Event, Expired
from sealbook.domain.policy import PolicyBook
from sealbook.projections.what_if import (
    Answer,
    History,
    Replayed,
    Scenario,
    answer,
    by_the_clock,
    decisions,
    replay,
    under,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A history with what was recorded of it.

    `decided` are the ledger's decisions, None for a history that is in no ledger; the others are
    what other systems say that they decided.
    """

    history: History
    decided: tuple[Event, ...] | None
    observed_renewals: tuple[datetime, ...]
    observed_expiries: tuple[datetime, ...]


@dataclass(slots=True, kw_only=True)
class SelfCheck:
    """How far a replay of the policy in force differs from what was recorded and observed.

    `differing` counts credentials; a what-if is worth no more than this replay.
    """

    credentials: int = 0
    recorded: Counter[str] = field(default_factory=Counter[str])
    replayed: Counter[str] = field(default_factory=Counter[str])
    differing: int = 0
    observed_renewals: int = 0
    observed_renewals_replayed: int = 0
    observed_expiries: int = 0
    observed_expiries_replayed: int = 0

    @property
    def agrees(self) -> bool:
        return (
            self.differing == 0
            and self.observed_renewals == self.observed_renewals_replayed
            and self.observed_expiries == self.observed_expiries_replayed
        )


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a policy would have come to as of the moment, over all credentials."""

    policy: str
    digest: str
    credentials: Counter[str] = field(default_factory=Counter[str])
    renewals: int = 0
    lapses: int = 0
    refused_uses: int = 0
    changed: int = 0

    def add(self, replayed: Replayed, answered: Answer, factual: Answer) -> None:
        self.credentials[answered.state] += 1
        self.renewals += len(replayed.renewed_at)
        self.lapses += replayed.lapses
        self.refused_uses += replayed.refused
        self.changed += answered != factual


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One credential under one policy."""

    policy: str
    credential: str
    answer: Answer


@dataclass(slots=True, kw_only=True)
class WhatIf:
    """A run over many histories. Feed it with `run`; the check and the summaries fill up meanwhile."""

    scenarios: Mapping[str, Scenario]
    policies: PolicyBook
    as_of: datetime
    check: SelfCheck = field(default_factory=SelfCheck)
    summaries: dict[str, Summary] = field(default_factory=dict[str, Summary])

    def __post_init__(self) -> None:
        for name, scenario in self.scenarios.items():
            self.summaries[name] = Summary(policy=name, digest=scenario.digest)

    def run(self, histories: Iterable[Recorded]) -> Iterator[Row]:
        """Replay each history as it was and under each scenario; yield a row for each of the latter."""
        for recorded in histories:
            factual = replay(recorded.history, policies=self.policies, as_of=self.as_of)
            self._compare(recorded, factual)
            in_fact = answer(factual, policies=self.policies, as_of=self.as_of)
            for name, scenario in self.scenarios.items():
                replayed = replay(under(recorded.history, scenario), policies=self.policies, as_of=self.as_of)
                answered = answer(replayed, policies=self.policies, as_of=self.as_of)
                self.summaries[name].add(replayed, answered, in_fact)
                yield Row(policy=name, credential=recorded.history.name, answer=answered)

    def _compare(self, recorded: Recorded, factual: Replayed) -> None:
        self.check.credentials += 1
        if recorded.decided is not None:
            was = [event for event in recorded.decided if event.at <= self.as_of]
            replayed = decisions(factual.events)
            self.check.recorded.update(type(event).__name__ for event in was)
            self.check.replayed.update(type(event).__name__ for event in replayed)
            # What time alone decided may not be recorded yet: the replay may know more, but only that.
            more = replayed[len(was) :]
            self.check.differing += list(replayed[: len(was)]) != was or not all(map(by_the_clock, more))
        self._compare_observed(recorded, factual)

    def _compare_observed(self, recorded: Recorded, factual: Replayed) -> None:
        renewals = [at for at in recorded.observed_renewals if at <= self.as_of]
        expiries = [at for at in recorded.observed_expiries if at <= self.as_of]
        lapses = {event.at for event in factual.events if isinstance(event, Expired)}
        self.check.observed_renewals += len(renewals)
        self.check.observed_renewals_replayed += sum(at in factual.renewed_at for at in renewals)
        self.check.observed_expiries += len(expiries)
        self.check.observed_expiries_replayed += sum(at in lapses for at in expiries)
