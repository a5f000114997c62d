"""Renewal and lapse: what a use, the clock, a request or another policy does to the period."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain import renewal
from sealbook.domain.calendar import shift_forward
from sealbook.domain.credential.paying import check_renewal_paid
from sealbook.domain.credential.standing import Credential, check_unlapsed
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import PolicyBook, Switch
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.records import replace
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import EventType, PolicyRef, RenewalCause, SwitchMode

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoRenewed:
    """Renewed by the policy, at nobody's request. One caused by a use follows that use at once."""

    stored: ClassVar = EventType("credential.auto_renewed", 1)

    at: datetime
    policy: PolicyRef
    cause: RenewalCause
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """Renewed on request."""

    stored: ClassVar = EventType("credential.renewed", 1)

    at: datetime
    policy: PolicyRef
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """It lapsed; until `grace_until` a qualifying use may still bring it back."""

    stored: ClassVar = EventType("credential.expired", 1)

    at: datetime
    policy: PolicyRef
    grace_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalObjectionLodged:
    stored: ClassVar = EventType("credential.renewal_objection_lodged", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySwitched:
    """`automatic`: the announcement said that the new version takes over credentials by itself."""

    stored: ClassVar = EventType("credential.policy_switched", 1)

    at: datetime
    policy: PolicyRef
    mode: SwitchMode
    automatic: bool
    bounds: Bounds


Event = AutoRenewed | Renewed | Expired | RenewalObjectionLodged | PolicySwitched


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRenewal:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectToRenewal:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPolicy:
    at: datetime
    policy: PolicyRef
    mode: SwitchMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Record what the clock has decided until `at`."""

    at: datetime


Command = RequestRenewal | ObjectToRenewal | SwitchPolicy | Settle


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case AutoRenewed(bounds=bounds) | Renewed(bounds=bounds):
            return state.renewed(bounds)
        case Expired(at=at, grace_until=grace_until):
            return replace(state, lapsed_at=at, grace_until=grace_until)
        case RenewalObjectionLodged():
            return replace(state, term=replace(state.term, objected=True))
        case PolicySwitched(at=at, policy=policy, mode=SwitchMode.KEEP):
            return replace(state, policy=policy, policy_since=at)
        case PolicySwitched(at=at, policy=policy, bounds=bounds):
            return replace(state, policy=policy, policy_since=at, term=state.term.switched(bounds))
        case _:
            assert_never(event)


# --- Decide: the clock


def settle(state: Credential, policies: PolicyBook, at: datetime) -> tuple[Event, ...]:
    """Return what time alone has decided until `at`, both ends included, in order."""
    decided: list[Event] = []
    while (event := _next_of_the_clock(state, policies, at)) is not None:
        decided.append(event)
        state = evolve(state, event)
    return tuple(decided)


def _next_of_the_clock(state: Credential, policies: PolicyBook, at: datetime) -> Event | None:
    if state.revoked or state.lapsed_at is not None:
        return None
    end = state.expires_at
    switch = policies.next_switch(state.policy, after=state.policy_since, kind=state.kind, holder=state.holder)
    if switch is not None:
        # One that took effect in a grace waits for the renewal that ended it.
        switch = replace(switch, at=max(switch.at, state.term.bounds.anchor))
    if end is not None and end <= at and (switch is None or end <= switch.at):
        return _at_expiry(state, policies.policy(state.policy), end)
    if switch is not None and switch.at <= at:
        return _switched(state, policies, switch, automatic=True)
    return None


def _at_expiry(state: Credential, policy: RenewalPolicy, end: datetime) -> Event:
    bounds = renewal.at_expiry(policy, state.term, suspended=state.suspended or state.locked)
    if bounds is None:
        return Expired(at=end, policy=policy.ref, grace_until=renewal.grace_until(policy, end))
    return AutoRenewed(at=end, policy=policy.ref, cause=RenewalCause.EXPIRY, bounds=bounds)


# --- Decide: requests


def decide(state: Credential, command: Command, policies: PolicyBook, kinds: KindBook | None) -> tuple[Event, ...]:
    """Answer a command on a credential that the clock has settled.

    `kinds` is None in a replay: fees and notices are duties of the live system (domain 4.6).
    """
    match command:
        case RequestRenewal(at=at):
            check_unlapsed(state, at)
            renewed = _renewed(state, policies.policy(state.policy), at)
            if kinds is not None:
                check_renewal_paid(state, kinds.kind(state.kind))
            return (renewed,)
        case ObjectToRenewal(at=at):
            check_unlapsed(state, at)
            if state.term.objected:
                return ()
            if kinds is not None:
                _check_objection_in_time(state, policies.policy(state.policy), at)
            return (RenewalObjectionLodged(at=at),)
        case SwitchPolicy(at=at, policy=policy, mode=mode):
            check_unlapsed(state, at)
            switch = Switch(at=at, policy=policy, mode=mode)
            return (_switched(state, policies, switch, automatic=False),)
        case Settle():
            return ()
        case _:
            assert_never(command)


def _check_objection_in_time(state: Credential, policy: RenewalPolicy, at: datetime) -> None:
    notified_at = state.term.notified_at
    if notified_at is None or policy.objection is None:
        return
    if at >= shift_forward(notified_at, policy.objection, zone_name=policy.zone):
        raise Refused(Refusal.TOO_LATE, f"an objection is taken for {policy.objection} after the notice")


def _renewed(state: Credential, policy: RenewalPolicy, at: datetime) -> Renewed:
    if state.suspended:
        raise Refused(Refusal.SUSPENDED, "a suspended credential is not renewed: resume it first")
    if state.locked:
        raise Refused(Refusal.LOCKED, "a locked credential is not renewed: unlock it first")
    if not renewal.renewals_left(policy, state.term):
        raise Refused(Refusal.RENEWALS_EXHAUSTED, f"policy {policy.ref} allows no further renewal: issue a new one")
    bounds = renewal.on_request(policy, state.term, at)
    if bounds is None:
        raise Refused(Refusal.WINDOW, f"policy {policy.ref} takes no request for renewal at that moment")
    return Renewed(at=at, policy=policy.ref, bounds=bounds)


def _switched(state: Credential, policies: PolicyBook, switch: Switch, *, automatic: bool) -> PolicySwitched:
    policy = policies.policy(switch.policy)
    if not policy.concerns(kind=state.kind, holder=state.holder):
        raise Refused(Refusal.NOT_ELIGIBLE, f"policy {policy.ref} does not concern this credential")
    return PolicySwitched(
        at=switch.at,
        policy=policy.ref,
        mode=switch.mode,
        automatic=automatic,
        bounds=_bounds_after(state, policy, switch),
    )


def _bounds_after(state: Credential, policy: RenewalPolicy, switch: Switch) -> Bounds:
    match switch.mode:
        case SwitchMode.KEEP:
            return state.term.bounds
        case SwitchMode.RESTART:
            return renewal.restarted(policy, switch.at)
        case SwitchMode.RECOMPUTE:
            return renewal.recomputed(policy, state.term.bounds, switch.at)
        case _:
            assert_never(switch.mode)


# --- Replay


def fact_of(event: Event) -> Command | None:
    """Return the fact that an event came of; None for a renewal that its use brought about.

    That the clock was consulted is a fact: what came back-dated later found it decided.
    """
    match event:
        case AutoRenewed(cause=RenewalCause.EXPIRY) | Expired() | PolicySwitched(automatic=True):
            return Settle(at=event.at)
        case AutoRenewed():
            return None
        case Renewed(at=at):
            return RequestRenewal(at=at)
        case RenewalObjectionLodged(at=at):
            return ObjectToRenewal(at=at)
        case PolicySwitched(at=at, policy=policy, mode=mode):
            return SwitchPolicy(at=at, policy=policy, mode=mode)
        case _:
            assert_never(event)
