"""What would have become of these histories under another policy?

A replay takes facts (what people, officers and other systems did) and derives the decisions anew
with the code that the live ledger runs; a second engine would be a second truth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import (
    AutoRenewed,
    Credential,
    Event,
    Expired,
    Fact,
    Issue,
    Renewed,
    SwitchPolicy,
    UseRefused,
)
from sealbook.domain.credential.use import of_itself
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import RenewalCause, SwitchMode
from sealbook.projections.renewal_eligibility import AutoRenewal, auto_renewal
from sealbook.projections.validity import ValidityState, state_of


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One credential's facts in time order: its issue under the policy in force, and what followed.

    `name` is what the credential is called in the answers.
    """

    name: str
    issue: Issue
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of domain 4.5 for one credential at a moment."""

    state: ValidityState
    expires_at: datetime | None
    eligible_from: datetime | None
    auto_renewal: AutoRenewal
    renewed_at: tuple[datetime, ...]


NOT_ISSUED = Answer(
    state=ValidityState.NOT_ISSUED,
    expires_at=None,
    eligible_from=None,
    auto_renewal=AutoRenewal.NOT_APPLICABLE,
    renewed_at=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A policy applied from the beginning, or, with `switch_at`, from then on in `mode`.

    `given` is the document as it was handed in, where the replay knows it under another id.
    """

    policy: RenewalPolicy
    given: RenewalPolicy | None = None
    switch_at: datetime | None = None
    mode: SwitchMode = SwitchMode.KEEP

    @property
    def digest(self) -> str:
        """What an answer cites as the policy."""
        return (self.given or self.policy).digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to: the state as of its moment and every event that led there."""

    credential: Credential | None
    events: tuple[Event, ...]

    @property
    def renewed_at(self) -> tuple[datetime, ...]:
        return tuple(event.at for event in self.events if isinstance(event, AutoRenewed | Renewed))

    @property
    def refused(self) -> int:
        """How many uses the policy refused."""
        return sum(isinstance(event, UseRefused) and not of_itself(event) for event in self.events)

    @property
    def lapses(self) -> int:
        return sum(isinstance(event, Expired) for event in self.events)


def replay(history: History, *, policies: PolicyBook, as_of: datetime) -> Replayed:
    """Derive every decision of a history until a moment; a fact at exactly the moment counts.

    Raises Refused when the issue itself is one that the policy does not allow.
    """
    if history.issue.at > as_of:
        return Replayed(credential=None, events=())
    state: credential.State = None
    events: list[Event] = []
    facts = (*history.facts, credential.Settle(at=as_of))
    for fact in (history.issue, *facts):
        if fact.at > as_of:
            continue
        decided = credential.adopt(state, fact, policies)
        state = credential.fold(decided, since=state)
        events.extend(decided)
    return Replayed(credential=credential.issued(state), events=tuple(events))


def under(history: History, scenario: Scenario) -> History:
    """Return the history as the scenario has it; whom its policy does not concern stays as it was."""
    issue, policy, at = history.issue, scenario.policy, scenario.switch_at
    if not policy.concerns(kind=issue.kind, holder=issue.holder):
        return history
    if at is None or issue.at >= at:
        return replace(history, issue=replace(issue, policy=policy.ref))
    switch = SwitchPolicy(at=at, policy=policy.ref, mode=scenario.mode)
    before = [fact for fact in history.facts if fact.at < at]
    after = [fact for fact in history.facts if fact.at >= at]
    return replace(history, facts=(*before, switch, *after))


def answer(replayed: Replayed, *, policies: PolicyBook, as_of: datetime) -> Answer:
    """Return the answer of domain 4.5 for a replay as of its moment."""
    now = replayed.credential
    if now is None:
        return NOT_ISSUED
    status, _ = auto_renewal(now, policies.policy(now.policy), as_of)
    return Answer(
        state=state_of(now),
        expires_at=now.expires_at,
        eligible_from=now.term.bounds.eligible_from,
        auto_renewal=status,
        renewed_at=replayed.renewed_at,
    )


def decisions(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the events that a policy decided, in order: what a replay is compared by."""
    return tuple(
        event
        for event in events
        if isinstance(event, AutoRenewed | Renewed | Expired)
        or (isinstance(event, UseRefused) and not of_itself(event))
    )


def by_the_clock(event: Event) -> bool:
    """Tell whether time alone decided it, so that it may stand in no record yet."""
    return isinstance(event, Expired) or (isinstance(event, AutoRenewed) and event.cause is RenewalCause.EXPIRY)


def facts_of(history: Iterable[RecordedEvent], *, name: str) -> History | None:
    """Return the facts in the recorded history of one credential, its policy's decisions left out.

    None if it has no issue among the events given.
    """
    issue: Issue | None = None
    facts: list[Fact] = []
    for recorded in history:
        event = recorded.event
        if isinstance(event, credential.Issued):
            issue = _issue(event)
        elif isinstance(event, credential.Event):
            fact = credential.fact_of(event)
            facts.extend(() if fact is None else (fact,))
    return None if issue is None else History(name=name, issue=issue, facts=facts)


def _issue(event: credential.Issued) -> Issue:
    # The device is left out: which device a use came from was judged once and for all.
    return Issue(
        at=event.at,
        customer=event.customer,
        kind=event.kind,
        holder=event.holder,
        policy=event.policy,
        replaces=event.replaces,
        old_end=event.old_end,
        provenance=event.provenance,
    )
