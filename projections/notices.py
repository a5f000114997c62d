"""Which notices are due at a moment, and which were sent? (domain rule R51, section 2)

Of the notices of an end only the latest that is due is sent, for those before it are too late; and of a
renewal there is one a period, as long as the renewal lies ahead. The timers send what is due here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sealbook.domain.calendar import Period, shift_back
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Credential, ExpiryNoticeSent, RenewalNoticeSent
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind
from sealbook.projections.states import States, settled


class NoticeOf(StrEnum):
    EXPIRY = "expiry"
    RENEWAL = "renewal"


class Due(NamedTuple):
    """A notice that came due at a moment, and the end or planned renewal that it is about."""

    at: datetime
    notice: NoticeOf
    lead: str
    about: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that is due, or one that was sent; `about` is the end or the planned renewal."""

    credential: UUID
    customer: UUID
    kind: Kind
    notice: NoticeOf
    lead: str | None
    about: datetime
    due_at: datetime | None
    sent_at: datetime | None


def notices(log: Iterable[RecordedEvent], *, as_of: datetime, policies: PolicyBook, kinds: KindBook) -> list[Notice]:
    """Answer: those that are due, the longest due first, then those that were sent, in the order of the log."""
    states, sent = States(as_of=as_of), list[Notice]()
    for recorded in log:
        if states.apply(recorded):
            sent.extend(_sent(recorded, states))
    due = sorted(_due(settled(states, policies), policies, kinds), key=lambda each: each[0])
    return [*(notice for _, notice in due), *sent]


def notices_due(state: Credential, *, until: datetime, policy: RenewalPolicy, leads: Sequence[Period]) -> Iterator[Due]:
    """Yield what has come due for a credential that the clock has settled and that has not ended."""
    yield from _of_the_end(state, until, policy, leads)
    yield from _of_a_renewal(state, until, policy)


def _of_the_end(state: Credential, until: datetime, policy: RenewalPolicy, leads: Sequence[Period]) -> Iterator[Due]:
    end = state.expires_at
    if end is None:
        return
    each_due = (Due(shift_back(end, lead, zone_name=policy.zone), NoticeOf.EXPIRY, str(lead), end) for lead in leads)
    latest = max((due for due in each_due if due.at <= until), default=None)
    if latest is not None and latest.at >= state.term.bounds.anchor and latest.lead not in state.term.notices:
        yield latest


def _of_a_renewal(state: Credential, until: datetime, policy: RenewalPolicy) -> Iterator[Due]:
    bounds, lead = state.term.bounds, policy.notice_lead
    planned_at = bounds.eligible_from if policy.renew_on == "use" else bounds.expires_at
    if policy.renew_on not in ("use", "expiry") or lead is None or planned_at is None:
        return
    at = max(shift_back(planned_at, lead, zone_name=policy.zone), bounds.anchor)
    if state.term.notified_at is None and at <= until < planned_at:
        yield Due(at, NoticeOf.RENEWAL, str(lead), planned_at)


def _due(states: States, policies: PolicyBook, kinds: KindBook) -> Iterator[tuple[datetime, Notice]]:
    held = {stream for _, customer in states.customers() for stream, _ in customer.open_credentials}
    for stream, state in states.credentials():
        if stream not in held or state.revoked or state.lapsed_at is not None:
            continue
        kind = kinds.kinds.get(state.kind)
        leads = () if kind is None else kind.notice_leads
        for due in notices_due(state, until=states.as_of, policy=policies.policy(state.policy), leads=leads):
            yield due.at, _notice(states, stream, due.notice, lead=due.lead, about=due.about, due_at=due.at)


def _sent(recorded: RecordedEvent, states: States) -> Iterator[Notice]:
    match recorded.event:
        case ExpiryNoticeSent(at=at, expires_at=about, lead=lead):
            yield _notice(states, recorded.stream, NoticeOf.EXPIRY, lead=lead, about=about, sent_at=at)
        case RenewalNoticeSent(at=at, planned_at=about):
            yield _notice(states, recorded.stream, NoticeOf.RENEWAL, lead=None, about=about, sent_at=at)
        case _:
            return


def _notice(
    states: States,
    stream: UUID,
    notice: NoticeOf,
    *,
    lead: str | None,
    about: datetime,
    due_at: datetime | None = None,
    sent_at: datetime | None = None,
) -> Notice:
    state = states.held(stream)
    return Notice(
        credential=stream,
        customer=state.customer,
        kind=state.kind,
        notice=notice,
        lead=lead,
        about=about,
        due_at=due_at,
        sent_at=sent_at,
    )
