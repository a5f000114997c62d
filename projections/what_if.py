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
    Adopt,
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
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import RenewalCause, SwitchMode
from sealbook.projections.renewal_eligibility import AutoRenewal, auto_renewal
from sealbook.projections.validity import ValidityState, state_of

_OF_THE_USE_ITSELF = (Refusal.REPORTED, Refusal.WRONG_DEVICE)
"""Refusals that no policy for renewal has a part in; any other attempt might have passed."""


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
    """A policy applied from the beginning, or, with `switch_at`, from then on in `mode`."""

    policy: RenewalPolicy
    switch_at: datetime | None = None
    mode: SwitchMode = SwitchMode.KEEP


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
        """How many uses were refused, those that another system refused not counted."""
        return sum(isinstance(event, UseRefused) and event.reason is not Refusal.REPORTED for event in self.events)

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
    commands: list[credential.Command] = [history.issue, *(Adopt(fact=fact) for fact in facts)]
    for command in commands:
        if command.at > as_of:
            continue
        decided = credential.decide(state, command, policies)
        state = credential.fold(decided, since=state)
        events.extend(decided)
    return Replayed(credential=state, events=tuple(events))


def under(history: History, scenario: Scenario) -> History:
    """Return the history as the scenario has it; whom its policy does not concern stays as it was."""
    issue, policy, at = history.issue, scenario.policy, scenario.switch_at
    if not policy.concerns(kind=issue.kind, holder=issue.holder):
        return history
    if at is None or issue.at >= at:
        return replace(history, issue=replace(issue, policy=policy.ref))
    switch = SwitchPolicy(at=at, policy=policy.ref, mode=scenario.mode)
    before = [fact for fact in history.facts if fact.at < at]
    return replace(history, facts=(*before, switch, *history.facts[len(before) :]))


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
        or (isinstance(event, UseRefused) and event.reason not in _OF_THE_USE_ITSELF)
    )


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
            fact = _fact(event)
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
        old_end=event.bounds.expires_at if event.replaces else None,
        provenance=event.provenance,
    )


def _fact(event: Event) -> Fact | None:
    match event:
        case credential.Used(at=at, channel=channel, purpose=purpose):
            return credential.Use(at=at, channel=channel, purpose=purpose)
        case credential.UseRefused():
            return _attempt(event)
        case credential.Renewed(at=at):
            return credential.RequestRenewal(at=at)
        case credential.Suspended(at=at, reason=reason):
            return credential.Suspend(at=at, reason=reason)
        case credential.Resumed(at=at):
            return credential.Resume(at=at)
        case credential.Revoked(at=at, reason=reason):
            return credential.Revoke(at=at, reason=reason)
        case credential.RenewalObjectionLodged(at=at):
            return credential.ObjectToRenewal(at=at)
        case credential.PolicySwitched(automatic=False):
            return SwitchPolicy(at=event.at, policy=event.policy, mode=event.mode)
        case credential.RenewalObserved(at=at, expires_at=expires_at):
            return credential.ObserveRenewal(at=at, expires_at=expires_at)
        case credential.ExpiryObserved(at=at):
            return credential.ObserveExpiry(at=at)
        case credential.FactNotApplied():
            return _not_applied(event)
        case AutoRenewed(cause=RenewalCause.EXPIRY) | Expired() | credential.PolicySwitched():
            # That the clock was consulted is a fact: what came back-dated later found it decided.
            return credential.Settle(at=event.at)
        case credential.Issued() | AutoRenewed():
            return None


def _attempt(event: UseRefused) -> Fact:
    if event.reason in _OF_THE_USE_ITSELF:
        return credential.RecordRefusal(at=event.at, channel=event.channel, purpose=event.purpose)
    return credential.Use(at=event.at, channel=event.channel, purpose=event.purpose)


def _not_applied(event: credential.FactNotApplied) -> Fact:
    match event.fact:
        case "suspended":
            return credential.Suspend(at=event.at)
        case "resumed":
            return credential.Resume(at=event.at)
        case "revoked":
            return credential.Revoke(at=event.at)
        case "renewal_requested":
            return credential.RequestRenewal(at=event.at)
        case "renewal_objected":
            return credential.ObjectToRenewal(at=event.at)
        case "policy_switched" if event.switch_to is not None and event.mode is not None:
            return SwitchPolicy(at=event.at, policy=event.switch_to, mode=event.mode)
        case other:
            raise ValueError(f"a recorded fact of an unknown kind: {other!r}")
