"""On what basis was each credential renewed without an application, or why was there none? (domain section 2)

Enforcement Decree of the Electronic Financial Transactions Act, 6(1): a bank renews by itself with the
holder's consent; or, if the credential was used in the six months before, after a notice at least a month
before, to which the holder did not object. What was so at its own moment counts, whenever the ledger
learned of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sealbook.domain import credential
from sealbook.domain.calendar import Period, shift_back
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import (
    AutoRenewed,
    Issued,
    RenewalConsentGiven,
    RenewalNoticeSent,
    RenewalObjectionLodged,
    Renewed,
    Used,
)
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import Kind, PolicyRef, RenewalCause
from sealbook.projections.states import States

USED_WITHIN = Period(months=6, days=0)
NOTICE_BEFORE = Period(months=1, days=0)


class Basis(StrEnum):
    """What makes a renewal without an application lawful."""

    NOTICE = "notice"
    CONSENT = "consent"


class Lack(StrEnum):
    """Why a renewal had no basis."""

    OBJECTED = "objected"
    NO_CONSENT = "no_consent"
    """It was not used in the six months before, so only consent would have done."""
    NO_NOTICE = "no_notice"
    LATE_NOTICE = "late_notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRenewal:
    """A renewal with its basis, or with what it lacks. `recorded_at` is None if only the clock knows of it yet.

    `used_at` is the last use until then, the one that renewed included; the other moments are of the
    period that ended with the renewal.
    """

    credential: UUID
    customer: UUID
    kind: Kind
    renewed_at: datetime
    recorded_at: datetime | None
    cause: RenewalCause
    policy: PolicyRef
    used_at: datetime | None
    notified_at: datetime | None
    consented_at: datetime | None
    objected_at: datetime | None
    basis: Basis | None
    lacks: Lack | None


@dataclass(slots=True)
class _Trail:
    """What bears on the renewals of one credential, each with its moment."""

    begun: list[datetime] = field(default_factory=list[datetime])
    uses: list[datetime] = field(default_factory=list[datetime])
    notices: list[datetime] = field(default_factory=list[datetime])
    consents: list[datetime] = field(default_factory=list[datetime])
    objections: list[datetime] = field(default_factory=list[datetime])
    renewals: list[tuple[AutoRenewed, datetime | None]] = field(
        default_factory=list[tuple[AutoRenewed, datetime | None]]
    )


def judged_renewals(log: Iterable[RecordedEvent], *, as_of: datetime, policies: PolicyBook) -> list[JudgedRenewal]:
    """Answer for every automatic renewal, by credential, those by the clock included that nobody has recorded."""
    states, trails = States(as_of=as_of), dict[UUID, _Trail]()
    for recorded in log:
        if states.apply(recorded) and isinstance(recorded.event, credential.Event):
            _follow(trails.setdefault(recorded.stream, _Trail()), recorded.event, recorded.recorded_at)
    for stream, state in states.credentials():
        for event in credential.settle(state, policies, as_of):
            _follow(trails[stream], event, None)
    return [judged for stream, trail in trails.items() for judged in _judged(states, stream, trail, policies)]


def _follow(trail: _Trail, event: credential.Event, recorded_at: datetime | None) -> None:
    match event:
        case Used(at=at):
            trail.uses.append(at)
        case RenewalNoticeSent(at=at):
            trail.notices.append(at)
        case RenewalConsentGiven(at=at):
            trail.consents.append(at)
        case RenewalObjectionLodged(at=at):
            trail.objections.append(at)
        case AutoRenewed(at=at):
            trail.renewals.append((event, recorded_at))
            trail.begun.append(at)
        case Issued(at=at) | Renewed(at=at):
            trail.begun.append(at)
        case _:
            return


def _judged(states: States, stream: UUID, trail: _Trail, policies: PolicyBook) -> Iterator[JudgedRenewal]:
    state = states.held(stream)
    for event, recorded_at in trail.renewals:
        at = event.at
        since = max((begun for begun in trail.begun if begun < at), default=at)
        used_at = max((used for used in trail.uses if used <= at), default=None)
        notified_at, consented_at, objected_at = (
            min((each for each in moments if since <= each < at), default=None)
            for moments in (trail.notices, trail.consents, trail.objections)
        )
        lacks = _lack(
            event,
            zone_name=policies.policy(event.policy).zone,
            used_at=used_at,
            notified_at=notified_at,
            consented=consented_at is not None,
            objected=objected_at is not None,
        )
        yield JudgedRenewal(
            credential=stream,
            customer=state.customer,
            kind=state.kind,
            renewed_at=at,
            recorded_at=recorded_at,
            cause=event.cause,
            policy=event.policy,
            used_at=used_at,
            notified_at=notified_at,
            consented_at=consented_at,
            objected_at=objected_at,
            basis=_basis(lacks, consented=consented_at is not None),
            lacks=lacks,
        )


def _basis(lacks: Lack | None, *, consented: bool) -> Basis | None:
    if lacks is not None:
        return None
    return Basis.CONSENT if consented else Basis.NOTICE


def _lack(
    event: AutoRenewed,
    *,
    zone_name: str,
    used_at: datetime | None,
    notified_at: datetime | None,
    consented: bool,
    objected: bool,
) -> Lack | None:
    """Return what the renewal lacks, the first that holds; None if it has a basis."""
    if objected:
        return Lack.OBJECTED
    if consented:
        return None
    if used_at is None or used_at < shift_back(event.at, USED_WITHIN, zone_name=zone_name):
        return Lack.NO_CONSENT
    if notified_at is None:
        return Lack.NO_NOTICE
    return Lack.LATE_NOTICE if notified_at > shift_back(event.at, NOTICE_BEFORE, zone_name=zone_name) else None
