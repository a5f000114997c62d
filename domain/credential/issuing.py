"""Issue: the credential's first period begins."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sealbook.domain.credential.standing import Credential, State
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds, Term, first_period
from sealbook.domain.values import EventType, HolderKind, Kind, PolicyRef

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """`device` is None and `provenance` says whence when the credential came in with a history.

    `old_end` is when the credential that this one replaces was to end: a policy may keep it.
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
    )


# --- Decide


def decide(state: State, command: Issue, policy: RenewalPolicy) -> tuple[Issued, ...]:
    if state is not None:
        raise Refused(Refusal.ALREADY_ISSUED, "the credential is issued already")
    if not policy.concerns(kind=command.kind, holder=command.holder):
        raise Refused(
            Refusal.NOT_ELIGIBLE,
            f"policy {policy.ref} does not concern a {command.kind} of a {command.holder} customer",
        )
    return (
        Issued(
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
        ),
    )


def _bounds(policy: RenewalPolicy, command: Issue) -> Bounds:
    fresh = first_period(policy, command.at)
    if policy.reissue_validity == "fresh" or command.old_end is None or command.old_end <= command.at:
        return fresh
    return replace(fresh, expires_at=command.old_end)
