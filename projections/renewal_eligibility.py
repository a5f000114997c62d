"""Will this credential renew by itself, and what is still missing? (domain 4.3b and 4.5)"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sealbook.domain import renewal
from sealbook.domain.credential import Credential
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import PolicyRef
from sealbook.projections.moment import Moment


class AutoRenewal(StrEnum):
    NOT_APPLICABLE = "n/a"
    GRACE = "grace"
    NOT_YET = "not_yet"
    EARNED = "earned"
    AWAITING_USE = "awaiting_use"


class Reason(StrEnum):
    """Why a credential does not renew by itself."""

    NOT_ISSUED = "not_issued"
    REVOKED = "revoked"
    POLICY_NEVER = "policy_never"
    POLICY_REQUEST = "policy_request"
    NO_ELIGIBILITY = "no_eligibility"
    MAX_REACHED = "max_reached"
    EXPIRED = "expired"


class Block(StrEnum):
    """What stands in the way of a renewal for now."""

    SUSPENSION = "suspension"
    RESET = "reset"
    LOCK = "lock"
    OBJECTION = "objection"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalEligibility:
    """`will_renew_at` is set when the clock alone will renew it, unless something blocks it before."""

    status: AutoRenewal
    reason: Reason | None
    blocked_by: tuple[Block, ...]
    eligible_from: datetime | None
    will_renew_at: datetime | None
    qualifying_uses: int
    first_use: datetime | None
    last_use: datetime | None
    decided_under: PolicyRef | None


def renewal_eligibility(moment: Moment, policies: PolicyBook) -> RenewalEligibility:
    """Answer for a moment."""
    credential = moment.credential
    if credential is None:
        return _NOT_ISSUED
    policy = policies.policy(credential.policy)
    status, reason = auto_renewal(credential, policy, moment.as_of)
    blocked_by = blocks(credential, status)
    uses = credential.term.uses
    certain = status is AutoRenewal.EARNED and not blocked_by
    return RenewalEligibility(
        status=status,
        reason=reason,
        blocked_by=blocked_by,
        eligible_from=credential.term.bounds.eligible_from,
        will_renew_at=credential.expires_at if certain else None,
        qualifying_uses=uses.count,
        first_use=uses.first,
        last_use=uses.recent[-1] if uses.recent else None,
        decided_under=credential.policy,
    )


def auto_renewal(credential: Credential, policy: RenewalPolicy, at: datetime) -> tuple[AutoRenewal, Reason | None]:
    """Return the first status that holds, for a credential that the clock has settled."""
    reason = _never(credential, policy)
    if reason is not None:
        return AutoRenewal.NOT_APPLICABLE, reason
    if credential.lapsed_at is not None:
        in_grace = credential.in_grace_at(at)
        return (AutoRenewal.GRACE, None) if in_grace else (AutoRenewal.NOT_APPLICABLE, Reason.EXPIRED)
    eligible_from = credential.term.bounds.eligible_from
    if eligible_from is not None and at < eligible_from:
        return AutoRenewal.NOT_YET, None
    earned = renewal.earned(policy, credential.term, at)
    return (AutoRenewal.EARNED if earned else AutoRenewal.AWAITING_USE), None


def blocks(credential: Credential, status: AutoRenewal) -> tuple[Block, ...]:
    """Return what stands in the way, given the status; a reset only where a use is still missing."""
    standing = (
        (Block.SUSPENSION, credential.suspended),
        (Block.RESET, credential.reset_required and status is not AutoRenewal.EARNED),
        (Block.LOCK, credential.locked),
        (Block.OBJECTION, credential.term.objected),
    )
    return tuple(block for block, stands in standing if stands)


def _never(credential: Credential, policy: RenewalPolicy) -> Reason | None:
    if credential.revoked:
        return Reason.REVOKED
    if policy.renew_on == "never":
        return Reason.POLICY_NEVER
    if policy.renew_on == "request":
        return Reason.POLICY_REQUEST
    if credential.term.bounds.eligible_from is None:
        return Reason.NO_ELIGIBILITY
    return None if renewal.renewals_left(policy, credential.term) else Reason.MAX_REACHED


_NOT_ISSUED = RenewalEligibility(
    status=AutoRenewal.NOT_APPLICABLE,
    reason=Reason.NOT_ISSUED,
    blocked_by=(),
    eligible_from=None,
    will_renew_at=None,
    qualifying_uses=0,
    first_use=None,
    last_use=None,
    decided_under=None,
)
