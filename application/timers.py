"""Timers: what the clock alone brings about, made explicit, as a process manager.

What is due is a pure decision over a state. What time alone decides bears the moment at which it was so.
A notice bears the moment of the run, for it is sent then and not before; one that comes too late is not
sent. A command's id is made of the target and what was due when, so that one sent twice is done once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sealbook.application.cascades import catch_up, derived_id
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.application.ports import EVENTS_A_READ, EventStore
from sealbook.application.requests import OnCredential, OwnOfCredential
from sealbook.domain import catalogue, credential
from sealbook.domain.catalogue import Aggregate
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import Policy, PolicyBook
from sealbook.domain.values import RevocationReason, SuspensionReason
from sealbook.projections.notices import NoticeOf, notices_due

ACTOR, CHANNEL = "sealbook", "timer"
COMMANDS_A_BATCH = 500


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


@dataclass(slots=True)
class Timers:
    """The timers of one ledger. It follows the log, so that each run reads what is new only."""

    store: EventStore
    kinds: KindBook
    _position: int = 0
    _states: dict[UUID, Aggregate] = field(default_factory=dict[UUID, Aggregate])

    def run(self, *, until: datetime, now: datetime | None = None) -> int:
        """Do what a crash left undone and all that came due until a moment; return how many commands did something.

        `now` is when the run takes place; without it, at that moment.
        """
        done = catch_up(self.store, kinds=self.kinds)
        self._follow()
        waiting = set(self._states)
        while waiting:
            due = sorted(self._due(waiting, until, now or until), key=lambda each: each[1].at)
            waiting = self._carry_out(due)
            done += len(waiting)
            self._follow()
        return done

    def _follow(self) -> None:
        while events := self.store.read(after=self._position, limit=EVENTS_A_READ):
            for recorded in events:
                state = catalogue.evolve(self._states.get(recorded.stream), recorded.event)
                self._states[recorded.stream] = state
            self._position = events[-1].position

    def _due(self, waiting: Iterable[UUID], until: datetime, now: datetime) -> Iterator[tuple[UUID, Due]]:
        policies = self._policies()
        for stream in waiting:
            state = self._states.get(stream)
            if not isinstance(state, Application | Credential) or not self._is_open(stream, state.customer):
                continue
            due = next_due(state, until=until, now=now, policies=policies, kinds=self.kinds)
            if due is not None:
                yield stream, due

    def _is_open(self, stream: UUID, holder: UUID) -> bool:
        """Tell whether the customer still holds it: for what has ended, nothing comes due."""
        state = self._states.get(holder)
        return isinstance(state, Customer) and any(held == stream for held, _ in state.open_credentials)

    def _command(self, stream: UUID, due: Due) -> Command:
        state = self._states[stream]
        # After a switch of policy, what was told of the old end is told of the new one.
        since = state.policy_since.isoformat() if isinstance(state, Credential) else ""
        what = f"{type(due.command).__name__} {getattr(due.command, 'lead', '')}"
        key = f"{stream} {what} {due.at.isoformat()} {since}"
        request = OnCredential(credential=stream, command=due.command)
        return Command(request=request, command_id=derived_id(key), actor=ACTOR, channel=CHANNEL)

    def _policies(self) -> PolicyBook:
        named = self.store.named(NameKind.POLICY)
        found = ((name.value, self._states.get(stream)) for name, stream in named.items())
        return PolicyBook({policy_id: state for policy_id, state in found if isinstance(state, Policy)})

    def _carry_out(self, due: list[tuple[UUID, Due]]) -> set[UUID]:
        """Return the streams that moved. One that did not would be due again and again."""
        moved = set[UUID]()
        for start in range(0, len(due), COMMANDS_A_BATCH):
            batch = due[start : start + COMMANDS_A_BATCH]
            outcomes = execute(self.store, [self._command(stream, each) for stream, each in batch], kinds=self.kinds)
            moved |= {stream for (stream, _), outcome in zip(batch, outcomes, strict=True) if outcome.events}
        return moved


def run_timers(store: EventStore, *, kinds: KindBook, until: datetime, now: datetime | None = None) -> int:
    """Run the timers of a ledger once; return how many commands did something."""
    return Timers(store, kinds).run(until=until, now=now)
