"""The stages of a credential's life, joined: one evolve, one decide, one reading of a history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import assert_never

from sealbook.domain.credential import (
    adoption,
    applying,
    device_change,
    erasing,
    holds,
    issuing,
    linking,
    lockout,
    loss,
    notices,
    paying,
    proofing,
    renewing,
    secrets,
    unlocking,
    use,
)
from sealbook.domain.credential.applying import Applied, Apply
from sealbook.domain.credential.erasing import Erase
from sealbook.domain.credential.issuing import Issue, Issued, KeyAttested
from sealbook.domain.credential.renewing import ObjectToRenewal, RenewalObjectionLodged, Settle
from sealbook.domain.credential.standing import Application, Credential, State, issued, pending
from sealbook.domain.dispatch import by_class
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import PolicyBook

_OfApplication = applying.Event | proofing.Event
_OfLife = (
    use.Event
    | renewing.Event
    | lockout.Event
    | secrets.Event
    | unlocking.Event
    | linking.Event
    | holds.Event
    | loss.Event
    | device_change.Event
    | notices.Event
    | adoption.Event
    | erasing.Event
)
Event = _OfLife | issuing.Event | _OfApplication | paying.Event
"""Daily life first: a test whether an event is one of these looks at its classes in this order."""

Steps = applying.Command | proofing.Command
"""What happens to an application."""
_OfHistory = use.Command | renewing.Command | holds.Command | lockout.Command | adoption.Command
"""What has a part in a renewal: a history from elsewhere may tell of it, and a replay decides it anew."""
Fact = (
    use.Command
    | renewing.Command
    | lockout.Command
    | secrets.Command
    | unlocking.Command
    | linking.Command
    | holds.Command
    | loss.Command
    | device_change.Command
    | notices.Command
    | adoption.Command
    | Erase
)
"""What happens to an issued credential."""


OwnCommand = (
    _OfHistory
    | secrets.Command
    | unlocking.Command
    | notices.Command
    | loss.SignalClone
    | linking.UnlinkService
    | device_change.RequireReset
    | device_change.CompleteReset
    | paying.Command
)
"""What concerns the credential alone; anything else moves another aggregate with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Take an issue or a fact of an imported history as it is: what the rules refuse is kept without effect."""

    fact: Issue | Fact

    @property
    def at(self) -> datetime:
        return self.fact.at


Command = Apply | Issue | Steps | paying.Command | Fact | Adopt


def evolve(state: State, event: Event) -> State:
    """Apply one fact. Raises Refused when a history does not begin with its application or issue."""
    in_life = _IN_LIFE.get(type(event))
    if in_life is not None:
        return in_life(issued(state), event)
    return _BEFORE[type(event)](state, event)


def _issue(state: State, event: issuing.Event) -> Credential:
    match event:
        case Issued():
            return issuing.begin(event)
        case KeyAttested():
            return issuing.attested(issued(state), event)
        case _:
            assert_never(event)


def _apply(state: State, event: applying.Event) -> Application:
    return applying.begin(event) if isinstance(event, Applied) else applying.evolve(_known(state), event)


def _prove(state: State, event: proofing.Event) -> Application:
    return proofing.evolve(_known(state), event)


def _pay(state: State, event: paying.Event) -> Application | Credential:
    if isinstance(state, Application):
        return paying.evolve(state, event)
    return paying.evolve_issued(issued(state), event)


_IN_LIFE = by_class(
    _OfLife,
    "event",
    use.evolve,
    renewing.evolve,
    lockout.evolve,
    secrets.evolve,
    unlocking.evolve,
    linking.evolve,
    holds.evolve,
    loss.evolve,
    device_change.evolve,
    notices.evolve,
    adoption.evolve,
    erasing.evolve,
)
_BEFORE = by_class(issuing.Event | _OfApplication | paying.Event, "event", _issue, _apply, _prove, _pay)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


def _known(state: State) -> Application:
    """Return the application, ended or not: what was recorded of it is a fact."""
    return state if isinstance(state, Application) else pending(state)


# --- Decide


def decide(state: State, command: Command, policies: PolicyBook, kinds: KindBook) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    if isinstance(command, Apply):
        return _begun(state, command, policies, kinds)
    if isinstance(command, Adopt):
        return adopt(state, command.fact, policies)
    if isinstance(command, Issue):
        _check_time(state, command.at)
        ready = _settled_application(state, command.at)
        return issuing.decide(ready, command, policies.policy(command.policy), kinds.kind(command.kind))
    if isinstance(state, Application):
        return _on_application(state, command, policies, kinds)
    if isinstance(command, Steps):
        return _on_application(pending(state), command, policies, kinds)
    decided, now = _settled(state, command.at, policies)
    if isinstance(command, paying.Command):
        return (*decided, *paying.decide_issued(now, command, kinds.kind(now.kind)))
    return (*decided, *_answer(now, command, policies, kinds))


def adopt(state: State, fact: Issue | Fact, policies: PolicyBook) -> tuple[Event, ...]:
    """Answer an issue or a fact of a history: duties of the live system do not bear on it (domain 4.6)."""
    if isinstance(fact, Issue):
        return issuing.decide(state, fact, policies.policy(fact.policy), None)
    decided, now = _settled(state, fact.at, policies)
    return (*decided, *_adopt(now, fact, policies))


def settle(state: State, policies: PolicyBook, at: datetime) -> tuple[Event, ...]:
    """Return what time alone has decided until `at`, both ends included, in order."""
    if isinstance(state, Credential):
        return renewing.settle(state, policies, at)
    return () if state is None else applying.settle(state, at)


def _settled(state: State, at: datetime, policies: PolicyBook) -> tuple[tuple[Event, ...], Credential]:
    known = issued(state)
    _check_time(known, at)
    decided = renewing.settle(known, policies, at)
    return decided, reduce(renewing.evolve, decided, known)


def _check_time(state: State, at: datetime) -> None:
    if state is not None and at < state.begun_at:
        raise Refused(Refusal.BACK_IN_TIME, "the command speaks of a moment before the issue, or the application")


def _begun(state: State, command: Apply, policies: PolicyBook, kinds: KindBook) -> tuple[Event, ...]:
    if state is not None:
        raise Refused(Refusal.DUPLICATE, "there is an application or credential of this id: give each an id of its own")
    return applying.apply(command, policies.policy(command.policy), kinds)


def _settled_application(state: State, at: datetime) -> State:
    return fold(applying.settle(state, at), since=state) if isinstance(state, Application) else state


def _on_application(
    state: Application, command: Steps | paying.Command | Fact, policies: PolicyBook, kinds: KindBook
) -> tuple[Event, ...]:
    _check_time(state, command.at)
    if isinstance(command, Settle):
        return applying.settle(state, command.at)
    kind = kinds.kind(state.kind)
    now = _settled_application(state, command.at)
    if isinstance(command, applying.Command):
        return applying.decide(pending(now), command, kind)
    if isinstance(command, proofing.Command):
        return proofing.decide(pending(now), command, kind)
    if isinstance(command, paying.Command):
        return paying.decide(pending(now), command)
    return _answer(issued(now), command, policies, kinds)


def _answer(state: Credential, command: Fact, policies: PolicyBook, kinds: KindBook) -> tuple[Event, ...]:
    if isinstance(command, _OfHistory):
        return _of_history(state, command, policies, kinds)
    if isinstance(command, secrets.Command):
        return secrets.decide(state, command)
    kind = kinds.kind(state.kind)
    if isinstance(command, unlocking.Command):
        return unlocking.decide(state, command, kind)
    if isinstance(command, linking.Command):
        return linking.decide(state, command, kind)
    if isinstance(command, loss.Command):
        return loss.decide(state, command)
    if isinstance(command, device_change.Command):
        return device_change.decide(state, command, kind)
    if isinstance(command, notices.Command):
        return notices.decide(state, command)
    return erasing.decide(state, command, kinds.bank)


def _of_history(
    state: Credential, command: _OfHistory, policies: PolicyBook, kinds: KindBook | None
) -> tuple[Event, ...]:
    if isinstance(command, use.Command):
        return use.decide(state, command, policies.policy(state.policy), kinds)
    if isinstance(command, renewing.Command):
        return renewing.decide(state, command, policies, kinds)
    if isinstance(command, holds.Command):
        return holds.decide(state, command, kinds)
    if isinstance(command, lockout.Command):
        return lockout.decide(state, command)
    return adoption.decide(command)


# --- Histories


def fact_of(event: Event) -> Fact | None:
    """Return the fact that an event came of, for a replay; None for what has no part in a renewal, or is decided."""
    if isinstance(event, use.Event):
        return use.fact_of(event)
    if isinstance(event, renewing.Event):
        return renewing.fact_of(event)
    if isinstance(event, holds.Event):
        return holds.fact_of(event)
    if isinstance(event, lockout.Event):
        return lockout.fact_of(event)
    return adoption.fact_of(event) if isinstance(event, adoption.Event) else None


def _adopt(state: Credential, fact: Fact, policies: PolicyBook) -> tuple[Event, ...]:
    if not isinstance(fact, _OfHistory):
        raise TypeError(f"a history does not tell of {type(fact).__name__}")
    try:
        answered = _of_history(state, fact, policies, None)
    except Refused as refused:
        # Only what an import can bring is kept; of the rest, a replay has nothing more to say.
        return (adoption.not_applied(fact, refused.code),) if isinstance(fact, adoption.Refusable) else ()
    if isinstance(fact, ObjectToRenewal) and not answered:
        # Under another policy it might be the first of its period, so a what-if needs it.
        return (RenewalObjectionLodged(at=fact.at),)
    return answered
