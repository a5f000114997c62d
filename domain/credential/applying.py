"""Application: from the wish for a credential until its issue or its end (domain rules R13, R31, R66, R67)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.calendar import shift_forward
from sealbook.domain.credential.paying import FeeRefunded, FeeWaived
from sealbook.domain.credential.standing import Application
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook, KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, HolderKind, Kind, PolicyRef, Step

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """`steps` are those that this application takes, in order; it is given up at `open_until`.

    `identified_at` is when the holder of the credential that this one replaces was last identified,
    if that is recent enough for the short path.
    """

    stored: ClassVar = EventType("credential.applied", 1)

    at: datetime
    customer: UUID
    kind: Kind
    kind_version: int
    holder: HolderKind
    device: UUID
    policy: PolicyRef
    purpose: str | None
    replaces: UUID | None
    steps: tuple[Step, ...]
    fee_krw: int
    fee_version: int
    open_until: datetime
    identified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """`attempt` counts the failures of the step since support last let the holder retry it."""

    stored: ClassVar = EventType("credential.step_failed", 1)

    at: datetime
    step: Step
    reason: Refusal
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetried:
    """Support let the holder try the step again: the attempts begin anew."""

    stored: ClassVar = EventType("credential.step_retried", 1)

    at: datetime
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalatedToSupport:
    """`help_url` is the page that the holder was pointed to."""

    stored: ClassVar = EventType("credential.escalated_to_support", 1)

    at: datetime
    step: Step
    help_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationAbandoned:
    """`timed_out`: its time was over, and nobody gave it up."""

    stored: ClassVar = EventType("credential.application_abandoned", 1)

    at: datetime
    timed_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRejected:
    stored: ClassVar = EventType("credential.application_rejected", 1)

    at: datetime
    reason: str


Progress = StepFailed | StepRetried | EscalatedToSupport | ApplicationAbandoned | ApplicationRejected
Event = Applied | Progress


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """`identified_at` is when the holder of the credential that this one replaces was last identified."""

    at: datetime
    customer: UUID
    kind: Kind
    holder: HolderKind
    device: UUID
    policy: PolicyRef
    purpose: str | None = None
    replaces: UUID | None = None
    identified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStep:
    """Until a step was tried as often as allowed, it is open anyway; then only support lets the holder try again."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    at: datetime
    reason: str


Command = RetryStep | Escalate | Abandon | Reject


# --- Evolve


def begin(event: Applied) -> Application:
    return Application(
        customer=event.customer,
        kind=event.kind,
        holder=event.holder,
        device=event.device,
        policy=event.policy,
        replaces=event.replaces,
        applied_at=event.at,
        open_until=event.open_until,
        due=event.steps,
        fee_krw=event.fee_krw,
        fee_version=event.fee_version,
        identified_at=event.identified_at,
    )


def evolve(state: Application, event: Progress) -> Application:
    match event:
        case StepFailed(step=step, attempt=attempt):
            return state.failing(step, attempt)
        case StepRetried(step=step):
            return replace(state.failing(step, 0), escalated=False)
        case EscalatedToSupport():
            return replace(state, escalated=True)
        case ApplicationAbandoned(at=at):
            return replace(state, ended_at=at)
        case ApplicationRejected(at=at):
            return replace(state, ended_at=at, rejected=True)
        case _:
            assert_never(event)


# --- Decide


def apply(command: Apply, policy: RenewalPolicy, kinds: KindBook) -> tuple[Applied | FeeWaived, ...]:
    """Begin an application. A fee of 0 is waived at once, and on the record (domain rule R37)."""
    kind = kinds.kind(command.kind)
    _check_purpose(command, kind, kinds)
    if not policy.concerns(kind=command.kind, holder=command.holder):
        raise Refused(
            Refusal.NOT_ELIGIBLE,
            f"policy {policy.ref} does not concern a {command.kind} of a {command.holder} customer",
        )
    fee_krw = kind.fees.of_issue_krw(command.holder)
    fresh = _is_fresh(command, kind, kinds.bank.zone)
    applied = Applied(
        at=command.at,
        customer=command.customer,
        kind=command.kind,
        kind_version=kind.version,
        holder=command.holder,
        device=command.device,
        policy=policy.ref,
        purpose=command.purpose,
        replaces=command.replaces,
        steps=kind.path(command.holder, fresh=fresh),
        fee_krw=fee_krw,
        fee_version=kind.fees.version,
        open_until=shift_forward(command.at, kind.steps.open_for, zone_name=kinds.bank.zone),
        identified_at=command.identified_at if fresh else None,
    )
    waived = () if fee_krw else (FeeWaived(at=command.at, fee_version=kind.fees.version),)
    return (applied, *waived)


def _check_purpose(command: Apply, kind: KindDocument, kinds: KindBook) -> None:
    if command.purpose is not None and not kinds.serves(kind, command.purpose):
        raise Refused(Refusal.SCOPE, f"a {command.kind} does not serve that purpose: see sealbook kinds --for PURPOSE")


def _is_fresh(command: Apply, kind: KindDocument, zone_name: str) -> bool:
    if command.identified_at is None:
        return False
    return command.at < shift_forward(command.identified_at, kind.steps.fresh_for, zone_name=zone_name)


def decide(state: Application, command: Command, kind: KindDocument) -> tuple[Event | FeeRefunded, ...]:
    match command:
        case RetryStep(at=at):
            return _retried(state, at, kind)
        case Escalate(at=at):
            told = EscalatedToSupport(at=at, step=state.due[0], help_url=str(kind.help_url))
            return () if state.escalated else (told,)
        case Abandon(at=at):
            return ended(state, ApplicationAbandoned(at=at, timed_out=False))
        case Reject(at=at, reason=reason):
            return ended(state, ApplicationRejected(at=at, reason=reason))
        case _:
            assert_never(command)


def settle(state: Application, at: datetime) -> tuple[Event | FeeRefunded, ...]:
    """Return what time alone has decided until `at`: an application does not stay open for ever."""
    if state.ended_at is not None or at < state.open_until:
        return ()
    return ended(state, ApplicationAbandoned(at=state.open_until, timed_out=True))


def ended(state: Application, end: ApplicationAbandoned | ApplicationRejected) -> tuple[Event | FeeRefunded, ...]:
    """Return the end of an application, and the fee back if it was paid."""
    if not state.fee_paid:
        return (end,)
    return (end, FeeRefunded(at=end.at, amount_krw=state.fee_krw, fee_version=state.fee_version))


def check_next(state: Application, step: Step, kind: KindDocument) -> None:
    """Raise Refused unless the step is the next one, and may be tried once more."""
    if state.due[0] is not step:
        raise Refused(Refusal.STEP_ORDER, f"the next step of the application is {state.due[0]}")
    if _exhausted(state, step, kind):
        raise _too_many_attempts(step, kind)


def failed(state: Application, step: Step, reason: Refusal, *, at: datetime) -> tuple[StepFailed, ...]:
    return (StepFailed(at=at, step=step, reason=reason, attempt=state.failures_of(step) + 1),)


def _retried(state: Application, at: datetime, kind: KindDocument) -> tuple[Event, ...]:
    step = state.due[0]
    if not _exhausted(state, step, kind):
        return ()
    if not state.escalated:
        raise _too_many_attempts(step, kind)
    return (StepRetried(at=at, step=step),)


def _exhausted(state: Application, step: Step, kind: KindDocument) -> bool:
    return state.failures_of(step) >= kind.steps.attempts_max


def _too_many_attempts(step: Step, kind: KindDocument) -> Refused:
    return Refused(Refusal.TOO_MANY_ATTEMPTS, f"{step} failed too often: see {kind.help_url} or ask the call center")
