"""Issue: the credential's first period begins. Its key is attested in the same breath (domain rules R24, R27, R32)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sealbook.domain.credential.standing import Application, Credential, State, pending
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.records import replace
from sealbook.domain.renewal import Bounds, Term, first_period
from sealbook.domain.values import EventType, HolderKind, Kind, PolicyRef, Step, StorageLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What a device says of where it keeps a key: the level, and a digest of its statement."""

    level: StorageLevel
    digest: str


# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttested:
    stored: ClassVar = EventType("credential.key_attested", 1)

    at: datetime
    level: StorageLevel
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """`device` is None and `provenance` says whence when the credential came in with a history.

    `old_end` is when the credential that this one replaces was to end: a policy may keep it.
    `reference` is what its issuer calls it: a serial number, or where the vault keeps its seed.
    `evidence` is what an officer saw when no application preceded the issue.
    """

    stored: ClassVar = EventType("credential.issued", 1)

    at: datetime
    customer: UUID
    kind: Kind
    holder: HolderKind
    policy: PolicyRef
    bounds: Bounds
    device: UUID | None
    replaces: UUID | None
    old_end: datetime | None
    provenance: str | None
    reference: str | None
    evidence: str | None
    identified_at: datetime | None


Event = KeyAttested | Issued


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """`old_end` is the end of the credential that this one replaces, if that one has not ended."""

    at: datetime
    customer: UUID
    kind: Kind
    holder: HolderKind
    policy: PolicyRef
    device: UUID | None = None
    replaces: UUID | None = None
    old_end: datetime | None = None
    provenance: str | None = None
    reference: str | None = None
    evidence: str | None = None
    identified_at: datetime | None = None
    attestation: Attestation | None = None


# --- Evolve


def begin(event: Issued) -> Credential:
    return Credential(
        customer=event.customer,
        kind=event.kind,
        holder=event.holder,
        issued_at=event.at,
        policy=event.policy,
        policy_since=event.at,
        term=Term(bounds=event.bounds),
        device=event.device,
        identified_at=event.identified_at,
    )


def attested(state: Credential, event: KeyAttested) -> Credential:
    return replace(state, storage=event.level)


# --- Decide


def decide(state: State, command: Issue, policy: RenewalPolicy, kind: KindDocument | None) -> tuple[Event, ...]:
    """Issue after the last step of an application, or at once where an officer or a history vouches for it.

    `kind` is None for a credential of a history: no key of it was attested here.
    """
    _check_ready(state, command)
    if not policy.concerns(kind=command.kind, holder=command.holder):
        raise Refused(
            Refusal.NOT_ELIGIBLE,
            f"policy {policy.ref} does not concern a {command.kind} of a {command.holder} customer",
        )
    issued = Issued(
        at=command.at,
        customer=command.customer,
        kind=command.kind,
        holder=command.holder,
        policy=policy.ref,
        bounds=_bounds(policy, command),
        device=command.device,
        replaces=command.replaces,
        old_end=command.old_end,
        provenance=command.provenance,
        reference=command.reference,
        evidence=command.evidence,
        identified_at=command.identified_at,
    )
    return (issued, *_attested(command, kind))


def _attested(command: Issue, kind: KindDocument | None) -> tuple[KeyAttested, ...]:
    if kind is None:
        return ()
    if command.attestation is None and kind.storage.level_min is StorageLevel.NONE:
        # The key is kept elsewhere: the device has nothing to say of it.
        return ()
    return (key_attested(command.attestation, kind, at=command.at),)


def key_attested(attestation: Attestation | None, kind: KindDocument, *, at: datetime) -> KeyAttested:
    """Return that a key is kept well enough. Raises Refused(attestation)."""
    level_min = kind.storage.level_min
    if attestation is None or not attestation.level.reaches(level_min):
        raise Refused(Refusal.ATTESTATION, f"a {kind.kind} needs a key attested at {level_min} or better")
    return KeyAttested(at=at, level=attestation.level, digest=attestation.digest)


def _check_ready(state: State, command: Issue) -> None:
    if state is None:
        return
    application = pending(state)
    if not _answers(command, application):
        raise Refused(
            Refusal.MISMATCH, "the issue is not what was applied for: complete this application, or apply anew"
        )
    if application.due[0] is Step.FEE:
        raise Refused(Refusal.FEE_UNPAID, "the issue has a fee: charge it first")
    if application.due[0] is not Step.KEY:
        raise Refused(Refusal.STEP_ORDER, f"the next step of the application is {application.due[0]}")


def _answers(command: Issue, application: Application) -> bool:
    asked = (application.customer, application.kind, application.holder, application.device)
    return (command.customer, command.kind, command.holder, command.device) == asked


def _bounds(policy: RenewalPolicy, command: Issue) -> Bounds:
    fresh = first_period(policy, command.at)
    if policy.reissue_validity == "fresh" or command.old_end is None or command.old_end <= command.at:
        return fresh
    return replace(fresh, expires_at=command.old_end)
