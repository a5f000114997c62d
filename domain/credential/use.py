"""Use: daily life, and what a use may bring about."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain import renewal
from sealbook.domain.credential.holds import Suspended
from sealbook.domain.credential.lockout import Locked, lock_due
from sealbook.domain.credential.loss import CloneSuspected
from sealbook.domain.credential.renewing import AutoRenewed
from sealbook.domain.credential.secrets import check_generation
from sealbook.domain.credential.standing import Credential, LastProof, UnlockMethods
from sealbook.domain.credential.unlocking import failures_max
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook, KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.records import replace
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import EventType, Network, RenewalCause, SuspensionReason, UnlockMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class UseEvidence:
    """What came with a use: the time step of its code or its signature's counter, and how it was opened.

    `drift_steps` is how far the device's clock is off, `linked_id` the ID that it acts
    for, `relying_party` who asked for it. A counter of 0 says that the device keeps none.
    """

    timecode: int | None = None
    drift_steps: int = 0
    counter: int | None = None
    unlock_method: UnlockMethod | None = None
    network: Network | None = None
    linked_id: str | None = None
    relying_party: str | None = None


NO_EVIDENCE = UseEvidence()

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """`qualifies`: the policy of that moment counts it towards a renewal. Judged once."""

    stored: ClassVar = EventType("credential.used", 1)

    at: datetime
    channel: str
    purpose: str | None
    qualifies: bool
    evidence: UseEvidence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRefused:
    """`failures` is how many wrong proofs have come in a row, this one included."""

    stored: ClassVar = EventType("credential.use_refused", 1)

    at: datetime
    channel: str
    purpose: str | None
    reason: Refusal
    failures: int


Event = Used | UseRefused


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """`proven`: the code or signature was checked and is right. Without evidence, the caller vouches for it.

    `generation` is that of the seed that a code was checked with.
    """

    at: datetime
    channel: str = "app"
    purpose: str | None = None
    device: UUID | None = None
    proven: bool = True
    evidence: UseEvidence | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefusal:
    """Another system refused a use. `failures` is set in a replay, where the wrong proofs were counted."""

    at: datetime
    channel: str = "app"
    purpose: str | None = None
    failures: int | None = None


Command = Use | RecordRefusal
Answer = tuple[Event | AutoRenewed | Locked | CloneSuspected | Suspended, ...]


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case Used():
            return _after_use(state, event)
        case UseRefused(failures=failures) if failures != state.lockout.failures:
            return replace(state, lockout=replace(state.lockout, failures=failures))
        case UseRefused():
            return state
        case _:
            assert_never(event)


def _after_use(state: Credential, event: Used) -> Credential:
    term = state.term.with_use(event.at) if event.qualifies else state.term
    lockout = replace(state.lockout, failures=0) if state.lockout.failures else state.lockout
    if event.evidence is None:
        return replace(state, term=term, lockout=lockout)
    return replace(
        state,
        term=term,
        lockout=lockout,
        last_proof=_after_proof(state.last_proof, event.evidence),
        unlock_methods=_after_unlocking(state.unlock_methods, event.evidence),
    )


def _after_proof(last: LastProof, evidence: UseEvidence) -> LastProof:
    return LastProof(
        timecode=last.timecode if evidence.timecode is None else evidence.timecode,
        counter=evidence.counter or last.counter,
        drift_steps=last.drift_steps if evidence.timecode is None else evidence.drift_steps,
    )


def _after_unlocking(unlocks: UnlockMethods, evidence: UseEvidence) -> UnlockMethods:
    if evidence.unlock_method is None or not unlocks.failures:
        return unlocks
    return unlocks.failing(evidence.unlock_method, 0)


# --- Decide


def decide(state: Credential, command: Command, policy: RenewalPolicy, kinds: KindBook | None) -> Answer:
    """Answer a use of a credential that the clock has settled. A refused use is an event too.

    `kinds` is None in a replay: what came with a use was judged when it came. Raises Refused(secret_generation)
    for a code that was checked with another seed than that in force: it tells nothing, be it right or wrong.
    """
    match command:
        case RecordRefusal(failures=counted):
            failures = state.lockout.failures if counted is None or kinds is not None else counted
            return (_refused(command, Refusal.REPORTED, failures=failures),)
        case Use():
            return _use(state, command, policy, kinds)
        case _:
            assert_never(command)


def _use(state: Credential, use: Use, policy: RenewalPolicy, kinds: KindBook | None) -> Answer:
    if kinds is not None:
        check_generation(state, use.generation)
    fault = _fault(state, use, kinds)
    counts = renewal.qualifies(policy, channel=use.channel, purpose=use.purpose)
    back = _brought_back(state, use.at, policy) if counts else None
    # A use that could end the grace is judged as any other: its proof counts, and so does a lock.
    refusal = (_refusal_of_state(state, use.at) if back is None else _refusal_of_setup(state)) or fault
    if refusal is not None:
        return _turned_away(state, use, refusal, fault, kinds)
    if back is not None:
        return _renewing(use, policy, RenewalCause.GRACE, back)
    # A use that reaches back before the present period, or to before a recorded lapse, is
    # recorded; what was decided since stays decided.
    counts = counts and use.at >= state.term.bounds.anchor and state.lapsed_at is None
    # Most uses come too early to renew: no term is made to count those.
    if counts and renewal.open_to_use(policy, state.term, use.at):
        bounds = renewal.on_use(policy, state.term.with_use(use.at), use.at)
        if bounds is not None:
            return _renewing(use, policy, RenewalCause.USE, bounds)
    return (_used(use, qualifies=counts),)


def refusal_of_use(state: Credential, at: datetime, *, device: UUID | None) -> Refusal | None:
    """Return why a proven use at `at` would be refused, or None if it may pass."""
    refusal = _refusal_of_state(state, at)
    if refusal is not None:
        return refusal
    return None if state.device == device else Refusal.WRONG_DEVICE


def _refusal_of_state(state: Credential, at: datetime) -> Refusal | None:
    if state.revoked:
        return Refusal.REVOKED
    if state.lapsed_at is not None and at >= state.lapsed_at:
        return Refusal.EXPIRED
    if state.suspended or state.held_at(at):
        return Refusal.SUSPENDED
    return _refusal_of_setup(state)


def _refusal_of_setup(state: Credential) -> Refusal | None:
    if state.reset_required:
        return Refusal.RESET_REQUIRED
    return Refusal.LOCKED if state.locked else None


def _fault(state: Credential, use: Use, kinds: KindBook | None) -> Refusal | None:
    """Return what is wrong with the use itself, whatever the credential's state."""
    if state.device != use.device:
        return Refusal.WRONG_DEVICE
    if kinds is None:
        return None
    kind = kinds.kind(state.kind)
    evidence = use.evidence or NO_EVIDENCE
    if not use.proven or not _taken(state.last_proof, evidence, kind):
        return Refusal.BAD_PROOF
    if _seen_before(state.last_proof, evidence):
        return Refusal.REPLAY
    if evidence.unlock_method is not None and not _unlocks(state, evidence.unlock_method, kind):
        return Refusal.UNLOCK_METHOD
    if evidence.network is Network.PUBLIC_WIFI and kind.on_device.public_wifi == "refuse":
        return Refusal.NETWORK
    if evidence.linked_id is not None and state.links.find(evidence.linked_id) is None:
        return Refusal.NOT_LINKED
    return None if use.purpose is None or kinds.serves(kind, use.purpose) else Refusal.SCOPE


def _taken(last: LastProof, evidence: UseEvidence, kind: KindDocument) -> bool:
    """Tell whether the kind takes proofs of that form."""
    if evidence.counter is not None and "signature" not in kind.proofs:
        return False
    if evidence.timecode is None:
        return True
    # RFC 6238 6: the window lies around the drift that was seen last.
    codes = kind.one_time_code
    return codes is not None and abs(evidence.drift_steps - last.drift_steps) <= codes.window_steps


def _seen_before(last: LastProof, evidence: UseEvidence) -> bool:
    # RFC 6238 5.2: a code is accepted once; an older one is never accepted after a newer.
    if evidence.timecode is not None and last.timecode is not None and evidence.timecode <= last.timecode:
        return True
    return _counter_went_back(last, evidence)


def _counter_went_back(last: LastProof, evidence: UseEvidence) -> bool:
    return last.counter is not None and evidence.counter is not None and evidence.counter <= last.counter


def _unlocks(state: Credential, method: UnlockMethod, kind: KindDocument) -> bool:
    unlocks = state.unlock_methods
    return method in unlocks.chosen and unlocks.failures_of(method) < failures_max(method, kind)


def _brought_back(state: Credential, at: datetime, policy: RenewalPolicy) -> Bounds | None:
    """Return the bounds that a use begins if it is one that the policy takes in the grace."""
    lapsed_at = state.lapsed_at
    if state.revoked or lapsed_at is None or at < lapsed_at or not state.in_grace_at(at):
        return None
    return renewal.on_use_in_grace(policy, state.term, at, suspended=state.suspended or state.held_at(at))


def _renewing(use: Use, policy: RenewalPolicy, cause: RenewalCause, bounds: Bounds) -> Answer:
    renewed = AutoRenewed(at=use.at, policy=policy.ref, cause=cause, bounds=bounds)
    return (_used(use, qualifies=True), renewed)


def _turned_away(state: Credential, use: Use, reason: Refusal, fault: Refusal | None, kinds: KindBook | None) -> Answer:
    # A code can be guessed at while the credential is locked, too.
    wrong = not use.proven and fault is Refusal.BAD_PROOF and reason in (Refusal.BAD_PROOF, Refusal.LOCKED)
    refused = _refused(use, reason, failures=state.lockout.failures + wrong)
    if kinds is not None and wrong:
        locked = lock_due(state, refused.failures, kinds.kind(state.kind), at=use.at)
        return (refused,) if locked is None else (refused, locked)
    if reason is Refusal.REPLAY and _counter_went_back(state.last_proof, use.evidence or NO_EVIDENCE):
        # Two devices count by themselves: one of them is a copy (WebAuthn, signature counter).
        held = Suspended(at=use.at, reason=SuspensionReason.CLONE_SUSPECTED)
        return (refused, CloneSuspected(at=use.at, evidence=None), held)
    return (refused,)


def _used(use: Use, *, qualifies: bool) -> Used:
    return Used(at=use.at, channel=use.channel, purpose=use.purpose, qualifies=qualifies, evidence=use.evidence)


def _refused(use: Command, reason: Refusal, *, failures: int) -> UseRefused:
    return UseRefused(at=use.at, channel=use.channel, purpose=use.purpose, reason=reason, failures=failures)


# --- Replay


OF_THE_POLICY = (Refusal.EXPIRED, Refusal.REVOKED, Refusal.SUSPENDED)
"""Refusals of an attempt that might have passed under another policy; any other is of the use itself."""


def of_itself(event: UseRefused) -> bool:
    """Tell whether a use was refused for what it was, so that no policy for renewal has a part in it."""
    return event.reason not in OF_THE_POLICY


def fact_of(event: Event) -> Command:
    """Return the fact that an event came of: a use that was refused was an attempt all the same."""
    match event:
        case UseRefused(at=at, channel=channel, purpose=purpose, failures=failures) if of_itself(event):
            return RecordRefusal(at=at, channel=channel, purpose=purpose, failures=failures)
        case Used(at=at, channel=channel, purpose=purpose) | UseRefused(at=at, channel=channel, purpose=purpose):
            return Use(at=at, channel=channel, purpose=purpose)
        case _:
            assert_never(event)
