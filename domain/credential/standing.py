"""The credential's state: what every stage of its life reads and moves."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.renewal import Bounds, Term
from sealbook.domain.values import HolderKind, Kind, PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An issued credential. Its conditions are independent flags, not one enumeration."""

    customer: UUID
    kind: Kind
    holder: HolderKind
    issued_at: datetime
    policy: PolicyRef
    policy_since: datetime
    term: Term
    device: UUID | None = None
    suspended: bool = False
    revoked: bool = False
    lapsed_at: datetime | None = None
    grace_until: datetime | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The exclusive end of the present period; None if it never ends."""
        return self.term.bounds.expires_at

    def in_grace_at(self, at: datetime) -> bool:
        return self.grace_until is not None and at < self.grace_until

    def ended_at(self, at: datetime) -> bool:
        """Tell whether nothing can change it any more."""
        return self.revoked or (self.lapsed_at is not None and not self.in_grace_at(at))

    def renewed(self, bounds: Bounds) -> "Credential":
        return replace(self, term=self.term.renewed(bounds), lapsed_at=None, grace_until=None)


State = Credential | None
"""None until the credential is issued."""


def issued(state: State) -> Credential:
    """Return the credential. Raises Refused(not_issued) if there is none."""
    if state is None:
        raise Refused(Refusal.NOT_ISSUED, "the credential has not been issued: issue it first")
    return state


def check_changeable(state: Credential, at: datetime) -> None:
    """Raise Refused(already_final) once revoked, or lapsed with its grace over."""
    if state.ended_at(at):
        end = "revoked" if state.revoked else "expired"
        raise Refused(Refusal.ALREADY_FINAL, f"the credential is {end} for good: issue a new one")


def check_unlapsed(state: Credential, at: datetime) -> None:
    """Raise Refused once revoked or lapsed, be it in its grace."""
    check_changeable(state, at)
    if state.lapsed_at is not None:
        raise Refused(Refusal.EXPIRED, "the credential has lapsed: in its grace only a use brings it back")
