"""May this credential be used at that moment, and if not, why not? (domain 4.3b)"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import assert_never

from sealbook.domain.calendar import last_valid_day
from sealbook.domain.credential import Application, Credential, State, refusal_of_use
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import PolicyRef
from sealbook.projections.moment import Moment


class ValidityState(StrEnum):
    """The effective state, by precedence from the last to the first (domain 5)."""

    NOT_ISSUED = "not_issued"
    ABANDONED = "abandoned"
    REJECTED = "rejected"
    APPLYING = "applying"
    ACTIVE = "active"
    LOCKED = "locked"
    RESET_REQUIRED = "reset_required"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """`valid_from` inclusive, `expires_at` exclusive; `last_valid_day` is what people are shown."""

    state: ValidityState
    suspended: bool
    locked: bool
    reset_required: bool
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


def state_of(state: State) -> ValidityState:
    """Return the effective state of a credential that the clock has settled."""
    match state:
        case None:
            return ValidityState.NOT_ISSUED
        case Application():
            return _state_of_application(state)
        case Credential():
            return _state_of_issued(state)
        case _:
            assert_never(state)


def _state_of_application(application: Application) -> ValidityState:
    if application.ended_at is None:
        return ValidityState.APPLYING
    return ValidityState.REJECTED if application.rejected else ValidityState.ABANDONED


def _state_of_issued(credential: Credential) -> ValidityState:
    standing = (
        (credential.revoked, ValidityState.REVOKED),
        (credential.lapsed_at is not None, ValidityState.EXPIRED),
        (credential.suspended, ValidityState.SUSPENDED),
        (credential.reset_required, ValidityState.RESET_REQUIRED),
        (credential.locked, ValidityState.LOCKED),
    )
    return next((state for stands, state in standing if stands), ValidityState.ACTIVE)


def current_validity(moment: Moment, policies: PolicyBook) -> Validity:
    """Answer for a moment; `refusal` is what a use from the bound device would be told then."""
    credential = moment.credential
    if credential is None:
        return _before_the_issue(moment)
    end = credential.expires_at
    zone_name = policies.policy(credential.policy).zone
    return Validity(
        state=state_of(credential),
        suspended=credential.suspended,
        locked=credential.locked,
        reset_required=credential.reset_required,
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


def _before_the_issue(moment: Moment) -> Validity:
    application = moment.application
    if application is None:
        return _NOT_ISSUED
    return replace(
        _NOT_ISSUED,
        state=state_of(application),
        refusal=Refusal.APPLYING if application.ended_at is None else Refusal.APPLICATION_ENDED,
        policy=application.policy,
        version=moment.version,
        position=moment.position,
    )


_NOT_ISSUED = Validity(
    state=ValidityState.NOT_ISSUED,
    suspended=False,
    locked=False,
    reset_required=False,
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
