"""What has come due for one credential or application: a pure decision over its state.

What time alone decides bears the moment at which it was so. A notice bears the moment of the run, for it is
sent then and not before; one that comes too late is not sent.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sealbook.application.requests import OwnOfCredential
from sealbook.domain import credential
from sealbook.domain.calendar import shift_back
from sealbook.domain.credential import Application, Credential
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import RevocationReason, SuspensionReason
from sealbook.projections.notices import NoticeOf, notices_due


class Due(NamedTuple):
    """A command and the moment at which it became due."""

    at: datetime
    command: OwnOfCredential


def next_due(
    state: Application | Credential, *, until: datetime, now: datetime, policies: PolicyBook, kinds: KindBook
) -> Due | None:
    """Return what of an open application or credential came due first until a moment, None if nothing did.

    A notice is sent `now`, whenever it was due; one whose time has passed by now is not sent.
    """
    found = (*_by_the_clock(state, until, policies, kinds), *_notices(state, until, now, policies, kinds))
    return min((due for due in found if due.at <= until), default=None, key=_due_at)


def _due_at(due: Due) -> datetime:
    return due.at


def due_from(
    state: Application | Credential, *, policies: PolicyBook, kinds: KindBook, after: datetime | None = None
) -> datetime | None:
    """Return the first moment, of those after one, from which on `next_due` may say something new; None if none."""
    moments = _moments(state, policies, kinds)
    return min((at for at in moments if after is None or at > after), default=None)


def _moments(state: Application | Credential, policies: PolicyBook, kinds: KindBook) -> Iterator[datetime]:
    if isinstance(state, Application):
        yield state.open_until
        return
    yield from (due.at for due in _of_a_hold(state, kinds))
    if state.lapsed_at is not None:
        yield from (due.at for due in _after_the_lapse(state))
        return
    switch = policies.next_switch(state.policy, after=state.policy_since, kind=state.kind, holder=state.holder)
    if switch is not None:
        yield max(switch.at, state.term.bounds.anchor)
    if state.expires_at is not None:
        yield state.expires_at
    yield from _moments_of_notices(state, policies.policy(state.policy), kinds)


def _moments_of_notices(state: Credential, under: RenewalPolicy, kinds: KindBook) -> Iterator[datetime]:
    bounds, end = state.term.bounds, state.expires_at
    leads = (each for each in kinds.kind(state.kind).notice_leads if str(each) not in state.term.notices)
    if end is not None:
        told = (shift_back(end, lead, zone_name=under.zone) for lead in leads)
        yield from (at for at in told if at >= bounds.anchor)
    planned_at = bounds.eligible_from if under.renew_on == "use" else end
    if under.notice_lead is not None and planned_at is not None and state.term.notified_at is None:
        yield max(shift_back(planned_at, under.notice_lead, zone_name=under.zone), bounds.anchor)


def _by_the_clock(
    state: Application | Credential, until: datetime, policies: PolicyBook, kinds: KindBook
) -> Iterator[Due]:
    if isinstance(state, Application):
        yield Due(state.open_until, credential.Settle(at=state.open_until))
        return
    yield from _of_a_hold(state, kinds)
    if state.lapsed_at is not None:
        yield from _after_the_lapse(state)
        return
    decided = credential.settle(state, policies, until)
    if decided:
        yield Due(decided[0].at, credential.Settle(at=decided[0].at))


def _after_the_lapse(state: Credential) -> Iterator[Due]:
    if state.grace_until is not None:
        yield Due(state.grace_until, credential.Settle(at=state.grace_until))


def _notices(
    state: Application | Credential, until: datetime, now: datetime, policies: PolicyBook, kinds: KindBook
) -> Iterator[Due]:
    if isinstance(state, Application) or state.lapsed_at is not None or credential.settle(state, policies, now):
        return
    leads = kinds.kind(state.kind).notice_leads
    for due in notices_due(state, until=until, policy=policies.policy(state.policy), leads=leads):
        match due.notice:
            case NoticeOf.EXPIRY:
                yield Due(due.at, credential.SendExpiryNotice(at=now, lead=due.lead))
            case NoticeOf.RENEWAL:
                yield Due(due.at, credential.SendRenewalNotice(at=now, planned_at=due.about))


def _of_a_hold(state: Credential, kinds: KindBook) -> Iterator[Due]:
    if state.suspended:
        at = credential.suspension_ends_at(state, kinds)
        yield Due(at, credential.Revoke(at=at, reason=_reason(state.suspended_for)))


def _reason(suspended_for: str | None) -> RevocationReason:
    match suspended_for:
        case SuspensionReason.LOSS_REPORTED | SuspensionReason.THEFT_REPORTED | SuspensionReason.CLONE_SUSPECTED:
            return RevocationReason.KEY_COMPROMISE
        case SuspensionReason.CUSTOMER_RESTRICTED:
            return RevocationReason.PRIVILEGE_WITHDRAWN
        case _:
            return RevocationReason.CESSATION_OF_OPERATION
