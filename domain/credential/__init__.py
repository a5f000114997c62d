"""Credential: one means of authentication, from its issue to its end, cut by stage of life.

* It may be used from its issue until its end, unless suspended or revoked. Bounds are computed
  once, by the deciding policy, and stand in the event.
* Suspended, objected, lapsed and revoked are independent flags; the state that people are shown
  follows by precedence: revoked, expired, suspended, active.
* Revocation is final; so is a lapse once its grace is over.
* The clock decides first: before each command, and at each moment asked about, `settle` says what
  time alone has decided. The norm is domain 4.5 and 4.6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from sealbook.domain.credential import adoption, holds, issuing, renewing, use
from sealbook.domain.credential.adoption import (
    ExpiryObserved,
    FactNotApplied,
    ObserveExpiry,
    ObserveRenewal,
    RenewalObserved,
)
from sealbook.domain.credential.holds import Resume, Resumed, Revoke, Revoked, Suspend, Suspended
from sealbook.domain.credential.issuing import Issue, Issued
from sealbook.domain.credential.renewing import (
    AutoRenewed,
    Expired,
    ObjectToRenewal,
    PolicySwitched,
    RenewalObjectionLodged,
    Renewed,
    RequestRenewal,
    Settle,
    SwitchPolicy,
    settle,
)
from sealbook.domain.credential.standing import Credential, State, issued
from sealbook.domain.credential.use import RecordRefusal, Use, Used, UseRefused, refusal_of_use
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import PolicyBook

__all__ = [
    "Adopt",
    "AutoRenewed",
    "Command",
    "Credential",
    "Event",
    "Expired",
    "ExpiryObserved",
    "Fact",
    "FactNotApplied",
    "Issue",
    "Issued",
    "ObjectToRenewal",
    "ObserveExpiry",
    "ObserveRenewal",
    "PolicySwitched",
    "RecordRefusal",
    "RenewalObjectionLodged",
    "RenewalObserved",
    "Renewed",
    "RequestRenewal",
    "Resume",
    "Resumed",
    "Revoke",
    "Revoked",
    "Settle",
    "State",
    "Suspend",
    "Suspended",
    "SwitchPolicy",
    "Use",
    "UseRefused",
    "Used",
    "decide",
    "evolve",
    "fact_of",
    "fold",
    "issued",
    "refusal_of_use",
    "settle",
]

Event = Issued | use.Event | renewing.Event | holds.Event | adoption.Event
Fact = use.Command | renewing.Command | holds.Command | adoption.Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Take a fact of an imported history as it is: what the rules refuse is kept without effect."""

    fact: Fact

    @property
    def at(self) -> datetime:
        return self.fact.at


Command = Issue | Fact | Adopt


def evolve(state: State, event: Event) -> State:
    """Apply one fact. Raises Refused(not_issued) when a history does not begin with its issue."""
    if isinstance(event, Issued):
        return issuing.begin(event)
    if isinstance(event, use.Event):
        return use.evolve(issued(state), event)
    if isinstance(event, renewing.Event):
        return renewing.evolve(issued(state), event)
    if isinstance(event, holds.Event):
        return holds.evolve(issued(state), event)
    return adoption.evolve(issued(state), event)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


def decide(state: State, command: Command, policies: PolicyBook) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    if isinstance(command, Issue):
        return issuing.decide(state, command, policies.policy(command.policy))
    known = issued(state)
    if command.at < known.issued_at:
        raise Refused(Refusal.BACK_IN_TIME, "the command speaks of a moment before the credential was issued")
    decided = settle(known, policies, command.at)
    now = issued(fold(decided, since=known))
    if isinstance(command, Adopt):
        return (*decided, *_adopt(now, command.fact, policies))
    return (*decided, *_answer(now, command, policies))


def fact_of(event: Event) -> Fact | None:
    """Return the fact that an event came of, for a replay; None for an issue and for what a policy decided."""
    if isinstance(event, Issued):
        return None
    if isinstance(event, use.Event):
        return use.fact_of(event)
    if isinstance(event, renewing.Event):
        return renewing.fact_of(event)
    if isinstance(event, holds.Event):
        return holds.fact_of(event)
    return adoption.fact_of(event)


def _answer(state: Credential, command: Fact, policies: PolicyBook) -> tuple[Event, ...]:
    if isinstance(command, use.Command):
        return use.decide(state, command, policies.policy(state.policy))
    if isinstance(command, renewing.Command):
        return renewing.decide(state, command, policies)
    if isinstance(command, holds.Command):
        return holds.decide(state, command)
    return adoption.decide(command)


def _adopt(state: Credential, fact: Fact, policies: PolicyBook) -> tuple[Event, ...]:
    try:
        answered = _answer(state, fact, policies)
    except Refused as refused:
        # Only what an import can bring is kept; of the rest, a replay has nothing more to say.
        return (adoption.not_applied(fact, refused.code),) if isinstance(fact, adoption.Refusable) else ()
    if isinstance(fact, ObjectToRenewal) and not answered:
        # Under another policy it might be the first of its period, so a what-if needs it.
        return (RenewalObjectionLodged(at=fact.at),)
    return answered
