"""May this credential be used at that moment, and if not, why not? (domain 4.3b)"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sealbook.domain.calendar import last_valid_day
from sealbook.domain.credential import State, refusal_of_use
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import PolicyRef
from sealbook.projections.moment import Moment


class ValidityState(StrEnum):
    """The effective state: flags by precedence revoked, expired, suspended, active."""

    NOT_ISSUED = "not_issued"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """`valid_from` inclusive, `expires_at` exclusive; `last_valid_day` is what people are shown."""

    state: ValidityState
    suspended: bool
    lapsed: bool
    revoked: bool
    objected: bool
    valid_from: datetime | None
    expires_at: datetime | None
    last_valid_day: date | None
    refusal: Refusal | None
    policy: PolicyRef | None
    version: int
    position: int


def state_of(credential: State) -> ValidityState:
    """Return the effective state of a credential that the clock has settled."""
    if credential is None:
        return ValidityState.NOT_ISSUED
    if credential.revoked:
        return ValidityState.REVOKED
    if credential.lapsed_at is not None:
        return ValidityState.EXPIRED
    return ValidityState.SUSPENDED if credential.suspended else ValidityState.ACTIVE


def current_validity(moment: Moment, policies: PolicyBook) -> Validity:
    """Answer for a moment; `refusal` is what a use from the bound device would be told then."""
    credential = moment.credential
    if credential is None:
        return _NOT_ISSUED
    end = credential.expires_at
    zone_name = policies.policy(credential.policy).zone
    return Validity(
        state=state_of(credential),
        suspended=credential.suspended,
        lapsed=credential.lapsed_at is not None,
        revoked=credential.revoked,
        objected=credential.term.objected,
        valid_from=credential.issued_at,
        expires_at=end,
        last_valid_day=None if end is None else last_valid_day(end, zone_name=zone_name),
        refusal=refusal_of_use(credential, moment.as_of, device=credential.device),
        policy=credential.policy,
        version=moment.version,
        position=moment.position,
    )


_NOT_ISSUED = Validity(
    state=ValidityState.NOT_ISSUED,
    suspended=False,
    lapsed=False,
    revoked=False,
    objected=False,
    valid_from=None,
    expires_at=None,
    last_valid_day=None,
    refusal=Refusal.NOT_ISSUED,
    policy=None,
    version=0,
    position=0,
)
